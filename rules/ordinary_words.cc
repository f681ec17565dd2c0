#include "rules/ordinary_words.h"

#include <algorithm>

#include "rules/word_hash.h"

namespace weir::rules {
namespace {

#include "words_data.inc"  // generated

}  // namespace

bool IsOrdinaryWord(std::u32string_view text) {
  if (text.size() < 2 || text.size() > kOrdinaryWordMax) return false;
  return ForEachWordBit(
      text, [](uint32_t bit) { return ((kOrdinaryWordBits[bit / 32] >> (bit % 32)) & 1U) != 0; });
}

bool IsFrequentCharacter(char32_t c) {
  return std::ranges::binary_search(kFrequentCharacters, c);
}

}  // namespace weir::rules
