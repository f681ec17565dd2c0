#include "rules/tables/likeness.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include <absl/strings/numbers.h>

namespace weir::rules {
namespace {

// Pairs with at least this score look alike, and are close. Higher, and common confusions are
// missed; lower, and characters that nobody confuses are alike: rules/README.md has what both cost.
constexpr double kScoreMin = -2.2;
constexpr double kCloseScoreMin = -0.4;
// What a pair with a common character gains, for each power of ten above kCommonFrom: words are
// made of common characters, and one of these is written for another sooner.
constexpr double kCommonFrom = 1.5;
constexpr double kForCommon = 0.2;
constexpr double kCloseForCommon = 0.4;

// The table of 2013 is ordered by use: 3,500 characters of the first grade, 3,000 of the second.
constexpr int kCommonMax = 3500;
constexpr int kKnownMax = 6500;

// "U+8D4C<kMatthews"
uint32_t CodePointOf(const std::string& name) {
  uint32_t c = 0;
  return absl::SimpleHexAtoi(std::string(name, 2, name.find('<') - 2), &c) ? c : 0;
}

// The number that stands in a text at a place, 0 if none: 1416 in "1416*", 154 in "154'.8".
int NumberAt(const std::string& text, size_t at) {
  const size_t end = std::min(text.find_first_not_of("0123456789", at), text.size());
  int number = 0;
  return at < end && absl::SimpleAtoi(text.substr(at, end - at), &number) ? number : 0;
}

bool ShareOne(const std::vector<int>& a, const std::vector<int>& b) {
  return std::ranges::find_first_of(a, b) != a.end();
}

bool EndAlike(const Glyph& a, const Glyph& b) {
  for (const std::string& one : a.cangjie) {
    for (const std::string& other : b.cangjie) {
      if (one.back() == other.back()) return true;
    }
  }
  return false;
}

}  // namespace

void Likeness::ReadField(Character& character, const std::string& field,
                         std::istream& values) const {
  std::string value;
  if (field == "kCangjie") {
    while (values >> value) character.cangjie.push_back(value);
  } else if (field == "kSemanticVariant" || field == "kSpoofingVariant" || field == "kZVariant") {
    while (values >> value) character.variants.push_back(CodePointOf(value));
  } else if (field == "kPhonetic") {
    while (values >> value) character.phonetics.push_back(NumberAt(value, 0));
  } else if (field == "kHanyuPinlu") {  // "cháng(141)"
    while (values >> value) character.times_in_text += NumberAt(value, value.find('(') + 1);
  } else if (!(values >> value)) {
    return;
  } else if (field == "kFourCornerCode") {
    character.corners = value.substr(0, 4);
  } else if (field == "kTotalStrokes") {
    character.strokes = NumberAt(value, 0);
  } else if (field == "kRSUnicode") {
    character.radical = NumberAt(value, 0);
    character.beyond_radical = NumberAt(value, value.find('.') + 1);
  } else if (field == "kTGH") {  // "2013:367"
    const int place = NumberAt(value, value.find(':') + 1);
    character.use = place <= kCommonMax  ? Use::kCommon
                    : place <= kKnownMax ? Use::kKnown
                                         : Use::kRare;
  } else if (field == "kGB0") {
    character.use = std::min(character.use, Use::kRare);
  }
}

bool Likeness::ReadUnihan(std::istream& in) {
  for (std::string line; std::getline(in, line);) {
    std::istringstream columns(line);
    std::string code_point;
    std::string field;
    if (!line.starts_with("U+") || !(columns >> code_point >> field)) continue;
    ReadField(characters_[CodePointOf(code_point)], field, columns);
  }
  const auto count = [&](auto has) {
    return std::ranges::count_if(characters_, [&](const auto& entry) { return has(entry.second); });
  };
  const auto used =
      count([](const Character& one) { return one.use != Use::kNone && !one.cangjie.empty(); });
  const auto counted = count([](const Character& one) { return one.times_in_text > 0; });
  constexpr int kUsedMin = 7000;
  constexpr int kCountedMin = 3000;
  if (used >= kUsedMin && counted >= kCountedMin) return true;
  std::cerr << "Unihan names " << used << " common characters with codes and counts " << counted
            << "; give the files Unihan_DictionaryLikeData, Unihan_IRGSources, "
            << "Unihan_OtherMappings, Unihan_Readings and Unihan_Variants\n";
  return false;
}

void Likeness::FindVariants(std::vector<Pair>& pairs) const {
  for (const auto& [c, character] : characters_) {
    if (c > kLookAlikeMax) continue;
    for (const uint32_t variant : character.variants) {
      const auto other = characters_.find(variant);
      if (variant > kLookAlikeMax || variant == c || other == characters_.end()) continue;
      if (std::min(character.use, other->second.use) <= Use::kKnown) {
        pairs.push_back({std::min(c, variant), std::max(c, variant), true});
      }
    }
  }
}

class Likeness::Finder {
 public:
  Finder(const Likeness& likeness, const Drawing& drawing);

