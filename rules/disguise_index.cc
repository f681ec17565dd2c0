#include "rules/disguise_index.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "rules/character_block.h"

namespace weir::rules {
namespace {

constexpr size_t kFormsMax = 64;

bool IsAscii(char32_t c) {
  return c < 0x80;
}

}  // namespace

// One way to read a word.
struct DisguiseIndex::Form {
  std::string symbols;
  uint32_t use = 0;
  size_t certain = 0;      // of the symbols: the first so many
  bool repeating = false;  // two characters are one symbol, or one character twice
  bool collapsed = false;  // the former
  size_t count = 0;        // of symbols
  // Which of them is not certain, in lanes where one at most may be: only a character of several
  // readings has both the symbol and what the word wants.
  size_t special = kNone;

  static constexpr size_t kNone = ~size_t{0};
  FormFilter::Needs needs() const {
    if (collapsed) return FormFilter::kRepeat;
    return special < 4 ? FormFilter::NeedsReadingsAt(special) : FormFilter::kNothing;
  }

  friend bool operator<(const Form& a, const Form& b) {
    return std::tie(a.symbols, a.use) < std::tie(b.symbols, b.use);
  }
};

// Makes the forms of one word, the likelier ones first: every combination of certain symbols, then
// those with one that is not; as they are, and then with some neighbours that are the same symbol
// written once, since a text may have one character twice where the word has two.
class DisguiseIndex::FormMaker {
 public:
  // Appends to `forms`, for `use`. With `one_uncertain`, no form has two symbols that are not
  // certain.
  FormMaker(const Word& word, const Alphabet& alphabet, bool one_uncertain, uint32_t use,
            std::vector<Form>& forms)
      : one_uncertain_(one_uncertain), forms_(forms), forms_max_(forms.size() + kFormsMax) {
    form_.use = use;
    for (const Word::Run& run : word.runs) {
      const std::vector<WordSymbol> symbols = alphabet.OfWord(run.c);
      if (symbols.empty()) return;
      if (run.count > 1) {
        certain_max_ = std::min(certain_max_, readings_.size());
        form_.repeating = true;
      }
      readings_.insert(readings_.end(), run.count, symbols);
    }
    if (IsAscii(word.runs.front().c))
      certain_max_ = 0;  // what may stand before it is its own matter
    for (const bool collapse : {false, true}) {
      collapse_ = collapse;
      special_at_ = readings_.size();
      Add(0, 0, true);
      if (one_uncertain_) AddUncertain();
    }
  }

 private:
  void AddUncertain() {
    for (special_at_ = 0; special_at_ < readings_.size(); ++special_at_) {
      for (const WordSymbol& reading : readings_[special_at_]) {
        if (reading.certain) continue;
        special_ = reading;
        Add(0, 0, true);
      }
    }
  }

  // Adds the forms that begin with form_. `certain`: all of its symbols are.
  void Add(size_t at, Symbol last, bool certain) {
    if (forms_.size() >= forms_max_) return;
    if (at == readings_.size()) {
      if (!collapse_ || collapsed_ > 0) forms_.push_back(form_);
      return;
    }
    if (at == special_at_) return AddSymbol(special_, at, last, certain);
    for (const WordSymbol& reading : readings_[at]) {
      if (reading.certain || !one_uncertain_) AddSymbol(reading, at, last, certain);
    }
  }

  void AddSymbol(const WordSymbol& reading, size_t at, Symbol last, bool certain) {
    const Form before = form_;
    if (at == special_at_) form_.special = form_.count;
    if (collapse_ && reading.symbol == last) {
      form_.repeating = form_.collapsed = true;
      ++collapsed_;
      Add(at + 1, reading.symbol, false);
      --collapsed_;
      form_ = before;
      if (at == special_at_) form_.special = form_.count;
    }
    AppendUtf8(reading.symbol, form_.symbols);
    ++form_.count;
    certain = certain && reading.certain && at < certain_max_;
    form_.certain += certain ? 1 : 0;
    Add(at + 1, reading.symbol, certain);
    form_ = before;
  }

