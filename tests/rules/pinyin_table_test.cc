#include "rules/pinyin_table.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/unistr.h>

#include "rules/fold_table.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

std::vector<std::string> ReadingsOf(char32_t c) {
  std::vector<std::string> readings;
  for (const Syllable syllable : Readings(c)) readings.emplace_back(Spelling(syllable));
  return readings;
}

TEST(PinyinTableTest, KnowsEveryReading) {
  using testing::ElementsAre;
  using testing::UnorderedElementsAre;
  EXPECT_THAT(ReadingsOf(U'重'), UnorderedElementsAre("zhong", "chong"));
  EXPECT_THAT(ReadingsOf(U'长'), UnorderedElementsAre("chang", "zhang"));
  EXPECT_THAT(ReadingsOf(U'行'), testing::IsSupersetOf({"xing", "hang"}));
  EXPECT_THAT(ReadingsOf(U'乐'), testing::IsSupersetOf({"le", "yue"}));
  EXPECT_THAT(ReadingsOf(U'和'), testing::IsSupersetOf({"he", "huo", "hu"}));
  EXPECT_THAT(ReadingsOf(U'绿'), UnorderedElementsAre("lv", "lu"));
  EXPECT_THAT(ReadingsOf(U'薄'), UnorderedElementsAre("bo", "bao"));
  EXPECT_THAT(ReadingsOf(U'调'), UnorderedElementsAre("diao", "tiao"));
  EXPECT_THAT(ReadingsOf(U'女'), testing::Contains("nv"));
  EXPECT_THAT(ReadingsOf(U'嗯'), testing::Contains("en"));
  EXPECT_THAT(ReadingsOf(U'〇'), ElementsAre("ling"));
  EXPECT_THAT(ReadingsOf(U'\U00020164'), ElementsAre("xi"));
  EXPECT_THAT(ReadingsOf(U'a'), ElementsAre());
  EXPECT_THAT(ReadingsOf(U'。'), ElementsAre());
}

// The first readings against an independent source. They differ where dictionaries do.
TEST(PinyinTableTest, FirstReadingsAgreeWithIcu) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::Transliterator> latin(
      icu::Transliterator::createInstance("Han-Latin", UTRANS_FORWARD, error));
  ASSERT_TRUE(U_SUCCESS(error));
  int characters = 0;
  int without = 0;
  int differ = 0;
  for (char32_t c = 0x4E00; c <= 0x9FA5; ++c, ++characters) {
    if (Readings(c).empty()) {
      ++without;
      continue;
    }
    icu::UnicodeString text(static_cast<UChar32>(c));
    latin->transliterate(text);
    const icu::UnicodeString parts =
        icu::Normalizer2::getNFDInstance(error)->normalize(text, error);
    std::string plain;
    for (int32_t i = 0; i < parts.length(); ++i) {
      if (parts[i] == 0x308) plain.back() = 'v';
      if (parts[i] < 0x80) plain += static_cast<char>(parts[i]);
    }
    if (plain != Spelling(Readings(c).front())) ++differ;
  }
  std::cout << characters << " characters, " << without << " without a reading, " << differ
            << " differ from ICU\n";
  EXPECT_LT(without, characters / 100);
  EXPECT_LT(differ, characters / 100);
}

TEST(PinyinTableTest, SyllablesAreThoseOfInputMethods) {
  EXPECT_GE(SyllableCount(), 400U);
  EXPECT_LE(SyllableCount(), 430U);
  for (size_t i = 0; i < SyllableCount(); ++i) {
    const auto syllable = static_cast<Syllable>(i);
    EXPECT_EQ(SyllableFromLetters(Spelling(syllable)), syllable) << Spelling(syllable);
    EXPECT_THAT(std::string(Spelling(syllable)), testing::ContainsRegex("[aeiouv]"));
  }
  const std::pair<std::string_view, std::string_view> same[] = {{"lue", "lve"}, {"nue", "nve"},
                                                                {"jv", "ju"},   {"qvan", "quan"},
                                                                {"xve", "xue"}, {"yvn", "yun"}};
  for (const auto& [written, spelling] : same) {
    ASSERT_TRUE(SyllableFromLetters(written).has_value()) << written;
    EXPECT_EQ(Spelling(*SyllableFromLetters(written)), spelling);
  }
  EXPECT_NE(SyllableFromLetters("lu"), SyllableFromLetters("lv"));
  for (const std::string_view none : {"", "x", "zh", "xianx", "ng", "iang", "A", "lv4", "hello"}) {
    EXPECT_FALSE(SyllableFromLetters(none).has_value()) << none;
  }
}

