#include "audit/words.h"

#include <algorithm>

namespace weir::audit {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr int kGramBits = 21;

void AppendUtf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Takes one character off `text`, which is not empty. A byte that begins none is U+FFFD.
char32_t TakeCharacter(std::string_view& text) {
  const auto byte = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  bool whole = length > 0 && length <= text.size();
  char32_t c = length <= 1 ? first : first & (0xFFU >> (length + 1));
  for (size_t i = 1; whole && i < length; ++i) {
    whole = (byte(i) & 0xC0U) == 0x80;
    c = (c << 6) | (byte(i) & 0x3FU);
  }
  whole = whole && c >= kLeast[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
  text.remove_prefix(whole ? length : 1);
  return whole ? c : kReplacement;
}

char32_t Fold(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c >= 0x100 && c <= 0x17E) {
    if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149) return c;
    if (c == 0x178) return 0xFF;
    const bool odd_is_capital = (c >= 0x139 && c <= 0x148) || c >= 0x179;
    return (c % 2 == 1) == odd_is_capital ? c + 1 : c;
  }
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 32;
  if (c == 0x3C2) return 0x3C3;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  return c == 0x3000 ? ' ' : c;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The value of "\uXXXX" at the beginning of `text`; -1 when there is none.
int32_t HexEscape(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return -1;
  int32_t value = 0;
  for (size_t i = 2; i < 6; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Takes one character, or what a JSON escape stands for.
char32_t TakeUnescaped(std::string_view& text) {
  if (text.size() < 2 || text[0] != '\\') return TakeCharacter(text);
  if (const int32_t unit = HexEscape(text); unit >= 0) {
    text.remove_prefix(6);
    if (unit < 0xD800 || unit > 0xDFFF) return static_cast<char32_t>(unit);
    const int32_t low = HexEscape(text);
    if (unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF) return kReplacement;
    text.remove_prefix(6);
    return static_cast<char32_t>(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
  }
  constexpr std::string_view kLetters = "bfnrt\"\\/";
  constexpr std::string_view kMeanings = "\b\f\n\r\t\"\\/";
  const size_t found = kLetters.find(text[1]);
  if (found == std::string_view::npos) return TakeCharacter(text);
  text.remove_prefix(2);
  return static_cast<char32_t>(kMeanings[found]);
}

bool IsAsciiWord(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

std::u32string Characters(std::string_view folded) {
  std::u32string characters;
  characters.reserve(folded.size());
  while (!folded.empty()) characters += TakeCharacter(folded);
  return characters;
}

Gram Pack(const std::u32string& text, size_t at, size_t length) {
  Gram gram = 0;
  for (size_t i = 0; i < length; ++i) {
    gram |= static_cast<Gram>(text[at + i]) << (kGramBits * static_cast<int>(i));
  }
  return gram;
}

bool IsTriple(const std::u32string& text, size_t at) {
  return at + 2 < text.size() && IsAsciiWord(text[at]) && IsAsciiWord(text[at + 1]) &&
         IsAsciiWord(text[at + 2]);
}

void SortUnique(std::vector<Gram>& grams) {
  std::sort(grams.begin(), grams.end());
  grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
}

}  // namespace

std::string FoldWords(std::string_view words) {
  std::string folded;
  folded.reserve(words.size());
  while (!words.empty()) AppendUtf8(Fold(TakeCharacter(words)), folded);
  return folded;
}

std::string FoldContent(std::string_view content) {
  const size_t begin = content.find_first_not_of(" \t\r\n");
  const bool json =
      begin != std::string_view::npos && (content[begin] == '{' || content[begin] == '[');
  if (!json) return FoldWords(content);
  std::string folded;
  folded.reserve(content.size());
  while (!content.empty()) AppendUtf8(Fold(TakeUnescaped(content)), folded);
  return folded;
}

std::vector<Gram> GramsOf(std::string_view folded) {
  const std::u32string text = Characters(folded);
  std::vector<Gram> grams;
  grams.reserve(text.size() * 3);
  for (size_t i = 0; i < text.size(); ++i) {
    grams.push_back(Pack(text, i, 1));
    if (i + 1 < text.size()) grams.push_back(Pack(text, i, 2));
    if (IsTriple(text, i)) grams.push_back(Pack(text, i, 3));
  }
  SortUnique(grams);
  return grams;
}

std::vector<Gram> GramsToFind(std::string_view folded) {
  const std::u32string text = Characters(folded);
  std::vector<Gram> grams;
  if (text.size() == 1) grams.push_back(Pack(text, 0, 1));
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const bool triple = IsTriple(text, i);
    // A pair inside a triple says less than the triple.
    if (triple) grams.push_back(Pack(text, i, 3));
    if (!triple && (i == 0 || !IsTriple(text, i - 1))) grams.push_back(Pack(text, i, 2));
  }
  SortUnique(grams);
  return grams;
}

}  // namespace weir::audit
