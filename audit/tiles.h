// The ledger as a C2SP tlog-tiles log: the files that any monitor or mirror reads, by their paths
// under the log's prefix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "audit/reader.h"

namespace weir::audit {

// What stands at "checkpoint", "tile/<L>/<N>[.p/<W>]" or "tile/entries/<N>[.p/<W>]". kNotFound for
// every other path and for what the log does not have (yet). Everything but the checkpoint never
// changes and may be cached for ever.
absl::StatusOr<std::string> ReadTileFile(Reader& reader, std::string_view path);

// Writes all files of the tree under the latest checkpoint into the new directory `out_dir`, the
// checkpoint last. Returns the tree's size.
absl::StatusOr<uint64_t> WriteTiles(const std::string& dir, const std::string& out_dir);

}  // namespace weir::audit
