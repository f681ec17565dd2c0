// A set of strings, found in a lane's text with one look, and the suffixes of a text that could
// still become one of them.
//
// The scan asks a bit table about each pair of neighbouring characters whether some string begins
// so; where one does, the prefixes are followed from there. Its speed hardly depends on the number
// of strings, and building takes time in proportion to it. (README.md, Decisions, says why this is
// not Hyperscan's literal matcher.) A string that is found is compared in full; of two prefixes one
// may be taken for the other (prefix_set.h).
//
// Knows nothing of rules, lanes or originals. Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "rules/lane_text.h"
#include "rules/prefix_set.h"

namespace weir::rules {

class LiteralIndex {
 public:
  // A place in the text: string number `literal` ends there.
  struct Hit {
    uint32_t literal;
    uint64_t end;  // lane offset
  };

  LiteralIndex() = default;
  LiteralIndex(LiteralIndex&&) noexcept = default;
  LiteralIndex& operator=(LiteralIndex&&) noexcept = default;

  // `literals` are UTF-8, not empty, sorted and distinct; their places are their numbers.
  static LiteralIndex Build(const std::vector<std::string_view>& literals);

  const PrefixSet& strings() const { return strings_; }

  // Appends every place in `lane` where a string stands, ordered by where it begins; `offset` is
  // the lane offset of the first byte.
  void Scan(std::string_view lane, uint64_t offset, std::vector<Hit>& hits) const;

  // Calls visit(start, prefix) for each suffix of `lane` that is a proper prefix of a string, the
  // shortest first. None reaches over a kLaneBreak.
  template <typename Visit>
  void ForEachTail(std::string_view lane, Visit visit) const;

  size_t memory_bytes() const;

 private:
  // A character as its UTF-8 bytes, the first in the low ones.
  struct RawCharacter {
    uint32_t bytes;
    uint32_t length;
  };
  static RawCharacter ReadRaw(std::string_view text, size_t at);
  // Bit tables over hashes of the first characters of strings, taken as their UTF-8 bytes.
  struct Starts {
    std::vector<uint64_t> bits;
    void Set(uint32_t place) { bits[place / 64] |= uint64_t{1} << (place % 64); }
    bool Has(uint32_t place) const { return ((bits[place / 64] >> (place % 64)) & 1U) != 0; }
  };
  static uint32_t PairHash(uint32_t first, uint32_t second) {
    return first * 0x9E3779B1U + second * 0x85EBCA77U;
  }

  void BuildStarts();
  bool MayBeginAt(std::string_view lane, size_t third, uint32_t pair_hash) const;
  void Follow(std::string_view lane, size_t at, uint64_t offset, std::vector<Hit>& hits) const;

  PrefixSet strings_;
  uint32_t starts_shift_ = 31;              // the tables below have 2^(32 - this) bits
  Starts pairs_;                            // the first two characters of strings of two and more
  Starts whole_pairs_;                      // strings of two
  Starts triples_;                          // the first three of strings of three and more
  bool has_single_characters_ = false;      // strings of one
  std::vector<uint64_t> first_characters_;  // bit c: some string begins with c (below U+10000)
};

template <typename Visit>
void LiteralIndex::ForEachTail(std::string_view lane, Visit visit) const {
  if (strings_.empty()) return;
  PrefixSet::Path path;
  size_t characters = 0;
  for (size_t end = lane.size(), start = 0; end > 0; end = start) {
    if (++characters > strings_.characters_max()) break;
    start = end - 1;
    if (lane[start] == kLaneBreak) break;
    while ((static_cast<unsigned char>(lane[start]) & 0xC0U) == 0x80U) --start;
    const char32_t c = DecodeAt(lane, start).c;
    path = path.Behind(c);
    if (c < 0x10000 && ((first_characters_[c / 64] >> (c % 64)) & 1U) == 0) continue;
    const PrefixSet::Prefix* const prefix = strings_.Find(path);
    if (prefix != nullptr && prefix->last != 0) visit(start, *prefix);
  }
}

}  // namespace weir::rules
