// A run of 1,000 decisions in which everything happens that a ledger does: contents, segments that
// close, are archived and removed, the word index, a hold, erasures, searches, a restart. Every
// call that changes a file fails once, and the power goes at every sync. After each the ledger is
// opened without faults: it verifies, no acknowledged record is missing, the contents of
// acknowledged records can be read, and of what was erased nothing is left in any file.
//
// WEIR_FAULT_POINTS: how many points to try of each kind, evenly apart from a random first one; or
// `all`. Default 60.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/reader.h"
#include "audit/store.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"
#include "tests/fault/fault_vfs.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;

constexpr int kDecisions = 1'000;
constexpr int kGroups = 24;            // of decisions that are asked for at once
constexpr int kGroupsOfASegment = 2;   // a day each
constexpr int64_t kDaysBetween = 120;  // so that the first segments' retention passes
constexpr int64_t kBegin = 1'700'000'000'000'000;
constexpr const char* kGone = "user-3";  // is erased
constexpr const char* kHeld = "user-5";  // is to be erased, and held for a while

std::string TextOf(int decision) {
  return Concat("decision ", decision, " of the weir ",
                std::string(decision % 50 == 7 ? 6'000 : 40, 't'));
}

// What callers were told.
struct Told {
  std::map<uint64_t, Record> records = {};  // by their numbers
  std::map<uint64_t, std::string> texts = {};
  std::set<std::string> erased = {};     // users
  std::vector<std::string> traces = {};  // bytes of keys and ciphertext of kGone
};

class Workload {
 public:
  explicit Workload(std::string dir) : dir_(std::move(dir)) {}

  LedgerOptions Options(const std::string& vfs) const {
    return {.dir = dir_,
            .free_bytes_min = 1 << 16,
            .content = ContentMode::kEncrypted,
            .keep_days = 0,
            .keep_transfer_days = 0,
            .segment_period = SegmentPeriod::kDay,
            .retention_days = kRetentionDaysMin,
            .vfs = vfs,
            .now_us = [this] { return now_us_.load(); }};
  }
  Told told() const {
    const std::lock_guard lock(mu_);
    return told_;
  }
  // To the end, or until the ledger closes itself.
  void Live() {
    if (!Open()) return;
    for (int group = 0; group < kGroups; ++group) {
      if (group > 0 && group % kGroupsOfASegment == 0) now_us_ += kDaysBetween * 86'400 * 1'000'000;
      if (!Decide(group) || !Else(group)) break;
    }
    Stop();
  }
  // Some more decisions on the same disk; the ledger stays open.
  bool GoOn() {
    if (!Open()) return false;
    for (int group = 0; group < 2; ++group) {
      if (!Decide(group)) return false;
    }
    return true;
  }
  void Stop() {
    if (ledger_ != nullptr) ledger_->Close().IgnoreError();
    ledger_.reset();
  }

 private:
  bool Open() {
    absl::StatusOr<std::unique_ptr<Ledger>> opened = Ledger::Open(Options(FaultVfs::Name()));
    if (opened.ok()) ledger_ = *std::move(opened);
    return opened.ok();
  }

  void Append(Record record, const std::string& text, std::function<void(bool)> then) {
    const Content content{.text = text,
                          .mode = text.empty() ? ContentMode::kNone : ContentMode::kEncrypted};
    Record copy = record;
    ledger_->Append(std::move(record), content,
                    [this, copy = std::move(copy), text,
                     then = std::move(then)](const absl::StatusOr<Receipt>& receipt) {
                      if (receipt.ok()) {
                        const std::lock_guard lock(mu_);
                        told_.records[receipt->seq] = copy;
                        if (!text.empty()) told_.texts[receipt->seq] = text;
                      }
                      then(receipt.ok());
                    });
  }

  // While the writer stands still at one record, the rest is queued: so batches are the same in
  // every run, whatever the threads do.
  bool Decide(int group) {
    std::promise<bool> stands;
    std::promise<void> go;
    Append(ServiceRecord("stand"), "", [&stands, go = go.get_future().share()](bool ok) {
      stands.set_value(ok);
      if (ok) go.wait();
    });
    if (!stands.get_future().get()) return false;
    const int from = kDecisions * group / kGroups;
    const int to = kDecisions * (group + 1) / kGroups;
    std::vector<std::promise<bool>> done(static_cast<size_t>(2 * (to - from)));
    auto next = done.begin();
    for (int i = from; i < to; ++i) {
      Record prompt = PromptRecord(Concat("exchange-", i));
      Record answer = AnswerRecord(Concat("exchange-", i));
      prompt.user = answer.user = Concat("user-", i % 7);
      for (Record* const record : {&prompt, &answer}) {
        Append(*record, record == &answer && i % 3 == 0 ? TextOf(i) : "",
               [promise = &*next](bool ok) { promise->set_value(ok); });
        ++next;
      }
    }
    go.set_value();
    bool all = true;
    for (std::promise<bool>& promise : done) all = promise.get_future().get() && all;
    return all;
  }

  // What happens besides, at its group.
  bool Else(int group) {
    if (group % kGroupsOfASegment == 0 && !AwaitArchives()) return false;
    switch (group) {
      case 7:
        hold_ = HoldAndWait(*ledger_, "demo", kHeld).value_or(Receipt()).seq;
        return hold_ > 0 && EraseAndWait(*ledger_, "demo", kHeld).ok();  // restricted
      case 11:
        NoteTraces();
        return true;
      case 12:
        return Erase(kGone);
      case 13:
        ledger_->Close().IgnoreError();
        ledger_.reset();
        return Open();
      case 16:
        return ReleaseAndWait(*ledger_, hold_).ok();  // and then what is restricted is destroyed
      case 9:
      case 18:
        return Reader::Open(dir_).ok();
      default:
        return true;
    }
  }

  // Of some of the contents that will be erased: what must then be nowhere.
  void NoteTraces() {
    std::string seqs;
    const std::lock_guard lock(mu_);
    for (const auto& [seq, text] : told_.texts) {
      if (told_.records[seq].user == kGone) seqs += Concat(seqs.empty() ? "" : ",", seq);
    }
    const std::string from =
        Concat(" FROM contents c JOIN content_keys k ON k.id = c.key_id WHERE c.seq IN (", seqs,
               ") GROUP BY k.id ORDER BY k.id LIMIT 4");
    for (const char* bytes :
         {"substr(k.wrapped, 1, 12)", "substr(k.wrapped, 17, 12)", "substr(c.sealed, 45, 16)"}) {
      for (std::string& trace : Blobs(dir_, Concat("SELECT ", bytes, from)))
        told_.traces.push_back(std::move(trace));
    }
  }

  bool Erase(const char* user) {
    return Await([&](Ledger::Done done) {
             ledger_->Erase(
                 "demo", user, kByLi,
                 [this, user, done = std::move(done)](absl::StatusOr<Receipt> receipt) mutable {
                   if (receipt.ok()) {
                     const std::lock_guard lock(mu_);
                     told_.erased.insert(user);
                   }
                   done(std::move(receipt));
                 });
           })
        .ok();
  }

  bool AwaitArchives() {
    const absl::Time until = absl::Now() + absl::Seconds(30);
    for (;;) {
      const LedgerStats stats = ledger_->stats();
      if (!stats.open || !stats.archive_failure.empty()) return stats.open;
      if (stats.segments_archived == stats.segments_closed) return true;
      if (absl::Now() > until) return false;
      absl::SleepFor(absl::Microseconds(200));
    }
  }

  const std::string dir_;
  mutable std::mutex mu_;
  Told told_;  // guarded by mu_
  std::atomic<int64_t> now_us_ = kBegin;
  std::unique_ptr<Ledger> ledger_;
  uint64_t hold_ = 0;
};

// The ledger as it is after the fault, opened without any.
class Aftermath {
 public:
  Aftermath(LedgerOptions options, Told told)
      : options_(std::move(options)), told_(std::move(told)) {}

  void ExpectWhole() {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(options_);
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    const absl::Status appended = AppendAndWait(**ledger, ServiceRecord("again")).status();
    ASSERT_TRUE(appended.ok()) << appended;
    const absl::Status closed = (*ledger)->Close();
    ASSERT_TRUE(closed.ok()) << closed;
    reader_ = Reader::Open(options_.dir).value();
    const absl::StatusOr<VerifyReport> report = reader_->Verify({});
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_TRUE(report->ok) << report->reason;
    first_ = report->removed;
    ASSERT_NO_FATAL_FAILURE(ReadRecords());
    ASSERT_NO_FATAL_FAILURE(ReadContents());
    ExpectNoTrace();
  }

 private:
  void ReadRecords() {
    auto told = told_.records.lower_bound(first_);
    const absl::Status read =
        reader_->Scan(first_, *reader_->Size(), [&](std::string_view encoded) -> absl::Status {
          const Record record = *Decode(encoded);
          if (record.kind == RecordKind::kRestricted) restricted_[record.user] = record.seq;
          if (record.kind == RecordKind::kErased) {
            erased_below_[record.user] =
                record.cause == "asked" ? record.seq : restricted_[record.user];
          }
          if (told == told_.records.end() || told->first != record.seq) return absl::OkStatus();
          const Record& expected = (told++)->second;
          EXPECT_EQ(record.exchange, expected.exchange);
          EXPECT_EQ(record.kind, expected.kind);
          EXPECT_EQ(record.user, expected.user);
          return absl::OkStatus();
        });
    ASSERT_TRUE(read.ok()) << read;
    ASSERT_EQ(told, told_.records.end()) << "acknowledged record " << told->first << " is missing";
    for (const std::string& user : told_.erased) ASSERT_EQ(erased_below_.count(user), 1);
  }

  void ReadContents() {
    for (auto told = told_.texts.lower_bound(first_); told != told_.texts.end(); ++told) {
      const auto& [seq, text] = *told;
      const auto erased = erased_below_.find(told_.records[seq].user);
      const absl::StatusOr<std::string> found = reader_->Content(seq, "", Purpose::kLegal);
      if (erased != erased_below_.end() && seq < erased->second) {
        ASSERT_FALSE(found.ok()) << "content " << seq << " was erased";
      } else {
        ASSERT_TRUE(found.ok()) << "content " << seq << ": " << found.status();
        ASSERT_EQ(*found, text);
      }
    }
  }

  void ExpectNoTrace() {
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(options_.dir)) {
      if (!file.is_regular_file()) continue;
      std::ostringstream bytes;
      bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
      ASSERT_EQ(bytes.str().find("of the weir"), std::string::npos) << file.path();
      if (erased_below_.count(kGone) == 0) continue;
      for (const std::string& trace : told_.traces) {
        ASSERT_EQ(bytes.str().find(trace), std::string::npos)
            << file.path() << " holds bytes of what was erased";
      }
    }
  }

  const LedgerOptions options_;
  Told told_;
  std::unique_ptr<Reader> reader_;
  uint64_t first_ = 0;  // record that retention has not removed
  std::map<std::string, uint64_t> restricted_;
  std::map<std::string, uint64_t> erased_below_;  // by user: content of earlier records is gone
};

// What the calls of a run without faults do.
std::vector<std::string> CallsOfAWholeRun() {
  const Scratch scratch(Scratch::Memory());
  std::vector<std::string> names;
  Workload workload(scratch.dir());
  {
    const FaultVfs vfs({});
    workload.Live();
    names = vfs.names();
  }
  const Told told = workload.told();
  EXPECT_EQ(told.records.size(), 2 * kDecisions + kGroups);
  EXPECT_EQ(told.erased.size(), 1);
  EXPECT_GE(told.traces.size(), 6);
  EXPECT_GE(Blobs(scratch.dir(), "SELECT CAST(number AS BLOB) FROM word_parts").size(), 5);
  EXPECT_EQ(Blobs(scratch.dir(), "SELECT CAST(number AS BLOB) FROM removals").size(), 2);
  Aftermath after(workload.Options(""), told);
  after.ExpectWhole();
  return names;
}

// Of so many points those to be tried.
std::vector<int64_t> Points(int64_t all) {
  const char* given = std::getenv("WEIR_FAULT_POINTS");
  const std::string wanted = given != nullptr ? given : "60";
  const int64_t step = wanted == "all" ? 1 : std::max<int64_t>(1, all / std::stoll(wanted));
  std::vector<int64_t> points;
  for (int64_t at = static_cast<int64_t>(std::mt19937_64(Seed())() % static_cast<uint64_t>(step));
       at < all; at += step) {
    points.push_back(at);
  }
  return points;
}

std::vector<int64_t> SyncsOf(const std::vector<std::string>& calls) {
  std::vector<int64_t> syncs;
  for (int64_t i = 0; i < std::ssize(calls); ++i) {
    if (calls[static_cast<size_t>(i)].starts_with("sync")) syncs.push_back(i);
  }
  return syncs;
}

void Say(const std::vector<int64_t>& points, size_t all, absl::Time begun) {
  std::cout << points.size() << " of " << all << " fault points in "
            << absl::FormatDuration(absl::Trunc(absl::Now() - begun, absl::Milliseconds(100)))
            << "\n";
}

TEST(DecisionsFaultTest, ARunReachesEverything) {
  std::set<std::string> reached;
  for (const std::string& name : CallsOfAWholeRun()) reached.insert(name);
  for (const char* name :
       {"write ledger.db", "write ledger.db-wal", "sync ledger.db", "sync ledger.db-wal",
        "truncate ledger.db-wal", "write ledger.checkpoint.new", "sync ledger.checkpoint.new",
        "rename ledger.checkpoint.new", "write segments/000003.zst.new",
        "sync segments/000003.zst.new", "sync directory segments", "remove segments/000000.zst",
        "create ledger.key.new", "create content.key.new", "resize ledger.ballast"}) {
    EXPECT_EQ(reached.count(name), 1) << name;
  }
}

class EveryCallTest : public ::testing::TestWithParam<int> {};

TEST_P(EveryCallTest, FailsOnce) {
  const absl::Time begun = absl::Now();
  const std::vector<std::string> calls = CallsOfAWholeRun();
  const std::vector<int64_t> points = Points(std::ssize(calls));
  for (const int64_t point : points) {
    const Scratch scratch(Scratch::Memory());
    Workload workload(scratch.dir());
    std::vector<std::string> names;
    {
      const FaultVfs vfs({.fail_at = point, .error = GetParam()});
      workload.Live();
      names = vfs.names();
    }
    Aftermath after(workload.Options(""), workload.told());
    after.ExpectWhole();
    if (HasFatalFailure() || HasNonfatalFailure()) {
      FAIL() << "call " << point << " failed: "
             << (point < std::ssize(names) ? names[static_cast<size_t>(point)] : "none");
    }
  }
  Say(points, calls.size(), begun);
}

INSTANTIATE_TEST_SUITE_P(Errors, EveryCallTest, ::testing::Values(SQLITE_IOERR, SQLITE_FULL),
                         [](const auto& error) {
                           return error.param == SQLITE_FULL ? "ENOSPC" : "EIO";
                         });

TEST(PowerTest, GoesAtEverySync) {
  const absl::Time begun = absl::Now();
  std::mt19937_64 random(Seed());
  const std::vector<std::string> calls = CallsOfAWholeRun();
  const std::vector<int64_t> syncs = SyncsOf(calls);
  const std::vector<int64_t> points = Points(std::ssize(syncs));
  for (const int64_t point : points) {
    const Scratch scratch(Scratch::Memory());
    const Scratch left(Scratch::Memory());
    Told before_the_cut;
    Workload workload(scratch.dir());
    LedgerOptions options = workload.Options("");
    int64_t cut_us = kBegin;
    {
      const FaultVfs vfs(
          {.cut_at = syncs[static_cast<size_t>(point)], .seed = random(), .at_cut = [&] {
             before_the_cut = workload.told();
             cut_us = options.now_us();
           }});
      workload.Live();
      vfs.Develop(left.dir());
    }
    options.dir = left.dir();
    options.now_us = [cut_us] { return cut_us; };
    Aftermath after(options, before_the_cut);
    after.ExpectWhole();
    if (HasFatalFailure() || HasNonfatalFailure()) {
      FAIL() << "power cut at call " << syncs[static_cast<size_t>(point)] << ": "
             << calls[static_cast<size_t>(syncs[static_cast<size_t>(point)])];
    }
  }
  Say(points, syncs.size(), begun);
}

// After a failed sync, systems take for written what never reached the disk, so the ledger that is
// opened next finds records there which a power cut would take away, with all behind them.
TEST(PowerTest, GoesSomeTimeAfterASyncFailed) {
  const absl::Time begun = absl::Now();
  const std::vector<int64_t> syncs = SyncsOf(CallsOfAWholeRun());
  int went_on = 0;
  const std::vector<int64_t> points = Points(std::ssize(syncs));
  for (const int64_t point : points) {
    const Scratch scratch(Scratch::Memory());
    const Scratch left(Scratch::Memory());
    Workload workload(scratch.dir());
    LedgerOptions options = workload.Options("");
    Told told;
    int64_t cut_us = 0;
    {
      FaultVfs vfs({.fail_at = syncs[static_cast<size_t>(point)], .error = SQLITE_IOERR});
      workload.Live();
      // Somebody who reads keeps the log from being moved into the database, and so on the disk.
      Database reader;
      absl::StatusOr<Database> opened = Database::OpenReader(scratch.Path("ledger.db"));
      if (opened.ok()) {
        reader = *std::move(opened);
        ASSERT_TRUE(reader.Execute("BEGIN; SELECT count(*) FROM batches").ok());
      }
      // The last syncs may not come before that.
      went_on += workload.GoOn() ? 1 : 0;
      vfs.CutNow();
      told = workload.told();
      cut_us = options.now_us();
      reader = Database();
      workload.Stop();
      vfs.Develop(left.dir());
    }
    options.dir = left.dir();
    options.now_us = [cut_us] { return cut_us; };
    Aftermath after(options, told);
    after.ExpectWhole();
    if (HasFatalFailure() || HasNonfatalFailure()) FAIL() << "sync " << point << " failed";
  }
  EXPECT_GE(went_on, std::ssize(points) * 9 / 10) << "hardly any ledger went on after its sync";
  Say(points, syncs.size(), begun);
}

}  // namespace
}  // namespace weir::audit
