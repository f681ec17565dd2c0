#include "audit/words.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/code_points.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

TEST(WordsTest, FoldingMakesOneOfWhatReadsAsOne) {
  EXPECT_EQ(FoldWords("Weir ＷＥＩＲ　Ａ１"), "weir weir a1");
  EXPECT_EQ(FoldWords("ÀÉÞ ŠŹŸ Ǆ"), "àéþ šźÿ Ǆ");
  EXPECT_EQ(FoldWords("ΣΊΣΥΦΟΣ ς ЁЖИК"), "σΊσυφοσ σ ёжик");
  EXPECT_EQ(FoldWords("×÷ß İıĸŉ"), "×÷ß İıĸŉ");
  EXPECT_EQ(FoldWords("围堰，抽水"), "围堰,抽水");
  EXPECT_EQ(FoldWords("a\xFFz\xE5\x9B"), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(WordsTest, EscapesOfJsonAreUndone) {
  EXPECT_EQ(FoldContent(R"( {"t":"\u56f4\u5830 \"A\" \ud83d\ude00 \/ \\n \n"})"),
            " {\"t\":\"围堰 \"a\" 😀 / \\n \n\"}");
  EXPECT_EQ(FoldContent(R"(["\ud83d \ude00 \ud83d\u0041"])"),
            "[\"\xEF\xBF\xBD \xEF\xBF\xBD "
            "\xEF\xBF\xBD"
            "a\"]");
  EXPECT_EQ(FoldContent(R"({"\u00g0 \x \)"), R"({"\u00g0 \x \)");
  EXPECT_EQ(FoldContent(R"(C:\new \u0041)"), R"(c:\new \u0041)") << "no JSON";
  EXPECT_EQ(FoldContent(""), "");
}

// Whatever stands in a text has all its grams among the text's.
TEST(WordsTest, AGramThatIsMissingProvesThatTheWordsAre) {
  std::mt19937_64 random(Seed());
  const std::u32string letters = U"ab1 围堰抽水，é😀";
  for (int i = 0; i < 20'000; ++i) {
    std::u32string text;
    for (uint64_t n = random() % 40; n > 0; --n) text += letters[random() % letters.size()];
    const std::vector<Gram> grams = GramsOf(Utf8(text));
    ASSERT_TRUE(std::is_sorted(grams.begin(), grams.end()));
    const size_t begin = random() % (text.size() + 1);
    const std::u32string words = text.substr(begin, random() % 8);
    const std::vector<Gram> wanted = GramsToFind(Utf8(words));
    ASSERT_EQ(wanted.empty(), words.empty());
    ASSERT_TRUE(std::includes(grams.begin(), grams.end(), wanted.begin(), wanted.end()))
        << Utf8(text) << " / " << Utf8(words);
  }
}

TEST(WordsTest, FewGramsAreLookedFor) {
  EXPECT_EQ(GramsToFind("堰").size(), 1);
  EXPECT_EQ(GramsToFind("围堰抽水").size(), 3);
  EXPECT_EQ(GramsToFind("weir").size(), 2);
  EXPECT_EQ(GramsToFind("ai").size(), 1);
  EXPECT_EQ(GramsToFind("围weir堰").size(), 4);
}

}  // namespace
}  // namespace weir::audit
