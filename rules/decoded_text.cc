#include "rules/decoded_text.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/check.h"
#include "rules/lane_text.h"
#include "rules/named_entities.h"

// Every decision looks at a candidate's own bytes from its first one on and answers "yes", "no" or
// "not yet"; "not yet" holds the candidate. So the cut of a stream can delay a decision and never
// change it.

namespace weir::rules {
namespace {

// Base64 needs as many letters in a row before it can decode to anything we accept.
constexpr size_t kRunMin = 8;
constexpr size_t kDecodedBytesMin = 8;
constexpr size_t kEntityDigitsMax = 16;

enum class ByteClass : uint8_t { kPlain, kMark, kLetter };  // kLetter: of a base64 alphabet

struct ByteTable {
  std::array<ByteClass, 256> classes{};
  std::array<int8_t, 256> values{};  // of base64; -1
  std::array<int8_t, 256> hex{};     // -1

  constexpr ByteTable() {
    values.fill(-1);
    hex.fill(-1);
    int8_t next = 0;
    const auto add = [&](char first, char last) {
      for (char c = first; c <= last; ++c) values[static_cast<uint8_t>(c)] = next++;
    };
    add('A', 'Z');
    add('a', 'z');
    add('0', '9');
    values['+'] = values['-'] = 62;
    values['/'] = values['_'] = 63;
    for (size_t i = 0; i < 256; ++i) {
      if (values[i] >= 0) classes[i] = ByteClass::kLetter;
    }
    classes['%'] = classes['&'] = classes['\\'] = ByteClass::kMark;
    for (int8_t i = 0; i < 10; ++i) hex[static_cast<size_t>('0' + i)] = i;
    for (int8_t i = 0; i < 6; ++i) {
      hex[static_cast<size_t>('a' + i)] = hex[static_cast<size_t>('A' + i)] =
          static_cast<int8_t>(10 + i);
    }
  }
};
constexpr ByteTable kBytes;

ByteClass ClassOf(char c) {
  return kBytes.classes[static_cast<uint8_t>(c)];
}
bool IsLetter(char c) {
  return ClassOf(c) == ByteClass::kLetter;
}
int HexValue(char c) {
  return kBytes.hex[static_cast<uint8_t>(c)];
}
bool PartsRun(char c) {
  return c == '/' || c == '+' || c == '-' || c == '_';
}

bool IsHan(char32_t c) {
  return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

// What an escape may stand for.
bool IsText(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  if (c >= 0x7F && c < 0xA0) return false;
  return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) && (c & 0xFFFEU) != 0xFFFEU;
}

// What base64 may stand for; narrower, because any letters decode to something.
bool IsBase64Text(char32_t c) {
  return IsText(c) && (c < 0x7F || c >= 0x2000) && (c < 0xE000 || c > 0xF8FF) && c < 0xE0000;
}

enum class Answer : uint8_t { kNo, kYes, kNotYet };

struct Candidate {
  Answer answer = Answer::kNo;
  char32_t c = 0;
  size_t length = 0;  // source bytes
};
constexpr Candidate kNone{};
constexpr Candidate kUndecided{.answer = Answer::kNotYet};

Candidate Accept(char32_t c, size_t length) {
  return IsText(c) ? Candidate{Answer::kYes, c, length} : kNone;
}

// The bytes of one UTF-8 character, asked for one at a time: `next(k)` gives byte k, kEnd when
// there is none and kWait when it has not arrived. `bytes` receives how many the character has.
constexpr int kEnd = -1;
constexpr int kWait = -2;

template <typename Next>
Candidate ReadUtf8(const Next& next, size_t& bytes) {
  const int first = next(0);
  if (first < 0) return first == kWait ? kUndecided : kNone;
  bytes = 1;
  if (first < 0x80) return Accept(static_cast<char32_t>(first), 1);
  if (first < 0xC2 || first > 0xF4) return kNone;
  bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  auto c = static_cast<char32_t>(first & (0x7F >> bytes));
  for (size_t k = 1; k < bytes; ++k) {
    const int byte = next(k);
    if (byte == kWait) return kUndecided;
    if (byte == kEnd || (byte & 0xC0) != 0x80) return kNone;
    c = (c << 6U) | static_cast<char32_t>(byte & 0x3F);
    // The second byte shows overlong forms, surrogates and what lies beyond Unicode.
    if (k == 1 && ((first == 0xE0 && byte < 0xA0) || (first == 0xED && byte >= 0xA0) ||
                   (first == 0xF0 && byte < 0x90) || (first == 0xF4 && byte >= 0x90))) {
      return kNone;
    }
  }
  return Accept(c, bytes);
}

// Up to `max` hex digits of `view` from `at`. `count` receives how many there are; kWait when the
// view ended before another byte than a digit was seen.
int64_t ReadHex(std::string_view view, size_t at, size_t max, bool last, size_t& count) {
  int64_t value = 0;
  for (count = 0; count < max; ++count) {
    if (at + count >= view.size()) return last ? value : kWait;
    const int digit = HexValue(view[at + count]);
    if (digit < 0) return value;
    value = value * 16 + digit;
  }
  return value;
}

Candidate ReadFixedHex(std::string_view view, size_t at, size_t digits, bool last) {
  size_t count = 0;
  const int64_t value = ReadHex(view, at, digits, last, count);
  if (value == kWait) return kUndecided;
  if (count < digits) return kNone;
  return {Answer::kYes, static_cast<char32_t>(value), at + digits};
}

// UTF-8 spelled as bytes that each follow `prefix` with two hex digits: %E8%B5%8C, \xe8\xb5\x8c.
Candidate ReadBytes(std::string_view view, std::string_view prefix, bool last) {
  const size_t stride = prefix.size() + 2;
  const auto next = [&](size_t k) -> int {
    const size_t at = k * stride;
    for (size_t i = 0; i < prefix.size(); ++i) {
      if (at + i >= view.size()) return last ? kEnd : kWait;
      if (view[at + i] != prefix[i]) return kEnd;
    }
    const Candidate byte = ReadFixedHex(view, at + prefix.size(), 2, last);
    if (byte.answer == Answer::kYes) return static_cast<int>(byte.c);
    return byte.answer == Answer::kNotYet ? kWait : kEnd;
  };
  size_t bytes = 0;
  Candidate read = ReadUtf8(next, bytes);
  read.length = bytes * stride;
  return read;
}

// \uD83D\uDE00 and %u8D4C: UTF-16 units behind a two-byte prefix.
Candidate ReadUtf16(std::string_view view, std::string_view prefix, bool last) {
  const Candidate high = ReadFixedHex(view, 2, 4, last);
  if (high.answer != Answer::kYes) return high;
  if (high.c < 0xD800 || high.c > 0xDBFF) return Accept(high.c, high.length);
  const std::string_view rest = view.substr(high.length);
  for (size_t i = 0; i < prefix.size(); ++i) {
    if (i >= rest.size()) return last ? kNone : kUndecided;
    if (rest[i] != prefix[i]) return kNone;
  }
  const Candidate low = ReadFixedHex(rest, 2, 4, last);
  if (low.answer != Answer::kYes) return low;
  if (low.c < 0xDC00 || low.c > 0xDFFF) return kNone;
  return Accept(0x10000 + ((high.c - 0xD800) << 10U) + (low.c - 0xDC00), high.length + low.length);
}

Candidate ReadPercent(std::string_view view, bool last) {
  if (view.size() < 2) return last ? kNone : kUndecided;
  return view[1] == 'u' ? ReadUtf16(view, "%u", last) : ReadBytes(view, "%", last);
}

Candidate ReadBackslash(std::string_view view, bool last) {
  if (view.size() < 2) return last ? kNone : kUndecided;
  if (view[1] == 'x') return ReadBytes(view, "\\x", last);
  if (view[1] == 'U') {
    const Candidate wide = ReadFixedHex(view, 2, 8, last);
    return wide.answer == Answer::kYes ? Accept(wide.c, wide.length) : wide;
  }
  if (view[1] != 'u') return kNone;
  if (view.size() < 3) return last ? kNone : kUndecided;
  if (view[2] != '{') return ReadUtf16(view, "\\u", last);
  size_t count = 0;
  const int64_t value = ReadHex(view, 3, 8, last, count);
  if (value == kWait) return kUndecided;
  if (3 + count >= view.size()) return last ? kNone : kUndecided;
  if (count == 0 || view[3 + count] != '}') return kNone;
  return Accept(static_cast<char32_t>(value), count + 4);
}

Candidate ReadNamedEntity(std::string_view view, bool last) {
  view.remove_prefix(1);
  bool goes_on = false;
  for (const auto& [name, c] : kNamedEntities) {
    if (view.size() <= name.size()) {
      goes_on = goes_on || name.starts_with(view);
    } else if (view.starts_with(name) && view[name.size()] == ';') {
      return Accept(c, name.size() + 2);
    }
  }
  return goes_on && !last ? kUndecided : kNone;
}

Candidate ReadEntity(std::string_view view, bool last) {
  if (view.size() < 2) return last ? kNone : kUndecided;
  if (view[1] != '#') return ReadNamedEntity(view, last);
  if (view.size() < 3) return last ? kNone : kUndecided;
  const bool hex = view[2] == 'x' || view[2] == 'X';
  const size_t digits_at = hex ? 3 : 2;
  char32_t value = 0;
  for (size_t i = digits_at;; ++i) {
    if (i >= view.size()) {
      if (!last) return kUndecided;
      return i > digits_at ? Accept(value, i) : kNone;
    }
    const int digit = HexValue(view[i]);
    if (digit < 0 || (!hex && digit > 9)) {
      if (i == digits_at) return kNone;
      return Accept(value, view[i] == ';' ? i + 1 : i);
    }
    if (i - digits_at == kEntityDigitsMax) return kNone;
    value = std::min<char32_t>(value * (hex ? 16 : 10) + static_cast<char32_t>(digit), 0x110000);
  }
}

Candidate ReadMark(std::string_view view, bool last) {
  switch (view[0]) {
    case '%':
      return ReadPercent(view, last);
    case '&':
      return ReadEntity(view, last);
    default:
      return ReadBackslash(view, last);
  }
}

// Letters of a group of four that its first `bytes` bytes touch, and those they fill.
constexpr size_t LettersTouched(size_t bytes) {
  return (4 * bytes + 2) / 3;
}
constexpr size_t LettersFilled(size_t bytes) {
  return 4 * bytes / 3;
}

// Byte k of the base64 that starts at the beginning of `view`.
int Base64Byte(std::string_view view, size_t k, bool last) {
  const size_t at = LettersFilled(k);
  for (size_t i = at; i < at + 2; ++i) {
    if (i >= view.size()) return last ? kEnd : kWait;
    if (!IsLetter(view[i])) return kEnd;
  }
  const int high = kBytes.values[static_cast<uint8_t>(view[at])];
  const int low = kBytes.values[static_cast<uint8_t>(view[at + 1])];
  const auto shift = static_cast<int>(2 * (k % 3));
  return ((high << (2 + shift)) | (low >> (4 - shift))) & 0xFF;
}

// The character whose first byte is byte `from`; `length` is in decoded bytes.
Candidate ReadBase64(std::string_view view, size_t from, bool last) {
  size_t bytes = 0;
  const Candidate read =
      ReadUtf8([&](size_t k) { return Base64Byte(view, from + k, last); }, bytes);
  return read.answer == Answer::kYes && !IsBase64Text(read.c) ? kNone : read;
}

// Whether a character whose first byte is `lead` may be base64's.
bool LeadsBase64Text(int lead) {
  return lead < 0x80 || (lead >= 0xE2 && lead != 0xEE && lead < 0xF4);
}

// Whether letters behind `view`, which is all letters, could make text of it: whether what is known
// of the next byte goes on with the bytes before it.
bool CouldBecomeText(std::string_view view) {
  const size_t full = view.size() * 6 / 8;
  const size_t known = view.size() * 6 % 8;  // bits of the next byte
  const int value = view.empty() ? 0 : kBytes.values[static_cast<uint8_t>(view.back())];
  const int high = known == 0 ? 0 : (value << (8 - known)) & 0xFF;
  for (int low = 0; low < (known == 0 ? 1 : 1 << (8 - known)); ++low) {
    const auto byte = [&](size_t k) {
      if (k < full) return Base64Byte(view, k, /*last=*/false);
      return k == full && known != 0 ? high | low : kWait;
    };
    for (size_t from = 0;;) {
      size_t bytes = 0;
      const Candidate read = ReadUtf8([&](size_t k) { return byte(from + k); }, bytes);
      if (read.answer == Answer::kNo) break;
      if (read.answer == Answer::kNotYet) {
        const int lead = byte(from);
        if (lead == kWait || LeadsBase64Text(lead)) return true;
        break;
      }
      if (!IsBase64Text(read.c)) break;
      from += read.length;
    }
  }
  return false;
}

// Whether base64 starts at the beginning of `view`.
Answer IsBase64(std::string_view view, bool last) {
  size_t bytes = 0;
  bool han = true;
  for (size_t characters = 1;; ++characters) {
    const Candidate read = ReadBase64(view, bytes, last);
    if (read.answer == Answer::kNotYet && !CouldBecomeText(view)) return Answer::kNo;
    if (read.answer != Answer::kYes) return read.answer;
    bytes += read.length;
    han = han && IsHan(read.c);
    if (bytes >= kDecodedBytesMin || (han && characters == 2)) return Answer::kYes;
  }
}

#if defined(__SSE2__)
// Bit i: byte i of the 16 lies in [first, last].
uint64_t InRange(__m128i bytes, char first, char last) {
  const __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
  const __m128i width = _mm_set1_epi8(static_cast<char>(last - first));
  return static_cast<uint64_t>(static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(shifted, width), shifted))));
}

