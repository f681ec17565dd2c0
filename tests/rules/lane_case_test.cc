// What each lane finds and where, case by case: lane_cases/*.tsv. Every case is also scanned as a
// stream, cut everywhere.
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rules/scanner.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

std::vector<std::string> Split(std::string_view text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == by) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

LaneSet Lanes(std::string_view names) {
  LaneSet lanes = 0;
  for (const std::string& name : Split(names, ',')) {
    for (int i = 0; i < kLaneCount; ++i) {
      if (Name(static_cast<Lane>(i)) == name) lanes |= LaneBit(static_cast<Lane>(i));
    }
  }
  return lanes;
}

// "word a,b", "regex a" or "detector name".
Matcher MakeMatcher(std::string_view written, LaneSet lanes) {
  const std::string_view what = written.substr(0, written.find(' '));
  const std::string_view which = written.substr(what.size() + 1);
  if (what == "word") return Words(Split(which, ','), lanes);
  if (what == "regex") return Regex(std::string(which), lanes);
  Matcher matcher = Detect(DetectorFromName(which).value_or(Detector::kNone));
  matcher.lanes = lanes;
  return matcher;
}

std::string Join(const std::vector<Finding>& findings, std::string_view text) {
  std::string joined;
  for (const Finding& finding : findings) {
    if (!joined.empty()) joined += '|';
    joined += Name(finding.lane);
    joined += ':';
    joined += text.substr(finding.start, finding.end - finding.start);
  }
  return joined;
}

class LaneCases : public testing::TestWithParam<std::string> {};

TEST_P(LaneCases, FindWhatTheyShould) {
  const std::string path = std::string(WEIR_SOURCE_DIR) + "/tests/rules/lane_cases/" + GetParam();
  std::ifstream file(path);
  ASSERT_TRUE(file.is_open()) << path;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    SCOPED_TRACE(GetParam() + ":" + std::to_string(number));
    const std::vector<std::string> fields = Split(line, '\t');
    ASSERT_EQ(fields.size(), 4U);
    const auto rules = CompileRules({MakeRule(MakeMatcher(fields[0], Lanes(fields[1])))});
    const std::string& text = fields[2];
    const std::vector<Finding> whole = ScanWhole(*rules, text);
    EXPECT_EQ(Join(whole, text), fields[3]) << text;
    StreamScan scan(*rules, Direction::kPrompt);
    std::vector<Finding> found;
    for (size_t i = 0; i < text.size(); ++i) {
      ASSERT_TRUE(scan.Feed(text.substr(i, 1), found).ok());
    }
    ASSERT_TRUE(scan.Finish(found).ok());
    EXPECT_EQ(Join(found, text), fields[3]) << text << ", byte by byte";
  }
}

INSTANTIATE_TEST_SUITE_P(Files, LaneCases,
                         testing::Values("decoded.tsv", "digits.tsv", "fold.tsv", "leet.tsv"),
                         [](const auto& file) {
                           return file.param.substr(0, file.param.find('.'));
                         });

}  // namespace
}  // namespace weir::rules
