// What becomes of stored content: erased without a trace of its bytes, held, restricted, and erased
// when it may be.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "audit/export.h"
#include "audit/reader.h"
#include "audit/reveal.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"
#include "tests/code_points.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
constexpr int64_t kStart = int64_t{20'000} * kDayUs;

// Without floors, so that an erasure is carried out when it is asked for.
LedgerOptions NoFloors(const Scratch& scratch) {
  return {.dir = scratch.dir(),
          .content = ContentMode::kEncrypted,
          .keep_days = 0,
          .keep_transfer_days = 0};
}

VerifyReport Verified(const Scratch& scratch) {
  return Reader::Open(scratch.dir()).value()->Verify({}).value();
}

std::string ReadBytes(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// Everything that stands in any file below the directory, but for keys.
std::map<std::string, std::string> FilesBelow(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) files[entry.path().string()] = ReadBytes(entry.path());
  }
  return files;
}

// Runs one statement on the closed store, as somebody who tampers with it would.
void Tamper(const Scratch& scratch, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(scratch.Path("ledger.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  EXPECT_GT(sqlite3_changes(db), 0) << sql;
  sqlite3_close(db);
}

// Characters of Linear B, which stand nowhere but in these texts: each window of three is looked
// for in every file, in UTF-8 and in UTF-16 of either order.
struct Syllables {
  explicit Syllables(std::mt19937_64& random, size_t count) {
    for (size_t i = 0; i < count; ++i)
      points.push_back(0x10000 + static_cast<char32_t>(random() % 93));
  }
  std::string Utf8(size_t begin, size_t length) const {
    return weir::Utf8(std::u32string_view(points).substr(begin, length));
  }
  std::string Utf16(size_t begin, size_t length, bool big_end_first) const {
    std::string text;
    for (size_t i = begin; i < begin + length; ++i) {
      const uint32_t offset = points[i] - 0x10000;
      for (const uint32_t unit : {0xD800 | offset >> 10, 0xDC00 | (offset & 0x3FF)}) {
        const char high = static_cast<char>(unit >> 8);
        const char low = static_cast<char>(unit);
        text += big_end_first ? high : low;
        text += big_end_first ? low : high;
      }
    }
    return text;
  }
  std::u32string points;
};

void ExpectNowhere(const std::map<std::string, std::string>& files,
                   const std::set<std::string>& needles) {
  std::map<size_t, std::unordered_set<std::string_view>> by_length;
  for (const std::string& needle : needles) by_length[needle.size()].insert(needle);
  for (const auto& [path, bytes] : files) {
    for (const auto& [length, wanted] : by_length) {
      for (size_t i = 0; i + length <= bytes.size(); ++i) {
        ASSERT_EQ(wanted.count(std::string_view(bytes).substr(i, length)), 0)
            << path << " holds erased bytes at " << i;
      }
    }
  }
}

TEST(ErasureTest, DestroysOneSubjectsContentAndNoProof) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(NoFloors(scratch)).value();
  for (const char* user : {"gone", "stays", "gone"}) {
    ASSERT_TRUE(AppendContent(*ledger, Of(user), "text", ContentMode::kEncrypted).ok());
  }
  ASSERT_TRUE(EraseAndWait(*ledger, "demo", "gone").ok());
  ASSERT_TRUE(AppendContent(*ledger, Of("gone"), "new", ContentMode::kEncrypted).ok());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Content(0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader->Content(1).value(), "text");
  EXPECT_EQ(reader->Content(2).status().code(), absl::StatusCode::kNotFound);
  const Record erased = reader->Get(3)->record;
  EXPECT_EQ(erased.kind, RecordKind::kErased);
  EXPECT_EQ(erased.cause, "asked");
  EXPECT_EQ(erased.user, "gone");
  EXPECT_THAT(erased.detail, HasSubstr("li (legal) asked for it: case 7"));
  EXPECT_EQ(reader->Content(4).value(), "new");
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(Verified(scratch).ok) << Verified(scratch).reason;
  EXPECT_EQ(Verified(scratch).contents, 2);
}

// Names reach the content as the record spells them, cut and repaired as they are there.
TEST(ErasureTest, FindsSubjectsByTheirNamesInRecords) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(NoFloors(scratch)).value();
  for (const std::string& name : {std::string(5'000, 'n'), std::string("a\xFF\x01z")}) {
    const uint64_t seq = AppendContent(*ledger, Of(name), "text", ContentMode::kEncrypted)->seq;
    const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
    ASSERT_TRUE(reader->Content(seq).ok());
    ASSERT_TRUE(EraseAndWait(*ledger, "demo", reader->Get(seq)->record.user).ok());
    EXPECT_FALSE(reader->Content(seq).ok());
  }
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(Verified(scratch).ok) << Verified(scratch).reason;
}

// Many users with texts of all lengths, erased one after the other while others go on being
// appended, so that pages of the store split, empty and are used again.
TEST(ErasureTest, LeavesNoByteInAnyFile) {
  std::mt19937_64 random(Seed());
  const Scratch scratch;
  LedgerOptions options = NoFloors(scratch);
  options.now_us = [now = kStart]() mutable { return now += kDayUs / 8; };
  std::unique_ptr<Ledger> ledger = Ledger::Open(options).value();
  std::map<std::string, std::vector<Syllables>> texts;
  const auto append = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string user = Concat("user-", random() % 24);
      const Syllables text(random, random() % 8 == 0 ? 1 + random() % 1'500 : 1 + random() % 40);
      ASSERT_TRUE(AppendContent(*ledger, Of(user), text.Utf8(0, text.points.size()),
                                ContentMode::kEncrypted)
                      .ok());
      texts[user].push_back(text);
    }
  };
  append(400);
  std::set<std::string> gone;
  for (int round = 0; round < 8; ++round) {
    const std::string user = Concat("user-", round * 3);
    const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
    // The keys of this user are those that are zeros afterwards and were not before.
    const std::vector<std::string> before =
        Blobs(scratch.dir(), "SELECT wrapped FROM content_keys ORDER BY id");
    ASSERT_TRUE(EraseAndWait(*ledger, "demo", user).ok());
    const std::vector<std::string> after =
        Blobs(scratch.dir(), "SELECT wrapped FROM content_keys ORDER BY id");
    ASSERT_EQ(before.size(), after.size());
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] == after[i]) continue;
      for (size_t at = 0; at + 8 <= before[i].size(); ++at) gone.insert(before[i].substr(at, 8));
    }
    for (const Syllables& text : texts[user]) {
      for (size_t i = 0; i + 3 <= text.points.size(); ++i) {
        gone.insert(text.Utf8(i, 3));
        gone.insert(text.Utf16(i, 3, true));
        gone.insert(text.Utf16(i, 3, false));
      }
    }
    texts.erase(user);
    if (round == 3) {
      const std::string out = Concat(scratch.dir(), "/export");
      ASSERT_TRUE(ExportLedger(scratch.dir(), {}, {}, out).ok());
    }
    ExpectNowhere(FilesBelow(scratch.dir()), gone);
    if (HasFatalFailure()) return;
    append(40);
  }
  ASSERT_GT(gone.size(), 10'000);
  ASSERT_TRUE(ledger->Close().ok());
  ExpectNowhere(FilesBelow(scratch.dir()), gone);
  EXPECT_TRUE(Verified(scratch).ok) << Verified(scratch).reason;
}

