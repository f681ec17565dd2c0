#include "policy/bundle.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace weir::policy {
namespace {

using testing::ElementsAre;

const std::string kSource = WEIR_SOURCE_DIR;
const std::string kData = kSource + "/tests/policy";

std::array<uint8_t, 32> KeyDigest(std::string_view key) {
  std::array<uint8_t, 32> digest;
  SHA256(reinterpret_cast<const uint8_t*>(key.data()), key.size(), digest.data());
  return digest;
}

BundleSources Sources() {
  BundleSources sources;
  sources.pack_paths = {kData + "/packs"};
  sources.profile_paths = {kSource + "/config/profiles"};
  sources.models = {{"qwen-plus", "qwen", "", "ZheJiang-Qwen-20230912", 20},
                    {"gpt", "openai", "gpt-5", "", 21}};
  sources.apps = {{"demo", KeyDigest("demo-key"), "cn-public", Exposure::kPublic, 30},
                  {"staff", KeyDigest("staff-key"), "internal", Exposure::kInternal, 31}};
  sources.file = "weir.yaml";
  return sources;
}

std::shared_ptr<const Bundle> MustLoad(const BundleSources& sources) {
  std::vector<rules::Problem> problems;
  std::shared_ptr<const Bundle> bundle = Bundle::Load(sources, problems);
  for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return bundle;
}

std::string DigestOf(const BundleSources& sources) {
  const std::shared_ptr<const Bundle> bundle = MustLoad(sources);
  return bundle == nullptr ? "" : std::string(bundle->digest());
}

std::vector<std::string> ProblemsOf(const BundleSources& sources) {
  std::vector<rules::Problem> problems;
  EXPECT_EQ(Bundle::Load(sources, problems), nullptr);
  std::vector<std::string> texts;
  for (const rules::Problem& problem : problems) texts.push_back(problem.ToString());
  return texts;
}

TEST(BundleTest, FindsWhatItHolds) {
  const auto bundle = MustLoad(Sources());
  ASSERT_NE(bundle, nullptr);
  EXPECT_EQ(bundle->FindApp("demo-key")->id, "demo");
  EXPECT_EQ(bundle->FindApp("staff-key")->id, "staff");
  EXPECT_EQ(bundle->FindApp("demo-key2"), nullptr);
  EXPECT_EQ(bundle->FindApp(""), nullptr);
  EXPECT_EQ(bundle->FindModel("gpt")->upstream_model, "gpt-5");
  EXPECT_EQ(bundle->FindModel("gpt-5"), nullptr);
  EXPECT_EQ(bundle->FindProfile("cn-minor")->audience, Audience::kMinor);
  EXPECT_EQ(bundle->FindProfile("cn"), nullptr);
}

TEST(BundleTest, DecidesAsItsProfilesDo) {
  const auto bundle = MustLoad(Sources());
  ASSERT_NE(bundle, nullptr);
  for (const Profile& profile : bundle->profiles()) {
    for (uint32_t rule = 0; rule < bundle->rule_set().rule_count(); ++rule) {
      for (const auto direction : {rules::Direction::kPrompt, rules::Direction::kAnswer}) {
        EXPECT_EQ(bundle->Decide(profile, rule, direction),
                  profile.Decide(bundle->rule_set().rule(rule), direction));
      }
    }
  }
}

TEST(BundleTest, WithoutProfilesTheBuiltInOneDecides) {
  BundleSources sources;
  sources.pack_paths = {kData + "/packs"};
  const auto bundle = MustLoad(sources);
  ASSERT_NE(bundle, nullptr);
  EXPECT_NE(bundle->FindProfile("built-in"), nullptr);
}

TEST(BundleDigestTest, DoesNotDependOnOrderOrPlace) {
  const std::string digest = DigestOf(Sources());
  BundleSources turned = Sources();
  std::reverse(turned.models.begin(), turned.models.end());
  std::reverse(turned.apps.begin(), turned.apps.end());
  turned.profile_paths = {kSource + "/config/profiles/internal.yaml",
                          kSource + "/config/profiles/cn-public.yaml",
                          kSource + "/config/profiles/cn-minor.yaml"};
  turned.models[0].line = 99;
  turned.file = "other.yaml";
  EXPECT_EQ(DigestOf(turned), digest);
  EXPECT_EQ(digest.substr(0, 7), "sha256:");
  EXPECT_EQ(digest.size(), 71U);
}

TEST(BundleDigestTest, ChangesWithEverythingThatDecides) {
  const std::string digest = DigestOf(Sources());
  const auto changed = [&](auto change) {
    BundleSources sources = Sources();
    change(sources);
    return DigestOf(sources) != digest;
  };
  EXPECT_TRUE(
      changed([](BundleSources& s) { s.pack_paths.push_back(kData + "/packs_short.yaml"); }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.profile_paths.push_back(kData + "/profiles"); }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.models[0].filing_no = ""; }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.models[1].upstream_model = "gpt-6"; }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.models.pop_back(); }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.apps[0].profile = "cn-minor"; }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.apps[0].exposure = Exposure::kInternal; }));
  EXPECT_TRUE(changed([](BundleSources& s) { s.apps[0].id = "demo2"; }));
}

