// Re-derives a whole ledger from its records and compares everything that is stored with it.
// Shares with the writer only the formats: record, merkle, checkpoint, the rows, the index.
// Internal.
#pragma once

#include <string>
#include <vector>

#include "audit/quorum.h"
#include "audit/reader.h"
#include "audit/store.h"

namespace weir::audit {

// `dir` is the ledger's, for its archives. `latest` is the content of ledger.checkpoint, read
// before the transaction that `db` is in began: what it speaks of must be in the store.
VerifyReport VerifyStore(const Database& db, const std::string& dir, const std::string& latest,
                         const Quorum& quorum);

}  // namespace weir::audit
