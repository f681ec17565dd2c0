// A disk that somebody else fills: what was begun is ended, nothing begins, and when there is room
// the ledger goes on by itself.
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/files.h"
#include "audit/reader.h"
#include "tests/audit/scratch.h"
#include "tests/audit/soon.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

Record Failure(std::string exchange) {
  Record record = PromptRecord(std::move(exchange));
  record.kind = RecordKind::kFailure;
  return record;
}

void ExpectWhole(const std::string& dir) {
  const absl::StatusOr<VerifyReport> report = Reader::Open(dir).value()->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok) << report->reason;
}

// A disk of which the test says how full it is.
class SaidDisk {
 public:
  explicit SaidDisk(std::string dir) : dir_(std::move(dir)) { HookFiles(&hook_); }
  SaidDisk(const SaidDisk&) = delete;
  SaidDisk& operator=(const SaidDisk&) = delete;
  ~SaidDisk() { HookFiles(nullptr); }
  // Besides what the ballast takes.
  void SetFree(uint64_t bytes) { free_ = bytes; }
  uint64_t ballast() const { return FileBytes(dir_ + "/ledger.ballast").value_or(0); }

 private:
  const std::string dir_;
  std::atomic<uint64_t> free_ = 100 * kMiB;
  const FileHook hook_{.before = [](FileCall, const std::string&, std::string_view) { return 0; },
                       .free_bytes = [this] { return free_ - std::min(free_.load(), ballast()); }};
};

