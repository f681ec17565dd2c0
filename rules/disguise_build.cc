// How a disguise index is made.
#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

#include "rules/check.h"
#include "rules/disguise_index.h"
#include "rules/disguise_match.h"
#include "rules/ordinary_words.h"
#include "rules/shape_table.h"

namespace weir::rules {
namespace {

// Of one word.
constexpr size_t kWordFormsMax = 64;

bool IsAscii(char32_t c) {
  return c < 0x80;
}

bool IsSurrogate(char32_t c) {
  return c >= 0xD800 && c < 0xE000;
}

size_t CountCharacters(std::string_view utf8) {
  size_t count = 0;
  for (size_t at = 0; at < utf8.size(); ++count) at += DecodeAt(utf8, at).length;
  return count;
}

}  // namespace

// One way to read a word.
struct DisguiseIndex::Form {
  std::string symbols;
  uint32_t use = 0;
  size_t certain = 0;      // of the symbols: the first so many
  bool repeating = false;  // two characters are one symbol, or one character twice
  absl::InlinedVector<Symbol, 2> collapsed;  // symbols that are several characters

  friend bool operator<(const Form& a, const Form& b) {
    return std::tie(a.symbols, a.use) < std::tie(b.symbols, b.use);
  }
};

// Makes the forms of one word: its symbols as they are, and then with some neighbours written once,
// since a text may have one character twice where the word has two.
class DisguiseIndex::FormMaker {
 public:
  FormMaker(const DisguiseIndex& index, std::vector<Form>& forms) : index_(index), forms_(forms) {
    for (char32_t c = 0; c < kTabled; ++c) {
      index.ForEachReading(c, [&](const Read& read) {
        if (read.alike) return;  // see MayStandFor()
        if (read.symbol >= characters_.size()) characters_.resize(read.symbol + 1);
        characters_[read.symbol].push_back(static_cast<char16_t>(c));
      });
    }
  }

  // Appends to the forms.
  void Add(const Word& word, uint32_t use) {
    symbols_.clear();
    certain_max_ = kWordCharactersMax;
    form_ = Form();
    form_.use = use;
    for (const Word::Run& run : word.runs) {
      const Symbol symbol = index_.alphabet_->OfWord(run.c);
      if (symbol == 0) return;
      if (run.count > 1) {
        certain_max_ = std::min(certain_max_, symbols_.size());
        form_.repeating = true;
      }
      symbols_.insert(symbols_.end(), run.count, symbol);
    }
    if (IsAscii(word.runs.front().c))
      certain_max_ = 0;  // what may stand before it is its own matter
    forms_max_ = forms_.size() + kWordFormsMax;
    Continue(0, 0, true);
  }

 private:
  // Characters of a text, in order.
  using Characters = std::vector<char16_t>;

  // Adds the forms that begin with form_, whose last symbol is symbols_[last] and the characters
  // behind it up to `at`. `certain`: all of its symbols are.
  void Continue(size_t last, size_t at, bool certain) {
    if (forms_.size() >= forms_max_) return;
    if (at == symbols_.size()) {
      forms_.push_back(form_);
      return;
    }
    const Form before = form_;
    AppendUtf8(symbols_[at], form_.symbols);
    const bool still = certain && at < certain_max_;
    form_.certain += still ? 1 : 0;
    Continue(at, at + 1, still);
    form_ = before;
    if (at > 0 && MayBeOne(last, at)) {
      form_.repeating = true;
      if (last + 1 == at) form_.collapsed.push_back(symbols_[last]);
      Continue(last, at + 1, false);
      form_ = before;
    }
  }

  // Whether some character of a text may be each of the symbols in [first, last].
  bool MayBeOne(size_t first, size_t last) {
    Characters all;
    for (size_t i = first; i <= last; ++i) {
      if (i > first && symbols_[i] == symbols_[i - 1]) continue;
      if (symbols_[i] >= characters_.size()) return false;
      const Characters& of_symbol = characters_[symbols_[i]];
      if (i == first) {
        all = of_symbol;
        continue;
      }
      Characters both;
      std::ranges::set_intersection(all, of_symbol, std::back_inserter(both));
      all = std::move(both);
      if (all.empty()) return false;
    }
    return true;
  }