  const bool one_uncertain_;
  std::vector<Form>& forms_;
  const size_t forms_max_;
  std::vector<std::vector<WordSymbol>> readings_;  // of each character
  size_t certain_max_ = kWordCharactersMax;        // characters that can be
  bool collapse_ = false;
  int collapsed_ = 0;      // neighbours in form_ that are written once
  size_t special_at_ = 0;  // the character that is special_
  WordSymbol special_;
  Form form_;
};

bool DisguiseIndex::LooksFor(Lane lane, const Word& word) {
  size_t characters = 0;
  bool latin = true;
  for (const Word::Run& run : word.runs) {
    characters += run.count;
    latin = latin && IsAscii(run.c);
  }
  return !latin && (lane == Lane::kShape || characters > 1);
}

DisguiseIndex DisguiseIndex::Build(Lane lane, std::vector<WordUse> uses) {
  DisguiseIndex index;
  index.lane_ = lane;
  std::erase_if(uses, [&](const WordUse& use) { return !LooksFor(lane, use.word); });
  if (uses.empty()) return index;
  index.uses_ = std::move(uses);
  if (lane == Lane::kPinyin) {
    index.alphabet_ = std::make_unique<SoundAlphabet>();
  } else {
    std::vector<char32_t> characters;
    for (const WordUse& use : index.uses_) {
      for (const Word::Run& run : use.word.runs) characters.push_back(run.c);
    }
    std::sort(characters.begin(), characters.end());
    characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
    index.alphabet_ = std::make_unique<ShapeAlphabet>(characters);
  }
  std::vector<Form> forms;
  for (uint32_t i = 0; i < index.uses_.size(); ++i) {
    FormMaker(index.uses_[i].word, *index.alphabet_, lane == Lane::kPinyin, i, forms);
  }
  std::sort(forms.begin(), forms.end());
  std::vector<std::string_view> distinct;
  const Form* previous = nullptr;
  for (const Form& form : forms) {
    const bool is_new = previous == nullptr || form.symbols != previous->symbols;
    if (is_new) {
      distinct.push_back(form.symbols);
      index.form_first_.push_back(static_cast<uint32_t>(index.form_use_.size()));
      index.form_needs_.push_back(0);
    }
    index.form_needs_.back() =
        static_cast<FormFilter::Needs>(index.form_needs_.back() | form.needs());
    if (is_new || form.use != previous->use) index.form_use_.push_back(form.use);
    previous = &form;
  }
  index.form_first_.push_back(static_cast<uint32_t>(index.form_use_.size()));
  index.forms_ = PrefixSet::Build(distinct);
  index.filter_ = FormFilter(index.forms_, index.form_needs_);
  index.prefix_uses_.resize(index.forms_.prefix_count());
  for (const Form& form : forms) index.NotePrefixes(form);
  for (const WordUse& use : index.uses_) {
    if (const char32_t first = use.word.runs.front().c; IsAscii(first)) {
      index.ascii_firsts_[first] = true;
    }
    if (use.part) index.parts_ = static_cast<DirectionSet>(index.parts_ | use.directions);
  }
  index.BuildTables();
  return index;
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

void DisguiseIndex::BuildTables() {
  table_.resize(0x10000);
  mark_table_.resize(0x10000);
  std::vector<bool> used(0x10000);
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    const std::string_view symbols = forms_.literal(form);
    for (size_t at = 0; at < symbols.size();) {
      const Decoded decoded = DecodeAt(symbols, at);
      used[decoded.c] = true;
      at += decoded.length;
    }
  }
  firsts_.resize(0x10000);
  for (Symbol symbol = 1; symbol < firsts_.size(); ++symbol) {
    if (!used[symbol]) continue;
    const PrefixSet::Prefix* const prefix = forms_.Find(PrefixSet::Path().Then(symbol));
    if (prefix == nullptr || prefix->last == 0) continue;
    firsts_[symbol] = {true, prefix_uses_[prefix->number].certain};
  }
  for (char32_t c = 0; c < table_.size(); ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const WordSymbol read = alphabet_->OfText(c);
    if (used[read.symbol]) {
      table_[c] = read.symbol | (read.certain ? 0 : kUncertain);
      mark_table_[c] = MarkOf(read.symbol);
    }
    if (alphabet_->BeginsComposite(c)) {
      table_[c] |= kComposite;
      mark_table_[c] |= kBeginsComposite;
    }
    if (alphabet_->GoesOnComposite(c)) mark_table_[c] |= kGoesOnComposite;
    if (alphabet_->HasSeveralReadings(c)) mark_table_[c] |= kSeveralReadings;
  }
}

uint32_t DisguiseIndex::EntryOf(char32_t c) const {
  if (c < table_.size()) return table_[c];
  if (c == kInvalidByte) return 0;
  const WordSymbol read = alphabet_->OfText(c);
  return read.symbol | (read.certain ? 0 : kUncertain) |
         (alphabet_->BeginsComposite(c) ? kComposite : 0);
}

Mark DisguiseIndex::RareMarkOf(char32_t c) const {
  if (c == kInvalidByte) return kGoesOnComposite;
  const WordSymbol read = alphabet_->OfText(c);
  return (read.symbol == 0 ? 0 : MarkOf(read.symbol)) | kGoesOnComposite | kSeveralReadings |
         (alphabet_->BeginsComposite(c) ? kBeginsComposite : 0);
}

// Follows the symbols from one place, in every way to read them.
class DisguiseIndex::Walk {
 public:
  // `hits` and `growths` may be null: not asked for.
  Walk(const DisguiseIndex& index, std::string_view skeleton, uint64_t base, std::vector<Hit>* hits,
       const GrowthVisit* growths)
      : index_(index), skeleton_(skeleton), base_(base), hits_(hits), growths_(growths) {}

