// The files of an export, as its writer and its verifier know them. Internal.
#pragma once

#include <string_view>

namespace weir::audit {

inline constexpr std::string_view kExportHeader = "weir-export@v1\n";
inline constexpr std::string_view kExportTree = "tree.txt";          // range, hashes before it
inline constexpr std::string_view kExportRecords = "records.jsonl";  // one record a line
inline constexpr std::string_view kExportCheckpoints =
    "checkpoints.txt";                                              // an empty line after each
inline constexpr std::string_view kExportKeys = "keys.txt";         // verifier keys
inline constexpr std::string_view kExportSummary = "summary.html";  // for people

}  // namespace weir::audit
