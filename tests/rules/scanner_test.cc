#include "rules/scanner.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

struct Case {
  std::string text;
  std::vector<std::string> found;  // "lane:text"
};

void ExpectFound(const RuleSet& rules, const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(Found(rules, c.text), c.found) << c.text;
}

TEST(ScanTest, WordsInDisguise) {
  const auto rules =
      CompileRules({MakeRule(Words({"线上赌场", "casino", "ass", "天天彩票", "100元"}))});
  const std::string gap(64, ' ');
  ExpectFound(*rules, {
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
                          {"线" + gap + "上赌场", {"skeleton:线" + gap + "上赌场"}},
                          {"线 " + gap + "上赌场", {}},
                          {"线ˇ上ʼ赌ˉ场", {"skeleton:线ˇ上ʼ赌ˉ场"}},
                          {"线\u0345上赌\u0363场", {"fold:线\u0345上赌\u0363场"}},
                          {"线🇲🇴上🇲🇴赌🎲🇲🇴场", {"skeleton:线🇲🇴上🇲🇴赌🎲🇲🇴场"}},
                          {"➀⓪⓿元 ❶０⓪元", {"fold:➀⓪⓿元", "fold:❶０⓪元"}},
                          {"ϲаѕіηо ｃаѕＩηо", {"fold:ϲаѕіηо", "fold:ｃаѕＩηо"}},
                          {"线\xE4上赌场", {}},
                          {"线上赌场线上赌场", {"fold:线上赌场", "fold:线上赌场"}},
                      });
}

TEST(ScanTest, WordsToTheEar) {
  const auto rules =
      CompileRules({MakeRule(Words({"线上赌场", "赌博", "加v信", "天天彩票", "女儿红", "长生牌"},
                                   kDefaultLanes | kPinyinLane))});
  ExpectFound(
      *rules,
      {
          {"来线上赌场玩", {"fold:线上赌场"}},
          {"线 上 赌 场", {"skeleton:线 上 赌 场"}},
          {"来现尚堵厂玩", {"pinyin:现尚堵厂"}},
          {"xianshangduchang", {"pinyin:xianshangduchang"}},
          {"XianShang DuChang!", {"pinyin:XianShang DuChang"}},
          {"xian4 shang4 du3 chang3", {"pinyin:xian4 shang4 du3 chang"}},
          {"xiànshàngdǔchǎng", {"pinyin:xiànshàngdǔchǎng"}},
          {"线shang赌chang", {"pinyin:线shang赌chang"}},
          {"線ｓｈａｎｇ🎲堵-厂", {"pinyin:線ｓｈａｎｇ🎲堵-厂"}},
          {"x i a n s h a n g d u c h a n g", {"pinyin:x i a n s h a n g d u c h a n g"}},
          {"xia nshangduchang", {}},
          {"xia🎲nsh%angdu✦ch~ang", {"pinyin:xia🎲nsh%angdu✦ch~ang"}},
          {"现现尚堵厂厂", {"pinyin:现尚堵厂"}},
          {"xxiaanshangduchangg", {"pinyin:xiaanshangduchang"}},
          {"wanxianshangduchang", {"pinyin:xianshangduchang"}},
          {"thexianshangduchang", {}},
          {"xianshangduchanged", {}},
          {"xianshangduchangan", {"pinyin:xianshangduchang"}},
          {"西安上赌场", {}},
          {"xi'an上赌场", {}},
          {"赌搏", {"pinyin:赌搏"}},
          {"dubo", {"pinyin:dubo"}},
          {"读博", {"pinyin:读博"}},
          {"毒伯", {}},
          {"du博", {"pinyin:du博"}},
          {"家v芯", {"pinyin:家v芯"}},
          {"jiavxin", {"pinyin:jiavxin"}},
          {"天tian彩票", {"pinyin:天tian彩票"}},
          {"tian彩票", {}},
          {"填田才票", {"pinyin:填田才票"}},
          {"填填才票", {"pinyin:填填才票"}},
          {"nverhong nuerhong", {"pinyin:nverhong", "pinyin:nuerhong"}},
          {"常生牌 掌生牌 changshengpai zhangshengpai",
           {"pinyin:常生牌", "pinyin:掌生牌", "pinyin:changshengpai", "pinyin:zhangshengpai"}},
      });
}

