// kill -9 while records are appended, over and over on one ledger: no acknowledged record is
// missing, no number is skipped, everything verifies, and every exchange is closed in the end.
//
// WEIR_KILL_CYCLES raises the number of cycles from 50.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "audit/reader.h"
#include "tests/audit/random.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using Clock = std::chrono::steady_clock;

// What a child said before it was killed.
std::string RunAndKill(const std::string& dir, int cycle, const char* durability,
                       std::chrono::microseconds life_after_first_line) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const std::string program = std::string(WEIR_BINARY_DIR) + "/tests/audit/audit_kill_child";
  const std::string number = std::to_string(cycle);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), dir.c_str(), number.c_str(), durability, nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string said;
  Clock::time_point until = Clock::now() + std::chrono::seconds(30);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
    const timespec wait{.tv_sec = left.count() / 1'000'000,
                        .tv_nsec = left.count() % 1'000'000 * 1'000};
    pollfd readable{.fd = ends[0], .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::ppoll(&readable, 1, &wait, nullptr) <= 0) break;
    char bytes[65'536];
    const ssize_t count = ::read(ends[0], bytes, sizeof bytes);
    if (count <= 0) break;
    if (said.empty()) until = Clock::now() + life_after_first_line;
    said.append(bytes, static_cast<size_t>(count));
  }
  ::kill(child, SIGKILL);
  for (char bytes[65'536];;) {
    const ssize_t count = ::read(ends[0], bytes, sizeof bytes);
    if (count <= 0) break;
    said.append(bytes, static_cast<size_t>(count));
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return said;
}

void KillCycles(const char* durability) {
  const Scratch scratch;
  std::mt19937_64 random = SeededRandom();
  const char* given = std::getenv("WEIR_KILL_CYCLES");
  const int cycles = given != nullptr ? std::stoi(given) : 50;
  std::map<uint64_t, std::string> acknowledged;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    const std::chrono::microseconds life(random() % 40'000);
    std::istringstream said(RunAndKill(scratch.dir(), cycle, durability, life));
    for (std::string line; std::getline(said, line) && !said.eof();) {
      ASSERT_NE(line[0], '!') << "cycle " << cycle << ": " << line;
      std::istringstream words(line);
      uint64_t seq = 0;
      std::string exchange;
      words >> seq >> exchange;
      ASSERT_TRUE(acknowledged.emplace(seq, exchange).second)
          << "number " << seq << " was given twice";
    }
    const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
    ASSERT_GT(*reader->Size(), acknowledged.empty() ? 0 : acknowledged.rbegin()->first);
  }
  ASSERT_FALSE(acknowledged.empty());

  // One more start, which closes what the last kill left open, and a clean end.
  { ASSERT_TRUE(Ledger::Open({.dir = scratch.dir()}).value()->Close().ok()); }
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  const absl::StatusOr<VerifyReport> report = reader->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok) << report->reason;
  EXPECT_EQ(report->unsigned_records, 0);
  std::set<std::string> open;
  uint64_t next = 0;
  auto expected = acknowledged.begin();
  const absl::Status status = reader->Scan(0, *reader->Size(), [&](std::string_view encoded) {
    const Record record = *Decode(encoded);
    EXPECT_EQ(record.seq, next++);
    if (expected != acknowledged.end() && expected->first == record.seq) {
      EXPECT_EQ(record.exchange, expected->second);
      ++expected;
    }
    if (record.kind == RecordKind::kPrompt) open.insert(record.exchange);
    if (record.kind == RecordKind::kAnswer || record.kind == RecordKind::kInterrupted) {
      EXPECT_EQ(open.erase(record.exchange), 1) << record.seq << " closes " << record.exchange;
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(expected, acknowledged.end());
  EXPECT_TRUE(open.empty()) << open.size() << " exchanges were never closed";
  std::cout << cycles << " kills, " << next << " records, " << acknowledged.size()
            << " acknowledged, none missing\n";
}

TEST(KillTest, LosesNoAcknowledgedRecord) {
  KillCycles("strict");
}

TEST(KillTest, RelaxedSurvivesTheDeathOfTheProcessToo) {
  KillCycles("relaxed");
}

}  // namespace
}  // namespace weir::audit
