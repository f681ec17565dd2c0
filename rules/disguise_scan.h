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

  // Gives away what the text completes. Skeleton behind lane offset `scanned` is new. The text is
  // held from byte `held` on in any case: what is behind need not be read.
  void Advance(const OriginalText& text, const LaneText& skeleton, uint64_t scanned, uint64_t held,
               Occurrences& occurrences);

  // After Advance(): the byte from which a word that is no part could still become a finding, or
  // `held` if that is before it.
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

  // A place in the skeleton from which words can still grow.
  struct Start {
    uint64_t at;
    bool certain;  // see DisguiseIndex::Grown
  };

  void FindHits(const OriginalText& text, const LaneText& skeleton, uint64_t scanned);
  void ConfirmHit(const DisguiseIndex::Hit& hit, const OriginalText& text, const LaneText& skeleton,
                  LaneText::Ascent& ascent, Occurrences& occurrences);
  void Confirm(PendingHit hit, const OriginalText& text, const LaneText& skeleton,
               Occurrences& occurrences);
  void FindHold(const OriginalText& text, const LaneText& skeleton);
  void FindHoldFrom(const Start& start, const OriginalText& text, const LaneText& skeleton);
  template <typename AcceptGrowth, typename AcceptUse, typename Visit>
  void ForEachGrowing(uint64_t from, const OriginalText& text, const LaneText& skeleton,
                      AcceptGrowth accept_growth, AcceptUse accept_use, Visit visit) const;

  const DisguiseIndex* words_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  bool whole_ = false;
  std::vector<DisguiseIndex::Hit> hits_;
  std::vector<Start> starts_;  // in order
  std::vector<PendingHit> pending_;
  std::vector<PendingHit> undecided_;  // of pending_, while they are looked at again
  std::vector<Start> earlier_;         // of starts_, while they are followed again
  uint64_t lane_keep_ = 0;
  uint64_t hold_ = 0;
};

}  // namespace weir::rules
