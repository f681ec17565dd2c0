// The ledger, with content, on a disk that fails, and on one that forgets what was not synced.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/reader.h"
#include "tests/audit/scratch.h"
#include "tests/fault/fault_vfs.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// What callers were told: exchange by number.
using Acknowledged = std::map<uint64_t, std::string>;

// Two lives of a ledger, some records appended alone and some together. Ends early when the ledger
// does. Whatever fails must say so.
void Live(const std::string& dir, Durability durability, Acknowledged& acknowledged) {
  for (int life = 0; life < 2; ++life) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger =
        Ledger::Open({.dir = dir,
                      .durability = durability,
                      .content = ContentMode::kEncrypted,
                      .vfs = FaultVfs::Name()});
    if (!ledger.ok()) {
      EXPECT_FALSE(ledger.status().message().empty());
      return;
    }
    bool failed = false;
    for (int i = 0; i < 6; ++i) {
      std::vector<std::promise<absl::Status>> done(i % 3 == 2 ? 40 : 1);
      for (size_t k = 0; k < done.size(); ++k) {
        const std::string exchange = Concat(life, "-", i, "-", k);
        Record record = k % 2 == 0 ? PromptRecord(exchange) : AnswerRecord(exchange);
        record.detail = std::string(300, 'd');
        record.user = Concat("user-", i);
        (*ledger)->Append(
            std::move(record), {.text = exchange, .mode = ContentMode::kEncrypted},
            [&acknowledged, &promise = done[k], exchange](const absl::StatusOr<Receipt>& receipt) {
              if (receipt.ok()) acknowledged[receipt->seq] = exchange;
              promise.set_value(receipt.status());
            });
      }
      for (std::promise<absl::Status>& promise : done) {
        const absl::Status status = promise.get_future().get();
        EXPECT_FALSE(failed && status.ok()) << "a record was taken after the ledger had closed";
        if (!status.ok()) {
          EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDataLoss(status)) << status;
          EXPECT_FALSE((*ledger)->status().ok());
          failed = true;
        }
      }
    }
    const absl::Status closed = (*ledger)->Close();
    EXPECT_FALSE(failed && closed.ok());
    if (!closed.ok()) return;
  }
}

void ExpectWhole(const std::string& dir, const Acknowledged& acknowledged) {
  absl::StatusOr<std::unique_ptr<Ledger>> ledger =
      Ledger::Open({.dir = dir, .content = ContentMode::kEncrypted});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("again")).ok());
  ASSERT_TRUE((*ledger)->Close().ok());
  const std::unique_ptr<Reader> reader = Reader::Open(dir).value();
  const absl::StatusOr<VerifyReport> report = reader->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_TRUE(report->ok) << report->reason;
  for (const auto& [seq, exchange] : acknowledged) {
    const absl::StatusOr<Found> found = reader->Get(seq);
    ASSERT_TRUE(found.ok()) << "acknowledged record " << seq << ": " << found.status();
    ASSERT_EQ(found->record.exchange, exchange);
    if (exchange.empty()) continue;
    const absl::StatusOr<std::string> content = reader->Content(seq);
    ASSERT_TRUE(content.ok()) << "content of acknowledged record " << seq << ": "
                              << content.status();
    ASSERT_EQ(*content, exchange);
  }
}

int64_t CallsOfAWholeLife() {
  const Scratch scratch(Scratch::Memory());
  const FaultVfs vfs({});
  Acknowledged acknowledged;
  Live(scratch.dir(), Durability::kStrict, acknowledged);
  EXPECT_EQ(acknowledged.size(), 2 * (4 + 2 * 40));
  return vfs.calls();
}

class FaultTest : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(FaultTest, AtEveryCallLosesNothingThatWasAcknowledged) {
  const auto [error, persistent] = GetParam();
  const int64_t calls = CallsOfAWholeLife();
  ASSERT_GT(calls, 60);
  size_t least = SIZE_MAX;
  for (int64_t n = 0; n < calls; ++n) {
    const Scratch scratch(Scratch::Memory());
    Acknowledged acknowledged;
    {
      const FaultVfs vfs({.fail_at = n, .error = error, .persistent = persistent});
      Live(scratch.dir(), Durability::kStrict, acknowledged);
    }
    least = std::min(least, acknowledged.size());
    ExpectWhole(scratch.dir(), acknowledged);
    if (HasFatalFailure()) FAIL() << "fault at call " << n << " of " << calls;
  }
  EXPECT_EQ(least, 0);
}

