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
  const size_t end = text.find('}');
  if (end == std::string_view::npos || end < 4 || end > 11) return std::nullopt;
  const std::optional<char32_t> c = HexAt(text, 3, end - 3);
  return c.has_value() ? Checked(*c, end + 1) : std::nullopt;
}

// The character at the beginning of `bytes`, which are written `lengths` long each.
MaybeEscape FirstCharacter(const std::string& bytes, const std::vector<size_t>& lengths) {
  if (bytes.empty()) return std::nullopt;
  const Decoded decoded = DecodeAt(bytes, 0);
  if (decoded.c == kInvalidByte) return std::nullopt;
  size_t length = 0;
  for (size_t i = 0; i < decoded.length; ++i) length += lengths[i];
  return Checked(decoded.c, length);
}

MaybeEscape OctalEscape(std::string_view text) {
  std::string bytes;
  std::vector<size_t> lengths;
  for (; text.size() >= 4 && text[0] == '\\'; text.remove_prefix(4)) {
    const std::string digits(text.substr(1, 3));
    if (digits.find_first_not_of("01234567") != std::string::npos || digits[0] > '3') break;
    bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 8)));
    lengths.push_back(4);
  }
  return FirstCharacter(bytes, lengths);
}

// Of quoted-printable, beyond ASCII: the bytes of one character, a soft line break before any.
MaybeEscape QuotedEscape(std::string_view text) {
  std::string bytes;
  std::vector<size_t> lengths;
  while (bytes.size() < 4) {
    size_t at = 0;
    for (const std::string_view soft : {"=\n", "=\r\n"}) {
      if (text.starts_with(soft)) at = soft.size();
    }
    const std::optional<char32_t> byte = HexAt(text, at + 1, 2);
    if (!text.substr(at).starts_with('=') || !byte.has_value()) break;
    bytes.push_back(static_cast<char>(*byte));
    lengths.push_back(at + 3);
    text.remove_prefix(at + 3);
  }
  const MaybeEscape escape = FirstCharacter(bytes, lengths);
  return escape.has_value() && escape->c < 0x80 ? std::nullopt : escape;
}

// Name and what it stands for, which is its last character.
constexpr std::u32string_view kEntities[] = {
    U"apos'",         U"ensp\u2002",    U"emsp\u2003",   U"thinsp\u2009",  U"zwj\u200D",
    U"zwnj\u200C",    U"Tab\t",         U"NewLine\n",    U"excl!",         U"num#",
    U"dollar$",       U"percnt%",       U"lpar(",        U"rpar)",         U"ast*",
    U"plus+",         U"comma,",        U"period.",      U"sol/",          U"colon:",
    U"semi;",         U"equals=",       U"quest?",       U"commat@",       U"lsqb[",
    U"bsol\\",        U"rsqb]",         U"lowbar_",      U"lcub{",         U"vert|",
    U"rcub}",         U"bull\u2022",    U"hellip\u2026", U"ndash\u2013",   U"mdash\u2014",
    U"lsquo\u2018",   U"rsquo\u2019",   U"ldquo\u201C",  U"rdquo\u201D",   U"trade\u2122",
    U"star\u2606",    U"starf\u2605",   U"hearts\u2665", U"spades\u2660",  U"diams\u2666",
    U"clubs\u2663",   U"lrm\u200E",     U"rlm\u200F",    U"NoBreak\u2060", U"ZeroWidthSpace\u200B",
    U"hairsp\u200A",  U"numsp\u2007",   U"puncsp\u2008", U"larr\u2190",    U"uarr\u2191",
    U"rarr\u2192",    U"darr\u2193",    U"harr\u2194",   U"euro\u20AC",    U"dagger\u2020",
    U"Dagger\u2021",  U"prime\u2032",   U"Prime\u2033",  U"sbquo\u201A",   U"bdquo\u201E",
    U"lsaquo\u2039",  U"rsaquo\u203A",  U"minus\u2212",  U"infin\u221E",   U"loz\u25CA",
    U"phone\u260E",   U"check\u2713",   U"cross\u2717",  U"horbar\u2015",  U"dash\u2010",
    U"grave`",        U"Hat^",          U"alpha\u03B1",  U"Alpha\u0391",   U"beta\u03B2",
    U"Beta\u0392",    U"gamma\u03B3",   U"Gamma\u0393",  U"delta\u03B4",   U"Delta\u0394",
    U"epsilon\u03B5", U"Epsilon\u0395", U"zeta\u03B6",   U"Zeta\u0396",    U"eta\u03B7",
    U"Eta\u0397",     U"theta\u03B8",   U"Theta\u0398",  U"iota\u03B9",    U"Iota\u0399",
    U"kappa\u03BA",   U"Kappa\u039A",   U"lambda\u03BB", U"Lambda\u039B",  U"mu\u03BC",
    U"Mu\u039C",      U"nu\u03BD",      U"Nu\u039D",     U"xi\u03BE",      U"Xi\u039E",
    U"omicron\u03BF", U"Omicron\u039F", U"pi\u03C0",     U"Pi\u03A0",      U"rho\u03C1",
    U"Rho\u03A1",     U"sigma\u03C3",   U"Sigma\u03A3",  U"tau\u03C4",     U"Tau\u03A4",
    U"upsilon\u03C5", U"Upsilon\u03A5", U"phi\u03C6",    U"Phi\u03A6",     U"chi\u03C7",
    U"Chi\u03A7",     U"psi\u03C8",     U"Psi\u03A8",    U"omega\u03C9",   U"Omega\u03A9"};
