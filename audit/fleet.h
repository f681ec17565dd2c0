// The records of many gateways in one PostgreSQL-compatible database.
//
// Every gateway keeps its own ledger and signs its own tree; nothing waits for the database. A
// shipper copies what is under a signed checkpoint, in order, with the checkpoints; a row is named
// by its log and its number in it, so a batch whose outcome is unknown is simply sent again. What
// the database holds is never believed: where its last record differs from the ledger's, the
// shipper stops and says so; readers hash every row, and FleetReader::Verify() re-derives each
// log's tree. Content stays where it is: the database gets records alone.
//
// Tables and statements are the common subset of PostgreSQL, Citus, YugabyteDB, CockroachDB and
// PolarDB: plain tables with explicit keys, no sequences, triggers, locks or cursors. Only
// PostgreSQL 15 is tested. audit/FORMAT.md says what the columns hold.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/postgres.h"
#include "audit/reader.h"

namespace weir::audit {

struct FleetStats {
  uint64_t shipped = 0;       // records of this ledger that the database is known to hold
  uint64_t waiting = 0;       // signed records that it does not
  int64_t waits_from_us = 0;  // time of the first of them; 0: there are none
  absl::Status status;        // OK, or why nothing is shipped at the moment
};

// Thread-safe.
class FleetShipper {
 public:
  // Ships the ledger in `dir` to `database`, a libpq connection string, on a thread of its own,
  // from now on and whenever the database is there.
  FleetShipper(std::string dir, std::string database);
  FleetShipper(const FleetShipper&) = delete;  // owns a thread
  FleetShipper& operator=(const FleetShipper&) = delete;
  // Waits for at most one statement, or five seconds for a connection.
  ~FleetShipper();

  // The ledger was opened anew: its files may be others, so they are opened anew too.
  void LookAgain();
  FleetStats stats() const;

 private:
  void Run();
  absl::Status Connect();
  absl::Status FindNext();
  // False: nothing is left.
  absl::StatusOr<bool> ShipSome();
  absl::Status Send(const std::vector<Found>& records, uint64_t end);
  absl::Status CountWaiting();

  const std::string dir_;
  const std::string database_;

  // The thread's.
  std::unique_ptr<Reader> reader_;
  std::optional<PgConnection> connection_;
  std::string log_id_;
  uint64_t next_ = 0;  // the first record that the database lacks

  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  bool closing_ = false;
  bool look_again_ = false;
  FleetStats stats_;

  std::thread thread_;
};

// A place in a search over many logs, which goes by time.
struct FleetCursor {
  int64_t time_us = 0;
  int64_t log_id = 0;
  uint64_t seq = 0;
  std::string ToString() const;  // "<time_us>.<log_id>.<seq>"
};
std::optional<FleetCursor> ParseFleetCursor(std::string_view text);

struct FleetFound {
  std::string origin;  // of the record's log
  FleetCursor place;
  Found found;
};

struct FleetPage {
  std::vector<FleetFound> records;  // newest first
  std::optional<FleetCursor> next;  // absent: there are no more
};

struct FleetLogReport {
  std::string origin;
  VerifyReport report;
};

// Reads the database. Not thread-safe.
class FleetReader {
 public:
  static absl::StatusOr<FleetReader> Open(const std::string& database);

  // As Reader::Find, over all logs; `query.before_seq` is not looked at. kDataLoss when a row is
  // not what its leaf hash says.
  absl::StatusOr<FleetPage> Find(const Query& query, const std::optional<FleetCursor>& before);

  // Re-derives every log from its rows. Checks its checkpoints with the key among `keys` that has
  // the log's origin, or, without keys, with the one that the database names.
  absl::StatusOr<std::vector<FleetLogReport>> Verify(const std::vector<VerifierKey>& keys);

 private:
  explicit FleetReader(PgConnection connection) : connection_(std::move(connection)) {}
  absl::StatusOr<VerifyReport> VerifyLog(const std::string& log_id, const VerifierKey& key);

  PgConnection connection_;
};

}  // namespace weir::audit