// Clients see the digest; it must not let them guess at keys.
TEST(BundleDigestTest, DoesNotChangeWithKeys) {
  BundleSources sources = Sources();
  sources.apps[0].key_sha256 = KeyDigest("another");
  EXPECT_EQ(DigestOf(sources), DigestOf(Sources()));
}

TEST(BundleProblemsTest, AreAllReportedAtOnce) {
  BundleSources sources = Sources();
  sources.pack_paths.push_back(kData + "/nowhere.yaml");
  sources.models.push_back({"gpt", "qwen", "", "", 22});
  sources.models.push_back({"", "qwen", "", "", 23});
  sources.apps.push_back({"demo", KeyDigest("third"), "cn-public", Exposure::kPublic, 32});
  sources.apps.push_back({"", KeyDigest("fourth"), "cn-public", Exposure::kPublic, 33});
  sources.apps.push_back({"keyless", KeyDigest(""), "cn-public", Exposure::kPublic, 34});
  sources.apps.push_back({"twin", KeyDigest("demo-key"), "cn-public", Exposure::kPublic, 35});
  sources.apps.push_back({"lost", KeyDigest("fifth"), "cn-teen", Exposure::kPublic, 36});
  sources.apps.push_back({"leak", KeyDigest("sixth"), "internal", Exposure::kPublic, 37});
  const std::vector<std::string> problems = ProblemsOf(sources);
  ASSERT_EQ(problems.size(), 9U);
  EXPECT_THAT(
      std::vector<std::string>(problems.begin(), problems.begin() + 8),
      ElementsAre(
          "weir.yaml:22: model \"gpt\" is there twice: give one another name",
          "weir.yaml:23: a model has no name: write one",
          "weir.yaml:32: app \"demo\" is there twice: give one another id",
          "weir.yaml:33: an app has no id: write one",
          "weir.yaml:34: app \"keyless\" has an empty key: set one of at least 32 random "
          "characters",
          "weir.yaml:35: app \"twin\" has the same key as app \"demo\": give each app a key "
          "of its own",
          "weir.yaml:36: app \"lost\" has profile \"cn-teen\", which no profile file "
          "defines: use one of cn-minor, cn-public, internal",
          "weir.yaml:37: app \"leak\" is public but its profile \"internal\" is for internal "
          "use: give it a public profile or \"exposure: internal\""));
  EXPECT_NE(problems[8].find("nowhere.yaml"), std::string::npos);
}

TEST(BundleProblemsTest, NothingToJudgeBy) {
  BundleSources sources = Sources();
  sources.pack_paths = {};
  EXPECT_THAT(
      ProblemsOf(sources),
      ElementsAre(testing::EndsWith("there is no rule to judge by: name at least one rule pack")));
}

TEST(BundleProblemsTest, ARuleTestThatFails) {
  BundleSources sources = Sources();
  sources.pack_paths = {kData + "/packs_failing.yaml"};
  const std::vector<std::string> problems = ProblemsOf(sources);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("packs_failing.yaml"), std::string::npos);
  EXPECT_NE(problems[0].find("PF-0010"), std::string::npos);
}

TEST(BundleProblemsTest, OldProblemsAreNotItsOwn) {
  std::vector<rules::Problem> problems = {{"other.yaml", 1, "an old problem"}};
  EXPECT_NE(Bundle::Load(Sources(), problems), nullptr);
  EXPECT_EQ(problems.size(), 1U);
}

}  // namespace
}  // namespace weir::policy
