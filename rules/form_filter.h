// Where in a text of symbols a form may begin: bit tables over the first symbols of all forms.
//
// A table is asked about two, three or four symbols in a row and answers yes for all that some form
// begins with, and for about one in forty others. So what a scan costs is decided by how often
// ordinary text sounds or looks like the beginning of a form, and not by how many forms there are.
//
// Immutable and thread-safe once built.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>

#include "rules/character_block.h"
#include "rules/prefix_set.h"

namespace weir::rules {

// Stands for a symbol: random bits, but for the lowest, which are free: they say of a text's
// character whether a composite may begin with it, whether one may go on with it, and whether it
// may be read otherwise than as its symbol. 0 is no symbol, or one that is in no form.
using Mark = uint32_t;
inline constexpr Mark kBeginsComposite = 1;
inline constexpr Mark kGoesOnComposite = 2;
inline constexpr Mark kSeveralReadings = 4;
inline constexpr Mark kMarkFreeBits = 0xF;
inline Mark MarkOf(char32_t symbol) {
  uint32_t x = symbol + 0x9E3779B9U;
  x = (x ^ (x >> 16)) * 0x21F0AAADU;
  x = (x ^ (x >> 15)) * 0x735A2D97U;
  return ((x ^ (x >> 15)) & ~kMarkFreeBits) | (kMarkFreeBits + 1);
}

// A mark for each character of a block, and for those behind it that a filter looks at.
using BlockMarks = std::array<Mark, CharacterBlock::kSize>;
// As if the characters were symbols.
void MarkCharacters(const CharacterBlock& block, BlockMarks& marks);
// From a table of the characters below U+10000; the others are looked up by `rare`.
void MarkCharacters(const CharacterBlock& block, std::span<const Mark> table,
                    absl::FunctionRef<Mark(char32_t)> rare, BlockMarks& marks);

// Places of a block, a bit for each.
struct PlaceSet {
  std::array<uint8_t, CharacterBlock::kSize / 8> bits;

  void Add(size_t place) { bits[place / 8] |= static_cast<uint8_t>(1U << (place % 8)); }
  // Calls visit(place), in order, for those below `end`.
  template <typename Visit>
  void ForEach(size_t end, Visit visit) const {
    for (size_t first = 0; first < end; first += 64) {
      uint64_t word = 0;
      std::memcpy(&word, bits.data() + first / 8, std::min<size_t>(8, bits.size() - first / 8));
      if (end - first < 64) word &= (uint64_t{1} << (end - first)) - 1;
      for (; word != 0; word &= word - 1) {
        visit(first + static_cast<size_t>(std::countr_zero(word)));
      }
    }
  }
};

class FormFilter {
 public:
  FormFilter() = default;
  // What a text must have beyond a form's symbols, for some use of the form: bits, any of which
  // will do.
  using Needs = uint8_t;
  static constexpr Needs kNothing = 1;
  static constexpr Needs kRepeat = 2;  // the skeleton has dropped one
  // At symbol 0 to 3, a character of several readings.
  static constexpr Needs NeedsReadingsAt(size_t symbol) { return static_cast<Needs>(4U << symbol); }

  // `forms` as strings of symbols; by form what they need, empty if none needs anything.
  FormFilter(const PrefixSet& forms, std::span<const Needs> needs);

  // What the marks of a block tell: where a form of two symbols may stand or one of more begin, and
  // where a composite may.
  struct Starts {
    PlaceSet forms;
    PlaceSet composites;
  };
  // Asks about `places` and at least two more.
  void FindStarts(const BlockMarks& marks, size_t places, Starts& starts) const;
  // Leaves of the places those where a form may stand or begin, and adds those of one symbol.
  void NarrowStarts(const BlockMarks& marks, size_t places, PlaceSet& forms) const;
  // Of such a place: whether a form of three may stand there, or one of more begin.
  bool MayBeginWith(const Mark* marks) const {
    const uint32_t triple = Hash(marks[0], marks[1], marks[2]);
    if (!triples_.Has(triple)) return false;
    const uint64_t* const line = longer_.Line(triple);
    if (Lines::Has(line, Rest(triple, 0, 0)) || Lines::Has(line, Rest(triple, marks[3], 0))) {
      return true;
    }
    for (uint32_t i = 0; i < 4; ++i) {
      if ((marks[i] & kSeveralReadings) == 0) continue;
      if (Lines::Has(line, Rest(triple, 0, i + 1)) ||
          Lines::Has(line, Rest(triple, marks[3], i + 1))) {
        return true;
      }
    }
    return false;
  }
  // Makes MayBeginWith() quick, some time later.
  void Prefetch(const Mark* marks) const {
    __builtin_prefetch(longer_.Line(Hash(marks[0], marks[1], marks[2])));
  }

