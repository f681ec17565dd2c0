// The detectors' numbers in a text: the forms of number_form.h, written in whatever digits.
//
// A number is a sequence of digits and letters that may be parted by up to kNumberGapMax spaces,
// dashes, dots and the like in a row, never by commas, enumeration marks or line ends, which part
// the entries of lists. numeral_table.h says what is a digit. It may touch Han characters, but no
// further digit of its script (a number in ASCII digits may touch 一 or ①, and one in Chinese 1)
// and no letter but those of a label in front: tel13812345678. A parted number must be parted in
// one of the ways in which people write its kind, or after every digit: 1500 2000 300 is a list of
// prices.
//
// Whether a number begins at a byte depends on at most kLookBackCharacters before it and on what
// follows until that decides; more text never changes a decision. That is what makes streams find
// what the whole finds.
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

struct DetectorMatch {
  Detector detector = Detector::kNone;
  Span span;
  Lane lane = Lane::kExact;
};

// Whether something begins at a byte. kPartly: more text decides.
enum class Fit : uint8_t { kNo, kPartly, kWhole };

// How much a look at some text may assume.
enum class ContextRule : uint8_t { kLookForIt, kTakeForGranted };

// Appends the numbers of `detectors` that begin at byte `at`, a boundary between characters, the
// longest of each detector, and returns the detectors that more text decides.
DetectorSet FindNumbersAt(const OriginalText& text, uint64_t at, DetectorSet detectors,
                          ContextRule context, std::vector<DetectorMatch>& matches);

}  // namespace weir::rules
