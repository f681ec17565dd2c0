#include "rules/lane_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "rules/check.h"
#include "rules/cpu.h"
#include "rules/fold_table.h"
#include "rules/lane_blocks.h"
#include "rules/numeral_table.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

bool IsAsciiDigit(char32_t c) {
  return c >= '0' && c <= '9';
}

uint32_t Load32(const char* at) {
  uint32_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// The code point of three bytes in the low bits of `value`, which must be 1110xxxx 10xxxxxx
// 10xxxxxx.
uint32_t ThreeByteCodePoint(uint32_t value) {
  return ((value & 0x0FU) << 12) | ((value >> 2) & 0xFC0U) | ((value >> 16) & 0x3FU);
}
bool IsThreeByte(uint32_t value) {
  return (value & 0xC0C0F0U) == 0x8080E0U;
}

// The same for two such characters in the low six bytes.
bool AreTwoThreeByte(uint64_t value) {
  return (value & 0x0000C0C0F0C0C0F0U) == 0x00008080E08080E0U;
}

// Goes on over characters of three bytes that are copied, and copies them to `out`. With
// `kDistinct` it also stops at a repeat; `last` is the character before.
template <bool kDistinct>
const char* CopyPlain(const LaneClasses& classes, const char* from, const char* end, char*& out,
                      uint32_t& last) {
  const auto is_copied = [&](uint32_t c) { return classes.Of(c) == LaneClass::kCopied; };
  char* to = out;
  uint32_t before = last;
  while (end - from >= 8) {
    uint64_t value = 0;
    std::memcpy(&value, from, sizeof(value));
    if (!AreTwoThreeByte(value)) break;
    const uint32_t first = ThreeByteCodePoint(static_cast<uint32_t>(value));
    const uint32_t second = ThreeByteCodePoint(static_cast<uint32_t>(value >> 24));
    if (!is_copied(first) || !is_copied(second)) break;
    if (kDistinct && (first == before || second == first)) break;
    std::memcpy(to, &value, sizeof(value));
    to += 6;
    from += 6;
    before = second;
  }
  while (end - from >= 4) {
    const uint32_t value = Load32(from);
    const uint32_t c = ThreeByteCodePoint(value);
    if (!IsThreeByte(value) || !is_copied(c) || (kDistinct && c == before)) break;
    std::memcpy(to, &value, sizeof(value));
    to += 3;
    from += 3;
    before = c;
  }
  out = to;
  last = before;
  return from;
}

int SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// Whether `second` may follow `lead`: no overlong forms, no surrogates, nothing past U+10FFFF.
bool SecondFits(unsigned char lead, unsigned char second) {
  if ((second & 0xC0U) != 0x80U) return false;
  if (lead == 0xE0) return second >= 0xA0;
  if (lead == 0xED) return second < 0xA0;
  if (lead == 0xF0) return second >= 0x90;
  if (lead == 0xF4) return second < 0x90;
  return true;
}

}  // namespace

Decoded DecodeAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int length = SequenceLength(lead);
  if (length == 0 || text.size() - at < static_cast<size_t>(length) || !SecondFits(lead, byte(1))) {
    return {kInvalidByte, 1};
  }
  char32_t c = length == 2 ? lead & 0x1FU : (length == 3 ? lead & 0x0FU : lead & 0x07U);
  for (size_t i = 1; i < static_cast<size_t>(length); ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {kInvalidByte, 1};
    c = (c << 6) | (byte(i) & 0x3FU);
  }
  return {c, static_cast<uint32_t>(length)};
}

