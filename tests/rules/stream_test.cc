// Stream = whole: whatever the text and however it is cut, a stream finds what a whole scan finds,
// never releases a byte of a later finding, and in the end releases everything.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rules/scanner.h"
#include "tests/rules/finding_order.h"
#include "tests/rules/rule_libraries.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

// The findings of `a` that `b` has not.
std::string Without(const std::vector<Finding>& a, const std::vector<Finding>& b,
                    std::string_view text) {
  std::string list;
  for (const Finding& finding : a) {
    if (std::find(b.begin(), b.end(), finding) != b.end()) continue;
    list += Describe(finding, text) + " at " + std::to_string(finding.start) + " | ";
  }
  return list;
}

// Feeds the text in the pieces that end at `cuts` and checks what every stream must keep.
void ExpectStreamEqualsWhole(const RuleSet& rules, std::string_view text,
                             const std::vector<size_t>& cuts) {
  const std::vector<Finding> whole = ScanWhole(rules, text);
  StreamScan scan(rules, Direction::kPrompt);
  std::vector<Finding> found;
  size_t from = 0;
  const auto check = [&](uint64_t releasable_before, size_t found_before) {
    EXPECT_GE(scan.releasable(), releasable_before);
    EXPECT_LE(scan.releasable(), scan.fed());
    for (size_t i = found_before; i < found.size(); ++i) {
      EXPECT_GE(found[i].start, releasable_before)
          << "released before it was found: " << Describe(found[i], text);
    }
  };
  for (size_t cut = 0; cut <= cuts.size(); ++cut) {
    const uint64_t releasable_before = scan.releasable();
    const size_t found_before = found.size();
    const size_t to = cut < cuts.size() ? cuts[cut] : text.size();
    ASSERT_TRUE(scan.Feed(text.substr(from, to - from), found).ok());
    from = to;
    check(releasable_before, found_before);
  }
  const uint64_t releasable_before = scan.releasable();
  const size_t found_before = found.size();
  ASSERT_TRUE(scan.Finish(found).ok());
  check(releasable_before, found_before);
  EXPECT_EQ(scan.releasable(), text.size());
  std::sort(found.begin(), found.end(), ByPlace);
  std::vector<Finding> expected = whole;
  std::sort(expected.begin(), expected.end(), ByPlace);
  EXPECT_TRUE(found == expected) << "only in the stream: " << Without(found, expected, text)
                                 << "\nonly in the whole: " << Without(expected, found, text);
}

// Random texts made of what matters to the rules: their words, disguised, cut short and mixed.
class TextMaker {
 public:
  TextMaker(uint64_t seed, std::vector<std::string> pieces)
      : random_(seed), pieces_(std::move(pieces)) {}

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  std::string Text() {
    std::string text;
    for (size_t i = Below(6) + 1; i > 0; --i) text += Piece();
    return text;
  }

  std::vector<size_t> Cuts(size_t size) {
    std::vector<size_t> cuts;
    for (size_t at = 0; at < size; ++at) {
      if (Below(4) == 0) cuts.push_back(at);
    }
    return cuts;
  }

 private:
  std::string Piece() {
    static const std::vector<std::string> kOther = {" ",
                                                    "，",
                                                    "a",
                                                    "x",
                                                    "1",
                                                    "8",
                                                    "的",
                                                    "\n",
                                                    "\u200b",
                                                    "🎲",
                                                    "-",
                                                    ".",
                                                    "\xE4",
                                                    "\xFF",
                                                    "ﬁ",
                                                    "㈠",
                                                    "賭",
                                                    "Ａ",
                                                    std::string(64, ' '),
                                                    std::string(66, '.')};
    if (Below(3) == 0) return kOther[Below(kOther.size())];
    std::vector<std::string> characters = Characters(pieces_[Below(pieces_.size())]);
    if (Below(3) == 0) characters.resize(Below(characters.size()) + 1);
    if (Below(6) == 0) characters.erase(characters.begin());
    const size_t disguise = Below(5);
    std::string piece;
    for (const std::string& c : characters) {
      piece += c;
      if (disguise == 1 && Below(2) == 0) piece += kOther[Below(4) == 0 ? 1 : 0];
      if (disguise == 2 && Below(2) == 0) piece += c;
      if (disguise == 3 && Below(3) == 0) piece += "\u200b";
      if (disguise == 4 && Below(12) == 0) piece += kOther[Below(kOther.size())];
    }
    return piece;
  }

