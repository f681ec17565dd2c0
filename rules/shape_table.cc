#include "rules/shape_table.h"

#include <algorithm>

#include "rules/character_set.h"

namespace weir::rules {
namespace {

#include "shape_data.inc"  // generated

constexpr size_t kPageSize = 256;

std::span<const char32_t> ListAt(uint32_t place) {
  return {kShapeLists + place + 1, static_cast<size_t>(kShapeLists[place])};
}

void AppendElements(char32_t c, std::u32string& to) {
  const std::span<const char32_t> elements = ShapeElements(c);
  if (elements.empty()) {
    to += c;
  } else {
    to.append(elements.begin(), elements.end());
  }
}

// Calls `visit` with the list of every pair of `table` whose character is `c`; stops at true.
template <size_t kSize, typename Visit>
bool AnyListOf(const uint32_t (&table)[kSize], char32_t c, const Visit& visit) {
  size_t low = 0;
  for (size_t high = kSize / 2; low < high;) {
    const size_t middle = (low + high) / 2;
    if (table[2 * middle] < c) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < kSize / 2 && table[2 * low] == c; ++low) {
    if (visit(ListAt(table[2 * low + 1]))) return true;
  }
  return false;
}

}  // namespace

std::span<const char32_t> ShapeElements(char32_t c) {
  return ListAt(kShapePages[kShapePageOf[c / kPageSize]][c % kPageSize]);
}

std::vector<std::u32string> ShapeFormsOf(char32_t c) {
  std::vector<std::u32string> forms(1);
  AppendElements(c, forms[0]);
  AnyListOf(kShapeForms, c, [&](std::span<const char32_t> list) {
    forms.emplace_back(list.begin(), list.end());
    return false;
  });
  return forms;
}

bool BeginsShape(char32_t c, char32_t part) {
  const std::span<const char32_t> elements = ShapeElements(part);
  const auto begins = [&](std::span<const char32_t> form) {
    const std::span<const char32_t> first =
        elements.empty() ? std::span<const char32_t>(&part, 1) : elements;
    return first.size() < form.size() && std::ranges::equal(first, form.first(first.size()));
  };
  return begins(ShapeElements(c)) || AnyListOf(kShapeForms, c, begins);
}

bool IsOrdinarySplit(char32_t c, std::u32string_view parts) {
  return AnyListOf(kOrdinarySplits, c,
                   [&](std::span<const char32_t> list) { return std::ranges::equal(list, parts); });
}

std::span<const char16_t> LookAlikesOf(char32_t c) {
  static constexpr CharacterSet kAlike(kAlikeCharacters);
  if (!kAlike.Has(c)) return {};
  const size_t place = kAlike.Place(c);
  return {kAlikes + kAlikeStarts[place], kAlikeStarts[place + 1] - kAlikeStarts[place]};
}

bool LookAlike(char32_t wanted, char32_t c) {
  return std::ranges::binary_search(LookAlikesOf(wanted), c);
}

bool CloselyAlike(char32_t wanted, char32_t c) {
  const std::span<const char16_t> others = LookAlikesOf(wanted);
  const auto found = std::ranges::lower_bound(others, c);
  if (found == others.end() || *found != c) return false;
  const auto place = static_cast<size_t>(&*found - kAlikes);
  return ((kCloseBits[place / 32] >> (place % 32)) & 1U) != 0;
}

}  // namespace weir::rules
