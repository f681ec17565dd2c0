#include "audit/ledger.h"

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/quorum.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

TEST(LedgerTest, GivesReceiptsInOrderAndSignsACheckpointOverAllAtClose) {
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  for (uint64_t seq = 0; seq < 600; ++seq) {
    absl::StatusOr<Receipt> receipt = AppendAndWait(**ledger, PromptRecord(Concat("e", seq)));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    ASSERT_EQ(receipt->seq, seq);
  }
  ASSERT_TRUE((*ledger)->Close().ok());
  absl::StatusOr<VerifierKey> key = VerifierKey::Parse((*ledger)->verifier_key());
  ASSERT_TRUE(key.ok()) << key.status();
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint((*ledger)->last_checkpoint(), {*key});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->size, 600);
}

TEST(LedgerTest, GoesOnAfterClose) {
  const Scratch scratch;
  for (int round = 0; round < 3; ++round) {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    for (int i = 0; i < 300; ++i) {
      absl::StatusOr<Receipt> receipt = AppendAndWait(**ledger, ServiceRecord("x"));
      ASSERT_TRUE(receipt.ok()) << receipt.status();
      ASSERT_EQ(receipt->seq, static_cast<uint64_t>(round * 300 + i));
    }
  }
}

TEST(LedgerTest, LeavesNoLogBehindWhenClosed) {
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_TRUE(AppendAndWait(**ledger, ServiceRecord("x")).ok());
  ASSERT_TRUE((*ledger)->Close().ok());
  EXPECT_TRUE(std::filesystem::exists(scratch.Path("ledger.db")));
  EXPECT_FALSE(std::filesystem::exists(scratch.Path("ledger.db-wal")));
}

// What was committed is moved into the database while the ledger is open, so that neither the log
// nor the time that Open needs grows with it.
TEST(LedgerTest, MovesTheLogWhileItIsOpen) {
  const Scratch scratch{Scratch::Memory()};
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  for (int i = 0; i < 12'000; ++i) {
    const absl::StatusOr<Receipt> receipt = AppendAndWait(**ledger, ServiceRecord("x"));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
  }
  EXPECT_LT(std::filesystem::file_size(scratch.Path("ledger.db-wal")), 20U << 20);
  EXPECT_GT(std::filesystem::file_size(scratch.Path("ledger.db")), 1U << 20);
  EXPECT_TRUE((*ledger)->Close().ok());
}

TEST(LedgerTest, HasOneWriter) {
  const Scratch scratch;
  absl::StatusOr<std::unique_ptr<Ledger>> first = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(first.ok()) << first.status();
  absl::StatusOr<std::unique_ptr<Ledger>> second = Ledger::Open({.dir = scratch.dir()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr("another process"));
}

TEST(LedgerTest, ClosesWhatACrashLeftOpen) {
  const Scratch scratch;
  {
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ASSERT_TRUE(AppendAndWait(**ledger, PromptRecord("a")).ok());
    ASSERT_TRUE(AppendAndWait(**ledger, PromptRecord("b")).ok());
    ASSERT_TRUE(AppendAndWait(**ledger, AnswerRecord("a")).ok());
  }
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.dir = scratch.dir()});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_EQ((*ledger)->stats().size, 4);
}

}  // namespace
}  // namespace weir::audit
