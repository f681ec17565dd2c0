#include "rules/alphabet.h"

#include <algorithm>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "rules/pinyin_table.h"
#include "rules/shape_table.h"

namespace weir::rules {
namespace {

constexpr Symbol kFirstSound = 0xE000;  // private use: no character of a text
constexpr Symbol kFirstShape = 0x3400;
constexpr size_t kShapesMax = 0xD800 - kFirstShape;
constexpr char32_t kTabled = 0x10000;  // characters below it have tables

bool IsLetter(char32_t c) {
  return c >= 'a' && c <= 'z';
}

// Behind those of characters that have no sound.
CharacterClass ClassOfSyllable(Syllable syllable) {
  return 0x110000 + syllable;
}

// The letters from `at` on, as many as a syllable may have.
std::string_view LettersAt(std::string_view text, size_t at) {
  constexpr size_t kLettersMax = 6;
  size_t end = at;
  while (end < text.size() && end - at < kLettersMax &&
         IsLetter(static_cast<unsigned char>(text[end]))) {
    ++end;
  }
  return text.substr(at, end - at);
}

// Elements with each run of one written once, as the skeleton writes what is not taken apart.
struct Elements {
  std::u32string list;
  bool collapsed = false;

  void Add(char32_t element) {
    if (!list.empty() && list.back() == element) {
      collapsed = true;
    } else {
      list += element;
    }
  }
};

Elements Collapse(std::u32string_view elements) {
  Elements collapsed;
  for (const char32_t element : elements) collapsed.Add(element);
  return collapsed;
}

// Calls visit(element) for the parts of `c`, or for itself.
template <typename Visit>
void ForEachElement(char32_t c, Visit visit) {
  const std::span<const char32_t> elements = ShapeElements(c);
  if (elements.empty()) visit(c);
  for (const char32_t element : elements) visit(element);
}

std::string Encode(std::u32string_view text) {
  std::string bytes;
  for (const char32_t c : text) AppendUtf8(c, bytes);
  return bytes;
}

std::u32string DecodeAll(std::string_view bytes) {
  std::u32string text;
  for (size_t at = 0; at < bytes.size();) {
    const Decoded decoded = DecodeAt(bytes, at);
    at += decoded.length;
    text += decoded.c;
  }
  return text;
}

// Follows the elements of a text, character by character, as a run of one is written once.
class ElementPath {
 public:
  void Take(char32_t c) {
    ForEachElement(c, [&](char32_t element) {
      if (element == last_) {
        collapsed_ = true;
      } else {
        path_ = path_.Then(element);
        last_ = element;
      }
    });
  }
  const PrefixSet::Path& path() const { return path_; }
  bool collapsed() const { return collapsed_; }