// A reader keeps the log from being emptied: records go on, the answer waits for the reader.
TEST(ErasureTest, AnswersWhenReadersHaveLeftTheLog) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(NoFloors(scratch)).value();
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), "text", ContentMode::kEncrypted).ok());
  sqlite3* looker = nullptr;
  ASSERT_EQ(
      sqlite3_open_v2(scratch.Path("ledger.db").c_str(), &looker, SQLITE_OPEN_READONLY, nullptr),
      SQLITE_OK);
  sqlite3_db_config(looker, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  ASSERT_EQ(sqlite3_exec(looker, "BEGIN; SELECT count(*) FROM contents", nullptr, nullptr, nullptr),
            SQLITE_OK);
  std::promise<absl::Status> promise;
  std::future<absl::Status> erased = promise.get_future();
  ledger->Erase("demo", "u", kByLi, [&promise](const absl::StatusOr<Receipt>& receipt) {
    promise.set_value(receipt.status());
  });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("on")).ok());
  EXPECT_EQ(erased.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  sqlite3_close_v2(looker);
  EXPECT_TRUE(erased.get().ok());
  EXPECT_EQ(fs::file_size(scratch.Path("ledger.db-wal")), 0);
}

// What was appended before an erasure is erased, what came behind is not, however many threads do
// both at once.
TEST(ErasureTest, DividesWhatIsInTheQueue) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(NoFloors(scratch)).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ledger] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_TRUE(AppendContent(*ledger, Of("u"), "text", ContentMode::kEncrypted).ok());
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(EraseAndWait(*ledger, "demo", "u").ok());
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), "last", ContentMode::kEncrypted).ok());
  ASSERT_TRUE(ledger->Close().ok());
  const VerifyReport report = Verified(scratch);
  EXPECT_TRUE(report.ok) << report.reason;
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  const uint64_t last_erasure =
      reader->Find({.kinds = {RecordKind::kErased}, .limit = 1})->records.at(0).record.seq;
  for (uint64_t seq = 0; seq < *reader->Size(); ++seq) {
    if (reader->Get(seq)->record.kind != RecordKind::kAnswer) continue;
    EXPECT_EQ(reader->Content(seq).ok(), seq > last_erasure) << seq;
  }
}

