#include "rules/word_scan.h"

#include <algorithm>
#include <utility>

namespace weir::rules {

void WordScan::Begin(const WordIndex& words, DirectionSet direction, bool whole) {
  words_ = &words;
  direction_ = direction;
  whole_ = whole;
  pending_.clear();
  tail_ = hold_ = 0;
}

void WordScan::Narrow(DirectionSet direction) {
  direction_ = direction;
  std::erase_if(pending_,
                [&](const PendingHit& hit) { return (hit.use->directions & direction) == 0; });
}

void WordScan::Advance(const OriginalText& text, const LaneText& skeleton, uint64_t scanned,
                       Occurrences& occurrences) {
  hold_ = text.end();
  if (words_->empty()) {
    tail_ = skeleton.end();
    return;
  }
  if (!pending_.empty()) {
    undecided_.clear();
    std::swap(undecided_, pending_);
    for (const PendingHit& hit : undecided_) Confirm(hit, text, occurrences);
  }
  if (skeleton.end() > scanned) {
    hits_.clear();
    words_->Scan(skeleton.From(tail_), tail_, hits_);
    ConfirmHits(text, skeleton, scanned, occurrences);
  }
  if (whole_) return;
  const WordIndex::Tail tail = words_->FindTail(skeleton, tail_, text, direction_);
  tail_ = tail.skeleton;
  hold_ = tail.hold;
  for (const PendingHit& hit : pending_) {
    if (!hit.use->exception && !hit.use->part) hold_ = std::min(hold_, hit.span.start);
  }
}

// Confirms the hits that end behind lane offset `behind`; the others were seen before.
void WordScan::ConfirmHits(const OriginalText& text, const LaneText& skeleton, uint64_t behind,
                           Occurrences& occurrences) {
  for (const WordIndex::Hit& hit : hits_) {
    if (hit.end <= behind) continue;
    const uint64_t start = hit.end - words_->SkeletonBytes(hit.literal);
    const uint64_t second = start + DecodeAt(skeleton.From(start), 0).length;
    PendingHit pending{};
    pending.head = skeleton.PlaceOf(start);
    pending.second = second < hit.end ? skeleton.PlaceOf(second) : pending.head;
    for (const WordUse& use : words_->Uses(hit.literal)) {
      if ((use.directions & direction_) == 0) continue;
      pending.use = &use;
      Confirm(pending, text, occurrences);
    }
  }
}

void WordScan::Confirm(PendingHit hit, const OriginalText& text, Occurrences& occurrences) {
  const WordIndex::Confirmed confirmed =
      WordIndex::Confirm(hit.use->word, text, hit.head, hit.second);
  if (confirmed.outcome == WordIndex::Outcome::kNoMatch) return;
  if (words_->IsFoundAsItFolds(*hit.use, text.Between(confirmed.span.start, confirmed.span.end))) {
    return;
  }
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

void WordScan::ListGrowing(const OriginalText& text, const LaneText& skeleton, bool each,
                           std::vector<Growing>& growing) const {
  words_->ForEachGrowing(skeleton, tail_, text, direction_, each,
                         [&](uint32_t leaf, uint64_t start) {
                           growing.push_back({leaf, start, Growing::kBehindText, false});
                         });
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception || (!each && !hit.use->part)) continue;
    growing.push_back({hit.use->leaf, hit.span.start, hit.span.end, false});
  }
}

uint64_t WordScan::ExceptionHold(const OriginalText& text, const LaneText& skeleton,
                                 uint32_t exception) const {
  uint64_t hold = words_->FindExceptionTail(skeleton, tail_, text, exception);
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception && hit.use->leaf == exception) hold = std::min(hold, hit.span.start);
  }
  return hold;
}

uint64_t WordScan::KeepFrom(uint64_t byte) const {
  for (const PendingHit& hit : pending_) byte = std::min({byte, hit.span.start, hit.head.origin});
  return byte;
}

}  // namespace weir::rules
