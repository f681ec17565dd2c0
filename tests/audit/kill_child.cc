// Appends to a ledger from many threads until it is killed, and tells its parent on standard output
// which records were acknowledged: "<seq> <exchange>" a line, written by the time the caller knows.
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/audit/scratch.h"

int main(int argc, char** argv) {
  using weir::audit::Concat;
  if (argc != 4) return 2;
  const std::string cycle = argv[2];
  absl::StatusOr<std::unique_ptr<weir::audit::Ledger>> ledger = weir::audit::Ledger::Open(
      {.dir = argv[1],
       .durability = std::string(argv[3]) == "relaxed" ? weir::audit::Durability::kRelaxed
                                                       : weir::audit::Durability::kStrict});
  if (!ledger.ok()) {
    const std::string line = Concat("! ", ledger.status().message(), "\n");
    return ::write(STDOUT_FILENO, line.data(), line.size()) > 0 ? 1 : 2;
  }
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] {
      for (uint64_t i = 0;; ++i) {
        const std::string exchange = Concat(cycle, "-", t, "-", i);
        weir::audit::Record record =
            i % 3 == 2 ? weir::audit::AnswerRecord(Concat(cycle, "-", t, "-", i - 1))
                       : weir::audit::PromptRecord(exchange);
        const std::string name = record.exchange;
        const absl::StatusOr<weir::audit::Receipt> receipt =
            AppendAndWait(**ledger, std::move(record));
        if (!receipt.ok()) return;
        const std::string line = Concat(receipt->seq, " ", name, "\n");
        if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  return 0;
}
