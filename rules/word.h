// A word of a rule, in the shape that the lanes compare it in.
//
// A word is a sequence of runs: 天天彩票 is 天 twice, 彩 and 票. The skeleton lane looks for the
// runs' characters, each once, and then counts: a text matches when it repeats each character at
// least as often as the word does, so 天天天彩彩票 matches and 天彩票 does not. Digits are never
// collapsed.
//
// A word that begins or ends with a letter (ASCII digit) must not be continued there by another
// letter (digit) of the text: "ass" is not found in "class". Letters are those of the alphabets
// that share forms with Latin, or bet, which is вет to the eye, would be found in every ветл.
// Repeats of the edge's own character do not count as a continuation in the skeleton lane.
//
// Values; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "rules/reading.h"
#include "rules/rule.h"

namespace weir::rules {

inline constexpr size_t kWordCharactersMax = 64;
inline constexpr uint32_t kWordRunMax = 16;

// What may not continue a word at its edge.
enum class Edge : uint8_t { kOpen, kLetter, kDigit };
Edge EdgeOf(char32_t c);

struct Word {
  struct Run {
    char32_t c = 0;
    uint32_t count = 0;
  };

  std::string exact;     // as written
  std::string fold;      // its fold lane, separators included
  std::string skeleton;  // the characters of `runs`
  std::vector<Run> runs;
  std::u32string characters;  // those of `runs`, each as often as it stands there
  LaneSet lanes = 0;
  Edge left = Edge::kOpen;
  Edge right = Edge::kOpen;

  bool HasDigit() const;
  // Whether the word, read as it folds, is worth looking for in leet: words of two characters and
  // those with digits of their own are not.
  bool HasLeetForm() const;

  // A word that no text could match, or that begins or ends with a separator, is an error; the
  // message is written for the pack's author.
  static absl::StatusOr<Word> Parse(std::string_view written, LaneSet lanes,
                                    Reading reading = Reading::kFold);
};

}  // namespace weir::rules
