// What the fold lane makes of every code point: look-ups in tables that the build generates
// (tables/generate_fold.cc says from what, and why no neighbour matters).
//
// Constant data, thread-safe.
#pragma once

#include <cstdint>
#include <span>

namespace weir::rules {

inline constexpr uint32_t kFoldPageSize = 256;

struct FoldEntry {
  enum class Kind : uint32_t { kSame, kOne, kMany, kNothing };

  uint32_t bits = 0;

  static constexpr uint32_t Make(Kind kind, uint32_t value, bool separator) {
    return value | (static_cast<uint32_t>(kind) << 24) | (separator ? 1U << 31 : 0);
  }
  constexpr Kind kind() const { return static_cast<Kind>((bits >> 24) & 3U); }
  // kOne: the code point. kMany: for FoldExpansion().
  constexpr uint32_t value() const { return bits & 0xFFFFFFU; }
  // Whether what it becomes parts characters rather than being one: spaces, punctuation, symbols,
  // emoji. The skeleton lane drops these. Of kMany, each part has an entry of its own.
  constexpr bool separator() const { return (bits >> 31) != 0; }
};

// The generated tables: c / kFoldPageSize -> page, page and c % kFoldPageSize -> entry.
extern const uint16_t* const kFoldPageOfTable;
extern const uint32_t (*const kFoldPageTable)[kFoldPageSize];

// `c` must be below 0x110000.
inline FoldEntry LookUpFold(char32_t c) {
  return FoldEntry{kFoldPageTable[kFoldPageOfTable[c / kFoldPageSize]][c % kFoldPageSize]};
}
std::span<const char32_t> FoldExpansion(FoldEntry entry);

// Bit c: c has three bytes in UTF-8, folds to itself and is no separator. 8 KB, so it stays in L1.
extern const uint64_t* const kFoldPlainBits;
inline bool IsPlain(uint32_t c) {
  return ((kFoldPlainBits[c >> 6] >> (c & 63U)) & 1U) != 0;
}

}  // namespace weir::rules
