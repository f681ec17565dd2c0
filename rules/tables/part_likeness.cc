#include "rules/tables/part_likeness.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace weir::rules {
namespace {

// Of a likeness in known_.
constexpr uint8_t kUnknown = 255;
constexpr double kScale = 250;

int LongestShared(std::string_view a, std::string_view b) {
  return MostInOrder(a.size(), b.size(), [&](size_t i, size_t j) { return a[i] == b[j] ? 1 : 0; });
}

bool Encloses(uint32_t c) {
  static constexpr std::u32string_view kEnclosures = U"囗门疒广尸厂辶廴气勹匚冂户虍走鬼戶几风";
  return kEnclosures.find(static_cast<char32_t>(c)) != std::u32string_view::npos;
}

// Two that have no parts, or whose parts say nothing.
double CompareCodes(const Glyph& a, const Glyph& b) {
  constexpr double kCodesMin = 0.5;
  if (a.cangjie.empty() || b.cangjie.empty()) return 0;
  const double more = std::max(a.strokes, b.strokes);
  const double apart = std::abs(a.strokes - b.strokes) / more;
  const double alike = 0.5 * SharedLetters(a, b) + 0.1 * SharedCorners(a, b) + 0.1 - 0.4 * apart;
  return alike < kCodesMin ? 0 : std::min(alike, 0.9);
}

}  // namespace

double SharedLetters(const Glyph& a, const Glyph& b) {
  double best = 0;
  for (const std::string& one : a.cangjie) {
    for (const std::string& other : b.cangjie) {
      const double letters = static_cast<double>(one.size() + other.size());
      best = std::max(best, 2 * LongestShared(one, other) / letters);
    }
  }
  return best;
}

int SharedCorners(const Glyph& a, const Glyph& b) {
  if (a.corners.size() != b.corners.size()) return 0;
  int shared = 0;
  for (size_t i = 0; i < a.corners.size(); ++i) shared += a.corners[i] == b.corners[i] ? 1 : 0;
  return shared;
}

PartLikeness::PartLikeness(std::span<const Glyph> glyphs, std::set<std::pair<size_t, size_t>> near)
    : glyphs_(glyphs),
      near_(std::move(near)),
      known_(glyphs.size() * (glyphs.size() - 1) / 2, kUnknown) {
  for (size_t i = 0; i < glyphs.size(); ++i) {
    const auto strokes = static_cast<double>(glyphs[i].strokes);
    rows_.push_back(RowOf(glyphs[i]));
    wholes_.push_back({{i}, {strokes}, strokes});
  }
}

bool PartLikeness::IsEnclosed(const Glyph& glyph) const {
  return !glyph.parts.empty() && Encloses(glyphs_[glyph.parts[0]].c);
}

PartLikeness::Row PartLikeness::RowOf(const Glyph& glyph) const {
  // Of the rest's strokes, what an enclosure counts for at least.
  constexpr double kEnclosureMin = 0.8;
  Row row;
  row.parts = glyph.parts;
  for (const size_t part : glyph.parts) row.weights.push_back(glyphs_[part].strokes);
  for (size_t i = 0; row.parts.size() == 2 && i < 2; ++i) {
    if (!Encloses(glyphs_[row.parts[i]].c)) continue;
    row.weights[i] = std::max(row.weights[i], kEnclosureMin * row.weights[1 - i]);
    break;
  }
  for (const double weight : row.weights) row.all += weight;
  return row;
}

double PartLikeness::Compare(const Row& a, const Row& b) {
  const double both = MostInOrder(a.parts.size(), b.parts.size(), [&](size_t i, size_t j) {
    return Of(a.parts[i], b.parts[j]) * (a.weights[i] + b.weights[j]) / 2;
  });
  return 2 * both / (a.all + b.all);
}

double PartLikeness::CompareParts(size_t a, size_t b) {
  const bool a_parted = !rows_[a].parts.empty();
  const bool b_parted = !rows_[b].parts.empty();
  double best = 0;
  if (a_parted && b_parted) best = Compare(rows_[a], rows_[b]);
  if (b_parted) best = std::max(best, Compare(wholes_[a], rows_[b]));
  if (a_parted) best = std::max(best, Compare(rows_[a], wholes_[b]));
  return best;
}

double PartLikeness::Of(size_t a, size_t b) {
  constexpr double kSame = 0.95;
  constexpr double kNear = 0.8;
  constexpr double kLikenessMin = 0.4;  // less says nothing
  if (a == b) return 1;
  if (a > b) std::swap(a, b);
  const size_t place = b * (b - 1) / 2 + a;
  if (known_[place] != kUnknown) return known_[place] / kScale;
  // Parts are shorter than their wholes: this ends.
  double alike = 0;
  if (glyphs_[a].same >= 0 && glyphs_[a].same == glyphs_[b].same) {
    alike = kSame;
  } else if (near_.contains({a, b})) {
    alike = kNear;
  } else {
    alike = std::max(CompareCodes(glyphs_[a], glyphs_[b]), CompareParts(a, b));
  }
  known_[place] = alike < kLikenessMin ? 0 : static_cast<uint8_t>(std::lround(alike * kScale));
  return known_[place] / kScale;
}

}  // namespace weir::rules
