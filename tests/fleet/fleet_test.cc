// Ledgers shipped to a real PostgreSQL 15, which comes and goes.
#include "audit/fleet.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/ledger.h"
#include "tests/audit/scratch.h"
#include "tests/audit/soon.h"
#include "tests/fleet/postgres_server.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

class FleetTest : public testing::Test {
 protected:
  // One server for all tests, a database for each.
  static void SetUpTestSuite() {
    server_ = std::make_unique<PostgresServer>();
    server_->Start();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    absl::StatusOr<PgConnection> connection = PgConnection::Connect(server_->database());
    ASSERT_TRUE(connection.ok()) << connection.status();
    const absl::Status created = connection->Run(Concat("CREATE DATABASE \"", name, "\"")).status();
    ASSERT_TRUE(created.ok()) << created;
    database_ = Concat(server_->database(), " dbname=", name);
  }

  static Record Decision(uint64_t number) {
    Record record = PromptRecord(Concat("e-", number));
    record.app = Concat("app-", number % 3);
    record.user = Concat("u-", number % 17);
    record.action = number % 5 == 0 ? "block" : "allow";
    if (number % 5 == 0) {
      FindingEntry finding;
      finding.rule = Concat("RULE-", number % 2);
      finding.category = "A.1.h";
      record.findings.push_back(finding);
      record.findings.push_back(record.findings.front());
    }
    return record;
  }
  static void Append(Ledger& ledger, uint64_t begin, uint64_t end) {
    std::atomic<uint64_t> done = 0;
    for (uint64_t number = begin; number < end; ++number) {
      ledger.Append(Decision(number), [&done](const absl::StatusOr<Receipt>& receipt) {
        EXPECT_TRUE(receipt.ok()) << receipt.status();
        ++done;
      });
    }
    ASSERT_TRUE(Soon([&] { return done == end - begin; }));
  }
  static bool CaughtUp(const FleetShipper& shipper, uint64_t size) {
    return shipper.stats().shipped == size && shipper.stats().waiting == 0;
  }
  absl::StatusOr<std::vector<FleetLogReport>> Verified() const {
    absl::StatusOr<FleetReader> reader = FleetReader::Open(database_);
    if (!reader.ok()) return reader.status();
    return reader->Verify({});
  }
  void Do(const std::string& sql) const {
    absl::StatusOr<PgConnection> connection = PgConnection::Connect(database_);
    ASSERT_TRUE(connection.ok()) << connection.status();
    const absl::Status done = connection->Run(sql).status();
    ASSERT_TRUE(done.ok()) << done;
  }

  static std::unique_ptr<PostgresServer> server_;
  std::string database_;
};

std::unique_ptr<PostgresServer> FleetTest::server_;