// decisions_fault_test.cc has calls that fail once.
INSTANTIATE_TEST_SUITE_P(Errors, FaultTest,
                         ::testing::Values(std::tuple(SQLITE_IOERR_WRITE, true),
                                           std::tuple(SQLITE_FULL, true),
                                           std::tuple(SQLITE_OK, false),
                                           std::tuple(SQLITE_OK, true)));

class PowerCutTest : public ::testing::TestWithParam<Durability> {};

TEST_P(PowerCutTest, AtEveryCallLeavesAWholeLedger) {
  std::mt19937_64 random(Seed());
  const int64_t calls = CallsOfAWholeLife();
  for (int64_t n = 0; n < calls; ++n) {
    const Scratch scratch(Scratch::Memory());
    const Scratch after(Scratch::Memory());
    fs::create_directories(after.dir());
    Acknowledged acknowledged;
    Acknowledged before_the_cut;
    {
      const FaultVfs vfs(
          {.cut_at = n, .seed = random(), .at_cut = [&] { before_the_cut = acknowledged; }});
      Live(scratch.dir(), GetParam(), acknowledged);
      vfs.Develop(after.dir());
    }
    // Relaxed promises only that the ledger is whole up to its last checkpoint.
    if (GetParam() == Durability::kRelaxed) before_the_cut.clear();
    ExpectWhole(after.dir(), before_the_cut);
    if (HasFatalFailure()) FAIL() << "power cut at call " << n << " of " << calls;
  }
}

INSTANTIATE_TEST_SUITE_P(Durabilities, PowerCutTest,
                         ::testing::Values(Durability::kStrict, Durability::kRelaxed));

// The store is taken away from under the process; writes to it would go on without an error.
struct Theft {
  const char* name;
  void (*take)(const Scratch& scratch);
};

class TheftTest : public ::testing::TestWithParam<Theft> {};

TEST_P(TheftTest, IsNoticedBeforeTheNextReceipt) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("before")).ok());
  GetParam().take(scratch);
  const absl::Status status = AppendAndWait(*ledger, ServiceRecord("after")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AnyOf(HasSubstr("deleted or moved"), HasSubstr("replaced")));
  EXPECT_EQ(ledger->status(), status);
  EXPECT_FALSE(ledger->stats().open);
  EXPECT_FALSE(ledger->Close().ok());
}

INSTANTIATE_TEST_SUITE_P(
    Thefts, TheftTest,
    ::testing::Values(
        Theft{"Unlinked", [](const Scratch& scratch) { fs::remove(scratch.Path("ledger.db")); }},
        Theft{"LogUnlinked",
              [](const Scratch& scratch) { fs::remove(scratch.Path("ledger.db-wal")); }},
        Theft{"Swapped",
              [](const Scratch& scratch) {
                fs::copy_file(scratch.Path("ledger.db"), scratch.Path("copy"));
                fs::rename(scratch.Path("copy"), scratch.Path("ledger.db"));
              }},
        Theft{"DirectoryMoved",
              [](const Scratch& scratch) { fs::rename(scratch.dir(), scratch.dir() + "-moved"); }}),
    [](const ::testing::TestParamInfo<Theft>& theft) { return theft.param.name; });

TEST(StoreTest, AnIdleLedgerNoticesTheftWithinASecondOrSo) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  fs::remove(scratch.Path("ledger.db"));
  // The ledger closes by itself; its state is asked for until it has, or ctest loses patience.
  while (ledger->status().ok()) std::this_thread::yield();
  EXPECT_THAT(ledger->status().message(), HasSubstr("deleted"));
}

TEST(StoreTest, ACheckpointThatCannotBeWrittenClosesTheLedger) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
  fs::create_directories(scratch.Path("ledger.checkpoint.new/in/the/way"));
  EXPECT_FALSE(ledger->Close().ok());
  EXPECT_THAT(ledger->status().message(), HasSubstr("ledger.checkpoint.new"));
  fs::remove_all(scratch.Path("ledger.checkpoint.new"));
  ExpectWhole(scratch.dir(), {{0, ""}});
}

struct Damage {
  const char* name;
  void (*harm)(const Scratch& scratch);
  absl::StatusCode code;
  const char* says;
};

class OpenTest : public ::testing::TestWithParam<Damage> {};

