#include "rules/lane_blocks.h"

#include <array>
#include <bit>
#include <span>
#include <string_view>
#include <vector>

#include "rules/cpu.h"
#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/scanner.h"

namespace weir::rules {

#if defined(__x86_64__)
namespace {

constexpr uint32_t kBlock = 8;  // characters

// For each set of eight, those in it, in order.
constexpr std::array<std::array<uint8_t, kBlock>, 256> kOrders = [] {
  std::array<std::array<uint8_t, kBlock>, 256> orders{};
  for (size_t set = 0; set < orders.size(); ++set) {
    size_t count = 0;
    for (uint8_t i = 0; i < kBlock; ++i) {
      if (((set >> i) & 1U) != 0) orders[set][count++] = i;
    }
  }
  return orders;
}();

WEIR_AVX2 inline __m256i Same(uint32_t value) {
  return _mm256_set1_epi32(static_cast<int>(value));
}

// The highest bit of each.
WEIR_AVX2 inline uint32_t HighBits(__m256i v) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(v)));
}

WEIR_AVX2 inline bool HasAny(__m256i v) {
  return _mm256_testz_si256(v, v) == 0;
}

// The bits of `set` below `bit`.
WEIR_AVX2 [[gnu::always_inline]] inline uint32_t Below(uint32_t bit, uint32_t set) {
  return _bzhi_u32(set, bit);
}

struct Block {
  __m256i bytes;       // of each character, the first in the lowest of four
  __m256i characters;  // their code points
  uint32_t count;      // so many are copied or dropped, those behind are not known
  uint32_t copied;     // which of them
};

WEIR_AVX2 inline __m256i LoadBytes(const char* from) {
  const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                          0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
  const __m256i both = _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 12)), 1);
  return _mm256_shuffle_epi8(both, spread);
}

WEIR_AVX2 inline void StoreBytes(__m256i bytes, char* out) {
  const __m256i pack = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,  //
                                        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(bytes, pack);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(packed));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 12), _mm256_extracti128_si256(packed, 1));
}

WEIR_AVX2 inline __m256i Decode(__m256i bytes) {
  const __m256i payload = _mm256_and_si256(bytes, Same(0x3F3F0F));
  return _mm256_madd_epi16(_mm256_maddubs_epi16(payload, Same(0x00010140)), Same(0x00010040));
}

WEIR_AVX2 inline __m256i Encode(__m256i c) {
  const __m256i lead = _mm256_srli_epi32(c, 12);
  const __m256i middle = _mm256_and_si256(_mm256_slli_epi32(c, 2), Same(0x3F00));
  const __m256i last = _mm256_and_si256(_mm256_slli_epi32(c, 16), Same(0x3F0000));
  return _mm256_or_si256(_mm256_or_si256(lead, middle), _mm256_or_si256(last, Same(0x8080E0)));
}

// Of those in `which`, what they fold to.
WEIR_AVX2 [[gnu::always_inline]] inline __m256i Replace(__m256i c, __m256i which) {
  const __m256i none = _mm256_setzero_si256();
  const __m256i page =
      _mm256_mask_i32gather_epi32(none, reinterpret_cast<const int*>(kFoldPageOfTable),
                                  _mm256_srli_epi32(c, 8), which, sizeof(uint16_t));
  const __m256i place = _mm256_or_si256(_mm256_slli_epi32(_mm256_and_si256(page, Same(0xFFFF)), 8),
                                        _mm256_and_si256(c, Same(0xFF)));
  const __m256i entry = _mm256_mask_i32gather_epi32(
      none, reinterpret_cast<const int*>(kFoldPageTable), place, which, sizeof(uint32_t));
  return _mm256_blendv_epi8(c, _mm256_and_si256(entry, Same(0xFFFFFF)), which);
}

