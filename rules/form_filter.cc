#include "rules/form_filter.h"

#include <array>
#include <string_view>

#include "rules/lane_text.h"

namespace weir::rules {
namespace {

// The marks of a form's first symbols, as many as are looked at, and how many symbols it has.
struct Beginning {
  std::array<Mark, 4> marks{};
  size_t symbols = 0;
};

Beginning BeginningOf(std::string_view form) {
  Beginning beginning;
  for (size_t at = 0; at < form.size(); ++beginning.symbols) {
    const Decoded symbol = DecodeAt(form, at);
    at += symbol.length;
    if (beginning.symbols < beginning.marks.size()) {
      beginning.marks[beginning.symbols] = MarkOf(symbol.c);
    }
  }
  return beginning;
}

}  // namespace

Mark MarkOf(char32_t symbol) {
  uint32_t x = symbol + 0x9E3779B9U;
  x = (x ^ (x >> 16)) * 0x21F0AAADU;
  x = (x ^ (x >> 15)) * 0x735A2D97U;
  x = (x ^ (x >> 15)) & ~kMarkFreeBits;
  return x == 0 ? kMarkFreeBits + 1 : x;
}

void FormFilter::Bits::Resize(size_t entries, size_t each, uint32_t log_max) {
  uint32_t log = 10;
  while (log < log_max && (size_t{1} << log) < entries * each) ++log;
  words_.assign((size_t{1} << log) / 32, 0);
  shift_ = 32 - log;
}

FormFilter::FormFilter(const PrefixSet& forms, std::span<const uint8_t> collapsed) {
  std::array<size_t, 5> counts{};
  std::vector<Beginning> beginnings;
  beginnings.reserve(forms.literal_count());
  for (uint32_t form = 0; form < forms.literal_count(); ++form) {
    beginnings.push_back(BeginningOf(forms.literal(form)));
    ++counts[beginnings.back().symbols < 4 ? beginnings.back().symbols : 4];
  }
  const size_t longer = counts[3] + counts[4];
  has_singles_ = counts[1] > 0;
  has_pairs_ = counts[2] > 0;
  // What every place asks is to stay in the processor's second cache.
  singles_.Resize(counts[1], 64, 16);
  whole_pairs_.Resize(counts[2], 64, 19);
  pairs_.Resize(counts[2] + longer, 16, 19);
  triples_.Resize(longer, 32, 22);
  longer_.Resize(counts[2] + longer, 32, 24);
  for (size_t form = 0; form < beginnings.size(); ++form) {
    const auto& [marks, symbols] = beginnings[form];
    if (symbols == 1) singles_.Set(marks[0]);
    if (symbols == 2) {
      whole_pairs_.Set(Hash(marks[0], marks[1], 0));
      if (collapsed[form] == 0) longer_.Set(Again(marks[0], marks[1], 0, 0));
    }
    if (symbols >= 2) pairs_.Set(Hash(marks[0], marks[1], 0));
    if (symbols >= 3) {
      triples_.Set(Hash(marks[0], marks[1], marks[2]));
      longer_.Set(Again(marks[0], marks[1], marks[2], symbols == 3 ? 0 : marks[3]));
    }
  }
}

size_t FormFilter::memory_bytes() const {
  return pairs_.memory_bytes() + triples_.memory_bytes() + longer_.memory_bytes() +
         whole_pairs_.memory_bytes() + singles_.memory_bytes();
}

}  // namespace weir::rules
