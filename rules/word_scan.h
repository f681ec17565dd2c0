// The words of one scan: what the word index finds in the skeleton, confirmed, with the hits that
// the text has not decided yet and the byte from which a word could still grow.
//
// Not thread-safe; steady state allocates nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/occurrences.h"
#include "rules/word_index.h"

namespace weir::rules {

class WordScan {
 public:
  // With `whole`, one Advance() brings the whole text. `words` must outlive the scan.
  void Begin(const WordIndex& words, DirectionSet direction, bool whole);

  // Goes on for the words of `direction` alone.
  void Narrow(DirectionSet direction);

  // Gives away what the text completes. Skeleton behind lane offset `scanned` is new.
  void Advance(const OriginalText& text, const LaneText& skeleton, uint64_t scanned,
               Occurrences& occurrences);

  // After Advance(): the byte from which a word that is no part could still become a finding;
  // text.end() if none.
  uint64_t hold() const { return hold_; }
  // Appends the parts that are growing, or `each` word that is no exception.
  void ListGrowing(const OriginalText& text, const LaneText& skeleton, bool each,
                   std::vector<Growing>& growing) const;
  // The same for the words of one exception.
  uint64_t ExceptionHold(const OriginalText& text, const LaneText& skeleton,
                         uint32_t exception) const;
  // What later calls need: skeleton from this lane offset on, and the original from this byte on.
  uint64_t lane_keep() const { return tail_; }
  uint64_t KeepFrom(uint64_t byte) const;

 private:
  // A hit that the text has not decided yet.
  struct PendingHit {
    const WordUse* use;
    LaneText::Place head;
    LaneText::Place second;
    Span span;  // from where it would begin to where it does not end before
  };

  void ConfirmHits(const OriginalText& text, const LaneText& skeleton, uint64_t behind,
                   Occurrences& occurrences);
  void Confirm(PendingHit hit, const OriginalText& text, Occurrences& occurrences);

  const WordIndex* words_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  bool whole_ = false;
  std::vector<WordIndex::Hit> hits_;
  std::vector<PendingHit> pending_;
  std::vector<PendingHit> undecided_;  // of pending_, while they are looked at again
  uint64_t tail_ = 0;                  // lane offset from where a word could still grow
  uint64_t hold_ = 0;
};

}  // namespace weir::rules
