#include "rules/tables/likeness.h"

#include <algorithm>
#include <iostream>
#include <sstream>

#include <absl/strings/numbers.h>

namespace weir::rules {
namespace {

// Pairs with at least this score look alike. Higher, and common confusions are missed; lower, and
// characters that nobody confuses are alike: rules/README.md has what both cost.
constexpr int kScoreMin = 670;
constexpr int kCloseScoreMin = 830;

// The table of 2013 is ordered by use: 3,500 characters of the first grade, 3,000 of the second.
constexpr int kCommonMax = 3500;
constexpr int kKnownMax = 6500;

// "U+8D4C<kMatthews"
uint32_t CodePointOf(const std::string& name) {
  uint32_t c = 0;
  return absl::SimpleHexAtoi(std::string(name, 2, name.find('<') - 2), &c) ? c : 0;
}

// Look-alikes beyond it are not to be had from an input method.
constexpr uint32_t kCodePointMax = 0x10000;

// Of two codes, the letters that they have in the same order, in hundredths of all.
int SharedLetters(const std::string& a, const std::string& b) {
  constexpr size_t kLettersMax = 8;
  int shared[kLettersMax + 1][kLettersMax + 1] = {};
  const size_t rows = std::min(a.size(), kLettersMax);
  const size_t columns = std::min(b.size(), kLettersMax);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      shared[i + 1][j + 1] =
          a[i] == b[j] ? shared[i][j] + 1 : std::max(shared[i][j + 1], shared[i + 1][j]);
    }
  }
  return 200 * shared[rows][columns] / static_cast<int>(rows + columns);
}

}  // namespace

bool Likeness::ReadUnihan(std::istream& in) {
  for (std::string line; std::getline(in, line);) {
    std::istringstream columns(line);
    std::string code_point;
    std::string field;
    if (!line.starts_with("U+") || !(columns >> code_point >> field)) continue;
    Character& character = characters_[CodePointOf(code_point)];
    std::string value;
    if (field == "kCangjie") {
      while (columns >> value) character.cangjie.push_back(value);
    } else if (field == "kSemanticVariant" || field == "kSpoofingVariant" || field == "kZVariant") {
      while (columns >> value) character.variants.push_back(CodePointOf(value));
    } else if (columns >> value && field == "kFourCornerCode") {
      character.corners = value.substr(0, 4);
    } else if (field == "kTotalStrokes") {
      if (!absl::SimpleAtoi(value, &character.strokes)) character.strokes = 0;
    } else if (field == "kTGH") {
      int place = 0;
      if (!absl::SimpleAtoi(value.substr(value.find(':') + 1), &place)) place = kKnownMax + 1;
      character.use = place <= kCommonMax  ? Use::kCommon
                      : place <= kKnownMax ? Use::kKnown
                                           : Use::kRare;
    } else if (field == "kGB0") {
      character.use = std::min(character.use, Use::kRare);
    }
  }
  const auto used = std::count_if(characters_.begin(), characters_.end(), [](const auto& entry) {
    return entry.second.use != Use::kNone && !entry.second.cangjie.empty();
  });
  constexpr int kUsedMin = 7000;
  if (used >= kUsedMin) return true;
  std::cerr
      << "Unihan names " << used << " common characters with codes; give the files "
      << "Unihan_DictionaryLikeData, Unihan_IRGSources, Unihan_OtherMappings and Unihan_Variants\n";
  return false;
}

int Likeness::StrokesOf(uint32_t c) const {
  constexpr int kUsual = 3;  // of a part that is no character
  const auto found = characters_.find(c);
  return found == characters_.end() || found->second.strokes == 0 ? kUsual : found->second.strokes;
}

// Those of the elements that both have in the same order.
int Likeness::SharedStrokes(const Character& a, const Character& b) const {
  if ((a.element_bits & b.element_bits) == 0) return 0;
  std::vector<int> above(b.elements.size() + 1);
  std::vector<int> row(above.size());
  for (const uint32_t element : a.elements) {
    for (size_t j = 0; j < b.elements.size(); ++j) {
      row[j + 1] =
          element == b.elements[j] ? above[j] + StrokesOf(element) : std::max(above[j + 1], row[j]);
    }
    std::swap(above, row);
  }
  return above.back();
}

int Likeness::Score(const Character& a, const Character& b) const {
  const int more = std::max(a.strokes, b.strokes);
  const int fewer = std::min(a.strokes, b.strokes);
  int score = -410 * (more - fewer) / more - 10 * fewer;
  int codes = 0;
  for (const std::string& one : a.cangjie) {
    for (const std::string& other : b.cangjie) codes = std::max(codes, SharedLetters(one, other));
  }
  score += a.cangjie.empty() || b.cangjie.empty() ? 230 : 760 * codes / 100;
  if (!a.corners.empty() && !b.corners.empty()) {
    for (size_t corner = 0; corner < 4; ++corner) {
      score += a.corners[corner] == b.corners[corner] ? 48 : 0;
    }
  }
  const Use rarer = std::max(a.use, b.use);
  score -= rarer == Use::kCommon ? 0 : rarer == Use::kKnown ? 200 : 300;
  const int parts = 2 * SharedStrokes(a, b);
  const int all = a.element_strokes + b.element_strokes;
  // A character without parts can share none, which says little.
  score += a.parted && b.parted ? 970 * parts / all : 260 + 570 * parts / all;
  if (score < kScoreMin) return score;
  constexpr int kLacksPart = 100;
  return score - (IsPartOf(a, b) || IsPartOf(b, a) ? kLacksPart : 0);
}

bool Likeness::IsPartOf(const Character& part, const Character& whole) {
  return part.elements.size() < whole.elements.size() &&
         std::search(whole.elements.begin(), whole.elements.end(), part.elements.begin(),
                     part.elements.end()) != whole.elements.end();
}

void Likeness::FindVariants(std::vector<Pair>& pairs) const {
  for (const auto& [c, character] : characters_) {
    if (c >= kCodePointMax) continue;
    for (const uint32_t variant : character.variants) {
      const auto other = characters_.find(variant);
      if (variant >= kCodePointMax || variant == c || other == characters_.end()) continue;
      if (std::min(character.use, other->second.use) <= Use::kKnown) {
        pairs.push_back({std::min(c, variant), std::max(c, variant), true});
      }
    }
  }
}

std::vector<Likeness::Pair> Likeness::Find(const std::map<uint32_t, Text>& elements) const {
  std::vector<Character> used;
  for (const auto& [c, character] : characters_) {
    if (character.use == Use::kNone || character.strokes == 0 || c >= kCodePointMax) continue;
    Character& one = used.emplace_back(character);
    one.c = c;
    const auto parts = elements.find(c);
    one.parted = parts != elements.end() && parts->second.size() > 1;
    one.elements = parts == elements.end() ? Text{c} : parts->second;
    for (const uint32_t element : one.elements) {
      one.element_strokes += StrokesOf(element);
      one.element_bits |= uint64_t{1} << ((element * 0x9E3779B1U) >> 26);
    }
  }
  std::vector<Pair> pairs;
  FindVariants(pairs);
  for (size_t i = 0; i < used.size(); ++i) {
    for (size_t j = i + 1; j < used.size(); ++j) {
      const int score = Score(used[i], used[j]);
      if (score >= kScoreMin) pairs.push_back({used[i].c, used[j].c, score >= kCloseScoreMin});
    }
  }
  return pairs;
}

}  // namespace weir::rules
