#include "rules/form_filter.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "rules/cpu.h"
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

#if defined(__x86_64__)
WEIR_AVX2 __m256i Load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// MarkOf() of eight at a time; returns how many.
WEIR_AVX2 size_t MarkCharactersAvx2(const char32_t* characters, size_t end, Mark* marks) {
  size_t i = 0;
  for (; i + 8 <= end; i += 8) {
    __m256i x =
        _mm256_add_epi32(Load(characters + i), _mm256_set1_epi32(static_cast<int>(0x9E3779B9U)));
    x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 16)),
                           _mm256_set1_epi32(0x21F0AAAD));
    x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 15)),
                           _mm256_set1_epi32(0x735A2D97));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
    x = _mm256_or_si256(_mm256_and_si256(x, _mm256_set1_epi32(~0xF)), _mm256_set1_epi32(0x10));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(marks + i), x);
  }
  return i;
}

// Looks up eight at a time from `i` on, until one is not in the table; returns where.
WEIR_AVX2 size_t LookUpAvx2(const char32_t* characters, size_t i, size_t end,
                            std::span<const Mark> table, Mark* marks) {
  for (; i + 8 <= end; i += 8) {
    const __m256i c = Load(characters + i);
    const __m256i high = _mm256_srli_epi32(c, 16);
    if (_mm256_testz_si256(high, high) == 0) break;
    const __m256i found =
        _mm256_i32gather_epi32(reinterpret_cast<const int*>(table.data()), c, sizeof(Mark));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(marks + i), found);
  }
  return i;
}
#endif

}  // namespace

void MarkCharacters(const CharacterBlock& block, BlockMarks& marks) {
  const char32_t* const characters = block.characters();
  const size_t end = block.places() + CharacterBlock::kAhead;
  size_t i = 0;
#if defined(__x86_64__)
  if (has_avx2) i = MarkCharactersAvx2(characters, end, marks.data());
#endif
  for (; i < end; ++i) marks[i] = MarkOf(characters[i]);
}

void MarkCharacters(const CharacterBlock& block, std::span<const Mark> table,
                    absl::FunctionRef<Mark(char32_t)> rare, BlockMarks& marks) {
  const char32_t* const characters = block.characters();
  const size_t end = block.places() + CharacterBlock::kAhead;
  for (size_t i = 0; i < end;) {
#if defined(__x86_64__)
    if (has_avx2) i = LookUpAvx2(characters, i, end, table, marks.data());
    if (i >= end) break;
#endif
    const char32_t c = characters[i];
    marks[i++] = c < table.size() ? table[c] : rare(c);
  }
}

void FormFilter::Bits::Resize(size_t entries, size_t each, uint32_t log_max) {
  uint32_t log = 10;
  while (log < log_max && (size_t{1} << log) < entries * each) ++log;
  words_.assign((size_t{1} << log) / 32, 0);
  shift_ = 32 - log;
}

void FormFilter::Lines::Resize(size_t entries, size_t each, uint32_t log_max) {
  uint32_t log = 1;
  while (log < log_max && (size_t{512} << log) < entries * each) ++log;
  words_.assign(size_t{8} << log, 0);
  shift_ = 32 - log;
}

FormFilter::FormFilter(const PrefixSet& forms, std::span<const Needs> needs) {
  std::array<size_t, 5> counts{};
  std::vector<Beginning> beginnings;
  beginnings.reserve(forms.literal_count());
  for (uint32_t form = 0; form < forms.literal_count(); ++form) {
    beginnings.push_back(BeginningOf(forms.literal(form)));
    ++counts[std::min<size_t>(beginnings.back().symbols, 4)];
  }
  const size_t longer = counts[3] + counts[4];
  has_singles_ = counts[1] > 0;
  has_pairs_ = counts[2] > 0;
  // What every place asks is to stay in the processor's second cache.
  singles_.Resize(counts[1], 256, 16);
  whole_pairs_.Resize(counts[2], 256, 19);
  pairs_as_they_are_.Resize(counts[2], 256, 19);
  pairs_.Resize(counts[2] + longer, 16, 19);
  triples_.Resize(longer, 64, 22);
  longer_.Resize(longer, 64, 16);
  for (size_t form = 0; form < beginnings.size(); ++form) {
    Add(beginnings[form].marks, beginnings[form].symbols, needs.empty() ? kNothing : needs[form]);
  }
}