uint64_t Equals(__m128i bytes, char c) {
  return static_cast<uint64_t>(
      static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)))));
}

struct BlockMasks {
  uint64_t marks = 0;
  uint64_t letters = 0;
};

// A byte of Chinese text is above 0x7F, so one test settles most blocks of 16.
BlockMasks ClassifyBlock(const char* data) {
  BlockMasks masks;
  for (size_t i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i));
    if (_mm_movemask_epi8(bytes) == 0xFFFF) continue;
    masks.marks |= (Equals(bytes, '%') | Equals(bytes, '&') | Equals(bytes, '\\')) << (16 * i);
    const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    masks.letters |= (InRange(lower, 'a', 'z') | InRange(bytes, '/', '9') | Equals(bytes, '+') |
                      Equals(bytes, '-') | Equals(bytes, '_'))
                     << (16 * i);
  }
  return masks;
}
#endif

// The next mark, or the beginning of a run of letters that is long enough for base64 or reaches
// the end of `view`. `view[at]` is not amid a run. view.size() when there is none.
size_t FindCandidate(std::string_view view, size_t at) {
  const size_t start = at;
#if defined(__SSE2__)
  // Bit i of `runs`: letters at i .. i+7, known for the first 57 bits of a block.
  constexpr size_t kKnown = 64 - kRunMin + 1;
  while (at + 64 <= view.size()) {
    const BlockMasks masks = ClassifyBlock(view.data() + at);
    uint64_t runs = masks.letters & (masks.letters >> 1U);
    runs &= runs >> 2U;
    runs &= runs >> 4U;
    const uint64_t found = (masks.marks | runs) & ((uint64_t{1} << kKnown) - 1);
    if (found != 0) return at + static_cast<size_t>(std::countr_zero(found));
    at += kKnown;
  }
#endif
  // A run that the last block cut is shorter than kRunMin.
  while (at > start && at < view.size() && IsLetter(view[at - 1]) && IsLetter(view[at])) ++at;
  while (at < view.size()) {
    const ByteClass kind = ClassOf(view[at]);
    if (kind == ByteClass::kMark) return at;
    if (kind == ByteClass::kPlain) {
      ++at;
      continue;
    }
    size_t end = at + 1;
    while (end < view.size() && IsLetter(view[end])) ++end;
    if (end == view.size() || end - at >= kRunMin) return at;
    at = end;
  }
  return view.size();
}

