#include "rules/ordinary_words.h"

#include <string_view>

#include <gtest/gtest.h>

namespace weir::rules {
namespace {

TEST(OrdinaryWordsTest, WordsAreWords) {
  for (const std::u32string_view word : {U"人性", U"产品", U"这个", U"时间", U"大学", U"风险"}) {
    EXPECT_TRUE(IsOrdinaryWord(word[0], word[1])) << testing::PrintToString(word);
  }
}

TEST(OrdinaryWordsTest, OtherCharactersSideBySideAreNot) {
  for (const std::u32string_view pair : {U"睹场", U"上赌", U"品产", U"ab", U"1场", U"人𠀀"}) {
    EXPECT_FALSE(IsOrdinaryWord(pair[0], pair[1])) << testing::PrintToString(pair);
  }
  EXPECT_FALSE(IsOrdinaryWord(0, U'人'));
  EXPECT_FALSE(IsOrdinaryWord(U'人', 0));
}

// The lane is in simplified characters: words in others would never be asked about.
TEST(OrdinaryWordsTest, WordsAreSimplified) {
  EXPECT_TRUE(IsOrdinaryWord(U'电', U'话'));
  EXPECT_FALSE(IsOrdinaryWord(U'電', U'話'));
}

TEST(OrdinaryWordsTest, FrequentCharactersStandAnywhere) {
  for (const char32_t c : std::u32string_view(U"的一是不了在有人这")) {
    EXPECT_TRUE(IsFrequentCharacter(c)) << static_cast<uint32_t>(c);
    EXPECT_TRUE(IsMostFrequentCharacter(c)) << static_cast<uint32_t>(c);
  }
  EXPECT_TRUE(IsFrequentCharacter(U'场'));
  EXPECT_FALSE(IsMostFrequentCharacter(U'场'));
  for (const char32_t c : std::u32string_view(U"赌睹搏槽a1。")) {
    EXPECT_FALSE(IsMostFrequentCharacter(c)) << static_cast<uint32_t>(c);
    EXPECT_FALSE(IsFrequentCharacter(c)) << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace weir::rules
