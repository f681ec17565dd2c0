// Re-derives a whole ledger from its records and compares everything that is stored with it.
// Shares with the writer only the formats: record, merkle, checkpoint, the rows, the index.
// Internal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/quorum.h"
#include "audit/reader.h"
#include "audit/store.h"

namespace weir::audit {

struct StoreDemands {
  std::string dir;  // the ledger's, for its archives
  // The content of ledger.checkpoint, read before the transaction that the database is in began:
  // what it speaks of must be in the store.
  std::string latest;
  Quorum quorum;
  std::vector<VerifierKey> witnesses;  // whose cosignatures the ledger takes
  std::optional<Checkpoint> seen;      // must be reached and consistent
};

VerifyReport VerifyStore(const Database& db, const StoreDemands& demands);

}  // namespace weir::audit
