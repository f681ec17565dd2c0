#include "audit/fleet_tables.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/digest.h"

namespace weir::audit {
namespace {

constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS weir_logs("
    "log_id bigint PRIMARY KEY, origin text, public_key text)",
    "CREATE TABLE IF NOT EXISTS weir_records("
    "log_id bigint, seq bigint, time_us bigint, kind text, exchange text, app text,"
    " user_name text, profile text, region text, model text, upstream text, action text,"
    " record bytea, leaf bytea, PRIMARY KEY (log_id, seq))",
    "CREATE TABLE IF NOT EXISTS weir_findings("
    "log_id bigint, seq bigint, rule text, category text,"
    " PRIMARY KEY (log_id, seq, rule, category))",
    "CREATE TABLE IF NOT EXISTS weir_checkpoints("
    "log_id bigint, size bigint, note text, PRIMARY KEY (log_id, size))",
    "CREATE INDEX IF NOT EXISTS weir_records_by_time ON weir_records(time_us, log_id, seq)",
    "CREATE INDEX IF NOT EXISTS weir_records_by_exchange ON weir_records(exchange)",
    "CREATE INDEX IF NOT EXISTS weir_records_by_user ON weir_records(app, user_name, time_us)",
    "CREATE INDEX IF NOT EXISTS weir_records_by_action ON weir_records(action, time_us)",
    "CREATE INDEX IF NOT EXISTS weir_findings_by_rule ON weir_findings(rule)",
    "CREATE INDEX IF NOT EXISTS weir_findings_by_category ON weir_findings(category)",
};
// A server that can hash refuses a record that does not fit its leaf. RFC 6962: SHA-256(0x00 || d).
constexpr const char* kLeafCheck =
    "ALTER TABLE weir_records ADD CONSTRAINT weir_leaf_of_record"
    " CHECK (leaf = sha256(decode('00', 'hex') || record))";
constexpr size_t kParametersMax = 60'000;

}  // namespace

absl::Status CreateFleetTables(PgConnection& connection) {
  absl::Status created;
  const absl::StatusOr<PgRows> there = connection.Run("SELECT 1 FROM weir_records LIMIT 1");
  const bool fresh = there.status().code() == absl::StatusCode::kNotFound;
  for (const char* sql : kTables) {
    created.Update(connection.Run(sql).status());
  }
  if (created.ok() && fresh) {
    // Where the server has no such function the readers' own check is all there is.
    connection.Run(kLeafCheck).IgnoreError();
  }
  if (created.ok()) return created;
  for (const char* table : {"weir_logs", "weir_records", "weir_findings", "weir_checkpoints"}) {
    const absl::Status status =
        connection.Run(Concat("SELECT 1 FROM ", table, " LIMIT 1")).status();
    if (!status.ok()) {
      return {created.code(), Concat(created.message(),
                                     "; give this user the right to create the "
                                     "tables, or create them as audit/FORMAT.md "
                                     "says")};
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFleetDurability(PgConnection& connection) {
  for (const char* setting : {"fsync", "full_page_writes"}) {
    const absl::StatusOr<PgRows> rows =
        connection.Run("SELECT setting FROM pg_settings WHERE name = $1", {setting});
    if (rows.status().code() == absl::StatusCode::kUnavailable) return rows.status();
    if (rows.ok() && rows->size() == 1 && rows->Text(0, 0) == "off") {
      return absl::FailedPreconditionError(
          Concat("the fleet's database runs with ", setting,
                 " = off and may lose records in a crash: turn it on"));
    }
  }
  const absl::Status status = connection.Run("SET synchronous_commit TO 'on'").status();
  return status.code() == absl::StatusCode::kNotFound ? absl::OkStatus() : status;
}

absl::StatusOr<std::string> RegisterFleetLog(PgConnection& connection, const std::string& key) {
  absl::StatusOr<VerifierKey> parsed = VerifierKey::Parse(key);
  if (!parsed.ok()) return parsed.status();
  const Hash hash = Sha256(key);
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | hash[i];
  const std::string log_id = Concat(number >> 1);  // bigint is signed
  const absl::Status status =
      connection.Run("INSERT INTO weir_logs VALUES($1, $2, $3)", {log_id, parsed->name(), key})
          .status();
  if (status.ok()) return log_id;
  if (status.code() != absl::StatusCode::kAlreadyExists) return status;
  absl::StatusOr<PgRows> rows =
      connection.Run("SELECT public_key FROM weir_logs WHERE log_id = $1", {log_id});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 1 && rows->Text(0, 0) == key) return log_id;
  return absl::DataLossError(Concat("the fleet's database names another key for the log ", log_id,
                                    " of ", parsed->name(), ": it was altered"));
}

void FleetInsert::Add(std::vector<std::string> row) {
  for (std::string& value : row) {
    for (size_t at = value.find('\0'); at != std::string::npos; at = value.find('\0', at)) {
      value.replace(at, 1, "\xEF\xBF\xBD");
    }
    values_.push_back(std::move(value));
  }
}

absl::Status FleetInsert::Run(PgConnection& connection) {
  const size_t rows_max = kParametersMax / columns_;
  for (size_t begin = 0; begin < values_.size(); begin += rows_max * columns_) {
    const size_t end = std::min(begin + rows_max * columns_, values_.size());
    std::string sql = Concat("INSERT INTO ", table_, " VALUES");
    for (size_t i = 0; i < end - begin; ++i) {
      sql += i % columns_ != 0 ? "," : i == 0 ? "(" : "),(";
      sql += Concat("$", i + 1);
    }
    sql += ")";
    const std::vector<std::string> values(values_.begin() + static_cast<ptrdiff_t>(begin),
                                          values_.begin() + static_cast<ptrdiff_t>(end));
    if (absl::Status status = connection.Run(sql, values).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SizeOfNote(std::string_view note) {
  const size_t begin = note.find('\n') + 1;
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(note.data() + begin, note.data() + note.size(), size);
  if (begin == 0 || error != std::errc() || end == note.data() + note.size() || *end != '\n') {
    return absl::DataLossError("a checkpoint of the ledger has no size on its second line");
  }
  return size;
}

}  // namespace weir::audit