// The same, of those that need no semicolon.
constexpr std::u32string_view kBareEntities[] = {
    U"amp&",         U"lt<",          U"gt>",          U"quot\"",       U"nbsp\u00A0",
    U"shy\u00AD",    U"middot\u00B7", U"times\u00D7",  U"laquo\u00AB",  U"raquo\u00BB",
    U"copy\u00A9",   U"reg\u00AE",    U"deg\u00B0",    U"yen\u00A5",    U"sect\u00A7",
    U"pound\u00A3",  U"cent\u00A2",   U"para\u00B6",   U"divide\u00F7", U"plusmn\u00B1",
    U"AElig\u00C6",  U"AMP&",         U"Aacute\u00C1", U"Acirc\u00C2",  U"Agrave\u00C0",
    U"Aring\u00C5",  U"Atilde\u00C3", U"Auml\u00C4",   U"COPY\u00A9",   U"Ccedil\u00C7",
    U"ETH\u00D0",    U"Eacute\u00C9", U"Ecirc\u00CA",  U"Egrave\u00C8", U"Euml\u00CB",
    U"GT>",          U"Iacute\u00CD", U"Icirc\u00CE",  U"Igrave\u00CC", U"Iuml\u00CF",
    U"LT<",          U"Ntilde\u00D1", U"Oacute\u00D3", U"Ocirc\u00D4",  U"Ograve\u00D2",
    U"Oslash\u00D8", U"Otilde\u00D5", U"Ouml\u00D6",   U"QUOT\"",       U"REG\u00AE",
    U"THORN\u00DE",  U"Uacute\u00DA", U"Ucirc\u00DB",  U"Ugrave\u00D9", U"Uuml\u00DC",
    U"Yacute\u00DD", U"aacute\u00E1", U"acirc\u00E2",  U"acute\u00B4",  U"aelig\u00E6",
    U"agrave\u00E0", U"aring\u00E5",  U"atilde\u00E3", U"auml\u00E4",   U"brvbar\u00A6",
    U"ccedil\u00E7", U"cedil\u00B8",  U"curren\u00A4", U"eacute\u00E9", U"ecirc\u00EA",
    U"egrave\u00E8", U"eth\u00F0",    U"euml\u00EB",   U"frac12\u00BD", U"frac14\u00BC",
    U"frac34\u00BE", U"iacute\u00ED", U"icirc\u00EE",  U"iexcl\u00A1",  U"igrave\u00EC",
    U"iquest\u00BF", U"iuml\u00EF",   U"macr\u00AF",   U"micro\u00B5",  U"not\u00AC",
    U"ntilde\u00F1", U"oacute\u00F3", U"ocirc\u00F4",  U"ograve\u00F2", U"ordf\u00AA",
    U"ordm\u00BA",   U"oslash\u00F8", U"otilde\u00F5", U"ouml\u00F6",   U"sup1\u00B9",
    U"sup2\u00B2",   U"sup3\u00B3",   U"szlig\u00DF",  U"thorn\u00FE",  U"uacute\u00FA",
    U"ucirc\u00FB",  U"ugrave\u00F9", U"uml\u00A8",    U"uuml\u00FC",   U"yacute\u00FD",
    U"yuml\u00FF"};

