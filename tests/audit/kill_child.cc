// Lives a ledger from many threads until it is killed: prompts and answers with content, erasures,
// a hold now and then, and a clock that runs a day in some milliseconds, so that segments close,
// are archived and are removed meanwhile. It tells its parent on standard output what was
// acknowledged, a line each, written by the time the caller knows:
//
//   r SEQ EXCHANGE       a record
//   c SEQ EXCHANGE USER  a record with content; the text is that of TextOf() in kill_test.cc
//   e SEQ USER           an erasure of all content of that user before that record
//
//   audit_kill_child DIR CYCLE strict|relaxed CLOCK_US
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using Clock = std::chrono::steady_clock;

// A day of the ledger's clock; a cycle lives for some of them.
constexpr std::chrono::milliseconds kDayLasts(4);
constexpr int kErasers = 3;  // threads that erase after every other exchange
constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

void Say(const std::string& line) {
  // Shorter than PIPE_BUF, so lines of different threads do not mix.
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

// Exchanges of a thread, one after the other.
void Ask(Ledger& ledger, const std::string& cycle, int thread) {
  const std::string user = Concat("user-", thread);
  for (uint64_t i = 0;; ++i) {
    const std::string exchange = Concat(cycle, "-", thread, "-", i - i % 2);
    if (i % 2 == 0) {
      const absl::StatusOr<Receipt> receipt = AppendAndWait(ledger, PromptRecord(exchange));
      if (!receipt.ok()) return;
      Say(Concat("r ", receipt->seq, " ", exchange, "\n"));
      continue;
    }
    Record record = AnswerRecord(exchange);
    record.user = user;
    const absl::StatusOr<Receipt> receipt = AppendContent(
        ledger, std::move(record), Concat("text of ", exchange), ContentMode::kEncrypted);
    if (!receipt.ok()) return;
    Say(Concat("c ", receipt->seq, " ", exchange, " ", user, "\n"));
    if (thread >= kErasers || i % 4 != 3) continue;
    const absl::StatusOr<Receipt> erased = EraseAndWait(ledger, "demo", user);
    if (!erased.ok()) return;
    Say(Concat("e ", erased->seq, " ", user, "\n"));
  }
}

int Live(const std::string& dir, const std::string& cycle, bool relaxed, int64_t clock_us) {
  const Clock::time_point begun = Clock::now();
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(
      {.dir = dir,
       .durability = relaxed ? Durability::kRelaxed : Durability::kStrict,
       .content = ContentMode::kEncrypted,
       .keep_days = 0,
       .keep_transfer_days = 0,
       .segment_period = SegmentPeriod::kDay,
       .retention_days = kRetentionDaysMin,
       .now_us = [=] { return clock_us + (Clock::now() - begun) / kDayLasts * kDayUs; }});
  if (!ledger.ok()) {
    Say(Concat("! ", ledger.status().message(), "\n"));
    return 1;
  }
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] { Ask(**ledger, cycle, t); });
  }
  for (std::thread& caller : callers) caller.join();
  Say(Concat("! ", (*ledger)->status().message(), "\n"));
  return 1;
}

}  // namespace
}  // namespace weir::audit

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  return weir::audit::Live(argv[1], argv[2], std::string(argv[3]) == "relaxed",
                           std::stoll(argv[4]));
}
