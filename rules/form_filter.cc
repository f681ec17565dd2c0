#include "rules/form_filter.h"

#include <algorithm>
#include <array>

#include "rules/cpu.h"

namespace weir::rules {
namespace {

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

void HashBits::Resize(size_t entries, size_t each, uint32_t log_max) {
  uint32_t log = 10;
  while (log < log_max && (size_t{1} << log) < entries * each) ++log;
  words_.assign((size_t{1} << log) / 32, 0);
  shift_ = 32 - log;
}

FormFilter::FormFilter(const Counts& counts) {
  // What every place asks is to stay in the processor's second cache. A few short ones are asked
  // more precisely, since more of them stand in any text.
  constexpr size_t kFew = 4096;
  constexpr uint32_t kLogMax[kMarksMax] = {16, 23, 21};
  for (size_t i = 0; i < kMarksMax; ++i) {
    has_[i] = counts[i] > 0;
    const size_t each =
        i + 1 == kMarksMax ? (counts[i] < 8 * kFew ? 64 : 32) : (counts[i] < kFew ? 256 : 8);
    bits_[i].Resize(counts[i], each, kLogMax[i]);
  }
}

size_t FormFilter::memory_bytes() const {
  size_t bytes = 0;
  for (const HashBits& bits : bits_) bytes += bits.memory_bytes();
  return bytes;
}

void FormFilter::FindForms(size_t size, const BlockMarks& marks, size_t places,
                           PlaceSet& found) const {
#if defined(__x86_64__)
  if (has_avx2) {
    FindFormsAvx2(size, marks.data(), places, found);
    return;
  }
#endif
  for (size_t i = 0; i < places; i += 8) {
    uint32_t forms = 0;
    for (size_t k = i; k < i + 8; ++k) {
      forms |= (Has(size, Hash(marks.data() + k, size)) ? 1U : 0U) << (k - i);
    }
    found.bits[i / 8] = static_cast<uint8_t>(forms);
  }
}

#if defined(__x86_64__)
namespace {

WEIR_AVX2 void FindFlagAvx2(const Mark* marks, size_t places, Mark flag, PlaceSet& found) {
  const __m128i shift = _mm_cvtsi32_si128(std::countl_zero(flag));
  for (size_t i = 0; i < places; i += 8) {
    const __m256i bits = _mm256_sll_epi32(Load(marks + i), shift);
    found.bits[i / 8] = static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(bits)));
  }
}

}  // namespace
#endif

void FindFlag(const BlockMarks& marks, size_t places, Mark flag, PlaceSet& found) {
#if defined(__x86_64__)
  if (has_avx2) {
    FindFlagAvx2(marks.data(), places, flag, found);
    return;
  }
#endif
  for (size_t i = 0; i < places; i += 8) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 8; ++k) bits |= ((marks[i + k] & flag) != 0 ? 1U : 0U) << k;
    found.bits[i / 8] = static_cast<uint8_t>(bits);
  }
}

#if defined(__x86_64__)
namespace {

WEIR_AVX2 __m256i Rotate(__m256i x, int bits) {
  return _mm256_or_si256(_mm256_slli_epi32(x, bits), _mm256_srli_epi32(x, 32 - bits));
}

// HashBits::Has() of each hash, in the lowest bit.
WEIR_AVX2 __m256i LookUpBits(const HashBits& bits, __m256i hash) {
  const __m256i place = _mm256_srl_epi32(hash, _mm_cvtsi32_si128(static_cast<int>(bits.shift())));
  const __m256i found = _mm256_i32gather_epi32(reinterpret_cast<const int*>(bits.words()),
                                               _mm256_srli_epi32(place, 5), sizeof(uint32_t));
  const __m256i in_word = _mm256_set1_epi32(31);
  return _mm256_and_si256(_mm256_srlv_epi32(found, _mm256_and_si256(place, in_word)),
                          _mm256_srlv_epi32(found, _mm256_and_si256(hash, in_word)));
}

// The lowest bits, in a row.
WEIR_AVX2 uint8_t Gather(__m256i bits) {
  return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 31))));
}

}  // namespace

WEIR_AVX2 void FormFilter::FindFormsAvx2(size_t size, const Mark* marks, size_t places,
                                         PlaceSet& found) const {
  const __m256i keep = _mm256_set1_epi32(~static_cast<int>(kMarkFreeBits));
  const HashBits& bits = bits_[size - 1];
  for (size_t i = 0; i < places; i += 8) {
    __m256i hash = _mm256_and_si256(Load(marks + i), keep);
    if (size > 1) {
      hash = _mm256_xor_si256(hash, Rotate(_mm256_and_si256(Load(marks + i + 1), keep), 11));
    }
    if (size > 2) {
      hash = _mm256_xor_si256(hash, Rotate(_mm256_and_si256(Load(marks + i + 2), keep), 21));
    }
    found.bits[i / 8] = Gather(LookUpBits(bits, hash));
  }
}
#endif

}  // namespace weir::rules
