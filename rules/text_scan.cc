#include "rules/text_scan.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <hs/hs.h>

#include "rules/status_macros.h"

namespace weir::rules {
namespace {

struct ScratchDeleter {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

// Hyperscan's working memory of this thread: one, grown to the greatest database seen.
absl::StatusOr<hs_scratch_t*> ScratchFor(const RuleSet::Compiled& compiled) {
  thread_local std::unique_ptr<hs_scratch_t, ScratchDeleter> scratch;
  thread_local uint64_t fits_serial = 0;
  if (fits_serial == compiled.serial) return scratch.get();
  for (const hs_database* database :
       {compiled.expressions.database(true), compiled.expressions.database(false)}) {
    if (database == nullptr) continue;
    hs_scratch_t* grown = scratch.release();
    const hs_error_t error = hs_alloc_scratch(database, &grown);
    scratch.reset(grown);
    if (error != HS_SUCCESS) {
      return absl::ResourceExhaustedError("no memory for Hyperscan's scratch space");
    }
  }
  fits_serial = compiled.serial;
  return scratch.get();
}

constexpr Lane kExpressionLanes[] = {Lane::kExact, Lane::kFold, Lane::kSkeleton};

}  // namespace

void TextScan::Begin(const RuleSet::Compiled& compiled, DirectionSet direction, bool whole) {
  compiled_ = &compiled;
  direction_ = direction;
  whole_ = whole;
  running_ = compiled_->expressions.lanes();
  if (!compiled_->words.empty()) running_ |= LaneBit(Lane::kSkeleton);
  for (LaneText& lane_text : lanes_) lane_text.Clear();
  for (uint64_t& end : lane_ends_) end = 0;
  normalised_ = 0;
  words_.Begin(compiled_->words, direction_, whole);
  if (!whole && !compiled_->expressions.empty()) {
    for (const Lane which : kExpressionLanes) {
      expressions_[static_cast<size_t>(which)].Begin(compiled_->expressions, which, direction_);
    }
  }
  DetectorSet detectors = 0;
  own_detectors_ = 0;
  for (const auto& use : compiled_->detectors) {
    if ((use.directions & direction_) == 0) continue;
    detectors |= DetectorBit(use.detector);
    if (!IsPart(use.leaf)) own_detectors_ |= DetectorBit(use.detector);
  }
  detector_scan_.Begin(detectors);
  hold_ = 0;
}

absl::Status TextScan::Advance(const OriginalText& text, Occurrences& occurrences) {
  Normalise(text);
  FindWords(text, occurrences);
  WEIR_RETURN_IF_ERROR(FindExpressions(text, occurrences));
  FindDetected(text, occurrences);
  hold_ = std::min({words_.hold(), expression_hold_, text.end()});
  for (const DetectorScan::Pending& pending : detector_scan_.pending()) {
    if ((pending.undecided & own_detectors_) != 0) hold_ = std::min(hold_, pending.at);
  }
  return absl::OkStatus();
}

bool TextScan::IsPart(uint32_t leaf) const {
  return compiled_->leaves[leaf].composite != kAbsent;
}

void TextScan::ListGrowing(const OriginalText& text, bool each,
                           std::vector<Growing>& growing) const {
  words_.ListGrowing(text, lane(Lane::kSkeleton), each, growing);
  for (const Lane which : kExpressionLanes) {
    if ((compiled_->expressions.lanes() & LaneBit(which)) == 0) continue;
    expressions_[static_cast<size_t>(which)].ForEachGrowing(
        each, [&](const ExpressionStream::GrowingMatch& match) {
          const uint64_t start = lane(which).Origin(match.start);
          growing.push_back(
              {match.leaf, start, match.ended ? start : Growing::kBehindText, match.open});
        });
  }
  for (const DetectorScan::Pending& pending : detector_scan_.pending()) {
    for (const auto& use : compiled_->detectors) {
      if ((use.directions & direction_) == 0 || (!each && !IsPart(use.leaf)) ||
          (pending.undecided & DetectorBit(use.detector)) == 0) {
        continue;
      }
      growing.push_back({use.leaf, pending.at, pending.at, /*open=*/false});
    }
  }
}

void TextScan::Normalise(const OriginalText& text) {
  const std::string_view added = text.Between(normalised_, text.end());
  for (const Lane which : kExpressionLanes) {
    if (!Runs(which)) continue;
    lane_ends_[static_cast<size_t>(which)] = lane(which).end();
    lane(which).Append(added, normalised_);
  }
  normalised_ = text.end();
}

void TextScan::FindWords(const OriginalText& text, Occurrences& occurrences) {
  words_.Advance(text, lane(Lane::kSkeleton), lane_ends_[static_cast<size_t>(Lane::kSkeleton)],
                 occurrences);
}

absl::Status TextScan::FindExpressions(const OriginalText& text, Occurrences& occurrences) {
  WEIR_ASSIGN_OR_RETURN(hs_scratch_t* const scratch, ScratchFor(*compiled_));
  expression_hold_ = text.end();
  for (const Lane which : kExpressionLanes) {
    if ((compiled_->expressions.lanes() & LaneBit(which)) == 0) continue;
    if (whole_) {
      WEIR_RETURN_IF_ERROR(FindExpressionsInWhole(which, text, scratch, occurrences));
      continue;
    }
    const auto index = static_cast<size_t>(which);
    expression_matches_.clear();
    expressions_[index].Advance(lane(which), lane_ends_[index], text.final, expression_matches_);
    for (const ExpressionStream::Match& match : expression_matches_) {
      AddExpressionMatch(text, which, match.use, match.span, occurrences);
    }
    const uint64_t hold = expressions_[index].HoldStart(lane(which).end());
    if (hold < lane(which).end()) {
      expression_hold_ = std::min(expression_hold_, lane(which).Origin(hold));
    }
  }
  return absl::OkStatus();
}

absl::Status TextScan::FindExpressionsInWhole(Lane which, const OriginalText& text,
                                              hs_scratch_t* scratch, Occurrences& occurrences) {
  const ExpressionIndex& expressions = compiled_->expressions;
  const std::string_view lane_text = lane(which).From(0);
  candidates_.clear();
  WEIR_RETURN_IF_ERROR(expressions.Prefilter(which, lane_text, scratch, candidates_));
  for (const uint32_t use : candidates_) {
    if ((expressions.use(use).directions & direction_) == 0) continue;
    Span match;
    for (size_t from = 0; expressions.Find(use, which, lane_text, from, match);
         from = static_cast<size_t>(match.end)) {
      AddExpressionMatch(text, which, use, match, occurrences);
    }
  }
  return absl::OkStatus();
}

void TextScan::AddExpressionMatch(const OriginalText& text, Lane which, uint32_t use, Span match,
                                  Occurrences& occurrences) {
  // The match ends with the original of its last character, whatever that folded to.
  const std::string_view matched =
      lane(which).From(match.start).substr(0, static_cast<size_t>(match.end - match.start));
  const uint64_t last =
      lane(which).Origin(match.end - DecodeBefore(matched, matched.size()).length);
  const uint32_t length = DecodeAt(text.bytes, static_cast<size_t>(last - text.base)).length;
  occurrences.Add(text, compiled_->expressions.use(use).leaf, which, Detector::kNone,
                  {lane(which).Origin(match.start), last + length});
}

void TextScan::FindDetected(const OriginalText& text, Occurrences& occurrences) {
  detected_.clear();
  detector_scan_.Advance(text, detected_);
  for (const DetectorMatch& match : detected_) {
    for (const auto& use : compiled_->detectors) {
      if (use.detector == match.detector && (use.directions & direction_) != 0) {
        occurrences.Add(text, use.leaf, match.lane, match.detector, match.span);
      }
    }
  }
}

uint64_t TextScan::ExceptionHold(const OriginalText& text, uint32_t exception) const {
  return words_.ExceptionHold(text, lane(Lane::kSkeleton), exception);
}

// The lane offset from which a lane is still needed.
uint64_t TextScan::LaneTail(Lane which) const {
  uint64_t tail = lane(which).end();
  if (which == Lane::kSkeleton) tail = std::min(tail, words_.lane_keep());
  if ((compiled_->expressions.lanes() & LaneBit(which)) != 0) {
    tail = std::min(tail, expressions_[static_cast<size_t>(which)].TailStart(lane(which).end()));
  }
  return tail;
}

uint64_t TextScan::Undecided(const OriginalText& text) const {
  uint64_t first = text.end();
  if (!detector_scan_.pending().empty()) first = detector_scan_.pending().front().at;
  first = words_.KeepFrom(first);
  for (const Lane which : kExpressionLanes) {
    if (!Runs(which)) continue;
    const uint64_t tail = LaneTail(which);
    if (tail < lane(which).end()) first = std::min(first, lane(which).Origin(tail));
  }
  return first;
}

void TextScan::Forget() {
  for (const Lane which : kExpressionLanes) {
    if (!Runs(which)) continue;
    const uint64_t from = LaneTail(which);
    // A word boundary looks at the byte before.
    lane(which).Forget(from > lane(which).begin() ? from - 1 : from);
  }
}

}  // namespace weir::rules
