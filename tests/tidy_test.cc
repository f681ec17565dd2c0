// The house rules (tidy_rules.h) over the whole tree, and what stands where in it. A checker that
// finds nothing proves nothing, so each rule has a planted fault that it must find.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include "tests/tidy_rules.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What builds, runs and package clients leave behind, as .gitignore has it.
bool IsLeftover(std::string_view name) {
  static const std::set<std::string_view> kLeftovers = {
      ".git", "build", "var", ".cache", "node_modules", "compile_commands.json"};
  return kLeftovers.contains(name);
}

std::vector<File> ReadTree(const fs::path& root) {
  std::vector<File> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    if (IsLeftover(it->path().filename().string())) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    std::ifstream in(it->path(), std::ios::binary);
    File file;
    file.path = fs::relative(it->path(), root).string();
    file.text.assign(std::istreambuf_iterator<char>(in), {});
    file.executable = (it->status().permissions() & fs::perms::owner_exec) != fs::perms::none;
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  return files;
}

const std::vector<File>& Tree() {
  static const auto* const kTree = new std::vector<File>(ReadTree(WEIR_SOURCE_DIR));
  return *kTree;
}

std::string Listing(const Faults& faults) {
  return Cat("\n", Join(faults, "\n"), "\n");
}

TEST(Tidy, EveryFileKeepsTheHouseRules) {
  Faults all;
  for (const File& file : Tree()) {
    const Faults faults = CheckFile(file);
    all.insert(all.end(), faults.begin(), faults.end());
  }
  EXPECT_THAT(all, IsEmpty()) << Listing(all);
}

TEST(Tidy, AtTheRootStandsOnlyWhatBelongsThere) {
  const std::set<std::string_view> allowed = {
      "rules",      "policy",         "audit",          "gateway",           "tests",   "deploy",
      "config",     "README.md",      "CMakeLists.txt", "CMakePresets.json", "LICENSE", ".ci",
      ".gitignore", ".gitattributes", ".clang-format",  ".clang-tidy"};
  for (const auto& entry : fs::directory_iterator(WEIR_SOURCE_DIR)) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(allowed.contains(name) || IsLeftover(name))
        << name << " does not belong at the root; put it into the folder that it is for";
  }
}

// A source that no build list names is dead, and so is a test that never runs.
TEST(Tidy, EverySourceIsInABuildList) {
  std::string lists;
  for (const File& file : Tree()) {
    if (file.path.ends_with("CMakeLists.txt") || file.path.ends_with(".cmake")) {
      lists += file.text;
    }
  }
  for (const File& file : Tree()) {
    if (!file.path.ends_with(".cc")) continue;
    const std::string name = fs::path(file.path).filename().string();
    EXPECT_TRUE(lists.find(name) != std::string::npos) << file.path << " is in no CMakeLists.txt";
  }
}

TEST(Tidy, EveryModuleHasAReadmeWithItsDecisions) {
  for (const std::string_view module : kModules) {
    const std::string path = Cat(module, "/README.md");
    const auto it = std::find_if(Tree().begin(), Tree().end(),
                                 [&](const File& file) { return file.path == path; });
    ASSERT_NE(it, Tree().end()) << path << " is missing: what the module is for, its headers, "
                                << "its decisions with dates";
    EXPECT_THAT(it->text, HasSubstr("\n## Decisions")) << path;
  }
}

// Planted faults: each check finds what it is there for.

TEST(TidySelf, FindsIncludesAgainstTheGraph) {
  const File bad{"audit/ledger.cc", "#include \"policy/verdict.h\"\n"};
  EXPECT_THAT(CheckIncludes(bad), ElementsAre(HasSubstr("audit/ledger.cc:1: audit/ may not")));
  EXPECT_THAT(CheckIncludes({"rules/a.cc", "\n#include \"audit/record.h\"\n"}),
              ElementsAre(HasSubstr("rules/a.cc:2")));
  EXPECT_THAT(CheckIncludes({"policy/a.cc", "#include \"gateway/json.h\"\n"}),
              ElementsAre(HasSubstr("policy/ may not")));
  EXPECT_THAT(CheckIncludes({"gateway/a.cc", "#include \"rules/scanner.h\"\n"}),
              ElementsAre(HasSubstr("gateway/ may not")));
  EXPECT_THAT(CheckIncludes({"gateway/a.cc", "#include \"rules/check.h\"\n"}), IsEmpty());
  EXPECT_THAT(CheckIncludes({"gateway/a.h", "#include \"rules/status_macros.h\"\n"}),
              ElementsAre(HasSubstr("macros leak")));
}

