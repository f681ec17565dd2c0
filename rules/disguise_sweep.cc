// A disguise index and a whole skeleton.
#include <algorithm>
#include <array>
#include <compare>
#include <span>
#include <utility>

#include "rules/character_block.h"
#include "rules/disguise_index.h"
#include "rules/disguise_walk.h"
#include "rules/letter_stretches.h"

namespace weir::rules {

// Looks through a whole skeleton, block by block.
class DisguiseIndex::Sweep {
 public:
  Sweep(const DisguiseIndex& index, const OriginalText& text, const LaneText& skeleton,
        std::vector<Hit>& hits)
      : index_(index),
        windows_(index.windows_),
        lane_(skeleton),
        skeleton_(skeleton.From(0)),
        hits_(hits),
        block_(skeleton_),
        letters_(text, skeleton, index.own_letters_) {}

  // Appends hits, some of them twice.
  void Run() {
    while (block_.Read()) {
      MarkCharacters(
          block_, index_.marks_, [&](char32_t c) { return index_.RareMarkOf(c); }, marks_);
      AskWindows();
      AskFurtherWindows();
      FindCandidates();
      for (const WindowIndex::Match& candidate : Candidates()) Verify(candidate);
      FindFlag(marks_, block_.places() + 1, kSeeksComposite, found_);
      found_.ForEach(block_.places() + 1, [&](size_t place) {
        if (place < block_.places()) FindComposites(place);
        // It may be the second part of one.
        if (place > 0 && block_.character(place) >= kTabled) FindComposites(place - 1);
      });
    }
    if (index_.lane_ == Lane::kPinyin) {
      FindCollapsed();
    } else {
      FindRepeats();
    }
    std::sort(starts_.begin(), starts_.end());
    starts_.erase(std::unique(starts_.begin(), starts_.end()), starts_.end());
    Walk walk(index_, skeleton_, 0, &hits_, nullptr);
    for (const Start& start : starts_) walk.From(start.at, start.first);
  }

 private:
  // Where a form may begin, and with which symbol.
  struct Start {
    size_t at;
    TextSymbol first;
    auto operator<=>(const Start& other) const = default;
  };

  static constexpr size_t kMarks = FormFilter::kMarksMax;

  // Whether the symbol beside a window stands there: if it fits whatever the text has, or else if
  // the character there may be read so.
  struct Neighbour {
    uint32_t hash = 0;
    uint32_t fits = 0;
  };

  void AddAsk(size_t place, size_t size, uint32_t hash) {
    asks_.push_back(windows_.AskAt(static_cast<uint32_t>(place), size, hash));
  }

  // Where every character is seen as its class.
  void AskWindows() {
    for (size_t size = 1; size <= windows_.marks_max(); ++size) {
      if (!windows_.filter().has(size)) continue;
      windows_.filter().FindForms(size, marks_, block_.places(), found_);
      found_.ForEach(block_.places(), [&](size_t place) {
        AddAsk(place, size, FormFilter::Hash(marks_.data() + place, size));
      });
    }
  }

  // Where some character is seen as a further class.
  void AskFurtherWindows() {
    const size_t size_max = windows_.marks_max();
    FindFlag(marks_, block_.places() + kMarks - 1, kHasFurtherClasses, found_);
    size_t next = 0;  // the first place that was not asked about
    found_.ForEach(block_.places() + size_max - 1, [&](size_t with) {
      const size_t end = std::min(with + 1, block_.places());
      for (next = std::max(next, with < size_max ? 0 : with + 1 - size_max); next < end; ++next) {
        for (size_t size = 1; size <= size_max; ++size) AskFurther(next, size);
      }
    });
  }

  // Asks about every choice of classes but the one that AskWindows() asked about.
  void AskFurther(size_t place, size_t size) {
    if (!windows_.filter().has(size)) return;
    std::array<std::span<const Mark>, kMarks> further;
    size_t choices = 1;
    for (size_t i = 0; i < size; ++i) {
      if ((marks_[place + i] & kHasFurtherClasses) != 0) further[i] = FurtherMarksAt(place + i, i);
      choices *= further[i].size() + 1;
    }
    std::array<Mark, kMarks> marks{};
    for (size_t choice = 1; choice < choices; ++choice) {
      size_t rest = choice;
      for (size_t i = 0; i < size; ++i) {
        const size_t which = rest % (further[i].size() + 1);
        rest /= further[i].size() + 1;
        marks[i] = which == 0 ? marks_[place + i] : further[i][which - 1];
      }
      const uint32_t hash = FormFilter::Hash(marks.data(), size);
      if (windows_.filter().Has(size, hash)) AddAsk(place, size, hash);
    }
  }

