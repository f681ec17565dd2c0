// A disguise index and the end of a skeleton that goes on: what could grow from a place.
#include <algorithm>
#include <utility>

#include <absl/container/inlined_vector.h>

#include "rules/disguise_index.h"
#include "rules/disguise_match.h"
#include "rules/disguise_walk.h"

namespace weir::rules {

// As ScanFrom(), where nothing is composed and no form ends, which is nearly everywhere: the ways
// to read the text from a place, character by character.
class DisguiseIndex::PlainGrowth {
 public:
  PlainGrowth(const DisguiseIndex& index, const LaneText& skeleton, uint64_t start,
              DirectionSet direction)
      : index_(index),
        skeleton_(skeleton),
        start_(start),
        direction_(direction),
        text_(skeleton.From(start)) {}

  // False where it cannot tell.
  bool Find(Grown& grown) {
    const Decoded first = DecodeLane(text_, 0);
    if (first.c >= kTabled) return false;
    const First& alone = index_.character_firsts_[first.c];
    if (first.length == text_.size() || !alone.grows) return FindAlone(first, alone, grown);
    const Decoded second = DecodeLane(text_, first.length);
    if (alone.is_whole || !IsPlain(first.c, second.c)) return false;
    size_t at = first.length + second.length;
    TakeTwo(first.c, second.c, at == text_.size());
    Decoded last = second;
    for (; at < text_.size(); at += last.length) {
      const Decoded next = DecodeLane(text_, at);
      if (is_whole_ || !IsPlain(last.c, next.c)) return false;
      if (ways_.empty()) return true;
      TakeNext(next.c, at + next.length == text_.size());
      last = next;
    }
    // A letter may be the first of a syllable.
    if (is_whole_ || (index_.lane_ == Lane::kPinyin && Begins(last.c))) return false;
    Settle(last.length, grown);
    return true;
  }

 private:
  // What the text up to some character is read as.
  struct Way {
    PrefixSet::Path path;
    const PrefixSet::Prefix* prefix;  // at `path`; null for one symbol
    Symbol last;
    bool certain;
    bool alike;  // some character is a look-alike
  };
  using Ways = absl::InlinedVector<Way, 16>;
  // Whether two symbols stand in a row takes as long as so many that may stand second.
  static constexpr size_t kNeighbourCost = 4;

  bool Begins(char32_t c) const { return (index_.marks_[c] & kBeginsComposite) != 0; }
  // Whether the two can only be read one by one.
  bool IsPlain(char32_t c, char32_t next) const {
    return next < kTabled && !(Begins(c) && index_.alphabet_->MayCompose(c, next));
  }

  bool FindAlone(const Decoded& first, const First& alone, Grown& grown) const {
    if (alone.is_whole) return false;
    grown = {alone.grows, (alone.certain & direction_) != 0};
    if (grown.certain || !Begins(first.c)) return true;
    return first.length < text_.size() && IsPlain(first.c, DecodeLane(text_, first.length).c);
  }

  void Take(const Way& from, const Read& read, Ways& to) {
    const PrefixSet::Path path = from.path.Then(read.symbol);
    const PrefixSet::Prefix* const prefix = index_.forms_.Find(path);
    if (prefix == nullptr) return;
    is_whole_ |= prefix->literal != PrefixSet::kNoLiteral;
    if (prefix->last == 0) return;
    to.push_back(
        {path, prefix, read.symbol, from.certain && read.certain, from.alike || read.alike});
  }
  // The text's last character as the first part of something.
  void TakeBegun(const Way& from, const Read& read) {
    const PrefixSet::Prefix* const prefix = index_.forms_.Find(from.path.Then(read.symbol));
    if (prefix == nullptr) return;
    Way& way = begun_.emplace_back(from);
    way.prefix = prefix;
    way.certain = way.certain && read.certain;
  }

