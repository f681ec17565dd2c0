#include "audit/verify_content.h"

#include <charconv>
#include <iterator>

#include "audit/concat.h"
#include "audit/index.h"

namespace weir::audit {
namespace {

// Sum over the rows of a statement of two columns, whatever their order.
absl::StatusOr<uint64_t> SumOf(const Database& db, const std::string& sql) {
  absl::StatusOr<Statement> statement = db.Prepare(sql);
  if (!statement.ok()) return statement.status();
  uint64_t sum = 0;
  absl::StatusOr<bool> row = statement->Step();
  for (; row.ok() && *row; row = statement->Step()) {
    sum += TermOf(Concat(statement->Int(0), "/", statement->Bytes(1)));
  }
  if (!row.ok()) return row.status();
  return sum;
}

}  // namespace

absl::Status ContentVerification::Bad(uint64_t seq, std::string reason) {
  bad_seq_ = seq;
  return absl::DataLossError(std::move(reason));
}

absl::Status ContentVerification::Prepare() {
  absl::StatusOr<Statement> rows =
      db_.Prepare("SELECT seq, key_id, sealed FROM contents NOT INDEXED ORDER BY seq");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<Statement> key =
      db_.Prepare("SELECT subject, day, floor, wrapped FROM content_keys WHERE id = ?1");
  if (!key.ok()) return key.status();
  rows_ = *std::move(rows);
  key_ = *std::move(key);
  return NextRow();
}

absl::Status ContentVerification::NextRow() {
  absl::StatusOr<bool> row = rows_.Step();
  has_row_ = row.ok() && *row;
  return row.status();
}

absl::Status ContentVerification::See(const Record& record) {
  switch (record.kind) {
    case RecordKind::kErased:
      return SeeErased(record);
    case RecordKind::kRestricted:
      subjects_[{record.app, record.user}].restricted = record.seq;
      return absl::OkStatus();
    case RecordKind::kHold:
      holds_[record.seq] = {record.app, record.user};
      return absl::OkStatus();
    case RecordKind::kRelease: {
      uint64_t hold = 0;
      const char* end = record.cause.data() + record.cause.size();
      std::from_chars(record.cause.data(), end, hold);
      if (holds_.erase(hold) == 1 || WasRemoved(hold)) return absl::OkStatus();
      return Bad(record.seq, Concat("record ", record.seq, " releases the hold of record \"",
                                    record.cause, "\", which is none"));
    }
    default:
      break;
  }
  const std::optional<Suite> suite = SuiteOfSealed(record.content_digest);
  if (!suite) {
    if (!has_row_ || rows_.Uint(0) > record.seq) return absl::OkStatus();
    return Bad(record.seq, Concat("content is stored for record ", rows_.Uint(0),
                                  ", which has none, or there is no such record"));
  }
  absl::StatusOr<bool> stored = SeeStored(record, *suite);
  if (!stored.ok()) return stored.status();
  State& state = subjects_[{record.app, record.user}];
  if (*stored && !state.stored) state.stored = record.seq;
  if (!*stored) {
    if (!state.missing) state.missing = record.seq;
    state.last_missing = record.seq;
  }
  return absl::OkStatus();
}

absl::Status ContentVerification::SeeRemoved(uint64_t begin, uint64_t end) {
  removed_[begin] = end;
  absl::Status status;
  while (status.ok() && has_row_ && rows_.Uint(0) < end) status = NextRow();
  return status;
}

bool ContentVerification::WasRemoved(uint64_t seq) const {
  const auto behind = removed_.upper_bound(seq);
  return behind != removed_.begin() && seq < std::prev(behind)->second;
}

// Whether the record's content can still be read by who has the key-encryption key.
absl::StatusOr<bool> ContentVerification::SeeStored(const Record& record, Suite suite) {
  if (!has_row_ || rows_.Uint(0) > record.seq) return false;
  const std::string_view sealed = rows_.Bytes(2);
  if (rows_.Uint(0) < record.seq || SealedDigest(suite, sealed) != record.content_digest) {
    return Bad(record.seq, Concat("the stored content of record ", rows_.Uint(0),
                                  " was altered or is not its own"));
  }
  absl::StatusOr<const WrappedKey*> key = KeyOf(rows_.Int(1));
  if (!key.ok()) return key.status();
  const bool readable = *key != nullptr && !(*key)->IsDestroyed();
  if (readable && !IsSealedUnder(suite, sealed, **key)) {
    return Bad(record.seq, Concat("the key ", rows_.Int(1), " of the content of record ",
                                  record.seq, " was altered or is not its own"));
  }
  if (readable) ++contents_;
  if (absl::Status status = NextRow(); !status.ok()) return status;
  return readable;
}

// Null when there is no such key. Content of one user comes in runs.
absl::StatusOr<const WrappedKey*> ContentVerification::KeyOf(int64_t id) {
  if (last_key_.id == id) return &last_key_;
  key_.Bind(1, id);
  absl::StatusOr<bool> row = key_.Step();
  if (row.ok() && *row) {
    last_key_ = {.id = id,
                 .subject = std::string(key_.Bytes(0)),
                 .day = key_.Int(1),
                 .floor = static_cast<Floor>(key_.Int(2)),
                 .wrapped = std::string(key_.Bytes(3))};
  }
  key_.Reset();
  if (!row.ok()) return row.status();
  return *row ? &last_key_ : nullptr;
}

// "asked": everything before the record is gone. "due": everything before the restriction that it
// completes. "due_in_part": some of that.
absl::Status ContentVerification::SeeErased(const Record& record) {
  State& state = subjects_[{record.app, record.user}];
  const uint64_t end = record.cause == "asked" ? record.seq : state.restricted.value_or(0);
  if (record.cause != "due_in_part") {
    if (state.stored && *state.stored < end) {
      return Bad(*state.stored,
                 Concat("the content of record ", *state.stored, " is still stored, though record ",
                        record.seq, " says that it was erased"));
    }
    state.restricted.reset();
  }
  if (state.last_missing && *state.last_missing >= end) {
    state.missing = state.last_missing;
  } else {
    state.missing.reset();
    state.last_missing.reset();
  }
  return absl::OkStatus();
}

absl::Status ContentVerification::End() {
  if (has_row_) {
    return absl::DataLossError(
        Concat("content is stored for record ", rows_.Uint(0), ", which there is not"));
  }
  std::optional<uint64_t> missing;
  for (const auto& [subject, state] : subjects_) {
    if (state.missing && (!missing || *state.missing < *missing)) missing = state.missing;
  }
  if (missing) {
    return Bad(*missing, Concat("the content of record ", *missing,
                                ", or its key, is gone, and no record says that it was erased"));
  }
  absl::Status status = CheckRestrictions();
  if (status.ok()) status = CheckHolds();
  if (status.ok()) {
    status = CheckIndex("SELECT key_id, seq FROM contents NOT INDEXED",
                        "SELECT key_id, seq FROM contents INDEXED BY contents_by_key"
                        " ORDER BY key_id");
  }
  if (status.ok()) {
    status = CheckIndex("SELECT id, subject FROM content_keys NOT INDEXED",
                        "SELECT id, subject FROM content_keys INDEXED BY content_keys_by_subject"
                        " ORDER BY subject");
  }
  return status;
}

absl::Status ContentVerification::CheckRestrictions() {
  absl::StatusOr<Statement> select = db_.Prepare("SELECT app, user, seq FROM restrictions");
  if (!select.ok()) return select.status();
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) {
    State& state = subjects_[{std::string(select->Bytes(0)), std::string(select->Bytes(1))}];
    if (WasRemoved(select->Uint(2))) continue;
    if (state.restricted != select->Uint(2)) {
      return absl::DataLossError(Concat("content is marked as restricted by record ",
                                        select->Uint(2), ", which does not say so"));
    }
    state.restricted.reset();
  }
  if (!row.ok()) return row.status();
  for (const auto& [subject, state] : subjects_) {
    if (!state.restricted) continue;
    return Bad(*state.restricted, Concat("the restriction of record ", *state.restricted,
                                         " is gone, and no record says that it ended"));
  }
  return absl::OkStatus();
}