void AppendRun(const DecodedRun& run, std::vector<DecodedRun>& runs) {
  if (run.same && !runs.empty() && runs.back().same && runs.back().source_end == run.source_start) {
    runs.back().text_end = run.text_end;
    runs.back().source_end = run.source_end;
    return;
  }
  runs.push_back(run);
}

}  // namespace

size_t FindEncoded(std::string_view text) {
  for (size_t at = 0;;) {
    at = FindCandidate(text, at);
    if (at == text.size()) return std::string_view::npos;
    if (ClassOf(text[at]) == ByteClass::kMark) return at;
    size_t end = at;
    while (end < text.size() && IsLetter(text[end])) ++end;
    for (size_t start = at; start + kRunMin <= end; ++start) {
      if ((start == at || PartsRun(text[start - 1])) &&
          IsBase64(text.substr(start), true) == Answer::kYes) {
        return start;
      }
    }
    at = end;
  }
}

void DecodedText::Pass::Feed(std::string_view piece, bool last, DecodedChunk& out) {
  std::string joined;
  std::string_view view = piece;
  if (!held_.empty()) {
    joined = std::exchange(held_, std::string());
    joined += piece;
    view = joined;
  }
  const size_t consumed = Consume(view, last, out);
  position_ += consumed;
  held_.assign(view.substr(consumed));
  WEIR_CHECK(!last || held_.empty());
}

