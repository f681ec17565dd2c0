// The files of an export, as its writer and its verifier know them. Internal.
#pragma once

#include <string_view>

namespace weir::audit {

inline constexpr std::string_view kExportHeader = "weir-export@v1\n";
inline constexpr std::string_view kArchiveHeader = "weir-segment@v1\n";
inline constexpr std::string_view kExportTree = "tree.txt";          // range, hashes before it
inline constexpr std::string_view kExportRecords = "records.jsonl";  // one record a line
inline constexpr std::string_view kExportCheckpoints =
    "checkpoints.txt";                                              // an empty line after each
inline constexpr std::string_view kExportKeys = "keys.txt";         // verifier keys
inline constexpr std::string_view kExportSummary = "summary.html";  // for people
inline constexpr std::string_view kExportManifest =
    "manifest.txt";  // "<hexadecimal SHA-256>  <name>" of each of the others, in this order
inline constexpr std::string_view kExportFiles[] = {kExportTree, kExportRecords, kExportCheckpoints,
                                                    kExportKeys, kExportSummary};

}  // namespace weir::audit
