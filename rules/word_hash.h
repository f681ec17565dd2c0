// How ordinary_words.h keeps words: shared with tables/generate_words.cc, which makes its table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::rules {

inline constexpr size_t kOrdinaryWordMax = 4;  // characters
// 170,000 words of four bits each: one of a thousand other strings is taken for a word.
inline constexpr uint32_t kWordBits = 1U << 22;
// Of a character in the 1.8 million of the frequency dictionary that kHanyuPinlu counts.
inline constexpr int kFrequentMin = 500;

// Calls visit(bit) for the bits of `word` while it returns true; false if it did not.
template <typename Visit>
constexpr bool ForEachWordBit(std::u32string_view word, Visit visit) {
  uint64_t hash = word.size();
  for (const char32_t c : word) hash = (hash ^ c) * 0x9E3779B97F4A7C15U ^ hash >> 29;
  hash ^= hash >> 32;
  hash *= 0xD6E8FEB86659FD93U;
  for (int i = 0; i < 4; ++i, hash = hash * 0xC2B2AE3D27D4EB4FU + 1) {
    if (!visit(static_cast<uint32_t>(hash >> 42))) return false;
  }
  return true;
}

}  // namespace weir::rules