  // `slot`: where to keep those of a character that has no table.
  std::span<const Mark> FurtherMarksAt(size_t place, size_t slot) {
    const char32_t c = block_.character(place);
    if (const auto found = index_.further_marks_.find(c); found != index_.further_marks_.end()) {
      return found->second;
    }
    rare_marks_[slot].clear();
    index_.ForEachReading(c, [&](const Read& read) {
      rare_marks_[slot].push_back(MarkOf(index_.alphabet_->ClassesOf(read.symbol).front()));
    });
    return rare_marks_[slot];
  }

  // The windows of the asks, but those whose neighbour the text has not. Without branches, as far
  // as they would be guesses, and with every look-up begun well before it is needed.
  void FindCandidates() {
    const size_t count = windows_.Find(asks_, matches_);
    if (neighbours_.size() < count) neighbours_.resize(count);
    WindowIndex::Match* const matches = matches_.data();
    Neighbour* const neighbours = neighbours_.data();
    for (size_t i = 0; i < count; ++i) {
      neighbours[i] = NeighbourOf(matches[i]);
      index_.reading_bits_.Prefetch(neighbours[i].hash);
    }
    candidates_ = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t fits =
          neighbours[i].fits | (index_.reading_bits_.Has(neighbours[i].hash) ? 1U : 0U);
      matches[candidates_] = matches[i];
      candidates_ += fits;
    }
    for (const WindowIndex::Match& candidate : Candidates()) {
      if (candidate.window.form != kCompositePair) index_.forms_.Prefetch(candidate.window.form);
    }
  }

  std::span<const WindowIndex::Match> Candidates() const {
    return std::span(matches_).first(candidates_);
  }

  Neighbour NeighbourOf(const WindowIndex::Match& match) const {
    const uint32_t is_before = match.window.is_before;
    // What stands before the block is not known.
    const uint32_t is_unknown = is_before & (match.place == 0 ? 1U : 0U);
    const uint32_t behind = match.window.size;
    const char32_t c =
        block_.character(match.place + (is_before != 0 ? is_unknown - is_before : behind));
    const uint32_t is_rare = c >= kTabled ? 1 : 0;
    return {NeighbourHash(c, match.beside), (match.beside == 0 ? 1U : 0U) | is_unknown | is_rare};
  }

  // Notes the form of a candidate if its symbols stand around the place.
  void Verify(const WindowIndex::Match& candidate) {
    if (candidate.window.form == kCompositePair) {
      FindComposites(candidate.place);
      return;
    }
    size_t at = 0;
    const std::string_view symbols = index_.forms_.literal(candidate.window.form);
    for (uint32_t i = 0; i < candidate.window.offset; ++i) at += DecodeLane(symbols, at).length;
    VerifyForm(candidate.window.form, at, block_.offset(candidate.place));
  }

  // Notes the form if its symbols stand around `place` in the skeleton, the one at `at` there.
  void VerifyForm(uint32_t form, size_t at, size_t place) {
    const std::string_view symbols = index_.forms_.literal(form);
    size_t start = place;
    size_t end = place;
    // Most fail at the first character; what is certain takes longer.
    for (size_t symbol = at; symbol < symbols.size();) {
      if (end == skeleton_.size()) return;
      const Decoded wanted = DecodeLane(symbols, symbol);
      const Decoded found = DecodeLane(skeleton_, end);
      if (!index_.MightBe(found.c, wanted.c)) return;
      symbol += wanted.length;
      end += found.length;
    }
    for (size_t symbol = at; symbol > 0;) {
      if (start == 0) return;
      const Decoded wanted = DecodeBefore(symbols, symbol);
      const Decoded found = DecodeBefore(skeleton_, start);
      if (!index_.MightBe(found.c, wanted.c)) return;
      symbol -= wanted.length;
      start -= found.length;
    }
    for (size_t symbol = 0, found_at = start; symbol < symbols.size();) {
      const Decoded wanted = DecodeLane(symbols, symbol);
      const Decoded found = DecodeLane(skeleton_, found_at);
      if (!index_.MayBe(found.c, wanted.c)) return;
      symbol += wanted.length;
      found_at += found.length;
    }
    hits_.push_back({start, end, form});
  }

