// How alike two characters are drawn, told from their parts and of these in turn: 析 is 折 as far
// as 木 is 扌.
//
// Of two rows of parts those that correspond are set against each other, in order, each pair
// counting by its strokes and by how alike the two are. A whole may correspond to a part (间 to
// that of 简). What stands around the rest (囗, 门, 疒) counts for more than its strokes. Two that
// have no parts are as alike as their codes in input methods that go by the looks.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::rules {

// A character, or a part that may be none. Characters are numbers: places in a list.
struct Glyph {
  uint32_t c = 0;
  int strokes = 3;                   // the usual number, of a part that Unihan has not
  std::vector<std::string> cangjie;  // kCangjie, in every way
  std::string corners;               // kFourCornerCode: four digits, or none
  std::vector<size_t> parts;         // none or several, in the order they are written
  int same = -1;                     // those of one number are the same part (水 氵)
};

// Of two codes the letters that they have in the same order, of 1: the best of all ways.
double SharedLetters(const Glyph& a, const Glyph& b);
// At how many corners they are the same; 0 where it is not known.
int SharedCorners(const Glyph& a, const Glyph& b);

// The most that pairs of one thing out of each of two rows are worth together, where the pairs
// stand in the same order in both. `worth(i, j)`, 0 or more: of the first row's i-th and the
// second's j-th. Of the second row kColumnsMax count: no character has as many parts or letters.
template <typename Worth>
auto MostInOrder(size_t rows, size_t columns, const Worth& worth) {
  constexpr size_t kColumnsMax = 16;
  using Sum = decltype(worth(rows, columns));
  std::array<Sum, kColumnsMax + 1> most{};  // by columns, of the rows so far
  columns = std::min(columns, kColumnsMax);
  for (size_t i = 0; i < rows; ++i) {
    Sum before{};  // of one row and one column less
    for (size_t j = 0; j < columns; ++j) {
      const Sum together = before + worth(i, j);
      before = most[j + 1];
      most[j + 1] = std::max({together, before, most[j]});
    }
  }
  return most[columns];
}

class PartLikeness {
 public:
  // `near`: parts that are nearly alike, the smaller number first. `glyphs` must outlive this.
  PartLikeness(std::span<const Glyph> glyphs, std::set<std::pair<size_t, size_t>> near);

  // 0: not alike, to 1: the same. Each pair is worked out once.
  double Of(size_t a, size_t b);
  // Whether the glyph's first part stands around the rest.
  bool IsEnclosed(const Glyph& glyph) const;

 private:
  struct Row {
    std::vector<size_t> parts;
    std::vector<double> weights;
    double all = 0;  // of the weights
  };
  Row RowOf(const Glyph& glyph) const;
  double Compare(const Row& a, const Row& b);
  double CompareParts(size_t a, size_t b);

  std::span<const Glyph> glyphs_;
  std::vector<Row> rows_;    // of each glyph's parts
  std::vector<Row> wholes_;  // of each glyph alone
  std::set<std::pair<size_t, size_t>> near_;
  std::vector<uint8_t> known_;  // of each pair, a triangle
};

}  // namespace weir::rules
