// A scan, whole or in pieces, is one Pass: Normalise into lanes -> Prefilter (word index and
// Hyperscan, ids only) -> Confirm (in the original text, with RE2 and validators) -> Emit (all,
// near and exceptions).
//
// What a stream may release is computed after each piece: every engine says from which byte a
// match could still grow, and no findings begin before the least of these. In words: the longest
// suffix that could become one, exactly. In expressions: the earliest start of any place their
// programs are at. In numbers: the digits that could still become one. In undecided findings: where
// they begin.
#include "rules/scanner.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <hs/hs.h>

#include "rules/combiner.h"
#include "rules/compiled.h"
#include "rules/expression_index.h"
#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/number_scan.h"
#include "rules/status_macros.h"
#include "rules/word_scan.h"

namespace weir::rules {
namespace {

// What may be looked back at in text that has been released: the characters beside a word's edge,
// and the copies of a word's first character.
constexpr uint64_t kLookBackBytes =
    (kLookBackCharacters + uint64_t{kWordRunMax} * (kSeparatorRunMax + 1)) * 4;

constexpr uint64_t kNowhere = ~uint64_t{0};

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

bool Earlier(const Finding& a, const Finding& b) {
  return std::tie(a.end, a.start, a.rule, a.lane, b.detector) <
         std::tie(b.end, b.start, b.rule, b.lane, a.detector);
}

bool SamePlace(const Finding& a, const Finding& b) {
  return a.rule == b.rule && a.start == b.start && a.end == b.end;
}

constexpr Lane kExpressionLanes[] = {Lane::kExact, Lane::kFold, Lane::kSkeleton};

class Pass {
 public:
  // With `whole`, one Advance() brings the whole text.
  void Begin(const RuleSet& rules, Direction direction, bool whole);

  // `text` holds whole characters only and ends at the end of what has arrived.
  absl::Status Advance(const OriginalText& text, std::vector<Finding>& findings);

  // The byte from which text must be held back, and the one from which later calls need it.
  uint64_t hold() const { return hold_; }
  uint64_t keep() const { return keep_; }
  void Forget(const OriginalText& text, uint64_t offset) { combiner_.Forget(text, offset, hold_); }

 private:
  void Normalise(const OriginalText& text);
  void FindWords(const OriginalText& text);
  absl::Status FindExpressions(const OriginalText& text, hs_scratch_t* scratch);
  absl::Status FindExpressionsInWhole(Lane lane, const OriginalText& text, hs_scratch_t* scratch);
  void AddExpressionMatch(const OriginalText& text, Lane lane, uint32_t use, Span match);
  void FindNumbersIn(const OriginalText& text);
  void Emit(const OriginalText& text, std::vector<Finding>& findings);
  void ForgetLanes();

  LaneText& lane(Lane which) { return lanes_[static_cast<size_t>(which)]; }
  const LaneText& lane(Lane which) const { return lanes_[static_cast<size_t>(which)]; }
  bool Runs(Lane which) const { return (running_ & LaneBit(which)) != 0; }

  const RuleSet::Compiled* compiled_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  bool whole_ = false;
  LaneSet running_ = 0;
  LaneText lanes_[3] = {LaneText(Lane::kExact), LaneText(Lane::kFold), LaneText(Lane::kSkeleton)};
  uint64_t lane_ends_[3] = {0, 0, 0};  // before the last Normalise()
  uint64_t normalised_ = 0;            // bytes of the original

  WordScan words_;

  ExpressionStream expressions_[3];
  std::vector<ExpressionStream::Match> expression_matches_;
  std::vector<uint32_t> candidates_;
  uint64_t expression_hold_ = 0;

  DetectorSet detectors_ = 0;  // that rules of this direction name
  std::vector<NumberMatch> numbers_;
  std::vector<NumberMatch> numbers_reported_;  // that the next look at the digits finds again
  uint64_t number_hold_ = kNowhere;