 private:
  PrefixSet::Path path_;
  char32_t last_ = 0;
  bool collapsed_ = false;
};

}  // namespace

SoundAlphabet::SoundAlphabet(const std::vector<char32_t>& characters)
    : of_syllable_(SyllableCount()) {
  absl::flat_hash_map<std::vector<Syllable>, Symbol> symbols;
  for (const char32_t c : characters) {
    std::vector<Syllable> readings(Readings(c).begin(), Readings(c).end());
    if (readings.empty()) continue;
    std::sort(readings.begin(), readings.end());
    const auto [place, is_new] =
        symbols.try_emplace(readings, kFirstSound + static_cast<Symbol>(symbols.size()));
    of_word_.emplace(c, place->second);
    if (!is_new) continue;
    for (const Syllable syllable : readings) of_syllable_[syllable].push_back(place->second);
    readings_.push_back(std::move(readings));
  }
}

Symbol SoundAlphabet::OfWord(char32_t c) const {
  const auto found = of_word_.find(c);
  if (found != of_word_.end()) return found->second;
  return c < kFirstSound ? c : 0;
}

void SoundAlphabet::AppendReadings(char32_t c, TextSymbols& symbols) const {
  const std::span<const Syllable> readings = Readings(c);
  if (readings.empty()) {
    if (c < kFirstSound) symbols.push_back({0, c, true, false});
    return;
  }
  for (const Syllable syllable : readings) AppendSounds(syllable, 0, true, symbols);
}

// Appends every symbol that may sound so, but those that are there already.
void SoundAlphabet::AppendSounds(Syllable syllable, size_t end, bool certain,
                                 TextSymbols& symbols) const {
  for (const Symbol symbol : of_syllable_[syllable]) {
    const auto same = [&](const TextSymbol& other) {
      return other.symbol == symbol && other.end == end;
    };
    if (std::none_of(symbols.begin(), symbols.end(), same)) {
      symbols.push_back({end, symbol, certain, false});
    }
  }
}

CharacterClass SoundAlphabet::ClassOf(char32_t c) const {
  const std::span<const Syllable> readings = Readings(c);
  return readings.empty() ? c : ClassOfSyllable(readings.front());
}

CharacterClasses SoundAlphabet::ClassesOf(Symbol symbol) const {
  if (symbol < kFirstSound) return {symbol};
  CharacterClasses classes;
  for (const Syllable syllable : readings_[symbol - kFirstSound]) {
    classes.push_back(ClassOfSyllable(syllable));
  }
  return classes;
}

bool SoundAlphabet::BeginsComposite(char32_t c) const {
  return IsLetter(c);
}

void SoundAlphabet::AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                                     TextSymbols& symbols) const {
  const std::string_view letters = LettersAt(skeleton, at);
  SyllablesAt(letters, [&](size_t length, Syllable syllable) {
    AppendSounds(syllable, at + length, true, symbols);
  });
  if (!IsLetter(before)) return;
  std::string shared(1, static_cast<char>(before));
  shared += letters;
  SyllablesAt(shared, [&](size_t length, Syllable syllable) {
    AppendSounds(syllable, at + length - 1, false, symbols);
  });
}

void SoundAlphabet::ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                                      Visit visit) const {
  const std::string_view letters = LettersAt(skeleton, at);
  if (at + letters.size() < skeleton.size()) return;
  const auto visit_all = [&](std::string_view begun, bool certain) {
    for (const Syllable syllable : SyllablesBegunBy(begun)) {
      for (const Symbol symbol : of_syllable_[syllable]) {
        if (!visit(symbol, certain)) return false;
      }
    }
    return true;
  };
  if (!letters.empty() && !visit_all(letters, true)) return;
  if (!IsLetter(before)) return;
  std::string shared(1, static_cast<char>(before));
  shared += letters;
  visit_all(shared, false);
}

size_t SoundAlphabet::memory_bytes() const {
  size_t bytes = of_word_.capacity() * (sizeof(std::pair<char32_t, Symbol>) + 1);
  for (const auto& readings : readings_) bytes += readings.capacity() * sizeof(Syllable);
  for (const auto& symbols : of_syllable_) bytes += symbols.capacity() * sizeof(Symbol);
  return bytes;
}

ShapeAlphabet::ShapeAlphabet(const std::vector<char32_t>& characters)
    : characters_(characters.begin(), characters.begin() + static_cast<ptrdiff_t>(std::min(
                                                               characters.size(), kShapesMax))) {
  std::vector<std::pair<std::string, uint32_t>> forms;  // and twice its owner, 1 more if collapsed
  for (uint32_t owner = 0; owner < characters_.size(); ++owner) {
    for (const std::u32string& form : ShapeFormsOf(characters_[owner])) {
      const Elements elements = Collapse(form);
      forms.emplace_back(Encode(elements.list), 2 * owner + (elements.collapsed ? 1 : 0));
    }
  }
  std::sort(forms.begin(), forms.end());
  std::vector<std::string_view> distinct;
  for (const auto& [form, owner] : forms) {
    if (distinct.empty() || distinct.back() != form) {
      distinct.push_back(form);
      owners_.emplace_back();
      single_.push_back(0);
    }
    const auto place = static_cast<uint16_t>(owner / 2);
    if (owners_.back().empty() || owners_.back().back() != place) owners_.back().push_back(place);
    if (owner % 2 != 0) single_.back() = 1;
  }
  shapes_ = PrefixSet::Build(distinct);
  BuildPairs();
}

