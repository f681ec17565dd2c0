#include "tests/rules/rule_libraries.h"

#include "tests/rules/rule_making.h"

namespace weir::rules {

RuleLibrary WordsToTheEar() {
  const std::vector<std::string> sounds = {"线上赌场", "长生",  "的饿",  "十时彩",
                                           "天天票",   "加v信", "西安上"};
  return {{MakeRule(Words(sounds, kDefaultLanes | kPinyinLane)),
           MakeRule(Words(sounds, kPinyinLane | kFoldLane))},
          {"线上赌场",       "现尚堵厂",  "xianshangduchang", "xian4shang4du3",
           "线shang赌chang", "常生",      "zhangsheng",       "deee",
           "十十彩",         "shishicai", "天天票",           "tiantianpiao",
           "jiavxin",        "家v芯",     "xian shang",       "d u chang",
           "duchanged",      "西安",      "十十十",           "hahahaha",
           "哈哈蛤"}};
}

RuleLibrary WordsToTheEye() {
  const std::vector<std::string> shapes = {"赌场线", "森林会", "法轮", "好明天", "未来人",
                                           "赌",     "天天法", "博彩", "加q"};
  return {{MakeRule(Words(shapes, kDefaultLanes | kShapeLane)),
           MakeRule(Words(shapes, kShapeLane | kPinyinLane))},
          {"赌场线", "贝者场线", "睹土昜线", "木木木木木会", "氵去轮", "水去轮", "女子日月天",
           "末来入", "贝", "者场", "贝者", "天夭法", "力口q", "力"}};
}

RuleLibrary DisguisedParts() {
  Rule excused = WithExcept(MakeRule(Words({"赌场", "红包群"}, kDefaultLanes | kPinyinLane)),
                            {"打击赌场", "场开户"}, 3);
  excused.except->lanes = kDefaultLanes | kPinyinLane | kShapeLane;
  return {
      {MakeRule(Combine(Matcher::Kind::kNear,
                        {Words({"红包", "赌场线"}, kPinyinLane | kShapeLane), Words({"加群"})}, 5)),
       excused},
      {"赌场", "duchang", "dajiduchang", "打击堵厂", "红包", "hongbao", "加群", "贝者场线",
       "厂kaihu", "红抱群"}};
}

RuleLibrary EncodedWords() {
  const LaneSet lanes = kDefaultLanes | kDecodedLane;
  Matcher mobile = Detect(Detector::kCnMobile);
  mobile.lanes = kDecodedLane;
  return {
      {MakeRule(Words({"赌博", "在线", "casino", "线上赌", "a赌", "6LWM5Y2a"}, lanes)),
       MakeRule(Words({"赌博", "线在", "sin"})), MakeRule(Words({"赌博"}, kDecodedLane)),
       MakeRule(Words({"一百"}, kDigitsLane | kDecodedLane)),
       MakeRule(Regex("赌.{0,2}场|\\d{3,5}|\\bdan\\b", lanes)), MakeRule(mobile),
       WithExcept(MakeRule(Words({"赌场"}, lanes)), {"打击赌场", "普法"}, 3),
       MakeRule(Combine(Matcher::Kind::kAll, {Words({"在线"}, lanes), Words({"网站"})})),
       MakeRule(Combine(Matcher::Kind::kNear, {Words({"在"}, lanes), Words({"站"}, lanes)}, 9))},
      {"赌博",
       "&#36172;博",
       "6LWM5Y2a",
       "%E8%B5%8C%E5%8D%9A",
       "\\u8d4c\\u535a",
       "5Zyo57q/6LWM5Zy6",
       "Y2FzaW5vIG9ubGluZQ==",
       "c&#97;sino",
       "casin%6F",
       "赌&nbsp;场",
       "&amp;#36172;场",
       "线上",
       "d&#97;n",
       "138&#49;2345678",
       "MTM4MTIzNDU2Nzg=",
       "网站",
       "%E5%9C%A8",
       "打击赌&#22330;",
       "hello%20world",
       "&",
       "%",
       "\\",
       "SGVsbG8gd29ybGQ=",
       "5L",
       "一%E7%99%BE",
       "普法",
       "\\u{8d4c}",
       "\\U00008d4c场",
       "\\xe8\\xb5\\x8c",
       "%u8d4c场",
       "\\ud83d\\ude00",
       "==",
       "/",
       "%25E8%25B5%258C"}};
}

}  // namespace weir::rules
