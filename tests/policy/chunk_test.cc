// `weir scan --chunk N` says what `weir scan` says, for every N: over starter packs and
// one with every lane and detector, their own texts and disguises of their words. The pack of long
// English expressions takes four fifths of the time to load, so it is scanned in some sizes only.
#include <algorithm>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "policy/authoring.h"
#include "policy/json_text.h"
#include "tests/rules/evasion.h"
#include "tests/seed.h"

namespace weir::policy {
namespace {

// Larger pieces bring any of the texts at once.
constexpr size_t kTextBytesMax = 72;
constexpr int kDisguised = 300;

using Paths = std::vector<std::string>;

const std::string kPacks = std::string(WEIR_SOURCE_DIR) + "/rules/packs/";

std::string Scan(const Paths& packs, size_t chunk_bytes, const std::string& input) {
  ScanOptions options;
  options.pack_paths = packs;
  options.chunk_bytes = chunk_bytes;
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(ScanLines(options, in, out, err), 0) << err.str();
  return out.str();
}

void CollectWords(const rules::Matcher& matcher, std::vector<std::string>& words) {
  words.insert(words.end(), matcher.words.begin(), matcher.words.end());
  for (const rules::Matcher& child : matcher.children) CollectWords(child, words);
}

std::vector<std::string> Texts(const Paths& paths, uint64_t seed) {
  std::vector<rules::Problem> problems;
  std::vector<std::string> texts;
  std::vector<std::string> words;
  const auto packs = rules::ParsePacks(paths, problems);
  for (const rules::Pack& pack : packs) {
    for (const rules::Rule& rule : pack.rules) {
      texts.insert(texts.end(), rule.hit_tests.begin(), rule.hit_tests.end());
      texts.insert(texts.end(), rule.miss_tests.begin(), rule.miss_tests.end());
      CollectWords(rule.match, words);
    }
  }
  rules::Evader evader(seed);
  for (int i = 0; i < kDisguised; ++i) {
    const auto families = rules::Families();
    const auto family = families[evader.Below(families.size())].family;
    const auto disguised = evader.Disguise(family, words[evader.Below(words.size())]);
    if (disguised.has_value()) texts.push_back(evader.Embed(*disguised).text);
  }
  std::erase_if(texts, [](const std::string& text) { return text.size() > kTextBytesMax; });
  return texts;
}

void ExpectTheSame(const Paths& packs, const std::vector<size_t>& chunks) {
  const uint64_t seed = Seed();
  std::string input;
  int id = 0;
  for (const std::string& text : Texts(packs, seed)) {
    input += "{\"id\":" + std::to_string(++id) + ",\"text\":";
    AppendJsonString(text, input);
    input += "}\n";
  }
  const std::string whole = Scan(packs, 0, input);
  EXPECT_GT(std::count(whole.begin(), whole.end(), '\n'), 80);
  for (const size_t chunk : chunks) {
    ASSERT_EQ(Scan(packs, chunk, input), whole) << "--chunk " << chunk << ", WEIR_SEED=" << seed;
  }
}

TEST(ChunkTest, EverySizeSaysTheSame) {
  std::vector<size_t> chunks(kTextBytesMax);
  std::iota(chunks.begin(), chunks.end(), 1);
  ExpectTheSame({kPacks + "cn-gambling.yaml", kPacks + "cn-personal-information.yaml"}, chunks);
}

TEST(ChunkTest, SomeSizesOverAllStarterPacks) {
  ExpectTheSame({kPacks}, {1, 2, 3, 7, 31});
}

TEST(ChunkTest, EveryLaneAndEveryDetector) {
  std::vector<size_t> chunks(kTextBytesMax);
  std::iota(chunks.begin(), chunks.end(), 1);
  ExpectTheSame({std::string(WEIR_SOURCE_DIR) + "/tests/policy/packs_every_lane.yaml"}, chunks);
}

}  // namespace
}  // namespace weir::policy