void FormFilter::Add(const std::array<Mark, 4>& marks, size_t symbols, Needs needs) {
  if (symbols == 1) singles_.Set(marks[0]);
  if (symbols >= 2) pairs_.Set(Hash(marks[0], marks[1]));
  if (symbols == 2) {
    whole_pairs_.Set(Hash(marks[0], marks[1]));
    if (needs != kRepeat) pairs_as_they_are_.Set(Hash(marks[0], marks[1]));
  }
  if (symbols < 3) return;
  const uint32_t triple = Hash(marks[0], marks[1], marks[2]);
  triples_.Set(triple);
  if ((needs & (kNothing | kRepeat)) != 0) longer_.Set(triple, Rest(triple, marks[3], 0));
  for (uint32_t i = 0; i < 4; ++i) {
    if ((needs & NeedsReadingsAt(i)) != 0) longer_.Set(triple, Rest(triple, marks[3], i + 1));
  }
}

size_t FormFilter::memory_bytes() const {
  return pairs_.memory_bytes() + triples_.memory_bytes() + longer_.memory_bytes() +
         whole_pairs_.memory_bytes() + pairs_as_they_are_.memory_bytes() + singles_.memory_bytes();
}

void FormFilter::FindStarts(const BlockMarks& marks, size_t places, Starts& starts) const {
#if defined(__x86_64__)
  if (has_avx2) {
    FindStartsAvx2(marks.data(), places, starts);
    return;
  }
#endif
  const Mark* const m = marks.data();
  for (size_t i = 0; i < places; i += 8) {
    uint32_t forms = 0;
    uint32_t composites = 0;
    for (size_t k = i; k < i + 8; ++k) {
      const bool form = triples_.Has(Hash(m[k], m[k + 1], m[k + 2])) ||
                        (has_pairs_ && whole_pairs_.Has(Hash(m[k], m[k + 1])));
      const uint32_t composite = m[k] & (m[k + 1] >> 1) & 1U;
      forms |= (form ? 1U : 0U) << (k - i);
      composites |= composite << (k - i);
    }
    starts.forms.bits[i / 8] = static_cast<uint8_t>(forms);
    starts.composites.bits[i / 8] = static_cast<uint8_t>(composites);
  }
}

void FormFilter::NarrowStarts(const BlockMarks& marks, size_t places, PlaceSet& forms) const {
  const Mark* const m = marks.data();
  forms.ForEach(places, [&](size_t place) { Prefetch(m + place); });
  PlaceSet left;
  left.bits.fill(0);
  forms.ForEach(places, [&](size_t place) {
    if (MayBeginWith(m + place) || (has_pairs_ && IsWhole(m[place], m[place + 1]))) {
      left.Add(place);
    }
  });
  if (has_singles_) {
    for (size_t place = 0; place < places; ++place) {
      if (IsWhole(m[place])) left.Add(place);
    }
  }
  forms = left;
}

#if defined(__x86_64__)
namespace {

WEIR_AVX2 __m256i Rotate(__m256i x, int bits) {
  return _mm256_or_si256(_mm256_slli_epi32(x, bits), _mm256_srli_epi32(x, 32 - bits));
}

// The bit of each hash, in the lowest place.
WEIR_AVX2 __m256i LookUpBits(const uint32_t* words, __m128i shift, __m256i hash) {
  const __m256i place = _mm256_srl_epi32(hash, shift);
  const __m256i found = _mm256_i32gather_epi32(reinterpret_cast<const int*>(words),
                                               _mm256_srli_epi32(place, 5), sizeof(uint32_t));
  return _mm256_srlv_epi32(found, _mm256_and_si256(place, _mm256_set1_epi32(31)));
}

// The lowest bits, in a row.
WEIR_AVX2 uint8_t Gather(__m256i bits) {
  return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 31))));
}

}  // namespace

WEIR_AVX2 void FormFilter::FindStartsAvx2(const Mark* marks, size_t places, Starts& starts) const {
  const __m256i keep = _mm256_set1_epi32(~static_cast<int>(kMarkFreeBits));
  const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(triples_.shift()));
  const __m128i pair_shift = _mm_cvtsi32_si128(static_cast<int>(whole_pairs_.shift()));
  for (size_t i = 0; i < places; i += 8) {
    const __m256i first = Load(marks + i);
    const __m256i second = Load(marks + i + 1);
    const __m256i third = Load(marks + i + 2);
    const __m256i pair =
        _mm256_xor_si256(_mm256_and_si256(first, keep), Rotate(_mm256_and_si256(second, keep), 11));
    const __m256i triple = _mm256_xor_si256(pair, Rotate(_mm256_and_si256(third, keep), 21));
    __m256i forms = LookUpBits(triples_.words(), shift, triple);
    if (has_pairs_) {
      forms = _mm256_or_si256(forms, LookUpBits(whole_pairs_.words(), pair_shift, pair));
    }
    starts.forms.bits[i / 8] = Gather(forms);
    starts.composites.bits[i / 8] = Gather(_mm256_and_si256(first, _mm256_srli_epi32(second, 1)));
  }
}
#endif

}  // namespace weir::rules
