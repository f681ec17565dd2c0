#include "rules/combiner.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace weir::rules {
namespace {

// The ASCII digits and letters of a number as it is written.
std::string Reduce(std::string_view fold) {
  std::string reduced;
  for (const char c : fold) {
    if (EdgeOf(static_cast<unsigned char>(c)) != Edge::kOpen) reduced.push_back(c);
  }
  return reduced;
}

std::string LaneOfText(Lane lane, std::string_view text) {
  LaneText lane_text(lane);
  lane_text.Append(text, 0);
  return std::string(lane_text.From(0));
}

// The finding as the finest matcher of its rule shows it, so that it does not matter which of them
// reported it first.
void MakeFinest(const RuleSet::Compiled& compiled, const MixedRule& mixed, std::string_view text,
                Finding& finding) {
  const std::string fold = LaneOfText(Lane::kFold, text);
  std::string skeleton;
  if (mixed.exact_words.contains(std::string(text))) finding.lane = Lane::kExact;
  if (mixed.fold_words.contains(fold)) finding.lane = std::min(finding.lane, Lane::kFold);
  for (const uint32_t use : mixed.expressions) {
    for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton}) {
      if (lane >= finding.lane) break;
      if ((compiled.expressions.use(use).lanes & LaneBit(lane)) == 0) continue;
      if (compiled.expressions.MatchesAll(use, lane, lane == Lane::kExact ? text : fold)) {
        finding.lane = lane;
      }
    }
  }
  for (const Detector detector : mixed.detectors) {
    if (finding.detector == Detector::kNone && Validate(detector, Reduce(fold))) {
      finding.detector = detector;
    }
  }
}

}  // namespace

uint64_t CharacterIndex::At(const OriginalText& text, uint64_t offset) {
  const bool forward = offset >= offset_;
  const std::string_view between =
      forward ? text.Between(offset_, offset) : text.Between(offset, offset_);
  uint64_t count = 0;
  for (const char byte : between) {
    count += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U ? 1 : 0;
  }
  index_ = forward ? index_ + count : index_ - count;
  offset_ = offset;
  return index_;
}

void Combiner::Begin(const RuleSet::Compiled& compiled) {
  compiled_ = &compiled;
  characters_.Clear();
  queue_.clear();
  for (const uint32_t slot : touched_) latest_[slot] = 0;
  touched_.clear();
  if (latest_.size() < compiled.slot_count) latest_.resize(compiled.slot_count);
  waiting_.clear();
  contexts_.clear();
  contexts_sorted_ = true;
  matched_.clear();
  recent_.clear();
}

void Combiner::Add(const OriginalText& text, uint32_t leaf, Lane lane, Detector detector,
                   Span span) {
  Occurrence occurrence{leaf, lane, detector, span, {}};
  if (compiled_->leaves[leaf].counts_characters) {
    occurrence.characters = {characters_.At(text, span.start), characters_.At(text, span.end)};
  }
  if (compiled_->leaves[leaf].composite == kAbsent) {
    Match(occurrence);
  } else {
    queue_.push_back(occurrence);
  }
}

void Combiner::AddException(const OriginalText& text, uint32_t exception, Span span) {
  contexts_.push_back(
      {exception, {characters_.At(text, span.start), characters_.At(text, span.end)}, 0});
  contexts_sorted_ = false;
}

uint64_t Combiner::SettleQueue(uint64_t undecided) {
  uint64_t hold = ~uint64_t{0};
  if (queue_.empty()) return hold;
  std::stable_sort(queue_.begin(), queue_.end(), [](const Occurrence& a, const Occurrence& b) {
    return std::tie(a.span.end, a.span.start, a.leaf) < std::tie(b.span.end, b.span.start, b.leaf);
  });
  size_t taken = 0;
  while (taken < queue_.size() && queue_[taken].span.end <= undecided) Climb(queue_[taken++]);
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(taken));
  for (const Occurrence& occurrence : queue_) hold = std::min(hold, occurrence.span.start);
  return hold;
}

