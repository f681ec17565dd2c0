#include "rules/character_block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "rules/cpu.h"

namespace weir::rules {

bool CharacterBlock::Read() {
  known_ -= places_;
  std::memmove(characters_.data(), characters_.data() + places_, known_ * sizeof(char32_t));
  std::memmove(offsets_.data(), offsets_.data() + places_, known_ * sizeof(uint32_t));
  size_t known = known_;
  size_t at = at_;
  while (known < kSize && at < lane_.size()) {
    // Characters of three bytes are most of a Chinese text.
    const size_t han = has_avx2 ? DecodeHanAvx2(at, known) : DecodeHan(at, known);
    known += han;
    at += 3 * han;
    for (; known < kSize && at < lane_.size(); ++known) {
      const Decoded decoded = DecodeLane(lane_, at);
      if (decoded.length == 3 && lane_.size() - at >= 32) break;
      offsets_[known] = static_cast<uint32_t>(at);
      characters_[known] = decoded.c;
      at += decoded.length;
    }
  }
  at_ = at;
  known_ = std::min(known, kSize);
  places_ = std::min(known_, kPlaces);
  for (size_t i = known_; i < std::min(places_ + kAhead, kSize); ++i) {
    characters_[i] = kInvalidByte;
    offsets_[i] = static_cast<uint32_t>(lane_.size());
  }
  return places_ > 0;
}

// Decodes characters of three bytes from `at` on and says how many; the others are for the caller.
size_t CharacterBlock::DecodeHan(size_t at, size_t known) {
  size_t count = 0;
  for (; known + count < kSize && lane_.size() - at >= 4; ++count) {
    const Decoded decoded = DecodeLane(lane_, at);
    if (decoded.length != 3) break;
    offsets_[known + count] = static_cast<uint32_t>(at);
    characters_[known + count] = decoded.c;
    at += 3;
  }
  return count;
}

#if defined(__x86_64__)
WEIR_AVX2 size_t CharacterBlock::DecodeHanAvx2(size_t at, size_t known) {
  // The three bytes of each of eight characters, the first in the high ones of a number.
  const __m256i spread = _mm256_setr_epi8(2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1,  //
                                          2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1);
  const __m256i steps = _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21);
  size_t count = 0;
  while (known + count < kSize && lane_.size() - at >= 28) {
    const char* const from = lane_.data() + at;
    const __m256i bytes = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 12)), 1);
    const __m256i d = _mm256_shuffle_epi8(bytes, spread);
    const __m256i lead = _mm256_and_si256(_mm256_srli_epi32(d, 4), _mm256_set1_epi32(0xF000));
    const __m256i middle = _mm256_and_si256(_mm256_srli_epi32(d, 2), _mm256_set1_epi32(0xFC0));
    const __m256i last = _mm256_and_si256(d, _mm256_set1_epi32(0x3F));
    const __m256i is_three = _mm256_cmpeq_epi32(_mm256_and_si256(d, _mm256_set1_epi32(0xF0C0C0)),
                                                _mm256_set1_epi32(0xE08080));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(characters_.data() + known + count),
                        _mm256_or_si256(_mm256_or_si256(lead, middle), last));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(offsets_.data() + known + count),
                        _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(at)), steps));
    const auto three = static_cast<uint8_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_three)));
    const size_t taken =
        std::min(static_cast<size_t>(std::countr_one(three)), kSize - known - count);
    count += taken;
    at += 3 * taken;
    if (taken < kTogether) break;
  }
  return count;
}
#else
size_t CharacterBlock::DecodeHanAvx2(size_t at, size_t known) {
  return DecodeHan(at, known);
}
#endif

}  // namespace weir::rules