TEST_P(OpenTest, RefusesAndSaysWhatToDo) {
  const Scratch scratch;
  for (int life = 0; life < 2; ++life) {
    std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
    ASSERT_TRUE(ledger->Close().ok());
    if (life == 0) fs::copy_file(scratch.Path("ledger.db"), scratch.Path("old.db"));
  }
  GetParam().harm(scratch);
  const absl::Status status = Ledger::Open({.dir = scratch.dir()}).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Damages, OpenTest,
    ::testing::Values(
        Damage{"RolledBack",
               [](const Scratch& scratch) {
                 fs::rename(scratch.Path("old.db"), scratch.Path("ledger.db"));
               },
               absl::StatusCode::kDataLoss, "the last 5 are lost, or the store was rolled back"},
        Damage{"StoreGone", [](const Scratch& scratch) { fs::remove(scratch.Path("ledger.db")); },
               absl::StatusCode::kDataLoss, "ledger.db is missing or empty"},
        Damage{"StoreEmptied",
               [](const Scratch& scratch) { fs::resize_file(scratch.Path("ledger.db"), 0); },
               absl::StatusCode::kDataLoss, "ledger.db is missing or empty"},
        Damage{"StoreIsNoDatabase",
               [](const Scratch& scratch) {
                 std::ofstream(scratch.Path("ledger.db")) << std::string(9'000, 'x');
               },
               absl::StatusCode::kDataLoss, "not a database"},
        Damage{"CheckpointFileGone",
               [](const Scratch& scratch) { fs::remove(scratch.Path("ledger.checkpoint")); },
               absl::StatusCode::kDataLoss, "weir audit checkpoint"},
        Damage{"CheckpointFileIsNoCheckpoint",
               [](const Scratch& scratch) {
                 std::ofstream(scratch.Path("ledger.checkpoint")) << "hello";
               },
               absl::StatusCode::kDataLoss, "malformed"},
        Damage{"KeyGone", [](const Scratch& scratch) { fs::remove(scratch.Path("ledger.key")); },
               absl::StatusCode::kFailedPrecondition, "put the key back"},
        Damage{"KeyDamaged",
               [](const Scratch& scratch) {
                 fs::remove(scratch.Path("ledger.key"));
                 std::ofstream(scratch.Path("ledger.key")) << "PRIVATE+KEY+x\n";
               },
               absl::StatusCode::kFailedPrecondition, "a key is written"},
        Damage{"AnotherKey",
               [](const Scratch& scratch) {
                 fs::remove(scratch.Path("ledger.key"));
                 std::ofstream(scratch.Path("ledger.key"))
                     << SigningKey::Generate("weir.invalid/ledger")->ToString() << "\n";
               },
               absl::StatusCode::kDataLoss, "not signed by"}),
    [](const ::testing::TestParamInfo<Damage>& damage) { return damage.param.name; });

TEST(OpenTest, RefusesADirectoryThatIsNone) {
  const Scratch scratch;
  std::ofstream(scratch.dir()) << "a file";
  EXPECT_THAT(Ledger::Open({.dir = scratch.dir()}).status().message(), HasSubstr("no directory"));
  EXPECT_FALSE(Ledger::Open({.dir = "/proc/no/such/place"}).ok());
}

TEST(ClockTest, TimeNeverFallsWhateverTheClockDoes) {
  const Scratch scratch;
  std::vector<int64_t> clock = {5'000'000, 4'000'000, 6'000'000, 0, -7, 6'500'000};
  size_t at = 0;
  int64_t last = 0;
  for (int life = 0; life < 2; ++life) {
    std::unique_ptr<Ledger> ledger =
        Ledger::Open({.dir = scratch.dir(), .now_us = [&] { return clock[at % clock.size()]; }})
            .value();
    for (int i = 0; i < 9; ++i) {
      ++at;
      const absl::StatusOr<Receipt> receipt = AppendAndWait(*ledger, ServiceRecord("x"));
      ASSERT_TRUE(receipt.ok()) << receipt.status();
      EXPECT_GE(receipt->time_us, last);
      last = receipt->time_us;
    }
    ASSERT_TRUE(ledger->Close().ok());
  }
  EXPECT_EQ(last, 6'500'000);
  EXPECT_TRUE(Reader::Open(scratch.dir()).value()->Verify({})->ok);
}

}  // namespace
}  // namespace weir::audit