void DecodedText::Pass::PassOver(size_t bytes) {
  position_ += bytes;
  text_end_ += bytes;
}

uint64_t DecodedText::Pass::decided() const {
  return position_ + (in_base64_ ? LettersFilled(group_done_) : 0);
}

void DecodedText::Pass::EmitSame(std::string_view view, size_t from, size_t to, DecodedChunk& out) {
  if (from == to) return;
  out.text += view.substr(from, to - from);
  AppendRun({text_end_, text_end_ + (to - from), position_ + from, position_ + to, true}, out.runs);
  text_end_ += to - from;
}

void DecodedText::Pass::EmitCharacter(char32_t c, uint64_t source_start, uint64_t source_end,
                                      DecodedChunk& out) {
  const size_t before = out.text.size();
  AppendUtf8(c, out.text);
  const uint64_t text_start = std::exchange(text_end_, text_end_ + (out.text.size() - before));
  out.runs.push_back({text_start, text_end_, source_start, source_end, false});
}

// Returns how much of `view` is decided; the rest is held.
size_t DecodedText::Pass::Consume(std::string_view view, bool last, DecodedChunk& out) {
  size_t at = 0;
  for (;;) {
    if (in_run_ || in_base64_) {
      const bool base64 = in_base64_;
      at = base64 ? ConsumeBase64(view, at, last, out) : ConsumeRun(view, at, last, out);
      // Still inside: the view ended there.
      if (base64 ? in_base64_ : in_run_) return at;
      if (in_run_ || in_base64_) continue;
    }
    const size_t candidate = FindCandidate(view, at);
    EmitSame(view, at, candidate, out);
    at = candidate;
    if (at == view.size()) return at;
    if (IsLetter(view[at])) {
      const Answer answer = IsBase64(view.substr(at), last);
      if (answer == Answer::kNotYet) return at;
      (answer == Answer::kYes ? in_base64_ : in_run_) = true;
      continue;
    }
    const Candidate read = ReadMark(view.substr(at), last);
    if (read.answer == Answer::kNotYet) return at;
    if (read.answer == Answer::kYes) {
      EmitCharacter(read.c, position_ + at, position_ + at + read.length, out);
      at += read.length;
    } else {
      EmitSame(view, at, at + 1, out);
      ++at;
    }
  }
}

