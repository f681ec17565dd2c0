#include "rules/ordinary_words.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace weir::rules {
namespace {

#include "words_data.inc"  // generated

}  // namespace

bool IsOrdinaryWord(char32_t first, char32_t second) {
  const auto* const found = std::ranges::lower_bound(kWordFirsts, first);
  if (found == std::end(kWordFirsts) || *found != first) return false;
  const auto place = static_cast<size_t>(found - std::begin(kWordFirsts));
  return std::binary_search(kWordSeconds + kWordStarts[place],
                            kWordSeconds + kWordStarts[place + 1], second);
}

bool IsFrequentCharacter(char32_t c) {
  return std::ranges::binary_search(kFrequentCharacters, c);
}

bool IsMostFrequentCharacter(char32_t c) {
  return std::ranges::binary_search(kMostFrequentCharacters, c);
}

}  // namespace weir::rules