  void From(size_t start) {
    start_ = start;
    Place place;
    place.at = start;
    Go(place);
  }

 private:
  struct Place {
    size_t at = 0;
    PrefixSet::Path path;
    const PrefixSet::Prefix* prefix = nullptr;  // what was found at `path`; null: not looked for
    std::array<Mark, 2> marks{};                // of the first symbols
    uint32_t symbols = 0;
    char32_t before = 0;  // the last letter of the composite that ends here, or 0
    bool certain = true;
    bool tone = false;  // a digit here may be a tone
  };

  bool ends(const Place& place) const { return place.at == skeleton_.size(); }

  void Go(const Place& place) {
    if (growths_ != nullptr) NoteGrowths(place);
    char32_t c = kInvalidByte;
    if (!ends(place)) {
      const Decoded decoded = DecodeLane(skeleton_, place.at);
      c = decoded.c;
      const uint32_t entry = index_.EntryOf(c);
      if ((entry & kSymbolMask) != 0) {
        Take(place, {place.at + decoded.length, entry & kSymbolMask, (entry & kUncertain) == 0});
      }
      if (place.tone && c >= '0' && c <= '5') {
        Place toned = place;
        ++toned.at;
        toned.before = 0;
        toned.tone = false;
        Go(toned);
      }
      if (place.before == 0 && !MayCompose(entry, c, place.at + decoded.length)) return;
    } else if (place.before == 0) {
      return;
    }
    TextSymbols symbols;
    index_.alphabet_->AppendComposites(skeleton_, place.at, place.before, symbols);
    for (const TextSymbol& symbol : symbols) Take(place, symbol);
  }

  // Whether a composite may begin with `c`, which ends at `next`.
  bool MayCompose(uint32_t entry, char32_t c, size_t next) const {
    if ((entry & kComposite) == 0) return false;
    return index_.alphabet_->MayCompose(
        c, next < skeleton_.size() ? DecodeLane(skeleton_, next).c : kInvalidByte);
  }

