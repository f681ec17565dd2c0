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

OriginalText ReadAs(OriginalText text, Reading reading) {
  text.reading = reading;
  return text;
}

}  // namespace

void TextScan::Begin(const RuleSet::Compiled& compiled, DirectionSet direction, bool whole) {
  compiled_ = &compiled;
  direction_ = direction;
  whole_ = whole;
  const WordIndex* const words[] = {nullptr, nullptr, &compiled_->words, &compiled_->numeral_words,
                                    &compiled_->leet_words};
  for (size_t i = 0; i < std::size(views_); ++i) {
    View& view = views_[i];
    view.text.Clear();
    view.scanned = 0;
    view.words = words[i] == nullptr || words[i]->empty() ? nullptr : words[i];
    if (view.words != nullptr) view.word_scan.Begin(*view.words, direction_, whole);
    view.has_expressions = view.reading != Reading::kLeet &&
                           (compiled_->expressions.lanes() & LaneBit(view.lane)) != 0;
    view.has_disguises = view.lane == Lane::kSkeleton && view.reading == Reading::kFold &&
                         !(compiled_->sounds.empty() && compiled_->shapes.empty());
    if (view.has_disguises) {
      view.disguise_scans[0].Begin(compiled_->sounds, direction_, whole);
      view.disguise_scans[1].Begin(compiled_->shapes, direction_, whole);
    }
    if (view.has_expressions && !whole) {
      view.expressions.Begin(compiled_->expressions, view.lane, direction_);
    }
  }
  normalised_ = 0;
  detector_scan_.Begin(FindDetectors());
  hold_ = 0;
}

// Those that rules of this direction name.
DetectorSet TextScan::FindDetectors() {
  DetectorSet detectors = 0;
  own_detectors_ = 0;
  for (const auto& use : compiled_->detectors) {
    if ((use.directions & direction_) == 0) continue;
    detectors |= DetectorBit(use.detector);
    if (!IsPart(use.leaf)) own_detectors_ |= DetectorBit(use.detector);
  }
  return detectors;
}

void TextScan::GoOnFrom(const TextScan& other, DirectionSet direction) {
  *this = other;
  direction_ = direction;
  for (View& view : views_) {
    if (view.words != nullptr) view.word_scan.Narrow(direction);
    for (DisguiseScan& scan : view.disguise_scans) scan.Narrow(direction);
    if (view.has_expressions) view.expressions.Narrow(direction);
  }
  detector_scan_.Narrow(FindDetectors());
}

bool TextScan::ReadsOnLike(const TextScan& other) const {
  for (size_t i = 0; i < std::size(views_); ++i) {
    if (views_[i].runs() && !views_[i].text.ReadsOnLike(other.views_[i].text)) return false;
  }
  return true;
}