// Looks up what the characters in `three` are, where guessing was wrong.
WEIR_AVX2 [[gnu::always_inline]] inline void Classify(const LaneClasses& classes, LaneClass others,
                                                      __m256i three, __m256i guessed_copied,
                                                      Block& block) {
  const __m256i guess = _mm256_blendv_epi8(Same(static_cast<uint32_t>(others)),
                                           Same(static_cast<uint32_t>(LaneClass::kCopied)),
                                           _mm256_srai_epi32(guessed_copied, 31));
  const __m256i unlike = _mm256_i32gather_epi32(reinterpret_cast<const int*>(classes.unlike()),
                                                block.characters, sizeof(uint8_t));
  // The two bits of a class: kCopied and kReplaced have the low one.
  const __m256i found = _mm256_and_si256(_mm256_xor_si256(unlike, guess), three);
  const __m256i low = _mm256_slli_epi32(found, 31);
  const __m256i high = _mm256_slli_epi32(found, 30);
  const __m256i replaced = _mm256_srai_epi32(_mm256_and_si256(low, high), 31);
  if (HasAny(replaced)) {
    block.characters = Replace(block.characters, replaced);
    block.bytes = Encode(block.characters);
  }
  block.copied = HighBits(low);
  block.count = static_cast<uint32_t>(std::countr_one(HighBits(_mm256_or_si256(low, high))));
}

// What stands at `from`. The guess lets the processor go on before the table has answered.
template <LaneClass kOthers>
WEIR_AVX2 [[gnu::always_inline]] inline Block ReadBlock(const LaneClasses& classes,
                                                        const char* from) {
  Block block;
  block.bytes = LoadBytes(from);
  block.characters = Decode(block.bytes);
  const __m256i three =
      _mm256_cmpeq_epi32(_mm256_and_si256(block.bytes, Same(0xC0C0F0)), Same(0x8080E0));
  // LaneClasses::IsGuessedCopied(), in the highest bit.
  const __m256i copied = _mm256_xor_si256(_mm256_slli_epi32(block.characters, 16),
                                          _mm256_slli_epi32(block.characters, 17));
  block.copied = HighBits(_mm256_and_si256(copied, three));
  block.count = static_cast<uint32_t>(
      std::countr_one(kOthers == LaneClass::kDropped ? HighBits(three) : block.copied));
  alignas(32) std::array<uint32_t, kBlock> c;
  _mm256_store_si256(reinterpret_cast<__m256i*>(c.data()),
                     _mm256_blendv_epi8(Same(LaneClasses::kAsGuessed), block.characters, three));
  const uint8_t* const unlike = classes.unlike();
  if (((unlike[c[0]] | unlike[c[1]]) | (unlike[c[2]] | unlike[c[3]]) |
       (unlike[c[4]] | unlike[c[5]]) | (unlike[c[6]] | unlike[c[7]])) != 0) [[unlikely]] {
    Classify(classes, kOthers, three, copied, block);
  }
  block.copied = Below(block.count, block.copied);
  return block;
}

}  // namespace

WEIR_AVX2 const char* CopyBlocks(const LaneClasses& classes, const char* from, const char* end,
                                 char*& out) {
  char* to = out;
  while (end - from >= static_cast<ptrdiff_t>(kBlockBytes)) {
    const Block block = ReadBlock<LaneClass::kOther>(classes, from);
    StoreBytes(block.bytes, to);
    if (block.count < kBlock) {
      to += 3 * block.count;
      from += 3 * block.count;
      break;
    }
    to += 3 * kBlock;
    from += 3 * kBlock;
  }
  out = to;
  return from;
}

// The state of a skeleton while blocks are appended to it, out of its memory so that it can stay in
// registers.
class LaneText::BlockRun {
 public:
  static constexpr size_t kStepsMax = 64;

