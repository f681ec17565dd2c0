// What each detector finds and what it leaves alone: data/detectors/NAME.tsv. Every text is also
// fed as a stream, cut at every byte.
#include "rules/detector.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "rules/detector_scan.h"
#include "rules/lane_text.h"
#include "tests/rules/finding_order.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;

struct Line {
  std::string place;  // "email.tsv:3"
  bool hit = false;
  std::string lane;
  std::string match;
  std::string mask;
  std::string text;
};

std::string Unescape(std::string text) {
  for (size_t at; (at = text.find("\\n")) != std::string::npos;) text.replace(at, 2, "\n");
  return text;
}

std::vector<Line> ReadLines(Detector detector) {
  const std::string name = std::string(Name(detector)) + ".tsv";
  std::ifstream file(std::string(WEIR_SOURCE_DIR) + "/tests/rules/data/detectors/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::vector<Line> lines;
  std::string row;
  for (int number = 1; std::getline(file, row); ++number) {
    if (row.starts_with('#')) continue;
    std::vector<std::string> fields(1);
    for (const char c : row) {
      if (c == '\t') {
        fields.emplace_back();
      } else {
        fields.back().push_back(c);
      }
    }
    Line line;
    line.place = name + ":" + std::to_string(number);
    line.hit = fields[0] == "hit";
    EXPECT_EQ(fields.size(), line.hit ? 5U : 2U) << line.place;
    if (line.hit) {
      line.lane = fields[1];
      line.match = Unescape(fields[2]);
      line.mask = fields[3] == "-" ? "" : fields[3];
    }
    line.text = Unescape(fields.back());
    lines.push_back(line);
  }
  return lines;
}

std::vector<Detector> AllDetectors() {
  std::vector<Detector> detectors;
  for (const std::string_view name : DetectorNames()) {
    detectors.push_back(*DetectorFromName(name));
  }
  return detectors;
}

std::shared_ptr<const RuleSet> RulesOf(const std::vector<Detector>& detectors) {
  std::vector<Rule> rules;
  for (const Detector detector : detectors) rules.push_back(MakeRule(Detect(detector)));
  return CompileRules(std::move(rules));
}

std::vector<Finding> Sorted(std::vector<Finding> findings) {
  std::sort(findings.begin(), findings.end(), ByPlace);
  return findings;
}

std::string List(const std::vector<Finding>& findings, std::string_view text) {
  std::string list;
  for (const Finding& finding : findings) list += Describe(finding, text) + " | ";
  return list;
}

// Feeds `text` in the pieces that end at `cuts`: the findings must be the whole's, and no byte of
// one may have been released before it was found.
void ExpectStream(const RuleSet& rules, std::string_view text, const std::vector<size_t>& cuts) {
  StreamScan scan(rules, Direction::kPrompt);
  std::vector<Finding> found;
  size_t from = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const uint64_t releasable = scan.releasable();
    const size_t before = found.size();
    const size_t to = i < cuts.size() ? cuts[i] : text.size();
    ASSERT_TRUE(scan.Feed(text.substr(from, to - from), found).ok());
    if (i == cuts.size()) {
      ASSERT_TRUE(scan.Finish(found).ok());
    }
    from = to;
    for (size_t k = before; k < found.size(); ++k) {
      EXPECT_GE(found[k].start, releasable) << Describe(found[k], text);
    }
  }
  EXPECT_EQ(scan.releasable(), text.size());
  const std::vector<Finding> whole = Sorted(ScanWhole(rules, text));
  found = Sorted(found);
  EXPECT_EQ(found, whole) << "stream: " << List(found, text) << "\nwhole:  " << List(whole, text);
}

void ExpectEveryCut(const RuleSet& rules, std::string_view text) {
  for (size_t cut = 0; cut <= text.size(); ++cut) ExpectStream(rules, text, {cut});
  std::vector<size_t> every(text.size());
  for (size_t i = 0; i < every.size(); ++i) every[i] = i;
  ExpectStream(rules, text, every);
}

