// Where the detectors' numbers stand in a text.
//
// A number is a sequence of digits (full-width, enclosed and other digits count as the ASCII digit
// they fold to) that may be parted by up to kNumberGapMax spaces, dashes, dots and the like, never
// by commas, enumeration marks or line ends, which part the entries of lists. It may touch Han
// characters, but no further digit or ASCII letter. A parted mobile number must be parted in one of
// the ways in which people write them, or after every digit: 1500 2000 300 is a list of prices.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/detector.h"
#include "rules/fold_cursor.h"
#include "rules/word_index.h"

namespace weir::rules {

inline constexpr int kNumberGapMax = 3;
// No detector takes fewer digits in a row, so shorter runs need no look.
inline constexpr uint32_t kNumberDigitsMin = 11;

struct NumberMatch {
  Detector detector = Detector::kNone;
  Span span;
  Lane lane = Lane::kExact;
};

// Bit i: Detector(i).
using DetectorSet = uint32_t;
constexpr DetectorSet DetectorBit(Detector detector) {
  return DetectorSet{1} << static_cast<unsigned>(detector);
}

// Appends the numbers of `detectors` that begin at or behind byte `from` and are decided by the
// text, ordered by start, and returns the byte from which a number could still grow; text.end() if
// none could. With `one_run`, reading ends with the run of digits that begins at `from`.
uint64_t FindNumbers(const OriginalText& text, uint64_t from, DetectorSet detectors, bool one_run,
                     std::vector<NumberMatch>& matches);

}  // namespace weir::rules