  std::mt19937_64 random_;
  std::vector<std::string> pieces_;
};

struct Library {
  std::shared_ptr<const RuleSet> rules;
  std::vector<std::string> pieces;
};

Library LibraryOf(RuleLibrary made) {
  return {CompileRules(std::move(made.rules)), std::move(made.texts)};
}

Library NumeralWords() {
  const std::vector<std::string> words = {"100元", "一夜暴富", "微信123", "11月", "110", "一一"};
  std::vector<std::string> pieces = words;
  for (const char* const piece :
       {"一〇〇元", "①0⓪元", "⑪月", "⑪0", "1夜暴富", "壹贰叁", "微信①②③", "十"}) {
    pieces.emplace_back(piece);
  }
  return {CompileRules({MakeRule(Words(words, kDigitsLane)),
                        MakeRule(Words(words, kDefaultLanes | kDigitsLane))}),
          pieces};
}

Library LeetWords() {
  return {
      CompileRules({MakeRule(Words({"casino", "telegram", "sos", "million", "bet", "cas1no"}))}),
      {"casino", "telegram", "sos", "million", "bet", "c4s1n0", "c@$ino", "te1e9ram", "7elegr4m",
       "s0s", "50s", "mi11ion", "8et", "cas1no"}};
}

std::vector<Library> Libraries() {
  std::vector<Library> libraries;
  const std::vector<std::string> words = {"赌场",   "线上赌场", "赌场线", "上赌",    "天天彩票",
                                          "彩票票", "casino",   "ass",    "aass",    "哈哈哈",
                                          "100元",  "00",       "加v信",  "in-game", "In Game",
                                          "线线上", "赌博博网", "fi",     "一",      "场场场赌"};
  libraries.push_back({CompileRules({MakeRule(Words(words))}), words});
  libraries.push_back(
      {CompileRules({MakeRule(Words(words, kExactLane)), MakeRule(Words(words, kFoldLane)),
                     MakeRule(Words({"赌场", "aass"}, kSkeletonLane))}),
       words});
  const std::vector<std::string> expressions = {"(开户|注册)送\\d{2,4}(元|彩金)",
                                                "\\bdan\\b",
                                                "a{2,4}b?",
                                                "赌.{0,3}场",
                                                "[^a]x{1,2}",
                                                "(赌|赌场)(开户)?",
                                                "\\d{3,6}"};
  std::vector<Rule> rules;
  for (const std::string& expression : expressions) {
    rules.push_back(MakeRule(Regex(expression, kDefaultLanes | kExactLane)));
  }
  libraries.push_back({CompileRules(rules),
                       {"开户送88元", "注册送8888彩金", "dan", "aaab", "赌一二场", "赌场开户", "xx",
                        "123456", "bdan "}});
  libraries.push_back(
      {CompileRules({MakeRule(Detect(Detector::kCnIdCard)), MakeRule(Detect(Detector::kCnMobile))}),
       {"11010519491231002X", "51343620000320711X", "110105 19491231 002x", "13812345678",
        "138 1234 5678", "1 3 8 1 2 3 4 5 6 7 8", "8613912345678", "1381234", "1101051949"}});
  libraries.push_back(
      {CompileRules(
           {MakeRule(Combine(Matcher::Kind::kAll, {Words({"赌场", "aab"}), Words({"开户"})})),
            MakeRule(Combine(Matcher::Kind::kNear,
                             {Words({"红包", "赌"}), Regex("加群|群{2,3}|[a-c]{2,3}")}, 5)),
            WithExcept(MakeRule(Words({"赌场", "红包"})), {"打击赌场", "场开户", "ab"}, 3),
            WithExcept(MakeRule(Combine(Matcher::Kind::kAny, {Words({"加群"}), Regex("加.?群"),
                                                              Detect(Detector::kCnMobile)})),
                       {"普法", "群群群"}, 2)}),
       {"赌场", "开户", "红包", "加群", "打击赌场", "赌场开户", "普法", "群群群", "aab", "加x群",
        "13812345678"}});
  libraries.push_back(NumeralWords());
  libraries.push_back(LeetWords());
  libraries.push_back(LibraryOf(EncodedWords()));
  libraries.push_back(
      {CompileRules(
           {MakeRule(Regex("\\d{3,6}", kDefaultLanes | kDigitsLane)),
            MakeRule(Regex("[一二]等奖", kDigitsLane)),
            WithExcept(MakeRule(Words({"100元"}, kDefaultLanes | kDigitsLane)), {"元旦"}, 3)}),
       {"一〇〇元", "123456", "①②③", "⑪⑫", "1等奖", "一等奖", "元旦", "百"}});
  libraries.push_back(LibraryOf(WordsToTheEar()));
  libraries.push_back(LibraryOf(WordsToTheEye()));
  libraries.push_back(LibraryOf(DisguisedParts()));
  return libraries;
}

