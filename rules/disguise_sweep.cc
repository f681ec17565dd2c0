// A disguise index and a whole skeleton.
#include <algorithm>
#include <array>
#include <compare>
#include <span>
#include <utility>

#include "rules/character_block.h"
#include "rules/disguise_index.h"
#include "rules/disguise_walk.h"

namespace weir::rules {

// Looks through a whole skeleton, block by block.
class DisguiseIndex::Sweep {
 public:
  Sweep(const DisguiseIndex& index, const LaneText& skeleton, std::vector<Hit>& hits)
      : index_(index),
        windows_(index.windows_),
        lane_(skeleton),
        skeleton_(skeleton.From(0)),
        hits_(hits),
        block_(skeleton_) {}

  // Appends hits, some of them twice.
  void Run() {
    while (block_.Read()) {
      MarkCharacters(
          block_, index_.marks_, [&](char32_t c) { return index_.RareMarkOf(c); }, marks_);
      asks_.clear();
      AskWindows();
      AskFurtherWindows();
      FindCandidates();
      for (const Candidate& candidate : candidates_) Verify(candidate);
      FindFlag(marks_, block_.places() + 1, kSeeksComposite, found_);
      found_.ForEach(block_.places() + 1, [&](size_t place) {
        if (place < block_.places()) FindComposites(place);
        // It may be the second part of one.
        if (place > 0 && block_.character(place) >= kTabled) FindComposites(place - 1);
      });
    }
    FindRepeats();
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

  // Something that the windows may have at a place.
  struct Ask {
    size_t place;
    WindowIndex::Range windows;
  };
  struct Candidate {
    size_t place;
    const WindowIndex::Window* window;
  };

  // Every look-up of the tables misses the caches, so each is begun well before it is needed.
  void AddAsk(size_t place, size_t size, uint32_t hash) {
    if (windows_.filter().Has(size, hash)) asks_.push_back({place, windows_.Find(size, hash)});
  }

  // Where every character is seen as its class.
  void AskWindows() {
    const Mark* const m = marks_.data();
    windows_.filter().FindForms(marks_, block_.places(), found_);
    found_.ForEach(block_.places(), [&](size_t place) {
      for (size_t size = 2; size <= windows_.marks_max(); ++size) {
        windows_.Prefetch(size, FormFilter::Hash(m + place, size));
      }
    });
    found_.ForEach(block_.places(), [&](size_t place) {
      for (size_t size = 1; size <= windows_.marks_max(); ++size) {
        AddAsk(place, size, FormFilter::Hash(m + place, size));
      }
    });
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
      AddAsk(place, size, FormFilter::Hash(marks.data(), size));
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

  // The windows of the asks, but those whose neighbour the text has not.
  void FindCandidates() {
    for (const Ask& ask : asks_) __builtin_prefetch(ask.windows.first);
    candidates_.clear();
    for (const auto& [place, windows] : asks_) {
      for (const WindowIndex::Window* window = windows.first; window != windows.last; ++window) {
        if (window->tag != windows.tag || !MayBeBeside(place, *window)) continue;
        candidates_.push_back({place, window});
        if (window->form != kCompositePair) index_.forms_.Prefetch(window->form);
      }
    }
  }

  bool MayBeBeside(size_t place, const WindowIndex::Window& window) const {
    if (window.beside == 0 || (window.is_before != 0 && place == 0)) return true;
    const char32_t c = block_.character(window.is_before != 0 ? place - 1 : place + window.size);
    return c >= kTabled || index_.reading_bits_.Has(NeighbourHash(c, window.beside));
  }

  // Notes the form of a candidate if its symbols stand around the place.
  void Verify(const Candidate& candidate) {
    if (candidate.window->form == kCompositePair) {
      FindComposites(candidate.place);
      return;
    }
    const std::string_view symbols = index_.forms_.literal(candidate.window->form);
    size_t start = block_.offset(candidate.place);
    size_t end = start;
    size_t offset = 0;
    for (uint32_t i = 0; i < candidate.window->offset; ++i) {
      offset += DecodeLane(symbols, offset).length;
    }
    for (size_t symbol = offset; symbol < symbols.size();) {
      if (end == skeleton_.size()) return;
      const Decoded wanted = DecodeLane(symbols, symbol);
      const Decoded found = DecodeLane(skeleton_, end);
      if (!index_.MayBe(found.c, wanted.c)) return;
      symbol += wanted.length;
      end += found.length;
    }
    for (size_t symbol = offset; symbol > 0;) {
      if (start == 0) return;
      const Decoded wanted = DecodeBefore(symbols, symbol);
      const Decoded found = DecodeBefore(skeleton_, start);
      if (!index_.MayBe(found.c, wanted.c)) return;
      symbol -= wanted.length;
      start -= found.length;
    }
    hits_.push_back({start, end, candidate.window->form});
  }

  // Adds the places from which a form may begin that has a composite at `place` of the block.
  void FindComposites(size_t place) {
    if (!index_.alphabet_->MayCompose(block_.character(place), block_.character(place + 1))) return;
    composites_.clear();
    const size_t at = block_.offset(place);
    index_.alphabet_->AppendComposites(skeleton_, at, 0, composites_);
    if (composites_.empty()) return;
    AddStarts(at, MayStartAt(place), composites_, index_.neighbours_);
  }

  // The same with a character that the text repeats: where the skeleton has one, the text may have
  // two of a word's, or the parts of one, or one and the beginning of the next.
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
        AddStarts(end - repeated.length, true, composites_, neighbours);
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
  void AddStarts(size_t at, bool may_start, TextSymbols& symbols, const HashBits& neighbours) {
    symbols.erase(
        std::remove_if(symbols.begin(), symbols.end(),
                       [&](const TextSymbol& symbol) { return !MayGoOn(symbol, neighbours); }),
        symbols.end());
    for (size_t i = 0;; ++i) {
      for (const TextSymbol& symbol : symbols) {
        if (may_start && neighbours.Has(NeighbourHash(0, symbol.symbol))) {
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
      may_start = true;
    }
  }

  // Whether letters before it leave it open that a word begins at `place`: they must be whole
  // syllables, unless it is the word's own letter.
  bool MayStartAt(size_t place) {
    if (place < 1 || index_.lane_ != Lane::kPinyin) return true;
    constexpr std::u32string_view kNeverLast = U"bcdfhjklpqstwxyz";
    if (kNeverLast.find(block_.character(place - 1)) == std::u32string_view::npos) return true;
    return block_.character(place) >= 0x80 ||
           lane_.DropsBetween(block_.offset(place - 1), block_.offset(place + 1)) ||
           index_.HasWordFrom(block_.character(place));
  }

  const DisguiseIndex& index_;
  const WindowIndex& windows_;
  const LaneText& lane_;
  const std::string_view skeleton_;
  std::vector<Hit>& hits_;
  CharacterBlock block_;
  BlockMarks marks_;
  PlaceSet found_;
  std::array<std::vector<Mark>, kMarks> rare_marks_;
  std::vector<Ask> asks_;
  std::vector<Candidate> candidates_;
  TextSymbols composites_;
  TextSymbols before_;
  std::vector<Start> starts_;
};

void DisguiseIndex::Scan(const LaneText& skeleton, std::vector<Hit>& hits) const {
  Sweep(*this, skeleton, hits).Run();
  std::sort(hits.begin(), hits.end());
  hits.erase(std::unique(hits.begin(), hits.end()), hits.end());
}

}  // namespace weir::rules