  const DisguiseIndex& index_;
  std::vector<Form>& forms_;
  std::vector<Characters> characters_;  // by symbol: those that may be it
  size_t forms_max_ = 0;
  std::vector<Symbol> symbols_;
  size_t certain_max_ = 0;  // characters that can be
  Form form_;
};

DisguiseIndex DisguiseIndex::Build(Lane lane, std::vector<WordUse> uses) {
  DisguiseIndex index;
  index.lane_ = lane;
  std::erase_if(uses, [&](const WordUse& use) { return !LooksFor(lane, use.word); });
  if (uses.empty()) return index;
  index.uses_ = std::move(uses);
  std::vector<char32_t> characters;
  for (const WordUse& use : index.uses_) {
    for (const Word::Run& run : use.word.runs) characters.push_back(run.c);
  }
  std::sort(characters.begin(), characters.end());
  characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
  if (lane == Lane::kPinyin) {
    index.alphabet_ = std::make_unique<SoundAlphabet>(characters);
  } else {
    index.alphabet_ = std::make_unique<ShapeAlphabet>(characters);
  }
  index.BuildReadings();
  index.BuildForms();
  index.BuildFirsts();
  index.BuildSeconds();
  index.BuildBegun();
  index.BuildWindows();
  for (const WordUse& use : index.uses_) {
    for (const char32_t c : use.word.characters) {
      if (IsAscii(c)) index.own_letters_[c] = true;
    }
    if (const char32_t first = use.word.runs.front().c; IsAscii(first)) {
      index.ascii_firsts_[first] = true;
    }
    index.has_exceptions_ |= use.exception;
    if (use.part) index.parts_ = static_cast<DirectionSet>(index.parts_ | use.directions);
  }
  return index;
}

void DisguiseIndex::BuildReadings() {
  TextSymbols symbols;
  reading_first_.reserve(kTabled + 1);
  for (char32_t c = 0; c < kTabled; ++c) {
    reading_first_.push_back(static_cast<uint32_t>(readings_.size()));
    if (IsSurrogate(c)) continue;
    symbols.clear();
    alphabet_->AppendReadings(c, symbols);
    for (const TextSymbol& read : symbols) {
      readings_.push_back({read.symbol, read.certain, read.alike});
    }
  }
  reading_first_.push_back(static_cast<uint32_t>(readings_.size()));
  reading_bits_.Resize(readings_.size(), 16, 22);
  for (char32_t c = 0; c < kTabled; ++c) {
    ForEachReading(c, [&](const Read& read) { reading_bits_.Set(NeighbourHash(c, read.symbol)); });
  }
}

void DisguiseIndex::BuildForms() {
  std::vector<Form> forms;
  FormMaker maker(*this, forms);
  for (uint32_t i = 0; i < uses_.size(); ++i) maker.Add(uses_[i].word, i);
  std::sort(forms.begin(), forms.end());
  std::vector<std::string_view> distinct;
  const Form* previous = nullptr;
  for (const Form& form : forms) {
    const bool is_new = previous == nullptr || form.symbols != previous->symbols;
    if (is_new) {
      distinct.push_back(form.symbols);
      form_first_.push_back(static_cast<uint32_t>(form_use_.size()));
      form_collapsed_.push_back(kForAll);
    }
    if (form.collapsed.empty()) {
      form_collapsed_.back() &= kForSome;
    } else {
      form_collapsed_.back() |= kForSome;
    }
    if (is_new || form.use != previous->use) form_use_.push_back(form.use);
    previous = &form;
  }
  form_first_.push_back(static_cast<uint32_t>(form_use_.size()));
  forms_ = PrefixSet::Build(distinct);
  prefix_uses_.resize(forms_.prefix_count());
  collapsed_symbols_.resize(kTabled);
  for (const Form& form : forms) {
    NotePrefixes(form);
    for (const Symbol symbol : form.collapsed) {
      collapsed_symbols_[symbol] = true;
      NoteCollapsed(form, symbol);
    }
  }
}

void DisguiseIndex::NoteCollapsed(const Form& form, Symbol symbol) {
  PrefixSet::Path path;
  for (size_t at = 0; at < form.symbols.size();) {
    const Decoded decoded = DecodeAt(form.symbols, at);
    at += decoded.length;
    path = path.Then(decoded.c);
  }
  const uint32_t number = forms_.Find(path)->literal;
  if (!IsCollapsed(number)) return;  // the windows have it
  Symbol before = 0;
  for (size_t at = 0; at < form.symbols.size();) {
    const Decoded decoded = DecodeAt(form.symbols, at);
    const size_t next = at + decoded.length;
    if (decoded.c == symbol) {
      const CollapsedKey key = next < form.symbols.size()
                                   ? CollapsedKey{symbol, DecodeAt(form.symbols, next).c, false}
                                   : CollapsedKey{symbol, before, true};
      std::vector<FormPlace>& places = collapsed_forms_[key];
      const FormPlace place{number, static_cast<uint32_t>(at)};
      if (std::ranges::find(places, place) == places.end()) places.push_back(place);
    }
    before = decoded.c;
    at = next;
  }
}

void DisguiseIndex::NotePrefixes(const Form& form) {
  const WordUse& use = uses_[form.use];
  PrefixSet::Path path;
  size_t taken = 0;
  const auto add = [&](DirectionSet& to) { to = static_cast<DirectionSet>(to | use.directions); };
  for (size_t at = 0; at < form.symbols.size();) {
    const Decoded decoded = DecodeAt(form.symbols, at);
    at += decoded.length;
    path = path.Then(decoded.c);
    PrefixUses& uses = prefix_uses_[forms_.Find(path)->number];
    if (form.repeating && !use.exception && !use.part) add(uses.repeating);
    if (++taken > form.certain || use.exception || use.part) continue;
    add(at == form.symbols.size() ? uses.whole : uses.certain);
  }
}

void DisguiseIndex::BuildFirsts() {
  neighbours_.Resize(forms_.prefix_count() + 2 * forms_.literal_count(), 16, 23);
  const auto collapsed = static_cast<size_t>(
      std::ranges::count_if(form_collapsed_, [](uint8_t of_form) { return of_form != 0; }));
  collapsed_neighbours_.Resize(6 * collapsed, 16, 23);
  symbol_firsts_.resize(kTabled);
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    const std::string_view symbols = forms_.literal(form);
    Symbol last = 0;
    const auto add = [&](Symbol symbol) {
      neighbours_.Set(NeighbourHash(last, symbol));
      if (form_collapsed_[form] != 0) collapsed_neighbours_.Set(NeighbourHash(last, symbol));
      last = symbol;
    };
    for (size_t at = 0; at < symbols.size();) {
      const Decoded decoded = DecodeAt(symbols, at);
      at += decoded.length;
      if (last == 0) {
        First& first = symbol_firsts_[decoded.c];
        const PrefixSet::Prefix& prefix = *forms_.Find(PrefixSet::Path().Then(decoded.c));
        first.grows = prefix.last != 0;
        first.is_whole = prefix.literal != PrefixSet::kNoLiteral;
        first.certain = prefix_uses_[prefix.number].certain;
      }
      add(decoded.c);
    }
    add(0);
  }
  character_firsts_.resize(kTabled);
  for (char32_t c = 0; c < kTabled; ++c) {
    ForEachReading(c, [&](const Read& read) {
      const First& first = symbol_firsts_[read.symbol];
      First& of_character = character_firsts_[c];
      of_character.grows |= first.grows;
      of_character.is_whole |= first.is_whole;
      if (!read.certain) return;
      of_character.certain = static_cast<DirectionSet>(of_character.certain | first.certain);
    });
  }
  if (lane_ != Lane::kShape) return;
  for (const WordUse& use : uses_) {
    if (use.exception || use.part) continue;
    for (const char16_t c : LookAlikesOf(use.word.runs.front().c)) {
      DirectionSet& certain = character_firsts_[c].certain;
      if ((use.directions & ~certain) == 0) continue;
      std::string begun;
      AppendUtf8(c, begun);
      if (BeginsInLooks(use.word, begun)) {
        certain = static_cast<DirectionSet>(certain | use.directions);
      }
    }
  }
}

