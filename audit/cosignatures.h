// What witnesses have said of a ledger's checkpoints, and which witnesses it takes that from.
// Internal to audit/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/checkpoint.h"

namespace weir::audit {

// The witnesses that the ledger in `dir` ever had (ledger.witnesses); none when there is no file.
absl::StatusOr<std::vector<VerifierKey>> ReadWitnesses(const std::string& dir);
// The same with `witnesses` added, durably. A witness is never taken out: what it cosigned stays.
absl::StatusOr<std::vector<VerifierKey>> AddWitnesses(const std::string& dir,
                                                      const std::vector<VerifierKey>& witnesses);

// Whether every line is a valid cosignature of `text`, a checkpoint's, by one of the witnesses, and
// there is at least one.
absl::Status CheckCosignatures(std::string_view text, std::string_view lines,
                               const std::vector<VerifierKey>& witnesses);

}  // namespace weir::audit
