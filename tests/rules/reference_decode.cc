#include "tests/rules/reference_decode.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rules/lane_text.h"

namespace weir::rules {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// The six bits of a letter of either alphabet of base64; -1: none.
int SixBits(char c) {
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  const size_t at = kAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool IsText(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7F && c <= 0x9F);
  const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
  const bool no_character = (c & 0xFFFF) == 0xFFFE || (c & 0xFFFF) == 0xFFFF;
  return c <= 0x10FFFF && !surrogate && !no_character &&
         (!control || c == '\t' || c == '\n' || c == '\r');
}

// Of what base64 decodes to: neither Latin with accents nor private or unassigned planes.
bool IsBase64Text(char32_t c) {
  const bool private_use = c >= 0xE000 && c <= 0xF8FF;
  return IsText(c) && (c < 0x7F || c >= 0x2000) && !private_use && c < 0xE0000;
}

bool IsHan(char32_t c) {
  return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

std::optional<char32_t> HexAt(std::string_view text, size_t at, size_t digits) {
  if (at + digits > text.size()) return std::nullopt;
  char32_t value = 0;
  for (const char c : text.substr(at, digits)) {
    const size_t digit = std::string_view("0123456789abcdef")
                             .find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<char32_t>(digit);
  }
  return value;
}

struct Escape {
  char32_t c;
  size_t length;
};
using MaybeEscape = std::optional<Escape>;

MaybeEscape Checked(char32_t c, size_t length) {
  return IsText(c) ? MaybeEscape({c, length}) : std::nullopt;
}

// Bytes of UTF-8, each behind `mark` as two hex digits.
MaybeEscape Utf8Escape(std::string_view text, std::string_view mark) {
  std::string bytes;
  const size_t stride = mark.size() + 2;
  for (size_t at = 0; bytes.size() < 4 && text.substr(at).starts_with(mark); at += stride) {
    const std::optional<char32_t> byte = HexAt(text, at + mark.size(), 2);
    if (!byte.has_value()) break;
    bytes.push_back(static_cast<char>(*byte));
  }
  if (bytes.empty()) return std::nullopt;
  const Decoded decoded = DecodeAt(bytes, 0);
  if (decoded.c == kInvalidByte) return std::nullopt;
  return Checked(decoded.c, decoded.length * stride);
}

// A unit of UTF-16 behind `mark` as four hex digits, or two that are one character.
MaybeEscape Utf16Escape(std::string_view text, std::string_view mark) {
  const std::optional<char32_t> high = HexAt(text, mark.size(), 4);
  if (!text.starts_with(mark) || !high.has_value()) return std::nullopt;
  const size_t length = mark.size() + 4;
  if (*high < 0xD800 || *high > 0xDBFF) return Checked(*high, length);
  const std::string_view rest = text.substr(length);
  const std::optional<char32_t> low = HexAt(rest, mark.size(), 4);
  if (!rest.starts_with(mark) || !low.has_value() || *low < 0xDC00 || *low > 0xDFFF) {
    return std::nullopt;
  }
  return Checked(0x10000 + (*high - 0xD800) * 0x400 + (*low - 0xDC00), 2 * length);
}

MaybeEscape BraceEscape(std::string_view text) {
  if (!text.starts_with("\\u{")) return std::nullopt;
  const size_t end = text.find('}');
  if (end == std::string_view::npos || end < 4 || end > 11) return std::nullopt;
  const std::optional<char32_t> c = HexAt(text, 3, end - 3);
  return c.has_value() ? Checked(*c, end + 1) : std::nullopt;
}

// Name and what it stands for, which is its last character.
constexpr std::u32string_view kEntities[] = {
    U"amp&",         U"lt<",          U"gt>",          U"quot\"",        U"apos'",
    U"nbsp\u00A0",   U"ensp\u2002",   U"emsp\u2003",   U"zwj\u200D",     U"zwnj\u200C",
    U"shy\u00AD",    U"thinsp\u2009", U"Tab\t",        U"NewLine\n",     U"excl!",
    U"num#",         U"dollar$",      U"percnt%",      U"lpar(",         U"rpar)",
    U"ast*",         U"plus+",        U"comma,",       U"period.",       U"sol/",
    U"colon:",       U"semi;",        U"equals=",      U"quest?",        U"commat@",
    U"lsqb[",        U"bsol\\",       U"rsqb]",        U"lowbar_",       U"lcub{",
    U"vert|",        U"rcub}",        U"middot\u00B7", U"times\u00D7",   U"bull\u2022",
    U"hellip\u2026", U"ndash\u2013",  U"mdash\u2014",  U"lsquo\u2018",   U"rsquo\u2019",
    U"ldquo\u201C",  U"rdquo\u201D",  U"laquo\u00AB",  U"raquo\u00BB",   U"copy\u00A9",
    U"reg\u00AE",    U"trade\u2122",  U"deg\u00B0",    U"yen\u00A5",     U"sect\u00A7",
    U"star\u2606",   U"starf\u2605",  U"hearts\u2665", U"spades\u2660",  U"diams\u2666",
    U"clubs\u2663",  U"lrm\u200E",    U"rlm\u200F",    U"NoBreak\u2060", U"ZeroWidthSpace\u200B",
    U"hairsp\u200A", U"numsp\u2007",  U"puncsp\u2008", U"larr\u2190",    U"uarr\u2191",
    U"rarr\u2192",   U"darr\u2193",   U"harr\u2194",   U"euro\u20AC",    U"pound\u00A3",
    U"cent\u00A2",   U"para\u00B6",   U"dagger\u2020", U"Dagger\u2021",  U"prime\u2032",
    U"Prime\u2033",  U"sbquo\u201A",  U"bdquo\u201E",  U"lsaquo\u2039",  U"rsaquo\u203A",
    U"divide\u00F7", U"minus\u2212",  U"plusmn\u00B1", U"infin\u221E",   U"loz\u25CA",
    U"phone\u260E",  U"check\u2713",  U"cross\u2717",  U"horbar\u2015",  U"dash\u2010",
    U"grave`",       U"Hat^"};

MaybeEscape Entity(std::string_view text) {
  if (!text.starts_with("&#")) {
    for (const std::u32string_view entity : kEntities) {
      const std::string name = "&" + std::string(entity.begin(), entity.end() - 1) + ";";
      if (text.starts_with(name)) return Checked(entity.back(), name.size());
    }
    return std::nullopt;
  }
  const bool hex = text.size() > 2 && (text[2] == 'x' || text[2] == 'X');
  const size_t first = hex ? 3 : 2;
  size_t end = first;
  const std::string_view digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
  while (end < text.size() && digits.find(text[end]) != std::string_view::npos) ++end;
  if (end == first || end - first > 16) return std::nullopt;
  unsigned long long value =
      std::stoull(std::string(text.substr(first, end - first)), nullptr, hex ? 16 : 10);
  value = std::min(value, 0x110000ULL);
  return Checked(static_cast<char32_t>(value),
                 end + (end < text.size() && text[end] == ';' ? 1 : 0));
}

MaybeEscape EscapeAt(std::string_view text) {
  if (text.starts_with("%u")) return Utf16Escape(text, "%u");
  if (text.starts_with("%")) return Utf8Escape(text, "%");
  if (text.starts_with("&")) return Entity(text);
  if (text.starts_with("\\x")) return Utf8Escape(text, "\\x");
  if (text.starts_with("\\u{")) return BraceEscape(text);
  if (text.starts_with("\\u")) return Utf16Escape(text, "\\u");
  if (text.starts_with("\\U")) {
    const std::optional<char32_t> c = HexAt(text, 2, 8);
    return c.has_value() ? Checked(*c, 10) : std::nullopt;
  }
  return std::nullopt;
}

// The characters that the letters at the beginning of `text` decode to, as long as they are text;
// none if that is too little.
struct Base64Character {
  std::string bytes;
  size_t first_letter;
  size_t end_letter;
};
std::vector<Base64Character> Base64At(std::string_view text) {
  std::string bytes;
  int bits = 0;
  int count = 0;
  for (const char c : text) {
    if (SixBits(c) < 0) break;
    bits = ((bits << 6) | SixBits(c)) & 0xFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> count) & 0xFF));
    }
  }
  std::vector<Base64Character> characters;
  bool two_han = false;
  size_t at = 0;
  while (at < bytes.size()) {
    const Decoded decoded = DecodeAt(bytes, at);
    if (decoded.c == kInvalidByte || !IsBase64Text(decoded.c)) break;
    const size_t end = at + decoded.length;
    // Byte k has bits 8k to 8k+7, letter i bits 6i to 6i+5.
    characters.push_back({bytes.substr(at, decoded.length), 8 * at / 6, (8 * end + 5) / 6});
    if (characters.size() == 2) {
      two_han = IsHan(DecodeAt(bytes, 0).c) && IsHan(decoded.c);
    }
    at = end;
  }
  if (at < 8 && !two_han) characters.clear();
  return characters;
}