// From amid a run of letters to where base64 starts in it after all, or to its end.
size_t DecodedText::Pass::ConsumeRun(std::string_view view, size_t at, bool last,
                                     DecodedChunk& out) {
  const size_t from = at;
  for (; at < view.size() && IsLetter(view[at]); ++at) {
    // Looked at when the letter before is known to be behind us, so that a cut here is harmless.
    if (!PartsRun(view[at])) continue;
    const Answer answer = IsBase64(view.substr(at + 1), last);
    if (answer == Answer::kNo) continue;
    // Undecided, it is asked again as if the run began behind this letter.
    EmitSame(view, from, at + 1, out);
    in_run_ = false;
    in_base64_ = answer == Answer::kYes;
    return at + 1;
  }
  EmitSame(view, from, at, out);
  in_run_ = at == view.size() && !last;
  return at;
}

// From the first letter of a group, `group_done_` bytes of which are handed out, to the end of what
// decodes.
size_t DecodedText::Pass::ConsumeBase64(std::string_view view, size_t at, bool last,
                                        DecodedChunk& out) {
  for (;;) {
    const std::string_view rest = view.substr(at);
    const Candidate read = ReadBase64(rest, group_done_, last);
    if (read.answer == Answer::kNotYet) return at;
    const size_t done = LettersTouched(group_done_);
    if (read.answer == Answer::kYes) {
      const size_t bytes = group_done_ + read.length;
      EmitCharacter(read.c, position_ + at + LettersFilled(group_done_),
                    position_ + at + LettersTouched(bytes), out);
      at += 4 * (bytes / 3);
      group_done_ = static_cast<uint8_t>(bytes % 3);
      continue;
    }
    size_t end = done;
    while (group_done_ != 0 && end < 4 && end < rest.size() && rest[end] == '=') ++end;
    // Padding may yet arrive.
    if (group_done_ != 0 && end == rest.size() && end < 4 && !last) return at;
    if (end > done) {
      out.runs.push_back(
          {text_end_, text_end_, position_ + at + done, position_ + at + end, false});
    }
    in_base64_ = false;
    group_done_ = 0;
    // Letters that did not decode are the rest of a plain run.
    in_run_ = end == done;
    return at + end;
  }
}

