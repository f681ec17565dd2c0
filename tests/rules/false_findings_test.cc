// How often the starter packs find something in texts that should pass. The texts are not screened:
// a finding may be right. What is held here is that the number does not rise.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/rule_set.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

// Of 10,000 texts, the ones in which a rule may find something other than a contact.
constexpr double kFindingsPer10000Max = 2.5;

// Rules that find how to reach somebody: numbers of telephones, of WeChat and QQ, mail addresses.
// Descriptions of apps end in them, so here finding is right; each bound is what stands in the
// texts.
const std::map<std::string, int>& ContactsMax() {
  static const auto* const kContactsMax = new std::map<std::string, int>{
      {"PII-0020", 9}, {"PII-0030", 65}, {"PII-0310", 70}, {"PII-0320", 304}, {"PII-0330", 261}};
  return *kContactsMax;
}

std::vector<std::string> ReadTexts(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("gzip -dc " + path).c_str(), "r"), pclose);
  std::vector<std::string> texts;
  std::string line;
  for (int c = 0; pipe != nullptr && (c = std::fgetc(pipe.get())) != EOF;) {
    if (c != '\n') {
      line.push_back(static_cast<char>(c));
      continue;
    }
    const size_t at = line.find("\"text\": \"");
    if (at != std::string::npos) texts.push_back(line.substr(at + 9));
    line.clear();
  }
  return texts;
}

TEST(FalseFindingsTest, StarterPacksOnBenignTexts) {
  const char* const folder = std::getenv("WEIR_DATA");
  if (folder == nullptr) GTEST_SKIP() << "WEIR_DATA is not set: no texts to look at";
  const std::vector<std::string> texts = ReadTexts(std::string(folder) + "/tuning-benign.jsonl.gz");
  ASSERT_GT(texts.size(), 10000U);
  std::vector<Problem> problems;
  std::vector<Pack> packs = ParsePacks({std::string(WEIR_SOURCE_DIR) + "/rules/packs"}, problems);
  const auto rules = RuleSet::Compile(std::move(packs), problems);
  ASSERT_NE(rules, nullptr);
  std::map<std::string, int> per_rule;
  int texts_found = 0;
  for (const std::string& text : texts) {
    std::vector<Finding> findings;
    ASSERT_TRUE(Scan(*rules, Direction::kPrompt, text, findings).ok());
    bool found = false;
    for (const Finding& finding : findings) {
      const std::string& id = rules->rule(finding.rule).id;
      found = found || !ContactsMax().contains(id);
      if (++per_rule[id] <= 5) {
        std::printf("%s found \"%s\" in %.120s\n", id.c_str(),
                    text.substr(finding.start, finding.end - finding.start).c_str(), text.c_str());
      }
    }
    texts_found += found ? 1 : 0;
  }
  const double rate = 1e4 * texts_found / static_cast<double>(texts.size());
  for (const auto& [id, count] : per_rule) std::printf("%s: %d findings\n", id.c_str(), count);
  std::printf("%d of %zu texts beside contacts: %.1f per 10,000\n", texts_found, texts.size(),
              rate);
  EXPECT_LE(rate, kFindingsPer10000Max);
  for (const auto& [id, most] : ContactsMax()) EXPECT_LE(per_rule[id], most) << id;
}

}  // namespace
}  // namespace weir::rules