void DisguiseIndex::BuildSeconds() {
  struct Seconds {
    uint32_t first = 0;
    uint16_t count = 0;
  };
  std::vector<Seconds> by_symbol(kTabled);
  std::string_view last;
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {  // sorted
    const std::string_view symbols = forms_.literal(form);
    const Decoded first = DecodeAt(symbols, 0);
    if (first.length == symbols.size()) continue;
    const Decoded second = DecodeAt(symbols, first.length);
    const std::string_view pair = symbols.substr(0, first.length + second.length);
    if (pair == last) continue;
    last = pair;
    Seconds& seconds = by_symbol[first.c];
    if (seconds.count++ == 0) seconds.first = static_cast<uint32_t>(seconds_.size());
    seconds_.push_back(second.c);
  }
  for (Read& read : readings_) {
    read.second_first = by_symbol[read.symbol].first;
    read.second_count = by_symbol[read.symbol].count;
  }
}

void DisguiseIndex::BuildBegun() {
  std::vector<std::tuple<char32_t, Symbol, bool>> begun;
  std::vector<bool> seen(kTabled);
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    const std::string_view symbols = forms_.literal(form);
    for (size_t at = DecodeAt(symbols, 0).length; at < symbols.size();) {
      const Decoded decoded = DecodeAt(symbols, at);
      seen[decoded.c] = true;
      at += decoded.length;
    }
  }
  for (Symbol symbol = 1; symbol < kTabled; ++symbol) {
    if (!seen[symbol]) continue;
    alphabet_->ForEachBeginning(
        symbol, [&](char32_t c, bool certain) { begun.emplace_back(c, symbol, certain); });
  }
  std::sort(begun.begin(), begun.end());
  begun.erase(std::unique(begun.begin(), begun.end()), begun.end());
  begun_first_.assign(kTabled + 1, 0);
  for (const auto& [c, symbol, certain] : begun) {
    ++begun_first_[c + 1];
    begun_.push_back({symbol, certain, false});
  }
  for (size_t i = 1; i < begun_first_.size(); ++i) begun_first_[i] += begun_first_[i - 1];
}

