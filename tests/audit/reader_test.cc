#include "audit/reader.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/index.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

// Values are few, so that queries find something, and some contain one another or need escapes.
std::string Pick(std::mt19937_64& random, std::string_view prefix, uint64_t values) {
  const uint64_t i = random() % values;
  return i == 0 ? std::string() : Concat(prefix, i % 3 == 0 ? "\"q\\" : "", i);
}

Record RandomRecord(std::mt19937_64& random, uint64_t i) {
  Record record;
  record.kind = static_cast<RecordKind>(random() % 6);
  record.exchange = Concat("x", i - random() % std::min<uint64_t>(i + 1, 50));
  record.app = Pick(random, "app", 4);
  record.user = Pick(random, "user", 2'000);
  record.model = Pick(random, "model", 3);
  record.action = Pick(random, "action", 5);
  record.findings.resize(random() % 3);
  for (FindingEntry& finding : record.findings) {
    finding.rule = Pick(random, "rule", 40);
    finding.category = Pick(random, "A.1.", 6);
    finding.action = Pick(random, "action", 5);
  }
  record.detail = Pick(random, "\"app\":\"app", 5);
  return record;
}

Query RandomQuery(std::mt19937_64& random, const std::vector<Record>& records) {
  Query query;
  const auto maybe = [&random] { return random() % 4 == 0; };
  if (maybe()) query.app = Pick(random, "app", 5);
  if (maybe()) query.user = Pick(random, "user", 2'000);
  if (maybe()) query.model = Pick(random, "model", 4);
  if (maybe()) query.action = Pick(random, "action", 6);
  if (maybe()) query.rule = Pick(random, "rule", 41);
  if (maybe()) query.category = Pick(random, "A.1.", 7);
  if (random() % 10 == 0) query.exchange = records[random() % records.size()].exchange;
  if (maybe()) query.kinds = {static_cast<RecordKind>(random() % 6)};
  if (maybe())
    query.from_us = records[random() % records.size()].time_us + int64_t(random() % 3) - 1;
  if (maybe()) query.to_us = records[random() % records.size()].time_us + int64_t(random() % 3) - 1;
  if (maybe()) query.before_seq = random() % (records.size() + 10);
  query.limit = 1 + random() % 200;
  return query;
}

bool NaiveMatch(const Query& query, const Record& record) {
  const auto is = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  bool rule = query.rule.empty();
  bool category = query.category.empty();
  for (const FindingEntry& finding : record.findings) {
    rule = rule || finding.rule == query.rule;
    category = category || finding.category == query.category;
  }
  return rule && category && is(query.exchange, record.exchange) && is(query.app, record.app) &&
         is(query.user, record.user) && is(query.action, record.action) &&
         is(query.model, record.model) && (query.kinds.empty() || query.kinds[0] == record.kind) &&
         (!query.from_us || record.time_us >= *query.from_us) &&
         (!query.to_us || record.time_us < *query.to_us) &&
         (!query.before_seq || record.seq < *query.before_seq);
}

// A ledger with an indexed segment and a tail without index, and the same records in memory.
class BigLedger : public ::testing::Test {
 protected:
  static constexpr uint64_t kRecords = kSegmentRecords + 1'500;

  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    records_ = std::make_unique<std::vector<Record>>();
    std::mt19937_64 random(Seed());
    std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch_->dir()}).value();
    std::vector<int64_t> times(kRecords);
    for (uint64_t i = 0; i < kRecords; ++i) {
      Record record = RandomRecord(random, i);
      record.seq = i;
      records_->push_back(record);
      // The last of each thousand is waited for, so that batches differ in size and time.
      if (i % 1'000 == 999) {
        times[i] = AppendAndWait(*ledger, std::move(record))->time_us;
      } else {
        ledger->Append(std::move(record), [&times, i](const absl::StatusOr<Receipt>& receipt) {
          times[i] = receipt->time_us;
        });
      }
    }
    ASSERT_TRUE(ledger->Close().ok());
    for (uint64_t i = 0; i < kRecords; ++i) (*records_)[i].time_us = times[i];
  }
  static void TearDownTestSuite() {
    scratch_.reset();
    records_.reset();
  }

  static std::unique_ptr<Scratch> scratch_;
  static std::unique_ptr<std::vector<Record>> records_;
  std::mt19937_64 random_{Seed()};
  std::unique_ptr<Reader> reader_ = Reader::Open(scratch_->dir()).value();
};
std::unique_ptr<Scratch> BigLedger::scratch_;
std::unique_ptr<std::vector<Record>> BigLedger::records_;

TEST_F(BigLedger, FindsExactlyWhatAFullScanFinds) {
  for (int i = 0; i < 400; ++i) {
    const Query query = RandomQuery(random_, *records_);
    const absl::StatusOr<QueryPage> page = reader_->Find(query);
    ASSERT_TRUE(page.ok()) << page.status();
    std::vector<uint64_t> expected;
    bool more = false;
    for (uint64_t seq = kRecords; seq > 0 && !more; --seq) {
      if (!NaiveMatch(query, (*records_)[seq - 1])) continue;
      more = expected.size() == query.limit;
      if (!more) expected.push_back(seq - 1);
    }
    std::vector<uint64_t> found;
    for (const Found& record : page->records) found.push_back(record.record.seq);
    ASSERT_EQ(found, expected) << "query " << i;
    ASSERT_EQ(page->next_before_seq.has_value(), more) << "query " << i;
  }
}

