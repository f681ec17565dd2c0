// The forms of the numbers that detectors look for, as data: what stands where, how people part
// them, and which words must stand in front.
//
// Constant data, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rules/detector.h"
#include "rules/detector_context.h"

namespace weir::rules {

inline constexpr size_t kNumberWidthMax = 19;

struct NumberForm {
  // How a number that is parted must be parted. Not at all, and after every character, are ways to
  // part any number.
  enum class Parting : uint8_t {
    kAnyhow,  // the check digit or the words in front prove enough
    kAsListed,
    kAsListedAlone,  // and no further digits may follow or precede behind a gap
  };

  Detector detector;
  // One character each: '#' a digit, 'N' 1 to 9, 'B' 1 to 8, 'T' 3 to 9, 'D' 0 to 5 or 7 to 9,
  // 'F' 1 to 5, 'P' 4 to 9, 'Q' 4 or 5, 'V' 4 or 7, 'X' a digit or x, 'A' 1 to 9 or a, n, y,
  // 'L' a letter but I and O, 'Z' any letter, 'U' a letter or digit of GB 32100; letters that begin
  // documents: 'G' d, e, g, h, k, p or s, 'S' d, p or s, 'M' a or b, 'H' h or m, 'C' c or w,
  // 'W' l or t; any other stands for itself.
  std::string_view pattern;
  Parting parting;
  // Sizes of groups, separated by spaces: "344 38". 'A' is 10, 'B' 11 and so on.
  std::string_view groups;
  Context context;
};

// All forms, those of one detector in a row, at most 64.
std::span<const NumberForm> NumberForms();

// Bit i: form i. Those of some detectors, those that allow `c` (a digit or small letter) as their
// character `place`, and those of `width` characters. To follow all forms at once.
using FormSet = uint64_t;
FormSet FormsOf(DetectorSet detectors);
FormSet FormsThatAllow(size_t place, char c);
FormSet FormsOfWidth(size_t width);

}  // namespace weir::rules
