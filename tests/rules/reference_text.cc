#include "tests/rules/reference_text.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <re2/re2.h>

namespace weir::rules {
namespace {

// As a word has it: ➕ is 加.
char32_t Read(const SeenCharacter& seen) {
  return seen.glyph.folded == 0x2795 ? U'加' : seen.glyph.folded;
}
bool Parts(const SeenCharacter& seen) {
  return seen.glyph.separator && seen.glyph.folded != 0x2795;
}

bool IsLatin(char32_t c) {
  return c >= 'a' && c <= 'z';
}

// Whether a word of the list ends with the character at `last`, separators inside it or not. A
// Latin one must be no part of a longer run of letters before `end`. `first` receives where it
// begins.
bool WordEndsAt(const SeenText& text, size_t last, size_t end, const WordList& words,
                size_t& first) {
  return std::any_of(words.begin(), words.end(), [&](const std::u32string& word) {
    size_t at = last + 1;
    for (auto c = word.rbegin(); c != word.rend(); ++c) {
      do {
        if (at == 0) return false;
        --at;
      } while (Parts(text[at]));
      if (Read(text[at]) != *c || text[at].number + kLookBack < text[end].number) {
        return false;
      }
    }
    first = at;
    if (IsLatin(word.front()) && at > 0 && IsLatin(text[at - 1].glyph.folded)) return false;
    return !(IsLatin(word.back()) && last + 1 < end && IsLatin(text[last + 1].glyph.folded));
  });
}

// `longest`: matches are the longest there are, and a dot stands for a line break too.
const RE2& Compiled(const std::string& pattern, bool longest) {
  static auto& cache = *new std::map<std::pair<std::string, bool>, std::unique_ptr<RE2>>;
  std::unique_ptr<RE2>& compiled = cache[{pattern, longest}];
  if (compiled == nullptr) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_longest_match(longest);
    options.set_dot_nl(longest);
    compiled = std::make_unique<RE2>(pattern, options);
  }
  return *compiled;
}

re2::StringPiece Piece(std::string_view text) {
  return re2::StringPiece(text.data(), text.size());
}

}  // namespace

SeenText SeenTextOf(std::string_view text) {
  SeenText characters;
  TextCursor cursor({text, 0, true}, 0);
  bool unseen = false;
  size_t number = 0;
  for (Glyph glyph; cursor.Next(glyph); ++number) {
    if (!glyph.vanishes) characters.push_back({glyph, unseen, number});
    unseen = glyph.vanishes;
  }
  return characters;
}

std::optional<size_t> NearestWord(const SeenText& text, size_t at, const WordList& words) {
  for (size_t last = at; last-- > 0 && at - last - 1 <= 20;) {
    size_t first = 0;
    if (!Parts(text[last]) && WordEndsAt(text, last, at, words, first)) return last;
  }
  return std::nullopt;
}

bool HasWordNear(const SeenText& text, size_t at, const WordList& words) {
  return NearestWord(text, at, words).has_value();
}

bool NameOfValueBefore(const SeenText& text, size_t at, const WordList& words) {
  size_t here = at;  // what stands before is looked at
  for (int fillers = 0; fillers <= 3; ++fillers) {
    int between = 0;
    for (; here > 0 && Parts(text[here - 1]); --here, ++between) {
      const char32_t c = text[here - 1].glyph.folded;
      if (std::u32string_view(U" \t:=\"'#()[]<>_-/*“”‘’【】「」¥$€£").find(c) ==
          std::u32string::npos) {
        return false;
      }
    }
    if (here == 0 || between > 6) return false;
    size_t first = 0;
    if (WordEndsAt(text, here - 1, at, words, first)) return true;
    if (std::u32string_view(U"号码数量额为是约达共近超有").find(Read(text[here - 1])) ==
        std::u32string::npos) {
      return false;
    }
    --here;
  }
  return false;
}

// A word, and behind it at most eight of 号, 是, 我的 ... and six separators in a row.
InFront WordRightBefore(const SeenText& text, size_t at, const WordList& words) {
  bool label = false;
  size_t here = at;  // what stands before is looked at
  for (int fillers = 0; fillers <= 8; ++fillers) {
    int separators = 0;
    while (here > 0 && Parts(text[here - 1])) {
      --here;
      ++separators;
      label = label || text[here].glyph.ascii == ':';
    }
    if (here == 0 || separators > 6) return InFront::kNothing;
    size_t first = 0;
    const size_t last = here - 1;
    if (WordEndsAt(text, last, at, words, first)) return label ? InFront::kLabel : InFront::kWord;
    if (WordEndsAt(text, last, at, {U"id"}, first)) {
      label = true;
      here = first;
      continue;
    }
    const char32_t c = Read(text[last]);
    const bool of_label = std::u32string_view(U"号码账帐户").find(c) != std::u32string::npos;
    if (!of_label && std::u32string_view(U"是为我的加群搜请联系方式添好友也叫同").find(c) ==
                         std::u32string::npos) {
      return InFront::kNothing;
    }
    label = label || of_label;
    here = last;
  }
  return InFront::kNothing;
}

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool Fully(const std::string& pattern, std::string_view text) {
  return RE2::FullMatch(Piece(text), Compiled(pattern, /*longest=*/false));
}

size_t LongestPrefix(const std::string& pattern, std::string_view text) {
  re2::StringPiece match;
  const bool matches = Compiled(pattern, /*longest=*/true)
                           .Match(Piece(text), 0, text.size(), RE2::ANCHOR_START, &match, 1);
  return matches ? match.size() : 0;
}

}  // namespace weir::rules