TEST_F(BigLedger, PagesJoinWithoutGapOrRepetition) {
  Query query;
  query.app = "app1";
  query.category = "A.1.2";
  query.limit = 97;
  std::vector<uint64_t> found;
  do {
    const absl::StatusOr<QueryPage> page = reader_->Find(query);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const Found& record : page->records) found.push_back(record.record.seq);
    query.before_seq = page->next_before_seq;
  } while (query.before_seq);
  std::vector<uint64_t> expected;
  for (uint64_t seq = kRecords; seq > 0; --seq) {
    if (NaiveMatch({.app = "app1", .category = "A.1.2"}, (*records_)[seq - 1])) {
      expected.push_back(seq - 1);
    }
  }
  EXPECT_EQ(found, expected);
}

TEST_F(BigLedger, EveryKindOfRecordIsProved) {
  const std::vector<VerifierKey> keys = {
      *VerifierKey::Parse(OneLine(scratch_->Path("ledger.vkey")))};
  for (const uint64_t seq : {uint64_t{0}, uint64_t{255}, uint64_t{256}, kSegmentRecords - 1,
                             kSegmentRecords, kRecords - 1, random_() % kRecords}) {
    const absl::StatusOr<Evidence> evidence = reader_->Prove(seq);
    ASSERT_TRUE(evidence.ok()) << evidence.status();
    const std::string file = EvidenceFile(*evidence);
    EXPECT_LT(file.size() - evidence->encoded.size(), 2'048);
    const absl::StatusOr<Record> record = VerifyEvidenceFile(file, keys);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(record->seq, seq);
    EXPECT_EQ(record->user, (*records_)[seq].user);
  }
  EXPECT_EQ(reader_->Prove(kRecords).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BigLedger, EveryTwoCheckpointsAreConsistent) {
  const std::vector<VerifierKey> keys = {
      *VerifierKey::Parse(OneLine(scratch_->Path("ledger.vkey")))};
  const std::vector<std::string> notes = reader_->Checkpoints(0, kRecords).value();
  ASSERT_FALSE(notes.empty());
  const Checkpoint last = *OpenCheckpoint(notes.back(), keys);
  EXPECT_EQ(last.size, kRecords);
  for (const std::string& note : notes) {
    const Checkpoint old = *OpenCheckpoint(note, keys);
    const absl::StatusOr<std::vector<Hash>> proof = reader_->ProveConsistency(old.size, last.size);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_TRUE(VerifyConsistency(old.size, last.size, *proof, old.root, last.root).ok());
  }
}

TEST_F(BigLedger, EverySingleBitChangeOfEvidenceIsRefused) {
  const std::vector<VerifierKey> keys = {
      *VerifierKey::Parse(OneLine(scratch_->Path("ledger.vkey")))};
  const std::string file = EvidenceFile(*reader_->Prove(kRecords / 2));
  ASSERT_TRUE(VerifyEvidenceFile(file, keys).ok());
  for (size_t i = 0; i < file.size(); ++i) {
    std::string altered = file;
    altered[i] = static_cast<char>(altered[i] ^ (1 << (random_() % 8)));
    EXPECT_FALSE(VerifyEvidenceFile(altered, keys).ok()) << "byte " << i;
    EXPECT_FALSE(VerifyEvidenceFile(file.substr(0, i), keys).ok()) << "cut at " << i;
  }
}

TEST_F(BigLedger, Verifies) {
  const absl::StatusOr<VerifyReport> report = reader_->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok) << report->reason;
  EXPECT_EQ(report->records, kRecords);
  EXPECT_GT(report->checkpoints, 0);
}

TEST(ReaderTest, SeesEveryCommittedRecordWhileTheLedgerIsWritten) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  constexpr uint64_t kEach = 400;
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<bool> done{false};
  std::thread looker([&] {
    const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
    while (!done) {
      const uint64_t before = acknowledged;
      Query query;
      query.app = "demo";
      query.limit = 10'000;
      const absl::StatusOr<QueryPage> page = reader->Find(query);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_GE(page->records.size(), before);
      const absl::StatusOr<VerifyReport> report = reader->Verify({});
      ASSERT_TRUE(report.ok()) << report.status();
      ASSERT_TRUE(report->ok) << report->reason;
      ASSERT_GE(report->records, before);
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (uint64_t i = 0; i < kEach; ++i) {
        ASSERT_TRUE(AppendAndWait(*ledger, PromptRecord(Concat("e", i))).ok());
        ++acknowledged;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  done = true;
  looker.join();
  EXPECT_EQ(ledger->stats().size, 4 * kEach);
}

TEST(ReaderTest, SaysWhatIsWrong) {
  const Scratch scratch;
  EXPECT_THAT(Reader::Open(scratch.dir()).status().message(), HasSubstr("there is no ledger in"));
  { std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value(); }
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Get(0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader->LatestCheckpoint().status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(reader->Find({})->records.empty());
  EXPECT_TRUE(reader->Verify({})->ok);
  EXPECT_FALSE(reader->Find({.limit = 0}).ok());
  EXPECT_FALSE(reader->ProveConsistency(0, 5).ok());
}

}  // namespace
}  // namespace weir::audit