  void Take(const Place& from, const TextSymbol& symbol) {
    const FormFilter& filter = index_.filter_;
    const Mark mark = MarkOf(symbol.symbol);
    Place to;
    to.marks = from.marks;
    to.symbols = from.symbols + 1;
    bool may_be_whole = true;
    switch (from.symbols) {
      case 0:
        to.marks[0] = mark;
        may_be_whole = filter.has_singles() && filter.IsWhole(mark);
        break;
      case 1:
        if (!filter.BeginsWith(to.marks[0], mark)) return;
        to.marks[1] = mark;
        may_be_whole = filter.has_pairs() && filter.IsWhole(to.marks[0], mark);
        break;
      case 2:
        if (!filter.BeginsWith(to.marks[0], to.marks[1], mark)) return;
        break;
      default:
        break;
    }
    to.at = symbol.end;
    to.path = from.path.Then(symbol.symbol);
    if (may_be_whole || to.symbols > 2) {
      to.prefix = index_.forms_.Find(to.path);
      if (to.prefix == nullptr) return;
    }
    if (hits_ != nullptr && to.prefix != nullptr && to.prefix->literal != PrefixSet::kNoLiteral) {
      hits_->push_back({to.prefix->literal, base_ + start_, base_ + symbol.end});
    }
    const char32_t last =
        symbol.end > start_ ? static_cast<unsigned char>(skeleton_[symbol.end - 1]) : 0;
    to.tone = index_.lane_ == Lane::kPinyin && last >= 'a' && last <= 'z';
    to.before = to.tone ? last : 0;
    to.certain = from.certain && symbol.certain;
    if (to.prefix == nullptr || to.prefix->last != 0) Go(to);
  }

  void NoteGrowths(const Place& place) {
    if (ends(place) && place.symbols > 0) {
      const PrefixSet::Prefix* const prefix =
          place.prefix != nullptr ? place.prefix : index_.forms_.Find(place.path);
      if (prefix != nullptr && prefix->last != 0) Visit({prefix, false, place.certain});
    }
    if (ends(place)) {
      if (place.before == 0) return;
    } else {
      const Decoded decoded = DecodeLane(skeleton_, place.at);
      const size_t next = place.at + decoded.length;
      const uint32_t entry = index_.EntryOf(decoded.c);
      const bool last = next == skeleton_.size();
      if (last ? (entry & kComposite) == 0 : !MayCompose(entry, decoded.c, next)) return;
    }
    if (growths_ == nullptr) return;
    index_.alphabet_->ForEachUnfinished(
        skeleton_, place.at, place.before, [&](const WordSymbol& symbol) {
          if (place.symbols == 1 &&
              !index_.filter_.BeginsWith(place.marks[0], MarkOf(symbol.symbol))) {
            return true;
          }
          const PrefixSet::Prefix* const prefix =
              index_.forms_.Find(place.path.Then(symbol.symbol));
          if (prefix != nullptr) Visit({prefix, true, place.certain && symbol.certain});
          return growths_ != nullptr;
        });
  }

  void Visit(const Growth& growth) {
    if (growths_ != nullptr && !(*growths_)(growth)) growths_ = nullptr;
  }

