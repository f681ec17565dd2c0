#include "rules/disguise_index.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace weir::rules {
namespace {

constexpr size_t kFormsMax = 64;

bool IsAscii(char32_t c) {
  return c < 0x80;
}

// The symbol whose key, its UTF-8 bytes, is `key`.
Symbol SymbolOfKey(uint32_t key) {
  if (key < 0x80) return key;
  if (key < 0x10000) return ((key & 0x1FU) << 6) | ((key >> 8) & 0x3FU);
  return ((key & 0x0FU) << 12) | ((key >> 2) & 0xFC0U) | ((key >> 16) & 0x3FU);
}

// As DecodeAt(), of text that is UTF-8 but for breaks.
[[gnu::always_inline]] inline Decoded DecodeQuickly(std::string_view text, size_t at) {
  if (text.size() - at >= 4) {
    uint32_t bytes = 0;
    std::memcpy(&bytes, text.data() + at, sizeof(bytes));
    if ((bytes & 0xC0C0F0U) == 0x8080E0U) return {SymbolOfKey(bytes & 0xFFFFFFU), 3};
  }
  return DecodeAt(text, at);
}

}  // namespace

// One way to read a word.
struct DisguiseIndex::Form {
  std::string symbols;
  uint32_t use = 0;
  size_t certain = 0;      // of the symbols: the first so many
  bool repeating = false;  // two characters are one symbol

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
    if (collapse_ && reading.symbol == last) {
      form_.repeating = true;
      ++collapsed_;
      Add(at + 1, reading.symbol, false);
      --collapsed_;
      form_ = before;
    }
    AppendUtf8(reading.symbol, form_.symbols);
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
    }
    if (is_new || form.use != previous->use) index.form_use_.push_back(form.use);
    previous = &form;
  }
  index.form_first_.push_back(static_cast<uint32_t>(index.form_use_.size()));
  index.forms_ = LiteralIndex::Build(distinct);
  index.prefix_uses_.resize(index.forms_.prefix_count());
  for (const Form& form : forms) index.NotePrefixes(form);
  for (const WordUse& use : index.uses_) {
    if (use.part) index.parts_ = static_cast<DirectionSet>(index.parts_ | use.directions);
  }
  index.BuildTable();
  return index;
}