TEST(PinyinTableTest, WhoSharesAReadingSoundsAlike) {
  std::vector<std::vector<char32_t>> heard(SyllableCount());
  for (char32_t c = 0; c < 0x33000; ++c) {
    for (const Syllable syllable : Readings(c)) heard[syllable].push_back(c);
  }
  for (char32_t c = 0x4E00; c <= 0x9FA5; c += 7) {
    for (const Syllable syllable : Readings(c)) {
      for (const char32_t other : heard[syllable]) {
        ASSERT_TRUE(ShareReading(c, other) && ShareReading(other, c));
      }
    }
  }
  EXPECT_FALSE(ShareReading(U'赌', U'场'));
  EXPECT_TRUE(ShareReading(U'长', U'常') && ShareReading(U'长', U'掌'));
  EXPECT_FALSE(ShareReading(U'常', U'掌'));
}

TEST(PinyinTableTest, LettersMatchHoweverUmlautsAreTyped) {
  EXPECT_TRUE(LetterMatches('v', 'l', U'u'));
  EXPECT_TRUE(LetterMatches('v', 'l', U'v'));
  EXPECT_TRUE(LetterMatches('u', 'q', U'v'));
  EXPECT_FALSE(LetterMatches('u', 'l', U'v'));
  EXPECT_FALSE(LetterMatches('a', 'x', U'e'));
}

TEST(PinyinTableTest, SyllablesAtAreThoseThatLettersBeginWith) {
  const auto at = [](std::string_view letters) {
    std::vector<std::string> syllables;
    SyllablesAt(letters, [&](size_t length, Syllable syllable) {
      EXPECT_LE(length, letters.size());
      syllables.emplace_back(Spelling(syllable));
    });
    return syllables;
  };
  EXPECT_THAT(at("xian"), testing::ElementsAre("xi", "xia", "xian"));
  EXPECT_THAT(at("nu"), testing::UnorderedElementsAre("nu", "nv"));
  EXPECT_THAT(at("qvna"), testing::Contains("qu"));
  EXPECT_THAT(at("hr"), testing::IsEmpty());
  EXPECT_THAT(at(""), testing::IsEmpty());
}

// Whether letters can be parted into syllables, tried from the front.
bool ArePartable(std::string_view letters) {
  if (letters.empty()) return true;
  for (size_t length = 1; length <= std::min<size_t>(6, letters.size()); ++length) {
    if (SyllableFromLetters(letters.substr(0, length)).has_value() &&
        ArePartable(letters.substr(length))) {
      return true;
    }
  }
  return false;
}

TEST(PinyinTableTest, RunsAgreeWithEveryWayToPartLetters) {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 5000; ++round) {
    std::string letters;
    const size_t count = random() % 5;
    for (size_t i = 0; i < count; ++i)
      letters += Spelling(static_cast<Syllable>(random() % SyllableCount()));
    if (random() % 3 == 0 && !letters.empty())
      letters[random() % letters.size()] = static_cast<char>('a' + random() % 26);
    SyllableRun run;
    for (size_t i = 0; i <= letters.size(); ++i) {
      const bool whole = ArePartable(std::string_view(letters).substr(0, i));
      ASSERT_EQ(run.complete(), whole) << letters.substr(0, i);
      if (whole) {
        ASSERT_TRUE(run.possible());
      }
      if (i < letters.size()) run.Append(letters[i]);
    }
  }
  SyllableRun run;
  run.Append('x');
  EXPECT_FALSE(run.complete());
  EXPECT_TRUE(run.possible());
  run.Append('x');
  EXPECT_FALSE(run.possible());
}

}  // namespace
}  // namespace weir::rules
