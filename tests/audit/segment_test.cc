// Segments by time: where they end, and that searching, reopening and verifying follow.
#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/index.h"
#include "audit/ledger.h"
#include "audit/reader.h"
#include "audit/store.h"
#include "audit/tables.h"
#include "audit/verify_command.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"
#include "tests/audit/soon.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

int64_t ChinaTime(int year, int month, int day, int hour, int minute = 0) {
  return absl::ToUnixMicros(absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute),
                                            absl::FixedTimeZone(8 * 60 * 60)));
}

// A ledger whose clock the test moves.
class Clocked {
 public:
  explicit Clocked(SegmentPeriod period = SegmentPeriod::kMonth) {
    options_.dir = scratch_.dir();
    options_.segment_period = period;
    options_.now_us = [this] { return now_us_.load(); };
  }
  absl::StatusOr<std::unique_ptr<Ledger>> Open() const { return Ledger::Open(options_); }
  void Set(int64_t now_us) { now_us_ = now_us; }
  void Keep(uint32_t days) { options_.retention_days = days; }
  const std::string& dir() const { return options_.dir; }

  std::vector<SegmentSpan> Segments() const {
    absl::StatusOr<Database> db = Database::OpenReader(options_.dir + "/ledger.db");
    if (!db.ok()) return {};
    absl::StatusOr<SegmentReader> reader = SegmentReader::Prepare(*db);
    if (!reader.ok()) return {};
    return reader->List().value_or(std::vector<SegmentSpan>());
  }
  VerifyReport Verified() const {
    absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options_.dir);
    absl::StatusOr<VerifierKey> key =
        VerifierKey::Parse(OneLine(Concat(options_.dir, "/ledger.vkey")));
    if (!reader.ok() || !key.ok()) return {};
    return (*reader)->Verify({*key}).value_or(VerifyReport());
  }

 private:
  const Scratch scratch_{Scratch::Memory()};
  std::atomic<int64_t> now_us_ = ChinaTime(2026, 1, 31, 12);
  LedgerOptions options_;
};

TEST(SegmentTest, EndsWhereTheMonthDoes) {
  Clocked clocked;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked.Open();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  clocked.Set(ChinaTime(2026, 1, 31, 23, 59));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  clocked.Set(ChinaTime(2026, 2, 1, 0));
  ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  clocked.Set(ChinaTime(2026, 4, 9, 0));
  ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  ASSERT_TRUE((*ledger)->Close().ok());

  const std::vector<SegmentSpan> segments = clocked.Segments();
  ASSERT_EQ(segments.size(), 2);
  EXPECT_EQ(segments[0].count, 3);
  EXPECT_EQ(segments[0].last_us, ChinaTime(2026, 1, 31, 23, 59));
  EXPECT_EQ(segments[1].begin, 3);
  EXPECT_EQ(segments[1].count, 1);
  EXPECT_TRUE(clocked.Verified().ok) << clocked.Verified().reason;
}

TEST(SegmentTest, EndsWithoutTrafficToo) {
  Clocked clocked(SegmentPeriod::kDay);
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked.Open();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  clocked.Set(ChinaTime(2026, 2, 1, 0));
  // The writer looks at the clock at least once a second.
  ASSERT_TRUE(Soon([&] { return !clocked.Segments().empty(); }));
  EXPECT_EQ(clocked.Segments().size(), 1);
  ASSERT_TRUE((*ledger)->Close().ok());
  EXPECT_TRUE(clocked.Verified().ok) << clocked.Verified().reason;
}

TEST(SegmentTest, AClockThatGoesBackEndsNone) {
  Clocked clocked(SegmentPeriod::kDay);
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked.Open();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  for (const int day : {20, 3, 20, 1}) {
    clocked.Set(ChinaTime(2026, 2, day, 10));
    ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  }
  ASSERT_TRUE((*ledger)->Close().ok());
  EXPECT_TRUE(clocked.Segments().empty());
  EXPECT_TRUE(clocked.Verified().ok) << clocked.Verified().reason;
}

