#include "rules/combiner.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "rules/detector_scan.h"
#include "rules/fold_cursor.h"

namespace weir::rules {
namespace {

constexpr uint64_t kNowhere = ~uint64_t{0};

std::string LaneOfText(Lane lane, std::string_view text) {
  LaneText lane_text(lane);
  lane_text.Append(text, 0);
  return std::string(lane_text.From(0));
}

// What the skeleton lane has of the text; none where it drops something at an edge, since a match
// would not be all of the text.
std::string WholeSkeleton(std::string_view text) {
  LaneText skeleton(Lane::kSkeleton);
  skeleton.Append(text, 0);
  const std::string_view bytes = skeleton.From(0);
  if (bytes.empty()) return {};
  const uint64_t last = skeleton.Origin(bytes.size() - DecodeBefore(bytes, bytes.size()).length);
  const bool whole = skeleton.Origin(0) == 0 &&
                     last + DecodeAt(text, static_cast<size_t>(last)).length == text.size();
  return whole ? std::string(bytes) : std::string();
}

// Whether the text, which has the word's skeleton, repeats each character as often as the word.
bool HasEach(std::u32string_view word, std::string_view text) {
  const OriginalText original{text, 0, /*final=*/true};
  FoldCursor cursor(original, 0);
  size_t taken = 0;
  for (FoldUnit unit; taken < word.size() && cursor.Next(unit);) {
    if (unit.kind != FoldUnit::Kind::kSignificant) continue;
    if (unit.c == word[taken]) {
      ++taken;
    } else if (taken == 0 || unit.c != word[taken - 1]) {
      return false;
    }
  }
  return taken == word.size();
}

bool IsSkeletonOfWord(const MixedRule& mixed, std::string_view text) {
  const auto words = mixed.skeleton_words.find(WholeSkeleton(text));
  return words != mixed.skeleton_words.end() &&
         std::ranges::any_of(words->second,
                             [&](const std::u32string& word) { return HasEach(word, text); });
}

// The finding as the finest matcher of its rule shows it, so that it does not matter which of them
// reported it first.
void MakeFinest(const RuleSet::Compiled& compiled, const MixedRule& mixed, std::string_view text,
                Finding& finding) {
  const std::string fold = LaneOfText(Lane::kFold, text);
  if (finding.lane > Lane::kSkeleton && IsSkeletonOfWord(mixed, text)) {
    finding.lane = Lane::kSkeleton;
  }
  if (mixed.exact_words.contains(std::string(text))) finding.lane = Lane::kExact;
  if (mixed.fold_words.contains(fold)) finding.lane = std::min(finding.lane, Lane::kFold);
  for (const uint32_t use : mixed.expressions) {
    for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton}) {
      if (lane >= finding.lane) break;
      if ((compiled.expressions.use(use).lanes & LaneBit(lane)) == 0) continue;
      const std::string shown = lane == Lane::kExact  ? std::string(text)
                                : lane == Lane::kFold ? fold
                                                      : WholeSkeleton(text);
      if (!shown.empty() && compiled.expressions.MatchesAll(use, lane, shown)) finding.lane = lane;
    }
  }
  for (const Detector detector : mixed.detectors) {
    if (finding.detector != Detector::kNone && finding.detector != detector) continue;
    if (const std::optional<Lane> lane = LaneOfWhole(detector, text)) {
      finding.detector = detector;
      finding.lane = std::min(finding.lane, *lane);
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

bool Combiner::BeginsEarlier(const Occurrence& a, const Occurrence& b) {
  return a.span.start < b.span.start;
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

bool Combiner::MayExcuse(const OriginalText& text, uint64_t from) {
  if (contexts_.empty()) return false;
  const uint64_t character = characters_.At(text, from);
  return std::any_of(contexts_.begin(), contexts_.end(), [&](const Context& context) {
    return context.characters.end + compiled_->exceptions[context.exception].within >= character;
  });
}

// Takes the queue as far as it is decided, matches what is complete, and returns from which byte
// the rest and what is growing hold the text.
uint64_t Combiner::SettleParts(const OriginalText& text, const std::vector<Growing>& growing) {
  uint64_t undecided = kNowhere;
  for (const Growing& match : growing) undecided = std::min(undecided, match.start);
  std::stable_sort(queue_.begin(), queue_.end(), BeginsEarlier);
  const auto rest = std::partition_point(
      queue_.begin(), queue_.end(), [&](const Occurrence& o) { return o.span.start < undecided; });
  Take({queue_.begin(), rest});
  for (const SlotChange& change : changes_) {
    if (change.before == 0) touched_.push_back(change.slot);
  }
  changes_.clear();
  // What is known of the rest counts now, but comes once more when nothing undecided is before it.
  Take({rest, queue_.end()});
  TakeBack();
  Report(queue_);
  queue_.erase(queue_.begin(), rest);
  Expect(text, growing);
  Take(expected_);
  TakeBack();
  uint64_t hold = kNowhere;
  for (const Occurrence& occurrence : expected_) {
    if (!occurrence.complete || occurrence.reported || IsExcused(text, occurrence)) continue;
    hold = std::min(hold, occurrence.span.start);
  }
  return hold;
}

// Puts together what could come of the queue: itself and all that is growing, as if it were whole.
void Combiner::Expect(const OriginalText& text, const std::vector<Growing>& growing) {
  expected_.clear();
  if (growing.empty()) return;
  expected_ = queue_;
  for (const Growing& match : growing) expected_.push_back(Expected(text, match, match.start));
  // An open one can only do more behind what begins later: it is taken to begin there too.
  const size_t known = expected_.size();
  for (const Growing& match : growing) {
    if (!match.open) continue;
    for (size_t i = 0; i < known; ++i) {
      const uint64_t start = expected_[i].span.start;
      if (start > match.start) expected_.push_back(Expected(text, match, start));
    }
  }
  std::stable_sort(expected_.begin(), expected_.end(), BeginsEarlier);
}

Combiner::Occurrence Combiner::Expected(const OriginalText& text, const Growing& growing,
                                        uint64_t start) {
  Occurrence occurrence{growing.leaf, Lane::kExact, Detector::kNone, {start, start}, {}};
  occurrence.open = growing.open;
  occurrence.characters.end = growing.end == Growing::kBehindText
                                  ? characters_.At(text, text.end()) + 1
                                  : characters_.At(text, growing.end);
  occurrence.characters.start = characters_.At(text, start);
  occurrence.characters.end = std::max(occurrence.characters.end, occurrence.characters.start + 1);
  return occurrence;
}

// Takes occurrences, ordered by where they begin, up through their composites.
void Combiner::Take(std::span<Occurrence> occurrences) {
  for (size_t first = 0, last = 0; first < occurrences.size(); first = last) {
    while (last < occurrences.size() &&
           occurrences[last].span.start == occurrences[first].span.start) {
      ++last;
    }
    // Those that begin together can complete one another.
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = first; i < last; ++i) changed |= Climb(occurrences[i]);
      changed = changed && last - first > 1;
    }
  }
}

// Takes an occurrence up as far as composites are complete; whether it left a new trace in one.
bool Combiner::Climb(Occurrence& occurrence) {
  bool changed = false;
  uint32_t at = compiled_->leaves[occurrence.leaf].composite;
  uint32_t slot = compiled_->leaves[occurrence.leaf].slot;
  const auto [start, end] = occurrence.characters;
  while (at != kAbsent) {
    const Composite& composite = compiled_->composites[at];
    const uint64_t least = composite.within < end ? end - composite.within : 0;
    if (composite.within != kAbsent && start < least) return changed;  // too long for this one
    uint64_t& latest = latest_[composite.first_slot + slot];
    if (latest < start + 1) {
      changes_.push_back({composite.first_slot + slot, latest});
      latest = start + 1;
      changed = true;
    }
    for (uint32_t i = 0; i < composite.slots; ++i) {
      const uint64_t other = latest_[composite.first_slot + i];
      if (other == 0 || (composite.within != kAbsent && other - 1 < least)) return changed;
    }
    slot = composite.parent_slot;
    at = composite.parent;
  }
  occurrence.complete = true;
  return changed;
}

// Takes the changes back that were made to slots since the last that were for good.
void Combiner::TakeBack() {
  for (; !changes_.empty(); changes_.pop_back()) {
    latest_[changes_.back().slot] = changes_.back().before;
  }
}

void Combiner::Report(std::span<Occurrence> occurrences) {
  for (Occurrence& occurrence : occurrences) {
    if (occurrence.complete && !std::exchange(occurrence.reported, true)) Match(occurrence);
  }
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

bool Combiner::IsExcused(uint32_t rule, Span characters) {
  const uint32_t exception = compiled_->exception_of[rule];
  if (exception == kAbsent || contexts_.empty()) return false;
  SortContexts();
  const uint64_t within = compiled_->exceptions[exception].within;
  const auto after = std::upper_bound(
      contexts_.begin(), contexts_.end(), std::pair(exception, characters.end + within),
      [](const std::pair<uint32_t, uint64_t>& key, const Context& context) {
        return key < std::pair(context.exception, context.characters.start);
      });
  return after != contexts_.begin() && (after - 1)->exception == exception &&
         (after - 1)->reach + within >= characters.start;
}

// Whether something expected would be excused wherever it begins.
bool Combiner::IsExcused(const OriginalText& text, const Occurrence& occurrence) {
  if (contexts_.empty()) return false;
  Span characters = occurrence.characters;
  if (occurrence.open) characters.start = characters_.At(text, text.end());
  return IsExcused(compiled_->leaves[occurrence.leaf].rule, characters);
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

// Findings of rules with exceptions count once no exception can come within reach.
uint64_t Combiner::SettleWaiting(const OriginalText& text,
                                 absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                                 std::vector<Finding>& findings) {
  uint64_t hold = kNowhere;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (IsExcused(waiting.finding.rule, waiting.characters)) return true;
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

uint64_t Combiner::Settle(const OriginalText& text, const std::vector<Growing>& growing,
                          absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                          std::vector<Finding>& findings) {
  uint64_t hold = kNowhere;
  if (!queue_.empty() || !growing.empty()) hold = SettleParts(text, growing);
  for (const Finding& finding : matched_) Emit(text, finding, findings);
  matched_.clear();
  return std::min(hold, SettleWaiting(text, exception_tail, findings));
}

void Combiner::Forget(const OriginalText& text, uint64_t offset, uint64_t undecided) {
  characters_.At(text, offset);
  std::erase_if(recent_, [&](const Finding& finding) { return finding.start < undecided; });
  if (contexts_.empty()) return;
  const uint64_t undecided_character = characters_.At(text, undecided);
  std::erase_if(contexts_, [&](const Context& context) {
    return context.characters.end + compiled_->exceptions[context.exception].within <
           undecided_character;
  });
  contexts_sorted_ = false;
  characters_.At(text, offset);
}

}  // namespace weir::rules
