// libpq as the fleet uses it: a connection that cleans up after itself and reports as absl::Status.
// Internal to audit/. Not thread-safe.
//
// Only what every engine that speaks PostgreSQL's protocol has: parameters by the extended
// protocol, explicit keys, short transactions. Values are sent as text, bytes in hexadecimal
// ("\x..").
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

struct pg_conn;
struct pg_result;

namespace weir::audit {

// Rows of an answer; values live as long as it does.
class PgRows {
 public:
  explicit PgRows(pg_result* result) : result_(result) {}
  int size() const;
  std::string_view Text(int row, int column) const;
  bool IsNull(int row, int column) const;
  // 0 for what is no number.
  int64_t Int(int row, int column) const;
  // A bytea value. kDataLoss when it is none.
  absl::StatusOr<std::string> Bytes(int row, int column) const;

 private:
  friend class PgConnection;
  bool ok() const;
  std::string_view state() const;  // SQLSTATE; empty when the server said nothing
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class PgConnection {
 public:
  // `database` is a libpq connection string; waits at most five seconds for each address.
  static absl::StatusOr<PgConnection> Connect(const std::string& database);

  // kAlreadyExists: a key is taken (23505). kAborted: try the transaction again (40001, 40P01).
  // kNotFound: no such table, setting or function. kUnavailable: the connection is lost, the
  // outcome unknown. Others: the server refused; the message is its own.
  absl::StatusOr<PgRows> Run(const std::string& sql, const std::vector<std::string>& values = {});

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Finish> connection_;
};

// A bytea value as a parameter.
std::string PgBytes(std::string_view bytes);

}  // namespace weir::audit
