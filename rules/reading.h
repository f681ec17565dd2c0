// What a lane reads a character as, beyond its fold.
//
// kNumerals makes the digits lane: numerals of every kind are ASCII digits, looked up before the
// fold (numeral_table.h). kLeet finds words whose Latin letters are written as digits or symbols,
// c@s1n0 or ₵₳₴ino: behind the fold, each such digit and symbol is the letter it is written for,
// and l is i, because 1 stands for both. Words are read in the same way as texts, so the two need
// only agree. What matches in leet has a digit or symbol that is read as a letter, and
// kLeetLettersMin characters that stand for themselves: no number is a word.
//
// Constant data, thread-safe.
#pragma once

#include <cstdint>

namespace weir::rules {

inline constexpr int kLeetCharactersMin = 3;
inline constexpr int kLeetLettersMin = 2;

enum class Reading : uint8_t { kFold, kNumerals, kLeet };

// The letter that `c`, folded, is read as in kLeet; 0: it stands for itself.
constexpr char LeetLetter(char32_t c) {
  switch (c) {
    case '4':
    case '@':
    case 0x20B3:  // austral
      return 'a';
    case '8':
    case 0xE3F:   // baht
    case 0x20BF:  // bitcoin
      return 'b';
    case 0xA2:    // cent
    case 0x20A1:  // colon
    case 0x20B5:  // cedi
      return 'c';
    case 0x2202:  // partial differential
    case 0x20AB:  // dong
      return 'd';
    case '3':
    case 0x20AC:  // euro
    case 0x212E:  // estimated
    case 0x2203:  // there exists
      return 'e';
    case 0x20A3:  // franc
      return 'f';
    case '6':
    case '9':
    case 0x20B2:  // guarani
      return 'g';
    case '1':
    case '!':
    case '|':
    case 'l':
    case 0xA3:  // pound
      return 'i';
    case 0x20AD:  // kip
      return 'k';
    case 0x20A5:  // mill
      return 'm';
    case 0x20A6:  // naira
    case 0x2229:  // intersection
      return 'n';
    case '0':
      return 'o';
    case 0x20B1:  // peso
      return 'p';
    case '5':
    case '$':
    case 0x20B4:  // hryvnia
      return 's';
    case '7':
    case '+':
    case 0x20AE:  // tugrik
      return 't';
    case 0x222A:  // union
      return 'u';
    case 0x221A:  // square root
      return 'v';
    case 0x20A9:  // won
      return 'w';
    case 0xD7:  // times
      return 'x';
    case 0xA5:  // yen
      return 'y';
    case '2':
      return 'z';
    default:
      return 0;
  }
}

// Whether some digit or symbol is written for the letter `c`.
constexpr bool HasLeetForm(char32_t c) {
  return c >= 'a' && c <= 'z' && c != 'h' && c != 'j' && c != 'q' && c != 'r';
}

// Whether kLeet reads a character that folds to `c` as a letter that it is not.
constexpr bool IsLeet(char32_t c) {
  return c != 'l' && LeetLetter(c) != 0;
}

}  // namespace weir::rules
