// How the pinyin and the shape lane read a text: as symbols, one for each character of a word that
// can be told from others by its sound or its looks.
//
// The lanes have no text of their own. They read the skeleton, character by character. A word is
// one symbol after the other; a character of a text may be read as several: 掌 as the symbol of 张,
// which sounds `zhang`, and as that of 长, which sounds so too. So are the letters z, h, a, n, g;
// 赌 in the shape lane is a symbol, which 贝 and 者 side by side are read as. A character may be
// read alone or as the beginning of a composite; where both are possible a search tries both.
//
// Symbols may be many, so each character of a text also has one class, which a search looks up for
// a whole block at once: that of its first reading, or of its looks.
//
// A symbol is a necessary condition and not a sufficient one: what is found is read again by
// disguise_match.h. Immutable and thread-safe once built.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>
#include <absl/functional/function_ref.h>

#include "rules/form_filter.h"
#include "rules/lane_text.h"
#include "rules/pinyin_table.h"
#include "rules/prefix_set.h"
#include "rules/rule.h"

namespace weir::rules {

// Symbols are code points of three bytes in UTF-8, or letters and digits, which stand for
// themselves; 0 is none.
using Symbol = char32_t;

// What a character, or several in a row, of a text may be read as.
struct TextSymbol {
  size_t end = 0;  // where the next one begins, in the text
  Symbol symbol = 0;
  bool certain = true;  // it is the character, whatever the word; else it must be compared
  bool alike = false;   // it only looks like it
  auto operator<=>(const TextSymbol& other) const = default;
};
using TextSymbols = absl::InlinedVector<TextSymbol, 8>;

// What kind of character stands in a text.
using CharacterClass = uint32_t;
using CharacterClasses = absl::InlinedVector<CharacterClass, 4>;

class Alphabet {
 public:
  virtual ~Alphabet() = default;

  // The symbol of a character of the words; 0 when the lane cannot read it.
  virtual Symbol OfWord(char32_t c) const = 0;
  // Appends what a character of a text may be alone, `end` being 0.
  virtual void AppendReadings(char32_t c, TextSymbols& symbols) const = 0;

  virtual CharacterClass ClassOf(char32_t c) const = 0;
  // Those of most characters that may be the symbol; at least one.
  virtual CharacterClasses ClassesOf(Symbol symbol) const = 0;

  // Whether a composite may begin with `c`.
  virtual bool BeginsComposite(char32_t c) const = 0;
  // Whether one may begin with `first` and `second`; quick, and true too often.
  virtual bool MayCompose(char32_t first, char32_t second) const = 0;
  // Visits all of these pairs that are no letters, each below U+10000.
  using PairVisit = absl::FunctionRef<void(char32_t first, char32_t second)>;
  virtual void ForEachCompositePair(PairVisit visit) const = 0;
  // Appends the composites that begin at `at`. `before` is the last letter of the composite that
  // ends there, 0 if none does: the skeleton has one n for the two of xian neng.
  virtual void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                                TextSymbols& symbols) const = 0;
  // Visits the characters, no letters and below U+10000, that a composite may begin with which is
  // the symbol, for certain or not.
  using CharacterVisit = absl::FunctionRef<void(char32_t c, bool certain)>;
  virtual void ForEachBeginning(Symbol symbol, CharacterVisit visit) const = 0;
  // Visits the symbols that the text from `at` to its end is the beginning of, until `visit`
  // returns false.
  using Visit = absl::FunctionRef<bool(Symbol symbol, bool certain)>;
  virtual void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                                 Visit visit) const = 0;

  virtual size_t memory_bytes() const = 0;
};

// Reads sounds. A symbol is a set of readings, that of some character of the words.
class SoundAlphabet final : public Alphabet {
 public:
  // `characters` are those of the words, sorted and distinct.
  explicit SoundAlphabet(const std::vector<char32_t>& characters);

  Symbol OfWord(char32_t c) const override;
  void AppendReadings(char32_t c, TextSymbols& symbols) const override;
  CharacterClass ClassOf(char32_t c) const override;
  CharacterClasses ClassesOf(Symbol symbol) const override;
  bool BeginsComposite(char32_t c) const override;
  bool MayCompose(char32_t /*first*/, char32_t /*second*/) const override { return true; }
  void ForEachCompositePair(PairVisit /*visit*/) const override {}
  void ForEachBeginning(Symbol /*symbol*/, CharacterVisit /*visit*/) const override {}
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                         Visit visit) const override;
  size_t memory_bytes() const override;

 private:
  void AppendSounds(Syllable syllable, size_t end, bool certain, TextSymbols& symbols) const;

  absl::flat_hash_map<char32_t, Symbol> of_word_;
  std::vector<std::vector<Syllable>> readings_;   // by symbol
  std::vector<std::vector<Symbol>> of_syllable_;  // by syllable: the symbols that may sound so
};

// Reads shapes, as far as the characters of the words can have them.
class ShapeAlphabet final : public Alphabet {
 public:
  // `characters` are those of the words, sorted and distinct.
  explicit ShapeAlphabet(const std::vector<char32_t>& characters);

  Symbol OfWord(char32_t c) const override;
  void AppendReadings(char32_t c, TextSymbols& symbols) const override;
  CharacterClass ClassOf(char32_t c) const override { return c; }
  CharacterClasses ClassesOf(Symbol symbol) const override;
  bool BeginsComposite(char32_t c) const override;
  bool MayCompose(char32_t first, char32_t second) const override;
  void ForEachCompositePair(PairVisit visit) const override;
  void ForEachBeginning(Symbol symbol, CharacterVisit visit) const override;
  void AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                        TextSymbols& symbols) const override;
  void ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                         Visit visit) const override;
  size_t memory_bytes() const override;

 private:
  void BuildPairs();
  // Appends the characters that have the form at `prefix`, if one ends there.
  void AppendOwners(const PrefixSet::Prefix& prefix, bool collapsed, size_t end,
                    TextSymbols& symbols) const;

  std::vector<char32_t> characters_;  // a symbol is a place here
  // The elements of every form of the characters, runs of one collapsed as in the skeleton; by form
  // the places of the characters that have it.
  PrefixSet shapes_;
  std::vector<std::vector<uint16_t>> owners_;
  // By form: 1 if some form collapses to it, so that it is unsure; and only such a one can have
  // what a text has twice.
  std::vector<uint8_t> single_;
  // What composites may begin with, of characters below U+10000.
  std::vector<std::pair<char16_t, char16_t>> pairs_;
  HashBits pair_bits_;
  // By symbol: what composites begin with, and whether they are certain.
  std::vector<std::vector<std::pair<char16_t, bool>>> beginnings_;
};

}  // namespace weir::rules
