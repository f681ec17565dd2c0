// Verifies the files of a C2SP tlog-tiles log, as `WriteTiles` or a mirror leaves them.
#pragma once

#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "audit/quorum.h"
#include "audit/reader.h"

namespace weir::audit {

// Re-derives every tile of the tree under `dir`/checkpoint from the entries and compares. Demands
// the quorum's signatures on the checkpoint. `seen` is a checkpoint known from elsewhere, which the
// tree must reach and be consistent with. Files that this tree has no use for are not looked at. A
// status other than OK means that it could not be read.
absl::StatusOr<VerifyReport> VerifyTiles(const std::string& dir, const Quorum& quorum,
                                         const std::optional<Checkpoint>& seen = std::nullopt);

}  // namespace weir::audit
