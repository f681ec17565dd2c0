#include "audit/postgres.h"

#include <libpq-fe.h>

#include <charconv>

#include <absl/strings/escaping.h>

#include "audit/concat.h"

namespace weir::audit {
namespace {

std::string OneLine(const char* message) {
  std::string line(message == nullptr ? "" : message);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& c : line) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return line;
}

absl::StatusCode CodeOf(std::string_view state) {
  if (state == "23505") return absl::StatusCode::kAlreadyExists;
  if (state == "40001" || state == "40P01") return absl::StatusCode::kAborted;
  if (state == "42P01" || state == "42704" || state == "42883") return absl::StatusCode::kNotFound;
  // Connection exceptions, and a server that is going down or coming up.
  if (state.empty() || state.starts_with("08") || state.starts_with("57P")) {
    return absl::StatusCode::kUnavailable;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

void PgRows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

bool PgRows::ok() const {
  const ExecStatusType outcome = PQresultStatus(result_.get());
  return outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK;
}

std::string_view PgRows::state() const {
  const char* const state = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string_view() : state;
}

int PgRows::size() const {
  return PQntuples(result_.get());
}

std::string_view PgRows::Text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

bool PgRows::IsNull(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

int64_t PgRows::Int(int row, int column) const {
  const std::string_view text = Text(row, column);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

absl::StatusOr<std::string> PgRows::Bytes(int row, int column) const {
  const std::string_view text = Text(row, column);
  if (!text.starts_with("\\x") || text.size() % 2 != 0) {
    return absl::DataLossError("the database answered with something else than bytes");
  }
  return absl::HexStringToBytes(absl::string_view(text.data() + 2, text.size() - 2));
}

std::string PgBytes(std::string_view bytes) {
  return "\\x" + absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

void PgConnection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

absl::StatusOr<PgConnection> PgConnection::Connect(const std::string& database) {
  // Ours come first, so that what the operator says wins; a server that is gone is noticed.
  const char* const names[] = {"connect_timeout",  "application_name", "keepalives_idle",
                               "tcp_user_timeout", "dbname",           nullptr};
  const char* const values[] = {"5", "weir", "10", "20000", database.c_str(), nullptr};
  PgConnection connection;
  connection.connection_.reset(PQconnectdbParams(names, values, /*expand_dbname=*/1));
  pg_conn* const pq = connection.connection_.get();
  if (pq == nullptr) return absl::ResourceExhaustedError("no memory for a database connection");
  if (PQstatus(pq) != CONNECTION_OK) {
    return absl::UnavailableError(
        Concat("the fleet's database cannot be reached: ", OneLine(PQerrorMessage(pq))));
  }
  PQsetNoticeProcessor(
      pq, [](void*, const char*) {}, nullptr);
  for (const char* sql : {"SET client_encoding TO 'UTF8'", "SET bytea_output TO 'hex'"}) {
    const absl::Status status = connection.Run(sql).status();
    if (!status.ok() && status.code() != absl::StatusCode::kNotFound) return status;
  }
  return connection;
}

absl::StatusOr<PgRows> PgConnection::Run(const std::string& sql,
                                         const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values) pointers.push_back(value.c_str());
  pg_conn* const pq = connection_.get();
  PgRows rows(PQexecParams(pq, sql.c_str(), static_cast<int>(values.size()), nullptr,
                           pointers.data(), nullptr, nullptr, /*resultFormat=*/0));
  if (rows.ok()) return rows;
  if (PQstatus(pq) != CONNECTION_OK) {
    return absl::UnavailableError(
        Concat("the connection to the fleet's database was lost: ", OneLine(PQerrorMessage(pq))));
  }
  return absl::Status(CodeOf(rows.state()),
                      Concat("the fleet's database refused: ", OneLine(PQerrorMessage(pq))));
}

}  // namespace weir::audit
