#include "rules/pinyin_table.h"

#include <cstdlib>
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

namespace weir::rules {
namespace {

uint64_t Seed() {
  const char* given = std::getenv("WEIR_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "WEIR_SEED=" << seed << '\n';
  return seed;
}

std::u32string Fold(std::u32string_view text) {
  std::u32string folded;
  for (const char32_t c : text) {
    const FoldEntry fold = LookUpFold(c);
    if (fold.kind() == FoldEntry::Kind::kSame) folded += c;
    if (fold.kind() == FoldEntry::Kind::kOne) folded += static_cast<char32_t>(fold.value());
    if (fold.kind() == FoldEntry::Kind::kMany) {
      for (const char32_t part : FoldExpansion(fold)) folded += part;
    }
  }
  return folded;
}

// The pinyin lane as the header describes it.
std::string PinyinLane(std::u32string_view text) {
  std::string lane;
  for (const char32_t c : Fold(text)) {
    std::string letters(LaneLetters(c));
    if (c >= 'a' && c <= 'z') letters = c == 'v' ? 'u' : static_cast<char>(c);
    for (const char letter : letters) {
      if (lane.empty() || lane.back() != letter) lane += letter;
    }
  }
  return lane;
}

std::vector<std::string> ReadingsOf(char32_t c) {
  std::vector<std::string> readings;
  for (const Syllable syllable : Readings(c)) readings.emplace_back(Spelling(syllable));
  return readings;
}

TEST(PinyinTableTest, OneLaneForEverySpelling) {
  const std::u32string spellings[] = {
      U"线上赌场",
      U"線上賭場",
      U"xianshangduchang",
      U"XianShang DuChang",
      U"xian4 shang4 du3 chang3",
      U"xiànshàngdǔchǎng",
      U"线shang赌chang",
      U"ｘｉａｎ上赌场",
      U"现尚堵厂",
      U"xian'shang'du'chang",
      U"先-shàng-渡-Chang",
  };
  for (const std::u32string& text : spellings) {
    EXPECT_EQ(PinyinLane(text), "xianshangduchang") << testing::PrintToString(text);
    EXPECT_TRUE(PinyinMatches(U"线上赌场", Fold(text))) << testing::PrintToString(text);
  }
  EXPECT_THAT(PinyinForms(U"线上赌场"), testing::Contains("xianshangduchang"));
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
  EXPECT_EQ(LaneLetters(U'女'), "nu");
  EXPECT_EQ(LaneLetters(U'重'), "zhong");
  EXPECT_EQ(LaneLetters(U'x'), "");
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

struct MatchCase {
  std::u32string word;
  std::u32string text;
  bool matches;
};

TEST(PinyinTableTest, MatchesByWholeSyllables) {
  const MatchCase cases[] = {
      {U"西安", U"先", false},
      {U"先", U"西安", false},
      {U"西安", U"xian", true},
      {U"西安", U"xi'an", true},
      {U"赌场", U"duchan", false},
      {U"赌场", U"duchangg", true},
      {U"重庆", U"chongqing", true},
      {U"重庆", U"zhongqing", true},
      {U"重庆", U"虫青", true},
      {U"重庆", U"种情", true},
      {U"仙女", U"xianu", true},
      {U"仙女", U"xiannv", true},
      {U"仙女", U"xiannu", true},
      {U"绿色", U"lvse", true},
      {U"绿色", U"luse", true},
      {U"路线", U"lvxian", false},
      {U"去哪", U"qvna", true},
      {U"约p", U"yuep", true},
      {U"约p", U"月p", true},
      {U"约p", U"yue", false},
      {U"加微信", U"jia4wei1xin4", true},
      {U"加微信", U"家 薇薇 芯", true},
      {U"赌场", U"赌", false},
      {U"赌场", U"赌场家", false},
      {U"方案", U"fangan", true},
      {U"线上赌场", U"线线尚赌厂", true},
      {U"反感", U"fangan", true},
      {U"，", U"x", false},
  };
  for (const MatchCase& test : cases) {
    EXPECT_EQ(PinyinMatches(test.word, test.text), test.matches)
        << testing::PrintToString(test.word) << ' ' << testing::PrintToString(test.text);
  }
}

TEST(PinyinTableTest, FormsAreBounded) {
  EXPECT_THAT(PinyinForms(U"，。"), testing::IsEmpty());
  EXPECT_THAT(PinyinForms(U"重庆"), testing::IsSupersetOf({"zhongqing", "chongqing"}));
  EXPECT_EQ(PinyinForms(U"重庆", 2), (std::vector<std::string>{"zhongqing", "chongqing"}));
  EXPECT_THAT(PinyinForms(U"和和和和和和和和和"), testing::SizeIs(64));
}

class Disguiser {
 public:
  template <typename Range>
  auto Pick(const Range& range) {
    return range[random_() % range.size()];
  }

  explicit Disguiser(uint64_t seed)
      : random_(seed), heard_(SyllableCount()), first_(SyllableCount()) {
    for (char32_t c = 0x4E00; c <= 0x9FA5; ++c) {
      const auto readings = Readings(c);
      // What the fold lane leaves as it is: text reaches this lane folded.
      if (readings.empty() || LookUpFold(c).kind() != FoldEntry::Kind::kSame) continue;
      characters_.push_back(c);
      first_[readings.front()].push_back(c);
      for (const Syllable syllable : readings) heard_[syllable].push_back(c);
    }
  }

  std::u32string Word() {
    std::u32string word;
    const size_t length = 2 + random_() % 4;
    for (size_t i = 0; i < length; ++i) word += Pick(characters_);
    return word;
  }

  // Homophones by their first readings, and letters.
  std::u32string Common(char32_t c) {
    const Syllable syllable = Pick(Readings(c));
    if (random_() % 2 == 0 && !first_[syllable].empty()) return {Pick(first_[syllable])};
    std::u32string letters;
    for (const char letter : Spelling(syllable)) letters += static_cast<char32_t>(letter);
    if (random_() % 2 == 0) letters += U'1' + static_cast<char32_t>(random_() % 4);
    if (random_() % 4 == 0) letters += U' ';
    return letters;
  }

  // A homophone by any of its readings.
  std::u32string Rare(char32_t c) { return {Pick(heard_[Pick(Readings(c))])}; }

  bool Flip() { return random_() % 2 == 0; }

 private:
  std::mt19937_64 random_;
  std::vector<char32_t> characters_;
  std::vector<std::vector<char32_t>> heard_;
  std::vector<std::vector<char32_t>> first_;
};

TEST(PinyinTableTest, EveryDisguiseHasAFormOfItsWord) {
  Disguiser disguiser(Seed());
  for (int round = 0; round < 3000; ++round) {
    const std::u32string word = disguiser.Word();
    std::u32string text;
    for (const char32_t c : word)
      text += disguiser.Flip() ? disguiser.Common(c) : std::u32string{c};
    const std::vector<std::string> forms = PinyinForms(word, 100000);
    ASSERT_THAT(forms, testing::Contains(PinyinLane(text)))
        << testing::PrintToString(word) << ' ' << testing::PrintToString(text);
    ASSERT_TRUE(PinyinMatches(word, text))
        << testing::PrintToString(word) << ' ' << testing::PrintToString(text);
    ASSERT_THAT(PinyinForms(word), testing::SizeIs(std::min<size_t>(forms.size(), 64)));
  }
}

TEST(PinyinTableTest, RareReadingsMatchByEar) {
  Disguiser disguiser(Seed());
  for (int round = 0; round < 3000; ++round) {
    const std::u32string word = disguiser.Word();
    std::u32string text;
    for (const char32_t c : word) text += disguiser.Rare(c);
    ASSERT_TRUE(PinyinMatches(word, text))
        << testing::PrintToString(word) << ' ' << testing::PrintToString(text);
  }
}

std::vector<std::string> Spelled(const std::vector<std::vector<Syllable>>& segmentations) {
  std::vector<std::string> spelled;
  for (const auto& segmentation : segmentations) {
    std::string one;
    for (const Syllable syllable : segmentation) {
      if (!one.empty()) one += ' ';
      one += Spelling(syllable);
    }
    spelled.push_back(one);
  }
  return spelled;
}

TEST(PinyinTableTest, FindsAllSegmentations) {
  EXPECT_THAT(Spelled(Segmentations("xian")), testing::ElementsAre("xian", "xi an"));
  EXPECT_THAT(Spelled(Segmentations("fangan")), testing::ElementsAre("fang an", "fan gan"));
  EXPECT_THAT(Spelled(Segmentations("lue")), testing::ElementsAre("lve", "lu e"));
  EXPECT_EQ(Spelled(Segmentations("xianshangduchang")).front(), "xian shang du chang");
  EXPECT_THAT(Segmentations("hello"), testing::IsEmpty());
  EXPECT_THAT(Spelled(Segmentations("")), testing::ElementsAre(""));
  std::string ambiguous;
  for (int i = 0; i < 2000; ++i) ambiguous += "xian";
  EXPECT_THAT(Segmentations(ambiguous), testing::SizeIs(64));
  EXPECT_THAT(Segmentations(ambiguous + "x"), testing::IsEmpty());
}

TEST(PinyinTableTest, RunsAgreeWithSegmentations) {
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
      const bool whole = !Segmentations(letters.substr(0, i), 1).empty();
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