// Every character of a text has a mark, that of its class. A symbol is looked for under the marks
// of its classes, and of what else is frequent and may be it. What is seldom and may be it has the
// first of these marks besides its own.
void DisguiseIndex::BuildWindows() {
  std::vector<std::vector<Mark>> marks_of(kTabled);  // by symbol
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    const std::string_view symbols = forms_.literal(form);
    for (size_t at = 0; at < symbols.size();) {
      const Decoded decoded = DecodeAt(symbols, at);
      at += decoded.length;
      if (!marks_of[decoded.c].empty()) continue;
      for (const CharacterClass of : alphabet_->ClassesOf(decoded.c)) {
        marks_of[decoded.c].push_back(MarkOf(of));
      }
    }
  }
  marks_.resize(kTabled);
  for (char32_t c = 0; c < kTabled; ++c) {
    if (IsSurrogate(c)) continue;
    const Mark own = MarkOf(alphabet_->ClassOf(c));
    Mark& mark = marks_[c] = own;
    ForEachReading(c, [&](const Read& read) {
      if (MayBeSeveral(read)) mark |= kMayBeSeveral;
      if (!read.certain) return;
      std::vector<Mark>& marks = marks_of[read.symbol];
      if (marks.empty() || std::ranges::find(marks, own) != marks.end()) return;
      if (IsFrequentCharacter(c)) {
        marks.push_back(own);
        return;
      }
      mark |= kHasFurtherClasses;
      std::vector<Mark>& further = further_marks_[c];
      if (std::ranges::find(further, marks.front()) == further.end()) {
        further.push_back(marks.front());
      }
    });
    // Of those that are no letters, the windows know the pairs.
    if (alphabet_->BeginsComposite(c)) {
      mark |= kBeginsComposite | (lane_ == Lane::kPinyin ? kSeeksComposite : 0);
    }
  }
  alphabet_->ForEachCompositePair([&](char32_t first, char32_t second) {
    windows_.Add({.form = kCompositePair}, 0, std::array{MarkOf(first), MarkOf(second)});
  });
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    if (IsCollapsed(form)) continue;  // looked for where the text has a repeat
    WEIR_CHECK(form < kCompositePair);
    AddWindow(form, marks_of);
    if (lane_ == Lane::kShape) AddPairs(form, marks_of);
  }
  windows_.Build();
}

