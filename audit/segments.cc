// What the writer does with closed segments between batches: it refers to their archives, deletes
// in small pieces what stands there as well, and removes what retention lets go.
#include <algorithm>
#include <utility>

#include "audit/concat.h"
#include "audit/tables.h"
#include "audit/writer.h"

namespace weir::audit {
namespace {

// Rows of so many records are deleted at once: a few milliseconds, which the next batch waits.
constexpr uint64_t kPurgeRecords = 512;

}  // namespace

absl::Status Ledger::Writer::TendArchives() {
  if (std::exchange(archiver_spoke_, false)) {
    if (const std::optional<Archiver::Finished> finished = archiver_->Take()) {
      if (absl::Status status = StoreArchive(*finished); !status.ok()) return status;
    }
    const absl::Status archiving = archiver_->status();
    const std::lock_guard lock(mu_);
    stats_.archive_failure = std::string(archiving.message());
  }
  if (!purges_.empty()) {
    if (absl::Status status = PurgeSlice(); !status.ok()) return status;
  }
  const int64_t kept_from = NowUs() - int64_t{options_.retention_days} * kDayUs;
  if (options_.retention_days > 0 && !archived_.empty() && archived_.front().last_us < kept_from &&
      !removal_is_held_) {
    absl::StatusOr<bool> held = IsHeld(archived_.front());
    if (!held.ok()) return held.status();
    removal_is_held_ = *held;
    if (absl::Status status = *held ? absl::OkStatus() : RemoveSegment(archived_.front());
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// A crash before leaves the file unknown, to be written once more; a crash behind leaves rows that
// readers pass over and Open finds.
absl::Status Ledger::Writer::StoreArchive(const Archiver::Finished& finished) {
  if (absl::Status status = sql_.begin.Run(); !status.ok()) return status;
  sql_.insert_archive.Bind(1, finished.span.number);
  sql_.insert_archive.BindBlob(2, AsBytes(finished.digest));
  sql_.insert_archive.Bind(3, finished.bytes);
  if (absl::Status status = sql_.insert_archive.Run(); !status.ok()) return status;
  uint64_t first = finished.span.begin;
  for (const std::string& leaves : finished.leaves) {
    sql_.insert_leaves.Bind(1, first);
    sql_.insert_leaves.BindBlob(2, leaves);
    if (absl::Status status = sql_.insert_leaves.Run(); !status.ok()) return status;
    first += leaves.size() / sizeof(Hash);
  }
  if (absl::Status status = sql_.commit.Run(); !status.ok()) return status;
  archived_.push_back(finished.span);
  watch_.AddArchive(finished.span.number, ArchivePath(options_.dir, finished.span.number));
  purges_.push_back({finished.span, /*removed=*/false, finished.span.begin});
  const std::lock_guard lock(mu_);
  ++stats_.segments_archived;
  return absl::OkStatus();
}

absl::Status Ledger::Writer::PurgeSlice() {
  Purge& purge = purges_.front();
  const uint64_t end = std::min(purge.next + kPurgeRecords, purge.span.end());
  if (absl::Status status = sql_.begin.Run(); !status.ok()) return status;
  for (Statement* const statement : {&sql_.purge_batches, &sql_.purge_contents}) {
    if (statement == &sql_.purge_contents && !purge.removed) continue;
    statement->Bind(1, purge.next);
    statement->Bind(2, end);
    if (absl::Status status = statement->Run(); !status.ok()) return status;
  }
  const bool last = end == purge.span.end();
  if (last && purge.removed) {
    sql_.purge_pages.Bind(1, IndexPageId(purge.span.number, 0));
    sql_.purge_pages.Bind(2, IndexPageId(purge.span.number + 1, 0));
    if (absl::Status status = sql_.purge_pages.Run(); !status.ok()) return status;
  }
  if (absl::Status status = sql_.commit.Run(); !status.ok()) return status;
  purge.next = end;
  if (!last) return absl::OkStatus();
  // What was removed shall not linger in the log.
  log_is_tainted_ = log_is_tainted_ || purge.removed;
  purges_.pop_front();
  return absl::OkStatus();
}

absl::StatusOr<bool> Ledger::Writer::IsHeld(const SegmentSpan& span) {
  absl::StatusOr<Statement> holds = db_.Prepare("SELECT DISTINCT app, user FROM holds");
  if (!holds.ok()) return holds.status();
  absl::StatusOr<SegmentReader> index = SegmentReader::Prepare(db_);
  if (!index.ok()) return index.status();
  absl::StatusOr<bool> row = holds->Step();
  for (; row.ok() && *row; row = holds->Step()) {
    Record probe;
    probe.app = std::string(holds->Bytes(0));
    probe.user = std::string(holds->Bytes(1));
    Postings held;
    held.AddRange(0, span.count);
    absl::Status status;
    bool is_kind = true;  // comes first, and is the probe's own
    ForEachTerm(Encode(probe), [&](std::string_view text) {
      if (std::exchange(is_kind, false) || !status.ok()) return;
      Postings carried;
      status = index->Read(span.number, TermOf(text), carried);
      held.Intersect(carried);
    });
    if (!status.ok()) return status;
    if (held.Any()) return true;
  }
  if (!row.ok()) return row.status();
  return false;
}

// The record that says so comes first, then the file goes. A crash between leaves a file that Open
// removes.
absl::Status Ledger::Writer::RemoveSegment(SegmentSpan span) {
  Record record;
  record.stage = "Remove";
  record.cause = "removed";
  record.detail =
      Concat(RemovalOf(span), " from ", FormatTime(span.first_us), " to ", FormatTime(span.last_us),
             ", was removed: its ", options_.retention_days, " days of retention have passed.");
  std::vector<Pending> batch;
  batch.push_back({.body = EncodeBody(record),
                   .kind = record.kind,
                   .removed = std::make_unique<SegmentSpan>(span),
                   .done = [](const absl::StatusOr<Receipt>&) {}});
  AppendBatch(batch);
  if (closed()) return status();
  archived_.pop_front();
  watch_.ForgetArchive(span.number);
  std::erase_if(purges_, [&](const Purge& purge) { return purge.span == span; });
  purges_.push_back({span, /*removed=*/true, span.begin});
  return RemoveFile(ArchivePath(options_.dir, span.number));
}

}  // namespace weir::audit
