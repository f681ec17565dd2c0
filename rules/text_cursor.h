// Reads the original text character by character, forwards and backwards, as the detectors see it:
// every character with what it stands for as a letter, as a numeral and as a separator.
//
// Cheap to copy. Borrows the text.
#pragma once

#include <cstdint>
#include <string_view>

#include "rules/fold_cursor.h"
#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/numeral_table.h"

namespace weir::rules {

struct Glyph {
  char32_t folded = 0;    // as the fold lane has it; 0 where that is nothing or several
  char ascii = 0;         // the same, 0 if not ASCII; ASCII and full-width letters keep their case
  bool vanishes = false;  // cannot be seen: parts nothing and is nothing
  bool separator = false;
  bool exact = false;    // the fold lane has it as it is written, but for its case
  bool circled = false;  // ⓪ to ⑨, which fold to the digit
  Numeral numeral;
  uint64_t start = 0;
  uint64_t end = 0;

  bool IsDigit() const { return numeral.kind == NumeralKind::kDigits; }
  bool IsLetter() const { return (ascii >= 'a' && ascii <= 'z') || (ascii >= 'A' && ascii <= 'Z'); }
  // A separator that may stand inside a number; the others part the entries of lists.
  bool MayPart() const {
    return separator && folded != '\n' && folded != ',' && folded != ';' && folded != 0x3001;
  }
  // A numeral that the fold lane does not make an ASCII digit: 一, 壹, Ⅳ, ⑬.
  bool IsForeignDigit() const { return IsDigit() && (ascii < '0' || ascii > '9'); }
  // Which digits may touch it without being part of the same number: 1 stands beside 一 and beside
  // ①, the marks of lists.
  enum class Script : uint8_t { kPlain, kCircled, kForeign };
  Script script() const {
    return IsForeignDigit() ? Script::kForeign : circled ? Script::kCircled : Script::kPlain;
  }
};

constexpr char SmallLetter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline Glyph MakeGlyph(char32_t c) {
  Glyph glyph;
  if (c > 0x20 && c < 0x7F) {
    glyph.ascii = static_cast<char>(c);
    glyph.folded = c >= 'A' && c <= 'Z' ? c + 0x20 : c;
    glyph.exact = true;
    if (c >= '0' && c <= '9') {
      glyph.numeral = {NumeralKind::kDigits, static_cast<uint8_t>(c - '0')};
    } else {
      glyph.separator = !glyph.IsLetter();
    }
    return glyph;
  }
  if (c == kInvalidByte) return glyph;
  const FoldEntry entry = LookUpFold(c);
  glyph.numeral = LookUpNumeral(c);
  glyph.vanishes =
      entry.kind() == FoldEntry::Kind::kNothing || glyph.numeral.kind == NumeralKind::kNothing;
  if (glyph.vanishes) return glyph;
  glyph.separator = entry.separator() || glyph.numeral.kind == NumeralKind::kSeparator;
  if (entry.kind() == FoldEntry::Kind::kSame) glyph.folded = c;
  if (entry.kind() == FoldEntry::Kind::kOne) glyph.folded = entry.value();
  if (glyph.folded < 0x80) glyph.ascii = static_cast<char>(glyph.folded);
  if (c >= 0xFF21 && c <= 0xFF3A) glyph.ascii = static_cast<char>(c - 0xFEE0);
  glyph.circled = c - 0x2460U < 9U || c == 0x24EA;
  glyph.exact = c < 0x80 || entry.kind() == FoldEntry::Kind::kSame;
  return glyph;
}

class TextCursor {
 public:
  // Between the characters before and after byte `at`, a boundary.
  TextCursor(const OriginalText& text, uint64_t at)
      : text_(text.bytes), base_(text.base), at_(static_cast<size_t>(at - text.base)) {}

  // False at the end of what has arrived, or at its beginning.
  bool Next(Glyph& glyph) {
    if (at_ >= text_.size()) return false;
    const Decoded decoded = DecodeAt(text_, at_);
    glyph = MakeGlyph(decoded.c);
    glyph.start = base_ + at_;
    at_ += decoded.length;
    glyph.end = base_ + at_;
    return true;
  }
  // The next character if it is a visible one of ASCII but the space: a short way past most text.
  bool NextAscii(char& c) {
    if (at_ >= text_.size()) return false;
    c = text_[at_];
    if (c <= 0x20 || c >= 0x7F) return false;
    ++at_;
    return true;
  }
  uint64_t at() const { return base_ + at_; }
  bool Previous(Glyph& glyph) {
    if (at_ == 0) return false;
    const Decoded decoded = DecodeBefore(text_, at_);
    glyph = MakeGlyph(decoded.c);
    glyph.end = base_ + at_;
    at_ -= decoded.length;
    glyph.start = base_ + at_;
    return true;
  }

 private:
  std::string_view text_;
  uint64_t base_;
  size_t at_;
};

}  // namespace weir::rules
