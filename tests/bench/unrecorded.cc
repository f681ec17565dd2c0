// A ledger that records nothing and answers at once. Linked before the real one it makes a gateway
// that is the same in everything else, so that tests/bench/run can tell what recording adds.
#include <atomic>
#include <memory>
#include <utility>

#include "audit/files.h"
#include "audit/ledger.h"
#include "audit/store.h"

namespace weir::audit {

class Ledger::Writer {
 public:
  std::atomic<uint64_t> size = 0;

  void Answer(Done done) { done(Receipt{.seq = size++, .time_us = 0, .leaf = {}}); }
};

// The admin plane's readers want a store; an empty one will do.
absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const LedgerOptions& options, Ledger*) {
  if (absl::Status status = MakeDirectory(options.dir); !status.ok()) return status;
  absl::StatusOr<Database> store = Database::OpenWriter(options.dir + "/ledger.db", {});
  if (!store.ok()) return store.status();
  return std::unique_ptr<Ledger>(new Ledger(std::make_unique<Writer>()));
}

Ledger::Ledger(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}
Ledger::~Ledger() = default;

void Ledger::Append(Record, Done done) {
  writer_->Answer(std::move(done));
}
void Ledger::Append(Record, const Content&, Done done) {
  writer_->Answer(std::move(done));
}
void Ledger::Erase(std::string_view, std::string_view, const Access&, Done done) {
  writer_->Answer(std::move(done));
}
void Ledger::Hold(std::string_view, std::string_view, const Access&, Done done) {
  writer_->Answer(std::move(done));
}
void Ledger::Release(uint64_t, const Access&, Done done) {
  writer_->Answer(std::move(done));
}
absl::Status Ledger::AddCosignatures(std::string_view, std::string_view) {
  return absl::OkStatus();
}
absl::Status Ledger::Close() {
  return absl::OkStatus();
}
bool Ledger::open() const {
  return true;
}
absl::Status Ledger::status() const {
  return absl::OkStatus();
}
LedgerStats Ledger::stats() const {
  LedgerStats stats;
  stats.size = writer_->size;
  stats.open = true;
  return stats;
}
std::string Ledger::verifier_key() const {
  return {};
}
std::string Ledger::last_checkpoint() const {
  return {};
}

}  // namespace weir::audit
