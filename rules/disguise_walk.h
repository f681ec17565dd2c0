// A search in a disguise index: follows the symbols of a skeleton from one place, in every way to
// read them.
//
// Not thread-safe. Borrows the index and the skeleton.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "rules/disguise_index.h"

namespace weir::rules {

// A few symbols; says of some others, too, that they are among them.
class SymbolSet {
 public:
  void Add(Symbol symbol) { bits_[Place(symbol) / 64] |= uint64_t{1} << (Place(symbol) % 64); }
  bool Has(Symbol symbol) const {
    return ((bits_[Place(symbol) / 64] >> (Place(symbol) % 64)) & 1U) != 0;
  }

 private:
  static uint32_t Place(Symbol symbol) { return symbol % (64 * 32); }
  std::array<uint64_t, 32> bits_{};
};

class DisguiseIndex::Walk {
 public:
  // Offsets of hits are counted from `base`, which is that of the skeleton's first byte. `hits` and
  // `growths` may be null: not asked for.
  Walk(const DisguiseIndex& index, std::string_view skeleton, uint64_t base, std::vector<Hit>* hits,
       const GrowthVisit* growths)
      : index_(index), skeleton_(skeleton), base_(base), hits_(hits), growths_(growths) {}

  // Finds what begins at `start`.
  void From(size_t start) {
    start_ = start;
    Place place;
    place.at = start;
    Go(place);
  }
  // The same where the first symbol is this one.
  void From(size_t start, const TextSymbol& first) {
    start_ = start;
    Take(Place{}, first);
  }

 private:
  struct Place {
    size_t at = 0;
    PrefixSet::Path path;
    const PrefixSet::Prefix* prefix = nullptr;  // at `path`; null for one symbol
    Symbol last = 0;                            // 0: none yet
    char32_t before = 0;  // the last letter of the composite that ends here, or 0
    bool certain = true;
    bool tone = false;           // a digit here may be a tone
    const Read* only = nullptr;  // the one symbol so far, if it is a character alone
  };

  bool ends(const Place& place) const { return place.at == skeleton_.size(); }

  void Go(const Place& place);

  // Whether a composite may begin with `c`, which ends at `next`.
  bool MayCompose(char32_t c, size_t next) const;

  // Takes what `c`, which ends at `next`, may be by itself.
  void TakeAlone(const Place& place, char32_t c, size_t next);

  // `only`: what the symbol is, if it is the first one and a character alone.
  void Take(const Place& from, const TextSymbol& symbol, const Read* only = nullptr);

  void NoteGrowths(const Place& place);

  void Visit(const Growth& growth) {
    if (growths_ != nullptr && !(*growths_)(growth)) growths_ = nullptr;
  }

  const DisguiseIndex& index_;
  const std::string_view skeleton_;
  const uint64_t base_;
  std::vector<Hit>* const hits_;
  const GrowthVisit* growths_;  // null: not asked for, or told enough
  size_t start_ = 0;
  SymbolSet seconds_;  // what this character may be:
  char32_t seconds_of_ = kInvalidByte;
};

}  // namespace weir::rules
