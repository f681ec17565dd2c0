// What becomes of stored content: erased, restricted, held, released.
//
// What is asked waits in the queue like any record, so what was appended before is subject to it
// and what comes behind is not. The writer decides when the order's turn has come, and commits the
// decision in the transaction of the record that tells it.
//
// Old bytes leave in three steps. In the transaction, keys are overwritten with zeros in their
// places and ciphertext is deleted, with SQLite's secure_delete, so that no page of the database
// keeps any of it; a key's row is never moved or deleted, since SQLite may leave copies of rows
// that it moves. Then the log's pages go into the database. Then the log is made empty. A crash
// before the commit leaves nothing begun; one behind it is taken up by Open, which empties the log.
#include <algorithm>
#include <utility>

#include <absl/time/clock.h>

#include "audit/concat.h"
#include "audit/writer.h"

namespace weir::audit {
namespace {

using std::chrono::milliseconds;

// Emptying the log waits for readers so long, and is tried again so much later.
constexpr int kEmptyWaitMs = 10;
constexpr int kEmptyWaitLastMs = 2'000;
constexpr milliseconds kEmptyAgain(100);

// Subjects whose restricted content is destroyed between two batches of others' records.
constexpr int kCompletionsMax = 64;

// The day on which a key's floor ends, from its columns; ?3 and ?4 are the floors in days.
constexpr std::string_view kFloorEnds = "(day + CASE floor WHEN 0 THEN ?3 ELSE ?4 END)";
constexpr std::string_view kKeys = "subject = ?1 AND id < ?2";
constexpr std::string_view kLive = "wrapped <> zeroblob(length(wrapped))";

std::string FormatDay(int64_t day) {
  return FormatTime(day * kDayUs).substr(0, 10);
}

std::string Asked(const Access& access) {
  return Concat(access.person, " (", access.role, ") asked for it: ", access.reason);
}

}  // namespace

absl::Status Ledger::Writer::PrepareErasures() {
  absl::Status status =
      db_.Prepare(Concat("SELECT min", kFloorEnds, ", max", kFloorEnds, " FROM content_keys WHERE ",
                         kKeys, " AND ", kLive, " HAVING count(*) > 0"),
                  sql_.kept);
  status.Update(
      db_.Prepare(Concat("DELETE FROM contents WHERE key_id IN (SELECT id FROM content_keys",
                         " WHERE ", kKeys, " AND ", kFloorEnds, " <= ?5)"),
                  sql_.delete_contents));
  status.Update(
      db_.Prepare(Concat("UPDATE content_keys SET wrapped = zeroblob(length(wrapped)) WHERE ",
                         kKeys, " AND ", kLive, " AND ", kFloorEnds, " <= ?5"),
                  sql_.destroy_keys));
  status.Update(db_.Prepare(
      "SELECT seq FROM holds WHERE app = ?1 AND user = ?2 ORDER BY seq LIMIT 1", sql_.hold_on));
  status.Update(db_.Prepare("SELECT app, user FROM holds WHERE seq = ?1", sql_.find_hold));
  status.Update(db_.Prepare("INSERT INTO holds VALUES(?1, ?2, ?3)", sql_.insert_hold));
  status.Update(db_.Prepare("DELETE FROM holds WHERE seq = ?1", sql_.delete_hold));
  status.Update(
      db_.Prepare("INSERT OR REPLACE INTO restrictions VALUES(?1, ?2, ?3, ?4, ?5)", sql_.restrict));
  status.Update(db_.Prepare("DELETE FROM restrictions WHERE app = ?1 AND user = ?2", sql_.lift));
  return status;
}

int64_t Ledger::Writer::Today() const {
  return NowUs() / kDayUs;
}

void Ledger::Writer::Erase(std::string_view app, std::string_view user, const Access& access,
                           Done done) {
  if (sealer_ == nullptr) {
    return done(absl::FailedPreconditionError(
        "the ledger has no content to erase, or its key-encryption key was not there when it was "
        "opened"));
  }
  Ask({.kind = OrderKind::kErase,
       .app = NameInRecord(app),
       .user = NameInRecord(user),
       .access = access,
       .subject = sealer_->Tag(app, user)},
      std::move(done));
}

void Ledger::Writer::Hold(std::string_view app, std::string_view user, const Access& access,
                          Done done) {
  Ask({.kind = OrderKind::kHold,
       .app = NameInRecord(app),
       .user = NameInRecord(user),
       .access = access},
      std::move(done));
}

void Ledger::Writer::Release(uint64_t hold, const Access& access, Done done) {
  Ask({.kind = OrderKind::kRelease, .access = access, .hold = hold}, std::move(done));
}

void Ledger::Writer::Ask(Order order, Done done) {
  if (order.access.person.empty() || order.access.role.empty() || order.access.reason.empty()) {
    return done(absl::InvalidArgumentError(
        "stored content is erased, held and released only for a named person in a role and for a "
        "reason: give all three"));
  }
  if (order.kind != OrderKind::kRelease && order.app.empty()) {
    return done(absl::InvalidArgumentError("name the app whose user it is"));
  }
  Pending pending{.order = std::make_unique<Order>(std::move(order)), .done = std::move(done)};
  Enqueue(pending);
}

// Fills in what the order does and the record that tells it. kNotFound alone is the asker's fault.
absl::Status Ledger::Writer::Decide(Pending& pending) {
  Order& order = *pending.order;
  Record record;
  record.detail = Asked(order.access);
  absl::Status status;
  switch (order.kind) {
    case OrderKind::kErase:
      record.stage = "Erase";
      status = DecideErasure(order, record);
      break;
    case OrderKind::kComplete:
      record.stage = "Erase";
      status = DecideCompletion(order, record);
      break;
    case OrderKind::kHold:
      record.stage = "Hold";
      record.kind = RecordKind::kHold;
      break;
    case OrderKind::kRelease:
      record.stage = "Release";
      status = DecideRelease(order, record);
      break;
  }
  if (!status.ok()) return status;
  record.app = order.app;
  record.user = order.user;
  pending.kind = record.kind;
  pending.body = EncodeBody(record);
  return absl::OkStatus();
}

// Where retention is demanded by law, content that is to be erased is kept and nothing else is done
// with it (Personal Information Protection Law, article 47).
absl::Status Ledger::Writer::DecideErasure(Order& order, Record& record) {
  absl::StatusOr<std::optional<uint64_t>> hold = HoldOn(order);
  if (!hold.ok()) return hold.status();
  absl::StatusOr<std::optional<Kept>> kept = KeptOf(order);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value() || (!hold->has_value() && (*kept)->last <= Today())) {
    record.kind = RecordKind::kErased;
    record.cause = "asked";
    order.destroy_until = INT64_MAX;
    order.restriction = Restriction::kEnds;
    return absl::OkStatus();
  }
  record.kind = RecordKind::kRestricted;
  record.cause = hold->has_value() ? "hold" : "floor";
  order.restriction = Restriction::kBegins;
  order.complete_on = (*kept)->first;
  const std::string day = FormatDay((*kept)->last);
  record.detail =
      hold->has_value()
          ? Concat("Kept, and shown for legal purposes alone, while the hold of record ", **hold,
                   " lasts and not before ", day, ". ", record.detail)
          : Concat("Kept, and shown for legal purposes alone, until ", day, ". ", record.detail);
  return absl::OkStatus();
}