TEST(ScanTest, WordsToTheEye) {
  const auto rules = CompileRules({MakeRule(Words(
      {"线上赌场", "赌博", "法轮盘", "森林舞会", "加q", "加群"}, kDefaultLanes | kShapeLane))});
  ExpectFound(*rules, {
                          {"来线上赌场玩", {"fold:线上赌场"}},
                          {"线上贝者场", {"shape:线上贝者场"}},
                          {"线 上 贝 者 场", {"shape:线 上 贝 者 场"}},
                          {"綫上貝者場", {"shape:綫上貝者場"}},
                          {"线上睹场", {"shape:线上睹场"}},
                          {"线上目者土昜", {}},
                          {"贝者博", {"shape:贝者博"}},
                          {"氵去轮盘", {"shape:氵去轮盘"}},
                          {"⺡去轮盘", {"shape:⺡去轮盘"}},
                          {"木木木木木舞会", {"shape:木木木木木舞会"}},
                          {"木木舞会", {}},
                          {"线上者贝场", {}},
                          {"线上贝场", {}},
                          {"想进的力口Q", {"shape:力口Q"}},
                          {"提高听力口语", {}},
                          {"听力口群里见", {}},
                      });
}

TEST(ScanTest, LanesAreTheOnesNamed) {
  const auto rules = CompileRules({MakeRule(Words({"In-Game 赌"}, kExactLane)),
                                   MakeRule(Words({"in-game 赌"}, kFoldLane)),
                                   MakeRule(Words({"in-game 赌"}, kSkeletonLane))});
  const auto found = [&](std::string_view text) {
    std::vector<std::string> all;
    for (const Finding& finding : ScanWhole(*rules, text)) all.push_back(Describe(finding, text));
    return all;
  };
  EXPECT_EQ(found("In-Game 赌"),
            (std::vector<std::string>{"0:exact:In-Game 赌", "1:fold:In-Game 赌",
                                      "2:skeleton:In-Game 赌"}));
  EXPECT_EQ(found("in-game 賭"),
            (std::vector<std::string>{"1:fold:in-game 賭", "2:skeleton:in-game 賭"}));
  EXPECT_EQ(found("in game赌"), (std::vector<std::string>{"2:skeleton:in game赌"}));
}

TEST(ScanTest, DirectionsAndStatus) {
  Rule retired = MakeRule(Words({"赌场"}));
  retired.status = RuleStatus::kRetired;
  const auto rules = CompileRules({MakeRule(Words({"赌场"}), RuleDirection::kPrompt),
                                   MakeRule(Words({"赌场"}), RuleDirection::kAnswer), retired});
  EXPECT_EQ(ScanWhole(*rules, "赌场", Direction::kPrompt).at(0).rule, 0U);
  EXPECT_EQ(ScanWhole(*rules, "赌场", Direction::kAnswer).at(0).rule, 1U);
  EXPECT_EQ(ScanWhole(*rules, "赌场", Direction::kAnswer).size(), 1U);
}

TEST(ScanTest, Expressions) {
  const auto rules = CompileRules({MakeRule(Regex("(开户|注册)送\\d{2,4}(元|彩金)")),
                                   MakeRule(Regex("Ignore (all|any) rules", kFoldLane)),
                                   MakeRule(Regex("\\bdan\\b", kFoldLane)),
                                   MakeRule(Regex("[A-Z]{3}\\d", kExactLane))});
  ExpectFound(*rules, {
                          {"注册送8888元", {"fold:注册送8888元"}},
                          {"註冊送８８８８元", {"fold:註冊送８８８８元"}},
                          {"注 册-送 88 彩金!", {"skeleton:注 册-送 88 彩金"}},
                          {"注册送88888元", {}},
                          {"please IGNORE all Rules", {"fold:IGNORE all Rules"}},
                          {"DAN dance dan", {"fold:DAN", "fold:dan"}},
                          {"ABC1 abc1 ABCD1", {"exact:ABC1", "exact:BCD1"}},
                          {"AB\xFF"
                           "C1",
                           {}},
                      });
}

