// How the pinyin and the shape lane read a text: as symbols, one for each sound or each look.
//
// The lanes have no text of their own. They read the skeleton, character by character: 线 is the
// symbol of the sound `xian`, and so are 现 and the letters x, i, a, n; 赌 is a symbol of the shape
// lane, and so are 贝 and 者 side by side. A character may be read alone or as the beginning of a
// composite; where both are possible a search tries both. Words are sequences of the same symbols,
// several ones where their characters sound or look in several ways.
//
// A symbol is a necessary condition and not a sufficient one: what is found is read again by
// disguise_match.h. Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "rules/lane_text.h"
#include "rules/literal_index.h"
#include "rules/rule.h"

namespace weir::rules {

// Symbols are code points of three bytes in UTF-8, or letters and digits, which stand for
// themselves; 0 is none.
using Symbol = char32_t;

// What a character of a word is read as.
struct WordSymbol {
  Symbol symbol = 0;
  bool certain = true;  // a text that is read so is the character; else it must be compared
};

// What a character, or several in a row, of a text is read as.
struct TextSymbol {
  size_t end = 0;  // where the next one begins, in the text
  Symbol symbol = 0;
  bool certain = true;
};
using TextSymbols = absl::InlinedVector<TextSymbol, 8>;

class Alphabet {
 public:
  virtual ~Alphabet() = default;

  // Every symbol that a character of a word may be in a text, the likeliest first; empty when the
  // lane cannot read it.
  virtual std::vector<WordSymbol> OfWord(char32_t c) const = 0;
  // What a character of a text is alone; symbol 0 when nothing of a word.
  virtual WordSymbol OfText(char32_t c) const = 0;
  // Whether a composite may begin with `c`.
  virtual bool BeginsComposite(char32_t c) const = 0;
  // Whether one may have `first` and `second` in a row; quick, and true too often.
  virtual bool MayCompose(char32_t first, char32_t second) const = 0;
  // Appends the composites that begin at `at`. `before` is the last letter of the composite that
  // ends there, 0 if none does: the skeleton has one n for the two of xian neng.
  virtual void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                                TextSymbols& symbols) const = 0;
  // Appends the symbols that the text from `at` to its end is the beginning of.
  virtual void AppendUnfinished(std::string_view skeleton, size_t at, char32_t before,
                                std::vector<WordSymbol>& symbols) const = 0;

  virtual size_t memory_bytes() const = 0;
};

// Reads sounds. Constant.
class SoundAlphabet final : public Alphabet {
 public:
  std::vector<WordSymbol> OfWord(char32_t c) const override;
  WordSymbol OfText(char32_t c) const override;
  bool BeginsComposite(char32_t c) const override;
  bool MayCompose(char32_t /*first*/, char32_t /*second*/) const override { return true; }
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void AppendUnfinished(std::string_view skeleton, size_t at, char32_t before,
                        std::vector<WordSymbol>& symbols) const override;
  size_t memory_bytes() const override { return 0; }
};

// Reads shapes, as far as the characters of some words can have them.
class ShapeAlphabet final : public Alphabet {
 public:
  // `characters` are those of the words, sorted and distinct.
  explicit ShapeAlphabet(const std::vector<char32_t>& characters);

  std::vector<WordSymbol> OfWord(char32_t c) const override;
  WordSymbol OfText(char32_t c) const override;
  bool BeginsComposite(char32_t c) const override;
  bool MayCompose(char32_t first, char32_t second) const override;
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void AppendUnfinished(std::string_view skeleton, size_t at, char32_t before,
                        std::vector<WordSymbol>& symbols) const override;
  size_t memory_bytes() const override;

 private:
  void BuildPairs();
  static uint32_t PairPlace(uint32_t prefix, char32_t element) {
    return ((prefix * 0x9E3779B1U) ^ (element * 0x85EBCA77U)) >> (32 - kPairBits);
  }
  // The elements of every form of the characters, runs of one collapsed as in the skeleton. The
  // symbol of a form is its number here.
  LiteralIndex shapes_;
  // For MayCompose(): the prefix of shapes_, and 1, that a character below U+10000 is, and the
  // first and last element of each; a bit for each prefix and element that lengthens it.
  static constexpr uint32_t kPairBits = 20;
  std::vector<uint32_t> prefix_of_;
  std::vector<char32_t> first_element_;
  std::vector<char32_t> last_element_;
  std::vector<uint64_t> pairs_;
  std::vector<uint8_t> single_;  // of a form: 1 if some form collapses to it, so that it is unsure
};

}  // namespace weir::rules
