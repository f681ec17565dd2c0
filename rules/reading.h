// What a lane reads a character as, beyond its fold.
//
// kNumerals makes the digits lane: numerals of every kind are ASCII digits, looked up before the
// fold (numeral_table.h). kLeet finds words whose Latin letters are written as digits or symbols,
// c@s1n0: behind the fold, each such digit and symbol is the letter it is written for, and l is i,
// because 1 stands for both. Words are read in the same way as texts, so the two need only agree.
//
// Constant data, thread-safe.
#pragma once

#include <cstdint>

namespace weir::rules {

enum class Reading : uint8_t { kFold, kNumerals, kLeet };

// The letter that `c`, folded, is read as in kLeet; 0: it stands for itself.
constexpr char LeetLetter(char32_t c) {
  switch (c) {
    case '4':
    case '@':
      return 'a';
    case '8':
      return 'b';
    case 0xA2:  // cent
      return 'c';
    case '3':
    case 0x20AC:  // euro
      return 'e';
    case '6':
    case '9':
      return 'g';
    case '1':
    case '!':
    case '|':
    case 'l':
      return 'i';
    case '0':
      return 'o';
    case '5':
    case '$':
      return 's';
    case '7':
    case '+':
      return 't';
    case '2':
      return 'z';
    default:
      return 0;
  }
}

// Whether some digit or symbol is written for the letter `c` of a word read in kLeet.
constexpr bool HasLeetForm(char32_t c) {
  switch (c) {
    case 'a':
    case 'b':
    case 'c':
    case 'e':
    case 'g':
    case 'i':
    case 'o':
    case 's':
    case 't':
    case 'z':
      return true;
    default:
      return false;
  }
}

// Whether kLeet reads a character that folds to `c` as a letter that it is not.
constexpr bool IsLeet(char32_t c) {
  return c != 'l' && LeetLetter(c) != 0;
}

}  // namespace weir::rules
