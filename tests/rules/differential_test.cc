// The scanner against the slow path of reference_scan.h, on every rule's own texts and on what
// becomes of them when they are disguised, cut and mixed; whole, and as streams. WEIR_TIMES=10
// tries ten times as many.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rules/scanner.h"
#include "tests/rules/evasion.h"
#include "tests/rules/finding_order.h"
#include "tests/rules/reference_scan.h"
#include "tests/rules/rule_libraries.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

const std::string kSource = WEIR_SOURCE_DIR;

std::string List(const std::vector<Finding>& findings, std::string_view text) {
  std::string list;
  for (const Finding& finding : findings) {
    list += "\n  " + Describe(finding, text) + " at " + std::to_string(finding.start);
  }
  return list;
}

struct Library {
  std::vector<Rule> rules;
  std::vector<std::string> texts;  // their own, and their words
  std::shared_ptr<const RuleSet> compiled;
  bool disguised = false;     // some words are looked for in pinyin or shape
  bool one_way = false;       // some rules are for prompts or answers alone
  mutable int left_open = 0;  // texts of which the slow path knows two answers
};

void AddWords(const Matcher& matcher, Library& library) {
  library.texts.insert(library.texts.end(), matcher.words.begin(), matcher.words.end());
  library.disguised |= (matcher.lanes & (kPinyinLane | kShapeLane)) != 0;
  for (const Matcher& child : matcher.children) AddWords(child, library);
}

Library LibraryOf(std::vector<Rule> rules) {
  Library library;
  for (Rule& rule : rules) {
    library.texts.insert(library.texts.end(), rule.hit_tests.begin(), rule.hit_tests.end());
    library.texts.insert(library.texts.end(), rule.miss_tests.begin(), rule.miss_tests.end());
    AddWords(rule.match, library);
    library.one_way |= rule.direction != RuleDirection::kBoth;
    if (rule.except) {
      library.texts.insert(library.texts.end(), rule.except->words.begin(),
                           rule.except->words.end());
    }
    library.rules.push_back(std::move(rule));
  }
  library.compiled = CompileRules(library.rules);
  return library;
}

Library LibraryOf(RuleLibrary made) {
  Library library = LibraryOf(std::move(made.rules));
  library.texts.insert(library.texts.end(), made.texts.begin(), made.texts.end());
  return library;
}

Library Packs(const std::vector<std::string>& paths) {
  std::vector<Problem> problems;
  std::vector<Rule> rules;
  for (Pack& pack : ParsePacks(paths, problems)) {
    for (Rule& rule : pack.rules) rules.push_back(std::move(rule));
  }
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return LibraryOf(std::move(rules));
}

// Rules that are made to be hard, with their texts.
Library HardRules() {
  constexpr LaneSet kAll = kDefaultLanes | kExactLane;
  std::vector<Rule> rules = {
      MakeRule(Words({"赌场", "线上赌场", "上赌", "天天彩票", "彩票票", "哈哈", "100元", "00",
                      "In Game", "ass", "casino", "一", "aab"},
                     kAll)),
      MakeRule(Words({"赌场", "aass", "In-Game"}, kFoldLane)),
      MakeRule(Words({"赌场", "场场赌"}, kExactLane)),
      MakeRule(Regex("赌.{0,3}场|[a-c]{2,4}|\\d{3,6}元?", kAll)),
      MakeRule(Regex("\\bIn.?game\\b|[^赌a]博{1,2}", kAll)),
      MakeRule(Combine(Matcher::Kind::kAll, {Words({"赌场", "aab"}), Words({"开户", "场"})})),
      MakeRule(Combine(
          Matcher::Kind::kNear,
          {Combine(Matcher::Kind::kAny, {Words({"红包"}), Regex("加.?群")}), Words({"赌", "aab"})},
          5)),
      MakeRule(Combine(Matcher::Kind::kAll,
                       {Combine(Matcher::Kind::kNear, {Words({"红包"}), Words({"开户"})}, 6),
                        Words({"casino"})})),
      WithExcept(MakeRule(Words({"赌场", "红包"})), {"打击赌场", "场开户", "ab"}, 3),
  };
  Library library = LibraryOf(std::move(rules));
  for (const char* text : {"打击赌场", "红包加群开户", "casino红包开户", "赌博博", "加x群红包赌",
                           "123456元", "线上赌场开户", "In Game 赌", "aaab aab aass"}) {
    library.texts.push_back(text);
  }
  return library;
}