absl::Status Ledger::Writer::DecideCompletion(Order& order, Record& record) {
  absl::StatusOr<std::optional<Kept>> kept = KeptOf(order);
  if (!kept.ok()) return kept.status();
  const bool all = !kept->has_value() || (*kept)->last <= Today();
  record.kind = RecordKind::kErased;
  record.cause = all ? "due" : "due_in_part";
  record.detail = Concat("What record ", order.hold, " asked for",
                         all ? "" : ", of the content that need not be kept any longer", ".");
  order.destroy_until = all ? INT64_MAX : Today();
  if (all) order.restriction = Restriction::kEnds;
  return absl::OkStatus();
}

absl::Status Ledger::Writer::DecideRelease(Order& order, Record& record) {
  sql_.find_hold.Bind(1, order.hold);
  absl::StatusOr<bool> row = sql_.find_hold.Step();
  if (row.ok() && *row) {
    order.app = std::string(sql_.find_hold.Bytes(0));
    order.user = std::string(sql_.find_hold.Bytes(1));
  }
  sql_.find_hold.Reset();
  if (!row.ok()) return row.status();
  if (!*row) {
    return absl::NotFoundError(
        Concat("record ", order.hold,
               " is no hold, or was released already; `weir audit query --kind hold` lists holds"));
  }
  record.kind = RecordKind::kRelease;
  record.cause = Concat(order.hold);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> Ledger::Writer::HoldOn(const Order& order) {
  sql_.hold_on.BindText(1, order.app);
  sql_.hold_on.BindText(2, order.user);
  absl::StatusOr<bool> row = sql_.hold_on.Step();
  std::optional<uint64_t> hold;
  if (row.ok() && *row) hold = sql_.hold_on.Uint(0);
  sql_.hold_on.Reset();
  if (!row.ok()) return row.status();
  return hold;
}

absl::StatusOr<std::optional<Ledger::Writer::Kept>> Ledger::Writer::KeptOf(const Order& order) {
  sql_.kept.BindBlob(1, order.subject);
  sql_.kept.Bind(2, order.keys_below);
  sql_.kept.Bind(3, options_.keep_days);
  sql_.kept.Bind(4, options_.keep_transfer_days);
  absl::StatusOr<bool> row = sql_.kept.Step();
  std::optional<Kept> kept;
  if (row.ok() && *row) kept = {.first = sql_.kept.Int(0), .last = sql_.kept.Int(1)};
  sql_.kept.Reset();
  if (!row.ok()) return row.status();
  return kept;
}

// Within the transaction of record `seq`.
absl::Status Ledger::Writer::CommitOrder(const Order& order, uint64_t seq) {
  absl::Status status;
  if (order.destroy_until != INT64_MIN) {
    for (Statement* statement : {&sql_.delete_contents, &sql_.destroy_keys}) {
      statement->BindBlob(1, order.subject);
      statement->Bind(2, order.keys_below);
      statement->Bind(3, options_.keep_days);
      statement->Bind(4, options_.keep_transfer_days);
      statement->Bind(5, order.destroy_until);
      status.Update(statement->Run());
    }
    log_is_tainted_ = true;
  }
  if (order.restriction == Restriction::kBegins) {
    sql_.restrict.BindText(1, order.app);
    sql_.restrict.BindText(2, order.user);
    sql_.restrict.Bind(3, seq);
    sql_.restrict.BindBlob(4, order.subject);
    sql_.restrict.Bind(5, order.keys_below);
    status.Update(sql_.restrict.Run());
    complete_on_ = std::min(complete_on_, order.complete_on);
  } else if (order.restriction == Restriction::kEnds) {
    sql_.lift.BindText(1, order.app);
    sql_.lift.BindText(2, order.user);
    status.Update(sql_.lift.Run());
  }
  if (order.kind == OrderKind::kHold) {
    sql_.insert_hold.Bind(1, seq);
    sql_.insert_hold.BindText(2, order.app);
    sql_.insert_hold.BindText(3, order.user);
    status.Update(sql_.insert_hold.Run());
  } else if (order.kind == OrderKind::kRelease) {
    sql_.delete_hold.Bind(1, order.hold);
    status.Update(sql_.delete_hold.Run());
    complete_on_ = INT64_MIN;  // what it kept may be due
    removal_is_held_ = false;
  }
  return status;
}

// Destroys what was to be erased and no longer has to be kept, a record for each subject.
absl::Status Ledger::Writer::CompleteErasures() {
  if (Today() < complete_on_) return absl::OkStatus();
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT app, user, seq, subject, keys_below FROM restrictions r WHERE NOT EXISTS"
      " (SELECT 1 FROM holds h WHERE h.app = r.app AND h.user = r.user)");
  if (!select.ok()) return select.status();
  std::vector<Order> orders;
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) {
    orders.push_back({.kind = OrderKind::kComplete,
                      .app = std::string(select->Bytes(0)),
                      .user = std::string(select->Bytes(1)),
                      .hold = select->Uint(2),
                      .subject = std::string(select->Bytes(3)),
                      .keys_below = select->Int(4)});
  }
  if (!row.ok()) return row.status();
  select->Reset();
  int64_t next = INT64_MAX;
  int completed = 0;
  for (Order& order : orders) {
    absl::StatusOr<std::optional<Kept>> kept = KeptOf(order);
    if (!kept.ok()) return kept.status();
    if (kept->has_value() && (*kept)->first > Today()) {
      next = std::min(next, (*kept)->first);
      continue;
    }
    if (++completed > kCompletionsMax) break;
    std::vector<Pending> batch;
    batch.push_back(
        {.order = std::make_unique<Order>(order), .done = [](const absl::StatusOr<Receipt>&) {}});
    AppendBatch(batch);
    if (closed()) return status();
    kept = KeptOf(order);
    if (!kept.ok()) return kept.status();
    if (kept->has_value()) next = std::min(next, (*kept)->first);
  }
  complete_on_ = completed > kCompletionsMax ? INT64_MIN : next;
  return absl::OkStatus();
}