  // Whether every character comes apart into parts that have none.
  bool IsSound() const { return sound_; }
  void FindAll(std::vector<Pair>& pairs);

 private:
  // A character that may be an answer, by its glyph.
  struct Used {
    size_t glyph = 0;
    const Character* character = nullptr;
    double frequency = 0;  // a power of ten
  };
  // What two are both drawn of: the rarest and the largest of all parts of parts.
  struct InCommon {
    double rareness = 0;  // 1: no other has it
    double strokes = 0;   // share of the strokes of both
  };

  size_t GlyphOf(uint32_t c, const Drawing& drawing);
  void Decompose(size_t glyph, std::set<size_t>& all, std::vector<size_t>& last, int depth);
  void CountParts();
  std::set<std::pair<size_t, size_t>> PairsOf(const std::vector<Text>& lists);
  InCommon Compare(size_t a, size_t b) const;
  double SharedStrokes(size_t a, size_t b) const;
  bool MayBeAlike(const Used& a, const Used& b, const InCommon& common);
  double Score(const Used& a, const Used& b, const InCommon& common);
  double ScoreOfPlaces(const Glyph& a, const Glyph& b) const;

  const Likeness& likeness_;
  std::map<uint32_t, size_t> places_;
  std::vector<Glyph> glyphs_;
  std::vector<Used> used_;
  std::vector<std::vector<size_t>> all_parts_;   // of each glyph, itself too, in order of places
  std::vector<std::vector<size_t>> last_parts_;  // those that have none, as they are written
  std::vector<double> rareness_;
  bool sound_ = true;
  std::unique_ptr<PartLikeness> parts_;
};

Likeness::Finder::Finder(const Likeness& likeness, const Drawing& drawing) : likeness_(likeness) {
  for (const auto& [c, character] : likeness.characters_) {
    if (character.use == Use::kNone || character.strokes == 0 || c > kLookAlikeMax) continue;
    used_.push_back({GlyphOf(c, drawing), &character, std::log10(1 + character.times_in_text)});
  }
  for (size_t i = 0; i < drawing.same.size(); ++i) {
    for (const uint32_t c : drawing.same[i]) {
      const auto found = places_.find(c);
      if (found == places_.end() || !glyphs_[found->second].parts.empty()) continue;
      glyphs_[found->second].same = static_cast<int>(i);
    }
  }
  CountParts();
  parts_ = std::make_unique<PartLikeness>(glyphs_, PairsOf(drawing.near));
}

size_t Likeness::Finder::GlyphOf(uint32_t c, const Drawing& drawing) {
  const auto [place, is_new] = places_.emplace(c, glyphs_.size());
  const size_t glyph = place->second;
  if (!is_new) return glyph;
  glyphs_.push_back({});
  glyphs_[glyph].c = c;
  if (const auto found = likeness_.characters_.find(c); found != likeness_.characters_.end()) {
    const Character& character = found->second;
    if (character.strokes > 0) glyphs_[glyph].strokes = character.strokes;
    glyphs_[glyph].cangjie = character.cangjie;
    glyphs_[glyph].corners = character.corners;
  }
  if (const auto found = drawing.parts.find(c); found != drawing.parts.end()) {
    for (const uint32_t part : found->second) {
      const size_t of_part = GlyphOf(part, drawing);
      glyphs_[glyph].parts.push_back(of_part);
    }
  }
  return glyph;
}

void Likeness::Finder::Decompose(size_t glyph, std::set<size_t>& all, std::vector<size_t>& last,
                                 int depth) {
  constexpr int kDepthMax = 16;
  if (depth == kDepthMax) {
    if (sound_) std::cerr << "the parts of U+" << std::hex << glyphs_[glyph].c << " never end\n";
    sound_ = false;
    return;
  }
  all.insert(glyph);
  for (const size_t part : glyphs_[glyph].parts) Decompose(part, all, last, depth + 1);
  if (glyphs_[glyph].parts.empty()) last.push_back(glyph);
}

void Likeness::Finder::CountParts() {
  std::vector<int> wholes(glyphs_.size());
  all_parts_.resize(glyphs_.size());
  last_parts_.resize(glyphs_.size());
  for (size_t glyph = 0; glyph < glyphs_.size() && sound_; ++glyph) {
    std::set<size_t> all;
    Decompose(glyph, all, last_parts_[glyph], 0);
    all_parts_[glyph].assign(all.begin(), all.end());
  }
  for (const Used& used : used_) {
    if (used.character->use > Use::kKnown) continue;
    for (const size_t part : all_parts_[used.glyph]) ++wholes[part];
  }
  constexpr double kCharacters = 8000;
  for (const int count : wholes) {
    rareness_.push_back(std::log2(kCharacters / (count + 0.5)) / std::log2(kCharacters));
  }
}

std::set<std::pair<size_t, size_t>> Likeness::Finder::PairsOf(const std::vector<Text>& lists) {
  std::set<std::pair<size_t, size_t>> pairs;
  for (const Text& list : lists) {
    for (const uint32_t a : list) {
      for (const uint32_t b : list) {
        const auto one = places_.find(a);
        const auto other = places_.find(b);
        if (one == places_.end() || other == places_.end()) continue;
        if (one->second < other->second) pairs.emplace(one->second, other->second);
      }
    }
  }
  return pairs;
}

Likeness::Finder::InCommon Likeness::Finder::Compare(size_t a, size_t b) const {
  InCommon common;
  const double strokes = glyphs_[a].strokes + glyphs_[b].strokes;
  auto one = all_parts_[a].begin();
  auto other = all_parts_[b].begin();
  while (one != all_parts_[a].end() && other != all_parts_[b].end()) {
    if (*one == *other) {
      common.rareness = std::max(common.rareness, rareness_[*one]);
      common.strokes = std::max(common.strokes, 2 * glyphs_[*one].strokes / strokes);
    }
    const bool step = *one <= *other;
    if (*one >= *other) ++other;
    if (step) ++one;
  }
  return common;
}

// Of the strokes of both, those of parts that both have in the same order.
double Likeness::Finder::SharedStrokes(size_t a, size_t b) const {
  const std::vector<size_t>& parts = last_parts_[a];
  const std::vector<size_t>& others = last_parts_[b];
  int all = 0;
  for (const size_t part : parts) all += glyphs_[part].strokes;
  for (const size_t part : others) all += glyphs_[part].strokes;
  const int shared = MostInOrder(parts.size(), others.size(), [&](size_t i, size_t j) {
    return parts[i] == others[j] ? glyphs_[parts[i]].strokes : 0;
  });
  return 2.0 * shared / all;
}

// Quick, and true of all that have a high score.
bool Likeness::Finder::MayBeAlike(const Used& a, const Used& b, const InCommon& common) {
  if (common.rareness > 0.45 && common.strokes > 0.3) return true;
  if (parts_->Of(a.glyph, b.glyph) > 0) return true;
  const Glyph& one = glyphs_[a.glyph];
  const Glyph& other = glyphs_[b.glyph];
  const double letters = SharedLetters(one, other);
  const int corners = SharedCorners(one, other);
  return letters >= 0.5 || corners >= 3 || (corners == 2 && letters >= 0.35);
}

// Where what they have in common stands.
double Likeness::Finder::ScoreOfPlaces(const Glyph& a, const Glyph& b) const {
  double score = 0;
  if (a.corners.size() == 4 && b.corners.size() == 4) {
    score += 0.12 * (a.corners[0] == b.corners[0]) + 0.73 * (a.corners[1] == b.corners[1]) +
             0.39 * (a.corners[3] == b.corners[3]) + 0.71 * (a.corners == b.corners);
  }
  if (!a.parts.empty() && !b.parts.empty()) {
    const bool first = a.parts.front() == b.parts.front();
    score += 1.61 * (a.parts.back() == b.parts.back()) + 0.95 * first +
             0.36 * (first && parts_->IsEnclosed(a));
  }
  return score;
}

double Likeness::Finder::Score(const Used& a, const Used& b, const InCommon& common) {
  const Glyph& one = glyphs_[a.glyph];
  const Glyph& other = glyphs_[b.glyph];
  const double more = std::max(one.strokes, other.strokes);
  const double fewer = std::min(one.strokes, other.strokes);
  double score =
      -5.07 - 2.9 * (more - fewer) / more - 0.14 * std::min(4.0, more - fewer) - 0.074 * fewer;

  const Use rarer = std::max(a.character->use, b.character->use);
  score -= rarer == Use::kCommon ? 0 : rarer == Use::kKnown ? 2.43 : 2.64;
  score += 0.385 * std::min(a.frequency, b.frequency) - 0.483 * std::max(a.frequency, b.frequency);

  const double letters = SharedLetters(one, other);
  const double alike = parts_->Of(a.glyph, b.glyph);
  score += 1.04 * letters + 0.29 * EndAlike(one, other);
  score += 1.86 * alike * alike + 0.85 * std::max(0.0, alike - 0.7) +
           0.142 * alike * SharedCorners(one, other) + 0.75 * alike * letters;
  // Characters without parts can share none, which says little.
  const bool parted = !one.parts.empty() && !other.parts.empty();
  score += parted ? 1.06 * SharedStrokes(a.glyph, b.glyph) : 1.54;
  score += ScoreOfPlaces(one, other);

  score += 1.04 * ShareOne(a.character->phonetics, b.character->phonetics);
  const int apart = a.character->beyond_radical - b.character->beyond_radical;
  score += 0.28 * (a.character->radical == b.character->radical && std::abs(apart) <= 1);
  return score + common.rareness * (0.2 + 0.93 * common.strokes + 5.68 * common.rareness);
}

void Likeness::Finder::FindAll(std::vector<Pair>& pairs) {
  for (size_t i = 0; i < used_.size(); ++i) {
    for (size_t j = i + 1; j < used_.size(); ++j) {
      const Used& a = used_[i];
      const Used& b = used_[j];
      const InCommon common = Compare(a.glyph, b.glyph);
      if (!MayBeAlike(a, b, common)) continue;
      const double score = Score(a, b, common);
      const double common_by = std::max(0.0, std::max(a.frequency, b.frequency) - kCommonFrom);
      if (score + kForCommon * common_by < kScoreMin) continue;
      const bool close = score + kCloseForCommon * common_by >= kCloseScoreMin;
      pairs.push_back({glyphs_[a.glyph].c, glyphs_[b.glyph].c, close});
    }
  }
}

bool Likeness::Find(const Drawing& drawing, std::vector<Pair>& pairs) const {
  Finder finder(*this, drawing);
  if (!finder.IsSound()) return false;
  FindVariants(pairs);
  finder.FindAll(pairs);
  return true;
}

}  // namespace weir::rules