// Every detector, alone and as a part, with the texts of data/detectors.
Library Detectors() {
  std::vector<Rule> rules;
  for (const std::string_view name : DetectorNames()) {
    rules.push_back(MakeRule(Detect(*DetectorFromName(name))));
  }
  rules.push_back(WithExcept(MakeRule(Detect(Detector::kCnMobile)), {"客服", "订单"}, 3));
  rules.push_back(MakeRule(Combine(
      Matcher::Kind::kNear, {Detect(Detector::kQqNumber), Detect(Detector::kCnMobile)}, 20)));
  rules.push_back(
      MakeRule(Combine(Matcher::Kind::kAny, {Detect(Detector::kTaiwanPermit), Regex("\\d{8}"),
                                             Words({"12345678", "微信"})})));
  Library library = LibraryOf(std::move(rules));
  for (const std::string_view name : DetectorNames()) {
    std::ifstream file(kSource + "/tests/rules/data/detectors/" + std::string(name) + ".tsv");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with('#')) continue;
      std::string text = line.substr(line.rfind('\t') + 1);
      for (size_t at; (at = text.find("\\n")) != std::string::npos;) text.replace(at, 2, "\n");
      library.texts.push_back(text);
    }
  }
  for (const char* text : {"客服13812345678", "QQ 12345 13912345678", "6222 0200 0000 0007", "0086",
                           "86", "tel", "微信号", "护照", "证件号：", "客服", "12345678"}) {
    library.texts.push_back(text);
  }
  return library;
}

Library Encoded() {
  RuleLibrary all = EncodedWords();
  // What is decoded may be disguised.
  all.rules.push_back(MakeRule(Words({"赌场"}, kDigitsLane | kPinyinLane | kDecodedLane)));
  all.texts.insert(all.texts.end(), {"duchang", "JTY0JTc1Y2hhbmc"});
  return LibraryOf(std::move(all));
}

Library Disguises() {
  RuleLibrary all = WordsToTheEar();
  for (const RuleLibrary& library : {WordsToTheEye(), DisguisedParts()}) {
    all.rules.insert(all.rules.end(), library.rules.begin(), library.rules.end());
    all.texts.insert(all.texts.end(), library.texts.begin(), library.texts.end());
  }
  // Syllables that are two words' own, a letter v, and runs of one syllable.
  const std::vector<std::string> more = {"博彩网", "红包", "天天哈哈", "女子"};
  for (const LaneSet lanes : {kDefaultLanes, kFoldLane, LaneSet{0}}) {
    all.rules.push_back(MakeRule(Words(more, kPinyinLane | lanes)));
  }
  all.rules.push_back(MakeRule(Words({"长生", "的饿", "西安上"}, kPinyinLane)));
  const auto every_lane = static_cast<LaneSet>((1U << kLaneCount) - 1);
  all.rules.push_back(MakeRule(Words({"线上赌场", "赌博"}, every_lane)));
  all.texts.insert(all.texts.end(),
                   {"wanduchang", "天天蛤哈", "hongbao", "lv", "nvzi", "nüzi", "luzi", "shishi"});
  return LibraryOf(std::move(all));
}

// Makes texts of a library's own: disguised, cut short, mixed, with odd bytes.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : evader_(seed) {}

  std::string Mutate(const Library& library) {
    std::string text;
    for (size_t i = 1 + evader_.Below(3); i > 0; --i) {
      text += Piece(library.texts[evader_.Below(library.texts.size())]);
      if (evader_.Below(3) == 0) text += kOther[evader_.Below(std::size(kOther))];
    }
    return text;
  }
  std::vector<size_t> Cuts(size_t size) {
    const size_t mean = 1 + evader_.Below(12);
    std::vector<size_t> cuts;
    for (size_t at = 0; at < size; ++at) {
      if (evader_.Below(mean) == 0) cuts.push_back(at);
    }
    return cuts;
  }

 private:
  inline static const std::string kOther[] = {" ",
                                              "\n",
                                              "，",
                                              "的",
                                              "a",
                                              "1",
                                              "\xE4",
                                              "\xFF",
                                              "🎲",
                                              "㈠",
                                              "ﬁ",
                                              std::string(64, ' '),
                                              std::string(66, '.'),
                                              "警方",
                                              "-",
                                              "：",
                                              "8",
                                              "一",
                                              "@",
                                              ".",
                                              "①",
                                              "\u200b"};

  std::string Piece(std::string text) {
    std::vector<std::string> characters = Characters(text);
    if (evader_.Below(4) == 0) {
      const size_t from = evader_.Below(characters.size() + 1);
      characters.erase(characters.begin(), characters.begin() + static_cast<ptrdiff_t>(from));
    }
    if (evader_.Below(4) == 0) characters.resize(evader_.Below(characters.size() + 1));
    std::string piece;
    for (const std::string& c : characters) piece += c;
    for (size_t disguises = evader_.Below(3); disguises > 0; --disguises) {
      const auto families = Families();
      const Family family = families[evader_.Below(families.size())].family;
      if (auto disguised = evader_.Disguise(family, piece)) piece = *std::move(disguised);
    }
    const size_t mixed = evader_.Below(6);
    if (mixed > 2) return piece;
    std::string changed;
    for (const std::string& c : Characters(piece)) {
      if (mixed != 0 || evader_.Below(8) != 0) changed += c;
      if (mixed == 1 && evader_.Below(8) == 0) changed += kOther[evader_.Below(std::size(kOther))];
      if (mixed == 2 && evader_.Below(8) == 0) changed += c;
    }
    return changed;
  }

  Evader evader_;
};

