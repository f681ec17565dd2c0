// Rules and rule sets for tests, and the texts that a scan found.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rules/rule_set.h"
#include "rules/scanner.h"
#include "tests/seed.h"

namespace weir::rules {

inline constexpr LaneSet kExactLane = LaneBit(Lane::kExact);
inline constexpr LaneSet kFoldLane = LaneBit(Lane::kFold);
inline constexpr LaneSet kSkeletonLane = LaneBit(Lane::kSkeleton);
inline constexpr LaneSet kDecodedLane = LaneBit(Lane::kDecoded);
inline constexpr LaneSet kDigitsLane = LaneBit(Lane::kDigits);
inline constexpr LaneSet kPinyinLane = LaneBit(Lane::kPinyin);
inline constexpr LaneSet kShapeLane = LaneBit(Lane::kShape);
inline constexpr LaneSet kDefaultLanes = kFoldLane | kSkeletonLane;

inline Matcher Words(std::vector<std::string> words, LaneSet lanes = kDefaultLanes) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kWords;
  matcher.words = std::move(words);
  matcher.lanes = lanes;
  return matcher;
}

inline Matcher Regex(std::string regex, LaneSet lanes = kDefaultLanes) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kRegex;
  matcher.regex = std::move(regex);
  matcher.lanes = lanes;
  return matcher;
}

inline Matcher Detect(Detector detector) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kDetector;
  matcher.detector = detector;
  return matcher;
}

inline Matcher Combine(Matcher::Kind kind, std::vector<Matcher> children, uint32_t within = 0) {
  Matcher matcher;
  matcher.kind = kind;
  matcher.children = std::move(children);
  matcher.within = within;
  return matcher;
}

inline Rule MakeRule(Matcher match, RuleDirection direction = RuleDirection::kBoth) {
  Rule rule;
  rule.id = "TST-0001";
  rule.category = "A.1.h";
  rule.direction = direction;
  rule.match = std::move(match);
  return rule;
}

inline Rule WithExcept(Rule rule, std::vector<std::string> words, uint32_t within) {
  rule.except = Exception{std::move(words), kDefaultLanes, within};
  return rule;
}

inline std::shared_ptr<const RuleSet> CompileRules(std::vector<Rule> rules) {
  Pack pack;
  pack.name = "test";
  pack.file = "test.yaml";
  pack.rules = std::move(rules);
  std::vector<Problem> problems;
  std::shared_ptr<const RuleSet> rule_set = RuleSet::Compile({pack}, problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return rule_set;
}

inline std::vector<Finding> ScanWhole(const RuleSet& rules, std::string_view text,
                                      Direction direction = Direction::kPrompt) {
  std::vector<Finding> findings;
  EXPECT_TRUE(Scan(rules, direction, text, findings).ok());
  return findings;
}

// "rule:lane:matched text" of a finding.
inline std::string Describe(const Finding& finding, std::string_view text) {
  return std::to_string(finding.rule) + ":" + std::string(Name(finding.lane)) + ":" +
         std::string(text.substr(finding.start, finding.end - finding.start));
}

// "lane:matched text" of every finding of a whole scan.
inline std::vector<std::string> Found(const RuleSet& rules, std::string_view text,
                                      Direction direction = Direction::kPrompt) {
  std::vector<std::string> found;
  for (const Finding& finding : ScanWhole(rules, text, direction)) {
    found.push_back(std::string(Name(finding.lane)) + ":" +
                    std::string(text.substr(finding.start, finding.end - finding.start)));
  }
  return found;
}

inline std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xC0U) != 0x80U || characters.empty()) {
      characters.emplace_back();
    }
    characters.back().push_back(byte);
  }
  return characters;
}

}  // namespace weir::rules