// Takes what was destroyed out of the log, and answers who waits for that.
absl::Status Ledger::Writer::EmptyLog(bool last) {
  const Clock::time_point now = Clock::now();
  if (!log_is_tainted_ || (!last && now < empty_log_at_)) return absl::OkStatus();
  absl::StatusOr<bool> emptied = db_.EmptyLog(last ? kEmptyWaitLastMs : kEmptyWaitMs);
  if (!emptied.ok()) return emptied.status();
  if (absl::Status status = watch_.RememberDatabase(); !status.ok()) return status;
  log_is_tainted_ = !*emptied;
  empty_log_at_ = now + kEmptyAgain;
  if (*emptied) {
    AnswerErased(Clock::time_point::max(), absl::OkStatus());
  } else {
    AnswerErased(last ? Clock::time_point::max() : now,
                 absl::UnavailableError(
                     "the content was erased and recorded as such, but somebody who reads the "
                     "ledger keeps its log from being emptied, where encrypted bytes of it may "
                     "stand until that reader is done; `weir audit query --kind erased` shows it"));
  }
  return absl::OkStatus();
}

// Those who do not want to wait any longer than `now`.
void Ledger::Writer::AnswerErased(Clock::time_point now, const absl::Status& status) {
  std::vector<Erased> waiting;
  for (Erased& erased : erased_) {
    if (erased.until > now) {
      waiting.push_back(std::move(erased));
    } else if (status.ok()) {
      erased.done(erased.receipt);
    } else {
      erased.done(status);
    }
  }
  erased_ = std::move(waiting);
}

// A crash may have come between an erasure's commit and the emptying of its log.
absl::Status Ledger::Writer::FinishErasures() {
  log_is_tainted_ = true;
  return EmptyLog(/*last=*/false);
}

}  // namespace weir::audit