  Combiner combiner_;
  uint64_t hold_ = 0;
  uint64_t keep_ = 0;
};

void Pass::Begin(const RuleSet& rules, Direction direction, bool whole) {
  compiled_ = &rules.compiled();
  direction_ = DirectionBit(direction);
  whole_ = whole;
  running_ = compiled_->expressions.lanes();
  detectors_ = 0;
  for (const auto& use : compiled_->detectors) {
    if ((use.directions & direction_) != 0) detectors_ |= DetectorBit(use.detector);
  }
  if (!compiled_->words.empty() || detectors_ != 0) {
    running_ |= LaneBit(Lane::kSkeleton);
  }
  for (LaneText& lane_text : lanes_) lane_text.Clear();
  for (uint64_t& end : lane_ends_) end = 0;
  normalised_ = 0;
  words_.Begin(compiled_->words, direction_, whole);
  if (!whole && !compiled_->expressions.empty()) {
    for (const Lane which : kExpressionLanes) {
      expressions_[static_cast<size_t>(which)].Begin(compiled_->expressions, which, direction_);
    }
  }
  numbers_reported_.clear();
  number_hold_ = kNowhere;
  combiner_.Begin(*compiled_);
  hold_ = keep_ = 0;
}

absl::Status Pass::Advance(const OriginalText& text, std::vector<Finding>& findings) {
  WEIR_ASSIGN_OR_RETURN(hs_scratch_t* const scratch, ScratchFor(*compiled_));
  Normalise(text);
  FindWords(text);
  WEIR_RETURN_IF_ERROR(FindExpressions(text, scratch));
  FindNumbersIn(text);
  Emit(text, findings);
  if (!whole_) ForgetLanes();
  return absl::OkStatus();
}

void Pass::Normalise(const OriginalText& text) {
  const std::string_view added = text.Between(normalised_, text.end());
  for (const Lane which : kExpressionLanes) {
    if (!Runs(which)) continue;
    lane_ends_[static_cast<size_t>(which)] = lane(which).end();
    lane(which).Append(added, normalised_);
  }
  normalised_ = text.end();
}

void Pass::FindWords(const OriginalText& text) {
  words_.Advance(text, lane(Lane::kSkeleton), lane_ends_[static_cast<size_t>(Lane::kSkeleton)],
                 combiner_);
}

absl::Status Pass::FindExpressions(const OriginalText& text, hs_scratch_t* scratch) {
  expression_hold_ = text.end();
  for (const Lane which : kExpressionLanes) {
    if ((compiled_->expressions.lanes() & LaneBit(which)) == 0) continue;
    if (whole_) {
      WEIR_RETURN_IF_ERROR(FindExpressionsInWhole(which, text, scratch));
      continue;
    }
    const auto index = static_cast<size_t>(which);
    expression_matches_.clear();
    expressions_[index].Advance(lane(which), lane_ends_[index], text.final, expression_matches_);
    for (const ExpressionStream::Match& match : expression_matches_) {
      AddExpressionMatch(text, which, match.use, match.span);
    }
    const uint64_t hold = expressions_[index].HoldStart(lane(which).end());
    if (hold < lane(which).end()) {
      expression_hold_ = std::min(expression_hold_, lane(which).Origin(hold));
    }
  }
  return absl::OkStatus();
}

absl::Status Pass::FindExpressionsInWhole(Lane which, const OriginalText& text,
                                          hs_scratch_t* scratch) {
  const ExpressionIndex& expressions = compiled_->expressions;
  const std::string_view lane_text = lane(which).From(0);
  candidates_.clear();
  WEIR_RETURN_IF_ERROR(expressions.Prefilter(which, lane_text, scratch, candidates_));
  for (const uint32_t use : candidates_) {
    if ((expressions.use(use).directions & direction_) == 0) continue;
    Span match;
    for (size_t from = 0; expressions.Find(use, which, lane_text, from, match);
         from = static_cast<size_t>(match.end)) {
      AddExpressionMatch(text, which, use, match);
    }
  }
  return absl::OkStatus();
}

void Pass::AddExpressionMatch(const OriginalText& text, Lane which, uint32_t use, Span match) {
  // The match ends with the original of its last character, whatever that folded to.
  const std::string_view matched =
      lane(which).From(match.start).substr(0, static_cast<size_t>(match.end - match.start));
  const uint64_t last =
      lane(which).Origin(match.end - DecodeBefore(matched, matched.size()).length);
  const uint32_t length = DecodeAt(text.bytes, static_cast<size_t>(last - text.base)).length;
  combiner_.Add(text, compiled_->expressions.use(use).leaf, which, Detector::kNone,
                {lane(which).Origin(match.start), last + length});
}

void Pass::FindNumbersIn(const OriginalText& text) {
  if (detectors_ == 0) return;
  const uint64_t undecided = std::exchange(number_hold_, kNowhere);
  const LaneText& skeleton = lane(Lane::kSkeleton);
  numbers_.clear();
  if (whole_) {
    for (const uint64_t run : skeleton.number_runs())
      FindNumbers(text, run, detectors_, true, numbers_);
  } else {
    const uint64_t from = std::min(undecided, skeleton.first_digit());
    if (from < text.end()) {
      const uint64_t hold = FindNumbers(text, from, detectors_, false, numbers_);
      if (hold < text.end()) number_hold_ = hold;
    }
  }
  for (const NumberMatch& number : numbers_) {
    const auto same = [&](const NumberMatch& other) {
      return other.detector == number.detector && other.span.start == number.span.start;
    };
    if (std::any_of(numbers_reported_.begin(), numbers_reported_.end(), same)) continue;
    if (!whole_) numbers_reported_.push_back(number);
    for (const auto& use : compiled_->detectors) {
      if (use.detector == number.detector && (use.directions & direction_) != 0) {
        combiner_.Add(text, use.leaf, number.lane, number.detector, number.span);
      }
    }
  }
  std::erase_if(numbers_reported_,
                [&](const NumberMatch& number) { return number.span.start < number_hold_; });
}

void Pass::Emit(const OriginalText& text, std::vector<Finding>& findings) {
  const size_t first_new = findings.size();
  const uint64_t undecided = std::min({words_.hold(), expression_hold_, number_hold_, text.end()});
  const auto exception_tail = [&](uint32_t exception) {
    return words_.ExceptionHold(text, lane(Lane::kSkeleton), exception);
  };
  hold_ = std::min(undecided, combiner_.Settle(text, undecided, exception_tail, findings));
  const auto begin = findings.begin() + static_cast<ptrdiff_t>(first_new);
  std::sort(begin, findings.end(), Earlier);
  findings.erase(std::unique(begin, findings.end(), SamePlace), findings.end());
}

void Pass::ForgetLanes() {
  keep_ = words_.KeepFrom(hold_);
  for (const Lane which : kExpressionLanes) {
    if (!Runs(which)) continue;
    const auto index = static_cast<size_t>(which);
    uint64_t from = lane(which).end();
    if (which == Lane::kSkeleton) from = std::min(from, words_.lane_keep());
    if ((compiled_->expressions.lanes() & LaneBit(which)) != 0) {
      from = std::min(from, expressions_[index].HoldStart(lane(which).end()));
    }
    if (from < lane(which).end()) keep_ = std::min(keep_, lane(which).Origin(from));
    // A word boundary looks at the byte before.
    lane(which).Forget(from > lane(which).begin() ? from - 1 : from);
  }
}

}  // namespace

absl::Status Scan(const RuleSet& rules, Direction direction, std::string_view text,
                  std::vector<Finding>& findings) {
  thread_local Pass pass;
  pass.Begin(rules, direction, /*whole=*/true);
  return pass.Advance({text, 0, /*final=*/true}, findings);
}

class StreamScan::State {
 public:
  State(const RuleSet& rules, Direction direction) {
    pass_.Begin(rules, direction, /*whole=*/false);
  }

