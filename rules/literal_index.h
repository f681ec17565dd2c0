// A set of strings, found in a lane's text with one look, and the suffixes of a text that could
// still become one of them.
//
// The scan asks a bit table about each pair of neighbouring characters whether some string begins
// so; where one does, the prefixes are followed from there. Its speed hardly depends on the number
// of strings, and building takes time in proportion to it. (README.md, Decisions, says why this is
// not Hyperscan's literal matcher.) Prefixes are kept as hashes: a string that is found is compared
// in full, but of two prefixes with one hash one may be taken for the other.
//
// Knows nothing of rules, lanes or originals. Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "rules/lane_text.h"

namespace weir::rules {

class LiteralIndex {
 public:
  // A place in the text: string number `literal` ends there.
  struct Hit {
    uint32_t literal;
    uint64_t end;  // lane offset
  };
  // The beginning of some string, or all of it.
  struct Prefix {
    uint32_t first = 0;  // the strings of which it is a proper prefix are [first, last)
    uint32_t last = 0;
    uint32_t literal = kNoLiteral;  // the string that it is itself
    uint32_t number = 0;            // from 0, for what a caller knows of each prefix
  };
  static constexpr uint32_t kNoLiteral = 0xFFFFFFFF;

  LiteralIndex() = default;
  LiteralIndex(LiteralIndex&&) noexcept = default;
  LiteralIndex& operator=(LiteralIndex&&) noexcept = default;

  // `literals` are UTF-8, not empty, sorted and distinct; their places are their numbers.
  static LiteralIndex Build(const std::vector<std::string_view>& literals);

  size_t literal_count() const { return ends_.empty() ? 0 : ends_.size() - 1; }
  std::string_view literal(uint32_t number) const {
    return std::string_view(bytes_).substr(ends_[number], ends_[number + 1] - ends_[number]);
  }
  size_t prefix_count() const { return prefixes_.size(); }

  // Appends every place in `lane` where a string stands, ordered by where it begins; `offset` is
  // the lane offset of the first byte.
  void Scan(std::string_view lane, uint64_t offset, std::vector<Hit>& hits) const;

  // Whether a string may begin with the characters with these keys; `third` is 0 where the text
  // ends. For callers that walk along texts in their own way.
  bool MayBegin(uint32_t first, uint32_t second, uint32_t third) const {
    const uint32_t pair = PairHash(first, second);
    if (third != 0) {
      const uint32_t triple = PairHash(pair, third);
      if (triples_.Has(triple >> starts_shift_) && triples_again_.Has(Again(triple, third))) {
        return true;
      }
    }
    return has_pairs_ && whole_pairs_.Has(pair >> starts_shift_);
  }
  // The UTF-8 bytes of `c`, the first in the low ones.
  static uint32_t Key(char32_t c);
  // Whether strings of two characters are among them.
  bool has_pairs() const { return has_pairs_; }

  // Calls visit(start, prefix) for each suffix of `lane` that is a proper prefix of a string, the
  // shortest first. None reaches over a kLaneBreak.
  template <typename Visit>
  void ForEachTail(std::string_view lane, Visit visit) const;

  // A prefix being followed one character at a time.
  class Path {
   public:
    Path Then(char32_t c) const { return {hash_ + Mix(c) * power_, power_ * kBase}; }

   private:
    friend class LiteralIndex;
    Path(uint64_t hash, uint64_t power) : hash_(hash), power_(power) {}
    uint64_t hash_;
    uint64_t power_;
  };
  static Path Root() { return {0, 1}; }
  // Null when no string begins so.
  const Prefix* Find(const Path& path) const {
    const auto found = prefixes_.find(path.hash_);
    return found == prefixes_.end() ? nullptr : &found->second;
  }

  bool has_single_characters() const { return has_single_characters_; }

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
  uint32_t Again(uint32_t triple, uint32_t third) const {
    return ((triple ^ (triple >> 15)) * 0xC2B2AE3DU + third) >> starts_shift_;
  }
  // H(c1 c2 ...) = Mix(c1) + kBase * H(c2 ...), so that a suffix is lengthened to the left by one
  // step, and a prefix to the right.
  static constexpr uint64_t kBase = 0x9E3779B97F4A7C15U;
  static uint64_t Mix(char32_t c) {
    uint64_t x = c + 0x632BE59BD9B4E019U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
  }

  void AddPrefixes(uint32_t number);
  void BuildStarts();
  bool MayBeginAt(std::string_view lane, size_t third, uint32_t pair_hash) const;
  void Follow(std::string_view lane, size_t at, uint64_t offset, std::vector<Hit>& hits) const;

  std::string bytes_;           // the strings
  std::vector<uint32_t> ends_;  // in bytes_: of string i - 1, which is where string i begins
  absl::flat_hash_map<uint64_t, Prefix> prefixes_;
  uint32_t starts_shift_ = 31;          // the tables below have 2^(32 - this) bits
  Starts pairs_;                        // the first two characters of strings of two and more
  Starts whole_pairs_;                  // strings of two
  Starts triples_;                      // the first three of strings of three and more
  Starts triples_again_;                // the same by another hash, for those that walk
  bool has_single_characters_ = false;  // strings of one
  bool has_pairs_ = false;              // strings of two
  size_t characters_max_ = 0;
  std::vector<uint64_t> first_characters_;  // bit c: some string begins with c (below U+10000)
};

template <typename Visit>
void LiteralIndex::ForEachTail(std::string_view lane, Visit visit) const {
  if (prefixes_.empty()) return;
  uint64_t hash = 0;
  size_t characters = 0;
  for (size_t end = lane.size(), start = 0; end > 0; end = start) {
    if (++characters > characters_max_) break;
    start = end - 1;
    if (lane[start] == kLaneBreak) break;
    while ((static_cast<unsigned char>(lane[start]) & 0xC0U) == 0x80U) --start;
    const char32_t c = DecodeAt(lane, start).c;
    hash = hash * kBase + Mix(c);
    if (c < 0x10000 && ((first_characters_[c / 64] >> (c % 64)) & 1U) == 0) continue;
    const auto found = prefixes_.find(hash);
    if (found != prefixes_.end() && found->second.last != 0) visit(start, found->second);
  }
}

}  // namespace weir::rules
