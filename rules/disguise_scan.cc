#include "rules/disguise_scan.h"

#include <algorithm>
#include <utility>

namespace weir::rules {

void DisguiseScan::Begin(const DisguiseIndex& words, DirectionSet direction, bool whole) {
  words_ = &words;
  direction_ = direction;
  whole_ = whole;
  starts_.clear();
  pending_.clear();
  lane_keep_ = hold_ = 0;
}

void DisguiseScan::Narrow(DirectionSet direction) {
  direction_ = direction;
  std::erase_if(pending_,
                [&](const PendingHit& hit) { return (hit.use->directions & direction) == 0; });
  for (Start& start : starts_) start.certain = false;  // of other directions perhaps
}

void DisguiseScan::Advance(const OriginalText& text, const LaneText& skeleton, uint64_t scanned,
                           uint64_t held, Occurrences& occurrences) {
  hold_ = held;
  lane_keep_ = skeleton.end();
  if (words_->empty()) return;
  if (!pending_.empty()) {
    undecided_.clear();
    std::swap(undecided_, pending_);
    for (const PendingHit& hit : undecided_) Confirm(hit, text, skeleton, occurrences);
  }
  if (skeleton.end() > scanned) {
    FindHits(text, skeleton, scanned);
    LaneText::Ascent ascent(skeleton);
    for (const DisguiseIndex::Hit& hit : hits_) {
      if (hit.end <= scanned) continue;  // seen before
      ConfirmHit(hit, text, skeleton, ascent, occurrences);
    }
  }
  if (whole_) return;
  FindHold(text, skeleton);
}

void DisguiseScan::FindHits(const OriginalText& text, const LaneText& skeleton, uint64_t scanned) {
  hits_.clear();
  if (whole_) {
    words_->Scan(text, skeleton, hits_);
    return;
  }
  // A place from which nothing could grow stays so.
  earlier_.clear();
  std::swap(earlier_, starts_);
  const auto follow = [&](uint64_t at) {
    const DisguiseIndex::Grown grown = words_->ScanFrom(skeleton, at, direction_, hits_);
    if (grown.any) starts_.push_back({at, grown.certain});
  };
  for (const Start& start : earlier_) follow(start.at);
  const std::string_view added = skeleton.From(scanned);
  for (size_t at = 0; at < added.size(); at += DecodeAt(added, at).length) follow(scanned + at);
}

// Confirms what the form of a hit stands for.
void DisguiseScan::ConfirmHit(const DisguiseIndex::Hit& hit, const OriginalText& text,
                              const LaneText& skeleton, LaneText::Ascent& ascent,
                              Occurrences& occurrences) {
  const std::string_view found =
      skeleton.From(hit.start).substr(0, static_cast<size_t>(hit.end - hit.start));
  PendingHit pending{};
  ascent.Seek(hit.start);
  pending.place.head = ascent.Origin(hit.start);
  pending.place.first = DecodeAt(found, 0).c;
  pending.place.last = ascent.Origin(hit.end - DecodeBefore(found, found.size()).length);
  pending.end = hit.end;
  const bool repeats =
      ascent.DropsBefore(hit.end) && HasRepeats(text, pending.place.head, pending.place.last + 1);
  if (!repeats && words_->IsCollapsed(hit.form)) return;
  words_->ForEachUse(hit.form, [&](const WordUse& use) {
    if ((use.directions & direction_) == 0 ||
        !MayBeDisguise(words_->lane(), use.word, found, repeats, /*whole=*/true)) {
      return;
    }
    pending.use = &use;
    Confirm(pending, text, skeleton, occurrences);
  });
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

// Visits, for every use that the skeleton from `from` on could still become, where its word may
// begin. It is as well not to ask about what is not accepted: of a growth there may be thousands.
template <typename AcceptGrowth, typename AcceptUse, typename Visit>
void DisguiseScan::ForEachGrowing(uint64_t from, const OriginalText& text, const LaneText& skeleton,
                                  AcceptGrowth accept_growth, AcceptUse accept_use,
                                  Visit visit) const {
  const uint64_t head = skeleton.Origin(from);
  const std::string_view found = skeleton.From(from);
  const char32_t first = DecodeAt(found, 0).c;
  const bool is_free = first >= 0x80 || FindFirst(words_->lane(), text, head, first).is_free;
  if (!is_free && !words_->HasWordFrom(first)) return;
  // Repeats of the last character leave what it was read as.
  const bool repeats =
      skeleton.DropsBetween(from, skeleton.end() - DecodeBefore(found, found.size()).length);
  words_->ForEachGrowth(found, [&](const DisguiseIndex::Growth& growth) {
    if (!accept_growth(growth)) return true;
    words_->ForEachUse(growth, [&](const WordUse& use) {
      if ((use.directions & direction_) == 0 || !accept_use(use) ||
          (!is_free && use.word.runs.front().c != first) ||
          !MayBeDisguise(words_->lane(), use.word, found, repeats, /*whole=*/false)) {
        return;
      }
      ForEachDisguiseStart(words_->lane(), use.word, text, head, first,
                           [&](uint64_t start) { visit(use, start); });
    });
    return true;
  });
}

void DisguiseScan::FindHold(const OriginalText& text, const LaneText& skeleton) {
  for (const PendingHit& hit : pending_) {
    if (!hit.use->exception && !hit.use->part) hold_ = std::min(hold_, hit.span.start);
    lane_keep_ = std::min(lane_keep_, hit.end);
  }
  if (!starts_.empty()) lane_keep_ = std::min(lane_keep_, starts_.front().at);
  for (const Start& start : starts_) {
    if (skeleton.Origin(start.at) >= hold_) break;  // they begin further and further behind
    FindHoldFrom(start, text, skeleton);
  }
}

void DisguiseScan::FindHoldFrom(const Start& start, const OriginalText& text,
                                const LaneText& skeleton) {
  const uint64_t head = skeleton.Origin(start.at);
  const char32_t first = DecodeAt(skeleton.From(start.at), 0).c;
  bool is_held = false;
  if (start.certain) {
    const FirstCharacter found = FindFirst(words_->lane(), text, head, first);
    hold_ = std::min(hold_, found.last_copy);
    is_held = found.last_copy < text.end();
    if (is_held && (found.is_only || head >= hold_)) return;
  }
  // What is held from the last copy can at most be held from an earlier one.
  ForEachGrowing(
      start.at, text, skeleton,
      [&](const DisguiseIndex::Growth& growth) {
        return hold_ > head && (!is_held || words_->MayRepeat(growth, direction_));
      },
      [&](const WordUse& use) {
        return !use.exception && !use.part && hold_ > head &&
               (!is_held || MayBeginWithTwo(words_->lane(), use.word, first));
      },
      [&](const WordUse&, uint64_t begin) { hold_ = std::min(hold_, begin); });
}

void DisguiseScan::ListGrowing(const OriginalText& text, const LaneText& skeleton, bool each,
                               std::vector<Growing>& growing) const {
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception || (!each && !hit.use->part)) continue;
    growing.push_back({hit.use->leaf, hit.span.start, hit.span.end, false});
  }
  if (!each && (words_->parts() & direction_) == 0) return;
  for (const Start& start : starts_) {
    ForEachGrowing(
        start.at, text, skeleton, [](const DisguiseIndex::Growth&) { return true; },
        [&](const WordUse& use) { return each ? !use.exception : use.part; },
        [&](const WordUse& use, uint64_t begin) {
          growing.push_back({use.leaf, begin, Growing::kBehindText, false});
        });
  }
}

uint64_t DisguiseScan::ExceptionHold(const OriginalText& text, const LaneText& skeleton,
                                     uint32_t exception) const {
  uint64_t hold = text.end();
  for (const PendingHit& hit : pending_) {
    if (hit.use->exception && hit.use->leaf == exception) hold = std::min(hold, hit.span.start);
  }
  for (const Start& start : starts_) {
    ForEachGrowing(
        start.at, text, skeleton, [](const DisguiseIndex::Growth&) { return true; },
        [&](const WordUse& use) { return use.exception && use.leaf == exception; },
        [&](const WordUse&, uint64_t begin) { hold = std::min(hold, begin); });
  }
  return hold;
}

uint64_t DisguiseScan::KeepFrom(uint64_t byte) const {
  for (const PendingHit& hit : pending_) byte = std::min({byte, hit.span.start, hit.place.head});
  return byte;
}

}  // namespace weir::rules