void DisguiseIndex::NotePrefixes(const Form& form) {
  const WordUse& use = uses_[form.use];
  LiteralIndex::Path path = LiteralIndex::Root();
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

void DisguiseIndex::BuildTable() {
  table_.resize(0x10000);
  std::vector<bool> used(0x10000);
  for (uint32_t form = 0; form < forms_.literal_count(); ++form) {
    const std::string_view symbols = forms_.literal(form);
    for (size_t at = 0; at < symbols.size();) {
      const Decoded decoded = DecodeAt(symbols, at);
      used[decoded.c] = true;
      at += decoded.length;
    }
  }
  for (char32_t c = 0; c < table_.size(); ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const WordSymbol read = alphabet_->OfText(c);
    if (used[read.symbol]) {
      table_[c] = LiteralIndex::Key(read.symbol) | (read.certain ? 0 : kUncertain);
    }
    if (alphabet_->BeginsComposite(c)) table_[c] |= kComposite;
  }
}

uint32_t DisguiseIndex::EntryOf(char32_t c) const {
  if (c < table_.size()) return table_[c];
  if (c == kInvalidByte) return 0;
  const WordSymbol read = alphabet_->OfText(c);
  return (read.symbol == 0 ? 0 : LiteralIndex::Key(read.symbol)) | (read.certain ? 0 : kUncertain) |
         (alphabet_->BeginsComposite(c) ? kComposite : 0);
}

// Follows the symbols from one place, in every way to read them.
class DisguiseIndex::Walk {
 public:
  Walk(const DisguiseIndex& index, std::string_view skeleton, uint64_t base, std::vector<Hit>& hits,
       std::vector<Growth>* growths)
      : index_(index), skeleton_(skeleton), base_(base), hits_(hits), growths_(growths) {}

  void From(size_t start) {
    start_ = start;
    Go({start, LiteralIndex::Root(), nullptr, 0, true, false});
  }

 private:
  struct Place {
    size_t at;
    LiteralIndex::Path path;
    const LiteralIndex::Prefix* prefix;  // null at the start
    char32_t before;                     // the last letter of the composite that ends here, or 0
    bool certain;
    bool tone;  // a digit here may be a tone
  };

  void Go(const Place& place) {
    if (growths_ != nullptr) {
      if (place.at == skeleton_.size() && place.prefix != nullptr) {
        growths_->push_back({base_ + start_, place.prefix, false, place.certain});
      }
      NoteUnfinished(place);
    }
    char32_t c = kInvalidByte;
    if (place.at < skeleton_.size()) {
      const Decoded decoded = DecodeAt(skeleton_, place.at);
      c = decoded.c;
      const uint32_t entry = index_.EntryOf(c);
      if ((entry & kKeyMask) != 0) {
        Take(place,
             {place.at + decoded.length, SymbolOfKey(entry & kKeyMask), (entry & kUncertain) == 0});
      }
      if (place.tone && c >= '0' && c <= '5') {
        Go({place.at + 1, place.path, place.prefix, 0, place.certain, false});
      }
      if ((entry & kComposite) == 0 && place.before == 0) return;
    } else if (place.before == 0) {
      return;
    }
    TextSymbols symbols;
    index_.alphabet_->AppendComposites(skeleton_, place.at, place.before, symbols);
    for (const TextSymbol& symbol : symbols) Take(place, symbol);
  }

  void Take(const Place& from, const TextSymbol& symbol) {
    const LiteralIndex::Path path = from.path.Then(symbol.symbol);
    const LiteralIndex::Prefix* const prefix = index_.forms_.Find(path);
    if (prefix == nullptr) return;
    const size_t size = taken_.size();
    AppendUtf8(symbol.symbol, taken_);
    if (prefix->literal != LiteralIndex::kNoLiteral &&
        index_.forms_.literal(prefix->literal) == taken_) {
      hits_.push_back({prefix->literal, base_ + start_, base_ + symbol.end});
    }
    const char32_t last =
        symbol.end > start_ ? static_cast<unsigned char>(skeleton_[symbol.end - 1]) : 0;
    const bool letter = index_.lane_ == Lane::kPinyin && last >= 'a' && last <= 'z';
    if (prefix->last != 0) {
      Go({symbol.end, path, prefix, letter ? last : 0, from.certain && symbol.certain, letter});
    }
    taken_.resize(size);
  }

  void NoteUnfinished(const Place& place) {
    if (place.at < skeleton_.size()) {
      const Decoded decoded = DecodeAt(skeleton_, place.at);
      if ((index_.EntryOf(decoded.c) & kComposite) == 0) return;
    } else if (place.before == 0) {
      return;
    }
    unfinished_.clear();
    index_.alphabet_->AppendUnfinished(skeleton_, place.at, place.before, unfinished_);
    for (const WordSymbol& symbol : unfinished_) {
      const LiteralIndex::Prefix* const prefix = index_.forms_.Find(place.path.Then(symbol.symbol));
      if (prefix == nullptr) continue;
      growths_->push_back({base_ + start_, prefix, true, place.certain && symbol.certain});
    }
  }

  const DisguiseIndex& index_;
  const std::string_view skeleton_;
  const uint64_t base_;
  std::vector<Hit>& hits_;
  std::vector<Growth>* const growths_;  // null: not asked for
  size_t start_ = 0;
  std::string taken_;  // symbols
  std::vector<WordSymbol> unfinished_;
};

void DisguiseIndex::ScanFrom(std::string_view skeleton, size_t start, uint64_t base,
                             std::vector<Hit>& hits, std::vector<Growth>& growths) const {
  Walk(*this, skeleton, base, hits, &growths).From(start);
}

// Whether a form begins with three characters of a text, none of which begins a composite.
bool DisguiseIndex::BeginsForm(uint32_t first, uint32_t second, uint32_t third) const {
  if (first == 0 || second == 0 || !forms_.MayBegin(first, second, third)) return false;
  const LiteralIndex::Path pair =
      LiteralIndex::Root().Then(SymbolOfKey(first)).Then(SymbolOfKey(second));
  if (third != 0 && forms_.Find(pair.Then(SymbolOfKey(third))) != nullptr) return true;
  return forms_.has_pairs() && forms_.Find(pair) != nullptr;
}

void DisguiseIndex::Scan(std::string_view skeleton, std::vector<Hit>& hits) const {
  Walk walk(*this, skeleton, 0, hits, nullptr);
  // The last three characters: where they stand, the keys of their symbols, and whether what begins
  // there has been followed.
  struct Recent {
    size_t at = 0;
    uint32_t key = 0;
    bool followed = true;
  };
  Recent first;
  Recent second;
  const auto follow = [&](Recent& recent) {
    if (!std::exchange(recent.followed, true)) walk.From(recent.at);
  };
  TextSymbols composites;
  const bool singles = forms_.has_single_characters();
  for (size_t at = 0; at < skeleton.size();) {
    const Decoded decoded = DecodeQuickly(skeleton, at);
    const uint32_t entry = EntryOf(decoded.c);
    Recent third{at, entry & kKeyMask, false};
    at += decoded.length;
    if (BeginsForm(first.key, second.key, third.key)) follow(first);
    if (singles && third.key != 0) follow(third);
    if ((entry & kComposite) != 0) {
      const char32_t next = at < skeleton.size() ? DecodeQuickly(skeleton, at).c : kInvalidByte;
      composites.clear();
      if (alphabet_->MayCompose(decoded.c, next)) {
        alphabet_->AppendComposites(skeleton, third.at, 0, composites);
      }
      if (!composites.empty()) {
        follow(third);
        if (second.key != 0) follow(second);
        if (first.key != 0) follow(first);
      }
    }
    first = second;
    second = third;
  }
  if (BeginsForm(first.key, second.key, 0)) follow(first);
}

size_t DisguiseIndex::memory_bytes() const {
  size_t bytes = forms_.memory_bytes() + (form_first_.capacity() + form_use_.capacity()) * 4 +
                 prefix_uses_.capacity() * sizeof(PrefixUses) +
                 table_.capacity() * sizeof(uint32_t);
  if (alphabet_ != nullptr) bytes += alphabet_->memory_bytes();
  for (const WordUse& use : uses_) {
    bytes += sizeof(use) + use.word.exact.capacity() + use.word.fold.capacity() +
             use.word.skeleton.capacity() + use.word.runs.capacity() * sizeof(Word::Run);
  }
  return bytes;
}

}  // namespace weir::rules
