#include "rules/scanner.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rules/rule_set.h"

namespace weir::rules {
namespace {

Matcher Words(std::vector<std::string> words,
              LaneSet lanes = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton)) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kWords;
  matcher.words = std::move(words);
  matcher.lanes = lanes;
  return matcher;
}

Rule MakeRule(Matcher match) {
  Rule rule;
  rule.id = "TST-0001";
  rule.category = "A.1.h";
  rule.match = std::move(match);
  return rule;
}

std::shared_ptr<const RuleSet> Compile(std::vector<Rule> rules) {
  Pack pack;
  pack.name = "test";
  pack.file = "test.yaml";
  pack.rules = std::move(rules);
  std::vector<Problem> problems;
  auto rule_set = RuleSet::Compile({pack}, problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return rule_set;
}

// "lane:matched text" of every finding.
std::vector<std::string> Found(const RuleSet& rules, std::string_view text) {
  std::vector<Finding> findings;
  EXPECT_TRUE(Scan(rules, Direction::kPrompt, text, findings).ok());
  std::vector<std::string> found;
  for (const Finding& finding : findings) {
    found.push_back(std::string(Name(finding.lane)) + ":" +
                    std::string(text.substr(finding.start, finding.end - finding.start)));
  }
  return found;
}

struct DisguiseCase {
  std::string text;
  std::vector<std::string> found;
};

TEST(ScanTest, WordsInDisguise) {
  const auto rules = Compile({MakeRule(Words({"线上赌场", "casino", "ass", "天天彩票", "100元"}))});
  const std::vector<DisguiseCase> cases = {
      {"来线上赌场玩", {"fold:线上赌场"}},
      {"來線上賭場玩", {"fold:線上賭場"}},
      {"线 上 赌 场", {"skeleton:线 上 赌 场"}},
      {"线-上🎲赌，，场", {"skeleton:线-上🎲赌，，场"}},
      {"线线上上赌赌场场", {"skeleton:线上上赌赌场"}},
      {"线\u200b上赌\u2060场", {"fold:线\u200b上赌\u2060场"}},
      {"CASINO ｃａｓｉｎｏ", {"fold:CASINO", "fold:ｃａｓｉｎｏ"}},
      {"𝐜𝐚𝐬𝐢𝐧𝐨 саsіnо ⓒⓐⓢⓘⓝⓞ", {"fold:𝐜𝐚𝐬𝐢𝐧𝐨", "fold:саsіnо", "fold:ⓒⓐⓢⓘⓝⓞ"}},
      {"c-a-s-i-n-o", {"skeleton:c-a-s-i-n-o"}},
      {"caasinoo", {"skeleton:caasino"}},
      {"casinos", {}},
      {"class", {}},
      {"an ass.", {"fold:ass"}},
      {"天彩票", {}},
      {"天天彩票", {"fold:天天彩票"}},
      {"天天天彩彩票", {"skeleton:天天彩彩票"}},
      {"1000元", {}},
      {"2100元", {}},
      {"１００元", {"fold:１００元"}},
      {"线" + std::string(64, ' ') + "上赌场", {"skeleton:线" + std::string(64, ' ') + "上赌场"}},
      {"线" + std::string(65, ' ') + "上赌场", {}},
  };
  for (const DisguiseCase& c : cases) EXPECT_EQ(Found(*rules, c.text), c.found) << c.text;
}

}  // namespace
}  // namespace weir::rules
