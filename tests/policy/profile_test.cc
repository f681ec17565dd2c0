#include "policy/profile.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <gtest/gtest.h>

namespace weir::policy {
namespace {

const std::string kSource = WEIR_SOURCE_DIR;
const std::string kData = kSource + "/tests/policy";

std::vector<Profile> AllProfiles() {
  std::vector<rules::Problem> problems;
  std::vector<Profile> profiles =
      ParseProfiles({kSource + "/config/profiles", kData + "/profiles"}, problems);
  for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  profiles.push_back(BuiltInProfile());
  return profiles;
}

const Profile& ById(const std::vector<Profile>& profiles, std::string_view id) {
  return *std::find_if(profiles.begin(), profiles.end(),
                       [id](const Profile& profile) { return profile.id == id; });
}

std::string FileText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

TEST(ProfileTest, ActionsComeOutAsTheTableSays) {
  const std::vector<Profile> profiles = AllProfiles();
  std::ifstream table(kData + "/actions.tsv");
  std::string line;
  int rows = 0;
  while (std::getline(table, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream row(line);
    std::string id, category, severity, direction, status, action, review;
    ASSERT_TRUE(row >> id >> category >> severity >> direction >> status >> action >> review)
        << line;
    rules::Rule rule;
    rule.category = category;
    rule.severity = rules::SeverityFromName(severity).value();
    rule.status = status == "trial" ? rules::RuleStatus::kTrial : rules::RuleStatus::kStable;
    const Decision decision = ById(profiles, id)
                                  .Decide(rule, direction == "prompt" ? rules::Direction::kPrompt
                                                                      : rules::Direction::kAnswer);
    EXPECT_EQ(Name(decision.action), action) << line;
    EXPECT_EQ(decision.review, review == "review") << line;
    ++rows;
  }
  EXPECT_GE(rows, 40);
}

TEST(ProfileTest, AProfileWithoutAnyActionBlocks) {
  Profile profile;
  EXPECT_EQ(profile.Decide(rules::Rule(), rules::Direction::kPrompt),
            (Decision{Action::kBlock, true}));
}

TEST(ProfileTest, TextsFollowTheCategory) {
  const std::vector<Profile> profiles = AllProfiles();
  const Profile& specific = ById(profiles, "specific");
  EXPECT_EQ(specific.StandInFor("A.1.h"), "类代答");
  EXPECT_EQ(specific.StandInFor("A.1.a"), "章代答");
  EXPECT_EQ(specific.StandInFor("A.2.a"), "通用代答");
  EXPECT_EQ(specific.MaskTextFor("A.3.c"), "［商业秘密］");
  EXPECT_EQ(specific.MaskTextFor("A.4.f"), kMaskText);
  const Profile& internal = ById(profiles, "internal");
  EXPECT_EQ(internal.StandInFor("A.1.h"), internal.refusal_answer);
  EXPECT_EQ(internal.MaskTextFor("A.4.f"), "［个人信息］");
}

TEST(ProfileTest, EveryKeyArrives) {
  const std::vector<Profile> profiles = AllProfiles();
  const Profile& specific = ById(profiles, "specific");
  EXPECT_EQ(specific.title, "优先次序");
  EXPECT_EQ(specific.audience, Audience::kAdult);
  EXPECT_EQ(specific.exposure, Exposure::kInternal);
  EXPECT_EQ(specific.region, "cn");
  EXPECT_EQ(specific.refusal_json, RefusalStyle::kError);
  EXPECT_EQ(specific.refusal_stream, RefusalStyle::kRefusal);
  EXPECT_EQ(specific.refusal_prompt, "输入被拦截");
  EXPECT_EQ(specific.refusal_answer, "回答被拦截");
  EXPECT_EQ(specific.exception(Cause::kScanError), ExceptionPolicy::kError);
  EXPECT_EQ(specific.exception(Cause::kAuditUnavailable), ExceptionPolicy::kRefuse);
  EXPECT_EQ(specific.exception(Cause::kBodyTooLarge), ExceptionPolicy::kError);
  EXPECT_TRUE(specific.LetsThrough("image"));
  EXPECT_TRUE(specific.LetsThrough("file"));
  EXPECT_FALSE(specific.LetsThrough("audio"));
  EXPECT_EQ(specific.content, KeptContent::kEncrypted);
  EXPECT_FALSE(ById(profiles, "cn-minor").content.has_value());
  EXPECT_EQ(ById(profiles, "cn-minor").audience, Audience::kMinor);
}

TEST(ProfileTest, TheDeliveredProfilesLetNothingThroughUninspected) {
  std::vector<rules::Problem> problems;
  const std::vector<Profile> profiles = ParseProfiles({kSource + "/config/profiles"}, problems);
  ASSERT_EQ(profiles.size(), 3U);
  for (const Profile& profile : profiles) {
    EXPECT_TRUE(profile.let_through.empty()) << profile.id;
    EXPECT_FALSE(profile.refusal_prompt.empty()) << profile.id;
    EXPECT_FALSE(profile.refusal_answer.empty()) << profile.id;
  }
}

// What a minor gets is never milder than what an adult gets.
TEST(ProfileTest, MinorsAreTreatedMoreStrictly) {
  const std::vector<Profile> profiles = AllProfiles();
  for (const std::string category :
       {"A.1.a", "A.1.h", "A.2.d", "A.3.c", "A.4.a", "A.4.f", "A.5.b"}) {
    for (int severity = 0; severity < 4; ++severity) {
      rules::Rule rule;
      rule.category = category;
      rule.severity = static_cast<rules::Severity>(severity);
      for (const auto direction : {rules::Direction::kPrompt, rules::Direction::kAnswer}) {
        EXPECT_GE(ById(profiles, "cn-minor").Decide(rule, direction).action,
                  ById(profiles, "cn-public").Decide(rule, direction).action)
            << category << ' ' << severity;
      }
    }
  }
}

// Each bad_profiles/NAME.yaml has its problems in NAME.problems, one "LINE: reason" a line.
class BadProfileTest : public testing::TestWithParam<std::string> {};

TEST_P(BadProfileTest, EveryProblemIsReportedAtOnce) {
  const std::string path = kData + "/bad_profiles/" + GetParam();
  std::vector<rules::Problem> problems;
  ParseProfiles({path + ".yaml"}, problems);
  std::string reported;
  for (const rules::Problem& problem : problems) {
    EXPECT_EQ(problem.file, path + ".yaml");
    reported += std::to_string(problem.line) + ": " + problem.reason + "\n";
  }
  EXPECT_EQ(reported, FileText(path + ".problems"));
  EXPECT_FALSE(problems.empty());
}

std::vector<std::string> BadProfiles() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kData + "/bad_profiles")) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, BadProfileTest, testing::ValuesIn(BadProfiles()),
                         [](const auto& name) { return name.param; });

TEST(BadProfilesTest, OneIdInTwoFiles) {
  const std::string path = kSource + "/config/profiles/internal.yaml";
  std::vector<rules::Problem> problems;
  ParseProfiles({path, path}, problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].ToString(), path + ": profile \"internal\" is already in " + path +
                                        ": give one of them another id");
}

TEST(BadProfilesTest, ADirectoryWithoutProfiles) {
  std::vector<rules::Problem> problems;
  EXPECT_TRUE(ParseProfiles({kSource + "/policy"}, problems).empty());
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].reason, "holds no profile: put at least one *.yaml file there");
}

TEST(BadProfilesTest, AFileThatIsNotThere) {
  std::vector<rules::Problem> problems;
  ParseProfiles({kData + "/nowhere.yaml"}, problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].file, kData + "/nowhere.yaml");
}

}  // namespace
}  // namespace weir::policy
