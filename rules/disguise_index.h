// The words of a rule set that look in the pinyin or in the shape lane: the symbols that stand for
// them, found in the skeleton, and where the end of a text could still become one of them.
//
// Words are kept as forms, one for every combination of what their characters may be read as, at
// most kFormsMax for a word; a search follows the text's symbols through the forms' prefixes, with
// every way to read the text, and hardly ever has two. A filter (form_filter.h) tells the few
// places where that is worth while. What is found is likely, not certain: disguise_match.h decides.
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

#include <absl/functional/function_ref.h>

#include "rules/alphabet.h"
#include "rules/form_filter.h"
#include "rules/prefix_set.h"
#include "rules/rule.h"
#include "rules/word_index.h"

namespace weir::rules {

class DisguiseIndex {
 public:
  // Form number `form` stands in the skeleton at [start, end).
  struct Hit {
    uint32_t form;
    uint64_t start;
    uint64_t end;
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

  // Appends the hits in a whole skeleton.
  void Scan(const LaneText& skeleton, std::vector<Hit>& hits) const;
  // The same, with every place followed and none passed over: what Scan() must find.
  void ScanPlainly(std::string_view skeleton, std::vector<Hit>& hits) const;
  // Appends the hits that begin at `start`, an offset in `skeleton`, and says what could grow from
  // there. Offsets of hits are counted from `base`, which is that of the skeleton's first byte.
  Grown ScanFrom(std::string_view skeleton, size_t start, uint64_t base, DirectionSet direction,
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
  bool IsCollapsed(uint32_t form) const { return form_needs_[form] == FormFilter::kRepeat; }
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
  class Walk;
  class Sweep;
  // The directions of uses whose form a prefix begins or is.
  struct PrefixUses {
    DirectionSet certain = 0;    // begins, and its symbols are certain
    DirectionSet whole = 0;      // is, and its symbols are certain
    DirectionSet repeating = 0;  // may have one of the text's characters twice
  };

  void NotePrefixes(const Form& form);
  bool GrowsPlainly(std::string_view skeleton, size_t start, DirectionSet direction,
                    Grown& grown) const;
  void BuildTables();

  // What a character of a text is read as: its symbol, 0 if no form has it, and these.
  static constexpr uint32_t kSymbolMask = 0xFFFFFF;
  static constexpr uint32_t kUncertain = 1U << 24;
  static constexpr uint32_t kComposite = 1U << 25;
  uint32_t EntryOf(char32_t c) const;
  // The mark of its symbol, with what it is to composites; of characters not in the table.
  Mark RareMarkOf(char32_t c) const;

  Lane lane_ = Lane::kPinyin;
  std::unique_ptr<const Alphabet> alphabet_;
  std::vector<WordUse> uses_;
  PrefixSet forms_;
  FormFilter filter_;
  std::vector<uint32_t> form_first_;  // form -> its first place in form_use_; one more at the end
  std::vector<uint32_t> form_use_;
  std::vector<FormFilter::Needs> form_needs_;
  std::vector<PrefixUses> prefix_uses_;  // by number of the prefix
  // What a symbol alone grows into.
  struct First {
    bool grows = false;
    DirectionSet certain = 0;
  };
  std::vector<First> firsts_;  // by symbol
  DirectionSet parts_ = kNoDirection;
  std::bitset<128> ascii_firsts_;
  std::vector<uint32_t> table_;
  std::vector<Mark> mark_table_;
};

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