Decoded DecodeBefore(std::string_view text, size_t end) {
  for (size_t length = 1; length <= 4 && length <= end; ++length) {
    const auto byte = static_cast<unsigned char>(text[end - length]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const Decoded decoded = DecodeAt(text.substr(0, end), end - length);
    if (decoded.c != kInvalidByte && decoded.length == length) return decoded;
    break;
  }
  return {kInvalidByte, 1};
}

size_t Utf8Prefix(std::string_view text) {
  const size_t size = text.size();
  for (size_t back = 1; back <= 3 && back <= size; ++back) {
    const auto lead = static_cast<unsigned char>(text[size - back]);
    if ((lead & 0xC0U) == 0x80U) continue;
    const int length = SequenceLength(lead);
    if (length <= static_cast<int>(back)) return size;
    if (back >= 2 && !SecondFits(lead, static_cast<unsigned char>(text[size - back + 1]))) {
      return size;
    }
    return size - back;
  }
  return size;
}

void AppendUtf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (c >> 6)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0U | (c >> 12)));
    out.push_back(static_cast<char>(0x80U | ((c >> 6) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
  } else {
    out.push_back(static_cast<char>(0xF0U | (c >> 18)));
    out.push_back(static_cast<char>(0x80U | ((c >> 12) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | ((c >> 6) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
  }
}

LaneText::LaneText(Lane lane, Reading reading)
    : lane_(lane), reading_(reading), classes_(LaneClasses::Of(lane, reading)) {}

LaneText& LaneText::operator=(const LaneText& other) {
  if (this == &other) return *this;
  WEIR_CHECK(lane_ == other.lane_ && reading_ == other.reading_);
  size_ = dropped_bytes_ = 0;
  const std::string_view kept = other.From(other.begin_);
  Reserve(kept.size());
  if (!kept.empty()) std::memcpy(bytes_.get(), kept.data(), kept.size());
  size_ = kept.size();
  begin_ = other.begin_;
  steps_ = other.steps_;
  repeated_ = other.repeated_;
  shift_ = other.shift_;
  last_ = other.last_;
  separators_ = other.separators_;
  repeats_ = other.repeats_;
  return *this;
}

bool LaneText::ReadsOnLike(const LaneText& other) const {
  return last_ == other.last_ && separators_ == other.separators_ && repeats_ == other.repeats_;
}

void LaneText::Clear() {
  size_ = 0;
  dropped_bytes_ = 0;
  begin_ = 0;
  steps_.clear();
  repeated_.clear();
  shift_ = 0;
  last_ = 0;
  separators_ = 0;
  repeats_ = 0;
}

void LaneText::Reserve(size_t bytes) {
  if (size_ + bytes <= capacity_) return;
  const size_t capacity = std::max(capacity_ * 2, size_ + bytes);
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(grown.get(), bytes_.get(), size_);
  bytes_ = std::move(grown);
  capacity_ = capacity;
}

inline void LaneText::SetShift(uint64_t origin) {
  const uint64_t lane = end();
  const auto shift = static_cast<int64_t>(origin - lane);
  if (shift == shift_ && !steps_.empty()) return;
  shift_ = shift;
  steps_.push_back({lane, shift});
}

void LaneText::Append(std::string_view text, uint64_t origin) {
  // Most characters keep their length; the few that grow reserve for themselves.
  Reserve(text.size() + text.size() / 2 + 64);
  if (lane_ == Lane::kSkeleton) {
    AppendSkeleton(text, origin);
  } else if (lane_ == Lane::kFold) {
    AppendFold(text, origin);
  } else {
    AppendExact(text, origin);
  }
}

void LaneText::AppendExact(std::string_view text, uint64_t origin) {
  if (text.empty()) return;
  SetShift(origin);
  for (size_t i = 0; i < text.size();) {
    const Decoded decoded = DecodeAt(text, i);
    if (decoded.c == kInvalidByte) {
      bytes_[size_++] = kLaneBreak;
    } else {
      std::memcpy(bytes_.get() + size_, text.data() + i, decoded.length);
      size_ += decoded.length;
    }
    i += decoded.length;
  }
}

void LaneText::Put(char32_t c, uint64_t origin) {
  SetShift(origin);
  char* const out = bytes_.get() + size_;
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    size_ += 1;
  } else if (c < 0x800) {
    out[0] = static_cast<char>(0xC0U | (c >> 6));
    out[1] = static_cast<char>(0x80U | (c & 0x3FU));
    size_ += 2;
  } else if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0U | (c >> 12));
    out[1] = static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out[2] = static_cast<char>(0x80U | (c & 0x3FU));
    size_ += 3;
  } else {
    out[0] = static_cast<char>(0xF0U | (c >> 18));
    out[1] = static_cast<char>(0x80U | ((c >> 12) & 0x3FU));
    out[2] = static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out[3] = static_cast<char>(0x80U | (c & 0x3FU));
    size_ += 4;
  }
}

void LaneText::PutBreak(uint64_t origin) {
  SetShift(origin);
  bytes_[size_++] = kLaneBreak;
  last_ = 0;
  separators_ = 0;
  repeats_ = 0;
}

void LaneText::AppendSeparator() {
  if (++separators_ > kSeparatorRunMax && last_ != 0)
    PutBreak(end() + static_cast<uint64_t>(shift_));
}

void LaneText::AppendSignificant(char32_t c, uint64_t origin) {
  separators_ = 0;
  if (c == last_ && !IsAsciiDigit(c)) {
    if (++repeats_ <= kSeparatorRunMax) {
      if (repeated_.empty() || repeated_.back() != end()) repeated_.push_back(end());
      return;
    }
    PutBreak(origin);
  }
  repeats_ = 0;
  last_ = c;
  Put(c, origin);
}

// One character of the original, by the table: the slow path of both lanes.
void LaneText::AppendCharacter(char32_t c, uint64_t origin) {
  if (c == kInvalidByte) {
    PutBreak(origin);
    return;
  }
  if (reading_ == Reading::kNumerals) {
    const std::u32string_view digits = LookUpNumeral(c).characters();
    for (const char32_t digit : digits) AppendSignificant(digit, origin);
    if (!digits.empty()) return;
  }
  const bool skeleton = lane_ == Lane::kSkeleton;
  const FoldEntry entry = LookUpFold(c);
  const auto append = [&](char32_t folded, bool separator) {
    const char letter = reading_ == Reading::kLeet ? LeetLetter(folded) : '\0';
    if (!skeleton) {
      Put(folded, origin);
    } else if (letter != 0) {
      AppendSignificant(static_cast<char32_t>(letter), origin);
    } else if (separator) {
      AppendSeparator();
    } else {
      AppendSignificant(folded, origin);
    }
  };
  switch (entry.kind()) {
    case FoldEntry::Kind::kSame:
      append(c, entry.separator());
      break;
    case FoldEntry::Kind::kOne:
      append(entry.value(), entry.separator());
      break;
    case FoldEntry::Kind::kMany: {
      const std::span<const char32_t> expansion = FoldExpansion(entry);
      Reserve(expansion.size() * 4);
      for (const char32_t part : expansion) append(part, LookUpFold(part).separator());
      break;
    }
    case FoldEntry::Kind::kNothing:
      if (skeleton) AppendSeparator();
      break;
  }
}

// Where the quick ways have stopped: goes past the character at `at`, unless it is ASCII.
inline size_t LaneText::AppendOther(std::string_view text, size_t at, uint64_t origin) {
  if (at == text.size() || static_cast<unsigned char>(text[at]) < 0x80) return at;
  const Decoded decoded = DecodeAt(text, at);
  Reserve(text.size() - at + 64);
  AppendCharacter(decoded.c, origin + at);
  return at + decoded.length;
}

void LaneText::AppendFold(std::string_view text, uint64_t origin) {
  const char* const end = text.data() + text.size();
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if (const char c = classes_.Ascii(text[i]); c != 0) {
        SetShift(origin + i);
        bytes_[size_++] = c;
      }
      ++i;
      continue;
    }
    char* out = bytes_.get() + size_;
    const char* stop = text.data() + i;
    if (has_avx2) stop = CopyBlocks(classes_, stop, end, out);
    if (end - stop < static_cast<ptrdiff_t>(kBlockBytes) || !has_avx2) {
      uint32_t last = 0;
      stop = CopyPlain<false>(classes_, stop, end, out, last);
    }
    if (stop > text.data() + i) {
      SetShift(origin + i);
      size_ = static_cast<size_t>(out - bytes_.get());
      i = static_cast<size_t>(stop - text.data());
    }
    i = AppendOther(text, i, origin);
  }
}

