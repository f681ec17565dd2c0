// One character written as an escape: percent, entity, backslash or quoted-printable. What
// decoded_text.h decodes, but for base64.
//
// A text that is cut can delay an answer and never change it: every answer looks at the bytes from
// the escape's first one on, and what they do not settle is kNotYet.
//
// Constant data and pure functions, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::rules {

enum class Answer : uint8_t { kNo, kYes, kNotYet };

struct Candidate {
  Answer answer = Answer::kNo;
  char32_t c = 0;
  size_t length = 0;  // source bytes
};

// What every escape begins with.
inline constexpr std::string_view kEscapeMarks = "%&\\=";

// No escape is longer.
inline constexpr size_t kEscapeBytesMax = 24;

// The escape at the beginning of `view`, which has a mark there. `last`: nothing follows `view`.
Candidate ReadEscape(std::string_view view, bool last);

// What an escape may stand for: no control characters but tab and line ends.
constexpr bool IsText(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  if (c >= 0x7F && c < 0xA0) return false;
  return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) && (c & 0xFFFEU) != 0xFFFEU;
}

// The bytes of one UTF-8 character, asked for one at a time: `next(k)` gives byte k, kEnd when
// there is none and kWait when it has not arrived. `bytes` receives how many the character has,
// which are its length too.
inline constexpr int kEnd = -1;
inline constexpr int kWait = -2;

template <typename Next>
Candidate ReadUtf8(const Next& next, size_t& bytes) {
  constexpr Candidate kNone{};
  constexpr Candidate kUndecided{.answer = Answer::kNotYet};
  const int first = next(0);
  if (first < 0) return first == kWait ? kUndecided : kNone;
  bytes = 1;
  auto c = static_cast<char32_t>(first);
  if (first >= 0x80) {
    if (first < 0xC2 || first > 0xF4) return kNone;
    bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    c = static_cast<char32_t>(first & (0x7F >> bytes));
  }
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
  return IsText(c) ? Candidate{Answer::kYes, c, bytes} : kNone;
}

}  // namespace weir::rules