  // The same of single places. Whether some form begins with these and goes on, or is these.
  bool BeginsWith(Mark first, Mark second) const { return pairs_.Has(Hash(first, second)); }
  bool BeginsWith(Mark first, Mark second, Mark third) const {
    return triples_.Has(Hash(first, second, third));
  }
  // Whether these may be a form; and of two that are: one that needs no repeat.
  bool IsWhole(Mark first) const { return singles_.Has(first & ~kMarkFreeBits); }
  bool IsWhole(Mark first, Mark second) const { return whole_pairs_.Has(Hash(first, second)); }
  bool IsWholeAsItIs(Mark first, Mark second) const {
    return pairs_as_they_are_.Has(Hash(first, second));
  }
  bool has_pairs() const { return has_pairs_; }
  bool has_singles() const { return has_singles_; }

  size_t memory_bytes() const;

 private:
  // Bits over hashes.
  class Bits {
   public:
    // For `entries`, at `each` bits for one, but no more than 2^`log_max`.
    void Resize(size_t entries, size_t each, uint32_t log_max);
    void Set(uint32_t hash) { words_[hash >> shift_ >> 5] |= 1U << ((hash >> shift_) % 32); }
    bool Has(uint32_t hash) const {
      const uint32_t place = hash >> shift_;
      return ((words_[place >> 5] >> (place % 32)) & 1U) != 0;
    }
    const uint32_t* words() const { return words_.data(); }
    uint32_t shift() const { return shift_; }
    size_t memory_bytes() const { return words_.capacity() * sizeof(uint32_t); }

   private:
    std::vector<uint32_t> words_ = std::vector<uint32_t>(1);
    uint32_t shift_ = 31;  // words_ holds 2^(32 - this) bits
  };
  static uint32_t Hash(Mark first, Mark second) {
    return (first & ~kMarkFreeBits) ^ std::rotl(second & ~kMarkFreeBits, 11);
  }
  static uint32_t Hash(Mark first, Mark second, Mark third) {
    return Hash(first, second) ^ std::rotl(third & ~kMarkFreeBits, 21);
  }
  // Bits over two hashes, the first of which names 512 in a row: several questions cost one miss
  // of the caches.
  class Lines {
   public:
    void Resize(size_t entries, size_t each, uint32_t log_max);
    const uint64_t* Line(uint32_t hash) const { return &words_[(hash * kMix >> shift_) * 8]; }
    static bool Has(const uint64_t* line, uint32_t rest) {
      return ((line[rest / 64] >> (rest % 64)) & 1U) != 0;
    }
    void Set(uint32_t hash, uint32_t rest) {
      words_[(hash * kMix >> shift_) * 8 + rest / 64] |= uint64_t{1} << (rest % 64);
    }
    size_t memory_bytes() const { return words_.capacity() * sizeof(uint64_t); }

   private:
    static constexpr uint32_t kMix = 0x9E3779B1U;
    std::vector<uint64_t> words_ = std::vector<uint64_t>(16);
    uint32_t shift_ = 31;  // words_ holds 2^(32 - this) lines
  };
  // What follows three symbols: the fourth or 0, and 1 more than the place that needs readings.
  static uint32_t Rest(uint32_t triple, Mark fourth, uint32_t needs) {
    return ((triple ^ std::rotl(fourth & ~kMarkFreeBits, 5)) + needs * 0xC2B2AE35U) * 0x85EBCA77U >>
           23;
  }
  void Add(const std::array<Mark, 4>& marks, size_t symbols, Needs needs);
  void FindStartsAvx2(const Mark* marks, size_t places, Starts& starts) const;

  Bits pairs_;
  Bits triples_;
  Lines longer_;  // forms of three, and the first four of those of more
  Bits whole_pairs_;
  Bits pairs_as_they_are_;
  Bits singles_;
  bool has_pairs_ = false;    // forms of two
  bool has_singles_ = false;  // forms of one
};

}  // namespace weir::rules
