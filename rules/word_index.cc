#include "rules/word_index.h"

#include <algorithm>
#include <utility>

#include "rules/scanner.h"

namespace weir::rules {
namespace {

using Kind = FoldUnit::Kind;

// Reads to behind the significant character `c` that the word's character stands for at `place`.
// False only when the text is not what the skeleton was made of.
bool Seek(FoldCursor& cursor, char32_t c, uint32_t equals_before, FoldUnit& unit) {
  unit = FoldUnit{};
  for (FoldUnit next; cursor.Next(next);) {
    // Equal ones in a row are one in the lane, but for digits.
    const bool repeat =
        unit.kind == Kind::kSignificant && unit.c == next.c && EdgeOf(next.c) != Edge::kDigit;
    unit = next;
    if (unit.kind != Kind::kSignificant || unit.c != c || repeat) continue;
    if (equals_before-- == 0) return true;
  }
  return false;
}

// Reads back from `cursor` to the `count`-th significant character, all of which must be `c`.
bool BackOver(FoldCursor& cursor, char32_t c, uint32_t count, FoldUnit& unit) {
  int separators = 0;
  for (uint32_t found = 0; found < count;) {
    if (!cursor.Previous(unit) || unit.kind == Kind::kInvalid) return false;
    if (unit.kind == Kind::kSignificant) {
      if (unit.c != c) return false;
      ++found;
      separators = 0;
    } else if (++separators > kSeparatorRunMax) {
      return false;
    }
  }
  return true;
}

// What continues a word at an edge: nothing, a repeat of its own character only, another one. Where
// the text ends, the first two may still become the third.
enum class Continued : uint8_t { kNo, kByRepeat, kYes, kUnknown, kUnknownByRepeat };

template <typename Step>
Continued ReadEdge(char32_t edge_character, bool final, Step step) {
  const Edge edge = EdgeOf(edge_character);
  if (edge == Edge::kOpen) return Continued::kNo;
  bool repeated = false;
  FoldUnit unit;
  for (int skipped = 0; skipped <= kSeparatorRunMax; ++skipped) {
    if (!step(unit)) {
      if (!final) return repeated ? Continued::kUnknownByRepeat : Continued::kUnknown;
      break;
    }
    if (unit.kind == Kind::kNothing) continue;
    if (unit.kind != Kind::kSignificant || unit.leet || EdgeOf(unit.c) != edge) break;
    if (unit.c != edge_character || edge == Edge::kDigit) return Continued::kYes;
    repeated = true;
  }
  return repeated ? Continued::kByRepeat : Continued::kNo;
}

Continued LeftEdge(const Word& word, FoldCursor cursor) {
  return ReadEdge(word.runs.front().c, /*final=*/true,
                  [&](FoldUnit& unit) { return cursor.Previous(unit); });
}

// The lanes that could still show a word that is continued so at an edge.
LaneSet LanesAfterEdge(LaneSet lanes, Continued continued) {
  switch (continued) {
    case Continued::kYes:
      return 0;
    case Continued::kByRepeat:
    case Continued::kUnknownByRepeat:
      return lanes & LaneBit(Lane::kSkeleton);
    case Continued::kNo:
    case Continued::kUnknown:
      break;
  }
  return lanes;
}

// Whether the fold lane from `cursor` to byte `end` is the beginning of `fold`, all of it if
// `whole`.
bool FoldMatches(FoldCursor cursor, uint64_t end, std::string_view fold, bool whole) {
  size_t at = 0;
  FoldUnit unit;
  while (cursor.Next(unit)) {
    if (unit.start >= end) break;
    if (unit.kind == Kind::kNothing) continue;
    if (at >= fold.size()) return false;
    const Decoded expected = DecodeAt(fold, at);
    if (unit.kind == Kind::kInvalid || unit.c != expected.c) return false;
    at += expected.length;
    if (whole && at == fold.size()) return true;
  }
  return whole ? at == fold.size() : true;
}

// Reads the runs of a word from `cursor`, which stands behind the first character of `runs[first]`.
enum class RunsRead : uint8_t { kAll, kDiffers, kTextEnds };
RunsRead ReadRuns(std::span<const Word::Run> runs, FoldCursor& cursor, FoldUnit& unit) {
  uint32_t copies = 1;
  size_t run = 0;
  int separators = 0;
  FoldUnit next;
  while (run + 1 < runs.size() || copies < runs[run].count) {
    if (!cursor.Next(next)) return RunsRead::kTextEnds;
    if (next.kind == Kind::kInvalid) return RunsRead::kDiffers;
    if (next.kind != Kind::kSignificant) {
      if (++separators > kSeparatorRunMax) return RunsRead::kDiffers;
      continue;
    }
    separators = 0;
    unit = next;
    if (next.c == runs[run].c && EdgeOf(next.c) != Edge::kDigit) {
      ++copies;
    } else if (copies >= runs[run].count && run + 1 < runs.size() && next.c == runs[run + 1].c) {
      ++run;
      copies = 1;
    } else {
      return RunsRead::kDiffers;
    }
  }
  return RunsRead::kAll;
}

// Whether the text from `cursor` to byte `end` may be leet (reading.h).
bool IsLeet(FoldCursor cursor, uint64_t end) {
  int letters = 0;
  bool leet = false;
  FoldUnit unit;
  while (cursor.Next(unit) && unit.start < end) {
    if (unit.kind != Kind::kSignificant) continue;
    letters += unit.leet ? 0 : 1;
    leet = leet || unit.leet;
  }
  return leet && letters >= kLeetLettersMin;
}

// The lanes whose view of the text from `cursor` on, which is `span`, is the beginning of the word,
// or all of it if `whole`. The skeleton's was compared before.
LaneSet LanesOfSpan(const Word& word, LaneSet lanes, FoldCursor cursor, const OriginalText& text,
                    Span span, bool whole) {
  if (text.reading == Reading::kLeet && whole && !IsLeet(cursor, span.end)) return 0;
  if (text.reading != Reading::kFold) return lanes;
  if (!FoldMatches(cursor, span.end, word.fold, whole)) {
    return lanes & LaneBit(Lane::kSkeleton);
  }
  const std::string_view bytes = text.Between(span.start, span.end);
  const bool exact = whole ? bytes == word.exact : word.exact.starts_with(bytes);
  return exact ? lanes : static_cast<LaneSet>(lanes & ~LaneBit(Lane::kExact));
}

// Confirms a word whose first run, all copies of it, has been read: `start_cursor` stands before
// `first`, the first unit of the match, and `cursor` behind `unit`, the first copy of `runs`'
// first.
WordIndex::Confirmed ConfirmFrom(const Word& word, const OriginalText& text,
                                 const FoldCursor& start_cursor, const FoldUnit& first,
                                 std::span<const Word::Run> runs, FoldCursor cursor,
                                 FoldUnit unit) {
  const RunsRead read = ReadRuns(runs, cursor, unit);
  if (read == RunsRead::kDiffers) return {};
  const bool whole = read == RunsRead::kAll;
  const Span span{first.start, whole ? unit.end : text.end()};
  LaneSet lanes = LanesAfterEdge(word.lanes, LeftEdge(word, start_cursor));
  lanes = LanesOfSpan(word, lanes, start_cursor, text, span, whole);
  if (lanes == 0 || (!whole && text.final)) return {};
  if (!whole) return {WordIndex::Outcome::kNeedMore, span, Lane::kExact};
  const Continued right =
      ReadEdge(word.runs.back().c, text.final, [&](FoldUnit& next) { return cursor.Next(next); });
  lanes = LanesAfterEdge(lanes, right);
  if (lanes == 0) return {};
  if (right == Continued::kUnknown || right == Continued::kUnknownByRepeat) {
    return {WordIndex::Outcome::kNeedMore, span, Lane::kExact};
  }
  for (const Lane lane : {Lane::kExact, Lane::kFold}) {
    if ((lanes & LaneBit(lane)) != 0) return {WordIndex::Outcome::kMatch, span, lane};
  }
  const bool digits = text.reading == Reading::kNumerals;
  return {WordIndex::Outcome::kMatch, span, digits ? Lane::kDigits : Lane::kSkeleton};
}

// Reads the next copy of a run, if there is one.
RunsRead NextCopy(FoldCursor& cursor, char32_t c, FoldUnit& unit) {
  for (int separators = 0; separators <= kSeparatorRunMax; ++separators) {
    if (!cursor.Next(unit)) return RunsRead::kTextEnds;
    if (unit.kind == Kind::kInvalid) return RunsRead::kDiffers;
    if (unit.kind != Kind::kSignificant) continue;
    return unit.c == c ? RunsRead::kAll : RunsRead::kDiffers;
  }
  return RunsRead::kDiffers;
}

}  // namespace

WordIndex WordIndex::Build(std::vector<WordUse> uses) {
  WordIndex index;
  index.uses_ = std::move(uses);
  std::stable_sort(index.uses_.begin(), index.uses_.end(), [](const WordUse& a, const WordUse& b) {
    return a.word.skeleton < b.word.skeleton;
  });
  index.compared_.assign(index.uses_.size(), 0);
  std::vector<std::string_view> skeletons;
  for (uint32_t i = 0; i < index.uses_.size(); ++i) {
    const std::string_view skeleton = index.uses_[i].word.skeleton;
    if (!skeletons.empty() && skeletons.back() == skeleton) continue;
    skeletons.push_back(skeleton);
    index.literal_first_.push_back(i);
  }
  index.literal_first_.push_back(static_cast<uint32_t>(index.uses_.size()));
  index.literals_ = LiteralIndex::Build(skeletons);
  index.prefix_uses_.resize(index.literals_.strings().prefix_count());
  for (uint32_t i = 0; i < index.uses_.size(); ++i) index.AddPrefixes(i);
  return index;
}

void WordIndex::AddPrefixes(uint32_t number) {
  const WordUse& use = uses_[number];
  if (use.exception) return;
  if (use.part) parts_ = static_cast<DirectionSet>(parts_ | use.directions);
  const std::vector<Word::Run>& runs = use.word.runs;
  PrefixSet::Path path;
  // The last character of a prefix may still be repeated; those before it may not.
  bool counts_are_one = runs.front().count == 1;
  for (size_t k = 0; k + 1 < runs.size(); ++k) {
    path = path.Then(runs[k].c);
    const bool simple = counts_are_one && (use.word.lanes & LaneBit(Lane::kSkeleton)) != 0;
    if (!simple && !use.part) compared_[number] = 1;
    PrefixUses& prefix = prefix_uses_[literals_.strings().Find(path)->number];
    DirectionSet& kind = use.part                       ? prefix.part
                         : !simple                      ? prefix.other
                         : use.word.left == Edge::kOpen ? prefix.plain
                                                        : prefix.spaced;
    kind = static_cast<DirectionSet>(kind | use.directions);
    counts_are_one = counts_are_one && runs[k].count == 1;
  }
}

WordIndex::Confirmed WordIndex::Confirm(const Word& word, const OriginalText& text,
                                        LaneText::Place head, LaneText::Place second) {
  const std::span<const Word::Run> runs(word.runs);
  FoldUnit first;
  FoldUnit ignored;
  if (runs.size() > 1) {
    FoldCursor cursor(text, second.origin);
    FoldUnit unit;
    if (!Seek(cursor, runs[1].c, second.equals_before, unit)) return {};
    FoldCursor start_cursor = cursor;
    start_cursor.Previous(ignored);
    if (!BackOver(start_cursor, runs[0].c, runs[0].count, first)) return {};
    return ConfirmFrom(word, text, start_cursor, first, runs.subspan(1), cursor, unit);
  }
  // A word of one run may begin at any copy of its character; the first that shows it counts.
  FoldCursor cursor(text, head.origin);
  if (!Seek(cursor, runs[0].c, head.equals_before, first)) return {};
  for (int copy = 0; copy <= kSeparatorRunMax; ++copy) {
    FoldCursor start_cursor = cursor;
    start_cursor.Previous(ignored);
    const Confirmed confirmed = ConfirmFrom(word, text, start_cursor, first, runs, cursor, first);
    if (confirmed.outcome != Outcome::kNoMatch) return confirmed;
    if (EdgeOf(runs[0].c) == Edge::kDigit) break;
    const RunsRead next = NextCopy(cursor, runs[0].c, first);
    // A copy that has not come yet may show it: worth waiting for, but nothing to hold back.
    if (next == RunsRead::kTextEnds && !text.final) {
      return {Outcome::kNeedMore, {text.end(), text.end()}, Lane::kExact};
    }
    if (next != RunsRead::kAll) break;
  }
  return {};
}

bool WordIndex::IsFoundAsItFolds(const WordUse& use, std::string_view written) const {
  if (use.plain == nullptr || use.exception) return false;
  const auto lane_text = [&](Lane lane) {
    LaneText text(lane);
    text.Append(written, 0);
    return std::string(text.From(0));
  };
  const std::string fold = lane_text(Lane::kFold);
  const std::string skeleton = lane_text(Lane::kSkeleton);
  const auto [first, last] = std::equal_range(
      uses_.begin(), uses_.end(), use,
      [](const WordUse& a, const WordUse& b) { return a.word.skeleton < b.word.skeleton; });
  return std::any_of(first, last, [&](const WordUse& other) {
    const Word& plain = *other.plain;
    const auto looks_in = [&](Lane lane) { return (plain.lanes & LaneBit(lane)) != 0; };
    return other.rule == use.rule && !other.exception &&
           (use.part || other.part ? other.leaf == use.leaf : true) &&
           ((looks_in(Lane::kExact) && plain.exact == written) ||
            (looks_in(Lane::kFold) && plain.fold == fold) ||
            (looks_in(Lane::kSkeleton) && plain.skeleton == skeleton));
  });
}

// Visits every start from which the text could still grow into the word of a use in `prefix` that
// `accept` takes. `tail` is the skeleton from `tail_offset` on.
template <typename Accept, typename Visit>
void WordIndex::ForEachStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                             const LaneText& skeleton, const OriginalText& text, Accept accept,
                             Visit visit) const {
  const size_t first_bytes = DecodeAt(tail, 0).length;
  const bool one_character = first_bytes == tail.size();
  size_t characters = 0;
  for (size_t i = 0; i < tail.size(); i += DecodeAt(tail, i).length) ++characters;
  for (uint32_t i = literal_first_[prefix.first]; i < literal_first_[prefix.last]; ++i) {
    if (!accept(i)) continue;
    const Word& word = uses_[i].word;
    const auto consider = [&](const FoldCursor& start_cursor, const FoldUnit& first) {
      LaneSet lanes = LanesAfterEdge(word.lanes, LeftEdge(word, start_cursor));
      lanes = LanesOfSpan(word, lanes, start_cursor, text, {first.start, text.end()}, false);
      if (lanes != 0) visit(i, first.start);
    };
    FoldUnit unit;
    if (one_character) {
      // The text may end within the first run: any number of copies may be the word's first ones.
      FoldCursor start_cursor(text, text.end());
      for (uint32_t copies = 1; copies <= word.runs[0].count; ++copies) {
        if (!BackOver(start_cursor, word.runs[0].c, 1, unit)) break;
        consider(start_cursor, unit);
      }
      continue;
    }
    const std::span<const Word::Run> runs(word.runs);
    const LaneText::Place second = skeleton.PlaceOf(tail_offset + first_bytes);
    FoldCursor cursor(text, second.origin);
    if (!Seek(cursor, runs[1].c, second.equals_before, unit)) continue;
    FoldCursor start_cursor = cursor;
    FoldUnit first;
    start_cursor.Previous(first);
    if (!BackOver(start_cursor, runs[0].c, runs[0].count, first)) continue;
    // All but the last character of the prefix must have their counts.
    if (ReadRuns(runs.subspan(1, characters - 1), cursor, unit) == RunsRead::kDiffers) continue;
    consider(start_cursor, first);
  }
}

