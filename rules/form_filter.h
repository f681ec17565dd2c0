// Where in a text of symbols a form may begin: bit tables over the first symbols of all forms.
//
// A table is asked about two, three or four symbols in a row and answers yes for all that some form
// begins with, and for about one in forty others. So what a scan costs is decided by how often
// ordinary text sounds or looks like the beginning of a form, and not by how many forms there are.
//
// Immutable and thread-safe once built.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "rules/prefix_set.h"

namespace weir::rules {

// Stands for a symbol: random bits, but for the lowest, which are 0 and free for a table of marks
// to keep something in. A mark of 0 is no symbol, or one that is in no form.
using Mark = uint32_t;
inline constexpr Mark kMarkFreeBits = 0xF;
Mark MarkOf(char32_t symbol);

class FormFilter {
 public:
  FormFilter() = default;
  // `forms` as strings of symbols. `collapsed`, by form: 1 for those that a text has only where the
  // skeleton has dropped a repeat.
  FormFilter(const PrefixSet& forms, std::span<const uint8_t> collapsed);

  // Whether some form begins with these and goes on, or is these.
  bool BeginsWith(Mark first, Mark second) const { return pairs_.Has(Hash(first, second, 0)); }
  uint32_t BeginsWith(Mark first, Mark second, Mark third) const {
    return triples_.Bit(Hash(first, second, third));
  }
  // Of three that some form begins with: whether they may be one, or begin one with the fourth.
  bool GoesOn(Mark first, Mark second, Mark third, Mark fourth) const {
    return longer_.Has(Again(first, second, third, 0)) ||
           (fourth != 0 && longer_.Has(Again(first, second, third, fourth)));
  }
  // Whether these may be a form; and of two that are: one that is not collapsed.
  bool IsWhole(Mark first) const { return singles_.Has(first); }
  uint32_t IsWhole(Mark first, Mark second) const {
    return whole_pairs_.Bit(Hash(first, second, 0));
  }
  bool IsWholeAsItIs(Mark first, Mark second) const {
    return longer_.Has(Again(first, second, 0, 0));
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
    uint32_t Bit(uint32_t hash) const {
      const uint32_t place = hash >> shift_;
      return (words_[place >> 5] >> (place % 32)) & 1U;
    }
    bool Has(uint32_t hash) const { return Bit(hash) != 0; }
    size_t memory_bytes() const { return words_.capacity() * sizeof(uint32_t); }

   private:
    std::vector<uint32_t> words_ = std::vector<uint32_t>(1);
    uint32_t shift_ = 31;  // words_ holds 2^(32 - this) bits
  };
  static uint32_t Hash(Mark first, Mark second, Mark third) {
    return first ^ std::rotl(second, 11) ^ std::rotl(third, 21);
  }
  static uint32_t Again(Mark first, Mark second, Mark third, Mark fourth) {
    return Hash(first, second, third) * 0x9E3779B1U + (third ^ std::rotl(fourth, 7)) * 0x85EBCA77U;
  }

  Bits pairs_;
  Bits triples_;
  Bits longer_;  // forms of two and three, and the first four of those of more
  Bits whole_pairs_;
  Bits singles_;
  bool has_pairs_ = false;    // forms of two
  bool has_singles_ = false;  // forms of one
};

}  // namespace weir::rules
