// All words of a rule set: found with one scan of the skeleton lane, confirmed in the original
// text, and held back by a set of their prefixes.
//
// The scan asks a bit table about each pair of neighbouring characters whether some word begins so;
// where one does, the prefixes are followed from there. Its speed hardly depends on the number of
// words, and building takes time in proportion to it. (README.md, Decisions, says why this is not
// Hyperscan's literal matcher.)
//
// What matches in `exact` or `fold` also matches in `skeleton`, so one scan serves every lane; a
// hit is then read again in the original, where the match is narrowed to the fewest bytes that
// show it and the finest lane is decided.
//
// The hold-back of a stream is the longest suffix of the text that could still grow into a word:
// a suffix of the skeleton that is a proper prefix of some word's skeleton, and that the word's
// lanes, counts and edges still allow. Prefixes are kept as hashes; two with one hash would only
// hold some text longer than needed.
//
// Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/rule.h"
#include "rules/word.h"

namespace weir::rules {

// Which scans look for a word: bit 0 prompts, bit 1 answers.
using DirectionSet = uint8_t;
inline constexpr DirectionSet kNoDirection = 0;
constexpr DirectionSet DirectionBit(Direction direction) {
  return static_cast<DirectionSet>(1U << static_cast<int>(direction));
}

// One word of one matcher or exception of one rule.
struct WordUse {
  Word word;
  uint32_t leaf = 0;  // what the owner calls the matcher
  DirectionSet directions = kNoDirection;
  bool exception = false;  // never a finding of its own, so never a reason to hold text back
};

struct Span {
  uint64_t start = 0;
  uint64_t end = 0;
};

class WordIndex {
 public:
  enum class Outcome : uint8_t { kMatch, kNoMatch, kNeedMore };
  struct Confirmed {
    Outcome outcome = Outcome::kNoMatch;
    Span span;  // kNeedMore: from where to hold
    Lane lane = Lane::kExact;
  };
  // A place in the skeleton: word `literal` ends there.
  struct Hit {
    uint32_t literal;
    uint64_t end;  // lane offset
  };

  WordIndex() = default;
  WordIndex(WordIndex&&) noexcept = default;
  WordIndex& operator=(WordIndex&&) noexcept = default;

  static WordIndex Build(std::vector<WordUse> uses);

  bool empty() const { return uses_.empty(); }

  // Appends every place in the skeleton text where a word stands, ordered by where it begins;
  // `offset` is the lane offset of the text's first byte.
  void Scan(std::string_view skeleton, uint64_t offset, std::vector<Hit>& hits) const;

  // The uses of a literal: all words with that skeleton.
  std::span<const WordUse> Uses(uint32_t literal) const {
    return {uses_.data() + literal_first_[literal],
            literal_first_[literal + 1] - literal_first_[literal]};
  }
  size_t SkeletonBytes(uint32_t literal) const {
    return uses_[literal_first_[literal]].word.skeleton.size();
  }

  // Reads the word at the hit again in the original. `head` is where the skeleton's first
  // character begins there, `second` where the second does (any value for words of one run).
  static Confirmed Confirm(const Word& word, const OriginalText& text, uint64_t head,
                           uint64_t second);

  // What of the end of a text could still grow into a word.
  struct Tail {
    uint64_t skeleton;  // lane offset from where the next scan must begin
    uint64_t hold;      // byte from where to hold back; text.end() when nothing is held
  };
  // `from` is the lane offset that the last Tail gave: an earlier suffix cannot come to life again.
  Tail FindTail(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                DirectionSet direction) const;
  // The least byte from which an exception of `leaf` could still grow; text.end() if none.
  uint64_t FindExceptionTail(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                             uint32_t leaf) const;

  size_t memory_bytes() const;

 private:
  // A prefix of some word's skeleton, or all of it. The uses of which it is a proper prefix are
  // [first, last).
  struct Prefix {
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t literal = kNoLiteral;  // the word that it is itself
    DirectionSet plain = 0;         // some use holds without a further look
    DirectionSet spaced = 0;        // some use holds when the left edge is free
    DirectionSet other = 0;         // some use must be compared in full
  };
  static constexpr uint32_t kNoLiteral = 0xFFFFFFFF;

  void AddPrefixes(uint32_t use);
  void BuildStarts();
  bool MayBegin(std::string_view skeleton, size_t third, uint32_t pair_hash) const;
  void Follow(std::string_view skeleton, size_t at, uint64_t offset, std::vector<Hit>& hits) const;
  // Bit tables over hashes of the first characters of words, taken as their UTF-8 bytes.
  struct Starts {
    std::vector<uint64_t> bits;
    void Set(uint32_t place) { bits[place / 64] |= uint64_t{1} << (place % 64); }
    bool Has(uint32_t place) const { return ((bits[place / 64] >> (place % 64)) & 1U) != 0; }
  };
  static uint32_t PairHash(uint32_t first, uint32_t second) {
    return first * 0x9E3779B1U + second * 0x85EBCA77U;
  }

  template <typename Accept>
  uint64_t LeastStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                      const LaneText& skeleton, const OriginalText& text, Accept accept) const;
  uint64_t HoldStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                     const LaneText& skeleton, const OriginalText& text,
                     DirectionSet direction) const;

  std::vector<WordUse> uses_;            // sorted by skeleton
  std::vector<uint8_t> compared_;        // use -> 1 if some prefix must be compared in full
  std::vector<uint32_t> literal_first_;  // literal -> its first use; one more at the end
  absl::flat_hash_map<uint64_t, Prefix> prefixes_;
  uint32_t starts_shift_ = 31;          // the tables below have 2^(32 - this) bits
  Starts pairs_;                        // the first two characters of words of two and more
  Starts whole_pairs_;                  // words of two
  Starts triples_;                      // the first three of words of three and more
  bool has_single_characters_ = false;  // words of one run
  size_t prefix_characters_max_ = 0;
  std::vector<uint64_t> first_characters_;  // bit c: some skeleton begins with c (below U+10000)
};

}  // namespace weir::rules