  // To the eye, what may stand second is less than what the second may be.
  void TakeTwo(char32_t first, char32_t second, bool is_end) {
    const std::span<const Read> readings = index_.ReadingsOf(second);
    const std::span<const Read> begun = is_end ? index_.BegunBy(second) : std::span<const Read>();
    SymbolSet read_as;
    SymbolSet begun_as;
    for (const Read& read : readings) read_as.Add(read.symbol);
    for (const Read& read : begun) begun_as.Add(read.symbol);
    for (const Read& read : index_.ReadingsOf(first)) {
      const Way way{PrefixSet::Path().Then(read.symbol), nullptr, read.symbol, read.certain,
                    read.alike};
      if (begun.empty() && kNeighbourCost * readings.size() < read.second_count) {
        for (const Read& next : readings) {
          if (index_.AreNeighbours(read.symbol, next.symbol)) Take(way, next, ways_);
        }
        continue;
      }
      for (uint32_t i = 0; i < read.second_count; ++i) {
        const Symbol symbol = index_.seconds_[read.second_first + i];
        if (read_as.Has(symbol)) {
          for (const Read& next : readings) {
            if (next.symbol == symbol) Take(way, next, ways_);
          }
        }
        if (begun_as.Has(symbol)) {
          for (const Read& next : begun) {
            if (next.symbol == symbol) TakeBegun(way, next);
          }
        }
      }
    }
  }

  void TakeNext(char32_t c, bool is_end) {
    Ways ways;
    for (const Way& way : ways_) {
      for (const Read& read : index_.ReadingsOf(c)) {
        if (index_.AreNeighbours(way.last, read.symbol)) Take(way, read, ways);
      }
      if (!is_end) continue;
      for (const Read& read : index_.BegunBy(c)) {
        if (index_.AreNeighbours(way.last, read.symbol)) TakeBegun(way, read);
      }
    }
    ways_ = std::move(ways);
  }

  // Says what grows from the ways, `last` being the length of the last character.
  void Settle(size_t last, Grown& grown) {
    const auto repeated = skeleton_.repeated();
    repeats_ = std::ranges::upper_bound(repeated, start_) != repeated.end();
    for (const Way& way : ways_) Note(way, {way.prefix, false, way.certain}, text_, grown);
    const std::string_view before = text_.substr(0, text_.size() - last);
    for (const Way& way : begun_) Note(way, {way.prefix, true, way.certain}, before, grown);
  }

  // `found` is what stands before what is unfinished.
  void Note(const Way& way, const Growth& growth, std::string_view found, Grown& grown) const {
    if (!way.alike || repeats_) {
      grown.any = true;
      grown.certain = grown.certain || index_.GrowsCertainly(growth, direction_);
    } else if (BeginsSomeWord(growth, found)) {
      grown.any = grown.certain = true;
    } else {
      grown.any = grown.any || index_.has_exceptions_ || (index_.parts_ & direction_) != 0;
    }
  }

  // Whether some use that is no exception and no part begins so.
  bool BeginsSomeWord(const Growth& growth, std::string_view found) const {
    bool begins = false;
    index_.ForEachUse(growth, [&](const WordUse& use) {
      begins = begins || (!use.exception && !use.part && (use.directions & direction_) != 0 &&
                          BeginsInLooks(use.word, found));
    });
    return begins;
  }

  const DisguiseIndex& index_;
  const LaneText& skeleton_;
  const uint64_t start_;
  const DirectionSet direction_;
  const std::string_view text_;        // from the place on
  Ways ways_;                          // to read all of it
  absl::InlinedVector<Way, 4> begun_;  // those where the last character begins something
  bool is_whole_ = false;              // some way is a form
  bool repeats_ = false;               // the text repeats one of the characters
};

DisguiseIndex::Grown DisguiseIndex::ScanFrom(const LaneText& skeleton, uint64_t start,
                                             DirectionSet direction, std::vector<Hit>& hits) const {
  Grown grown;
  if (PlainGrowth(*this, skeleton, start, direction).Find(grown)) return grown;
  grown = {};
  const auto note = [&](const Growth& growth) {
    grown.any = true;
    grown.certain = GrowsCertainly(growth, direction);
    return !grown.certain;
  };
  const GrowthVisit visit(note);
  Walk(*this, skeleton.From(start), start, &hits, &visit).From(0);
  return grown;
}

void DisguiseIndex::ForEachGrowth(std::string_view skeleton, GrowthVisit visit) const {
  Walk(*this, skeleton, 0, nullptr, &visit).From(0);
}

}  // namespace weir::rules