  // Adds the places from which a form may begin that has a composite at `place` of the block.
  void FindComposites(size_t place) {
    if (!index_.alphabet_->MayCompose(block_.character(place), block_.character(place + 1))) return;
    const size_t at = block_.offset(place);
    const bool is_letter = index_.lane_ == Lane::kPinyin && block_.character(place) < 0x80;
    if (is_letter && !letters_.MayBegin(at)) return;
    composites_.clear();
    index_.alphabet_->AppendComposites(skeleton_, at, 0, composites_);
    if (is_letter) {
      const auto* const kept =
          std::remove_if(composites_.begin(), composites_.end(),
                         [&](const TextSymbol& symbol) { return !letters_.MayEnd(symbol.end); });
      composites_.erase(kept, composites_.end());
    }
    if (composites_.empty()) return;
    AddStarts(at, composites_, index_.neighbours_);
  }

  // To the ear, notes the forms with a character that the text repeats for two of the word's; and
  // the places of a word's own letter that is also the first of the syllable behind it (q群 in
  // qqun).
  void FindCollapsed() {
    for (const uint64_t end : lane_.repeated()) {
      const Decoded repeated = DecodeBefore(skeleton_, end);
      const size_t at = end - repeated.length;
      if (repeated.c < index_.own_letters_.size() && index_.own_letters_[repeated.c]) {
        composites_.assign(1, {static_cast<size_t>(end), repeated.c, true, false});
        AddStarts(at, composites_, index_.neighbours_);
      }
      if ((index_.MarkAt(repeated.c) & kMayBeSeveral) == 0) continue;
      index_.ForEachReading(repeated.c, [&](const Read& read) {
        if (!index_.collapsed_symbols_[read.symbol]) return;
        VerifyCollapsed({read.symbol, 0, true}, at);
        if (end < skeleton_.size()) {
          index_.ForEachReading(DecodeLane(skeleton_, end).c, [&](const Read& next) {
            const uint32_t hash = NeighbourHash(read.symbol, next.symbol);
            if (!index_.collapsed_neighbours_.Has(hash)) return;
            VerifyCollapsed({read.symbol, next.symbol, false}, at);
          });
        }
        if (at > 0) {
          index_.ForEachReading(DecodeBefore(skeleton_, at).c, [&](const Read& before) {
            const uint32_t hash = NeighbourHash(before.symbol, read.symbol);
            if (!index_.collapsed_neighbours_.Has(hash)) return;
            VerifyCollapsed({read.symbol, before.symbol, true}, at);
          });
        }
      });
    }
  }

  void VerifyCollapsed(const CollapsedKey& key, size_t place) {
    const auto found = index_.collapsed_forms_.find(key);
    if (found == index_.collapsed_forms_.end()) return;
    for (const FormPlace& in : found->second) VerifyForm(in.form, in.at, place);
  }

  // To the eye, adds the places from which one may begin with a character that the text repeats:
  // where the skeleton has one, the text may have two of a word's, or the parts of one, or one and
  // the beginning of the next.
  void FindRepeats() {
    for (const uint64_t end : lane_.repeated()) {
      const Decoded repeated = DecodeBefore(skeleton_, end);
      const bool composes = ComposesAround(end - repeated.length, end);
      if (!composes && (index_.MarkAt(repeated.c) & kMayBeSeveral) == 0) continue;
      const auto add_starts = [&](const HashBits& neighbours, auto is_asked) {
        composites_.clear();
        index_.ForEachReading(repeated.c, [&](const Read& read) {
          if (!is_asked(read)) return;
          composites_.push_back({static_cast<size_t>(end), read.symbol, read.certain, read.alike});
        });
        AddStarts(end - repeated.length, composites_, neighbours);
      };
      add_starts(index_.neighbours_, [&](const Read& read) { return composes || IsPart(read); });
      if (composes) continue;
      add_starts(index_.collapsed_neighbours_,
                 [&](const Read& read) { return index_.collapsed_symbols_[read.symbol]; });
    }
  }