// Takes an occurrence up through the all and near that it is a part of, as far as they are
// complete.
void Combiner::Climb(const Occurrence& occurrence) {
  uint32_t at = compiled_->leaves[occurrence.leaf].composite;
  uint32_t slot = compiled_->leaves[occurrence.leaf].slot;
  while (at != kAbsent) {
    const Composite& composite = compiled_->composites[at];
    uint64_t& latest = latest_[composite.first_slot + slot];
    if (latest == 0) touched_.push_back(composite.first_slot + slot);
    latest = std::max(latest, occurrence.characters.start + 1);
    const uint64_t least = composite.within < occurrence.characters.end
                               ? occurrence.characters.end - composite.within
                               : 0;
    for (uint32_t i = 0; i < composite.slots; ++i) {
      const uint64_t start = latest_[composite.first_slot + i];
      if (start == 0 || (composite.within != kAbsent && start - 1 < least)) return;
    }
    slot = composite.parent_slot;
    at = composite.parent;
  }
  Match(occurrence);
}

void Combiner::Match(const Occurrence& occurrence) {
  const uint32_t rule = compiled_->leaves[occurrence.leaf].rule;
  const Finding finding{rule, occurrence.lane, occurrence.detector, occurrence.span.start,
                        occurrence.span.end};
  if (compiled_->exception_of[rule] == kAbsent) {
    matched_.push_back(finding);
  } else {
    waiting_.push_back({finding, occurrence.characters});
  }
}

void Combiner::SortContexts() {
  if (std::exchange(contexts_sorted_, true)) return;
  std::sort(contexts_.begin(), contexts_.end(), [](const Context& a, const Context& b) {
    return std::tie(a.exception, a.characters.start) < std::tie(b.exception, b.characters.start);
  });
  for (size_t i = 0; i < contexts_.size(); ++i) {
    Context& context = contexts_[i];
    context.reach = context.characters.end;
    if (i > 0 && contexts_[i - 1].exception == context.exception) {
      context.reach = std::max(context.reach, contexts_[i - 1].reach);
    }
  }
}

bool Combiner::IsExcused(const Waiting& waiting) {
  SortContexts();
  const uint32_t exception = compiled_->exception_of[waiting.finding.rule];
  const uint64_t within = compiled_->exceptions[exception].within;
  const uint64_t last_start = waiting.characters.end + within;
  const auto after =
      std::upper_bound(contexts_.begin(), contexts_.end(), std::pair(exception, last_start),
                       [](const std::pair<uint32_t, uint64_t>& key, const Context& context) {
                         return key < std::pair(context.exception, context.characters.start);
                       });
  return after != contexts_.begin() && (after - 1)->exception == exception &&
         (after - 1)->reach + within >= waiting.characters.start;
}

void Combiner::Emit(const OriginalText& text, Finding finding, std::vector<Finding>& findings) {
  const uint32_t mixed = compiled_->mixed_of[finding.rule];
  if (mixed != kAbsent) {
    for (const Finding& reported : recent_) {
      if (reported.rule == finding.rule && reported.start == finding.start &&
          reported.end == finding.end) {
        return;
      }
    }
    MakeFinest(*compiled_, compiled_->mixed[mixed], text.Between(finding.start, finding.end),
               finding);
    if (!text.final) recent_.push_back(finding);
  }
  findings.push_back(finding);
}

uint64_t Combiner::Settle(const OriginalText& text, uint64_t undecided,
                          absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                          std::vector<Finding>& findings) {
  uint64_t hold = SettleQueue(text.final ? text.end() : undecided);
  for (const Finding& finding : matched_) Emit(text, finding, findings);
  matched_.clear();
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (IsExcused(waiting)) return true;
    const uint32_t exception = compiled_->exception_of[waiting.finding.rule];
    const uint64_t last_start = waiting.characters.end + compiled_->exceptions[exception].within;
    if (!text.final && (characters_.At(text, text.end()) <= last_start ||
                        characters_.At(text, exception_tail(exception)) <= last_start)) {
      hold = std::min(hold, waiting.finding.start);
      return false;
    }
    Emit(text, waiting.finding, findings);
    return true;
  });
  return hold;
}

void Combiner::Forget(const OriginalText& text, uint64_t offset, uint64_t hold) {
  characters_.At(text, offset);
  std::erase_if(recent_, [&](const Finding& finding) { return finding.start < hold; });
  if (contexts_.empty()) return;
  const uint64_t hold_character = characters_.At(text, hold);
  std::erase_if(contexts_, [&](const Context& context) {
    return context.characters.end + compiled_->exceptions[context.exception].within <
           hold_character;
  });
  contexts_sorted_ = false;
  characters_.At(text, offset);
}

}  // namespace weir::rules
