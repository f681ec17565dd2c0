#include "rules/escape.h"

#include <algorithm>
#include <array>

#include "rules/named_entities.h"

namespace weir::rules {
namespace {

constexpr size_t kEntityDigitsMax = 16;
constexpr int kPercentLayersMax = 4;

constexpr Candidate kNone{};
constexpr Candidate kUndecided{.answer = Answer::kNotYet};

Candidate Accept(char32_t c, size_t length) {
  return IsText(c) ? Candidate{Answer::kYes, c, length} : kNone;
}

Candidate Ended(bool last) {
  return last ? kNone : kUndecided;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
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

// A byte of `view` that is written from `at` on, or kEnd or kWait; `at` is moved behind it.
using ByteReader = int (*)(std::string_view view, size_t& at, bool last);

// UTF-8, byte by byte as `read` has it.
Candidate ReadBytes(std::string_view view, ByteReader read, bool last) {
  size_t at = 0;
  size_t bytes = 0;
  Candidate character =
      ReadUtf8([&](size_t /*k, in order*/) { return read(view, at, last); }, bytes);
  character.length = at;
  return character;
}

int HexByte(std::string_view view, std::string_view prefix, size_t& at, bool last) {
  for (const char c : prefix) {
    if (at >= view.size()) return last ? kEnd : kWait;
    if (view[at] != c) return kEnd;
    ++at;
  }
  const Candidate byte = ReadFixedHex(view, at, 2, last);
  at += 2;
  if (byte.answer == Answer::kYes) return static_cast<int>(byte.c);
  return byte.answer == Answer::kNotYet ? kWait : kEnd;
}

int PercentByte(std::string_view view, size_t& at, bool last) {
  return HexByte(view, "%", at, last);
}
int BackslashByte(std::string_view view, size_t& at, bool last) {
  return HexByte(view, "\\x", at, last);
}

// \350, as git and C have it.
int OctalByte(std::string_view view, size_t& at, bool last) {
  int value = 0;
  for (size_t i = 0; i < 4; ++i, ++at) {
    if (at >= view.size()) return last ? kEnd : kWait;
    if (i == 0 ? view[at] != '\\' : view[at] < '0' || view[at] > (i == 1 ? '3' : '7')) return kEnd;
    if (i > 0) value = value * 8 + (view[at] - '0');
  }
  return value;
}

// =E8 of quoted-printable, with the line break that is none (`=` and a line end) in front of it or
// without. Only bytes of characters beyond ASCII: x=41 is not xA.
int QuotedByte(std::string_view view, size_t& at, bool last) {
  const bool first = at == 0;
  const std::string_view rest = view.substr(at);
  for (const std::string_view line_break : {"=\n", "=\r\n"}) {
    if (rest.size() < line_break.size() && line_break.starts_with(rest)) {
      return last ? kEnd : kWait;
    }
    if (rest.starts_with(line_break)) at += line_break.size();
  }
  // Nothing below 0xC0 begins a character.
  if (first && at + 1 < view.size() && view[at] == '=' && HexValue(view[at + 1]) < 0xC) return kEnd;
  return HexByte(view, "=", at, last);
}

// \uD83D\uDE00 and %u8D4C: UTF-16 units behind a two-byte prefix.
Candidate ReadUtf16(std::string_view view, std::string_view prefix, bool last) {
  const Candidate high = ReadFixedHex(view, 2, 4, last);
  if (high.answer != Answer::kYes) return high;
  if (high.c < 0xD800 || high.c > 0xDBFF) return Accept(high.c, high.length);
  const std::string_view rest = view.substr(high.length);
  for (size_t i = 0; i < prefix.size(); ++i) {
    if (i >= rest.size()) return Ended(last);
    if (rest[i] != prefix[i]) return kNone;
  }
  const Candidate low = ReadFixedHex(rest, 2, 4, last);
  if (low.answer != Answer::kYes) return low;
  if (low.c < 0xDC00 || low.c > 0xDFFF) return kNone;
  return Accept(0x10000 + ((high.c - 0xD800) << 10U) + (low.c - 0xDC00), high.length + low.length);
}

Candidate ReadPercent(std::string_view view, bool last) {
  if (view.size() < 2) return Ended(last);
  if (view[1] == 'u') return ReadUtf16(view, "%u", last);
  // What is encoded once more writes %25 for each %, twice more %2525: all one percent sign.
  size_t end = 1;
  for (int layers = 0; layers < kPercentLayersMax; ++layers) {
    const std::string_view rest = view.substr(end, 2);
    if (end > 1 && !last && rest.size() < 2 && std::string_view("25").starts_with(rest)) {
      return kUndecided;
    }
    if (rest != "25") break;
    end += 2;
  }
  return end > 1 ? Accept('%', end) : ReadBytes(view, PercentByte, last);
}

// \u{8d4c} and \x{8d4c}, behind the brace.
Candidate ReadBraced(std::string_view view, bool last) {
  constexpr size_t kDigitsAt = 3;
  size_t count = 0;
  const int64_t value = ReadHex(view, kDigitsAt, 8, last, count);
  if (value == kWait || kDigitsAt + count >= view.size()) return Ended(last);
  if (count == 0 || view[kDigitsAt + count] != '}') return kNone;
  return Accept(static_cast<char32_t>(value), kDigitsAt + count + 1);
}

Candidate ReadBackslash(std::string_view view, bool last) {
  if (view.size() < 2) return Ended(last);
  if (view[1] >= '0' && view[1] <= '3') return ReadBytes(view, OctalByte, last);
  if (view[1] == 'U') {
    const Candidate wide = ReadFixedHex(view, 2, 8, last);
    return wide.answer == Answer::kYes ? Accept(wide.c, wide.length) : wide;
  }
  if (view[1] != 'u' && view[1] != 'x') return kNone;
  if (view.size() < 3) return Ended(last);
  if (view[2] == '{') return ReadBraced(view, last);
  return view[1] == 'u' ? ReadUtf16(view, "\\u", last) : ReadBytes(view, BackslashByte, last);
}

Candidate ReadNamedEntity(std::string_view view, bool last) {
  view.remove_prefix(1);
  bool goes_on = false;
  for (const auto& [name, c, bare] : kNamedEntities) {
    if (view.size() <= name.size()) {
      if (bare && last && view == name) return Accept(c, name.size() + 1);
      goes_on = goes_on || name.starts_with(view);
    } else if (view.starts_with(name)) {
      if (view[name.size()] == ';') return Accept(c, name.size() + 2);
      if (bare) return Accept(c, name.size() + 1);
    }
  }
  return goes_on ? Ended(last) : kNone;
}

Candidate ReadEntity(std::string_view view, bool last) {
  if (view.size() < 2) return Ended(last);
  if (view[1] != '#') return ReadNamedEntity(view, last);
  if (view.size() < 3) return Ended(last);
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

}  // namespace

Candidate ReadEscape(std::string_view view, bool last) {
  switch (view[0]) {
    case '%':
      return ReadPercent(view, last);
    case '&':
      return ReadEntity(view, last);
    case '=': {
      const Candidate quoted = ReadBytes(view, QuotedByte, last);
      return quoted.answer == Answer::kYes && quoted.c < 0x80 ? kNone : quoted;
    }
    default:
      return ReadBackslash(view, last);
  }
}

}  // namespace weir::rules