namespace {

// Where byte `at` of the first pass's output came from. `run` holds it.
std::pair<uint64_t, uint64_t> SourceOf(const DecodedRun& run, uint64_t at) {
  if (!run.same) return {run.source_start, run.source_end};
  const uint64_t start = run.source_start + (at - run.text_start);
  return {start, start + 1};
}

}  // namespace

// Rewrites the second pass's runs, whose source is the first pass's text, to the source itself.
void DecodedText::Compose(DecodedChunk& out) {
  out.text += outer_.text;
  for (const DecodedRun& run : outer_.runs) {
    uint64_t at = run.source_start;
    DecodedRun whole{run.text_start, run.text_end, std::numeric_limits<uint64_t>::max(), 0, false};
    while (at < run.source_end) {
      // Padding gave no text, so no run refers to it; its source is told of on the way.
      for (; inner_runs_.front().text_end <= at; inner_runs_.pop_front()) {
        DecodedRun passed = inner_runs_.front();
        if (passed.text_start != passed.text_end) continue;
        if (!run.same && at != run.source_start) continue;
        passed.text_start = passed.text_end = run.text_start + (at - run.source_start);
        out.runs.push_back(passed);
      }
      const DecodedRun& inner = inner_runs_.front();
      const uint64_t end = std::min(run.source_end, inner.text_end);
      const uint64_t from = SourceOf(inner, at).first;
      const uint64_t to = SourceOf(inner, end - 1).second;
      if (run.same) {
        const uint64_t text = run.text_start + (at - run.source_start);
        AppendRun({text, text + (end - at), from, to, inner.same}, out.runs);
      } else {
        whole.source_start = std::min(whole.source_start, from);
        whole.source_end = std::max(whole.source_end, to);
      }
      at = end;
    }
    if (!run.same) out.runs.push_back(whole);
  }
  for (; !inner_runs_.empty() && inner_runs_.front().text_end <= passes_[1].decided();
       inner_runs_.pop_front()) {
    DecodedRun passed = inner_runs_.front();
    if (passed.text_start != passed.text_end) continue;
    passed.text_start = passed.text_end = passes_[1].text_end();
    out.runs.push_back(passed);
  }
}

void DecodedText::Feed(std::string_view piece, DecodedChunk& out) {
  Take(piece, false, out);
}

void DecodedText::Finish(DecodedChunk& out) {
  Take({}, true, out);
}

void DecodedText::Take(std::string_view piece, bool last, DecodedChunk& out) {
  Pass& first = passes_[0];
  Pass& second = passes_[1];
  if (first.idle() && second.idle() && !piece.empty() && !IsLetter(piece.back()) &&
      FindCandidate(piece, 0) == piece.size()) {
    const uint64_t text = second.text_end();
    const uint64_t source = first.decided();
    AppendRun({text, text + piece.size(), source, source + piece.size(), true}, out.runs);
    out.text += piece;
    first.PassOver(piece.size());
    second.PassOver(piece.size());
    return;
  }
  inner_.text.clear();
  inner_.runs.clear();
  outer_.text.clear();
  outer_.runs.clear();
  first.Feed(piece, last, inner_);
  inner_runs_.insert(inner_runs_.end(), inner_.runs.begin(), inner_.runs.end());
  second.Feed(inner_.text, last, outer_);
  const size_t runs_before = out.runs.size();
  Compose(out);
  for (size_t i = runs_before; i < out.runs.size(); ++i) changed_ = changed_ || !out.runs[i].same;
  WEIR_CHECK(first.decided() - decided() <= kHeldBytesMax);
}

uint64_t DecodedText::decided() const {
  const uint64_t at = passes_[1].decided();
  for (const DecodedRun& run : inner_runs_) {
    if (at < run.text_end) return SourceOf(run, at).first;
  }
  return passes_[0].decided();
}

}  // namespace weir::rules
