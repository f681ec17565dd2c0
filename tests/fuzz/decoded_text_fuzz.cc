// Any bytes, cut anywhere, decoded: the lane and its map are those of the whole, cover the text,
// and nothing is held for longer than is promised. The first bytes of the input say where to cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "rules/check.h"
#include "rules/decoded_text.h"

namespace weir::rules {
namespace {

void Append(const DecodedChunk& chunk, DecodedChunk& all) {
  all.text += chunk.text;
  for (const DecodedRun& run : chunk.runs) {
    if (run.same && !all.runs.empty() && all.runs.back().same) {
      all.runs.back().text_end = run.text_end;
      all.runs.back().source_end = run.source_end;
    } else {
      all.runs.push_back(run);
    }
  }
}

DecodedChunk Decode(std::string_view text, std::string_view cuts) {
  DecodedText decoder;
  DecodedChunk all;
  for (size_t from = 0, piece = 0; from < text.size(); ++piece) {
    const size_t size = cuts.empty()
                            ? text.size()
                            : static_cast<unsigned char>(cuts[piece % cuts.size()]) % 17U + 1;
    DecodedChunk chunk;
    decoder.Feed(text.substr(from, size), chunk);
    Append(chunk, all);
    from = std::min(from + size, text.size());
    WEIR_CHECK(decoder.decided() <= from);
    WEIR_CHECK(from - decoder.decided() <= DecodedText::kHeldBytesMax);
  }
  DecodedChunk chunk;
  decoder.Finish(chunk);
  Append(chunk, all);
  return all;
}

void CheckText(std::string_view text, std::string_view cuts) {
  const DecodedChunk whole = Decode(text, {});
  const DecodedChunk pieces = Decode(text, cuts);
  WEIR_CHECK(whole.text == pieces.text);
  WEIR_CHECK(whole.runs == pieces.runs);
  uint64_t text_at = 0;
  uint64_t source_at = 0;
  for (const DecodedRun& run : whole.runs) {
    // Characters of base64 share letters with their neighbours.
    WEIR_CHECK(run.text_start == text_at && run.source_start <= source_at);
    WEIR_CHECK(run.text_end >= text_at && run.source_end >= source_at);
    text_at = run.text_end;
    source_at = run.source_end;
    WEIR_CHECK(text_at <= whole.text.size() && source_at <= text.size());
    if (run.same) {
      WEIR_CHECK(run.source_end - run.source_start == run.text_end - run.text_start);
      WEIR_CHECK(std::string_view(whole.text).substr(run.text_start, text_at - run.text_start) ==
                 text.substr(run.source_start, source_at - run.source_start));
    }
  }
  WEIR_CHECK(text_at == whole.text.size() && source_at == text.size());
  if (FindEncoded(text) == std::string_view::npos) WEIR_CHECK(whole.text == text);
}

}  // namespace
}  // namespace weir::rules

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cuts = std::min<size_t>(size, 4);
  weir::rules::CheckText(input.substr(cuts), input.substr(0, cuts));
  return 0;
}