TEST(DetectorTest, EveryNameHasItsDetectorAndItsData) {
  EXPECT_EQ(DetectorNames().size(), static_cast<size_t>(kDetectorCount) - 1);
  for (const std::string_view name : DetectorNames()) {
    ASSERT_TRUE(DetectorFromName(name).has_value());
    EXPECT_EQ(Name(*DetectorFromName(name)), name);
    EXPECT_GT(WidthMax(*DetectorFromName(name)), 0U);
  }
  EXPECT_FALSE(DetectorFromName("none").has_value());
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       fs::directory_iterator(std::string(WEIR_SOURCE_DIR) + "/tests/rules/data/detectors")) {
    ++files;
  }
  EXPECT_EQ(files, DetectorNames().size());
}

TEST(DetectorTest, FindsWhatItShould) {
  for (const Detector detector : AllDetectors()) {
    const auto rules = RulesOf({detector});
    int hits = 0;
    int misses = 0;
    for (const Line& line : ReadLines(detector)) {
      SCOPED_TRACE(line.place + " " + line.text);
      const std::vector<std::string> expected =
          line.hit ? std::vector<std::string>{line.lane + ":" + line.match}
                   : std::vector<std::string>{};
      EXPECT_EQ(Found(*rules, line.text), expected);
      // What stands beside it as a sentence goes on makes no difference.
      for (const std::string_view after : {"，", "。", ",a", "\n1", "）", "；京", "？"}) {
        EXPECT_EQ(Found(*rules, line.text + std::string(after)), expected) << after;
      }
      for (const std::string_view before : {"，", "。", "a,", "1\n", "（", "在"}) {
        EXPECT_EQ(Found(*rules, std::string(before) + line.text), expected) << before;
      }
      ++(line.hit ? hits : misses);
      if (!line.hit) continue;
      EXPECT_EQ(Mask(detector, line.match), line.mask);
      EXPECT_EQ(LaneOfWhole(detector, line.match).has_value(), true);
    }
    EXPECT_GT(hits, 0);
    EXPECT_GT(misses, 1);
  }
}

TEST(DetectorTest, StreamsFindTheSameForEveryCut) {
  const auto all = RulesOf(AllDetectors());
  for (const Detector detector : AllDetectors()) {
    const auto rules = RulesOf({detector});
    for (const Line& line : ReadLines(detector)) {
      if (testing::Test::HasFailure()) return;
      SCOPED_TRACE(line.place + " " + line.text);
      ExpectEveryCut(*rules, line.text);
      ExpectEveryCut(*all, line.text);
    }
  }
}

// Random texts from pieces of the data, cut short and mixed.
TEST(DetectorTest, StreamsFindTheSameInRandomTexts) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  std::vector<std::string> pieces = {" ",    "，", "\n",   "-",   ".",      "@",    ":",
                                     "一",   "京", "a",    "8",   "\u200b", "\xE4", "\xFF",
                                     "微信", "QQ", "护照", "sk-", "token="};
  const size_t others = pieces.size();
  for (const Detector detector : AllDetectors()) {
    for (const Line& line : ReadLines(detector)) pieces.push_back(line.text);
  }
  const auto all = RulesOf(AllDetectors());
  for (int round = 0; round < 1500 && !testing::Test::HasFailure(); ++round) {
    std::string text;
    for (size_t i = below(5) + 1; i > 0; --i) {
      std::vector<std::string> characters =
          Characters(pieces[below(below(2) == 0 ? others : pieces.size())]);
      if (below(3) == 0) characters.resize(below(characters.size()) + 1);
      if (below(3) == 0) characters.erase(characters.begin());
      for (const std::string& c : characters) {
        text += c;
        if (below(40) == 0) text += pieces[below(others)];
      }
    }
    SCOPED_TRACE(testing::PrintToString(text));
    for (const Finding& finding : ScanWhole(*all, text)) {
      EXPECT_EQ(
          LaneOfWhole(finding.detector, text.substr(finding.start, finding.end - finding.start)),
          finding.lane)
          << Describe(finding, text);
    }
    for (int many = 0; many < 3; ++many) {
      std::vector<size_t> cuts;
      for (size_t at = 0; at < text.size(); ++at) {
        if (below(3) == 0) cuts.push_back(at);
      }
      ExpectStream(*all, text, cuts);
    }
    ExpectStream(*all, text, {below(text.size() + 1)});
  }
}

