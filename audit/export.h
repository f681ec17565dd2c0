// Exports: a run of the ledger's records that verifies on its own, without the ledger.
//
// An export is a directory. It holds the records without gap from one number to another, the hashes
// that stand for all records before them, and every signed checkpoint on the way; the last of these
// is over exactly the records up to the export's end. So the reader of an export can tell that no
// record in it was altered and that none between its first and its last was left out.
// audit/FORMAT.md specifies the files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/quorum.h"
#include "audit/reader.h"

namespace weir::audit {

struct ExportSummary {
  uint64_t begin = 0;  // number of the first record
  uint64_t end = 0;    // one more than the number of the last
  uint64_t checkpoints = 0;
  uint64_t left_out = 0;  // records behind the end that no witness has cosigned yet
};

// Exports the records whose time is in [from_us, to_us), and those behind them up to the next
// checkpoint, if possible one that witnesses cosigned, into the directory `out_dir`, which must not
// exist. Without `to_us` it ends with the last that they cosigned. kNotFound when there are none.
absl::StatusOr<ExportSummary> ExportLedger(const std::string& dir, std::optional<int64_t> from_us,
                                           std::optional<int64_t> to_us,
                                           const std::string& out_dir);

// Verifies an export; needs nothing but its directory. Demands the log's signature of `quorum` on
// every checkpoint, and all of the quorum on the last; without a quorum, that of the key which the
// export itself names. `seen` is a checkpoint known from elsewhere, which the export must reach and
// be consistent with. A status other than OK means that it could not be read.
absl::StatusOr<VerifyReport> VerifyExport(const std::string& export_dir, const Quorum& quorum,
                                          const std::optional<Checkpoint>& seen = std::nullopt);
// One archive of a closed segment (audit/archive.h) alone. Demands the log's signature of `quorum`
// on every checkpoint: an archive is made before any witness could have signed.
absl::StatusOr<VerifyReport> VerifyArchive(const std::string& path, const Quorum& quorum);

}  // namespace weir::audit
