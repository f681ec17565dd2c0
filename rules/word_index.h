// All words of a rule set: found with one Hyperscan scan of the skeleton lane, confirmed in the
// original text, and held back by a set of their prefixes.
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
#include <memory>
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

struct hs_database;
struct hs_scratch;

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

  static absl::Status Build(std::vector<WordUse> uses, WordIndex& index);

  bool empty() const { return uses_.empty(); }
  const hs_database* database() const { return database_.get(); }

  // Scans skeleton text and appends the hits, `offset` being the lane offset of its first byte.
  absl::Status Scan(std::string_view skeleton, uint64_t offset, hs_scratch* scratch,
                    std::vector<Hit>& hits) const;

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
  struct DatabaseDeleter {
    void operator()(hs_database* database) const;
  };
  // The uses whose skeleton properly begins with a prefix are [first, last).
  struct Prefix {
    uint32_t first = 0;
    uint32_t last = 0;
    DirectionSet plain = 0;   // some use holds without a further look
    DirectionSet spaced = 0;  // some use holds when the left edge is free
    DirectionSet other = 0;   // some use must be compared in full
  };

  void BuildPrefixes();
  absl::Status BuildDatabase();
  template <typename Accept>
  uint64_t LeastStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                      const LaneText& skeleton, const OriginalText& text, Accept accept) const;
  uint64_t HoldStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                     const LaneText& skeleton, const OriginalText& text,
                     DirectionSet direction) const;

  std::vector<WordUse> uses_;            // sorted by skeleton
  std::vector<uint32_t> literal_first_;  // literal -> its first use; one more at the end
  std::unique_ptr<hs_database, DatabaseDeleter> database_;
  absl::flat_hash_map<uint64_t, Prefix> prefixes_;
  size_t prefix_characters_max_ = 0;
  std::vector<uint64_t> first_characters_;  // bit c: some skeleton begins with c (below U+10000)
};

}  // namespace weir::rules
