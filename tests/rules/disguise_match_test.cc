#include "rules/disguise_match.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/shape_table.h"
#include "rules/word.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

std::string ToUtf8(std::u32string_view characters) {
  std::string text;
  for (const char32_t c : characters) AppendUtf8(c, text);
  return text;
}

TEST(MayStandForTest, LongWordsTakeAnyLookAlike) {
  EXPECT_TRUE(MayStandFor(U"线上赌场开户", 2, U'睹'));
  EXPECT_TRUE(MayStandFor(U"线上赌场开户", 0, U'钱'));
  EXPECT_FALSE(MayStandFor(U"线上赌场开户", 2, U'赌'));  // the word's own
  EXPECT_FALSE(MayStandFor(U"线上赌场开户", 2, U'彩'));
}

TEST(MayStandForTest, WhatMakesUpAWordIsNoDisguiseOfAShortOne) {
  ASSERT_TRUE(LookAlike(U'算', U'策') && LookAlike(U'运', U'进'));
  EXPECT_FALSE(MayStandFor(U"国家决算", 3, U'策'));  // 决策
  EXPECT_TRUE(MayStandFor(U"国家结算", 3, U'策'));
  EXPECT_FALSE(MayStandFor(U"开始运行", 2, U'进'));  // 进行
  EXPECT_TRUE(MayStandFor(U"已经开始运行", 4, U'进'));
}

TEST(MayStandForTest, ShortWordsTakeCloseOnesAlone) {
  ASSERT_TRUE(LookAlike(U'任', U'位') && !CloselyAlike(U'任', U'位'));
  EXPECT_TRUE(MayStandFor(U"责任保险", 1, U'位'));
  EXPECT_FALSE(MayStandFor(U"责任险", 1, U'位'));
}

TEST(MayStandForTest, FrequentOnesStandAtTheEdgeOfWordsAnyway) {
  ASSERT_TRUE(CloselyAlike(U'人', U'入') && CloselyAlike(U'大', U'太'));
  EXPECT_FALSE(MayStandFor(U"大数据", 0, U'太'));  // 数据 is a word
  EXPECT_TRUE(MayStandFor(U"线大据", 1, U'太'));
  EXPECT_FALSE(MayStandFor(U"赌的", 0, U'睹'));  // 的 stands anywhere
  EXPECT_FALSE(MayStandFor(U"木赌", 0, U'本'));  // so does 本
  EXPECT_TRUE(MayStandFor(U"赌场", 0, U'睹'));
}

TEST(MayStandForTest, TheOneBeforeCountsIfItIsALookAlike) {
  EXPECT_TRUE(MayStandFor(U"日赌场", 1, U'睹'));
  EXPECT_FALSE(MayStandFor(U"日赌场", 1, U'睹', U'目'));  // 目睹
}

// Characters that look like `c` and that a skeleton can have.
std::u32string WritableLookAlikesOf(char32_t c) {
  std::u32string others;
  for (const char16_t other : LookAlikesOf(c)) {
    if (LookUpFold(other).kind() == FoldEntry::Kind::kSame) others += other;
  }
  return others;
}

// A beginning in look-alikes that has not failed goes on with the word's own characters to become
// the word: what a stream holds for.
TEST(ConfirmDisguiseTest, WhatHasBegunCanBeCompleted) {
  std::mt19937_64 random(Seed());
  const std::vector<std::u32string> words = {U"赌场",     U"赌博线",   U"线上赌场", U"六合彩票网",
                                             U"博彩平台", U"信用卡套", U"代开发票", U"百家乐"};
  int held = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::u32string& own = words[random() % words.size()];
    std::u32string text;
    const size_t cut = 1 + random() % own.size();
    for (size_t at = 0; at < cut; ++at) {
      const std::u32string others = WritableLookAlikesOf(own[at]);
      text += random() % 2 == 0 && !others.empty() ? others[random() % others.size()] : own[at];
    }
    if (std::ranges::adjacent_find(text) != text.end()) continue;  // the skeleton drops one
    const auto word = Word::Parse(ToUtf8(own), LaneBit(Lane::kShape));
    ASSERT_TRUE(word.ok());
    const std::string begun = ToUtf8(text);
    bool is_held = false;
    ForEachDisguiseStart(Lane::kShape, *word, {begun, 0, /*final=*/false}, 0, text[0],
                         [&](uint64_t start) { is_held = is_held || start == 0; });
    EXPECT_TRUE(!is_held || MayBeDisguise(Lane::kShape, *word, begun, false, /*whole=*/false));
    const std::string whole = begun + ToUtf8(std::u32string_view(own).substr(cut));
    DisguisePlace place;
    place.first = text[0];
    const char32_t last = cut == own.size() ? text.back() : own.back();
    place.last = whole.size() - ToUtf8({&last, 1}).size();
    const bool matches =
        ConfirmDisguise(Lane::kShape, *word, {whole, 0, /*final=*/true}, place).outcome ==
        WordIndex::Outcome::kMatch;
    if (cut < own.size()) {
      // Unless the rest of what its last character is a part of does.
      const bool may_go_on = BeginsShape(own[cut - 1], text.back());
      ASSERT_TRUE(is_held == matches || may_go_on) << begun << " for " << word->exact;
      held += is_held ? 1 : 0;
    }
    ASSERT_TRUE(!matches || MayBeDisguise(Lane::kShape, *word, whole, false, /*whole=*/true))
        << whole << " for " << word->exact;
  }
  EXPECT_GT(held, 2000);
}

}  // namespace
}  // namespace weir::rules
