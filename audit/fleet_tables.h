// The tables of a fleet's database, and how rows get into them. Internal to audit/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/postgres.h"

namespace weir::audit {

inline constexpr size_t kRecordColumns = 14;  // of weir_records

// Creates what is missing; a user that may not is fine where everything is there.
absl::Status CreateFleetTables(PgConnection& connection);

// kFailedPrecondition when the server may lose committed transactions in a crash.
absl::Status CheckFleetDurability(PgConnection& connection);

// Writes down the log of a public key once; returns its log_id, which follows from the key.
// kDataLoss when another key has that id.
absl::StatusOr<std::string> RegisterFleetLog(PgConnection& connection, const std::string& key);

// Rows of one INSERT.
class FleetInsert {
 public:
  FleetInsert(std::string_view table, size_t columns) : table_(table), columns_(columns) {}

  // Text that PostgreSQL has no room for (U+0000) becomes U+FFFD.
  void Add(std::vector<std::string> row);
  // In statements that the protocol allows; nothing when there are no rows.
  absl::Status Run(PgConnection& connection);

 private:
  const std::string table_;
  const size_t columns_;
  std::vector<std::string> values_;
};

// The size in a checkpoint's text, unverified.
absl::StatusOr<uint64_t> SizeOfNote(std::string_view note);

}  // namespace weir::audit
