#include "rules/word.h"

#include <algorithm>

#include "rules/concat.h"
#include "rules/fold_cursor.h"
#include "rules/fold_table.h"

namespace weir::rules {
namespace {

// `written` as its reading shows it, separators included, as code points; kInvalidByte where it is
// not UTF-8.
std::u32string Read(std::string_view written, Reading reading) {
  std::u32string characters;
  FoldCursor cursor({written, 0, /*final=*/true, reading}, 0);
  FoldUnit unit;
  while (cursor.Next(unit)) {
    if (unit.kind == FoldUnit::Kind::kNothing) continue;
    characters.push_back(unit.kind == FoldUnit::Kind::kInvalid ? kInvalidByte : unit.c);
  }
  return characters;
}

bool IsSeparator(char32_t c) {
  return LookUpFold(c).separator();
}

absl::Status Refuse(std::string_view written, std::string_view why) {
  return absl::InvalidArgumentError(Concat("the word \"", written, "\" ", why));
}

}  // namespace

Edge EdgeOf(char32_t c) {
  if (c >= 'a' && c <= 'z') return Edge::kLetter;
  if (c >= '0' && c <= '9') return Edge::kDigit;
  // Greek, Cyrillic, Armenian and what Latin has beyond ASCII: here stand marks and letters only.
  if (c >= 0xC0 && c < 0x590 && !IsSeparator(c)) return Edge::kLetter;
  return Edge::kOpen;
}

bool Word::HasDigit() const {
  return std::any_of(runs.begin(), runs.end(),
                     [](const Run& run) { return EdgeOf(run.c) == Edge::kDigit; });
}

bool Word::HasLeetForm() const {
  return characters.size() >= kLeetCharactersMin && !HasDigit() &&
         std::any_of(runs.begin(), runs.end(),
                     [](const Run& run) { return rules::HasLeetForm(run.c); });
}

absl::StatusOr<Word> Word::Parse(std::string_view written, LaneSet lanes, Reading reading) {
  Word word;
  word.exact = std::string(written);
  word.lanes = lanes;
  const std::u32string folded = Read(written, reading);
  if (folded.find(kInvalidByte) != std::u32string::npos) {
    return absl::InvalidArgumentError("a word is not valid UTF-8; save the file as UTF-8");
  }
  for (const char32_t c : folded) {
    AppendUtf8(c, word.fold);
    if (IsSeparator(c)) continue;
    word.characters += c;
    if (!word.runs.empty() && word.runs.back().c == c && EdgeOf(c) != Edge::kDigit) {
      ++word.runs.back().count;
    } else {
      word.runs.push_back({c, 1});
      AppendUtf8(c, word.skeleton);
    }
  }
  if (word.runs.empty()) {
    return Refuse(written,
                  "has only spaces, punctuation, symbols or invisible characters, which "
                  "lanes remove; use a regex");
  }
  if (IsSeparator(folded.front()) || IsSeparator(folded.back())) {
    return Refuse(written,
                  "begins or ends with a space or a symbol, which lanes remove; leave it "
                  "out or use a regex");
  }
  if (word.characters.size() > kWordCharactersMax || folded.size() > 2 * kWordCharactersMax) {
    return Refuse(written, Concat("is longer than ", kWordCharactersMax, " characters"));
  }
  for (const Run& run : word.runs) {
    if (run.count > kWordRunMax) {
      return Refuse(written, Concat("repeats one character more than ", kWordRunMax, " times"));
    }
  }
  word.left = EdgeOf(word.runs.front().c);
  word.right = EdgeOf(word.runs.back().c);
  return word;
}

}  // namespace weir::rules