  // `origin` is that of the text at `from`. `steps` is room for kStepsMax.
  WEIR_AVX2 [[gnu::always_inline]] BlockRun(LaneText& lane, uint64_t origin, const char* from,
                                            Step* steps)
      : lane_(lane),
        out_(lane.bytes_.get() + lane.size_),
        to_lane_(lane.end() - reinterpret_cast<uintptr_t>(out_)),
        to_origin_(origin - reinterpret_cast<uintptr_t>(from)),
        last_(Same(lane.last_)),
        separators_(lane.separators_),
        repeats_(lane.repeats_),
        has_last_(lane.last_ != 0),
        has_shifted_(lane.steps_.empty() || static_cast<int64_t>(origin - lane.end()) != lane.shift_
                         ? 1
                         : 0),
        steps_(steps) {}

  // Appends what stands at `from`, which goes on. False where it stops at what is not for it.
  WEIR_AVX2 [[gnu::always_inline]] bool AppendBlock(Block block, const char*& from) {
    if (separators_ + kBlock > kSeparatorRunMax && has_last_) [[unlikely]] {
      const int leading = std::countr_zero(block.copied | (1U << block.count));
      if (separators_ + static_cast<uint32_t>(leading) > kSeparatorRunMax) return false;
    }
    const __m256i order = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kOrders[block.copied].data())));
    const __m256i kept = _mm256_permutevar8x32_epi32(block.characters, order);
    StoreBytes(_mm256_permutevar8x32_epi32(block.bytes, order), out_);
    const __m256i before = _mm256_blend_epi32(
        _mm256_permutevar8x32_epi32(kept, _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6)), last_, 1);
    auto puts = static_cast<uint32_t>(std::popcount(block.copied));
    const uint32_t repeats = Below(puts, HighBits(_mm256_cmpeq_epi32(kept, before)));
    if (repeats != 0) [[unlikely]] {  // only what stands before the first is taken
      puts = static_cast<uint32_t>(std::countr_zero(repeats));
      uint32_t rest = block.copied;
      for (uint32_t i = 0; i < puts; ++i) rest &= rest - 1;
      block.count = static_cast<uint32_t>(std::countr_zero(rest));
      block.copied = Below(block.count, block.copied);
    }
    PutSteps(block, from);
    out_ += 3 * puts;
    if (puts > 0) {
      last_ = _mm256_permutevar8x32_epi32(kept, Same(puts - 1));
      has_last_ = true;
      repeats_ = 0;
      separators_ = block.count - static_cast<uint32_t>(std::bit_width(block.copied));
      has_shifted_ = separators_ != 0 ? 1 : 0;
    } else {
      separators_ += block.count;
      has_shifted_ |= block.count != 0 ? 1 : 0;
    }
    // Most are taken whole. Said so, the next one need not wait for the count.
    if (repeats == 0 && block.count == kBlock) [[likely]] {
      from += 3 * kBlock;
      return true;
    }
    from += 3 * block.count;
    return repeats != 0 && Repeat(from, 3);
  }

  // The same, of ASCII up to `stop`, if there is any.
  WEIR_AVX2 [[gnu::always_inline]] bool AppendAscii(const LaneClasses& classes, const char* stop,
                                                    const char*& from) {
    const char* const begin = from;
    while (from <= stop && static_cast<unsigned char>(*from) < 0x80) {
      const char c = classes.Ascii(*from);
      if (c == 0) {
        if (separators_ >= kSeparatorRunMax && has_last_) return false;
        ++separators_;
        has_shifted_ = 1;
        ++from;
      } else if (c == _mm256_cvtsi256_si32(last_) && (c < '0' || c > '9')) {
        if (!Repeat(from, 1)) return false;
      } else {
        PutSteps({last_, last_, 1, 1}, from);
        *out_++ = c;
        last_ = Same(static_cast<uint32_t>(c));
        has_last_ = true;
        repeats_ = 0;
        separators_ = has_shifted_ = 0;
        ++from;
      }
    }
    return from > begin;
  }

  // Gives the lane what it has become.
  WEIR_AVX2 [[gnu::always_inline]] void Finish() {
    lane_.KeepSteps({steps_, step_count_});
    lane_.size_ = static_cast<size_t>(out_ - lane_.bytes_.get());
    lane_.last_ = static_cast<char32_t>(_mm256_cvtsi256_si32(last_));
    lane_.separators_ = separators_;
    lane_.repeats_ = repeats_;
  }

 private:
  // A step for each copied character behind what was dropped. Most blocks have one or none, and
  // which cannot be foreseen: so one is always written.
  WEIR_AVX2 [[gnu::always_inline]] void PutSteps(const Block& block, const char* from) {
    const uint32_t dropped = Below(block.count, ~block.copied);
    uint32_t starts = block.copied & ((dropped << 1) | has_shifted_);
    PutStep(starts, dropped, from);
    step_count_ += starts != 0 ? 1 : 0;
    starts &= starts - 1;
    for (; starts != 0; starts &= starts - 1) {
      PutStep(starts, dropped, from);
      ++step_count_;
    }
    if (step_count_ > kStepsMax - kBlock) [[unlikely]] {
      lane_.KeepSteps({steps_, step_count_});
      step_count_ = 0;
    }
  }
  WEIR_AVX2 [[gnu::always_inline]] void PutStep(uint32_t starts, uint32_t dropped,
                                                const char* from) {
    const auto start = static_cast<uint32_t>(std::countr_zero(starts | (1U << kBlock)));
    const auto before = static_cast<uint32_t>(std::popcount(Below(start, dropped)));
    const uint64_t lane = to_lane_ + reinterpret_cast<uintptr_t>(out_) + 3 * (start - before);
    const uint64_t original = to_origin_ + reinterpret_cast<uintptr_t>(from) + 3 * start;
    steps_[step_count_] = {lane, static_cast<int64_t>(original - lane)};
  }

  // Drops the repeat at `from`, of `bytes` bytes, if it may.
  [[gnu::always_inline]] bool Repeat(const char*& from, uint32_t bytes) {
    if (repeats_ == kSeparatorRunMax) return false;
    ++repeats_;
    const uint64_t place = to_lane_ + reinterpret_cast<uintptr_t>(out_);
    std::vector<uint64_t>& repeated = lane_.repeated_;
    if (repeated.empty() || repeated.back() != place) repeated.push_back(place);
    separators_ = 0;
    has_shifted_ = 1;
    from += bytes;
    return true;
  }

  LaneText& lane_;
  char* out_;
  const uint64_t to_lane_;    // from an address in the lane to its offset
  const uint64_t to_origin_;  // from an address in the text to its byte of the original
  __m256i last_;              // the last character put, each
  uint32_t separators_;
  uint32_t repeats_;
  bool has_last_;
  uint32_t has_shifted_;  // 1: the next character begins a step
  size_t step_count_ = 0;
  Step* const steps_;  // those that the lane does not have yet
};

void LaneText::KeepSteps(std::span<const Step> steps) {
  if (steps.empty()) return;
  steps_.insert(steps_.end(), steps.begin(), steps.end());
  shift_ = steps.back().shift;
}

WEIR_AVX2 size_t LaneText::AppendBlocks(std::string_view text, size_t at, uint64_t origin) {
  // Where the lane has grown, what it drops may bring it back to the last step.
  if (!steps_.empty() && static_cast<int64_t>(origin + at - end()) < shift_) return at;
  const char* from = text.data() + at;
  const char* const stop = text.data() + text.size() - kBlockBytes;
  Step steps[BlockRun::kStepsMax];
  BlockRun run(*this, origin + at, from, steps);
  while (from <= stop) {
    if (run.AppendBlock(ReadBlock<LaneClass::kDropped>(classes_, from), from)) continue;
    if (!run.AppendAscii(classes_, stop, from)) break;
  }
  run.Finish();
  return static_cast<size_t>(from - text.data());
}
#else
const char* CopyBlocks(const LaneClasses&, const char* from, const char*, char*&) {
  return from;
}

size_t LaneText::AppendBlocks(std::string_view, size_t at, uint64_t) {
  return at;
}
#endif

}  // namespace weir::rules