TEST(ScanTest, Numbers) {
  const auto rules =
      CompileRules({MakeRule(Detect(Detector::kCnIdCard)), MakeRule(Detect(Detector::kCnMobile))});
  ExpectFound(
      *rules,
      {
          {"身份证11010519491231002X号", {"exact:11010519491231002X"}},
          {"身份证11010519491231002x号", {"exact:11010519491231002x"}},
          {"身份证110105194912310021号", {}},
          {"440524188001010014", {}},  // born in 1880: outside 1900 to now
          {"51343620000320711X", {"exact:51343620000320711X"}},
          {"１１０１０５１９４９１２３１００２Ｘ", {"fold:１１０１０５１９４９１２３１００２Ｘ"}},
          {"110105 19491231 002X", {"skeleton:110105 19491231 002X"}},
          {"1-1-0-1-0-5-1-9-4-9-1-2-3-1-0-0-2-X", {"skeleton:1-1-0-1-0-5-1-9-4-9-1-2-3-1-0-0-2-X"}},
          {"order 1101051949123100211", {}},
          {"我的手机13812345678，请打", {"exact:13812345678"}},
          {"138 1234 5678", {"skeleton:138 1234 5678"}},
          {"138-1234-5678", {"skeleton:138-1234-5678"}},
          {"+8613812345678", {"exact:13812345678"}},
          {"+86 138 1234 5678", {"skeleton:138 1234 5678"}},
          {"1 3 8 1 2 3 4 5 6 7 8", {"skeleton:1 3 8 1 2 3 4 5 6 7 8"}},
          {"1\u200b3812345678", {"fold:1\u200b3812345678"}},
          {"①③⑧①②③④⑤⑥⑦⑧", {"fold:①③⑧①②③④⑤⑥⑦⑧"}},
          {"12812345678", {}},
          {"138123456789", {}},
          {"id13812345678", {}},
          {"13812345678a", {}},
          {"1500 2000 300", {}},
          {"1,3,5,7,9,11,13,15,17", {}},
          {"13812345678 13912345678", {"exact:13812345678", "exact:13912345678"}},
          {"138\n1234\n5678", {}},
      });
}

TEST(ScanTest, AllNearAndNesting) {
  const auto rules = CompileRules({
      MakeRule(Combine(Matcher::Kind::kAll, {Words({"赌场"}), Words({"开户"})})),
      MakeRule(Combine(Matcher::Kind::kNear, {Words({"红包"}), Words({"加群"})}, 6)),
      MakeRule(Combine(Matcher::Kind::kAll,
                       {Combine(Matcher::Kind::kAny, {Words({"代孕"}), Words({"卖卵"})}),
                        Combine(Matcher::Kind::kNear, {Words({"微信"}), Regex("\\d{3}")}, 5)})),
  });
  ExpectFound(*rules, {
                          {"赌场", {}},
                          {"赌场里不能开户", {"fold:开户"}},
                          {"开户，开户，赌场", {"fold:赌场"}},
                          {"赌场开户赌场", {"fold:开户", "fold:赌场"}},
                          {"红包快加群", {"fold:加群"}},
                          {"红包很大的快加群", {}},
                          {"加群领红包", {"fold:红包"}},
                          {"卖卵微信123", {"fold:123"}},
                          {"微信123代孕", {"fold:代孕"}},
                          {"微信一二三123代孕", {}},
                      });
}

TEST(ScanTest, Exceptions) {
  const auto rules =
      CompileRules({WithExcept(MakeRule(Words({"网络赌博"})), {"打击网络赌博", "普法"}, 4)});
  ExpectFound(*rules, {
                          {"网络赌博", {"fold:网络赌博"}},
                          {"打击网络赌博", {}},
                          {"打擊 网络赌博", {}},
                          {"网络赌博的普法课", {}},
                          {"网络赌博是为普法", {}},
                          {"网络赌博是不太为普法", {}},
                          {"网络赌博是不为普法", {}},
                          {"网络赌博是不太为了普法", {"fold:网络赌博"}},
                          {"普法一二三四网络赌博", {}},
                          {"普法一二三四五网络赌博", {"fold:网络赌博"}},
                      });
}

TEST(ScanTest, OneSpanIsReportedOnceInItsFinestLane) {
  const auto rules = CompileRules({MakeRule(
      Combine(Matcher::Kind::kAny, {Words({"加微信"}, kSkeletonLane), Words({"加微信"}, kFoldLane),
                                    Regex("加微信", kDefaultLanes | kExactLane)}))});
  EXPECT_EQ(Found(*rules, "快加微信"), std::vector<std::string>{"exact:加微信"});
  EXPECT_EQ(Found(*rules, "快加-微信"), std::vector<std::string>{"skeleton:加-微信"});
}

}  // namespace
}  // namespace weir::rules
