#include "audit/fleet.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "audit/concat.h"
#include "audit/files.h"
#include "audit/fleet_tables.h"
#include "audit/store.h"

namespace weir::audit {
namespace {

constexpr std::chrono::seconds kLookEvery(1);
constexpr std::chrono::seconds kRetryMin(1);
constexpr std::chrono::seconds kRetryMax(30);
// Rows of one statement; 14 columns each stay far below the protocol's 65,535 parameters.
constexpr uint64_t kBatchRecords = 500;

}  // namespace

FleetShipper::FleetShipper(std::string dir, std::string database)
    : dir_(std::move(dir)), database_(std::move(database)), thread_([this] { Run(); }) {}

FleetShipper::~FleetShipper() {
  {
    const std::lock_guard lock(mu_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void FleetShipper::LookAgain() {
  {
    const std::lock_guard lock(mu_);
    look_again_ = true;
  }
  wake_.notify_all();
}

FleetStats FleetShipper::stats() const {
  const std::lock_guard lock(mu_);
  return stats_;
}

void FleetShipper::Run() {
  std::chrono::seconds retry = kRetryMin;
  std::unique_lock lock(mu_);
  while (!closing_) {
    if (std::exchange(look_again_, false)) connection_.reset();
    lock.unlock();
    absl::Status status = connection_.has_value() ? absl::OkStatus() : Connect();
    absl::StatusOr<bool> more = status.ok() ? ShipSome() : status;
    status = more.status();
    if (!status.ok()) connection_.reset();
    // What cannot be counted now is counted when the ledger can be read again.
    CountWaiting().IgnoreError();
    lock.lock();
    stats_.status = status;
    if (status.ok() && *more) continue;
    retry = status.ok() ? kRetryMin : retry;
    wake_.wait_for(lock, status.ok() ? kLookEvery : retry,
                   [this] { return closing_ || look_again_; });
    if (!status.ok()) retry = std::min(retry * 2, kRetryMax);
  }
}

absl::Status FleetShipper::CountWaiting() {
  if (reader_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(dir_);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
  }
  absl::StatusOr<uint64_t> size = reader_->SignedSize();
  if (!size.ok()) return size.status();
  int64_t from_us = 0;
  if (*size > next_) {
    const absl::StatusOr<Found> first = reader_->Get(next_);
    if (first.ok()) from_us = first->record.time_us;
  }
  const std::lock_guard lock(mu_);
  stats_.shipped = next_;
  stats_.waiting = *size > next_ ? *size - next_ : 0;
  stats_.waits_from_us = from_us;
  return absl::OkStatus();
}

absl::Status FleetShipper::Connect() {
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(dir_);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  absl::StatusOr<std::string> key = ReadFile(dir_ + "/ledger.vkey");
  if (!key.ok()) return key.status();
  key->resize(std::min(key->find('\n'), key->size()));

  absl::StatusOr<PgConnection> connection = PgConnection::Connect(database_);
  if (!connection.ok()) return connection.status();
  if (absl::Status status = CheckFleetDurability(*connection); !status.ok()) return status;
  if (absl::Status status = CreateFleetTables(*connection); !status.ok()) return status;
  absl::StatusOr<std::string> log_id = RegisterFleetLog(*connection, *key);
  if (!log_id.ok()) return log_id.status();
  log_id_ = *std::move(log_id);
  connection_ = *std::move(connection);
  return FindNext();
}

// Where the database's copy ends; its last record must be the ledger's.
absl::Status FleetShipper::FindNext() {
  absl::StatusOr<PgRows> last = connection_->Run(
      "SELECT seq, leaf FROM weir_records WHERE log_id = $1 ORDER BY seq DESC LIMIT 1", {log_id_});
  if (!last.ok()) return last.status();
  next_ = 0;
  if (last->size() == 0) return absl::OkStatus();
  const auto seq = static_cast<uint64_t>(last->Int(0, 0));
  absl::StatusOr<std::string> leaf = last->Bytes(0, 1);
  if (!leaf.ok()) return leaf.status();
  absl::StatusOr<Found> ours = reader_->Get(seq);
  if (!ours.ok() || AsBytes(LeafHash(ours->encoded)) != *leaf) {
    return absl::DataLossError(Concat(
        "the fleet's database holds a record ", seq, " of this ledger that the ledger ",
        ours.ok() ? "has otherwise" : "does not have",
        ": one of them was altered or put back from a copy; nothing is shipped until `weir audit "
        "verify` and `weir audit verify --fleet` have told which, and it was set right"));
  }
  next_ = seq + 1;
  return absl::OkStatus();
}

absl::StatusOr<bool> FleetShipper::ShipSome() {
  absl::StatusOr<uint64_t> size = reader_->SignedSize();
  if (!size.ok()) return size.status();
  if (next_ >= *size) return false;
  const uint64_t end = std::min(*size, next_ + kBatchRecords);
  std::vector<Found> records;
  absl::Status status = reader_->Scan(next_, end, [&](std::string_view encoded) -> absl::Status {
    absl::StatusOr<Record> record = Decode(encoded);
    if (!record.ok()) return absl::DataLossError(record.status().message());
    records.push_back({*std::move(record), std::string(encoded)});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (records.size() != end - next_) {
    return absl::DataLossError(Concat("the ledger lacks records from ", next_, " on"));
  }
  status = Send(records, end);
  if (status.ok()) {
    next_ = end;
    return true;
  }
  connection_->Run("ROLLBACK").IgnoreError();
  // Taken keys: another attempt whose end was not seen, unless the rows are not ours.
  const bool again = status.code() == absl::StatusCode::kAlreadyExists;
  if (!again && status.code() != absl::StatusCode::kAborted) return status;
  const uint64_t before = next_;
  if (absl::Status found = FindNext(); !found.ok()) return found;
  if (again && next_ == before) {
    return absl::DataLossError(
        Concat("the fleet's database holds rows of this ledger behind record ", next_,
               " without those before: it was altered (", status.message(), ")"));
  }
  return true;
}

// One transaction: the records, what can be searched in their findings, and the checkpoints over
// them. A crash before COMMIT leaves nothing; behind it, FindNext() sees it.
absl::Status FleetShipper::Send(const std::vector<Found>& records, uint64_t end) {
  if (absl::Status status = connection_->Run("BEGIN").status(); !status.ok()) return status;
  FleetInsert rows("weir_records", kRecordColumns);
  FleetInsert findings("weir_findings", 4);
  for (const Found& found : records) {
    const Record& record = found.record;
    rows.Add({log_id_, Concat(record.seq), Concat(record.time_us), std::string(Name(record.kind)),
              record.exchange, record.app, record.user, record.profile, record.region, record.model,
              record.upstream, record.action, PgBytes(found.encoded),
              PgBytes(AsBytes(LeafHash(found.encoded)))});
    std::set<std::pair<std::string_view, std::string_view>> distinct;
    for (const FindingEntry& finding : record.findings) {
      if (!distinct.emplace(finding.rule, finding.category).second) continue;
      findings.Add({log_id_, Concat(record.seq), finding.rule, finding.category});
    }
  }
  absl::StatusOr<std::vector<std::string>> notes =
      reader_->Checkpoints(records.front().record.seq, end);
  if (!notes.ok()) return notes.status();
  FleetInsert checkpoints("weir_checkpoints", 3);
  for (const std::string& note : *notes) {
    absl::StatusOr<uint64_t> size = SizeOfNote(note);
    if (!size.ok()) return size.status();
    checkpoints.Add({log_id_, Concat(*size), note});
  }
  for (FleetInsert* const insert : {&rows, &findings, &checkpoints}) {
    if (absl::Status status = insert->Run(*connection_); !status.ok()) return status;
  }
  return connection_->Run("COMMIT").status();
}

}  // namespace weir::audit