// The form where each character is seen as its class: by three neighbours that have the fewest.
void DisguiseIndex::AddWindow(uint32_t form, const std::vector<std::vector<Mark>>& marks_of) {
  const std::string_view symbols = forms_.literal(form);
  std::vector<const std::vector<Mark>*> sets;
  for (size_t at = 0; at < symbols.size();) {
    const Decoded decoded = DecodeAt(symbols, at);
    sets.push_back(&marks_of[decoded.c]);
    at += decoded.length;
  }
  const size_t size = std::min(sets.size(), FormFilter::kMarksMax);
  const auto ways = [&](size_t first) {
    size_t product = 1;
    for (size_t i = first; i < first + size; ++i) product *= sets[i]->size();
    return product;
  };
  size_t best = 0;
  for (size_t first = 1; first + size <= sets.size(); ++first) {
    if (ways(first) < ways(best)) best = first;
  }
  std::array<Mark, FormFilter::kMarksMax> marks{};
  for (size_t way = 0; way < ways(best); ++way) {
    size_t rest = way;
    for (size_t i = 0; i < size; ++i) {
      const std::vector<Mark>& set = *sets[best + i];
      marks[i] = set[rest % set.size()];
      rest /= set.size();
    }
    windows_.Add(
        {.form = form & (WindowIndex::kFormsMax - 1), .offset = static_cast<uint32_t>(best) & 63U},
        0, std::span(marks).first(size));
  }
}

// The form with look-alikes: somewhere one stands beside a character of the word's own. That is
// seldom so in ordinary text, where the two would have to end one word and begin another.
void DisguiseIndex::AddPairs(uint32_t form, const std::vector<std::vector<Mark>>& marks_of) {
  const std::string_view symbols = forms_.literal(form);
  std::u32string_view word;
  const size_t size = CountCharacters(symbols);
  ForEachUse(form, [&](const WordUse& use) {
    // Of other words the form is a collapsed one.
    if (use.word.characters.size() == size) word = use.word.characters;
  });
  // The marks of what may stand for word[at].
  const auto for_alikes = [&](size_t at, auto visit) {
    for (const char16_t c : LookAlikesOf(word[at])) {
      if (MayStandFor(word, at, c)) visit(MarkOf(alphabet_->ClassOf(c)));
    }
  };
  WindowIndex::Window window{.form = form & (WindowIndex::kFormsMax - 1)};
  size_t offset = 0;
  // Where none of the first kOwnWithin is replaced, AddWindow() has seen to it.
  for (size_t at = 0; at + 1 < std::min(word.size(), kOwnWithin); ++at) {
    const Decoded first = DecodeLane(symbols, offset);
    const Decoded second = DecodeLane(symbols, offset + first.length);
    const size_t behind = offset + first.length + second.length;
    window.offset = at & 63U;
    window.is_before = behind == symbols.size() ? 1 : 0;
    Symbol beside = 0;
    if (behind < symbols.size()) {
      beside = DecodeLane(symbols, behind).c;
    } else if (at > 0) {
      beside = DecodeBefore(symbols, offset).c;
    }
    const auto add = [&](Mark one, Mark two) {
      windows_.Add(window, static_cast<uint16_t>(beside), std::array{one, two});
    };
    for (const Mark own : marks_of[second.c]) {
      for_alikes(at, [&](Mark alike) { add(alike, own); });
    }
    if (at == 2) break;  // only the fourth can be the first that is the word's own
    for (const Mark own : marks_of[first.c]) {
      for_alikes(at + 1, [&](Mark alike) { add(own, alike); });
    }
    offset += first.length;
  }
}

}  // namespace weir::rules