TEST(TidySelf, FindsLibrariesBehindTheirFences) {
  for (const Fence& fence : Fences()) {
    const std::string header = Cat(fence.header.substr(0, fence.header.find('>')),
                                   fence.header.ends_with("/") ? "x.h" : "");
    const std::string outsider = fence.header == "boost/" ? "audit/a.cc" : "policy/a.cc";
    EXPECT_FALSE(CheckIncludes({outsider, Cat("#include <", header, ">\n")}).empty())
        << fence.header;
  }
  EXPECT_THAT(CheckIncludes({"rules/a.cc", "#include <hs.h>\n#include <string>\n"}), IsEmpty());
}

TEST(TidySelf, FindsEveryBannedThingAndNamesItsReplacement) {
  for (const Ban& ban : Bans()) {
    ASSERT_TRUE(RE2(ban.pattern).ok()) << ban.pattern;
    const std::string outsider =
        StartsWithAny("policy/a.cc", ban.allowed) ? "tests/a.cc" : "policy/a.cc";
    EXPECT_THAT(CheckBans({outsider, Cat(ban.fault, "\n")}),
                ::testing::Contains(HasSubstr(std::string(ban.instead))))
        << ban.pattern;
    EXPECT_THAT(CheckBans({outsider, Cat(ban.innocent, "\n")}), IsEmpty()) << ban.pattern;
    EXPECT_THAT(CheckBans({outsider, Cat("// ", ban.fault, "\n")}), IsEmpty())
        << "in a comment: " << ban.pattern;
  }
}

TEST(TidySelf, LooksPastStringsAndComments) {
  EXPECT_THAT(CheckBans({"rules/a.cc", "s = \"throw\"; /* throw */ c = 'x'; // throw\n"}),
              IsEmpty());
  EXPECT_THAT(CheckBans({"rules/a.cc", "s = R\"(throw \" throw)\"; n = 1'000;\n"}), IsEmpty());
  EXPECT_THAT(CheckBans({"rules/a.cc", "s = \"a\\\"\"; throw 1;\n"}), SizeIs(1));
  EXPECT_THAT(CheckBans({"rules/a.cc", "s = R\"x(\")x\"; throw 1;\n"}), SizeIs(1));
}

TEST(TidySelf, FindsRawNew) {
  EXPECT_THAT(CheckNew({"rules/a.cc", "Thing* t = new Thing;\n"}), SizeIs(1));
  EXPECT_THAT(CheckNew({"rules/a.cc", "return std::unique_ptr<Thing>(new Thing());\n"}), IsEmpty());
  EXPECT_THAT(CheckNew({"rules/a.cc", "Book renew (x);\n"}), IsEmpty());
}

TEST(TidySelf, FindsSetMatchThatFailsOpen) {
  EXPECT_THAT(CheckSetMatch({"rules/a.cc", "#include <re2/set.h>\nset.Match(text, &ids);\n"}),
              SizeIs(1));
  EXPECT_THAT(CheckSetMatch({"rules/a.cc", "#include <re2/set.h>\nset.Match(text, &ids, &e);\n"}),
              IsEmpty());
}

TEST(TidySelf, FindsCommentsThatShouldNotBe) {
  EXPECT_THAT(CheckComments({"rules/a.cc", "// TODO: later\n"}), SizeIs(1));
  EXPECT_THAT(CheckComments({"rules/a.cc", "// TODO(#12): later\n"}), IsEmpty());
  EXPECT_THAT(CheckComments({"rules/a.cc", "// ==========\n"}), SizeIs(1));
}

