// The words of a rule set that look in the pinyin or in the shape lane: the symbols that stand for
// them, found in the skeleton, and where the end of a text could still become one of them.
//
// A word is a form, one symbol for each of its characters; characters of a text may be read as
// several symbols, and a search follows all of them through the forms' prefixes. In a whole text it
// does so only around what several characters compose; elsewhere a window index (window_index.h)
// names the forms that may stand at a place. What is found is likely, not certain: disguise_match.h
// decides.
//
// Immutable and thread-safe once built.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include "rules/alphabet.h"
#include "rules/fold_cursor.h"
#include "rules/form_filter.h"
#include "rules/prefix_set.h"
#include "rules/rule.h"
#include "rules/window_index.h"
#include "rules/word_index.h"

namespace weir::rules {

class DisguiseIndex {
 public:
  // Form number `form` stands in the skeleton at [start, end).
  struct Hit {
    uint64_t start;
    uint64_t end;
    uint32_t form;
    auto operator<=>(const Hit& other) const = default;
  };
  // The skeleton from some place to its end is the beginning of forms.
  struct Growth {
    const PrefixSet::Prefix* prefix;
    bool unfinished;  // the last symbol is not complete, so the forms may be the prefix itself
    bool certain;     // so are all symbols
  };
  // What a place may grow into.
  struct Grown {
    bool any = false;
    bool certain = false;  // some growth is, for the direction asked for: see GrowsCertainly()
  };

  DisguiseIndex() = default;
  DisguiseIndex(DisguiseIndex&&) noexcept = default;
  DisguiseIndex& operator=(DisguiseIndex&&) noexcept = default;

  // `lane` is kPinyin or kShape. Uses that the lane cannot tell from ordinary text are left out.
  static DisguiseIndex Build(Lane lane, std::vector<WordUse> uses);
  // Whether the lane looks for a word: to the ear, one character is no word.
  static bool LooksFor(Lane lane, const Word& word);

  Lane lane() const { return lane_; }
  bool empty() const { return uses_.empty(); }

  // Appends the hits in a whole skeleton, that of `text`, in order.
  void Scan(const OriginalText& text, const LaneText& skeleton, std::vector<Hit>& hits) const;
  // The same, with every place followed and none passed over: what Scan() must find.
  void ScanPlainly(std::string_view skeleton, std::vector<Hit>& hits) const;
  // Appends the hits that begin at `start` in the skeleton, and says what could grow from there.
  Grown ScanFrom(const LaneText& skeleton, uint64_t start, DirectionSet direction,
                 std::vector<Hit>& hits) const;
  // Visits what could grow from the beginning of `skeleton`, until `visit` returns false.
  using GrowthVisit = absl::FunctionRef<bool(const Growth&)>;
  void ForEachGrowth(std::string_view skeleton, GrowthVisit visit) const;

  template <typename Visit>
  void ForEachUse(uint32_t form, Visit visit) const {
    for (uint32_t i = form_first_[form]; i < form_first_[form + 1]; ++i) visit(uses_[form_use_[i]]);
  }
  // Whether two of the word's characters are one symbol of the form: a text has it only where the
  // skeleton has dropped a repeat.
  bool IsCollapsed(uint32_t form) const;
  // Visits the uses that a growth could become, each at least once.
  template <typename Visit>
  void ForEachUse(const Growth& growth, Visit visit) const;
  // Whether some use of `direction` that is no exception and no part grows, whatever the text's
  // characters are: from the last copy of the first one, if what stands before it is free.
  bool GrowsCertainly(const Growth& growth, DirectionSet direction) const {
    if (!growth.certain) return false;
    const PrefixUses& uses = prefix_uses_[growth.prefix->number];
    return ((uses.certain | (growth.unfinished ? uses.whole : 0)) & direction) != 0;
  }
  // Whether some may grow from an earlier copy, because two of its characters may be one twice.
  bool MayRepeat(const Growth& growth, DirectionSet direction) const {
    return (prefix_uses_[growth.prefix->number].repeating & direction) != 0;
  }
  // Whether some word begins with `c` itself, which must be ASCII.
  bool HasWordFrom(char32_t c) const { return ascii_firsts_[c]; }
  // Of all uses that are parts.
  DirectionSet parts() const { return parts_; }

  size_t memory_bytes() const;

 private:
  struct Form;
  class FormMaker;
  class PlainGrowth;
  class Sweep;
  class Walk;
  // The directions of uses whose form a prefix begins or is.
  struct PrefixUses {
    DirectionSet certain = 0;    // begins, and its symbols are certain
    DirectionSet whole = 0;      // is, and its symbols are certain
    DirectionSet repeating = 0;  // may have one of the text's characters twice
  };

  static constexpr size_t kTabled = 0x10000;  // characters below it have tables
  // Whether a form is collapsed for the words that it stands for.
  static constexpr uint8_t kForSome = 1;
  static constexpr uint8_t kForAll = 2;
  // In the windows: not a form, but two characters that a composite may begin with.
  static constexpr uint32_t kCompositePair = WindowIndex::kFormsMax - 1;

