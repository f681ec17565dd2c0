// The characters of a lane's text, some hundred at a time: for loops that ask the same of each and
// do not wait for the answers.
//
// Not thread-safe. Borrows the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rules/lane_text.h"

namespace weir::rules {

class CharacterBlock {
 public:
  static constexpr size_t kPlaces = 512;  // of a block
  static constexpr size_t kAhead = 16;    // characters that can be looked at behind its last place
  static constexpr size_t kSize = kPlaces + kAhead;

  // `lane` must be UTF-8 but for breaks, and shorter than 4 GB.
  explicit CharacterBlock(std::string_view lane) : lane_(lane) {}

  // Goes on to the next places. False when there are none.
  bool Read();

  // Places count from 0 to here; of those behind it up to kAhead more may be asked about.
  size_t places() const { return places_; }
  // The character; kInvalidByte behind the end of the text.
  char32_t character(size_t place) const { return characters_[place]; }
  const char32_t* characters() const { return characters_.data(); }
  // Where it begins; the text's size behind the end.
  size_t offset(size_t place) const { return offsets_[place]; }

 private:
  static constexpr size_t kTogether = 8;  // characters that are written at once
  size_t DecodeHan(size_t at, size_t known);
  size_t DecodeHanAvx2(size_t at, size_t known);

  const std::string_view lane_;
  size_t at_ = 0;      // how far the text has been read
  size_t places_ = 0;  // of this block; behind them,
  size_t known_ = 0;   // up to here, those that are looked ahead at
  std::array<char32_t, kSize + kTogether> characters_;
  std::array<uint32_t, kSize + kTogether> offsets_;
};

}  // namespace weir::rules
