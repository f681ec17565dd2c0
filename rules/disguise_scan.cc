#include "rules/disguise_scan.h"

#include <algorithm>
#include <utility>

namespace weir::rules {

void DisguiseScan::Begin(const DisguiseIndex& words, DirectionSet direction, bool whole) {
  words_ = &words;
  direction_ = direction;
  whole_ = whole;
  growths_.clear();
  pending_.clear();
  lane_keep_ = hold_ = 0;
}

void DisguiseScan::Narrow(DirectionSet direction) {
  direction_ = direction;
  std::erase_if(pending_,
                [&](const PendingHit& hit) { return (hit.use->directions & direction) == 0; });
}

void DisguiseScan::Advance(const OriginalText& text, const LaneText& skeleton, uint64_t scanned,
                           Occurrences& occurrences) {
  hold_ = text.end();
  lane_keep_ = skeleton.end();
  if (words_->empty()) return;
  if (!pending_.empty()) {
    undecided_.clear();
    std::swap(undecided_, pending_);
    for (const PendingHit& hit : undecided_) Confirm(hit, text, skeleton, occurrences);
  }
  if (skeleton.end() > scanned) {
    FindHits(skeleton, scanned);
    for (const DisguiseIndex::Hit& hit : hits_) {
      if (hit.end <= scanned) continue;  // seen before
      PendingHit pending{};
      pending.place.head = skeleton.Origin(hit.start);
      pending.place.first = DecodeAt(skeleton.From(hit.start), 0).c;
      const std::string_view found =
          skeleton.From(hit.start).substr(0, static_cast<size_t>(hit.end - hit.start));
      pending.place.last = skeleton.Origin(hit.end - DecodeBefore(found, found.size()).length);
      pending.end = hit.end;
      words_->ForEachUse(hit.form, [&](const WordUse& use) {
        if ((use.directions & direction_) == 0) return;
        pending.use = &use;
        Confirm(pending, text, skeleton, occurrences);
      });
    }
  }
  if (whole_) return;
  FindHold(text, skeleton);
}

void DisguiseScan::FindHits(const LaneText& skeleton, uint64_t scanned) {
  hits_.clear();
  if (whole_) {
    words_->Scan(skeleton.From(0), hits_);
    return;
  }
  // A place from which nothing could grow stays so.
  starts_.clear();
  for (const DisguiseIndex::Growth& growth : growths_) {
    if (starts_.empty() || starts_.back() != growth.start) starts_.push_back(growth.start);
  }
  growths_.clear();
  const uint64_t base = starts_.empty() ? scanned : starts_.front();
  const std::string_view tail = skeleton.From(base);
  for (const uint64_t start : starts_) {
    words_->ScanFrom(tail, static_cast<size_t>(start - base), base, hits_, growths_);
  }
  for (size_t at = static_cast<size_t>(scanned - base); at < tail.size();
       at += DecodeAt(tail, at).length) {
    words_->ScanFrom(tail, at, base, hits_, growths_);
  }
}

void DisguiseScan::Confirm(PendingHit hit, const OriginalText& text, const LaneText& skeleton,
                           Occurrences& occurrences) {
  // Where a break stands is told by the original alone.
  if (hit.place.next == DisguisePlace::kNoEnd && skeleton.end() > hit.end &&
      skeleton.From(hit.end)[0] != kLaneBreak) {
    hit.place.next = std::max(skeleton.Origin(hit.end), hit.place.last + 1);
  }
  const WordIndex::Confirmed confirmed =
      ConfirmDisguise(words_->lane(), hit.use->word, text, hit.place);
  switch (confirmed.outcome) {
    case WordIndex::Outcome::kNoMatch:
      break;
    case WordIndex::Outcome::kNeedMore:
      hit.span = confirmed.span;
      pending_.push_back(hit);
      break;
    case WordIndex::Outcome::kMatch:
      if (hit.use->exception) {
        occurrences.AddException(text, hit.use->leaf, confirmed.span);
      } else {
        occurrences.Add(text, hit.use->leaf, confirmed.lane, Detector::kNone, confirmed.span);
      }
      break;
  }
}

// Visits, for every use of a growth that `accept` takes, where its word may begin.
template <typename Accept, typename Visit>
void DisguiseScan::ForEachGrowing(const DisguiseIndex::Growth& growth, const OriginalText& text,
                                  const LaneText& skeleton, Accept accept, Visit visit) const {
  const uint64_t head = skeleton.Origin(growth.start);
  const char32_t first = DecodeAt(skeleton.From(growth.start), 0).c;
  words_->ForEachUse(growth, [&](const WordUse& use) {
    if ((use.directions & direction_) == 0 || !accept(use)) return;
    ForEachDisguiseStart(words_->lane(), use.word, text, head, first,
                         [&](uint64_t start) { visit(use, start); });
  });
}

void DisguiseScan::FindHold(const OriginalText& text, const LaneText& skeleton) {
  for (const PendingHit& hit : pending_) {
    if (!hit.use->exception && !hit.use->part) hold_ = std::min(hold_, hit.span.start);
    lane_keep_ = std::min(lane_keep_, hit.end);
  }
  if (!growths_.empty()) lane_keep_ = std::min(lane_keep_, growths_.front().start);
  for (const DisguiseIndex::Growth& growth : growths_) {
    const uint64_t head = skeleton.Origin(growth.start);
    if (head >= hold_) break;  // they begin further and further behind
    if (words_->GrowsCertainly(growth, direction_)) {
      const char32_t first = DecodeAt(skeleton.From(growth.start), 0).c;
      const uint64_t start = LastCopy(words_->lane(), text, head, first);
      hold_ = std::min(hold_, start);
      if (head >= hold_) break;
      if (start < text.end() && !words_->MayRepeat(growth, direction_)) continue;
    }
    ForEachGrowing(
        growth, text, skeleton,
        [&](const WordUse& use) { return !use.exception && !use.part && hold_ > head; },
        [&](const WordUse&, uint64_t start) { hold_ = std::min(hold_, start); });
  }
}

void DisguiseScan::ListGrowing(const OriginalText& text, const LaneText& skeleton, bool each,
                               std::vector<Growing>& growing) const {
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception || (!each && !hit.use->part)) continue;
    growing.push_back({hit.use->leaf, hit.span.start, hit.span.end, false});
  }
  if (!each && (words_->parts() & direction_) == 0) return;
  for (const DisguiseIndex::Growth& growth : growths_) {
    ForEachGrowing(
        growth, text, skeleton,
        [&](const WordUse& use) { return each ? !use.exception : use.part; },
        [&](const WordUse& use, uint64_t start) {
          growing.push_back({use.leaf, start, Growing::kBehindText, false});
        });
  }
}

uint64_t DisguiseScan::ExceptionHold(const OriginalText& text, const LaneText& skeleton,
                                     uint32_t exception) const {
  uint64_t hold = text.end();
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception && hit.use->leaf == exception) hold = std::min(hold, hit.span.start);
  }
  for (const DisguiseIndex::Growth& growth : growths_) {
    ForEachGrowing(
        growth, text, skeleton,
        [&](const WordUse& use) { return use.exception && use.leaf == exception; },
        [&](const WordUse&, uint64_t start) { hold = std::min(hold, start); });
  }
  return hold;
}

uint64_t DisguiseScan::KeepFrom(uint64_t byte) const {
  for (const PendingHit& hit : pending_) byte = std::min({byte, hit.span.start, hit.place.head});
  return byte;
}

}  // namespace weir::rules