TEST(StreamTest, FindsWhatTheWholeFindsForEveryCut) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  for (const Library& library : Libraries()) {
    TextMaker maker(seed, library.pieces);
    for (int round = 0; round < 400 && !testing::Test::HasFailure(); ++round) {
      const std::string text = maker.Text();
      SCOPED_TRACE(testing::PrintToString(text));
      for (size_t cut = 0; cut <= text.size() && !testing::Test::HasFailure(); ++cut) {
        ExpectStreamEqualsWhole(*library.rules, text, {cut});
      }
      for (int many = 0; many < 4; ++many) {
        ExpectStreamEqualsWhole(*library.rules, text, maker.Cuts(text.size()));
      }
      std::vector<size_t> every(text.size());
      for (size_t i = 0; i < every.size(); ++i) every[i] = i;
      ExpectStreamEqualsWhole(*library.rules, text, every);
    }
  }
}

TEST(StreamTest, LongStreamsKeepLittleAndFindAll) {
  const auto libraries = Libraries();
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  for (const Library& library : libraries) {
    TextMaker maker(seed, library.pieces);
    std::string text;
    while (text.size() < 60000) text += maker.Text() + std::string("今天天气很好。");
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); at += maker.Below(40) + 1) cuts.push_back(at);
    ExpectStreamEqualsWhole(*library.rules, text, cuts);
  }
}

// The hold-back by definition: whatever could follow, nothing that some continuation makes a
// finding, and another does not, may go; and nothing else is held. `endings` must hold enough
// continuations to tell.
uint64_t HoldByDefinition(const RuleSet& rules, const std::string& text,
                          const std::vector<std::string>& endings) {
  std::vector<std::vector<Finding>> results;
  for (const std::string& ending : endings) results.push_back(ScanWhole(rules, text + ending));
  // How many of the continuations make each finding.
  std::map<std::tuple<uint64_t, uint64_t, uint32_t>, size_t> counts;
  for (const std::vector<Finding>& findings : results) {
    for (const Finding& finding : findings) {
      if (finding.start < text.size()) ++counts[{finding.start, finding.end, finding.rule}];
    }
  }
  for (const auto& [finding, count] : counts) {
    if (count < results.size()) return std::get<0>(finding);
  }
  return text.size();
}

TEST(StreamTest, HoldsBackTheLeastForWords) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  const auto libraries = Libraries();
  for (const Library& library : {libraries[0], libraries[1], NumeralWords(), LeetWords()}) {
    std::vector<std::string> endings = {"。", "a。", "1。", "s。", "n"};
    for (const std::string& word : library.pieces) {
      const std::vector<std::string> characters = Characters(word);
      for (size_t from = 0; from < characters.size(); ++from) {
        std::string ending;
        for (size_t i = from; i < characters.size(); ++i) ending += characters[i];
        endings.push_back(ending + "。");
      }
    }
    TextMaker maker(seed, library.pieces);
    for (int round = 0; round < 1500 && !testing::Test::HasFailure(); ++round) {
      const std::string text = maker.Text();
      // Bytes that are no character at the end are held until it is known that they stay none.
      if (static_cast<unsigned char>(text.back()) >= 0xC0) continue;
      StreamScan scan(*library.rules, Direction::kPrompt);
      std::vector<Finding> findings;
      ASSERT_TRUE(scan.Feed(text, findings).ok());
      EXPECT_EQ(scan.releasable(), HoldByDefinition(*library.rules, text, endings))
          << testing::PrintToString(text) << " of " << text.size();
    }
  }
}

