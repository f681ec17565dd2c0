// What a lane reads a character as, beyond its fold.
//
// kNumerals makes the digits lane: numerals of every kind are ASCII digits, looked up before the
// fold (numeral_table.h). kLeet finds words whose Latin letters are written as digits or symbols,
// c@s1n0: behind the fold, each such digit and symbol is the letter it is written for, and l is i,
// because 1 stands for both. Words are read in the same way as texts, so the two need only agree.
// What matches in leet has a digit or symbol that is read as a letter, and kLeetLettersMin
// characters that stand for themselves: no number is a word.
//
// Constant data, thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::rules {

inline constexpr int kLeetCharactersMin = 3;
inline constexpr int kLeetLettersMin = 2;

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

// Whether some digit or symbol is written for the letter `c`.
constexpr bool HasLeetForm(char32_t c) {
  return (c >= 'a' && c <= 'z' &&
          std::string_view("abcegilostz").find(static_cast<char>(c)) != std::string_view::npos);
}

// Whether kLeet reads a character that folds to `c` as a letter that it is not.
constexpr bool IsLeet(char32_t c) {
  return c != 'l' && LeetLetter(c) != 0;
}

}  // namespace weir::rules