class FloorTest : public ::testing::Test {
 protected:
  FloorTest() { Start(); }
  void Start() {
    ledger_.reset();
    ledger_ = Ledger::Open({.dir = scratch_.dir(),
                            .content = ContentMode::kEncrypted,
                            .now_us = [this] { return now_.load(); }})
                  .value();
    reader_ = Reader::Open(scratch_.dir()).value();
  }
  uint64_t Append(const char* user, Floor floor = Floor::kLog) {
    return AppendContent(*ledger_, Of(user), "text", ContentMode::kEncrypted, floor)->seq;
  }
  RecordKind Erase(const char* user) {
    return reader_->Get(EraseAndWait(*ledger_, "demo", user)->seq)->record.kind;
  }
  // Lets days pass and the writer notice, which it does after a batch.
  void Pass(int64_t days) {
    now_ += days * kDayUs;
    ASSERT_TRUE(AppendAndWait(*ledger_, ServiceRecord("a day")).ok());
    ASSERT_TRUE(AppendAndWait(*ledger_, ServiceRecord("another")).ok());
  }
  bool IsShown(uint64_t seq, const char* role = "auditor") {
    const Access access{.person = "wang", .role = role, .reason = "case 8"};
    return Reveal(*ledger_, *reader_, access, seq).ok();
  }
  std::vector<std::string> Causes(RecordKind kind) {
    std::vector<std::string> causes;
    const QueryPage page = reader_->Find({.kinds = {kind}}).value();
    for (auto found = page.records.rbegin(); found != page.records.rend(); ++found) {
      causes.push_back(found->record.cause);
    }
    return causes;
  }
  void ExpectVerifies() {
    const VerifyReport report = reader_->Verify({}).value();
    EXPECT_TRUE(report.ok) << report.reason;
  }

  Scratch scratch_;
  std::atomic<int64_t> now_ = kStart;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Reader> reader_;
};