absl::Status ContentVerification::CheckHolds() {
  absl::StatusOr<Statement> select = db_.Prepare("SELECT seq, app, user FROM holds");
  if (!select.ok()) return select.status();
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) {
    if (WasRemoved(select->Uint(0))) continue;
    const auto hold = holds_.find(select->Uint(0));
    if (hold == holds_.end() || hold->second.first != select->Bytes(1) ||
        hold->second.second != select->Bytes(2)) {
      return absl::DataLossError(Concat("a hold is marked as that of record ", select->Uint(0),
                                        ", which does not say so"));
    }
    holds_.erase(hold);
  }
  if (!row.ok()) return row.status();
  if (holds_.empty()) return absl::OkStatus();
  const uint64_t seq = holds_.begin()->first;
  return Bad(seq, Concat("the hold of record ", seq, " is gone, and no record releases it"));
}

absl::Status ContentVerification::CheckIndex(const std::string& by_table,
                                             const std::string& by_index) {
  absl::StatusOr<uint64_t> table = SumOf(db_, by_table);
  if (!table.ok()) return table.status();
  absl::StatusOr<uint64_t> index = SumOf(db_, by_index);
  if (!index.ok()) return index.status();
  if (*table == *index) return absl::OkStatus();
  return absl::DataLossError("an index of the stored content or of its keys was altered");
}

}  // namespace weir::audit
