#include "rules/rule.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/rule_set.h"

namespace weir::rules {
namespace {

const std::string kBadPacks = std::string(WEIR_SOURCE_DIR) + "/tests/rules/bad_packs/";
const std::string kPacks = std::string(WEIR_SOURCE_DIR) + "/rules/packs";

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

// Every problem of a pack, one per line, with the folder left out.
std::string Problems(const std::string& name) {
  std::vector<Problem> problems;
  std::vector<Pack> packs = ParsePacks({kBadPacks + name}, problems);
  if (problems.empty()) {
    EXPECT_EQ(RuleSet::Compile(std::move(packs), problems), nullptr) << name;
  }
  std::string lines;
  for (const Problem& problem : problems) {
    std::string line = problem.ToString();
    for (size_t at = 0; (at = line.find(kBadPacks, at)) != std::string::npos;) {
      line.erase(at, kBadPacks.size());
    }
    lines += line + "\n";
  }
  return lines;
}

// Each NNN-name.yaml is wrong in the way of its name; NNN-name.txt is what its author is told.
// WEIR_UPDATE_EXPECTED=1 writes the latter anew, to be read before it is committed.
TEST(BadPackTest, TellsTheAuthorEveryProblem) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kBadPacks)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  ASSERT_GE(names.size(), 60U);
  for (const std::string& name : names) {
    const std::string expected = kBadPacks + name.substr(0, name.size() - 4) + "txt";
    const std::string problems = Problems(name);
    EXPECT_FALSE(problems.empty()) << name;
    if (std::getenv("WEIR_UPDATE_EXPECTED") != nullptr) std::ofstream(expected) << problems;
    EXPECT_EQ(problems, ReadFile(expected)) << name;
  }
}

TEST(PackTest, StarterPacksCompile) {
  std::vector<Problem> problems;
  std::vector<Pack> packs = ParsePacks({kPacks}, problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  ASSERT_EQ(packs.size(), 4U);
  const auto rule_set = RuleSet::Compile(std::move(packs), problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  ASSERT_NE(rule_set, nullptr);
  EXPECT_GE(rule_set->rule_count(), 11U);
}

TEST(PackTest, DigestTellsSetsApart) {
  const auto digest = [](const auto& change) {
    std::vector<Problem> problems;
    std::vector<Pack> packs = ParsePacks({kPacks}, problems);
    change(packs);
    for (Pack& pack : packs) {
      for (Rule& rule : pack.rules) rule.hit_tests.clear(), rule.miss_tests.clear();
    }
    return std::string(RuleSet::Compile(std::move(packs), problems)->digest());
  };
  const std::string original = digest([](std::vector<Pack>&) {});
  EXPECT_EQ(original.substr(0, 7), "sha256:");
  EXPECT_EQ(original.size(), 71U);
  EXPECT_EQ(original, digest([](std::vector<Pack>&) {}));
  EXPECT_EQ(original, digest([](std::vector<Pack>& packs) { packs[0].title = "x"; }));
  EXPECT_NE(original, digest([](std::vector<Pack>& packs) { packs[0].version = "9.0.0"; }));
  EXPECT_NE(original,
            digest([](std::vector<Pack>& packs) { packs[0].rules[0].severity = Severity::kLow; }));
  EXPECT_NE(original,
            digest([](std::vector<Pack>& packs) { packs[0].rules[0].except->within = 1; }));
}

TEST(PackTest, MissingFolderIsAProblem) {
  std::vector<Problem> problems;
  EXPECT_TRUE(ParsePacks({"/nonexistent/pack.yaml"}, problems).empty());
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].ToString(),
            "/nonexistent/pack.yaml: cannot be read; check that the file exists and is readable");
}

}  // namespace
}  // namespace weir::rules
