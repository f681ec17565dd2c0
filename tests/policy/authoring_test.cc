#include "policy/authoring.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "policy/profile.h"
#include "tests/seed.h"

namespace weir::policy {
namespace {

using testing::HasSubstr;

const std::string kSource = WEIR_SOURCE_DIR;
const std::string kData = kSource + "/tests/policy";

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome RunCommand(int (*command)(const AuthoringOptions&, std::ostream&, std::ostream&),
                   const AuthoringOptions& options) {
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.code = command(options, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

ScanOptions PublicScan() {
  ScanOptions options;
  options.pack_paths = {kData + "/packs"};
  options.profile_paths = {kSource + "/config/profiles"};
  options.profile = "cn-public";
  return options;
}

Outcome Scan(const ScanOptions& options, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Outcome outcome;
  outcome.code = ScanLines(options, in, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

simdjson::dom::element Parsed(simdjson::dom::parser& parser, const std::string& json) {
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(json).get(root), simdjson::SUCCESS) << json;
  return root;
}

TEST(ScanLinesTest, SaysWhatTheInterfacePromises) {
  const Outcome outcome = Scan(PublicScan(),
                               "{\"id\":\"a\",\"text\":\"今天天气很好\"}\n"
                               "{\"id\":\"b\",\"text\":\"见内部价格表\"}\n"
                               "{\"id\":3,\"text\":\"ＴＯＰＳＥＣＲＥＴ与断-头-台\"}");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, R"({"id":"a","action":"allow","text":"今天天气很好","findings":[]}
{"id":"b","action":"mask","text":"见［已屏蔽］","findings":[)"
                         R"({"rule":"PT-0020","category":"A.3.c","severity":"medium",)"
                         R"("start":3,"end":12,"lane":"fold"},)"
                         R"({"rule":"PT-0020","category":"A.3.c","severity":"medium",)"
                         R"("start":3,"end":18,"lane":"fold"}]}
{"id":3,"action":"block","text":"［已屏蔽］与断-头-台","findings":[)"
                         R"({"rule":"PT-0020","category":"A.3.c","severity":"medium",)"
                         R"("start":0,"end":27,"lane":"fold"},)"
                         R"({"rule":"PT-0010","category":"A.1.h","severity":"high",)"
                         R"("start":30,"end":41,"lane":"skeleton"}]}
)");
}

TEST(ScanLinesTest, NumbersAreFoundInTheirLane) {
  const Outcome outcome = Scan(PublicScan(), "{\"id\":1,\"text\":\"电话138-0013-8000谢谢\"}");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\"action\":\"mask\",\"text\":\"电话138"));
  EXPECT_THAT(outcome.out, HasSubstr("\"findings\":[{\"rule\":\"PT-0050\",\"category\":\"A.4.f\","
                                     "\"severity\":\"medium\",\"start\":6,\"end\":19,"));
}

TEST(ScanLinesTest, WithoutProfilesTheBuiltInTableDecides) {
  ScanOptions options = PublicScan();
  options.profile_paths = {};
  options.profile = "";
  const Outcome outcome = Scan(options, "{\"id\":1,\"text\":\"不想活了\"}");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\"action\":\"mask\",\"text\":\"［已屏蔽］\""));
}

TEST(ScanLinesTest, TheProfileIsChosenOrRefused) {
  ScanOptions options = PublicScan();
  options.profile = "";
  Outcome outcome = Scan(options, "");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "weir: there is more than one profile: choose one of cn-minor, cn-public, internal\n");
  options.profile = "cn-teen";
  outcome = Scan(options, "");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "weir: there is no profile \"cn-teen\": choose one of cn-minor, cn-public, internal\n");
}

