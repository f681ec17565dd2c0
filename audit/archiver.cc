#include "audit/archiver.h"

#include <chrono>
#include <utility>

#include "audit/archive.h"
#include "audit/concat.h"
#include "audit/digest.h"
#include "audit/files.h"
#include "audit/store.h"
#include "audit/tables.h"

namespace weir::audit {
namespace {

constexpr std::chrono::minutes kRetryAfter(1);

}  // namespace

Archiver::Archiver(std::string dir, std::string public_key, std::function<void()> ready)
    : dir_(std::move(dir)),
      public_key_(std::move(public_key)),
      ready_(std::move(ready)),
      thread_([this] { Run(); }) {}

Archiver::~Archiver() {
  {
    const std::lock_guard lock(mu_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Archiver::Look() {
  {
    const std::lock_guard lock(mu_);
    look_ = true;
  }
  wake_.notify_all();
}

void Archiver::Rest(bool rests) {
  {
    const std::lock_guard lock(mu_);
    if (rests_ == rests) return;
    rests_ = rests;
  }
  wake_.notify_all();
}

std::optional<Archiver::Finished> Archiver::Take() {
  const std::lock_guard lock(mu_);
  std::optional<Finished> taken = std::exchange(finished_, std::nullopt);
  if (taken.has_value()) look_ = true;
  wake_.notify_all();
  return taken;
}

absl::Status Archiver::status() const {
  const std::lock_guard lock(mu_);
  return status_;
}

bool Archiver::closing() const {
  const std::lock_guard lock(mu_);
  return closing_;
}

void Archiver::Run() {
  uint64_t next = 0;  // segments before this one have been handed out
  std::unique_lock lock(mu_);
  while (!closing_) {
    wake_.wait(lock, [this] { return closing_ || (look_ && !rests_ && !finished_.has_value()); });
    if (closing_) return;
    look_ = false;
    lock.unlock();
    absl::StatusOr<std::optional<Finished>> finished = ArchiveNext(next);
    lock.lock();
    status_ = finished.status();
    if (finished.ok() && finished->has_value()) {
      next = (*finished)->span.number + 1;
      finished_ = *finished;
    }
    lock.unlock();
    ready_();
    lock.lock();
    if (!finished.ok()) {
      wake_.wait_for(lock, kRetryAfter, [this] { return closing_; });
      look_ = true;
    }
  }
}

absl::StatusOr<std::optional<Archiver::Finished>> Archiver::ArchiveNext(uint64_t from) {
  absl::StatusOr<Database> db = Database::OpenReader(dir_ + "/ledger.db");
  if (!db.ok()) return db.status();
  // What is read belongs together, though the writer goes on.
  if (absl::Status status = db->Execute("BEGIN"); !status.ok()) return status;
  absl::StatusOr<Statement> select = db->Prepare(
      "SELECT number FROM segments WHERE number >= ?1 AND number NOT IN"
      " (SELECT number FROM archives) ORDER BY number LIMIT 1");
  if (!select.ok()) return select.status();
  select->Bind(1, from);
  absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  const uint64_t number = select->Uint(0);
  select->Reset();

  absl::StatusOr<SegmentReader> segments = SegmentReader::Prepare(*db);
  if (!segments.ok()) return segments.status();
  absl::StatusOr<std::vector<SegmentSpan>> list = segments->List();
  if (!list.ok()) return list.status();
  Finished finished{.span = (*list)[number], .digest = {}, .bytes = 0, .leaves = {}};
  const SegmentSpan& span = finished.span;
  absl::StatusOr<Tables> tables = Tables::Prepare(*db, dir_);
  if (!tables.ok()) return tables.status();
  absl::StatusOr<std::vector<Hash>> roots = RootsAt(span.begin, tables->Nodes(span.end()));
  if (!roots.ok()) return roots.status();

  ArchiveBuilder builder(span.begin, span.end(), *roots, public_key_);
  uint64_t in_frame = kArchiveFrameRecords;
  absl::Status status =
      tables->Scan(span.begin, span.end(), [&](const Batch& batch) -> absl::Status {
        if (closing()) return absl::CancelledError("the ledger is closing");
        absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
        if (!records.ok()) return records.status();
        for (size_t i = 0; i < records->size(); ++i) {
          if (in_frame == kArchiveFrameRecords) {
            finished.leaves.emplace_back();
            in_frame = 0;
          }
          ++in_frame;
          finished.leaves.back() += batch.leaves.substr(i * sizeof(Hash), sizeof(Hash));
          if (absl::Status added = builder.Add((*records)[i]); !added.ok()) return added;
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;

  absl::StatusOr<Statement> checkpoints =
      db->Prepare("SELECT note FROM checkpoints WHERE size > ?1 AND size <= ?2 ORDER BY size");
  if (!checkpoints.ok()) return checkpoints.status();
  checkpoints->Bind(1, span.begin);
  checkpoints->Bind(2, span.end());
  std::vector<std::string> notes;
  for (row = checkpoints->Step(); row.ok() && *row; row = checkpoints->Step()) {
    notes.emplace_back(checkpoints->Bytes(0));
  }
  if (!row.ok()) return row.status();
  absl::StatusOr<std::string> file = builder.Finish(notes);
  if (!file.ok()) return file.status();
  finished.digest = Sha256(*file);
  finished.bytes = file->size();
  if (status = MakeDirectory(dir_ + "/segments"); !status.ok()) return status;
  status = WriteFileDurably(ArchivePath(dir_, number), *file, 0400);
  if (!status.ok()) return status;
  return finished;
}

}  // namespace weir::audit