// Random days, reopened at random: what is found by the index is what is there.
TEST(SegmentTest, SearchesAcrossEndsAndRestarts) {
  std::mt19937_64 random(Seed());
  Clocked clocked(SegmentPeriod::kDay);
  std::vector<uint64_t> by_user(5);
  int64_t now_us = ChinaTime(2026, 3, 1, 0);
  uint64_t appended = 0;
  for (int round = 0; round < 6; ++round) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked.Open();
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    for (int i = 0; i < 60; ++i) {
      now_us += static_cast<int64_t>(random() % (6 * 3600)) * 1'000'000;
      clocked.Set(now_us);
      const uint64_t user = random() % by_user.size();
      Record record = ServiceRecord("x");
      record.user = Concat("u-", user);
      ASSERT_TRUE(AppendAndWait(**ledger, record).ok());
      ++by_user[user];
      ++appended;
    }
    ASSERT_TRUE((*ledger)->Close().ok());
  }
  ASSERT_GT(clocked.Segments().size(), 20);
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(clocked.dir());
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (uint64_t user = 0; user < by_user.size(); ++user) {
    Query query{.user = Concat("u-", user), .limit = 1'000};
    absl::StatusOr<QueryPage> page = (*reader)->Find(query);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->records.size(), by_user[user]) << query.user;
  }
  const VerifyReport report = clocked.Verified();
  EXPECT_TRUE(report.ok) << report.reason;
  EXPECT_EQ(report.records, appended);
}

