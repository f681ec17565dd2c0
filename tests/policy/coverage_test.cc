#include "policy/coverage.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::policy {
namespace {

using rules::Matcher;
using rules::Rule;
using rules::RuleStatus;

Matcher Words(std::vector<std::string> words) {
  Matcher matcher;
  matcher.words = std::move(words);
  return matcher;
}

Matcher Regex(std::string regex) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kRegex;
  matcher.regex = std::move(regex);
  return matcher;
}

Matcher Combine(Matcher::Kind kind, std::vector<Matcher> children) {
  Matcher matcher;
  matcher.kind = kind;
  matcher.children = std::move(children);
  return matcher;
}

Rule MakeRule(std::string id, std::string category, Matcher match,
              RuleStatus status = RuleStatus::kStable) {
  Rule rule;
  rule.id = std::move(id);
  rule.category = std::move(category);
  rule.status = status;
  rule.match = std::move(match);
  return rule;
}

Coverage Of(std::vector<Rule> rules) {
  rules::Pack pack;
  pack.rules = std::move(rules);
  return CoverageOf({pack});
}

const CategoryCoverage& Category(const Coverage& coverage, std::string_view code) {
  for (const CategoryCoverage& category : coverage.categories) {
    if (category.code == code) return category;
  }
  ADD_FAILURE() << code;
  return coverage.categories.front();
}

TEST(CoverageTest, CountsAWordOnceHoweverItIsWritten) {
  const Coverage coverage =
      Of({MakeRule("T-0001", "A.1.h", Words({"赌场", "賭場", "Casino", "ＣＡＳＩＮＯ", "赌 场"})),
          MakeRule("T-0002", "A.1.h", Words({"赌场", "彩票"})),
          MakeRule("T-0003", "A.2.a", Words({"赌场"}))});
  EXPECT_EQ(Category(coverage, "A.1.h").terms, 4U);  // "赌 场" is not folded away
  EXPECT_EQ(Category(coverage, "A.1.h").missing(), 196U);
  EXPECT_EQ(Category(coverage, "A.2.a").terms, 1U);
  EXPECT_EQ(Category(coverage, "A.2.a").missing(), 99U);
  EXPECT_EQ(coverage.terms, 4U);
  EXPECT_EQ(coverage.missing(), 9'996U);
}

TEST(CoverageTest, ExpressionsAndCombinationsAreOneTermEach) {
  Matcher detector;
  detector.kind = Matcher::Kind::kDetector;
  const Coverage coverage =
      Of({MakeRule("T-0001", "A.1.f",
                   Combine(Matcher::Kind::kAny,
                           {Words({"赌场"}), Regex("(赌|博)场{1,2}"), detector,
                            Combine(Matcher::Kind::kNear, {Words({"红包", "加群"}), Words({"群"})}),
                            Combine(Matcher::Kind::kAll, {Words({"红包"}), Words({"群"})})}))});
  EXPECT_EQ(Category(coverage, "A.1.f").terms, 4U);
}

TEST(CoverageTest, RulesOnTrialAreApartAndRetiredOnesGone) {
  const Coverage coverage =
      Of({MakeRule("T-0001", "A.1.h", Words({"赌场"})),
          MakeRule("T-0002", "A.1.h", Words({"赌场", "彩票"}), RuleStatus::kTrial),
          MakeRule("T-0003", "A.1.h", Words({"红包"}), RuleStatus::kRetired),
          MakeRule("T-0004", "A.4.f", Words({"住址"}))});
  EXPECT_EQ(Category(coverage, "A.1.h").terms, 1U);
  EXPECT_EQ(Category(coverage, "A.1.h").trial_terms, 1U);
  EXPECT_EQ(coverage.terms, 2U);  // A.4 has no number of its own, but is part of the library
}

TEST(CoverageTest, SaysWhenTheNumbersAreReached) {
  std::vector<Rule> rules;
  const Coverage none = Of({});
  ASSERT_EQ(none.categories.size(), 17U);
  size_t number = 0;
  for (const CategoryCoverage& category : none.categories) {
    EXPECT_EQ(category.needed, category.code.starts_with("A.1") ? 200U : 100U);
    std::vector<std::string> words;
    for (size_t i = 0; i < 600; ++i) words.push_back("词" + std::to_string(number++));
    rules.push_back(MakeRule("T-0001", std::string(category.code), Words(std::move(words))));
  }
  EXPECT_FALSE(none.complete());
  EXPECT_TRUE(Of(rules).complete());
  rules.back().match.words.resize(99);
  const Coverage one_short = Of(rules);
  EXPECT_FALSE(one_short.complete());
  EXPECT_EQ(one_short.missing(), 301U);
  std::ostringstream table;
  PrintCoverage(one_short, table);
  EXPECT_THAT(table.str(), testing::HasSubstr("A.2.i\t99\t0\t100\t1\t其他方面歧视内容\n"));
  EXPECT_THAT(table.str(), testing::HasSubstr("合计\t9699\t\t10000\t301\t"));
  EXPECT_THAT(table.str(), testing::HasSubstr("数量未达到"));
}

}  // namespace
}  // namespace weir::policy
