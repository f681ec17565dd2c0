// Where in a text some of many short sequences may stand: bit tables over one, two and three marks
// in a row, asked about all places of a block at once.
//
// A table answers yes for what was added and for a few in a hundred others. So what a scan costs is
// decided by how often ordinary text has what is looked for, and not by how much that is.
//
// Immutable and thread-safe once filled.
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

namespace weir::rules {

// Stands for a character, or for a class of characters: random bits, but for the lowest, which are
// free. 0 is none that anything was added for.
using Mark = uint32_t;
inline constexpr Mark kMarkFreeBits = 0xF;
// What a disguise index says in them of a text's character: that a composite may begin with it,
// that one is to be looked for there in any case, that it has further classes, that it may be
// several characters of a word where the text repeats it.
inline constexpr Mark kBeginsComposite = 1;
inline constexpr Mark kSeeksComposite = 2;
inline constexpr Mark kHasFurtherClasses = 4;
inline constexpr Mark kMayBeSeveral = 8;
inline Mark MarkOf(uint32_t of) {
  uint32_t x = of + 0x9E3779B9U;
  x = (x ^ (x >> 16)) * 0x21F0AAADU;
  x = (x ^ (x >> 15)) * 0x735A2D97U;
  return ((x ^ (x >> 15)) & ~kMarkFreeBits) | (kMarkFreeBits + 1);
}

// A mark for each character of a block, and for those behind it that a filter looks at.
using BlockMarks = std::array<Mark, CharacterBlock::kSize>;
// Of the characters themselves.
void MarkCharacters(const CharacterBlock& block, BlockMarks& marks);
// From a table of the characters below U+10000; the others are looked up by `rare`.
void MarkCharacters(const CharacterBlock& block, std::span<const Mark> table,
                    absl::FunctionRef<Mark(char32_t)> rare, BlockMarks& marks);

// Places of a block, a bit for each.
struct PlaceSet {
  std::array<uint8_t, CharacterBlock::kSize / 8> bits;

  // Adds those of `other` below `end`.
  void Add(const PlaceSet& other, size_t end) {
    for (size_t i = 0; i < (end + 7) / 8; ++i) bits[i] |= other.bits[i];
  }

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

// The places whose marks have a flag.
void FindFlag(const BlockMarks& marks, size_t places, Mark flag, PlaceSet& found);

// A set of hashes, as two bits of one word for each: says of some others, too, that they are in it.
class HashBits {
 public:
  // For `entries`, at `each` bits for one, but no more than 2^`log_max`.
  void Resize(size_t entries, size_t each, uint32_t log_max);
  void Set(uint32_t hash) {
    const uint32_t place = hash >> shift_;
    words_[place >> 5] |= 1U << (place % 32) | 1U << (hash % 32);
  }
  bool Has(uint32_t hash) const {
    const uint32_t place = hash >> shift_;
    const uint32_t word = words_[place >> 5];
    return ((word >> (place % 32) & word >> (hash % 32)) & 1U) != 0;
  }
  void Prefetch(uint32_t hash) const { __builtin_prefetch(&words_[hash >> shift_ >> 5]); }
  const uint32_t* words() const { return words_.data(); }
  uint32_t shift() const { return shift_; }
  size_t memory_bytes() const { return words_.capacity() * sizeof(uint32_t); }

 private:
  std::vector<uint32_t> words_ = std::vector<uint32_t>(1);
  uint32_t shift_ = 31;  // words_ holds 2^(32 - this) bits
};

class FormFilter {
 public:
  static constexpr size_t kMarksMax = 3;
  // How many of one, of two and of three marks.
  using Counts = std::array<size_t, kMarksMax>;

  FormFilter() = default;
  explicit FormFilter(const Counts& counts);

  static uint32_t Hash(Mark first) { return first & ~kMarkFreeBits; }
  static uint32_t Hash(Mark first, Mark second) {
    return Hash(first) ^ std::rotl(second & ~kMarkFreeBits, 11);
  }
  static uint32_t Hash(Mark first, Mark second, Mark third) {
    return Hash(first, second) ^ std::rotl(third & ~kMarkFreeBits, 21);
  }
  // Of `size` marks.
  static uint32_t Hash(const Mark* marks, size_t size) {
    return size == 1   ? Hash(marks[0])
           : size == 2 ? Hash(marks[0], marks[1])
                       : Hash(marks[0], marks[1], marks[2]);
  }

  // `size` marks with this hash.
  void Add(size_t size, uint32_t hash) { bits_[size - 1].Set(hash); }
  bool has(size_t size) const { return has_[size - 1]; }
  bool Has(size_t size, uint32_t hash) const { return bits_[size - 1].Has(hash); }

  // The places where something added of `size` marks may stand: asks about `places` and two more.
  void FindForms(size_t size, const BlockMarks& marks, size_t places, PlaceSet& found) const;

  size_t memory_bytes() const;

 private:
  void FindFormsAvx2(size_t size, const Mark* marks, size_t places, PlaceSet& found) const;

  std::array<HashBits, kMarksMax> bits_;
  std::array<bool, kMarksMax> has_{};
};

}  // namespace weir::rules
