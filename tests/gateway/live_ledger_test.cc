#include "gateway/live_ledger.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/audit/scratch.h"

namespace weir::gateway {
namespace {

namespace fs = std::filesystem;
using audit::AppendAndWait;
using audit::PromptRecord;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{10};

class LiveLedgerTest : public ::testing::Test {
 protected:
  LiveLedgerTest() {
    live_ = LiveLedger::Open({.dir = scratch_.dir()}, metrics_).value();
    live_->Begin([this](std::string_view account) { opened_.set_value(std::string(account)); });
  }

  // Waits for a sentence in the status.
  void Await(const std::string& words) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (live_->status().message().find(words) == absl::string_view::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << live_->status();
      std::this_thread::yield();
    }
  }
  std::string Series(const std::string& name) const {
    const std::string text = metrics_.Render();
    const size_t at = text.find("\n" + name + " ") + name.size() + 2;
    return text.substr(at, text.find('\n', at) - at);
  }

  const audit::Scratch scratch_;
  Metrics metrics_{1};
  std::promise<std::string> opened_;
  std::unique_ptr<LiveLedger> live_;
};

TEST_F(LiveLedgerTest, OpensAgainWhatWasAwayAndClosesWhatWasOpenThere) {
  const std::shared_ptr<audit::Ledger> first = live_->current();
  ASSERT_TRUE(AppendAndWait(*first, PromptRecord("cut off")).ok());
  const std::string away = scratch_.dir() + "-away";
  fs::rename(scratch_.dir(), away);
  EXPECT_FALSE(AppendAndWait(*first, PromptRecord("unheard")).ok());
  EXPECT_FALSE(first->open());
  Await("goes on by itself");
  EXPECT_FALSE(fs::exists(scratch_.dir())) << "nothing takes its place";

  fs::rename(away, scratch_.dir());
  std::future<std::string> opened = opened_.get_future();
  ASSERT_EQ(opened.wait_for(kPatience), std::future_status::ready) << live_->status();
  EXPECT_THAT(opened.get(), HasSubstr("moved away"));
  EXPECT_TRUE(live_->status().ok()) << live_->status();
  EXPECT_EQ(Series("weir_ledger_reopenings_total{result=\"opened\"}"), "1");

  // Whoever still holds the first opening cannot go on in the second.
  const std::shared_ptr<audit::Ledger> second = live_->current();
  EXPECT_NE(first, second);
  EXPECT_FALSE(AppendAndWait(*first, audit::AnswerRecord("cut off")).ok());
  const absl::StatusOr<audit::Receipt> next = AppendAndWait(*second, PromptRecord("next"));
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_GE(next->seq, 2U) << "the interruption stands before it";
  EXPECT_TRUE(live_->Close().ok());
}

TEST_F(LiveLedgerTest, StaysClosedWhereAPersonHasToLook) {
  const std::shared_ptr<audit::Ledger> ledger = live_->current();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(AppendAndWait(*ledger, PromptRecord("e" + std::to_string(i))).ok());
  }
  fs::resize_file(scratch_.Path("ledger.db-wal"), 100);
  EXPECT_FALSE(AppendAndWait(*ledger, PromptRecord("unheard")).ok());
  Await("A person has to look: run `weir audit verify --dir " + scratch_.dir() + "`");
  EXPECT_EQ(Series("weir_ledger_needs_person"), "1");
  EXPECT_EQ(Series("weir_ledger_reopenings_total{result=\"opened\"}"), "0");
  EXPECT_EQ(live_->current(), ledger);
  EXPECT_FALSE(live_->Close().ok());
}

TEST_F(LiveLedgerTest, ClosesInOrderWithoutLookingOnceMore) {
  ASSERT_TRUE(AppendAndWait(*live_->current(), PromptRecord("e")).ok());
  EXPECT_TRUE(live_->Close().ok());
  EXPECT_FALSE(live_->current()->open());
  EXPECT_EQ(Series("weir_ledger_reopenings_total{result=\"failed\"}"), "0");
}

}  // namespace
}  // namespace weir::gateway