  const DisguiseIndex& index_;
  const std::string_view skeleton_;
  const uint64_t base_;
  std::vector<Hit>* const hits_;
  const GrowthVisit* growths_;  // null: not asked for, or told enough
  size_t start_ = 0;
};

// As ScanFrom(), where each character is read in one way alone and no form ends, which is nearly
// everywhere. False where it cannot tell.
bool DisguiseIndex::GrowsPlainly(std::string_view skeleton, size_t start, DirectionSet direction,
                                 Grown& grown) const {
  std::array<Mark, 2> marks{};
  PrefixSet::Path path;
  const PrefixSet::Prefix* prefix = nullptr;
  bool certain = true;
  size_t at = start;
  for (size_t symbols = 1;; ++symbols) {
    const Decoded decoded = DecodeLane(skeleton, at);
    at += decoded.length;
    const uint32_t entry = EntryOf(decoded.c);
    const bool last = at == skeleton.size();
    const bool composite = (entry & kComposite) != 0;
    if (composite && !last && alphabet_->MayCompose(decoded.c, DecodeLane(skeleton, at).c)) {
      return false;
    }
    const Symbol symbol = entry & kSymbolMask;
    const bool dead = !last || !composite;  // where no form goes on with the symbol
    if (symbol == 0) return dead;
    const Mark mark = MarkOf(symbol);
    path = path.Then(symbol);
    certain = certain && (entry & kUncertain) == 0;
    if (symbols == 1) {
      if (filter_.has_singles() && filter_.IsWhole(mark)) return false;
      marks[0] = mark;
    } else if (symbols == 2) {
      if (!filter_.BeginsWith(marks[0], mark)) return dead;
      if (filter_.has_pairs() && filter_.IsWhole(marks[0], mark)) return false;
      marks[1] = mark;
    } else if (symbols == 3 && !filter_.BeginsWith(marks[0], marks[1], mark)) {
      return dead;
    }
    if (symbols > 2 || (symbols == 2 && last)) {
      prefix = forms_.Find(path);
      if (prefix == nullptr) return dead;
      if (prefix->literal != PrefixSet::kNoLiteral) return false;
    }
    if (!last) continue;
    if (symbols == 1) {
      grown = {firsts_[symbol].grows, certain && (firsts_[symbol].certain & direction) != 0};
    } else {
      grown = {true, GrowsCertainly({prefix, false, certain}, direction)};
    }
    return grown.certain || !composite;
  }
}

DisguiseIndex::Grown DisguiseIndex::ScanFrom(std::string_view skeleton, size_t start, uint64_t base,
                                             DirectionSet direction, std::vector<Hit>& hits) const {
  Grown grown;
  if (GrowsPlainly(skeleton, start, direction, grown)) return grown;
  grown = {};
  const auto note = [&](const Growth& growth) {
    grown.any = true;
    grown.certain = GrowsCertainly(growth, direction);
    return !grown.certain;
  };
  const GrowthVisit visit(note);
  Walk(*this, skeleton, base, &hits, &visit).From(start);
  return grown;
}

void DisguiseIndex::ForEachGrowth(std::string_view skeleton, GrowthVisit visit) const {
  Walk(*this, skeleton, 0, nullptr, &visit).From(0);
}

void DisguiseIndex::ScanPlainly(std::string_view skeleton, std::vector<Hit>& hits) const {
  Walk walk(*this, skeleton, 0, &hits, nullptr);
  for (size_t at = 0; at < skeleton.size(); at += DecodeAt(skeleton, at).length) walk.From(at);
}

// The places in a skeleton from which a form may begin.
class DisguiseIndex::Sweep {
 public:
  Sweep(const DisguiseIndex& index, const LaneText& skeleton)
      : index_(index),
        filter_(index.filter_),
        lane_(skeleton),
        skeleton_(skeleton.From(0)),
        ascent_(skeleton),
        block_(skeleton_) {}

  // Calls follow(offset) for each, in order.
  template <typename Follow>
  void ForEachPlace(Follow follow) {
    while (block_.Read()) {
      MarkCharacters(
          block_, index_.mark_table_, [&](char32_t c) { return index_.RareMarkOf(c); }, marks_);
      found_.bits.fill(0);
      FindPlain();
      FindComposites();
      found_.ForEach(block_.places(), [&](size_t place) { follow(block_.offset(place)); });
    }
  }

 private:
  static constexpr size_t kCompositeMax = 4;  // of characters, to look behind it

  void Add(size_t place) {
    if (place < block_.places()) found_.Add(place);
  }
  // Whether a composite may begin at `place`.
  bool Composes(size_t place) const {
    return (marks_[place] & (marks_[place + 1] >> 1U) & 1U) != 0 &&
           index_.alphabet_->MayCompose(block_.character(place), block_.character(place + 1));
  }

  // Places where forms begin without a composite among the first three symbols.
  void FindPlain() {
    // A composite that stands third begins two places behind the form.
    filter_.FindStarts(marks_, block_.places() + 2, starts_);
    starts_.forms.ForEach(block_.places(),
                          [&](size_t place) { filter_.Prefetch(marks_.data() + place); });
    starts_.forms.ForEach(block_.places(), [&](size_t place) {
      if (filter_.MayBeginWith(marks_.data() + place) || Composes(place + 3) ||
          (filter_.has_pairs() && IsWholePair(place))) {
        found_.Add(place);
      }
    });
    if (!filter_.has_singles()) return;
    for (size_t place = 0; place < block_.places(); ++place) {
      if (filter_.IsWhole(marks_[place])) found_.Add(place);
    }
  }