  // Whether the character at [at, end), which is none of a syllable, may be part of a composite.
  bool ComposesAround(size_t at, size_t end) const {
    if (index_.lane_ == Lane::kPinyin) return false;
    const char32_t c = DecodeLane(skeleton_, at).c;
    return (end < skeleton_.size() &&
            index_.alphabet_->MayCompose(c, DecodeLane(skeleton_, end).c)) ||
           (at > 0 && index_.alphabet_->MayCompose(DecodeBefore(skeleton_, at).c, c));
  }

  // Whether some form goes on with what stands behind the symbol, or ends with it.
  bool MayGoOn(const TextSymbol& symbol, const HashBits& neighbours) const {
    if (neighbours.Has(NeighbourHash(symbol.symbol, 0))) return true;
    // One n is both of xian neng.
    if (index_.lane_ == Lane::kPinyin && std::ranges::binary_search(lane_.repeated(), symbol.end)) {
      return true;
    }
    if (symbol.end >= skeleton_.size()) return false;
    const Decoded decoded = DecodeLane(skeleton_, symbol.end);
    if (index_.lane_ == Lane::kPinyin && decoded.c < 0x80) return true;  // letters, or a tone
    const size_t next = symbol.end + decoded.length;
    if ((index_.MarkAt(decoded.c) & kBeginsComposite) != 0 && next < skeleton_.size() &&
        index_.alphabet_->MayCompose(decoded.c, DecodeLane(skeleton_, next).c)) {
      return true;
    }
    bool goes_on = false;
    index_.ForEachReading(decoded.c, [&](const Read& read) {
      goes_on |= neighbours.Has(NeighbourHash(symbol.symbol, read.symbol));
    });
    return goes_on;
  }

  // Adds the places from which a form may begin that has one of `symbols` at `at`: that one, and
  // those before it, as far as each character may stand before the next one.
  void AddStarts(size_t at, TextSymbols& symbols, const HashBits& neighbours) {
    symbols.erase(
        std::remove_if(symbols.begin(), symbols.end(),
                       [&](const TextSymbol& symbol) { return !MayGoOn(symbol, neighbours); }),
        symbols.end());
    for (size_t i = 0;; ++i) {
      for (const TextSymbol& symbol : symbols) {
        if (neighbours.Has(NeighbourHash(0, symbol.symbol))) {
          starts_.push_back({at, symbol});
        }
      }
      if (symbols.empty() || at == 0 || i == index_.forms_.characters_max()) return;
      const Decoded before = DecodeBefore(skeleton_, at);
      before_.clear();
      index_.ForEachReading(before.c, [&](const Read& read) {
        const bool fits = std::ranges::any_of(symbols, [&](const TextSymbol& symbol) {
          return neighbours.Has(NeighbourHash(read.symbol, symbol.symbol));
        });
        if (fits) before_.push_back({at, read.symbol, read.certain, read.alike});
      });
      std::swap(before_, symbols);
      at -= before.length;
    }
  }

  const DisguiseIndex& index_;
  const WindowIndex& windows_;
  const LaneText& lane_;
  const std::string_view skeleton_;
  std::vector<Hit>& hits_;
  CharacterBlock block_;
  LetterStretches letters_;
  BlockMarks marks_;
  PlaceSet found_;
  std::array<std::vector<Mark>, kMarks> rare_marks_;
  std::vector<WindowIndex::Ask> asks_;
  std::vector<WindowIndex::Match> matches_;
  std::vector<Neighbour> neighbours_;
  size_t candidates_ = 0;  // so many matches, in front, are candidates
  TextSymbols composites_;
  TextSymbols before_;
  std::vector<Start> starts_;
};

void DisguiseIndex::Scan(const OriginalText& text, const LaneText& skeleton,
                         std::vector<Hit>& hits) const {
  Sweep(*this, text, skeleton, hits).Run();
  std::sort(hits.begin(), hits.end());
  hits.erase(std::unique(hits.begin(), hits.end()), hits.end());
}

}  // namespace weir::rules