TEST(DetectorTest, CheckDigitsRefuseEveryOtherDigit) {
  const std::vector<std::pair<Detector, std::string>> numbers = {
      {Detector::kCnIdCard, "11010519491231002X"},  {Detector::kCnIdCard, "440524188001010014"},
      {Detector::kCnIdCard, "51343620000320711X"},  {Detector::kCnIdCard, "11010119900101100X"},
      {Detector::kBankCard, "6222021234567890128"}, {Detector::kBankCard, "621700001000123459"},
      {Detector::kBankCard, "4000000000000002"},    {Detector::kCnUscc, "91350100M000100Y43"},
      {Detector::kCnUscc, "91110102MAD55U9H0F"},    {Detector::kCnUscc, "91440300708461136T"},
      {Detector::kImei, "350000000000006"}};
  constexpr std::string_view kCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const auto& [detector, number] : numbers) {
    // 1880 lies before the years that are accepted: the check digit is right, the date is not.
    EXPECT_EQ(Validate(detector, number), number != "440524188001010014") << number;
    for (size_t i = 0; i < number.size(); ++i) {
      for (const char c : kCharacters) {
        if (c == number[i]) continue;
        std::string changed = number;
        changed[i] = c;
        EXPECT_FALSE(Validate(detector, changed)) << changed;
      }
    }
  }
}

TEST(DetectorTest, RandomIdCardsAreFoundAndTheirNeighboursAreNot) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto rules = RulesOf({Detector::kCnIdCard});
  constexpr std::string_view kRegions[] = {"110101", "440305", "310115", "650102", "810000"};
  constexpr int kWeights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  const auto two = [](uint64_t n) { return std::string(n < 10 ? "0" : "") + std::to_string(n); };
  for (int round = 0; round < 300; ++round) {
    std::string number(kRegions[random() % 5]);
    number +=
        std::to_string(1900 + random() % 120) + two(1 + random() % 12) + two(1 + random() % 28);
    number += std::to_string(100 + random() % 900);
    int sum = 0;
    for (size_t i = 0; i < 17; ++i) sum += kWeights[i] * (number[i] - '0');
    number.push_back("10X98765432"[sum % 11]);
    EXPECT_EQ(Found(*rules, "号码" + number + "，谢谢").size(), 1U) << number;
    number[random() % 6 + 11] ^= 1;
    EXPECT_TRUE(Found(*rules, "号码" + number + "，谢谢").empty()) << number;
  }
}

// Masks stay valid UTF-8 and never show a character of the middle, whatever the number is written
// in.
TEST(DetectorTest, MasksAreText) {
  for (const Detector detector : AllDetectors()) {
    for (const Line& line : ReadLines(detector)) {
      for (const std::string& text : {line.match, line.text}) {
        const std::string mask = Mask(detector, text);
        for (size_t i = 0; i < mask.size();) {
          const Decoded decoded = DecodeAt(mask, i);
          EXPECT_NE(decoded.c, kInvalidByte) << mask;
          i += decoded.length;
        }
      }
    }
  }
  EXPECT_EQ(Mask(Detector::kCnMobile, "⑬⑧①②③④⑤⑥⑦⑧"), "⑬⑧****⑤⑥⑦⑧");
  // What does not match as it stands, encoded say, shows nothing.
  EXPECT_EQ(Mask(Detector::kBankCard, "1234"), "");
  EXPECT_EQ(Mask(Detector::kCnMobile, "%31%33%38%31%32%33%34%35%36%37%38"), "");
}

