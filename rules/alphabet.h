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
#include <absl/functional/function_ref.h>

#include "rules/lane_text.h"
#include "rules/prefix_set.h"
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
  // Whether it may be read otherwise than as that: what a word's symbol that is not certain counts
  // on.
  virtual bool HasSeveralReadings(char32_t c) const = 0;
  // Whether a composite may begin with `c`, and whether it may stand second in one.
  virtual bool BeginsComposite(char32_t c) const = 0;
  virtual bool GoesOnComposite(char32_t c) const = 0;
  // Whether one may begin with `first` and `second`; quick, and true too often.
  virtual bool MayCompose(char32_t first, char32_t second) const = 0;
  // Appends the composites that begin at `at`. `before` is the last letter of the composite that
  // ends there, 0 if none does: the skeleton has one n for the two of xian neng.
  virtual void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                                TextSymbols& symbols) const = 0;
  // Visits the symbols that the text from `at` to its end is the beginning of, until `visit`
  // returns false.
  using Visit = absl::FunctionRef<bool(const WordSymbol&)>;
  virtual void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                                 Visit visit) const = 0;

  virtual size_t memory_bytes() const = 0;
};

// Reads sounds. Constant.
class SoundAlphabet final : public Alphabet {
 public:
  std::vector<WordSymbol> OfWord(char32_t c) const override;
  WordSymbol OfText(char32_t c) const override;
  bool HasSeveralReadings(char32_t c) const override;
  bool BeginsComposite(char32_t c) const override;
  bool GoesOnComposite(char32_t /*c*/) const override { return true; }  // a is a syllable
  bool MayCompose(char32_t /*first*/, char32_t /*second*/) const override { return true; }
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                         Visit visit) const override;
  size_t memory_bytes() const override { return 0; }
};

// Reads shapes, as far as the characters of some words can have them.
class ShapeAlphabet final : public Alphabet {
 public:
  // `characters` are those of the words, sorted and distinct.
  explicit ShapeAlphabet(const std::vector<char32_t>& characters);

  std::vector<WordSymbol> OfWord(char32_t c) const override;
  WordSymbol OfText(char32_t c) const override;
  bool HasSeveralReadings(char32_t /*c*/) const override { return false; }
  bool BeginsComposite(char32_t c) const override;
  bool GoesOnComposite(char32_t c) const override;
  bool MayCompose(char32_t first, char32_t second) const override;
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                         Visit visit) const override;
  size_t memory_bytes() const override;

 private:
  void BuildPairs();
  static uint32_t PairPlace(uint32_t first, uint32_t second) {
    return (first * 0x9E3779B1U + second * 0x85EBCA77U) >> (32 - kPairBits);
  }

  // The elements of every form of the characters, runs of one collapsed as in the skeleton. The
  // symbol of a form is its number here.
  PrefixSet shapes_;
  // For MayCompose(): the number of the elements that a character below U+10000 has, 0 if no form
  // has these in a row; whether they may stand behind others, by number; and a bit for each two
  // numbers that a form may begin with.
  static constexpr uint32_t kPairBits = 19;
  std::vector<uint16_t> elements_of_;
  std::vector<bool> second_;
  std::vector<uint64_t> pairs_;
  // By form: 1 if some form collapses to it, so that it is unsure; and only such a one can have
  // what a text has twice.
  std::vector<uint8_t> single_;
};

}  // namespace weir::rules
