#include "rules/numeral_table.h"

#include <string>

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include "rules/fold_table.h"

namespace weir::rules {
namespace {

// The digits lane of `text`, as a scanner builds it.
std::string DigitsLane(std::u32string_view text) {
  std::string lane;
  for (const char32_t c : text) {
    const Numeral numeral = LookUpNumeral(c);
    if (numeral.kind == NumeralKind::kDigits) lane += numeral.digits();
    if (numeral.kind == NumeralKind::kPlace) lane += '*';
    if (numeral.kind == NumeralKind::kOther) lane += '.';
  }
  return lane;
}

struct Case {
  std::u32string text;
  std::string lane;
};

TEST(NumeralTableTest, OneNumberInEveryDress) {
  const std::u32string dresses[] = {
      U"13800138000",
      U"１３８００１３８０００",
      U"一三八零零一三八零零零",
      U"一三八〇〇一三八○○○",
      U"壹叁捌零零壹叁捌零零零",
      U"壹叄捌零零壹叁捌零零零",
      U"幺三八零零幺三八零零零",
      U"①③⑧⓪⓪①③⑧⓪⓪⓪",
      U"❶❸❽⓿⓿❶❸❽⓿⓿⓿",
      U"⑴⑶⑻00⑴⑶⑻000",
      U"⒈⒊⒏🄀🄀⒈⒊⒏🄀🄀🄀",
      U"¹³⁸⁰⁰¹³⁸⁰⁰⁰",
      U"₁₃₈₀₀₁₃₈₀₀₀",
      U"1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣",
      U"𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
      U"𝟙𝟛𝟠𝟘𝟘𝟙𝟛𝟠𝟘𝟘𝟘",
      U"١٣٨٠٠١٣٨٠٠٠",
      U"㈠㈢㈧〇〇㊀㊂㊇〇〇〇",
      U"〡〣〨〇〇〡〣〨〇〇〇",
      U"ⅠⅢⅧ00ⅰⅲⅷ000",
      U"138 0013-8000",
      U"(138)0013.8000",
      U"1-3-8-0-0-1-3-8-0-0-0",
      U"１３８—００１３—８０００",
      U"1\u200B3\u200D8\u00AD00138000",
      U"138😀0013😀8000",
      U"138，0013、8000",
      U"138【0013】8000",
      U"1三⑧0〇壹3捌０零0",
  };
  for (const std::u32string& dress : dresses) {
    EXPECT_EQ(DigitsLane(dress), "13800138000") << testing::PrintToString(dress);
  }
}

TEST(NumeralTableTest, PlacesAndOthersStandForThemselves) {
  const Case cases[] = {
      {U"二十", "2*"},
      {U"一百三十八", "1*3*8"},
      {U"两万", "2*"},
      {U"⑩⑪㉑㊿", "10112150"},
      {U"🔟", "10"},
      {U"Ⅻ", "12"},
      {U"㈩", "*"},
      {U"lO", ".."},
      {U"电话138号", "..138."},
      {U"廿四", "*4"},
      {U"拾伍", "*5"},
      {U"x", "."},
      {U"么衣", ".."},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(DigitsLane(test.text), test.lane) << testing::PrintToString(test.text);
  }
}

TEST(NumeralTableTest, KnowsEveryDecimalDigitOfUnicode) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const int32_t digit = u_charDigitValue(static_cast<UChar32>(c));
    // ICU counts some Han numerals too; those are in the tables above.
    if (u_charType(static_cast<UChar32>(c)) != U_DECIMAL_DIGIT_NUMBER) continue;
    ASSERT_EQ(LookUpNumeral(c), (Numeral{NumeralKind::kDigits, static_cast<uint8_t>(digit)}))
        << static_cast<uint32_t>(c);
  }
}

// Every number that a compatibility mapping of Unicode spells in ASCII digits is that number here.
TEST(NumeralTableTest, AgreesWithNumericValues) {
  int agreed = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    const Numeral numeral = LookUpNumeral(c);
    if (numeral.kind != NumeralKind::kDigits) continue;
    const double value = u_getNumericValue(static_cast<UChar32>(c));
    if (value == U_NO_NUMERIC_VALUE) continue;  // ○, 🔟, 幺 in some versions
    ASSERT_EQ(value, numeral.value) << std::hex << static_cast<uint32_t>(c);
    ++agreed;
  }
  EXPECT_GT(agreed, 900);
}

// Simplified and traditional, narrow and wide forms are one number, so the lane may look up what
// the fold lane left or what was written. Roman numerals, 🔟 and 〡 are the exceptions: the fold
// lane makes letters of the first, keeps the second and takes the third for a stroke.
TEST(NumeralTableTest, FoldingKeepsTheNumber) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const Numeral numeral = LookUpNumeral(c);
    if (numeral.kind == NumeralKind::kNothing || numeral.kind == NumeralKind::kSeparator) continue;
    if ((c >= 0x2160 && c <= 0x217F) || c == 0x1F51F || c == 0x3021) continue;
    const FoldEntry fold = LookUpFold(c);
    std::u32string folded(1, c);
    if (fold.kind() == FoldEntry::Kind::kNothing) continue;
    if (fold.kind() == FoldEntry::Kind::kOne) folded[0] = fold.value();
    if (fold.kind() == FoldEntry::Kind::kMany) {
      const auto parts = FoldExpansion(fold);
      folded.assign(parts.begin(), parts.end());
    }
    if (numeral.kind == NumeralKind::kDigits) {
      ASSERT_EQ(DigitsLane(folded), numeral.digits()) << std::hex << static_cast<uint32_t>(c);
    }
    if (folded.size() == 1 && LookUpNumeral(folded[0]).kind == NumeralKind::kDigits) {
      ASSERT_EQ(numeral.kind, NumeralKind::kDigits) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

// What looks like a separator must not be a letter or a number: a number's neighbours end it.
// Letters that are drawn as a mark (丶) are none to the fold lane either.
TEST(NumeralTableTest, SeparatorsAreNoLetters) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (LookUpNumeral(c).kind != NumeralKind::kSeparator) continue;
    const auto code_point = static_cast<UChar32>(c);
    ASSERT_FALSE(u_isalpha(code_point) && u_charType(code_point) != U_MODIFIER_LETTER &&
                 !LookUpFold(c).separator())
        << std::hex << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace weir::rules