uint64_t WordIndex::HoldStart(const Prefix& prefix, std::string_view tail, uint64_t tail_offset,
                              const LaneText& skeleton, const OriginalText& text,
                              DirectionSet direction) const {
  uint64_t least = text.end();
  const PrefixUses& uses = prefix_uses_[prefix.number];
  if (((uses.plain | uses.spaced) & direction) != 0) {
    const Decoded first = DecodeAt(tail, 0);
    FoldUnit unit;
    FoldCursor cursor(text, text.end());
    if (first.length < tail.size()) {
      const LaneText::Place second = skeleton.PlaceOf(tail_offset + first.length);
      const char32_t c = DecodeAt(tail, first.length).c;
      cursor = FoldCursor(text, second.origin);
      if (Seek(cursor, c, second.equals_before, unit)) cursor.Previous(unit);
    }
    if (BackOver(cursor, first.c, 1, unit)) {
      const bool free =
          (uses.plain & direction) != 0 || ReadEdge(first.c, /*final=*/true, [&](FoldUnit& before) {
                                             return cursor.Previous(before);
                                           }) != Continued::kYes;
      if (free) least = unit.start;
    }
  }
  if ((uses.other & direction) != 0) {
    ForEachStart(
        prefix, tail, tail_offset, skeleton, text,
        [&](uint32_t use) {
          return compared_[use] != 0 && (uses_[use].directions & direction) != 0;
        },
        [&](uint32_t, uint64_t start) { least = std::min(least, start); });
  }
  return least;
}