void ShapeAlphabet::BuildPairs() {
  // The characters that have elements which stand in some form in a row.
  absl::flat_hash_map<std::u32string, std::vector<char16_t>> having;
  std::vector<std::u32string> shapes;
  for (uint32_t shape = 0; shape < shapes_.literal_count(); ++shape) {
    const std::u32string& elements = shapes.emplace_back(DecodeAll(shapes_.literal(shape)));
    for (size_t from = 0; from < elements.size(); ++from) {
      for (size_t size = 1; from + size <= elements.size(); ++size) {
        having.try_emplace(elements.substr(from, size));
      }
    }
  }
  for (char32_t c = 1; c < kTabled; ++c) {
    Elements elements;
    ForEachElement(c, [&](char32_t element) { elements.Add(element); });
    const auto found = having.find(elements.list);
    if (found != having.end()) found->second.push_back(static_cast<char16_t>(c));
  }
  const auto add = [&](const std::u32string& first, const std::u32string& second) {
    for (const char16_t c : having.at(first)) {
      for (const char16_t d : having.at(second)) pairs_.emplace_back(c, d);
    }
  };
  beginnings_.resize(characters_.size());
  for (uint32_t shape = 0; shape < shapes.size(); ++shape) {
    const std::u32string& elements = shapes[shape];
    for (size_t size = 1; size <= elements.size(); ++size) {
      // All of them once are a beginning where they are several times.
      if (size < elements.size() || single_[shape] != 0) {
        const std::vector<char16_t>& begin = having.at(elements.substr(0, size));
        for (const uint16_t owner : owners_[shape]) {
          for (const char16_t c : begin) beginnings_[owner].emplace_back(c, single_[shape] == 0);
        }
      }
      // The second may begin with the element that the first ends with: they are one.
      for (size_t from = size - 1; from <= size; ++from) {
        for (size_t end = std::max(size, from + 1); end <= elements.size(); ++end) {
          add(elements.substr(0, size), elements.substr(from, end - from));
        }
      }
    }
  }
  std::sort(pairs_.begin(), pairs_.end());
  pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
  pair_bits_.Resize(pairs_.size(), 64, 22);
  for (const auto& [first, second] : pairs_) {
    pair_bits_.Set(FormFilter::Hash(MarkOf(first), MarkOf(second)));
  }
}

void ShapeAlphabet::ForEachCompositePair(PairVisit visit) const {
  for (const auto& [first, second] : pairs_) visit(first, second);
}

void ShapeAlphabet::ForEachBeginning(Symbol symbol, CharacterVisit visit) const {
  for (const auto& [c, certain] : beginnings_[symbol - kFirstShape]) visit(c, certain);
}

bool ShapeAlphabet::MayCompose(char32_t first, char32_t second) const {
  if (first >= kTabled || second >= kTabled) return second != kInvalidByte;
  return pair_bits_.Has(FormFilter::Hash(MarkOf(first), MarkOf(second)));
}

size_t ShapeAlphabet::memory_bytes() const {
  size_t bytes = shapes_.memory_bytes() + single_.capacity() + pair_bits_.memory_bytes() +
                 pairs_.capacity() * sizeof(pairs_[0]) + characters_.capacity() * sizeof(char32_t);
  for (const auto& owners : owners_) bytes += sizeof(owners) + owners.capacity() * sizeof(uint16_t);
  for (const auto& of : beginnings_) bytes += sizeof(of) + of.capacity() * sizeof(of[0]);
  return bytes;
}