TEST(ScanLinesTest, EscapesAreReadAndWritten) {
  const std::string text = "引号\" 反斜 \\ 换行\n回车\r制表\t零\x01 内部价 😀 删\x7F";
  std::string input =
      "{\"id\":\"\\u0041\\\"\\n\",\"text\":\"引号\\\" 反斜 \\\\ 换行\\n回车\\r制表\\t";
  input += "零\\u0001 \\u5185\\u90e8\\u4ef7 \\ud83d\\ude00 删\x7F\"}";
  const Outcome outcome = Scan(PublicScan(), input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  simdjson::dom::parser parser;
  const simdjson::dom::element line = Parsed(parser, outcome.out);
  EXPECT_EQ(line["id"].get_string().value(), "A\"\n");
  std::string expected = text;
  expected.replace(expected.find("内部价"), std::string_view("内部价").size(), kMaskText);
  EXPECT_EQ(line["text"].get_string().value(), expected);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
}

TEST(ScanLinesTest, IdsKeepTheirKind) {
  const Outcome outcome =
      Scan(PublicScan(),
           "{\"id\":-7,\"text\":\"\"}\n{\"id\":18446744073709551615,\"text\":\"\"}\n"
           "{\"id\":\"7\",\"text\":\"\"}\n");
  EXPECT_EQ(outcome.out,
            "{\"id\":-7,\"action\":\"allow\",\"text\":\"\",\"findings\":[]}\n"
            "{\"id\":18446744073709551615,\"action\":\"allow\",\"text\":\"\",\"findings\":[]}\n"
            "{\"id\":\"7\",\"action\":\"allow\",\"text\":\"\",\"findings\":[]}\n");
}

TEST(ScanLinesTest, BlankLinesByteOrderMarksAndOtherKeysAreNoTrouble) {
  const Outcome outcome =
      Scan(PublicScan(),
           "\xEF\xBB\xBF{\"id\":1,\"text\":\"一\",\"set\":{\"text\":2}}\r\n\r\n  \n"
           "{\"text\":\"二\",\"id\":2}\n\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "{\"id\":1,\"action\":\"allow\",\"text\":\"一\",\"findings\":[]}\n"
            "{\"id\":2,\"action\":\"allow\",\"text\":\"二\",\"findings\":[]}\n");
}

struct BadLine {
  const char* line;
  const char* reason;
};

TEST(ScanLinesTest, ABadLineIsNamedAndTheOthersAreScanned) {
  static constexpr const char* kNotAnObject =
      "it is not a JSON object: write one object with \"id\" and \"text\" a line";
  static constexpr const char* kBadString =
      "a string holds a lone surrogate or an unknown escape: write valid JSON strings";
  static constexpr BadLine kBadLines[] = {
      {"{\"id\":1,\"text\":\"x\"", kNotAnObject},
      {"{\"id\":1,\"text\":\"x\"} {}", kNotAnObject},
      {"[1]", kNotAnObject},
      {"plain text", kNotAnObject},
      {"{\"id\":1,\"text\":\"\xFF\"}", "it is not valid UTF-8: convert the file to UTF-8"},
      {"{\"id\":1,\"text\":\"\xE5\x86\"}", "it is not valid UTF-8: convert the file to UTF-8"},
      {"{\"id\":1,\"text\":\"\xED\xA0\x80\"}", "it is not valid UTF-8: convert the file to UTF-8"},
      {"{\"id\":1,\"text\":\"\\ud83d\"}", kBadString},
      {"{\"id\":1,\"text\":\"\\ud83dx\"}", kBadString},
      {"{\"id\":1,\"text\":\"\\ude00\"}", kBadString},
      {"{\"id\":1,\"text\":\"\\ud83d\\ud83d\"}", kBadString},
      {"{\"id\":1,\"text\":\"\\x41\"}", kBadString},
      {"{\"id\":1,\"text\":\"a\tb\"}",
       "a string holds a control character that is not escaped: escape it"},
      {"{\"id\":1}", "\"text\" is missing"},
      {"{\"text\":\"x\"}", "\"id\" is missing"},
      {"{\"id\":1,\"text\":null}", "\"text\" is not a string"},
      {"{\"id\":1,\"text\":[\"x\"]}", "\"text\" is not a string"},
      {"{\"id\":1.5,\"text\":\"x\"}", "\"id\" is neither a string nor a whole number"},
      {"{\"id\":null,\"text\":\"x\"}", "\"id\" is neither a string nor a whole number"},
      {"{\"id\":1,\"text\":\"x\",\"text\":\"断头台\"}", "\"text\" is there twice"},
      {"{\"id\":1,\"id\":2,\"text\":\"x\"}", "\"id\" is there twice"},
      {"{\"id\":1,\"te\\u0078t\":\"x\",\"text\":\"断头台\"}", "\"text\" is there twice"},
  };
  for (const BadLine& bad : kBadLines) {
    const Outcome outcome =
        Scan(PublicScan(), "{\"id\":\"before\",\"text\":\"\"}\n" + std::string(bad.line) +
                               "\n{\"id\":\"after\",\"text\":\"\"}\n");
    EXPECT_EQ(outcome.code, 2) << bad.line;
    EXPECT_EQ(outcome.err, "weir: line 2: " + std::string(bad.reason) + "\n") << bad.line;
    EXPECT_THAT(outcome.out, HasSubstr("before"));
    EXPECT_THAT(outcome.out, HasSubstr("after"));
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
  }
}

TEST(ScanLinesTest, AFileOfAnotherKindDoesNotFloodTheTerminal) {
  std::string input;
  for (int i = 0; i < 1000; ++i) input += "not json\n";
  const Outcome outcome = Scan(PublicScan(), input);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 21);
  EXPECT_THAT(outcome.err, HasSubstr("weir: and 980 more bad lines\n"));
}

TEST(ScanLinesTest, RulesThatDoNotLoadAreSaid) {
  ScanOptions options = PublicScan();
  options.pack_paths = {kData + "/packs_failing.yaml"};
  const Outcome outcome = Scan(options, "{\"id\":1,\"text\":\"\"}");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("PF-0010"));
}