ReferenceDecoded DecodeOnce(const ReferenceDecoded& in) {
  ReferenceDecoded out;
  const std::string_view text = in.text;
  const auto put = [&](std::string_view bytes, size_t from, size_t to, bool encoded) {
    ReferenceDecoded::Source source = in.sources[from];
    source.encoded = encoded;
    for (size_t i = from; i < to; ++i) {
      source.start = std::min(source.start, in.sources[i].start);
      source.end = std::max(source.end, in.sources[i].end);
      source.encoded = source.encoded || in.sources[i].encoded;
    }
    out.text += bytes;
    out.sources.resize(out.text.size(), source);
  };
  bool amid_run = false;  // letters stand right before, which are no base64
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (const MaybeEscape escape = EscapeAt(rest)) {
      std::string bytes;
      AppendUtf8(escape->c, bytes);
      put(bytes, at, at + escape->length, true);
      at += escape->length;
      amid_run = false;
      continue;
    }
    const bool begins =
        !amid_run || (at > 0 && std::string_view("/+-_").find(text[at - 1]) != std::string::npos);
    const auto base64 = begins ? Base64At(rest) : std::vector<Base64Character>();
    if (base64.empty()) {
      amid_run = SixBits(text[at]) >= 0;
      put(text.substr(at, 1), at, at + 1, false);
      ++at;
      continue;
    }
    for (const Base64Character& c : base64) {
      put(c.bytes, at + c.first_letter, at + c.end_letter, true);
    }
    at += base64.back().end_letter;
    // Padding fills a group of four.
    amid_run = true;
    for (size_t letters = base64.back().end_letter;
         letters % 4 != 0 && at < text.size() && text[at] == '='; ++letters) {
      ++at;
      amid_run = false;
    }
  }
  return out;
}

}  // namespace

ReferenceDecoded DecodeForReference(std::string_view original) {
  ReferenceDecoded plain;
  plain.text = original;
  for (size_t i = 0; i < original.size(); ++i) plain.sources.push_back({i, i + 1, false});
  return DecodeOnce(DecodeOnce(plain));
}

}  // namespace weir::rules
