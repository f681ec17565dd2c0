// How people disguise a word so that a filter does not see it and a reader does: the generator that
// the recall of the lanes is measured with.
//
//   Evader evader(seed);
//   if (auto disguised = evader.Disguise(Family::kHomophone, "线上赌场")) {   // 线尚赌厂
//     const Hidden hidden = evader.Embed(*disguised);   // in an ordinary sentence
//   }
//
// Nothing here comes from the tables of the engine that is measured. Traditional forms are OpenCC's
// phrases and ICU's; width, compatibility forms and mathematical letters follow from NFKC;
// homophones and readings are kHanyuPinlu of Unihan, weighted by how often a character is used, and
// ICU's Han-Latin; emoji are Unicode's list; look-alike letters, splits and look-alike characters
// are lists of our own in tests/rules/evasion, written without looking at rules/.
//
// The same seed gives the same disguises. Not thread-safe. Needs the files of Debian's
// unicode-data and libopencc-data, as building does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace weir::rules {

enum class Family : uint8_t {
  // Undone by fold.
  kWidth,
  kCase,
  kTraditional,
  kCompatibility,
  kZeroWidth,
  kMarks,
  kLookAlikeLatin,
  kEnclosed,
  // Undone by skeleton.
  kSeparators,
  kEmoji,
  kRepeated,
  kTwoOrThree,  // of all the above, one upon the other
  // Undone by pinyin.
  kHomophone,
  kPinyin,
  kMixedPinyin,
  kPinyinAndMore,  // one of these, and one of those undone by fold or skeleton
  // Undone by digits.
  kNumerals,
  kNumeralsAndMore,
  // Undone by shape.
  kSplit,
  kLookAlikeHan,
  kLeet,
  kShapeAndMore,
  // Undone by decoded.
  kBase64,
  kPercent,
  kEntities,
  kEscapes,
  kDecodedAndMore,
};

struct FamilyTraits {
  Family family;
  std::string_view name;     // "look-alike Latin"
  std::string_view example;  // what it makes, for readers
  Lane lane;                 // the finest lane that undoes it
  double recall_min;         // the goal: found, of all texts of this family
};
std::span<const FamilyTraits> Families();

// A text with something disguised at [start, end).
struct Hidden {
  std::string text;
  size_t start = 0;
  size_t end = 0;
};

class Evader {
 public:
  explicit Evader(uint64_t seed);
  ~Evader();

  // Null where the family has nothing to change in the word: Han has no case.
  std::optional<std::string> Disguise(Family family, std::string_view word);

  // Numbers that a detector finds: valid mobile numbers and ID cards, drawn anew at each call.
  std::string MobileNumber();
  std::string IdCard();

  Hidden Embed(std::string_view disguised);

  size_t Below(size_t limit);

 private:
  class Hand;
  std::unique_ptr<Hand> hand_;
};

}  // namespace weir::rules
