// kill -9 of a ledger at random moments of its life, over and over on one ledger: records with
// content are appended, content is erased, segments close, are archived and removed
// (kill_child.cc). No acknowledged record is missing, no number is skipped, every exchange is
// closed in the end, content can be read unless it was erased, an erasure that was acknowledged is
// one, and everything verifies.
//
// WEIR_KILL_CYCLES raises the number of cycles from 50.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "audit/reader.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

using Clock = std::chrono::steady_clock;

// What a child said before it was killed.
std::string RunAndKill(const std::string& dir, int cycle, const char* durability, int64_t clock_us,
                       std::chrono::microseconds life_after_first_line) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const std::string program = std::string(WEIR_BINARY_DIR) + "/tests/audit/audit_kill_child";
  const std::string number = std::to_string(cycle);
  const std::string clock = std::to_string(clock_us);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), dir.c_str(), number.c_str(), durability,
            clock.c_str(), nullptr);
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

// What all children said so far.
struct Said {
  std::map<uint64_t, std::string> records;                           // their exchanges
  std::map<uint64_t, std::pair<std::string, std::string>> contents;  // exchanges and users
  std::map<std::string, uint64_t> erased;  // by user: content of earlier records is gone
  int erasures = 0;
};

void Listen(const std::string& text, int cycle, Said& said) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    ASSERT_NE(line[0], '!') << "cycle " << cycle << ": " << line;
    std::istringstream words(line);
    std::string what;
    uint64_t seq = 0;
    std::string exchange;
    std::string user;
    words >> what >> seq;
    if (what == "e") {
      words >> user;
      said.erased[user] = std::max(said.erased[user], seq);
      continue;
    }
    words >> exchange >> user;
    ASSERT_TRUE(said.records.emplace(seq, exchange).second) << "number " << seq << " came twice";
    if (what == "c") said.contents[seq] = {exchange, user};
  }
}

// All records from `first` on, against what was said of them.
void ReadRecords(Reader& reader, uint64_t first, Said& said) {
  std::set<std::string> open;
  uint64_t next = first;
  auto expected = said.records.lower_bound(first);
  const absl::Status status = reader.Scan(first, *reader.Size(), [&](std::string_view encoded) {
    const Record record = *Decode(encoded);
    EXPECT_EQ(record.seq, next++);
    if (expected != said.records.end() && expected->first == record.seq) {
      EXPECT_EQ(record.exchange, expected->second);
      ++expected;
    }
    if (record.kind == RecordKind::kPrompt) open.insert(record.exchange);
    if (record.kind == RecordKind::kAnswer || record.kind == RecordKind::kInterrupted) {
      // Of one that began in a removed segment the end alone is left.
      EXPECT_TRUE(open.erase(record.exchange) == 1 || first > 0)
          << record.seq << " closes " << record.exchange;
    }
    // The asker may have been killed before he was told.
    if (record.kind == RecordKind::kErased) {
      said.erased[record.user] = record.seq;
      ++said.erasures;
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(expected, said.records.end());
  EXPECT_TRUE(open.empty()) << open.size() << " exchanges were never closed";
}

void ReadContents(Reader& reader, uint64_t first, const Said& said) {
  for (auto content = said.contents.lower_bound(first); content != said.contents.end(); ++content) {
    const auto& [exchange, user] = content->second;
    const auto erased = said.erased.find(user);
    const absl::StatusOr<std::string> text = reader.Content(content->first);
    if (erased != said.erased.end() && content->first < erased->second) {
      ASSERT_FALSE(text.ok()) << "content " << content->first << " was erased";
    } else {
      ASSERT_EQ(text.value_or(std::string(text.status().message())), Concat("text of ", exchange));
    }
  }
}

void KillCycles(const char* durability) {
  // What a process leaves is the same on any disk; on a fast one more happens before it is killed.
  const Scratch scratch(Scratch::Memory());
  std::mt19937_64 random(Seed());
  const char* given = std::getenv("WEIR_KILL_CYCLES");
  const int cycles = given != nullptr ? std::stoi(given) : 50;
  constexpr int64_t kCycleUs = int64_t{40} * 86'400 * 1'000'000;  // longer than one lasts
  int64_t clock_us = 1'700'000'000'000'000;
  Said said;
  for (int cycle = 0; cycle < cycles; ++cycle, clock_us += kCycleUs) {
    const std::chrono::microseconds life(random() % 40'000);
    Listen(RunAndKill(scratch.dir(), cycle, durability, clock_us, life), cycle, said);
    if (::testing::Test::HasFatalFailure()) return;
    const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
    ASSERT_GT(*reader->Size(), said.records.empty() ? 0 : said.records.rbegin()->first);
  }
  ASSERT_FALSE(said.records.empty());

  // One more start, which closes what the last kill left open, and a clean end.
  { ASSERT_TRUE(Ledger::Open({.dir = scratch.dir()}).value()->Close().ok()); }
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  const absl::StatusOr<VerifyReport> report = reader->Verify({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok) << report->reason;
  EXPECT_EQ(report->unsigned_records, 0);
  ReadRecords(*reader, report->removed, said);
  ReadContents(*reader, report->removed, said);
  std::cout << cycles << " kills, " << report->records << " records, " << said.records.size()
            << " acknowledged, " << said.contents.size() << " with content, none missing; "
            << report->removed << " removed, " << said.erasures << " erasures\n";
}

TEST(KillTest, LosesNoAcknowledgedRecord) {
  KillCycles("strict");
}

TEST(KillTest, RelaxedSurvivesTheDeathOfTheProcessToo) {
  KillCycles("relaxed");
}

}  // namespace
}  // namespace weir::audit