TEST(ScanLinesTest, AnOutputThatFailsIsSaid) {
  std::istringstream in("{\"id\":1,\"text\":\"\"}");
  std::ofstream out("/dev/full");
  std::ostringstream err;
  EXPECT_EQ(ScanLines(PublicScan(), in, out, err), 2);
  EXPECT_THAT(err.str(), HasSubstr("the output could not be written"));
}

TEST(ScanLinesTest, EveryChunkSizeSaysTheSame) {
  static const std::vector<std::string> kPieces = {"内部价",
                                                   "内部价格表单",
                                                   "断头台",
                                                   "断 头 台",
                                                   "13800138000",
                                                   "１３８００１３８０００",
                                                   "11010519491231002X",
                                                   "订单12345号",
                                                   "仓库",
                                                   "密码",
                                                   "的",
                                                   "好",
                                                   "topsecret",
                                                   "😀",
                                                   " ",
                                                   "。"};
  std::mt19937_64 random(Seed());
  std::string input;
  for (int i = 0; i < 60; ++i) {
    input += "{\"id\":" + std::to_string(i) + ",\"text\":\"";
    for (uint64_t pieces = random() % 12; pieces > 0; --pieces) {
      input += kPieces[random() % kPieces.size()];
    }
    input += "\"}\n";
  }
  ScanOptions options = PublicScan();
  options.pack_paths.push_back(kData + "/packs_near.yaml");
  const Outcome whole = Scan(options, input);
  ASSERT_EQ(whole.code, 0) << whole.err;
  for (size_t chunk = 1; chunk <= 64; ++chunk) {
    options.chunk_bytes = chunk;
    EXPECT_EQ(Scan(options, input).out, whole.out) << "chunk " << chunk;
  }
}

TEST(LintRulesTest, GoodRules) {
  const Outcome outcome = RunCommand(LintRules, {.pack_paths = {kData + "/packs"}});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "ok: 2 packs, 9 rules, 0 warnings\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(LintRulesTest, BadRules) {
  const Outcome outcome = RunCommand(LintRules, {.pack_paths = {kData + "/packs_failing.yaml"}});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("PF-0010"));
  EXPECT_THAT(outcome.err, HasSubstr("weir: 1 problem to mend before these rules can be used\n"));
}

TEST(LintRulesTest, BadRulesAsJson) {
  const Outcome outcome =
      RunCommand(LintRules, {.pack_paths = {kData + "/packs_failing.yaml"}, .json = true});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "");
  simdjson::dom::parser parser;
  const simdjson::dom::element answer = Parsed(parser, outcome.out);
  EXPECT_FALSE(answer["ok"].get_bool().value());
  EXPECT_EQ(answer["problems"].at(0)["file"].get_string().value(), kData + "/packs_failing.yaml");
}

TEST(LintRulesTest, WarnsOfWordsThatAreTooShort) {
  const Outcome outcome = RunCommand(LintRules, {.pack_paths = {kData + "/packs_short.yaml"}});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "ok: 1 pack, 1 rule, 1 warning\n");
  EXPECT_EQ(outcome.err,
            kData +
                "/packs_short.yaml:13: warning: rule PS-0010: word \"赌\" is so short that it "
                "will match inside harmless words: use a longer one, \"near\" or \"except\"\n");
}

