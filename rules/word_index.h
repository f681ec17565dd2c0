// All words of a rule set: found with one scan of the skeleton lane, confirmed in the original
// text, and held back by their prefixes.
//
// What matches in `exact` or `fold` also matches in `skeleton`, so one scan serves every lane; a
// hit is then read again in the original, where the match is narrowed to the fewest bytes that
// show it and the finest lane is decided.
//
// The hold-back of a stream is the longest suffix of the text that could still grow into a word:
// a suffix of the skeleton that is a proper prefix of some word's skeleton, and that the word's
// lanes, counts and edges still allow.
//
// Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/literal_index.h"
#include "rules/rule.h"
#include "rules/word.h"

namespace weir::rules {

// Which scans look for a word: bit 0 prompts, bit 1 answers, bits 2 and 3 what is decoded from
// them.
using DirectionSet = uint8_t;
inline constexpr DirectionSet kNoDirection = 0;
constexpr DirectionSet DirectionBit(Direction direction) {
  return static_cast<DirectionSet>(1U << static_cast<int>(direction));
}
constexpr DirectionSet DecodedBit(DirectionSet directions) {
  return static_cast<DirectionSet>(directions << 2U);
}

// One word of one matcher or exception of one rule.
struct WordUse {
  Word word;
  uint32_t leaf = 0;  // what the owner calls the matcher
  DirectionSet directions = kNoDirection;
  bool exception = false;  // never a finding of its own, so never a reason to hold text back
  bool part = false;  // of an all or near: a reason to hold text back only if it could complete it
  // Of a word read as kNumerals: its rule, and the word as it folds, with the lanes in which it is
  // also looked for so.
  uint32_t rule = 0;
  std::shared_ptr<const Word> plain = nullptr;
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
    Span span;  // kNeedMore: from where to hold, and where it does not end before
    Lane lane = Lane::kExact;
  };
  using Hit = LiteralIndex::Hit;

  WordIndex() = default;
  WordIndex(WordIndex&&) noexcept = default;
  WordIndex& operator=(WordIndex&&) noexcept = default;

  static WordIndex Build(std::vector<WordUse> uses);

  bool empty() const { return uses_.empty(); }

  // Appends every place in the skeleton text where a word stands, ordered by where it begins;
  // `offset` is the lane offset of the text's first byte.
  void Scan(std::string_view skeleton, uint64_t offset, std::vector<Hit>& hits) const {
    literals_.Scan(skeleton, offset, hits);
  }

  // The uses of a literal: all words with that skeleton.
  std::span<const WordUse> Uses(uint32_t literal) const {
    return {uses_.data() + literal_first_[literal],
            literal_first_[literal + 1] - literal_first_[literal]};
  }
  size_t SkeletonBytes(uint32_t literal) const {
    return literals_.strings().literal(literal).size();
  }

  // Reads the word at the hit again in the original. `head` is where the skeleton's first
  // character begins there, `second` where the second does (any value for words of one run).
  static Confirmed Confirm(const Word& word, const OriginalText& text, LaneText::Place head,
                           LaneText::Place second);

  // Whether `written`, which shows `use` read as kNumerals, is also found as it folds: by this word
  // or by another of its rule that numerals make the same. Then it is told already, and no later
  // than here, where a numeral at the edge is a digit that others may continue.
  bool IsFoundAsItFolds(const WordUse& use, std::string_view written) const;

  // What of the end of a text could still grow into a word.
  struct Tail {
    uint64_t skeleton;  // lane offset from where the next scan must begin
    uint64_t hold;      // byte from where to hold back, but for parts; text.end(): nothing is held
  };
  // `from` is the lane offset that the last Tail gave: an earlier suffix cannot come to life again.
  Tail FindTail(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                DirectionSet direction) const;
  // Calls `visit(leaf, start)` for every byte from which the text could still grow into a word: of
  // those that are parts, or of `each` word that is no exception. One pair may come several times.
  void ForEachGrowing(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                      DirectionSet direction, bool each,
                      absl::FunctionRef<void(uint32_t, uint64_t)> visit) const;
  // The least byte from which an exception of `leaf` could still grow; text.end() if none.
  uint64_t FindExceptionTail(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                             uint32_t leaf) const;

  size_t memory_bytes() const;

 private:
  using Prefix = PrefixSet::Prefix;
  // What holding back needs to know of the uses whose skeleton a prefix begins.
  struct PrefixUses {
    DirectionSet plain = 0;   // some use holds without a further look
    DirectionSet spaced = 0;  // some use holds when the left edge is free
    DirectionSet other = 0;   // some use must be compared in full
    DirectionSet part = 0;    // some use is a part
  };

  void AddPrefixes(uint32_t use);

  template <typename Accept, typename Visit>
  void ForEachStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                    const LaneText& skeleton, const OriginalText& text, Accept accept,
                    Visit visit) const;
  uint64_t HoldStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                     const LaneText& skeleton, const OriginalText& text,
                     DirectionSet direction) const;

  std::vector<WordUse> uses_;            // sorted by skeleton
  std::vector<uint32_t> literal_first_;  // literal -> its first use; one more at the end
  std::vector<uint8_t> compared_;        // use -> 1 if some prefix must be compared in full
  LiteralIndex literals_;                // the skeletons
  std::vector<PrefixUses> prefix_uses_;  // by number of the prefix
  DirectionSet parts_ = kNoDirection;    // of all words that are parts
};

}  // namespace weir::rules