TEST(LowWaterTest, BelowTheMarkExchangesEndAndNoneBegins) {
  const Scratch scratch;
  SaidDisk disk(scratch.dir());
  std::unique_ptr<Ledger> ledger =
      Ledger::Open({.dir = scratch.dir(), .free_bytes_min = kMiB}).value();
  struct stat ballast {};
  ASSERT_EQ(::stat(scratch.Path("ledger.ballast").c_str(), &ballast), 0);
  EXPECT_EQ(ballast.st_size, kMiB);
  EXPECT_GE(ballast.st_blocks * 512, kMiB) << "its blocks are not there";
  EXPECT_FALSE(ledger->stats().low);
  ASSERT_TRUE(AppendAndWait(*ledger, PromptRecord("a")).ok());
  ASSERT_TRUE(AppendAndWait(*ledger, PromptRecord("b")).ok());

  disk.SetFree(2 * kMiB - 1);  // one byte below the mark
  const absl::Status refused = AppendAndWait(*ledger, PromptRecord("c")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(NeedsPerson(refused));
  EXPECT_THAT(refused.message(), HasSubstr("1048575 bytes left"));
  EXPECT_THAT(refused.message(), HasSubstr("262145 more bytes"));
  EXPECT_EQ(ledger->status(), refused);
  EXPECT_TRUE(ledger->stats().low);
  EXPECT_TRUE(ledger->stats().open);
  EXPECT_FALSE(AppendAndWait(*ledger, Failure("c")).ok());
  EXPECT_FALSE(AppendAndWait(*ledger, AnswerRecord("c")).ok());
  EXPECT_TRUE(AppendAndWait(*ledger, AnswerRecord("a")).ok());
  EXPECT_FALSE(AppendAndWait(*ledger, AnswerRecord("a")).ok()) << "it had ended";
  EXPECT_TRUE(AppendAndWait(*ledger, ServiceRecord("x")).ok());
  EXPECT_EQ(disk.ballast(), kMiB);

  // As little as this is only left by who gives the ballast away.
  disk.SetFree(kMiB + 1'000);
  EXPECT_TRUE(AppendAndWait(*ledger, Failure("b")).ok());
  EXPECT_LT(disk.ballast(), kMiB);
  EXPECT_GT(disk.ballast(), 0);

  // Back above the mark is not enough, or a disk at the mark would let in one exchange of two.
  disk.SetFree(2 * kMiB + kMiB / 4 - 1);
  ASSERT_TRUE(Soon([&] { return ledger->stats().free_bytes > kMiB; }));
  EXPECT_FALSE(AppendAndWait(*ledger, PromptRecord("d")).ok());
  disk.SetFree(2 * kMiB + kMiB / 4);
  ASSERT_TRUE(Soon([&] { return ledger->status().ok(); }));
  EXPECT_EQ(disk.ballast(), kMiB);
  EXPECT_TRUE(AppendAndWait(*ledger, PromptRecord("d")).ok());
  ASSERT_TRUE(ledger->Close().ok());
  ExpectWhole(scratch.dir());
}

TEST(LowWaterTest, WithoutAMarkThereIsNoBallast) {
  const Scratch scratch;
  { ASSERT_TRUE(Ledger::Open({.dir = scratch.dir(), .free_bytes_min = kMiB}).ok()); }
  EXPECT_TRUE(fs::exists(scratch.Path("ledger.ballast")));
  std::unique_ptr<Ledger> ledger = Ledger::Open({.dir = scratch.dir()}).value();
  EXPECT_FALSE(fs::exists(scratch.Path("ledger.ballast")));
  EXPECT_TRUE(AppendAndWait(*ledger, PromptRecord("a")).ok());
}

// A file system of its own in memory, which fills up as a real disk does.
class SmallDisk {
 public:
  explicit SmallDisk(uint64_t bytes) {
    mounted_ =
        ::mount("weir-test", root_.dir().c_str(), "tmpfs", 0, Concat("size=", bytes).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(root_.dir().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string ledger() const { return root_.Path("ledger"); }
  // To the last byte, by somebody else.
  void Fill() const {
    std::ofstream file(root_.Path("others"), std::ios::binary | std::ios::app);
    const std::string piece(4'096, 'x');
    while (file.write(piece.data(), std::ssize(piece)).flush()) {
    }
  }
  void Clear() const { fs::remove(root_.Path("others")); }

 private:
  struct Root : Scratch {
    Root() { fs::create_directories(dir()); }
  };
  const Root root_;
  bool mounted_ = false;
};

class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "this user may not mount a file system of its own";
  }
  absl::StatusOr<std::unique_ptr<Ledger>> Open(Ledger* before = nullptr) const {
    return Ledger::Open({.dir = disk_.ledger(), .free_bytes_min = 4 * kMiB}, before);
  }
  // Answers with so many bytes each for exchanges that were begun: how many were acknowledged.
  static int End(Ledger& ledger, const std::vector<std::string>& exchanges, size_t bytes) {
    int ended = 0;
    for (const std::string& exchange : exchanges) {
      Record record = AnswerRecord(exchange);
      record.detail = std::string(bytes, 'd');
      if (!AppendAndWait(ledger, record).ok()) break;
      ++ended;
    }
    return ended;
  }
  static std::vector<std::string> Begin(Ledger& ledger, int count) {
    std::vector<std::string> exchanges;
    for (int i = 0; i < count; ++i) {
      exchanges.push_back(Concat("e-", i));
      EXPECT_TRUE(AppendAndWait(ledger, PromptRecord(exchanges.back())).ok());
    }
    return exchanges;
  }

  const SmallDisk disk_{24 * kMiB};
};

TEST_F(FullDiskTest, WhatWasBegunIsEndedAndTheLedgerGoesOnWhenThereIsRoom) {
  std::unique_ptr<Ledger> ledger = Open().value();
  const std::vector<std::string> exchanges = Begin(*ledger, 40);
  disk_.Fill();
  EXPECT_TRUE(absl::IsResourceExhausted(AppendAndWait(*ledger, PromptRecord("late")).status()));
  EXPECT_EQ(End(*ledger, exchanges, 30'000), 40);
  EXPECT_TRUE(ledger->stats().open);
  disk_.Fill();  // takes what the ballast gave and nobody needed yet
  // Started on a disk without a free byte, it finds what it needs in the ballast.
  const absl::Status closed = ledger->Close();
  ASSERT_TRUE(closed.ok()) << closed;
  disk_.Fill();
  ledger = Open().value();
  EXPECT_TRUE(absl::IsResourceExhausted(ledger->status()));
  EXPECT_FALSE(AppendAndWait(*ledger, PromptRecord("later")).ok());
  disk_.Clear();
  ASSERT_TRUE(Soon([&] { return ledger->status().ok(); }));
  EXPECT_TRUE(AppendAndWait(*ledger, PromptRecord("again")).ok());
  ASSERT_TRUE(ledger->Close().ok());
  ExpectWhole(disk_.ledger());
}

TEST_F(FullDiskTest, WithoutAByteItClosesAndOpensAgainByItself) {
  std::unique_ptr<Ledger> ledger = Open().value();
  const std::vector<std::string> exchanges = Begin(*ledger, 400);
  disk_.Fill();
  const int ended = End(*ledger, exchanges, 30'000);
  EXPECT_GT(ended, 40);
  ASSERT_LT(ended, 400) << "the disk was to be full before";
  EXPECT_TRUE(absl::IsUnavailable(ledger->status())) << ledger->status();
  EXPECT_FALSE(NeedsPerson(ledger->status()));
  EXPECT_THAT(ledger->status().message(), HasSubstr("full"));
  ledger->Close().IgnoreError();
  const absl::Status full = Open(ledger.get()).status();
  EXPECT_TRUE(absl::IsUnavailable(full)) << full;
  disk_.Clear();
  std::unique_ptr<Ledger> again = Open(ledger.get()).value();
  EXPECT_TRUE(again->status().ok()) << again->status();
  const std::unique_ptr<Reader> reader = Reader::Open(disk_.ledger()).value();
  for (int i = 0; i < ended; ++i) {
    EXPECT_EQ(reader->Get(static_cast<uint64_t>(400 + i))->record.exchange, exchanges[i]);
  }
  ASSERT_TRUE(again->Close().ok());
  ExpectWhole(disk_.ledger());
}

}  // namespace
}  // namespace weir::audit
