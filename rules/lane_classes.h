// What a lane does with each character below U+10000, as far as it does it to the bytes as they
// stand. Of a Chinese text that is nearly all; what is kOther here is for the fold table.
//
// Constant data, thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "rules/reading.h"
#include "rules/rule.h"

namespace weir::rules {

enum class LaneClass : uint8_t {
  kOther,
  kCopied,    // has three bytes, stays as it is
  kDropped,   // a separator, to the skeleton
  kReplaced,  // has three bytes and folds to a character of three, LookUpFold().value()
};

class LaneClasses {
 public:
  // kFold or kSkeleton; with another reading, of the skeleton of what that reads.
  static const LaneClasses& Of(Lane lane, Reading reading);

  // Of a character of three bytes.
  LaneClass Of(uint32_t c) const { return static_cast<LaneClass>(unlike_[c] ^ Guess(c)); }
  // What the lane has for an ASCII character: itself, another, or 0 for nothing.
  char Ascii(char c) const { return ascii_[static_cast<unsigned char>(c)]; }

  // Most of what stands between U+4000 and U+C000 is copied, and of what else a Chinese text has,
  // punctuation, the skeleton drops all.
  static constexpr bool IsGuessedCopied(uint32_t c) { return ((c >> 14 ^ c >> 15) & 1U) != 0; }
  // For each character, its class XOR what it is guessed to be: 0 where the guess is right, as it
  // is for kAsGuessed. Three bytes more can be read behind the last.
  const uint8_t* unlike() const { return unlike_.data(); }
  static constexpr uint32_t kAsGuessed = 0x4E01;

 private:
  LaneClasses(Lane lane, Reading reading);
  uint8_t Guess(uint32_t c) const {
    return static_cast<uint8_t>(IsGuessedCopied(c) ? LaneClass::kCopied : others_);
  }

  const LaneClass others_;  // what the others are guessed to be
  std::array<char, 128> ascii_{};
  std::array<uint8_t, 0x10000 + 3> unlike_{};
};

}  // namespace weir::rules