Symbol ShapeAlphabet::OfWord(char32_t c) const {
  const auto place = std::lower_bound(characters_.begin(), characters_.end(), c);
  if (place == characters_.end() || *place != c) return 0;
  return kFirstShape + static_cast<Symbol>(place - characters_.begin());
}

void ShapeAlphabet::AppendOwners(const PrefixSet::Prefix& prefix, bool collapsed, size_t end,
                                 TextSymbols& symbols) const {
  if (prefix.literal == PrefixSet::kNoLiteral) return;
  const bool single = single_[prefix.literal] != 0;
  if (collapsed && !single) return;
  for (const uint16_t owner : owners_[prefix.literal]) {
    symbols.push_back({end, kFirstShape + owner, !single, false});
  }
}

void ShapeAlphabet::AppendReadings(char32_t c, TextSymbols& symbols) const {
  const Symbol own = OfWord(c);
  if (own != 0) symbols.push_back({0, own, true, false});
  // What it may make up where it is repeated: 林 is 木 twice.
  ElementPath elements;
  elements.Take(c);
  const PrefixSet::Prefix* const prefix = shapes_.Find(elements.path());
  if (prefix != nullptr && prefix->literal != PrefixSet::kNoLiteral &&
      single_[prefix->literal] != 0) {
    AppendOwners(*prefix, elements.collapsed(), 0, symbols);
    const auto is_itself = [&](const TextSymbol& read) {
      return read.symbol == own && !read.certain;
    };
    symbols.erase(std::remove_if(symbols.begin(), symbols.end(), is_itself), symbols.end());
  }
  for (const char16_t wanted : LookAlikesOf(c)) {
    if (const Symbol symbol = OfWord(wanted); symbol != 0) {
      symbols.push_back({0, symbol, false, true});
    }
  }
}

CharacterClasses ShapeAlphabet::ClassesOf(Symbol symbol) const {
  return {characters_[symbol - kFirstShape]};
}

bool ShapeAlphabet::BeginsComposite(char32_t c) const {
  ElementPath elements;
  elements.Take(c);
  const PrefixSet::Prefix* const prefix = shapes_.Find(elements.path());
  return prefix != nullptr && prefix->last != 0;
}

void ShapeAlphabet::AppendComposites(std::string_view skeleton, size_t at, char32_t /*before*/,
                                     TextSymbols& symbols) const {
  ElementPath elements;
  bool several = false;
  while (at < skeleton.size()) {
    const Decoded decoded = DecodeAt(skeleton, at);
    if (decoded.c == kInvalidByte) return;
    at += decoded.length;
    elements.Take(decoded.c);
    const PrefixSet::Prefix* const prefix = shapes_.Find(elements.path());
    if (prefix == nullptr) return;
    if (several) AppendOwners(*prefix, elements.collapsed(), at, symbols);
    if (prefix->last == 0) return;
    several = true;
  }
}

void ShapeAlphabet::ForEachUnfinished(std::string_view skeleton, size_t at, char32_t /*before*/,
                                      Visit visit) const {
  if (at >= skeleton.size()) return;
  ElementPath elements;
  const PrefixSet::Prefix* prefix = nullptr;
  while (at < skeleton.size()) {
    const Decoded decoded = DecodeAt(skeleton, at);
    if (decoded.c == kInvalidByte) return;
    at += decoded.length;
    elements.Take(decoded.c);
    prefix = shapes_.Find(elements.path());
    if (prefix == nullptr || prefix->last == 0) return;
  }
  for (uint32_t form = prefix->first; form < prefix->last; ++form) {
    if (elements.collapsed() && single_[form] == 0) continue;
    for (const uint16_t owner : owners_[form]) {
      if (!visit(kFirstShape + owner, single_[form] == 0)) return;
    }
  }
}

}  // namespace weir::rules
