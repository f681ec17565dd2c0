// What the slow path of the detectors asks of a text: the characters that a reader sees, which
// words stand in front of one of them, and whether bytes are what an expression says.
//
// One thread at a time: compiled expressions are kept for the next call.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/text_cursor.h"

namespace weir::rules {

struct SeenCharacter {
  Glyph glyph;
  bool after_unseen;  // something that cannot be seen stands before it
  size_t number;      // of all characters, those that cannot be seen too
};
using SeenText = std::vector<SeenCharacter>;
SeenText SeenTextOf(std::string_view text);

// Nothing further in front of a match is looked at, counted in characters, unseen ones too.
inline constexpr size_t kLookBack = 66;

// As they fold, without separators.
using WordList = std::vector<std::u32string>;

// Whether one of the words ends at most 20 characters before the one at `at`.
bool HasWordNear(const SeenText& text, size_t at, const WordList& words);

// Whether one of the words stands right before the character at `at`, nothing between but
// separators and what leads from a word to its value (号, 是, 我的 ...). kLabel: and what stands
// between says that a value follows (a colon, 号, id).
enum class InFront { kNothing, kWord, kLabel };
InFront WordRightBefore(const SeenText& text, size_t at, const WordList& words);

// Whether one of the words stands right before the character at `at`, nothing between but what
// leads from a name to its value: blanks, brackets, quotes, a colon, at most three of 号, 是, 约
// ...
bool NameOfValueBefore(const SeenText& text, size_t at, const WordList& words);

// The place of the nearest of the words that end at most 20 characters before the one at `at`.
std::optional<size_t> NearestWord(const SeenText& text, size_t at, const WordList& words);

// 'A' to 'Z' as small letters.
char LowerAscii(char c);

// Whether `text` as a whole, byte by byte, is what the RE2 expression `pattern` says.
bool Fully(const std::string& pattern, std::string_view text);

// How many bytes of `text` the longest match from its first byte has, a dot standing for a line
// break too; 0: none.
size_t LongestPrefix(const std::string& pattern, std::string_view text);

}  // namespace weir::rules
