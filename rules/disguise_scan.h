// The disguised words of one scan: what a disguise index finds in the skeleton, confirmed, with the
// hits that the text has not decided yet and the byte from which a word could still grow.
//
// Not thread-safe; steady state allocates next to nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/disguise_index.h"
#include "rules/disguise_match.h"
#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/occurrences.h"

namespace weir::rules {

class DisguiseScan {
 public:
  // With `whole`, one Advance() brings the whole text. `words` must outlive the scan.
  void Begin(const DisguiseIndex& words, DirectionSet direction, bool whole);
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
  uint64_t lane_keep() const { return lane_keep_; }
  uint64_t KeepFrom(uint64_t byte) const;

 private:
  // A hit that the text has not decided yet.
  struct PendingHit {
    const WordUse* use;
    DisguisePlace place;
    uint64_t end;  // lane offset
    Span span;     // from where it would begin to where it does not end before
  };

  void FindHits(const LaneText& skeleton, uint64_t scanned);
  void Confirm(PendingHit hit, const OriginalText& text, const LaneText& skeleton,
               Occurrences& occurrences);
  void FindHold(const OriginalText& text, const LaneText& skeleton);
  template <typename Accept, typename Visit>
  void ForEachGrowing(const DisguiseIndex::Growth& growth, const OriginalText& text,
                      const LaneText& skeleton, Accept accept, Visit visit) const;

  const DisguiseIndex* words_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  bool whole_ = false;
  std::vector<DisguiseIndex::Hit> hits_;
  std::vector<DisguiseIndex::Growth> growths_;  // ordered by start
  std::vector<PendingHit> pending_;
  std::vector<PendingHit> undecided_;  // of pending_, while they are looked at again
  std::vector<uint64_t> starts_;       // of growths_, while they are followed again
  uint64_t lane_keep_ = 0;
  uint64_t hold_ = 0;
};

}  // namespace weir::rules