// Personal Information Protection Law, article 47: while retention is demanded by law, nothing but
// keeping is done.
TEST_F(FloorTest, AnErasureBeforeTheFloorRestrictsAndIsCarriedOutWhenItEnds) {
  const uint64_t seq = Append("u");
  EXPECT_EQ(Erase("u"), RecordKind::kRestricted);
  EXPECT_THAT(reader_->Get(seq + 1)->record.detail, HasSubstr("until 2025-04-06"));
  EXPECT_FALSE(IsShown(seq));
  EXPECT_TRUE(IsShown(seq, "legal"));
  EXPECT_TRUE(*reader_->IsRestricted(reader_->Get(seq)->record));
  const uint64_t later = Append("u");
  EXPECT_TRUE(IsShown(later));
  Pass(183);
  EXPECT_TRUE(IsShown(seq, "legal"));
  Start();  // it is remembered
  EXPECT_FALSE(IsShown(seq));
  ExpectVerifies();
  Pass(1);
  EXPECT_FALSE(IsShown(seq, "legal"));
  EXPECT_TRUE(IsShown(later));
  EXPECT_THAT(Causes(RecordKind::kErased), ::testing::ElementsAre("due"));
  ExpectVerifies();
  EXPECT_FALSE(*reader_->IsRestricted(reader_->Get(later)->record));
}

