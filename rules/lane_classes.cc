#include "rules/lane_classes.h"

#include "rules/check.h"
#include "rules/fold_table.h"
#include "rules/numeral_table.h"

namespace weir::rules {
namespace {

LaneClass Classify(uint32_t c, Lane lane, Reading reading) {
  if (c < 0x800 || (c >= 0xD800 && c < 0xE000)) return LaneClass::kOther;
  const bool is_numeral =
      reading == Reading::kNumerals && LookUpNumeral(c).kind == NumeralKind::kDigits;
  const FoldEntry entry = LookUpFold(c);
  if (is_numeral || entry.kind() == FoldEntry::Kind::kMany) return LaneClass::kOther;
  const bool is_skeleton = lane == Lane::kSkeleton;
  if (entry.kind() == FoldEntry::Kind::kNothing) {
    return is_skeleton ? LaneClass::kDropped : LaneClass::kOther;
  }
  const bool same = entry.kind() == FoldEntry::Kind::kSame;
  const uint32_t folded = same ? c : entry.value();
  if (reading == Reading::kLeet && LeetLetter(folded) != 0) return LaneClass::kOther;
  if (is_skeleton && entry.separator()) return LaneClass::kDropped;
  if (folded < 0x800 || folded >= 0x10000) return LaneClass::kOther;
  return same ? LaneClass::kCopied : LaneClass::kReplaced;
}

char FoldAscii(char c, Lane lane, Reading reading) {
  char folded = c;
  if (c >= 'A' && c <= 'Z') {
    folded = static_cast<char>(c - 'A' + 'a');
  } else if (c >= '\t' && c <= '\r') {
    folded = c == '\n' ? '\n' : ' ';
  } else if (c < ' ' || c == 0x7F) {
    return 0;
  }
  const char letter = LeetLetter(static_cast<unsigned char>(folded));
  if (reading == Reading::kLeet && letter != 0) return letter;
  const bool is_kept = (folded >= 'a' && folded <= 'z') || (folded >= '0' && folded <= '9');
  return lane == Lane::kSkeleton && !is_kept ? '\0' : folded;
}

}  // namespace

LaneClasses::LaneClasses(Lane lane, Reading reading)
    : others_(lane == Lane::kSkeleton ? LaneClass::kDropped : LaneClass::kOther) {
  for (char c = 0; c < 0x7F; ++c) ascii_[static_cast<size_t>(c)] = FoldAscii(c, lane, reading);
  for (uint32_t c = 0; c < 0x10000; ++c) {
    unlike_[c] = static_cast<uint8_t>(Classify(c, lane, reading)) ^ Guess(c);
  }
  WEIR_CHECK(unlike_[kAsGuessed] == 0);
}

const LaneClasses& LaneClasses::Of(Lane lane, Reading reading) {
  static const LaneClasses fold(Lane::kFold, Reading::kFold);
  if (lane != Lane::kSkeleton) return fold;
  static const LaneClasses skeletons[] = {LaneClasses(lane, Reading::kFold),
                                          LaneClasses(lane, Reading::kNumerals),
                                          LaneClasses(lane, Reading::kLeet)};
  return skeletons[static_cast<size_t>(reading)];
}

}  // namespace weir::rules