  bool IsWholePair(size_t place) {
    if (!filter_.IsWhole(marks_[place], marks_[place + 1])) return false;
    if (filter_.IsWholeAsItIs(marks_[place], marks_[place + 1])) return true;
    ascent_.Seek(block_.offset(place));
    return ascent_.DropsBefore(block_.offset(place + 2));
  }

  // A composite may stand first, second or third in a form.
  void FindComposites() {
    starts_.composites.ForEach(block_.places() + 2, [&](size_t place) {
      if (!index_.alphabet_->MayCompose(block_.character(place), block_.character(place + 1))) {
        return;
      }
      composites_.clear();
      index_.alphabet_->AppendComposites(skeleton_, block_.offset(place), 0, composites_);
      for (const TextSymbol& composite : composites_) AddAround(place, composite);
    });
  }

  // Whether letters before it leave it open that a word begins at `place`: they must be whole
  // syllables, unless it is the word's own letter.
  bool MayStartAt(size_t place) {
    if (place < 1 || index_.lane_ != Lane::kPinyin) return true;
    constexpr std::u32string_view kNeverLast = U"bcdfhjklpqstwxyz";
    if (kNeverLast.find(block_.character(place - 1)) == std::u32string_view::npos) return true;
    return lane_.DropsBetween(block_.offset(place - 1), block_.offset(place)) ||
           index_.HasWordFrom(block_.character(place));
  }

  void AddAround(size_t place, const TextSymbol& composite) {
    const Mark mark = MarkOf(composite.symbol);
    size_t end = place + 1;
    while (block_.offset(end) < composite.end && end <= place + kCompositeMax) ++end;
    // What follows may be read in several ways.
    const bool open = index_.lane_ == Lane::kPinyin || block_.offset(end) != composite.end ||
                      Composes(end) || Composes(end + 1);
    const Mark* const m = marks_.data();
    if ((open && MayStartAt(place)) || filter_.IsWhole(mark) || filter_.IsWhole(mark, m[end]) ||
        filter_.BeginsWith(mark, m[end], m[end + 1])) {
      Add(place);
    }
    if (place < 1) return;
    const Mark first = m[place - 1];
    if (filter_.BeginsWith(first, mark) &&
        (open || filter_.IsWhole(first, mark) || filter_.BeginsWith(first, mark, m[end]))) {
      Add(place - 1);
    }
    if (place >= 2 && filter_.BeginsWith(m[place - 2], first, mark)) Add(place - 2);
  }

  const DisguiseIndex& index_;
  const FormFilter& filter_;
  const LaneText& lane_;
  const std::string_view skeleton_;
  LaneText::Ascent ascent_;
  CharacterBlock block_;
  BlockMarks marks_;
  FormFilter::Starts starts_;
  PlaceSet found_;
  TextSymbols composites_;
};

void DisguiseIndex::Scan(const LaneText& skeleton, std::vector<Hit>& hits) const {
  Walk walk(*this, skeleton.From(0), 0, &hits, nullptr);
  Sweep sweep(*this, skeleton);
  sweep.ForEachPlace([&](size_t at) { walk.From(at); });
}

size_t DisguiseIndex::memory_bytes() const {
  size_t bytes = forms_.memory_bytes() + (form_first_.capacity() + form_use_.capacity()) * 4 +
                 prefix_uses_.capacity() * sizeof(PrefixUses) +
                 (table_.capacity() + mark_table_.capacity()) * sizeof(uint32_t) +
                 filter_.memory_bytes() + form_needs_.capacity();
  if (alphabet_ != nullptr) bytes += alphabet_->memory_bytes();
  for (const WordUse& use : uses_) {
    bytes += sizeof(use) + use.word.exact.capacity() + use.word.fold.capacity() +
             use.word.skeleton.capacity() + use.word.runs.capacity() * sizeof(Word::Run);
  }
  return bytes;
}

}  // namespace weir::rules
