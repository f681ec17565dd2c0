// A set of characters that knows each one's place: asks two words of memory, whatever its size.
//
// Made by the compiler from a generated table. Thread-safe.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace weir::rules {

class CharacterSet {
 public:
  // `sorted` and distinct.
  template <size_t kSize>
  constexpr explicit CharacterSet(const char16_t (&sorted)[kSize]) {
    for (const char16_t c : sorted) words_[c / 64] |= uint64_t{1} << (c % 64);
    uint16_t place = 0;
    for (size_t i = 0; i < kWords; ++i) {
      places_[i] = place;
      place = static_cast<uint16_t>(place + std::popcount(words_[i]));
    }
  }

  constexpr bool Has(char32_t c) const {
    return c < 64 * kWords && ((words_[c / 64] >> (c % 64)) & 1U) != 0;
  }
  // How many stand before `c`, which must be below U+10000.
  constexpr size_t Place(char32_t c) const {
    const uint64_t before = words_[c / 64] & ((uint64_t{1} << (c % 64)) - 1);
    return places_[c / 64] + static_cast<size_t>(std::popcount(before));
  }

 private:
  static constexpr size_t kWords = 0x10000 / 64;
  std::array<uint64_t, kWords> words_{};
  std::array<uint16_t, kWords> places_{};
};

}  // namespace weir::rules