// A clock that was wrong by decades, both ways, and is put right: order, segments and search hold.
TEST(SegmentTest, AWrongClockNeitherBreaksOrderNorSegments) {
  std::mt19937_64 random(Seed());
  Clocked clocked(SegmentPeriod::kDay);
  int64_t latest_us = 0;
  uint64_t appended = 0;
  for (int life = 0; life < 4; ++life) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked.Open();
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    for (int i = 0; i < 40; ++i) {
      const int64_t now_us =
          ChinaTime(1971 + static_cast<int>(random() % (10 + appended)), 3, 4, 5);
      clocked.Set(now_us);
      const absl::StatusOr<Receipt> receipt = AppendAndWait(**ledger, ServiceRecord("x"));
      ASSERT_TRUE(receipt.ok()) << receipt.status();
      ASSERT_EQ(receipt->seq, appended++);
      // The time is the clock's, or the last record's when the clock is behind it.
      ASSERT_EQ(receipt->time_us, std::max(latest_us, now_us));
      latest_us = receipt->time_us;
    }
    ASSERT_TRUE((*ledger)->Close().ok());
  }
  const std::vector<SegmentSpan> segments = clocked.Segments();
  ASSERT_GT(segments.size(), 3);
  for (size_t i = 1; i < segments.size(); ++i) {
    EXPECT_EQ(segments[i].begin, segments[i - 1].end());
    EXPECT_GT(segments[i].first_us, segments[i - 1].last_us);
  }
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(clocked.dir());
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (const SegmentSpan& segment : segments) {
    EXPECT_EQ((*reader)->FirstFrom(segment.first_us).value_or(UINT64_MAX), segment.begin);
  }
  EXPECT_EQ((*reader)->Find({.limit = 1'000})->records.size(), appended);
  EXPECT_TRUE(clocked.Verified().ok) << clocked.Verified().reason;
}

class ArchiveTest : public testing::Test {
 protected:
  static constexpr int kDays = 5;
  static constexpr uint64_t kPerDay = 700;

  // Days of records, each a segment; all but the last closed and archived.
  void Fill() {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked_.Open();
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    for (int day = 0; day < kDays; ++day) {
      clocked_.Set(ChinaTime(2026, 5, 1 + day, 9));
      std::vector<std::future<bool>> done;
      for (uint64_t i = 0; i < kPerDay; ++i) {
        auto promise = std::make_shared<std::promise<bool>>();
        done.push_back(promise->get_future());
        Record record = ServiceRecord(Concat("day ", day, " record ", i));
        record.user = Concat("u-", i % 7);
        (*ledger)->Append(record, [promise](const absl::StatusOr<Receipt>& receipt) {
          promise->set_value(receipt.ok());
        });
      }
      for (std::future<bool>& one : done) ASSERT_TRUE(one.get());
    }
    ASSERT_TRUE(Soon([&] { return (*ledger)->stats().segments_archived == kDays - 1; }));
    ASSERT_TRUE(Soon([&] { return Rows("batches WHERE first_seq < 2800") == 0; }));
    ASSERT_EQ((*ledger)->stats().archive_failure, "");
    ASSERT_TRUE((*ledger)->Close().ok());
  }

  int64_t Rows(const std::string& from) const {
    absl::StatusOr<Database> db = Database::OpenReader(clocked_.dir() + "/ledger.db");
    if (!db.ok()) return -1;
    return ReadInt(*db, "SELECT count(*) FROM " + from).value_or(-1);
  }

  std::vector<std::string> Encoded(uint64_t begin, uint64_t end) const {
    std::vector<std::string> all;
    absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(clocked_.dir());
    if (!reader.ok()) return all;
    const absl::Status status = (*reader)->Scan(begin, end, [&](std::string_view encoded) {
      all.emplace_back(encoded);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return all;
  }

  Quorum Key() const {
    return std::vector<VerifierKey>{
        *VerifierKey::Parse(OneLine(Concat(clocked_.dir(), "/ledger.vkey")))};
  }
  std::string File(uint64_t segment) const { return ArchivePath(clocked_.dir(), segment); }

  Clocked clocked_{SegmentPeriod::kDay};
};

TEST_F(ArchiveTest, HoldsWhatTheStoreHeld) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const std::vector<std::string> all = Encoded(0, kDays * kPerDay);
  ASSERT_EQ(all.size(), kDays * kPerDay);
  for (uint64_t seq = 0; seq < all.size(); ++seq) {
    absl::StatusOr<Record> record = Decode(all[seq]);
    ASSERT_TRUE(record.ok()) << record.status();
    ASSERT_EQ(record->seq, seq);
    ASSERT_EQ(record->time_us, ChinaTime(2026, 5, 1 + static_cast<int>(seq / kPerDay), 9));
  }
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(clocked_.dir());
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (const uint64_t seq : {0, 255, 256, 699, 700, 701, 2'799, 2'800, 3'499}) {
    absl::StatusOr<Found> found = (*reader)->Get(seq);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->encoded, all[seq]);
    absl::StatusOr<Evidence> evidence = (*reader)->Prove(seq);
    ASSERT_TRUE(evidence.ok()) << evidence.status();
    EXPECT_TRUE(VerifyEvidence(evidence->ProofText(), evidence->encoded, Key()).ok());
  }
  EXPECT_EQ((*reader)->FirstFrom(ChinaTime(2026, 5, 3, 0)).value_or(0), 2 * kPerDay);
  EXPECT_EQ((*reader)->FirstFrom(ChinaTime(2026, 5, 3, 10)).value_or(0), 3 * kPerDay);
  absl::StatusOr<QueryPage> page =
      (*reader)->Find({.to_us = ChinaTime(2026, 5, 3, 0), .user = "u-3", .limit = 10'000});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->records.size(), 2 * kPerDay / 7);
  EXPECT_EQ(page->records.front().record.seq, 2 * kPerDay - 4);
  EXPECT_TRUE(clocked_.Verified().ok) << clocked_.Verified().reason;
  EXPECT_EQ(clocked_.Verified().records, kDays * kPerDay);
}

TEST_F(ArchiveTest, VerifiesAlone) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (uint64_t segment = 0; segment + 1 < kDays; ++segment) {
    absl::StatusOr<VerifyReport> report = VerifyArchive(File(segment), Key());
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->ok) << report->reason;
    EXPECT_EQ(report->records, kPerDay);
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(RunVerify({"--keys", clocked_.dir() + "/ledger.vkey", File(segment)}, out, err), 0)
        << out.str() << err.str();
  }
}

TEST_F(ArchiveTest, EveryChangedByteIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  std::mt19937_64 random(Seed());
  const absl::StatusOr<std::string> whole = ReadFile(File(2));
  ASSERT_TRUE(whole.ok());
  const std::string copy = clocked_.dir() + "/copy.zst";
  for (int round = 0; round < 2'000; ++round) {
    std::string changed = *whole;
    const size_t at = random() % changed.size();
    if (round % 10 == 0) {
      changed.resize(at);
    } else {
      changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    }
    std::ofstream(copy, std::ios::binary) << changed;
    const absl::StatusOr<VerifyReport> report = VerifyArchive(copy, Key());
    ASSERT_TRUE(report.ok()) << report.status() << " at byte " << at;
    ASSERT_FALSE(report->ok) << "at byte " << at;
    ASSERT_NE(report->reason, "");
  }
  ASSERT_TRUE(RemoveFile(copy).ok());
  // In the ledger's directory, too.
  std::string changed = *whole;
  changed[changed.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileDurably(File(2), changed, 0600).ok());
  EXPECT_FALSE(clocked_.Verified().ok);
  EXPECT_EQ(clocked_.Verified().first_bad_seq, 2 * kPerDay);
}

TEST_F(ArchiveTest, AMissingArchiveIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  ASSERT_TRUE(RemoveFile(File(1)).ok());
  EXPECT_FALSE(clocked_.Verified().ok);
  EXPECT_EQ(clocked_.Verified().first_bad_seq, kPerDay);
  const absl::Status status = clocked_.Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), testing::HasSubstr("000001.zst is missing"));
}

TEST_F(ArchiveTest, GoesWhenItsRetentionHasPassedAndARecordSaysSo) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const std::vector<std::string> before = Encoded(0, kDays * kPerDay);
  clocked_.Keep(1'096);
  clocked_.Set(ChinaTime(2029, 5, 3, 0));  // the first two days are three years old
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked_.Open();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_TRUE(
      Soon([&] { return !FileExists(File(1)) && Rows("index_pages WHERE id < 2 << 20") == 0; }));
  EXPECT_TRUE(FileExists(File(2)));
  ASSERT_TRUE((*ledger)->Close().ok());

  const VerifyReport report = clocked_.Verified();
  EXPECT_TRUE(report.ok) << report.reason;
  EXPECT_EQ(report.removed, 2 * kPerDay);
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(clocked_.dir());
  ASSERT_TRUE(reader.ok()) << reader.status();
  const absl::Status gone = (*reader)->Get(5).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(gone.message(), testing::HasSubstr("were removed when their retention had passed"));
  // What is left is what was there, and provable.
  absl::StatusOr<Evidence> evidence = (*reader)->Prove(2 * kPerDay);
  ASSERT_TRUE(evidence.ok()) << evidence.status();
  EXPECT_EQ(evidence->encoded, before[2 * kPerDay]);
  EXPECT_TRUE(VerifyEvidence(evidence->ProofText(), evidence->encoded, Key()).ok());
  absl::StatusOr<QueryPage> page = (*reader)->Find({.user = "u-3", .limit = 10'000});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->records.size(), 3 * kPerDay / 7);
  // Evidence that was given out before the removal still fits the tree.
  EXPECT_TRUE((*reader)->Tile(0, 0, 256).ok());
}

// What is held may be needed with everything that was decided about it; what lies behind it waits.
TEST_F(ArchiveTest, StaysWhileThereIsAHoldOnSomebodyInIt) {
  uint64_t hold = 0;
  {
    std::unique_ptr<Ledger> ledger = clocked_.Open().value();
    for (int day = 0; day < 4; ++day) {
      clocked_.Set(ChinaTime(2026, 5, 1 + day, 9));
      Record record = AnswerRecord("e");
      record.user = day == 1 ? "held" : "free";
      ASSERT_TRUE(AppendAndWait(*ledger, record).ok());
    }
    hold = HoldAndWait(*ledger, "demo", "held")->seq;
    ASSERT_TRUE(Soon([&] { return ledger->stats().segments_archived == 3; }));
  }
  clocked_.Keep(1'096);
  clocked_.Set(ChinaTime(2029, 5, 20, 0));
  std::unique_ptr<Ledger> ledger = clocked_.Open().value();
  ASSERT_TRUE(Soon([&] { return !FileExists(File(0)); }));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("later")).ok());
  EXPECT_TRUE(FileExists(File(1)));
  EXPECT_TRUE(FileExists(File(2)));
  ASSERT_TRUE(ReleaseAndWait(*ledger, hold).ok());
  ASSERT_TRUE(Soon([&] { return !FileExists(File(1)) && !FileExists(File(2)); }));
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(clocked_.Verified().ok) << clocked_.Verified().reason;
}

// A clock that is back in the past removes nothing early, and one that goes on removes it in time.
TEST_F(ArchiveTest, AClockThatGoesBackKeepsWhatIsThere) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  clocked_.Keep(1'096);
  for (const int year : {1971, 2026}) {
    clocked_.Set(ChinaTime(year, 1, 1, 0));
    std::unique_ptr<Ledger> ledger = clocked_.Open().value();
    ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
    ASSERT_TRUE(ledger->Close().ok());
    for (uint64_t segment = 0; segment + 1 < kDays; ++segment) {
      EXPECT_TRUE(FileExists(File(segment))) << year;
    }
  }
  clocked_.Set(ChinaTime(2029, 5, 2, 0));
  std::unique_ptr<Ledger> ledger = clocked_.Open().value();
  ASSERT_TRUE(Soon([&] { return !FileExists(File(0)); }));
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(FileExists(File(1)));
  EXPECT_TRUE(clocked_.Verified().ok) << clocked_.Verified().reason;
}

// After three more years the record of the first removals is removed itself.
TEST_F(ArchiveTest, TheRecordOfARemovalGoesInItsTime) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  clocked_.Keep(1'096);
  for (const int year : {2030, 2034}) {
    clocked_.Set(ChinaTime(year, 1, 1, 0));
    std::unique_ptr<Ledger> ledger = clocked_.Open().value();
    ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
    ASSERT_TRUE(Soon([&] { return Rows("removals") == (year == 2030 ? 5 : 6); }));
    ASSERT_TRUE(ledger->Close().ok());
    EXPECT_TRUE(clocked_.Verified().ok) << clocked_.Verified().reason;
  }
  // Nobody can say of a segment that is not the last to go that its record went with a later one.
  absl::StatusOr<Database> db = Database::OpenWriter(clocked_.dir() + "/ledger.db", "");
  ASSERT_TRUE(db.ok()) << db.status();
  ASSERT_TRUE(db->Execute("UPDATE removals SET seq = 3 WHERE number = 5").ok());
  EXPECT_FALSE(clocked_.Verified().ok);
}

// A hold is a record, not a time: no clock ends it.
TEST_F(ArchiveTest, AClockYearsAheadEndsNoHold) {
  std::unique_ptr<Ledger> ledger = clocked_.Open().value();
  Record record = AnswerRecord("e");
  record.user = "held";
  ASSERT_TRUE(AppendAndWait(*ledger, record).ok());
  ASSERT_TRUE(HoldAndWait(*ledger, "demo", "held").ok());
  ASSERT_TRUE(ledger->Close().ok());
  clocked_.Keep(1'096);
  clocked_.Set(ChinaTime(2090, 1, 1, 0));
  ledger = clocked_.Open().value();
  ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
  ASSERT_TRUE(Soon([&] { return ledger->stats().segments_archived == 1; }));
  ASSERT_TRUE(AppendAndWait(*ledger, ServiceRecord("y")).ok());
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(FileExists(File(0)));
}

// Someone who makes a segment vanish without the ledger is found out.
TEST_F(ArchiveTest, AForgedRemovalIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  {
    absl::StatusOr<Database> db = Database::OpenWriter(clocked_.dir() + "/ledger.db", "");
    ASSERT_TRUE(db.ok()) << db.status();
    ASSERT_TRUE(db->Execute("INSERT INTO removals VALUES(1, 3000)").ok());
  }
  ASSERT_TRUE(RemoveFile(File(1)).ok());
  EXPECT_FALSE(clocked_.Verified().ok);
  EXPECT_THAT(clocked_.Verified().reason, testing::HasSubstr("no record says"));
}

// A crash at any moment leaves rows that are archived already, or a file that nothing refers to.
TEST_F(ArchiveTest, GoesOnWhereACrashStoppedIt) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const std::vector<std::string> before = Encoded(0, kDays * kPerDay);
  {
    absl::StatusOr<Database> db = Database::OpenWriter(clocked_.dir() + "/ledger.db", "");
    ASSERT_TRUE(db.ok()) << db.status();
    ASSERT_TRUE(db->Execute("INSERT INTO batches VALUES(100, 1, 5, X'00', X'00')").ok());
  }
  EXPECT_EQ(Encoded(0, kDays * kPerDay), before);
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = clocked_.Open();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_TRUE(Soon([&] { return Rows("batches WHERE first_seq < 2800") == 0; }));
  ASSERT_TRUE((*ledger)->Close().ok());
  EXPECT_EQ(Encoded(0, kDays * kPerDay), before);
  EXPECT_TRUE(clocked_.Verified().ok) << clocked_.Verified().reason;
}

}  // namespace
}  // namespace weir::audit
