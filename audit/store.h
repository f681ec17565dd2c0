// SQLite as the ledger uses it: connections and statements that clean up after themselves and
// report as absl::Status. Internal to audit/. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include "audit/merkle.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir::audit {

class Statement {
 public:
  Statement() = default;

  // Parameters count from 1. Bound bytes must outlive the next Step() and Reset().
  void Bind(int parameter, int64_t value);
  void Bind(int parameter, uint64_t value) { Bind(parameter, static_cast<int64_t>(value)); }
  void BindBlob(int parameter, std::string_view bytes);
  void BindText(int parameter, std::string_view text);

  absl::StatusOr<bool> Step();  // true: there is a row
  // Steps to the end and resets: for statements that return no rows.
  absl::Status Run();
  void Reset();

  // Columns count from 0. Views live until the next Step() or Reset().
  int64_t Int(int column) const;
  uint64_t Uint(int column) const { return static_cast<uint64_t>(Int(column)); }
  bool IsNull(int column) const;
  std::string_view Bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  Database() = default;

  // The writer: creates the file and its tables when absent; checkpoints only when told to.
  static absl::StatusOr<Database> OpenWriter(const std::string& path, const std::string& vfs);
  // The tables alone, in memory.
  static absl::StatusOr<Database> OpenEmpty();
  // Never writes, never checkpoints, not even as the last to close.
  static absl::StatusOr<Database> OpenReader(const std::string& path, const std::string& vfs = {});

  absl::StatusOr<Statement> Prepare(std::string_view sql) const;
  // The same, into `statement`, which stays as it is when the store refuses.
  absl::Status Prepare(std::string_view sql, Statement& statement) const;
  absl::Status Execute(const char* sql) const;
  // Moves the write-ahead log's pages into the database, as far as readers allow.
  absl::Status MoveLog() const;
  // The same, and leaves nothing in the log; false when readers who came before did not leave it in
  // that time.
  absl::StatusOr<bool> EmptyLog(int wait_ms) const;
  // Writes the log's bytes once more, and syncs them. After a failed fsync the system may take what
  // never reached the disk for written, in this process and the next.
  absl::Status RewriteLog() const;
  // Pages in the write-ahead log after the last commit of this connection.
  int LogPages() const { return *log_pages_; }
  // After a failure whose outcome is unknown: close without touching the files again.
  void KeepLogOnClose() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);
  std::unique_ptr<sqlite3, Close> db_;
};

// A hash as a column's bytes.
inline std::string_view AsBytes(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// kDataLoss unless the tables and indexes are exactly those that OpenWriter creates.
absl::Status CheckSchema(const Database& db);

// Reads exactly one row's integer, such as a count.
absl::StatusOr<int64_t> ReadInt(const Database& db, std::string_view sql);

}  // namespace weir::audit