absl::Status TextScan::Advance(const OriginalText& text, Occurrences& occurrences) {
  Normalise(text);
  FindWords(text, occurrences);
  WEIR_RETURN_IF_ERROR(FindExpressions(text, occurrences));
  FindDetected(text, occurrences);
  hold_ = std::min({word_hold_, expression_hold_, text.end()});
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
  for (const View& view : views_) {
    if (view.words != nullptr) {
      view.word_scan.ListGrowing(ReadAs(text, view.reading), view.text, each, growing);
    }
    for (const DisguiseScan& words : view.Disguises()) {
      words.ListGrowing(text, view.text, each, growing);
    }
    if (!view.has_expressions) continue;
    view.expressions.ForEachGrowing(each, [&](const ExpressionStream::GrowingMatch& match) {
      const uint64_t start = view.text.Origin(match.start);
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
  for (View& view : views_) {
    if (!view.runs()) continue;
    view.scanned = view.text.end();
    view.text.Append(added, normalised_);
  }
  normalised_ = text.end();
}

void TextScan::FindWords(const OriginalText& text, Occurrences& occurrences) {
  word_hold_ = text.end();
  for (View& view : views_) {
    if (view.words != nullptr) {
      view.word_scan.Advance(ReadAs(text, view.reading), view.text, view.scanned, occurrences);
      word_hold_ = std::min(word_hold_, view.word_scan.hold());
    }
    for (DisguiseScan& words : view.Disguises()) {
      words.Advance(text, view.text, view.scanned, word_hold_, occurrences);
      word_hold_ = std::min(word_hold_, words.hold());
    }
  }
}

absl::Status TextScan::FindExpressions(const OriginalText& text, Occurrences& occurrences) {
  expression_hold_ = text.end();
  if (compiled_->expressions.empty()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(hs_scratch_t* const scratch, ScratchFor(*compiled_));
  for (View& view : views_) {
    if (!view.has_expressions) continue;
    if (whole_) {
      WEIR_RETURN_IF_ERROR(FindExpressionsInWhole(view, text, scratch, occurrences));
      continue;
    }
    expression_matches_.clear();
    view.expressions.Advance(view.text, view.scanned, text.final, expression_matches_);
    for (const ExpressionStream::Match& match : expression_matches_) {
      AddExpressionMatch(text, view, match.use, match.span, occurrences);
    }
    const uint64_t hold = view.expressions.HoldStart(view.text.end());
    if (hold < view.text.end()) {
      expression_hold_ = std::min(expression_hold_, view.text.Origin(hold));
    }
  }
  return absl::OkStatus();
}

absl::Status TextScan::FindExpressionsInWhole(const View& view, const OriginalText& text,
                                              hs_scratch_t* scratch, Occurrences& occurrences) {
  const ExpressionIndex& expressions = compiled_->expressions;
  const std::string_view lane_text = view.text.From(0);
  candidates_.clear();
  WEIR_RETURN_IF_ERROR(expressions.Prefilter(view.lane, lane_text, scratch, candidates_));
  for (const uint32_t use : candidates_) {
    if ((expressions.use(use).directions & direction_) == 0) continue;
    Span match;
    for (size_t from = 0; expressions.Find(use, view.lane, lane_text, from, match);
         from = static_cast<size_t>(match.end)) {
      AddExpressionMatch(text, view, use, match, occurrences);
    }
  }
  return absl::OkStatus();
}

void TextScan::AddExpressionMatch(const OriginalText& text, const View& view, uint32_t use,
                                  Span match, Occurrences& occurrences) {
  // The match ends with the original of its last character, whatever that folded to.
  const std::string_view matched =
      view.text.From(match.start).substr(0, static_cast<size_t>(match.end - match.start));
  const uint64_t last = view.text.Origin(match.end - DecodeBefore(matched, matched.size()).length);
  const uint32_t length = DecodeAt(text.bytes, static_cast<size_t>(last - text.base)).length;
  occurrences.Add(text, compiled_->expressions.use(use).leaf, view.lane, Detector::kNone,
                  {view.text.Origin(match.start), last + length});
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
  uint64_t hold = text.end();
  for (const View& view : views_) {
    if (view.words != nullptr) {
      hold = std::min(
          hold, view.word_scan.ExceptionHold(ReadAs(text, view.reading), view.text, exception));
    }
    for (const DisguiseScan& words : view.Disguises()) {
      hold = std::min(hold, words.ExceptionHold(text, view.text, exception));
    }
  }
  return hold;
}

uint64_t TextScan::View::Tail() const {
  uint64_t tail = text.end();
  if (words != nullptr) tail = std::min(tail, word_scan.lane_keep());
  if (has_expressions) tail = std::min(tail, expressions.TailStart(text.end()));
  for (const DisguiseScan& scan : Disguises()) tail = std::min(tail, scan.lane_keep());
  return tail;
}

uint64_t TextScan::Undecided(const OriginalText& text) const {
  uint64_t first = text.end();
  if (!detector_scan_.pending().empty()) first = detector_scan_.pending().front().at;
  for (const View& view : views_) {
    if (!view.runs()) continue;
    if (view.words != nullptr) first = view.word_scan.KeepFrom(first);
    for (const DisguiseScan& words : view.Disguises()) first = words.KeepFrom(first);
    const uint64_t tail = view.Tail();
    if (tail < view.text.end()) first = std::min(first, view.text.Origin(tail));
  }
  return first;
}

void TextScan::Forget() {
  for (View& view : views_) {
    if (!view.runs()) continue;
    const uint64_t from = view.Tail();
    // A word boundary looks at the byte before.
    view.text.Forget(from > view.text.begin() ? from - 1 : from);
  }
}

}  // namespace weir::rules
