// Reads the characters of names, addresses and keys: ASCII as written, full-width forms and
// look-alike letters as the ASCII they stand for, what cannot be seen left out.
//
// Cheap to copy. Borrows the text.
#pragma once

#include <cstdint>

#include "rules/text_cursor.h"

namespace weir::rules {

constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool IsCapital(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || IsCapital(c);
}
constexpr bool IsAlphanumeric(char c) {
  return IsDigit(c) || IsLetter(c);
}
constexpr bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

struct TokenChar {
  char c = 0;             // 0: no ASCII character, or the end of the whole text
  char32_t folded = 0;    // as the fold lane has it
  bool may_part = false;  // Glyph::MayPart()
  uint64_t end = 0;
};

class TokenReader {
 public:
  TokenReader(const OriginalText& text, uint64_t at) : text_(text), cursor_(text, at) {}

  // False at the end of what has arrived when more may follow.
  bool Next(TokenChar& t) {
    if (char c; cursor_.NextAscii(c)) {
      t.c = c;
      t.folded = static_cast<char32_t>(SmallLetter(c));
      t.may_part = !IsAlphanumeric(c) && c != ',' && c != ';';
      t.end = cursor_.at();
      return true;
    }
    Glyph glyph;
    do {
      if (!cursor_.Next(glyph)) {
        t = TokenChar{};
        t.end = text_.end();
        return text_.final;
      }
    } while (glyph.vanishes);
    t = {glyph.ascii, glyph.folded, glyph.MayPart(), glyph.end};
    return true;
  }
  // False at the beginning, or where looking back ends.
  bool Previous(TokenChar& t) {
    Glyph glyph;
    do {
      if (++looked_back_ > kLookBackCharacters || !cursor_.Previous(glyph)) return false;
    } while (glyph.vanishes);
    t = {glyph.ascii, glyph.folded, glyph.MayPart(), glyph.end};
    return true;
  }

 private:
  const OriginalText& text_;
  TextCursor cursor_;
  int looked_back_ = 0;
};

}  // namespace weir::rules
