#include "rules/shape_table.h"

#include <algorithm>

#include "rules/fold_table.h"
#include "rules/lane_text.h"

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

// Unicode counts radicals such as ⺡ among the symbols.
bool IsSeparator(char32_t c) {
  return LookUpFold(c).separator() && ShapeElements(c).empty();
}

class EyeMatcher {
 public:
  EyeMatcher(std::u32string_view word, std::u32string_view text) : word_(word), text_(text) {}

  // The strongest match of the word from `word_at` on with the text from `at` on. `last` is the
  // last character matched, whose repeats in the text count for nothing.
  ShapeMatch Match(size_t word_at, size_t at, char32_t last, ShapeMatch so_far) const {
    while (word_at < word_.size() && IsSeparator(word_[word_at])) ++word_at;
    while (at < text_.size() && IsSeparator(text_[at])) ++at;
    if (word_at == word_.size()) return OnlyRepeats(at, last) ? so_far : ShapeMatch::kDifferent;
    ShapeMatch best = ShapeMatch::kDifferent;
    for (const std::u32string& form : ShapeFormsOf(word_[word_at])) {
      best = std::max(best, MatchForm(form, word_at, at, so_far));
    }
    if (best == ShapeMatch::kDifferent && at < text_.size() && text_[at] == last) {
      return Match(word_at, at + 1, last, so_far);
    }
    return best;
  }

 private:
  bool OnlyRepeats(size_t at, char32_t last) const {
    return std::all_of(text_.begin() + static_cast<ptrdiff_t>(at), text_.end(),
                       [&](char32_t c) { return c == last || IsSeparator(c); });
  }

  // Whole characters of the text from `at` on make up `form` of the word's character.
  ShapeMatch MatchForm(std::u32string_view form, size_t word_at, size_t at,
                       ShapeMatch so_far) const {
    std::u32string elements;
    std::u32string taken;
    for (; at < text_.size(); ++at) {
      const char32_t c = text_[at];
      if (IsSeparator(c)) continue;
      const size_t before = elements.size();
      AppendElements(c, elements);
      if (!form.starts_with(elements)) {
        // A repeat of what was taken, or the end of the likeness.
        if (taken.empty() || taken.back() != c) return ShapeMatch::kDifferent;
        elements.resize(before);
        continue;
      }
      taken += c;
      if (elements.size() < form.size()) continue;
      return Match(word_at + 1, at + 1, c, std::max(so_far, Judge(word_[word_at], taken)));
    }
    return ShapeMatch::kDifferent;
  }

  static ShapeMatch Judge(char32_t wanted, std::u32string_view taken) {
    if (taken.size() == 1 && taken[0] == wanted) return ShapeMatch::kSame;
    return IsOrdinarySplit(wanted, taken) ? ShapeMatch::kOrdinary : ShapeMatch::kDisguised;
  }

  const std::u32string_view word_;
  const std::u32string_view text_;
};

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

bool IsOrdinarySplit(char32_t c, std::u32string_view parts) {
  return AnyListOf(kOrdinarySplits, c,
                   [&](std::span<const char32_t> list) { return std::ranges::equal(list, parts); });
}

std::vector<std::string> ShapeForms(std::u32string_view word, size_t forms_max) {
  std::vector<std::u32string> forms(1);
  for (const char32_t c : word) {
    if (IsSeparator(c)) continue;
    std::vector<std::u32string> longer;
    // All with the character's own elements first, so that a full list has lost the rarest.
    for (const std::u32string& ending : ShapeFormsOf(c)) {
      for (const std::u32string& form : forms) {
        if (longer.size() < forms_max) longer.push_back(form + ending);
      }
    }
    forms = std::move(longer);
  }
  std::vector<std::string> encoded;
  for (const std::u32string& form : forms) {
    std::string bytes;
    char32_t last = 0;
    for (const char32_t c : form) {
      if (c != last) AppendUtf8(c, bytes);
      last = c;
    }
    if (!bytes.empty() && std::ranges::find(encoded, bytes) == encoded.end()) {
      encoded.push_back(std::move(bytes));
    }
  }
  return encoded;
}

ShapeMatch MatchShape(std::u32string_view word, std::u32string_view text) {
  return EyeMatcher(word, text).Match(0, 0, 0, ShapeMatch::kSame);
}

}  // namespace weir::rules
