#include "rules/ordinary_words.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "rules/character_set.h"

namespace weir::rules {
namespace {

#include "words_data.inc"  // generated

constexpr CharacterSet kFirsts(kWordFirsts);
constexpr CharacterSet kFrequent(kFrequentCharacters);
constexpr CharacterSet kMostFrequent(kMostFrequentCharacters);

}  // namespace

bool IsOrdinaryWord(char32_t first, char32_t second) {
  if (!kFirsts.Has(first)) return false;
  const size_t place = kFirsts.Place(first);
  return std::binary_search(kWordSeconds + kWordStarts[place],
                            kWordSeconds + kWordStarts[place + 1], second);
}

bool IsFrequentCharacter(char32_t c) {
  return kFrequent.Has(c);
}

bool IsMostFrequentCharacter(char32_t c) {
  return kMostFrequent.Has(c);
}

}  // namespace weir::rules
