// The JSON reader accepts nothing that simdjson refuses, says the same of what it accepts, and
// finds every value where it says; the text decoder does not depend on cuts.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "gateway/json.h"
#include "rules/check.h"

namespace weir::gateway {
namespace {

void CheckDocument(std::string_view bytes) {
  const auto document = JsonDocument::Parse(bytes, JsonLimits{});
  if (!document.ok()) return;
  bool huge_number = false;
  for (JsonDocument::Node node = 0; node < document->size(); ++node) {
    const std::string_view value = document->Bytes(node);
    WEIR_CHECK(value.data() == bytes.data() + document->Begin(node));
    huge_number |= document->type(node) == JsonDocument::Type::kNumber && value.size() > 18;
    if (document->type(node) == JsonDocument::Type::kString) {
      std::string again;
      AppendJsonString(again, document->String(node));
      const auto reread = JsonDocument::Parse(again, JsonLimits{});
      WEIR_CHECK(reread.ok() && reread->String(0) == document->String(node));
    }
  }
  simdjson::dom::parser parser;
  const std::string padded(bytes);
  WEIR_CHECK(huge_number || parser.parse(padded).error() == simdjson::SUCCESS);
}

void CheckTextDecoder(std::string_view bytes, size_t cut) {
  JsonTextDecoder whole;
  std::string expected;
  whole.Feed(bytes, expected);
  whole.Finish(expected);
  JsonTextDecoder pieces;
  std::string text;
  pieces.Feed(bytes.substr(0, cut), text);
  WEIR_CHECK(pieces.RawOffset(text.size()) <= cut);
  pieces.Feed(bytes.substr(cut), text);
  pieces.Finish(text);
  WEIR_CHECK(text == expected);
  WEIR_CHECK(pieces.RawOffset(text.size()) == bytes.size());
}

}  // namespace
}  // namespace weir::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  weir::gateway::CheckDocument(bytes);
  weir::gateway::CheckTextDecoder(bytes, size == 0 ? 0 : data[size / 2] % (size + 1));
  return 0;
}
