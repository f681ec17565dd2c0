// JSON strings, written: for the JSON that authoring prints.
#pragma once

#include <string>
#include <string_view>

namespace weir::policy {

// Appends `text`, which must be UTF-8, as a JSON string with its quotes. Escapes only what JSON
// says must be escaped, and U+2028 and U+2029 never: the output is read by JSON parsers, not by
// scripts.
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace weir::policy
