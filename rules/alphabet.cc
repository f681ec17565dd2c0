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

bool IsLetter(char32_t c) {
  return c >= 'a' && c <= 'z';
}

Symbol SoundSymbol(Syllable syllable) {
  return kFirstSound + syllable;
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

std::vector<WordSymbol> SoundAlphabet::OfWord(char32_t c) const {
  std::vector<WordSymbol> symbols;
  const Sounds sounds = SoundsOf(c);
  for (const Syllable syllable : sounds.readings) symbols.push_back({SoundSymbol(syllable), true});
  for (const Syllable syllable : sounds.seen_as) symbols.push_back({SoundSymbol(syllable), false});
  if (symbols.empty() && c < kFirstSound) symbols.push_back({c, true});
  return symbols;
}

WordSymbol SoundAlphabet::OfText(char32_t c) const {
  const std::span<const Syllable> readings = Readings(c);
  if (!readings.empty()) return {SoundSymbol(readings.front()), true};
  return {c < kFirstSound ? c : 0, true};
}

bool SoundAlphabet::HasSeveralReadings(char32_t c) const {
  return Readings(c).size() > 1;
}

bool SoundAlphabet::BeginsComposite(char32_t c) const {
  return IsLetter(c);
}

void SoundAlphabet::AppendComposites(std::string_view skeleton, size_t at, char32_t before,
                                     TextSymbols& symbols) const {
  const std::string_view letters = LettersAt(skeleton, at);
  SyllablesAt(letters, [&](size_t length, Syllable syllable) {
    symbols.push_back({at + length, SoundSymbol(syllable), true});
  });
  if (!IsLetter(before)) return;
  std::string shared(1, static_cast<char>(before));
  shared += letters;
  SyllablesAt(shared, [&](size_t length, Syllable syllable) {
    symbols.push_back({at + length - 1, SoundSymbol(syllable), false});
  });
}

void SoundAlphabet::ForEachUnfinished(std::string_view skeleton, size_t at, char32_t before,
                                      Visit visit) const {
  const std::string_view letters = LettersAt(skeleton, at);
  if (at + letters.size() < skeleton.size()) return;
  if (!letters.empty()) {
    for (const Syllable syllable : SyllablesBegunBy(letters)) {
      if (!visit({SoundSymbol(syllable), true})) return;
    }
  }
  if (!IsLetter(before)) return;
  std::string shared(1, static_cast<char>(before));
  shared += letters;
  for (const Syllable syllable : SyllablesBegunBy(shared)) {
    if (!visit({SoundSymbol(syllable), false})) return;
  }
}

ShapeAlphabet::ShapeAlphabet(const std::vector<char32_t>& characters) {
  std::vector<std::pair<std::string, bool>> forms;  // and whether it is collapsed
  for (const char32_t c : characters) {
    for (const std::u32string& form : ShapeFormsOf(c)) {
      const Elements elements = Collapse(form);
      forms.emplace_back(Encode(elements.list), elements.collapsed);
    }
  }
  std::sort(forms.begin(), forms.end());
  std::vector<std::string_view> distinct;
  for (const auto& [form, collapsed] : forms) {
    if (distinct.empty() || distinct.back() != form) {
      if (distinct.size() == kShapesMax) break;
      distinct.push_back(form);
      single_.push_back(0);
    }
    if (collapsed) single_.back() = 1;
  }
  shapes_ = PrefixSet::Build(distinct);
  BuildPairs();
}

void ShapeAlphabet::BuildPairs() {
  constexpr char32_t kTabled = 0x10000;
  const auto collapsed_elements = [](char32_t c) {
    Elements elements;
    ForEachElement(c, [&](char32_t element) { elements.Add(element); });
    return elements.list;
  };
  // The elements that stand in some form in a row, numbered once a character has them.
  absl::flat_hash_map<std::u32string, uint16_t> numbers;
  std::vector<std::u32string> shapes;
  for (uint32_t shape = 0; shape < shapes_.literal_count(); ++shape) {
    const std::u32string& elements = shapes.emplace_back(DecodeAll(shapes_.literal(shape)));
    for (size_t from = 0; from < elements.size(); ++from) {
      for (size_t size = 1; from + size <= elements.size(); ++size) {
        numbers.try_emplace(elements.substr(from, size), uint16_t{0});
      }
    }
  }
  elements_of_.resize(kTabled);
  uint16_t last = 0;
  for (char32_t c = 0; c < kTabled; ++c) {
    const auto found = numbers.find(collapsed_elements(c));
    if (found == numbers.end()) continue;
    if (found->second == 0) found->second = ++last;
    elements_of_[c] = found->second;
  }
  second_.resize(size_t{last} + 1);
  pairs_.resize((size_t{1} << kPairBits) / 64);
  const auto number_of = [&](std::u32string_view elements) {
    return numbers.find(std::u32string(elements))->second;
  };
  for (const std::u32string_view elements : shapes) {
    for (size_t size = 1; size <= elements.size(); ++size) {
      const uint16_t first = number_of(elements.substr(0, size));
      if (first == 0) continue;
      // The second may begin with the element that the first ends with: they are one.
      for (size_t from = size - 1; from <= size; ++from) {
        for (size_t end = size; end <= elements.size(); ++end) {
          if (end == from) continue;
          const uint16_t second = number_of(elements.substr(from, end - from));
          if (second == 0) continue;
          const uint32_t place = PairPlace(first, second);
          pairs_[place / 64] |= uint64_t{1} << (place % 64);
          second_[second] = true;
        }
      }
    }
  }
}

bool ShapeAlphabet::GoesOnComposite(char32_t c) const {
  return c >= elements_of_.size() || second_[elements_of_[c]];
}

bool ShapeAlphabet::MayCompose(char32_t first, char32_t second) const {
  if (first >= elements_of_.size() || second >= elements_of_.size()) {
    return second != kInvalidByte;
  }
  const uint32_t place = PairPlace(elements_of_[first], elements_of_[second]);
  return ((pairs_[place / 64] >> (place % 64)) & 1U) != 0;
}

size_t ShapeAlphabet::memory_bytes() const {
  return shapes_.memory_bytes() + single_.capacity() + pairs_.capacity() * sizeof(uint64_t) +
         elements_of_.capacity() * sizeof(uint16_t) + second_.capacity() / 8;
}

std::vector<WordSymbol> ShapeAlphabet::OfWord(char32_t c) const {
  std::vector<WordSymbol> symbols;
  for (const std::u32string& form : ShapeFormsOf(c)) {
    const Elements elements = Collapse(form);
    PrefixSet::Path path;
    for (const char32_t element : elements.list) path = path.Then(element);
    const PrefixSet::Prefix* const prefix = shapes_.Find(path);
    if (prefix == nullptr || prefix->literal == PrefixSet::kNoLiteral) continue;
    symbols.push_back({kFirstShape + prefix->literal, single_[prefix->literal] == 0});
  }
  return symbols;
}

WordSymbol ShapeAlphabet::OfText(char32_t c) const {
  ElementPath elements;
  elements.Take(c);
  const PrefixSet::Prefix* const prefix = shapes_.Find(elements.path());
  if (prefix == nullptr || prefix->literal == PrefixSet::kNoLiteral ||
      (elements.collapsed() && single_[prefix->literal] == 0)) {
    return {};
  }
  return {kFirstShape + prefix->literal, !elements.collapsed()};
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
    if (several && prefix->literal != PrefixSet::kNoLiteral &&
        (!elements.collapsed() || single_[prefix->literal] != 0)) {
      symbols.push_back({at, kFirstShape + prefix->literal, !elements.collapsed()});
    }
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
  for (uint32_t literal = prefix->first; literal < prefix->last; ++literal) {
    if (elements.collapsed() && single_[literal] == 0) continue;
    if (!visit({kFirstShape + literal, single_[literal] == 0})) return;
  }
}

}  // namespace weir::rules