MaybeEscape Entity(std::string_view text) {
  if (!text.starts_with("&#")) {
    for (const std::u32string_view entity : kEntities) {
      const std::string name = "&" + std::string(entity.begin(), entity.end() - 1) + ";";
      if (text.starts_with(name)) return Checked(entity.back(), name.size());
    }
    for (const std::u32string_view entity : kBareEntities) {
      const std::string name = "&" + std::string(entity.begin(), entity.end() - 1);
      if (!text.starts_with(name)) continue;
      const bool closed = text.substr(name.size()).starts_with(';');
      return Checked(entity.back(), name.size() + (closed ? 1 : 0));
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
  size_t layers = 0;
  while (layers < 4 && text.substr(1 + 2 * layers).starts_with("25")) ++layers;
  if (text.starts_with("%") && layers > 0) return Escape{U'%', 1 + 2 * layers};
  if (text.starts_with("%")) return Utf8Escape(text, "%");
  if (text.starts_with("&")) return Entity(text);
  if (text.starts_with("\\x{") || text.starts_with("\\u{")) return BraceEscape(text);
  if (text.starts_with("\\x")) return Utf8Escape(text, "\\x");
  if (text.starts_with("\\u")) return Utf16Escape(text, "\\u");
  if (text.starts_with("\\U")) {
    const std::optional<char32_t> c = HexAt(text, 2, 8);
    return c.has_value() ? Checked(*c, 10) : std::nullopt;
  }
  if (text.starts_with("\\")) return OctalEscape(text);
  if (text.starts_with("=")) return QuotedEscape(text);
  return std::nullopt;
}

// The characters that the letters at the beginning of `text` decode to, as long as they are text;
// none if that is too little. Whole groups of four on a line of 60 letters or more may go on in the
// next line. first_letter and end_letter are offsets in `text`.
struct Base64Character {
  std::string bytes;
  size_t first_letter;
  size_t end_letter;
  size_t letters;  // from the beginning to its end
};
std::vector<Base64Character> Base64At(std::string_view text) {
  std::string bytes;
  std::vector<size_t> places;  // of the letters
  int bits = 0;
  int count = 0;
  size_t line = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (line >= 60 && line % 4 == 0) {
      const size_t next = text.substr(i).starts_with("\n")     ? i + 1
                          : text.substr(i).starts_with("\r\n") ? i + 2
                                                               : i;
      if (next != i && next < text.size() && SixBits(text[next]) >= 0) {
        i = next;
        line = 0;
      }
    }
    if (SixBits(text[i]) < 0) break;
    places.push_back(i);
    ++line;
    bits = ((bits << 6) | SixBits(text[i])) & 0xFFFF;
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
    characters.push_back({bytes.substr(at, decoded.length), places[8 * at / 6],
                          places[(8 * end + 5) / 6 - 1] + 1, (8 * end + 5) / 6});
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
    for (size_t letters = base64.back().letters;
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
