// Prints how much of disguised text is found, family by family, and what each lane finds in texts
// that should pass, as the Markdown that stands in rules/README.md.
//
//   WEIR_DATA=... evasion_table [--seed N] [--texts N] [--misses N]
//
// --misses also prints so many of the texts of each family that are not found, and of what is found
// in leet. Without WEIR_DATA
// there are only the words of the starter packs and no ordinary texts.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/rules/evasion_recall.h"

namespace weir::rules {
namespace {

std::string Lanes(const Recall& recall) {
  std::string lanes;
  for (size_t lane = 0; lane < recall.lanes.size(); ++lane) {
    if (recall.lanes[lane] == 0) continue;
    char share[64];
    std::snprintf(
        share, sizeof(share), "%s%s %.1f", lanes.empty() ? "" : ", ",
        std::string(Name(static_cast<Lane>(lane))).c_str(),
        100.0 * static_cast<double>(recall.lanes[lane]) / static_cast<double>(recall.found));
    lanes += share;
  }
  return lanes;
}

void PrintRecall(uint64_t seed, size_t texts, size_t misses) {
  std::vector<std::string> words = StarterWords();
  const size_t starter_count = words.size();
  const std::vector<std::string> library = LibraryWords(2000, seed);
  words.insert(words.end(), library.begin(), library.end());
  const RecallRules rules(std::move(words));
  std::printf("%zu texts per family, %zu words, seed %llu:\n\n", texts,
              starter_count + library.size(), static_cast<unsigned long long>(seed));
  std::printf("| family | for example | found, %% | goal | by lane, %% of found |\n");
  std::printf("|---|---|---|---|---|\n");
  for (const FamilyTraits& traits : Families()) {
    const Recall recall = rules.Measure(traits.family, texts, seed);
    std::printf("| %s | %s | %.1f | %.0f | %s |\n", std::string(traits.name).c_str(),
                std::string(traits.example).c_str(), 100.0 * recall.rate(),
                100.0 * traits.recall_min, Lanes(recall).c_str());
    for (size_t i = 0; i < std::min(misses, recall.misses.size()); ++i) {
      std::printf("  missed \"%s\" in: %s\n", recall.misses[i].word.c_str(),
                  recall.misses[i].disguised.c_str());
    }
  }
}

void PrintLeetFindings(const std::vector<std::string>& texts, size_t examples) {
  std::printf("\n| words, in leet | texts in 10,000 |\n|---|---|\n");
  const std::vector<std::string> latin = LatinWords(10000, texts);
  std::vector<std::string> found;
  std::printf("| starter packs and some English ones | %.1f |\n",
              LeetFindings(StarterWords(), texts, examples, found));
  std::printf("| the %zu most frequent Latin words of the texts | %.1f |\n", latin.size(),
              LeetFindings(latin, texts, examples, found));
  for (const std::string& match : found) std::printf("  found in leet: %s\n", match.c_str());
}

void PrintFalseFindings(uint64_t seed, size_t examples) {
  const std::vector<std::string> texts = OrdinaryTexts();
  if (texts.empty()) return;
  const std::vector<Rule> starter = StarterRules();
  const std::vector<Rule> library = RulesOfWords(LibraryWords(10000, seed));
  std::printf("\n| lane added to fold and skeleton | starter packs | 10,000 library words |\n");
  std::printf("|---|---|---|\n");
  for (const Lane lane : {Lane::kPinyin, Lane::kShape, Lane::kDigits, Lane::kDecoded}) {
    std::printf("| %s | %.1f | %.1f |\n", std::string(Name(lane)).c_str(),
                FalseFindings(starter, lane, texts), FalseFindings(library, lane, texts));
  }
  PrintLeetFindings(texts, examples);
}

}  // namespace
}  // namespace weir::rules

int main(int argc, char** argv) {
  uint64_t seed = 20261123;
  size_t texts = 2000;
  size_t misses = 0;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], nullptr, 10) : 0;
    if (option == "--seed") {
      seed = value;
    } else if (option == "--texts" && value > 0) {
      texts = value;
    } else if (option == "--misses") {
      misses = value;
    } else {
      std::fprintf(stderr, "usage: evasion_table [--seed N] [--texts N] [--misses N]\n");
      return 2;
    }
  }
  weir::rules::PrintRecall(seed, texts, misses);
  weir::rules::PrintFalseFindings(seed, misses);
  return 0;
}