  // What a character of a text is read as.
  struct Read {
    Symbol symbol;
    bool certain;
    bool alike;
    // Of the forms that begin with it: how many symbols stand second, those from this place in
    // seconds_ on.
    uint16_t second_count = 0;
    uint32_t second_first = 0;
  };
  // In a form's symbols, a byte.
  struct FormPlace {
    uint32_t form;
    uint32_t at;
    bool operator==(const FormPlace& other) const = default;
  };
  // In forms that are collapsed for all words, a symbol that is several characters, and the one
  // behind it or, where it is the last, before it; 0 if it is alone.
  struct CollapsedKey {
    Symbol symbol;
    Symbol beside;
    bool is_before;
    bool operator==(const CollapsedKey& other) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const CollapsedKey& key) {
      return H::combine(std::move(hash), key.symbol, key.beside, key.is_before);
    }
  };
  // What a symbol, or a character of a text, grows into by itself.
  struct First {
    bool grows = false;     // begins forms of several symbols
    bool is_whole = false;  // is a form
    DirectionSet certain = kNoDirection;
  };

  void BuildReadings();
  void BuildForms();
  void NotePrefixes(const Form& form);
  void NoteCollapsed(const Form& form, Symbol symbol);
  void BuildFirsts();
  void BuildWindows();
  void BuildSeconds();
  void BuildBegun();
  void AddWindow(uint32_t form, const std::vector<std::vector<Mark>>& marks_of);
  void AddPairs(uint32_t form, const std::vector<std::vector<Mark>>& marks_of);

  std::span<const Read> ReadingsOf(char32_t c) const {
    return std::span(readings_).subspan(reading_first_[c],
                                        reading_first_[c + 1] - reading_first_[c]);
  }
  // What `c` may be read as alone.
  template <typename Visit>
  void ForEachReading(char32_t c, Visit visit) const;
  bool MayBe(char32_t c, Symbol symbol) const;
  // The same, quick, and true too often.
  bool MightBe(char32_t c, Symbol symbol) const {
    return c >= kTabled || reading_bits_.Has(NeighbourHash(c, symbol));
  }
  // Whether the character is one of several that make up the symbol.
  static bool IsPart(const Read& read) { return !read.certain && !read.alike; }
  // Whether it may stand for several characters of a form, or for all parts of one, where the text
  // repeats it.
  bool MayBeSeveral(const Read& read) const {
    return IsPart(read) || collapsed_symbols_[read.symbol];
  }
  // Whether some form has one behind the other; 0 stands before it and behind it.
  bool AreNeighbours(Symbol first, Symbol second) const {
    return neighbours_.Has(NeighbourHash(first, second));
  }
  // What a composite may be that begins with `c`.
  std::span<const Read> BegunBy(char32_t c) const {
    return std::span(begun_).subspan(begun_first_[c], begun_first_[c + 1] - begun_first_[c]);
  }
  static uint32_t NeighbourHash(Symbol first, Symbol second) {
    return FormFilter::Hash(MarkOf(first), MarkOf(second));
  }
  Mark MarkAt(char32_t c) const { return c < marks_.size() ? marks_[c] : RareMarkOf(c); }
  Mark RareMarkOf(char32_t c) const;

  Lane lane_ = Lane::kPinyin;
  std::unique_ptr<const Alphabet> alphabet_;
  std::vector<WordUse> uses_;
  PrefixSet forms_;
  std::vector<uint32_t> form_first_;  // form -> its first place in form_use_; one more at the end
  std::vector<uint32_t> form_use_;
  std::vector<uint8_t> form_collapsed_;  // kForSome, kForAll
  std::vector<PrefixUses> prefix_uses_;  // by number of the prefix
  HashBits neighbours_;                  // symbols that some form has in a row
  HashBits collapsed_neighbours_;        // that some collapsed form has
  std::vector<Symbol> seconds_;          // second symbols of forms, by the first
  // By character below U+10000: the symbols that a composite may be which begins with it, those of
  // `c` from begun_first_[c] on.
  std::vector<uint32_t> begun_first_;
  std::vector<Read> begun_;
  WindowIndex windows_;
  // Of the characters below U+10000: their marks, and what they are read as: those of `c` begin at
  // reading_first_[c].
  std::vector<Mark> marks_;
  std::vector<uint32_t> reading_first_;
  std::vector<Read> readings_;
  HashBits reading_bits_;  // of each character, with each symbol
  absl::flat_hash_map<char32_t, std::vector<Mark>> further_marks_;
  std::vector<First> symbol_firsts_;     // by symbol
  std::vector<bool> collapsed_symbols_;  // that are several characters of some form
  absl::flat_hash_map<CollapsedKey, std::vector<FormPlace>> collapsed_forms_;
  std::vector<First> character_firsts_;  // by character
  DirectionSet parts_ = kNoDirection;
  bool has_exceptions_ = false;
  std::bitset<128> ascii_firsts_;
  std::bitset<128> own_letters_;  // ASCII in words
};

template <typename Visit>
void DisguiseIndex::ForEachReading(char32_t c, Visit visit) const {
  if (c < kTabled) {
    for (uint32_t i = reading_first_[c]; i < reading_first_[c + 1]; ++i) visit(readings_[i]);
  } else if (c != kInvalidByte) {
    TextSymbols symbols;
    alphabet_->AppendReadings(c, symbols);
    for (const TextSymbol& read : symbols) visit(Read{read.symbol, read.certain, read.alike});
  }
}

template <typename Visit>
void DisguiseIndex::ForEachUse(const Growth& growth, Visit visit) const {
  const PrefixSet::Prefix& prefix = *growth.prefix;
  if (prefix.last != 0) {
    for (uint32_t i = form_first_[prefix.first]; i < form_first_[prefix.last]; ++i) {
      visit(uses_[form_use_[i]]);
    }
  }
  if (growth.unfinished && prefix.literal != PrefixSet::kNoLiteral) {
    ForEachUse(prefix.literal, visit);
  }
}

}  // namespace weir::rules