WordIndex::Tail WordIndex::FindTail(const LaneText& skeleton, uint64_t from,
                                    const OriginalText& text, DirectionSet direction) const {
  Tail tail{skeleton.end(), text.end()};
  const std::string_view lane = skeleton.From(from);
  literals_.ForEachTail(lane, [&](size_t start, const Prefix& prefix) {
    tail.skeleton = from + start;
    const uint64_t hold =
        HoldStart(prefix, lane.substr(start), from + start, skeleton, text, direction);
    tail.hold = std::min(tail.hold, hold);
  });
  return tail;
}

void WordIndex::ForEachGrowing(const LaneText& skeleton, uint64_t from, const OriginalText& text,
                               DirectionSet direction, bool each,
                               absl::FunctionRef<void(uint32_t, uint64_t)> visit) const {
  if (!each && (parts_ & direction) == 0) return;
  const std::string_view lane = skeleton.From(from);
  literals_.ForEachTail(lane, [&](size_t start, const Prefix& prefix) {
    const PrefixUses& uses = prefix_uses_[prefix.number];
    const int others = each ? uses.plain | uses.spaced | uses.other : 0;
    if (((uses.part | others) & direction) == 0) return;
    ForEachStart(
        prefix, lane.substr(start), from + start, skeleton, text,
        [&](uint32_t use) {
          return (each ? !uses_[use].exception : uses_[use].part) &&
                 (uses_[use].directions & direction) != 0;
        },
        [&](uint32_t use, uint64_t begin) { visit(uses_[use].leaf, begin); });
  });
}

uint64_t WordIndex::FindExceptionTail(const LaneText& skeleton, uint64_t from,
                                      const OriginalText& text, uint32_t leaf) const {
  uint64_t least = text.end();
  const std::string_view lane = skeleton.From(from);
  literals_.ForEachTail(lane, [&](size_t start, const Prefix& prefix) {
    ForEachStart(
        prefix, lane.substr(start), from + start, skeleton, text,
        [&](uint32_t use) { return uses_[use].exception && uses_[use].leaf == leaf; },
        [&](uint32_t, uint64_t begin) { least = std::min(least, begin); });
  });
  return least;
}

size_t WordIndex::memory_bytes() const {
  size_t bytes = literals_.memory_bytes() + compared_.capacity() +
                 literal_first_.capacity() * sizeof(uint32_t) +
                 prefix_uses_.capacity() * sizeof(PrefixUses);
  for (const WordUse& use : uses_) {
    bytes += sizeof(use) + use.word.exact.capacity() + use.word.fold.capacity() +
             use.word.skeleton.capacity() + use.word.runs.capacity() * sizeof(Word::Run) +
             use.word.characters.capacity() * sizeof(char32_t);
  }
  return bytes;
}

}  // namespace weir::rules
