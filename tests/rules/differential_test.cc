// The scanner against the slow path of reference_scan.h, on every rule's own texts and on what
// becomes of them when they are disguised, cut and mixed; whole, and as streams.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "rules/scanner.h"
#include "tests/rules/evasion.h"
#include "tests/rules/reference_scan.h"
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

bool ByPlace(const Finding& a, const Finding& b) {
  return std::tie(a.end, a.start, a.rule) < std::tie(b.end, b.start, b.rule);
}

// The rules of packs that the slow path knows.
struct Library {
  std::vector<Rule> rules;
  std::vector<std::string> texts;  // their own, and their words
  std::shared_ptr<const RuleSet> compiled;
};

void AddWords(const Matcher& matcher, std::vector<std::string>& texts) {
  texts.insert(texts.end(), matcher.words.begin(), matcher.words.end());
  for (const Matcher& child : matcher.children) AddWords(child, texts);
}

Library LibraryOf(std::vector<Rule> rules) {
  Library library;
  for (Rule& rule : rules) {
    if (!ReferenceKnows(rule)) continue;
    library.texts.insert(library.texts.end(), rule.hit_tests.begin(), rule.hit_tests.end());
    library.texts.insert(library.texts.end(), rule.miss_tests.begin(), rule.miss_tests.end());
    AddWords(rule.match, library.texts);
    if (rule.except) {
      library.texts.insert(library.texts.end(), rule.except->words.begin(),
                           rule.except->words.end());
    }
    library.rules.push_back(std::move(rule));
  }
  library.compiled = CompileRules(library.rules);
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
                                              "\u200b"};

  std::string Piece(std::string text) {
    const size_t characters = evader_.Below(4) == 0 ? evader_.Below(8) : 64;
    std::string piece;
    size_t count = 0;
    for (const std::string& c : Characters(text)) {
      if (count++ == characters) break;
      piece += c;
    }
    for (size_t disguises = evader_.Below(3); disguises > 0; --disguises) {
      const auto families = Families();
      const Family family = families[evader_.Below(families.size())].family;
      if (auto disguised = evader_.Disguise(family, piece)) piece = *std::move(disguised);
    }
    return piece;
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
    const std::vector<Finding> expected = ReferenceScan(library.rules, direction, text);
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
  for (int i = 0; i < mutations; ++i) {
    const std::string text = mutator.Mutate(library);
    ExpectAgreement(library, text, mutator.Cuts(text.size()));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(DifferentialTest, StarterPacks) {
  ExpectAgreementOnTextsAndMutations(Packs({kSource + "/rules/packs"}), 1500);
}

TEST(DifferentialTest, PacksOfTests) {
  ExpectAgreementOnTextsAndMutations(Packs({kSource + "/tests/policy/packs"}), 500);
}

TEST(DifferentialTest, HardRules) {
  ExpectAgreementOnTextsAndMutations(HardRules(), 3000);
}

}  // namespace
}  // namespace weir::rules