// Held is what some continuation makes a match, and nothing else.
TEST(DetectorTest, HoldsWhatCanStillGrow) {
  struct Case {
    std::string_view detector;
    std::string_view text;
    std::string_view held;  // the end of the text
  };
  constexpr Case kCases[] = {
      {"cn-id-card", "号码1101", "1101"},
      {"cn-id-card", "号码9901", ""},
      {"cn-id-card", "1101011850", ""},
      {"cn-id-card", "11010119990230", ""},
      {"cn-mobile", "打13", "13"},
      {"cn-mobile", "打一三", "一三"},
      {"cn-mobile", "打12", ""},
      {"cn-mobile", "8613", "13"},
      {"cn-landline", "010-", "010-"},
      {"cn-landline", "013", ""},
      {"bank-card", "6222 0200", "6222 0200"},
      {"bank-card", "7222", ""},
      {"bank-card", "62 6", "6"},
      {"cn-uscc", "9135", "9135"},
      {"cn-uscc", "0135", ""},
      {"cn-passport", "护照E1", "E1"},
      {"cn-passport", "型号E1", ""},
      {"taiwan-permit", "台胞证12", "12"},
      {"taiwan-permit", "12", ""},
      {"qq-number", "QQ12", "12"},
      {"qq-number", "共12", ""},
      {"cn-plate", "我在京", "京"},
      {"cn-plate", "京A", "京A"},
      {"cn-plate", "京城", ""},
      {"cn-plate", "京AI", ""},
      {"email", "say hello", "hello"},
      {"email", "hello ", ""},
      {"email", "a@b", "a@b"},
      {"email", "a@.", ""},
      {"ip", "1.2", "1.2"},
      {"ip", "300.", ""},
      {"ip", "1.2,", ""},
      {"ip", "2001:d", "2001:d"},
      {"ip", "1001:d", ""},
      {"mac-address", "00:1a", "00:1a"},
      {"mac-address", "00:1g", ""},
      {"wechat-id", "微信ab", "ab"},
      {"wechat-id", "公园ab", ""},
      {"wechat-id", "公园wx", "wx"},
      {"secret", "sk-a", "sk-a"},
      {"secret", "sky", ""},
      {"secret", "token: ab", "ab"},
      {"secret", "kitten: bc", ""},
      {"secret", "-----BEGIN PRIV", "-----BEGIN PRIV"},
      {"secret", "-----BEGIN X", "-----BEGIN X"},
      {"secret", "-----BEGIN q", ""},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.detector) + ": " + std::string(c.text));
    const auto rules = RulesOf({*DetectorFromName(c.detector)});
    StreamScan scan(*rules, Direction::kPrompt);
    std::vector<Finding> findings;
    ASSERT_TRUE(scan.Feed(c.text, findings).ok());
    EXPECT_EQ(c.text.substr(scan.releasable()), c.held);
  }
}

// What a stream holds of text in which nothing stands is at most a word or the beginning of one.
TEST(DetectorTest, HoldsLittle) {
  const auto rules = RulesOf(AllDetectors());
  StreamScan scan(*rules, Direction::kPrompt);
  std::vector<Finding> findings;
  for (const std::string& c : Characters("我们去公园里看花，孩子们很高兴。它叫")) {
    ASSERT_TRUE(scan.Feed(c, findings).ok());
    EXPECT_EQ(scan.releasable(), scan.fed());
  }
  ASSERT_TRUE(scan.Feed("Hello", findings).ok());
  EXPECT_EQ(scan.fed() - scan.releasable(), 5U);
  ASSERT_TRUE(scan.Feed(", ", findings).ok());
  EXPECT_EQ(scan.releasable(), scan.fed());
  ASSERT_TRUE(scan.Feed(std::string(kDetectorCount * 20, 'x'), findings).ok());
  EXPECT_EQ(scan.releasable(), scan.fed());
  EXPECT_TRUE(findings.empty());
}

}  // namespace
}  // namespace weir::rules
