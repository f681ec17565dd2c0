// The words in front of a number or a name that say what it is, where it alone proves nothing:
// 护照 before E12345678, 微信号： before abc_12345.
//
// They are looked for as the skeleton lane sees the text: width, case, traditional characters,
// look-alike letters, and separators or invisible characters inside them make no difference. Only
// what stands in front counts, so nothing is held back to see what follows.
//
// Pure functions, thread-safe.
#pragma once

#include <cstdint>

#include "rules/fold_cursor.h"

namespace weir::rules {

enum class Context : uint8_t {
  kNone,
  // Within kContextCharacters before the number.
  kIdCard,
  kPassport,
  kHkMacauPermit,
  kTaiwanPermit,
  kResidencePermit,
  kMilitaryId,
  kPhone,
  kDevice,
  kIpAddress,
  kVersion,  // and no word of kIpAddress nearer
  // Right before it, with nothing between but such as 号, 是, 我的 and separators.
  kWechat,
  kQq,
  kSecret,
  // The same, but between stands only what leads from a name to its value: 约, 为, a colon, quotes.
  kOtherNumber,  // an amount, a count, the number of an order, a product or a picture
  kProduct,      // has versions of four numbers
};

// Visible characters between the end of the word and the number.
inline constexpr int kContextCharacters = 20;

enum class ContextFound : uint8_t { kNo, kYes, kLabel };  // kLabel: with 号, ID or a colon

// What stands in front of byte `at`, a boundary between characters.
ContextFound FindContext(const OriginalText& text, uint64_t at, Context context);

}  // namespace weir::rules