TEST(TidySelf, FindsHeadersThatDoNotSayWhatTheyAre) {
  EXPECT_THAT(CheckHeader({"rules/a.h", "#pragma once\n"}), SizeIs(2));
  EXPECT_THAT(CheckHeader({"rules/a.h", "// What.\n#pragma once\n"}), IsEmpty());
}

TEST(TidySelf, FindsWhatIsTooLongOrUntidy) {
  EXPECT_THAT(CheckShape({"rules/a.cc", "x"}), SizeIs(1));
  EXPECT_THAT(CheckShape({"rules/a.cc", "x \n\tx\nx\r\n"}), SizeIs(3));
  EXPECT_THAT(CheckShape({"rules/a.cc", Cat(std::string(101, 'x'), "\n")}), SizeIs(1));
  std::string han;
  for (int i = 0; i < 100; ++i) han += "\xE8\xB5\x8C";
  EXPECT_THAT(CheckShape({"rules/a.cc", han + "\n"}), IsEmpty());
  std::string lines;
  for (int i = 0; i <= kFileLinesMax; ++i) lines += "x\n";
  EXPECT_THAT(CheckShape({"rules/a.cc", lines}), SizeIs(1));
}

TEST(TidySelf, FindsLongFunctions) {
  std::string body;
  for (int i = 0; i < kFunctionLinesMax; ++i) body += "  x();\n";
  const std::string function = Cat("int F(int a,\n      int b) {\n", body, "}\n");
  EXPECT_THAT(CheckFunctionLength({"rules/a.cc", Cat("int y;\n", function)}),
              ElementsAre(HasSubstr("rules/a.cc:2")));
  EXPECT_THAT(CheckFunctionLength({"rules/a.cc", "int F() {\n  x();\n}\n"}), IsEmpty());
  EXPECT_THAT(CheckFunctionLength(
                  {"rules/a.cc",
                   Cat("// NOLINTNEXTLINE(readability-function-size): the driver.\n", function)}),
              IsEmpty());
}

TEST(TidySelf, FindsNamesThatSayNothing) {
  EXPECT_THAT(CheckNames({"rules/string_util.h", ""}), SizeIs(1));
  EXPECT_THAT(CheckNames({"gateway/common/a.cc", ""}), SizeIs(1));
  EXPECT_THAT(CheckNames({"gateway/connection_manager.cc", ""}), SizeIs(1));
  EXPECT_THAT(CheckNames({"rules/scanner.cc", ""}), IsEmpty());
}

TEST(TidySelf, FindsHostsAndMachinePaths) {
  EXPECT_THAT(CheckHosts({"tests/e2e/package-lock.json", "\"resolved\": \"https://x\"\n"}),
              SizeIs(1));
  EXPECT_THAT(CheckHosts({"deploy/install", "cd /work/main\n"}), SizeIs(1));
  EXPECT_THAT(CheckHosts({"README.md", "https://dashscope.aliyuncs.com\n"}), IsEmpty());
}

TEST(TidySelf, FindsScriptsThatCannotRun) {
  EXPECT_THAT(CheckScript({"tests/run", "#!/bin/bash\nls\n", false}), SizeIs(2));
  EXPECT_THAT(CheckScript({"tests/run", "#!/bin/bash\nset -euo pipefail\n", true}), IsEmpty());
}

TEST(TidySelf, FindsRulesWithoutTests) {
  const std::string good = "rules:\n  - id: A-1\n    tests:\n      hit: [x]\n      miss: [y]\n";
  EXPECT_THAT(CheckPack({"rules/packs/a.yaml", good}), IsEmpty());
  EXPECT_THAT(CheckPack({"rules/packs/a.yaml", good + "  - id: A-2\n    tests:\n      hit: [x]\n"}),
              ElementsAre(HasSubstr("a.yaml:6: A-2")));
}

}  // namespace
}  // namespace weir
