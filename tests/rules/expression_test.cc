// What is known of an expression before it ever sees a text.
#include "rules/expression.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

ExpressionFacts Facts(std::string_view pattern) {
  const absl::StatusOr<Expression> expression = Expression::Parse(pattern);
  EXPECT_TRUE(expression.ok()) << expression.status().message();
  return expression->facts();
}

TEST(ExpressionTest, KnowsFixedCharacters) {
  for (const char* pattern : {"赌场", "赌场.{0,5}", ".{0,5}[赌博][场厂]", "(赌场|红包).", "(?i)ab",
                              "a?赌场b?", "赌{2}", "(赌.|红包)场"}) {
    EXPECT_EQ(Facts(pattern).has_fixed, std::string_view(pattern) != "(赌.|红包)场") << pattern;
  }
  for (const char* pattern : {"赌.{0,3}场", "\\d{3}", "赌", "(赌场|红.)", "[^a]赌", "赌{1,2}"}) {
    EXPECT_FALSE(Facts(pattern).has_fixed) << pattern;
  }
}

TEST(ExpressionTest, RefusesWhatIsNoText) {
  for (const char* pattern : {"(\xED\xBC\x80|注册)送", "[\xED\xA0\x80]", "赌\xFF"}) {
    EXPECT_EQ(Expression::Parse(pattern).status().message(),
              "a regex is not valid UTF-8; save the file as UTF-8");
  }
}

TEST(ExpressionTest, KnowsWhichOpenWide) {
  for (const char* pattern : {".{0,3}赌场", "\\p{Han}赌", "[^a]场", "(赌|\\S)场"}) {
    EXPECT_TRUE(Facts(pattern).opens_wide) << pattern;
  }
  for (const char* pattern : {"赌.{0,3}", "\\d{3}元", "[a-z]{1,3}", "\\b赌"}) {
    EXPECT_FALSE(Facts(pattern).opens_wide) << pattern;
  }
}

// Against the lane itself: what can be matched there is some text that the lane leaves as it is.
TEST(ExpressionTest, KnowsWhatTheSkeletonCannotHold) {
  const std::vector<std::pair<const char*, bool>> cases = {
      {"赌场", true},      {"a{2}", false},   {"(ab){2}", true},      {"aa|b", true},
      {"ab?b", true},      {"abb?b", false},  {"ab{2}c?", false},     {"[ab]{2}", true},
      {"[ab]b[bc]", true}, {"[ab]bb", false}, {"a[ab]b", false},      {"\\d{4}", true},
      {"10{2}元", true},   {"赌 场", false},  {"赌\\s{0,2}场", true}, {"ok[!！]", false},
      {".{2}", true},      {"赌.赌", true},   {"赌[赌]赌", false},    {"(赌|博)赌", true},
      {"\\bab\\b", true},  {"賭赌", false},   {"Aa", false},          {"[，。]", false},
      {"a(b|a)a", true}};
  for (const auto& [pattern, expected] : cases) {
    EXPECT_EQ(Facts(pattern).matches_in_skeleton, expected) << pattern;
  }
}

TEST(ExpressionTest, TheSkeletonIsLeftOutWhereItCouldHoldNothing) {
  const auto expression = Expression::Parse("哈{3}");
  EXPECT_EQ(expression->LanesWithin(kDefaultLanes).value(), kFoldLane);
  EXPECT_FALSE(expression->LanesWithin(kSkeletonLane).ok());
  EXPECT_EQ(Expression::Parse("哈")->LanesWithin(kDefaultLanes).value(), kDefaultLanes);

  const auto rules = CompileRules({MakeRule(Regex("哈{3}"))});
  EXPECT_EQ(rules->stats(0).lanes, kFoldLane);
  EXPECT_EQ(Found(*rules, "哈哈哈哈"), std::vector<std::string>{"fold:哈哈哈"});
  EXPECT_TRUE(Found(*rules, "哈哈").empty());
}

}  // namespace
}  // namespace weir::rules