  absl::Status Feed(std::string_view piece, std::vector<Finding>& findings) {
    text_.append(piece);
    return Advance(Utf8Prefix(text_), /*final=*/false, findings);
  }
  absl::Status Finish(std::vector<Finding>& findings) {
    return Advance(text_.size(), /*final=*/true, findings);
  }

  uint64_t releasable() const { return releasable_; }
  uint64_t fed() const { return base_ + text_.size(); }

 private:
  absl::Status Advance(size_t whole_bytes, bool final, std::vector<Finding>& findings) {
    const OriginalText text{std::string_view(text_).substr(0, whole_bytes), base_, final};
    WEIR_RETURN_IF_ERROR(pass_.Advance(text, findings));
    releasable_ = final ? fed() : std::max(releasable_, pass_.hold());
    const uint64_t keep = std::min(pass_.keep(), releasable_);
    // Moving what is kept to the front pays only when much is let go.
    if (!final && keep - base_ > 2 * kLookBackBytes) Trim(text, keep - kLookBackBytes);
    return absl::OkStatus();
  }

  void Trim(const OriginalText& text, uint64_t keep) {
    // To the beginning of a character; more than three such bytes in a row are none.
    for (int i = 0; i < 3; ++i) {
      if ((static_cast<unsigned char>(text_[static_cast<size_t>(keep - base_)]) & 0xC0U) != 0x80U) {
        break;
      }
      --keep;
    }
    pass_.Forget(text, keep);
    text_.erase(0, static_cast<size_t>(keep - base_));
    base_ = keep;
  }

  Pass pass_;
  std::string text_;   // what later pieces may need to look at
  uint64_t base_ = 0;  // of text_
  uint64_t releasable_ = 0;
};

StreamScan::StreamScan(const RuleSet& rules, Direction direction)
    : state_(std::make_unique<State>(rules, direction)) {}
StreamScan::StreamScan(StreamScan&&) noexcept = default;
StreamScan& StreamScan::operator=(StreamScan&&) noexcept = default;
StreamScan::~StreamScan() = default;

absl::Status StreamScan::Feed(std::string_view piece, std::vector<Finding>& findings) {
  return state_->Feed(piece, findings);
}
absl::Status StreamScan::Finish(std::vector<Finding>& findings) {
  return state_->Finish(findings);
}
uint64_t StreamScan::releasable() const {
  return state_->releasable();
}
uint64_t StreamScan::fed() const {
  return state_->fed();
}

}  // namespace weir::rules