TEST(StreamTest, HoldsBackTheLeastForExpressionsAndNumbers) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  struct Least {
    Library library;
    std::vector<std::string> endings;
  };
  const std::vector<Least> cases = {
      {{CompileRules({MakeRule(Regex("(开户|注册)送\\d{2,4}(元|彩金)")),
                      MakeRule(Regex("\\bdan\\b", kFoldLane)),
                      MakeRule(Regex("a{2,4}b?", kFoldLane)), MakeRule(Regex("赌.{0,2}场"))}),
        {"开户送88元", "注册送8888彩金", "dan", "aaab", "赌一二场", "bdan "}},
       {"",   "。",      "户送88元", "送88元", "88元", "8元",    "元",       "册送88元",
        "金", "彩金",    "888元",    "an。",   "n。",  "x",      "dan。",    "aa",
        "a",  "aaaaaaa", "b",        "场",     "一场", "一一场", "888888元", "1元"}},
      {{CompileRules({MakeRule(Detect(Detector::kCnMobile))}),
        {"13812345678", "138 1234 5678", "138-12345678", "8613912345678", "1381234", "001"}},
       [] {
         // Every number of digits that may be missing, in every way of parting them.
         std::vector<std::string> endings = {"", "。", "x"};
         for (const std::string gap : {"", " "}) {
           for (size_t digits = 1; digits <= 11; ++digits) {
             for (uint32_t parts = 0; parts < (1U << (digits - 1)); ++parts) {
               if (__builtin_popcount(parts) > 4 && parts + 1 != (1U << (digits - 1))) continue;
               std::string ending = gap;
               for (size_t i = 0; i < digits; ++i) {
                 ending += i == 0 && digits == 11 ? '1' : '3';
                 if (i + 1 < digits && ((parts >> i) & 1U) != 0) ending += ' ';
               }
               endings.push_back(ending + "。");
             }
           }
         }
         return endings;
       }()}};
  for (const Least& least : cases) {
    TextMaker maker(seed, least.library.pieces);
    for (int round = 0; round < 40 && !testing::Test::HasFailure(); ++round) {
      const std::string text = maker.Text();
      if (static_cast<unsigned char>(text.back()) >= 0xC0) continue;
      StreamScan scan(*least.library.rules, Direction::kPrompt);
      std::vector<Finding> findings;
      ASSERT_TRUE(scan.Feed(text, findings).ok());
      EXPECT_EQ(scan.releasable(), HoldByDefinition(*least.library.rules, text, least.endings))
          << testing::PrintToString(text) << " of " << text.size();
    }
  }
}

TEST(StreamTest, CleanTextIsNotHeldAtAll) {
  std::vector<Library> libraries = Libraries();
  libraries.resize(5);  // the others' words sound and look like much
  // Some of its expressions can begin with any character at all.
  libraries[2].rules = CompileRules({MakeRule(Regex("(开户|注册)送\\d{2,4}(元|彩金)"))});
  for (const Library& library : libraries) {
    StreamScan scan(*library.rules, Direction::kPrompt);
    std::vector<Finding> findings;
    for (const std::string& c : Characters("我们去公园里看花，孩子们很高兴。")) {
      for (size_t i = 0; i + 1 < c.size(); ++i) {
        const uint64_t whole_characters = scan.fed() - i;
        ASSERT_TRUE(scan.Feed(c.substr(i, 1), findings).ok());
        EXPECT_EQ(scan.releasable(), whole_characters);
      }
      ASSERT_TRUE(scan.Feed(c.substr(c.size() - 1), findings).ok());
      EXPECT_EQ(scan.releasable(), scan.fed());
    }
    EXPECT_TRUE(findings.empty());
  }
}

TEST(StreamTest, AnotherDirectionHoldsNothing) {
  const auto rules = CompileRules({MakeRule(Words({"忽略以上指令"}), RuleDirection::kPrompt)});
  for (const Direction direction : {Direction::kPrompt, Direction::kAnswer}) {
    StreamScan scan(*rules, direction);
    std::vector<Finding> findings;
    ASSERT_TRUE(scan.Feed("请忽略以", findings).ok());
    EXPECT_EQ(scan.releasable(), direction == Direction::kAnswer ? 12U : 3U);
  }
}

}  // namespace
}  // namespace weir::rules