TEST_F(FloorTest, TransfersAreKeptForThreeYears) {
  const uint64_t log = Append("u");
  const uint64_t transfer = Append("u", Floor::kTransfer);
  EXPECT_EQ(Erase("u"), RecordKind::kRestricted);
  Pass(184);
  EXPECT_FALSE(IsShown(log, "legal"));
  EXPECT_TRUE(IsShown(transfer, "legal"));
  EXPECT_FALSE(IsShown(transfer));
  ExpectVerifies();
  Pass(1'096 - 184);
  EXPECT_FALSE(IsShown(transfer, "legal"));
  EXPECT_THAT(Causes(RecordKind::kErased), ::testing::ElementsAre("due_in_part", "due"));
  ExpectVerifies();
}

TEST_F(FloorTest, AHoldKeepsContentUntilItIsReleased) {
  const uint64_t seq = Append("u");
  const uint64_t hold = HoldAndWait(*ledger_, "demo", "u")->seq;
  const uint64_t second = HoldAndWait(*ledger_, "demo", "u")->seq;
  Pass(400);
  EXPECT_TRUE(IsShown(seq));
  EXPECT_EQ(Erase("u"), RecordKind::kRestricted);
  EXPECT_THAT(Causes(RecordKind::kRestricted), ::testing::ElementsAre("hold"));
  EXPECT_FALSE(IsShown(seq));
  ASSERT_TRUE(ReleaseAndWait(*ledger_, hold).ok());
  Pass(1);
  EXPECT_TRUE(IsShown(seq, "legal"));  // the second hold lasts
  ExpectVerifies();
  Start();
  EXPECT_EQ(ReleaseAndWait(*ledger_, hold).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReleaseAndWait(*ledger_, seq).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(ReleaseAndWait(*ledger_, second).ok());
  Pass(0);
  EXPECT_FALSE(IsShown(seq, "legal"));
  EXPECT_THAT(Causes(RecordKind::kRelease), ::testing::ElementsAre(Concat(hold), Concat(second)));
  ExpectVerifies();
  // Other users were never concerned.
  Append("v");
  Pass(184);
  EXPECT_EQ(Erase("v"), RecordKind::kErased);
}

TEST_F(FloorTest, DueErasuresOfManyAreAllCarriedOut) {
  for (int i = 0; i < 150; ++i) {
    Append(Concat("u-", i).c_str());
    EXPECT_EQ(Erase(Concat("u-", i).c_str()), RecordKind::kRestricted);
  }
  Pass(184);
  Pass(0);
  Pass(0);
  EXPECT_EQ(reader_->Find({.kinds = {RecordKind::kErased}, .limit = 1'000})->records.size(), 150);
  ExpectVerifies();
}

TEST_F(FloorTest, NobodyIsNobody) {
  for (const Access& gap :
       {Access{"", "legal", "r"}, Access{"li", "", "r"}, Access{"li", "l", ""}}) {
    const auto erase = [&](Ledger::Done done) {
      ledger_->Erase("demo", "u", gap, std::move(done));
    };
    EXPECT_EQ(Await(erase).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(EraseAndWait(*ledger_, "", "u").status().code(), absl::StatusCode::kInvalidArgument);
}

// What stands beside the tree is as tamper-evident as the tree.
struct Tampering {
  const char* name;
  const char* sql;
  const char* reason;
};

class TamperingTest : public ::testing::TestWithParam<Tampering> {};

TEST_P(TamperingTest, IsFound) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger =
      Ledger::Open({.dir = scratch.dir(), .content = ContentMode::kEncrypted}).value();
  for (const char* user : {"held", "restricted", "free"}) {
    ASSERT_TRUE(AppendContent(*ledger, Of(user), "text", ContentMode::kEncrypted).ok());
  }
  ASSERT_TRUE(HoldAndWait(*ledger, "demo", "held").ok());
  ASSERT_TRUE(EraseAndWait(*ledger, "demo", "restricted").ok());
  ASSERT_TRUE(ledger->Close().ok());
  ASSERT_TRUE(Verified(scratch).ok) << Verified(scratch).reason;
  Tamper(scratch, GetParam().sql);
  EXPECT_FALSE(Verified(scratch).ok);
  EXPECT_THAT(Verified(scratch).reason, HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Tamperings, TamperingTest,
    ::testing::Values(
        Tampering{"KeyBit",
                  "UPDATE content_keys SET wrapped = CAST(x'00' || substr(wrapped, 2) AS BLOB)"
                  " WHERE id = 2",
                  "key 2 of the content of record 1 was altered"},
        Tampering{"KeyDay", "UPDATE content_keys SET day = day + 1 WHERE id = 3", "was altered"},
        Tampering{"KeyFloor", "UPDATE content_keys SET floor = 1 WHERE id = 1", "was altered"},
        Tampering{"KeySubject", "UPDATE content_keys SET subject = zeroblob(16) WHERE id = 1",
                  "was altered"},
        Tampering{"KeyGone", "DELETE FROM content_keys WHERE id = 1",
                  "record 0, or its key, is gone"},
        Tampering{"KeyZeroed",
                  "UPDATE content_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = 1",
                  "record 0, or its key, is gone"},
        Tampering{"ContentGone", "DELETE FROM contents WHERE seq = 2",
                  "record 2, or its key, is gone"},
        Tampering{"ContentMoved", "UPDATE contents SET seq = 3 WHERE seq = 2", "record 3"},
        Tampering{"ContentBeyond", "UPDATE contents SET seq = 99 WHERE seq = 2", "for record 99"},
        Tampering{"ContentKey", "UPDATE contents SET key_id = 2 WHERE seq = 0",
                  "key 2 of the content of record 0"},
        Tampering{"HoldGone", "DELETE FROM holds", "the hold of record 3 is gone"},
        Tampering{"HoldMoved", "UPDATE holds SET user = 'free'", "a hold is marked"},
        Tampering{"RestrictionGone", "DELETE FROM restrictions",
                  "the restriction of record 4 is gone"},
        Tampering{"RestrictionMoved", "UPDATE restrictions SET user = 'free'", "restricted"}),
    [](const ::testing::TestParamInfo<Tampering>& tampering) { return tampering.param.name; });

// An erasure that was recorded and undone, by a copy of the rows from before.
TEST(ErasureTest, WhatComesBackIsFound) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(NoFloors(scratch)).value();
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), "text", ContentMode::kEncrypted).ok());
  ASSERT_TRUE(ledger->Close().ok());
  fs::copy_file(scratch.Path("ledger.db"), scratch.Path("copy.db"));
  ledger = Ledger::Open(NoFloors(scratch)).value();
  ASSERT_TRUE(EraseAndWait(*ledger, "demo", "u").ok());
  ASSERT_TRUE(ledger->Close().ok());
  ASSERT_TRUE(Verified(scratch).ok);
  Tamper(scratch, Concat("ATTACH '", scratch.Path("copy.db"),
                         "' AS copy; INSERT INTO contents SELECT * FROM copy.contents;"
                         "INSERT OR REPLACE INTO content_keys SELECT * FROM copy.content_keys"));
  EXPECT_THAT(Verified(scratch).reason, HasSubstr("still stored, though record 1"));
}

}  // namespace
}  // namespace weir::audit
