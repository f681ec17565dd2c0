// Segments by time: where they end, and that searching, reopening and verifying follow.
#include <atomic>
#include <random>
#include <string>
#include <vector>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/index.h"
#include "audit/ledger.h"
#include "audit/reader.h"
#include "audit/store.h"
#include "tests/audit/random.h"
#include "tests/audit/scratch.h"

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
  const Scratch scratch_;
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
  const absl::Time until = absl::Now() + absl::Seconds(20);
  while (clocked.Segments().empty() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(20));
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
  std::mt19937_64 random = SeededRandom();
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

}  // namespace
}  // namespace weir::audit
