// The store is harmed under a ledger that has it open, idle or under load: it is noticed within a
// second, nothing is acknowledged any more, one sentence says what happened and what to do; and
// where that can be mended, the ledger opens again with everything that was acknowledged.
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/reader.h"
#include "audit/store.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
constexpr auto kNoticed = absl::Seconds(1);
// What a machine with other work may take to run a thread, on top.
constexpr auto kScheduling = absl::Milliseconds(500);

// A ledger with archives and an open log, and beside it an older copy of everything.
class Victim {
 public:
  Victim() {
    fs::create_directories(scratch_.dir());
    mounted_ = ::mount("weir-test", scratch_.dir().c_str(), "tmpfs", 0, "size=1g") == 0;
    Open();
    Append(20);
    Close();
    fs::copy(dir(), older(), fs::copy_options::recursive);
    Open();
    for (int day = 0; day < 3; ++day) {
      now_us_ += kDayUs;
      Append(20);
    }
    const absl::Time until = absl::Now() + absl::Seconds(30);
    while (ledger->stats().segments_archived < 3 && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_EQ(ledger->stats().segments_archived, 3);
    fs::copy_file(Path("ledger.db-wal"), older() + "/ledger.db-wal");
    Append(20);
  }
  ~Victim() {
    ledger.reset();
    if (mounted_) ::umount2(scratch_.dir().c_str(), MNT_DETACH);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  void Open(Ledger* before = nullptr) {
    absl::StatusOr<std::unique_ptr<Ledger>> opened =
        Ledger::Open({.dir = dir(),
                      .segment_period = SegmentPeriod::kDay,
                      .now_us = [this] { return now_us_.load(); }},
                     before);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger = *std::move(opened);
  }
  // Until that many are acknowledged, or one is refused.
  void Append(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const absl::StatusOr<Receipt> receipt = AppendAndWait(*ledger, ServiceRecord("x"));
      if (!receipt.ok()) return;
      uint64_t seen = acknowledged;
      while (seen <= receipt->seq && !acknowledged.compare_exchange_weak(seen, receipt->seq + 1)) {
      }
    }
  }
  void Close() { EXPECT_TRUE(ledger->Close().ok()); }

  bool mounted() const { return mounted_; }
  std::string root() const { return scratch_.dir(); }
  std::string dir() const { return scratch_.dir() + "/ledger"; }
  std::string older() const { return scratch_.dir() + "/older"; }
  std::string aside() const { return scratch_.dir() + "/aside"; }
  std::string Path(std::string_view name) const { return Concat(dir(), "/", name); }
  std::string Older(std::string_view name) const { return Concat(older(), "/", name); }

  std::unique_ptr<Ledger> ledger;
  std::atomic<uint64_t> acknowledged = 0;  // records, without a gap

 private:
  const Scratch scratch_;
  bool mounted_ = false;
  std::atomic<int64_t> now_us_ = 1'700'000'000'000'000;
};

// Overwrites a file where it stands, as cp does.
void CopyInto(const std::string& from, const std::string& to) {
  fs::permissions(to, fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(to, std::ios::binary | std::ios::trunc) << std::ifstream(from).rdbuf();
}

struct Way {
  std::string name;
  void (*harm)(const Victim& victim);
  absl::StatusCode code;
  std::string says;
  void (*mend)(const Victim& victim) = nullptr;  // none: a person has to
  bool needs_mount = false;
};

constexpr auto kAway = absl::StatusCode::kUnavailable;
constexpr auto kAltered = absl::StatusCode::kDataLoss;

// Takes a file away, and puts it back.
template <const char* const& kName>
Way Taken(std::string name) {
  return {std::move(name), [](const Victim& v) { fs::rename(v.Path(kName), v.aside()); }, kAway,
          "was deleted or moved away: put it back",
          [](const Victim& v) { fs::rename(v.aside(), v.Path(kName)); }};
}

constexpr const char* kDatabase = "ledger.db";
constexpr const char* kLog = "ledger.db-wal";
constexpr const char* kShared = "ledger.db-shm";
constexpr const char* kLock = "ledger.lock";
constexpr const char* kCheckpoint = "ledger.checkpoint";
constexpr const char* kArchive = "segments/000001.zst";
constexpr const char* kArchives = "segments";

std::vector<Way> Ways() {
  return {
      Taken<kDatabase>("StoreMoved"),
      Taken<kLog>("LogMoved"),
      Taken<kShared>("SharedMemoryMoved"),
      Taken<kLock>("LockMoved"),
      Taken<kCheckpoint>("CheckpointMoved"),
      Taken<kArchive>("ArchiveMoved"),
      Taken<kArchives>("ArchivesMoved"),
      {"FolderMoved", [](const Victim& v) { fs::rename(v.dir(), v.aside()); }, kAway,
       "moved away: put it back", [](const Victim& v) { fs::rename(v.aside(), v.dir()); }},
      {"StoreDeleted", [](const Victim& v) { fs::remove(v.Path("ledger.db")); }, kAway,
       "can be copied from /proc/"},
      {"StoreSwappedForAnOlderOne",
       [](const Victim& v) {
         fs::rename(v.Path("ledger.db"), v.aside());
         fs::copy_file(v.Older("ledger.db"), v.Path("ledger.db"));
       },
       kAway, "put it back as it was",
       [](const Victim& v) { fs::rename(v.aside(), v.Path("ledger.db")); }},
      {"CheckpointSwappedForAnOlderOne",
       [](const Victim& v) {
         fs::copy_file(v.Older("ledger.checkpoint"), v.Path("new"));
         fs::rename(v.Path("new"), v.Path("ledger.checkpoint"));
       },
       kAway, "ledger.checkpoint was replaced by another file",
       [](const Victim&) { /* the store has the last one too */ }},
      {"ArchiveSwapped",
       [](const Victim& v) {
         fs::rename(v.Path("segments/000001.zst"), v.aside());
         fs::copy_file(v.Path("segments/000002.zst"), v.Path("segments/000001.zst"));
       },
       kAway, "000001.zst was ",
       [](const Victim& v) { fs::rename(v.aside(), v.Path("segments/000001.zst")); }},
      {"ArchiveOverwritten",
       [](const Victim& v) {
         CopyInto(v.Path("segments/000002.zst"), v.Path("segments/000001.zst"));
       },
       kAltered, "000001.zst was "},
      {"StoreRolledBack",
       [](const Victim& v) { CopyInto(v.Older("ledger.db"), v.Path("ledger.db")); }, kAltered,
       "ledger.db was "},
      {"StoreCut", [](const Victim& v) { fs::resize_file(v.Path("ledger.db"), 8'192); }, kAltered,
       "ledger.db was cut"},
      {"StoreEmptied", [](const Victim& v) { fs::resize_file(v.Path("ledger.db"), 0); }, kAltered,
       "ledger.db was cut"},
      {"LogEmptied", [](const Victim& v) { fs::resize_file(v.Path("ledger.db-wal"), 0); }, kAltered,
       "ledger.db-wal was cut or overwritten"},
      {"LogRolledBack",
       [](const Victim& v) { CopyInto(v.Older("ledger.db-wal"), v.Path("ledger.db-wal")); },
       kAltered, "ledger.db-wal was cut or overwritten"},
      {"StoreMadeReadOnly", [](const Victim& v) { ::chmod(v.Path("ledger.db").c_str(), 0400); },
       kAway, "was made read-only: give its owner",
       [](const Victim& v) { ::chmod(v.Path("ledger.db").c_str(), 0600); }},
      {"FolderMadeReadOnly", [](const Victim& v) { ::chmod(v.dir().c_str(), 0500); }, kAway,
       "was made read-only: give its owner",
       [](const Victim& v) { ::chmod(v.dir().c_str(), 0700); }},
      {"MountedReadOnly",
       [](const Victim& v) {
         // Files that are open for writing keep a disk from it, as they do not when it fails.
         ASSERT_EQ(::mount(v.dir().c_str(), v.dir().c_str(), nullptr, MS_BIND, nullptr), 0);
         ASSERT_EQ(
             ::mount(nullptr, v.dir().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
             0);
       },
       kAway, "read-only", [](const Victim& v) { ::umount2(v.dir().c_str(), MNT_DETACH); }, true},
      {"DiskGone", [](const Victim& v) { ::umount2(v.root().c_str(), MNT_DETACH); }, kAway,
       "moved away: put it back", nullptr, true},
  };
}

class StoreWatchTest : public ::testing::TestWithParam<std::tuple<Way, bool>> {};

TEST_P(StoreWatchTest, NoticesWithinASecond) {
  const auto& [way, loaded] = GetParam();
  Victim victim;
  if (HasFatalFailure()) return;
  if (way.needs_mount && !victim.mounted()) GTEST_SKIP() << "this user may not mount";
  std::vector<std::thread> callers;
  for (int i = 0; i < (loaded ? 4 : 0); ++i) {
    callers.emplace_back([&victim] { victim.Append(UINT64_MAX); });
  }
  const uint64_t first = victim.acknowledged;
  while (loaded && victim.acknowledged < first + 50) std::this_thread::yield();

  const absl::Time harmed = absl::Now();
  way.harm(victim);
  while (victim.ledger->status().ok() && absl::Now() < harmed + absl::Seconds(20)) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  const absl::Duration took = absl::Now() - harmed;
  for (std::thread& caller : callers) caller.join();
  const absl::Status status = victim.ledger->status();
  EXPECT_LE(took, kNoticed + kScheduling);
  RecordProperty("noticed_ms", static_cast<int>(absl::ToInt64Milliseconds(took)));
  // Under load SQLite itself may stumble first.
  if (!loaded || status.code() == way.code) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(way.says));
  }
  EXPECT_EQ(status.code(), way.code) << status;
  EXPECT_EQ(NeedsPerson(status), way.code != kAway);
  EXPECT_EQ(AppendAndWait(*victim.ledger, ServiceRecord("x")).status(), status);
  if (way.mend == nullptr) return;

  way.mend(victim);
  const uint64_t acknowledged = victim.acknowledged;
  const std::unique_ptr<Ledger> before = std::move(victim.ledger);
  victim.Open(before.get());
  if (HasFatalFailure()) return;
  EXPECT_GE(victim.ledger->stats().size, acknowledged);
  victim.Append(5);
  victim.Close();
  const absl::StatusOr<VerifyReport> report = Reader::Open(victim.dir()).value()->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok) << report->reason;
}

INSTANTIATE_TEST_SUITE_P(Ways, StoreWatchTest,
                         ::testing::Combine(::testing::ValuesIn(Ways()), ::testing::Bool()),
                         [](const auto& way) {
                           return std::get<0>(way.param).name +
                                  (std::get<1>(way.param) ? "UnderLoad" : "Idle");
                         });

// The log may be cut between two looks of the watch, and be moved into the database then.
TEST(StoreTest, ALogThatWasCutIsNamed) {
  const Scratch scratch;
  fs::create_directories(scratch.dir());
  const std::string path = scratch.dir() + "/ledger.db";
  const auto db = Database::OpenWriter(path, "");
  ASSERT_TRUE(db.ok()) << db.status();
  ASSERT_TRUE(db->Execute("INSERT INTO marks VALUES('a', 'b')").ok());
  fs::resize_file(path + "-wal", 32);
  const absl::Status status = db->MoveLog();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cut or overwritten"));
}

}  // namespace
}  // namespace weir::audit