// A letter or digit.
inline void LaneText::AppendAscii(char c, uint64_t origin) {
  if (static_cast<char32_t>(c) == last_) {
    AppendSignificant(last_, origin);
    return;
  }
  SetShift(origin);
  bytes_[size_++] = c;
  last_ = static_cast<char32_t>(c);
  separators_ = 0;
  repeats_ = 0;
}

// Copies plain characters that differ from the one before, as they are.
size_t LaneText::AppendPlain(std::string_view text, size_t at, uint64_t origin) {
  const char* const from = text.data() + at;
  char* out = bytes_.get() + size_;
  uint32_t last = last_;
  const char* const stop = CopyPlain<true>(classes_, from, text.data() + text.size(), out, last);
  if (stop == from) return at;
  SetShift(origin + at);
  size_ = static_cast<size_t>(out - bytes_.get());
  last_ = last;
  separators_ = 0;
  repeats_ = 0;
  return static_cast<size_t>(stop - text.data());
}

void LaneText::AppendSkeleton(std::string_view text, uint64_t origin) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if (const char c = classes_.Ascii(text[i]); c != 0) {
        AppendAscii(c, origin + i);
      } else {
        AppendSeparator();
      }
      ++i;
      continue;
    }
    const size_t before = i;
    if (has_avx2 && text.size() - i >= kBlockBytes) i = AppendBlocks(text, i, origin);
    if (i == before || text.size() - i < kBlockBytes) i = AppendPlain(text, i, origin);
    if (text.size() - i >= 3) {
      uint32_t value = 0;
      std::memcpy(&value, text.data() + i, 3);
      const uint32_t c = ThreeByteCodePoint(value);
      const LaneClass known = IsThreeByte(value) ? classes_.Of(c) : LaneClass::kOther;
      if (known == LaneClass::kDropped) AppendSeparator();
      if (known == LaneClass::kCopied) AppendSignificant(c, origin + i);
      if (known == LaneClass::kReplaced) AppendSignificant(LookUpFold(c).value(), origin + i);
      if (known != LaneClass::kOther) {
        i += 3;
        continue;
      }
    }
    i = AppendOther(text, i, origin);
  }
}