TEST(LintRulesTest, WarnsOfExpressionsThatHoldEveryStream) {
  const Outcome outcome = RunCommand(LintRules, {.pack_paths = {kData + "/packs_costly.yaml"}});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err,
            kData +
                "/packs_costly.yaml:6: warning: rule PC-0010: a regex can begin with nearly any "
                "character, so every stream is held back for it, up to 22 characters: begin it "
                "with the characters that matter\n");
}

TEST(ShowRuleStatsTest, TellsCostsApart) {
  const Outcome outcome =
      RunCommand(ShowRuleStats, {.pack_paths = {kData + "/packs_costly.yaml"}, .json = true});
  simdjson::dom::parser parser;
  std::vector<std::string> costs;
  for (const simdjson::dom::element rule : Parsed(parser, outcome.out)["rules"].get_array()) {
    costs.emplace_back(rule["cost"].get_string().value());
  }
  EXPECT_THAT(costs, testing::ElementsAre("open", "fixed", "loose"));
}

TEST(AuthoringTest, APathThatIsNotThere) {
  for (auto* command : {LintRules, TestRules, ShowRuleStats}) {
    Outcome outcome = RunCommand(command, {.pack_paths = {kData + "/nowhere"}});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, "weir: cannot find " + kData +
                               "/nowhere: name a pack file or a directory of packs\n");
    outcome = RunCommand(command, {});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, "weir: no rules to read: name a pack file or a directory of packs\n");
  }
}

TEST(TestRulesTest, CountsTheTestsOfAPack) {
  const Outcome outcome = RunCommand(TestRules, {.pack_paths = {kData + "/packs"}});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "policy-numbers 1.0.0: 3 rules, 3 hit and 3 miss tests came out as written\n"
            "policy-test 1.0.0: 6 rules, 6 hit and 6 miss tests came out as written\n");
  EXPECT_EQ(
      RunCommand(TestRules, {.pack_paths = {kData + "/packs"}, .json = true}).out,
      "{\"ok\":true,\"packs\":[{\"pack\":\"policy-numbers\",\"rules\":3,\"hit\":3,\"miss\":3},"
      "{\"pack\":\"policy-test\",\"rules\":6,\"hit\":6,\"miss\":6}]}\n");
  EXPECT_EQ(RunCommand(TestRules, {.pack_paths = {kData + "/packs_failing.yaml"}}).code, 1);
}

TEST(ShowRuleStatsTest, ShowsTheGuaranteeOfEachRule) {
  const AuthoringOptions options = {.pack_paths = {kData + "/packs", kData + "/packs_near.yaml"}};
  const Outcome outcome = RunCommand(ShowRuleStats, options);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("PT-0010\tstable\tA.1.h\thigh\tboth\twhole\t5\t"
                                     "fold,skeleton\t2\t0\t词语\n"));
  EXPECT_THAT(outcome.out, HasSubstr("PN-0010\tstable\tA.3.c\tmedium\tboth\tcompletion\t"));
  EXPECT_THAT(outcome.out, HasSubstr("\n3 个规则包，10 条规则，编译后占内存 "));
  EXPECT_THAT(outcome.out, HasSubstr("\nsha256:"));
}

TEST(ShowRuleStatsTest, AsJson) {
  const Outcome outcome =
      RunCommand(ShowRuleStats, {.pack_paths = {kData + "/packs"}, .json = true});
  EXPECT_EQ(outcome.code, 0);
  simdjson::dom::parser parser;
  const simdjson::dom::element answer = Parsed(parser, outcome.out);
  const simdjson::dom::element rule = answer["rules"].at(3);
  EXPECT_EQ(rule["rule"].get_string().value(), "PT-0010");
  EXPECT_EQ(rule["guarantee"].get_string().value(), "whole");
  EXPECT_EQ(rule["words"].get_uint64().value(), 2U);
  EXPECT_EQ(rule["lanes"].at(1).get_string().value(), "skeleton");
  EXPECT_EQ(rule["cost"].get_string().value(), "words");
  EXPECT_GT(answer["memory_bytes"].get_uint64().value(), 0U);
  EXPECT_EQ(answer["coverage"]["needed"].get_uint64().value(), 10'000U);
  EXPECT_EQ(answer["coverage"]["categories"].get_array().size(), 17U);
}

}  // namespace
}  // namespace weir::policy