std::vector<Finding> ScanInPieces(const RuleSet& rules, Direction direction, std::string_view text,
                                  const std::vector<size_t>& cuts) {
  StreamScan scan(rules, direction);
  std::vector<Finding> findings;
  size_t from = 0;
  for (const size_t cut : cuts) {
    EXPECT_TRUE(scan.Feed(text.substr(from, cut - from), findings).ok());
    from = cut;
  }
  EXPECT_TRUE(scan.Feed(text.substr(from), findings).ok());
  EXPECT_TRUE(scan.Finish(findings).ok());
  std::sort(findings.begin(), findings.end(), ByPlace);
  return findings;
}

void ExpectAgreement(const Library& library, const std::string& text,
                     const std::vector<size_t>& cuts) {
  for (const Direction direction : {Direction::kPrompt, Direction::kAnswer}) {
    if (direction == Direction::kAnswer && !library.one_way) return;
    const std::vector<Finding> expected = ReferenceScan(library.rules, direction, text);
    if (library.disguised &&
        expected != ReferenceScan(library.rules, direction, text, ReferenceForms::kLikely)) {
      ++library.left_open;
      return;
    }
    const std::vector<Finding> whole = ScanWhole(*library.compiled, text, direction);
    ASSERT_EQ(whole, expected) << testing::PrintToString(text) << "\nscan: " << List(whole, text)
                               << "\nslow path: " << List(expected, text);
    const std::vector<Finding> pieces = ScanInPieces(*library.compiled, direction, text, cuts);
    ASSERT_EQ(pieces, expected) << testing::PrintToString(text)
                                << "\nstream: " << List(pieces, text)
                                << "\nslow path: " << List(expected, text);
  }
}

void ExpectAgreementOnTextsAndMutations(const Library& library, int mutations) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Mutator mutator(seed);
  for (const std::string& text : library.texts) {
    ExpectAgreement(library, text, mutator.Cuts(text.size()));
    if (testing::Test::HasFatalFailure()) return;
  }
  const char* const times = std::getenv("WEIR_TIMES");
  if (times != nullptr) mutations *= std::atoi(times);
  for (int i = 0; i < mutations; ++i) {
    const std::string text = mutator.Mutate(library);
    ExpectAgreement(library, text, mutator.Cuts(text.size()));
    if (testing::Test::HasFatalFailure()) return;
  }
  testing::Test::RecordProperty("left_open", library.left_open);
  EXPECT_LE(library.left_open, mutations / 10);
}

TEST(DifferentialTest, StarterPacks) {
  ExpectAgreementOnTextsAndMutations(Packs({kSource + "/rules/packs"}), 400);
}

TEST(DifferentialTest, PacksOfTests) {
  ExpectAgreementOnTextsAndMutations(Packs({kSource + "/tests/policy/packs"}), 200);
}

TEST(DifferentialTest, Detectors) {
  ExpectAgreementOnTextsAndMutations(Detectors(), 400);
}

TEST(DifferentialTest, Disguises) {
  ExpectAgreementOnTextsAndMutations(Disguises(), 300);
}

TEST(DifferentialTest, Encoded) {
  ExpectAgreementOnTextsAndMutations(Encoded(), 500);
}

TEST(DifferentialTest, HardRules) {
  ExpectAgreementOnTextsAndMutations(HardRules(), 800);
}

}  // namespace
}  // namespace weir::rules