TEST_F(FleetTest, TwoGatewaysAreSearchedTogetherAndVerified) {
  const Scratch scratch[2];
  std::map<std::string, std::vector<Found>> expected;
  for (int gateway = 0; gateway < 2; ++gateway) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(
        {.dir = scratch[gateway].dir(), .origin = Concat("gateway-", gateway, ".example/ledger")});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    const FleetShipper shipper(scratch[gateway].dir(), database_);
    ASSERT_NO_FATAL_FAILURE(Append(**ledger, 0, 1'300));
    ASSERT_TRUE(Soon([&] { return CaughtUp(shipper, 1'300); })) << shipper.stats().status;
  }
  const absl::StatusOr<std::vector<FleetLogReport>> reports = Verified();
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_EQ(reports->size(), 2);
  for (const FleetLogReport& log : *reports) {
    EXPECT_TRUE(log.report.ok) << log.report.reason;
    EXPECT_EQ(log.report.records, 1'300);
    EXPECT_GT(log.report.checkpoints, 0);
    EXPECT_EQ(log.report.unsigned_records, 0);
  }

  absl::StatusOr<FleetReader> fleet = FleetReader::Open(database_);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  for (const Query& query :
       {Query{.limit = 100}, Query{.user = "u-3", .limit = 7}, Query{.rule = "RULE-1", .limit = 50},
        Query{.app = "app-1", .category = "A.1.h", .action = "block", .limit = 33},
        Query{.exchange = "e-77"}, Query{.user = "nobody"},
        Query{.kinds = {RecordKind::kService, RecordKind::kAccess}}}) {
    // What each ledger finds itself, put together.
    std::vector<std::string> wanted;
    for (const Scratch& one : scratch) {
      absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(one.dir());
      ASSERT_TRUE(reader.ok()) << reader.status();
      Query all = query;
      all.limit = 1'000'000;
      absl::StatusOr<QueryPage> page = (*reader)->Find(all);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const Found& found : page->records) wanted.push_back(found.encoded);
    }
    std::vector<std::string> got;
    std::optional<FleetCursor> before;
    int64_t last_us = std::numeric_limits<int64_t>::max();
    do {
      absl::StatusOr<FleetPage> page = fleet->Find(query, before);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_LE(page->records.size(), query.limit);
      for (const FleetFound& found : page->records) {
        EXPECT_LE(found.place.time_us, last_us);
        last_us = found.place.time_us;
        got.push_back(found.found.encoded);
      }
      before = page->next;
    } while (before.has_value());
    std::sort(wanted.begin(), wanted.end());
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, wanted);
  }
}

// Killed and started again, over and over, while decisions are made: nothing is lost, nothing
// twice, and nobody waits.
TEST_F(FleetTest, ADatabaseThatComesAndGoesLosesNothing) {
  std::mt19937_64 random(Seed());
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  const FleetShipper shipper(scratch.dir(), database_);
  std::atomic<bool> stop = false;
  uint64_t appended = 0;
  std::thread load([&] {
    while (!stop) {
      Append(**ledger, appended, appended + 50);
      appended += 50;
    }
  });
  for (int round = 0; round < 4; ++round) {
    absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(200 + random() % 800)));
    server_->Kill();
    EXPECT_TRUE(Soon([&] { return !shipper.stats().status.ok(); }));
    EXPECT_TRUE(Soon([&] { return shipper.stats().waiting > 0; }));
    EXPECT_GT(shipper.stats().waits_from_us, 0);
    server_->Start();
    const uint64_t before = shipper.stats().shipped;
    EXPECT_TRUE(Soon([&] { return shipper.stats().shipped > before; })) << shipper.stats().status;
  }
  stop = true;
  load.join();
  EXPECT_TRUE(Soon([&] { return CaughtUp(shipper, appended); })) << shipper.stats().status;
  const absl::StatusOr<std::vector<FleetLogReport>> reports = Verified();
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_EQ(reports->size(), 1);
  EXPECT_TRUE(reports->front().report.ok) << reports->front().report.reason;
  EXPECT_EQ(reports->front().report.records, appended);
}

TEST_F(FleetTest, ARestartedGatewayGoesOnWhereItWas) {
  const Scratch scratch;
  for (uint64_t round = 0; round < 3; ++round) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    // Exchanges that are left open are closed at the next start, by records of their own.
    Append(**ledger, round * 10, round * 10 + 10);
    ASSERT_TRUE((*ledger)->Close().ok());
    const uint64_t size = (*ledger)->stats().size;
    const FleetShipper shipper(scratch.dir(), database_);
    EXPECT_TRUE(Soon([&] { return CaughtUp(shipper, size); })) << shipper.stats().status;
  }
}

// Put back from a copy, say: the files that the shipper has open are no longer the ledger's.
TEST_F(FleetTest, LooksAgainWhenTheLedgersFilesAreOthers) {
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  FleetShipper shipper(scratch.dir(), database_);
  ASSERT_NO_FATAL_FAILURE(Append(**ledger, 0, 100));
  ASSERT_TRUE(Soon([&] { return CaughtUp(shipper, 100); })) << shipper.stats().status;
  ASSERT_TRUE((*ledger)->Close().ok());

  const std::string aside = scratch.dir() + "-aside";
  std::filesystem::rename(scratch.dir(), aside);
  std::filesystem::copy(aside, scratch.dir(), std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(aside);
  ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_NO_FATAL_FAILURE(Append(**ledger, 100, 200));
  shipper.LookAgain();
  EXPECT_TRUE(Soon([&] { return CaughtUp(shipper, (*ledger)->stats().size); }))
      << shipper.stats().status;
}

TEST_F(FleetTest, WhatIsAlteredInTheDatabaseIsFound) {
  const Scratch scratch;
  {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    Append(**ledger, 0, 100);
    ASSERT_TRUE((*ledger)->Close().ok());
  }
  {
    const FleetShipper shipper(scratch.dir(), database_);
    ASSERT_TRUE(Soon([&] { return CaughtUp(shipper, 100); })) << shipper.stats().status;
  }
  // The server itself refuses a record that does not fit its leaf.
  absl::StatusOr<PgConnection> connection = PgConnection::Connect(database_);
  ASSERT_TRUE(connection.ok());
  EXPECT_FALSE(connection->Run("UPDATE weir_records SET record = 'x' WHERE seq = 7").ok());
  // Whoever owns the database can do away with that.
  ASSERT_NO_FATAL_FAILURE(Do("ALTER TABLE weir_records DROP CONSTRAINT weir_leaf_of_record"));

  struct Case {
    const char* change;
    const char* back;
    const char* says;
  };
  for (const Case& one : {
           Case{"UPDATE weir_records SET record = replace(convert_from(record, 'UTF8'), 'allow', "
                "'block')::bytea WHERE seq = 7",
                "UPDATE weir_records SET record = replace(convert_from(record, 'UTF8'), 'block', "
                "'allow')::bytea WHERE seq = 7",
                "record 7 was altered"},
           Case{"UPDATE weir_records SET seq = 1000 WHERE seq = 20",
                "UPDATE weir_records SET seq = 20 WHERE seq = 1000", "record 20 is missing"},
           Case{"UPDATE weir_checkpoints SET size = 101 WHERE size = 100",
                "UPDATE weir_checkpoints SET size = 100 WHERE size = 101", "a checkpoint over 101"},
       }) {
    ASSERT_NO_FATAL_FAILURE(Do(one.change));
    const absl::StatusOr<std::vector<FleetLogReport>> reports = Verified();
    ASSERT_TRUE(reports.ok()) << reports.status();
    EXPECT_FALSE(reports->front().report.ok);
    EXPECT_THAT(reports->front().report.reason, HasSubstr(one.says));
    ASSERT_NO_FATAL_FAILURE(Do(one.back));
    EXPECT_TRUE(Verified()->front().report.ok) << Verified()->front().report.reason;
  }
  // The shipper looks before it adds anything.
  ASSERT_NO_FATAL_FAILURE(
      Do("UPDATE weir_records SET leaf = '\\x00', record = '\\x00' WHERE seq = 99"));
  const FleetShipper shipper(scratch.dir(), database_);
  EXPECT_TRUE(Soon([&] { return shipper.stats().status.code() == absl::StatusCode::kDataLoss; }));
  EXPECT_THAT(shipper.stats().status.message(), HasSubstr("record 99 of this ledger"));
}

TEST_F(FleetTest, SaysWhatIsWrongWithADatabase) {
  EXPECT_THAT(FleetReader::Open(database_).status().message(),
              HasSubstr("no gateway has shipped to this database yet"));
  EXPECT_THAT(FleetReader::Open("host=/nonexistent dbname=x").status().message(),
              HasSubstr("cannot be reached"));
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  server_->Kill();
  server_->Start("-c fsync=off");
  {
    const FleetShipper shipper(scratch.dir(), database_);
    EXPECT_TRUE(Soon([&] { return !shipper.stats().status.ok(); }));
    EXPECT_THAT(shipper.stats().status.message(), HasSubstr("fsync = off"));
  }
  server_->Kill();
  server_->Start();
}

}  // namespace
}  // namespace weir::audit