uint64_t LaneText::Origin(uint64_t offset) const {
  const auto after = std::upper_bound(steps_.begin(), steps_.end(), offset,
                                      [](uint64_t o, const Step& step) { return o < step.lane; });
  return offset + static_cast<uint64_t>((after - 1)->shift);
}

bool LaneText::DropsBetween(uint64_t from, uint64_t to) const {
  if (to >= end()) return true;
  const auto after = std::upper_bound(steps_.begin(), steps_.end(), from,
                                      [](uint64_t o, const Step& step) { return o < step.lane; });
  return after != steps_.end() && after->lane <= to;
}

LaneText::Place LaneText::PlaceOf(uint64_t offset) const {
  Place place{Origin(offset), 0};
  const std::string_view lane = From(begin_);
  const char32_t c = DecodeAt(lane, static_cast<size_t>(offset - begin_)).c;
  for (auto at = static_cast<size_t>(offset - begin_); at > 0;) {
    const Decoded before = DecodeBefore(lane, at);
    at -= before.length;
    if (Origin(begin_ + at) != place.origin) break;
    place.equals_before += before.c == c ? 1 : 0;
  }
  return place;
}

void LaneText::Forget(uint64_t offset) {
  dropped_bytes_ += static_cast<size_t>(offset - begin_);
  begin_ = offset;
  // Moving the rest to the front pays only once most of the buffer is forgotten.
  if (dropped_bytes_ < 4096 || dropped_bytes_ < size_ / 2) return;
  std::memmove(bytes_.get(), bytes_.get() + dropped_bytes_, size_ - dropped_bytes_);
  size_ -= dropped_bytes_;
  dropped_bytes_ = 0;
  const auto after = std::upper_bound(steps_.begin(), steps_.end(), offset,
                                      [](uint64_t o, const Step& step) { return o < step.lane; });
  if (after != steps_.begin()) steps_.erase(steps_.begin(), after - 1);
  repeated_.erase(repeated_.begin(), std::upper_bound(repeated_.begin(), repeated_.end(), offset));
}

}  // namespace weir::rules
