// What the digits lane makes of every code point: one to two ASCII digits, nothing, or itself.
//
// The lane is context-free: each code point is looked up alone, so a stream may be cut anywhere.
//
//   kDigits     digits() stands for it. ASCII and all decimal digits of Unicode (full-width,
//               mathematical, Arabic, ...), super- and subscripts; circled, bracketed, dotted and
//               sans-serif numbers up to 50; Roman numerals as characters (Ⅰ to Ⅻ); 一二三, 壹贰叁
//               with their traditional and Japanese forms, 〇 零 ○, 幺, 两, 〡〢〣; ㈠ ㊀; 🔟
//   kNothing    dropped, and parts nothing: what cannot be seen, and the keycap on a digit
//   kSeparator  dropped between digits: spaces, dashes, dots, brackets, punctuation, symbols,
//               emoji, letters that are drawn as a mark (丶 丨)
//   kPlace      十 百 千 万 亿 and their forms. Stands for itself: no digit, no separator
//   kOther      stands for itself, and ends a number
//
// So 一三八-零零一三 八千 is `13800138千`'s `13800138` and a 千. Place values are not worked out:
// 二十 is `2十`, 一百三十八 is `1百3十8`. Nobody dictates a card number in place values, while
// amounts and dates that are written so would turn into runs of digits that look like one.
//
// Letters that look like digits (O, l) are not digits here: a run of digits is proof, and proof has
// to be more than looks. Nor are homophones (衣 for 一): that is the pinyin lane's.
//
// number_scan.h says which runs of these are numbers.
//
// Constant data, built by the compiler: no start-up cost, 29 KB. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::rules {

enum class NumeralKind : uint8_t { kOther, kDigits, kNothing, kSeparator, kPlace };

struct Numeral {
  NumeralKind kind = NumeralKind::kOther;
  uint8_t value = 0;  // kDigits: 0 to 50

  // kDigits: "7", "10"; otherwise empty.
  std::string_view digits() const;
  std::u32string_view characters() const;  // the same

  friend bool operator==(const Numeral&, const Numeral&) = default;
};

// `c` must be below 0x110000.
Numeral LookUpNumeral(char32_t c);

}  // namespace weir::rules
