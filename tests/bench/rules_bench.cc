// What a scan costs beside what it cannot do without: a raw Hyperscan scan of the same words over
// the same text. The ratios are those of one run; nothing here passes or fails by a time.
//
//   WEIR_DATA=... rules_bench [--benchmark_filter=...]
//
// Words and texts come from WEIR_DATA (bench-words.txt.gz, tuning-benign.jsonl.gz); without it both
// are made up, of the same lengths.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <hs/hs.h>

#include "rules/lane_text.h"
#include "rules/rule_set.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

constexpr size_t kTextBytes = 1U << 20;

std::vector<std::string> ReadLines(const std::string& name, size_t limit) {
  std::vector<std::string> lines;
  const char* const folder = std::getenv("WEIR_DATA");
  if (folder == nullptr) return lines;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      popen(("gzip -dc " + std::string(folder) + "/" + name).c_str(), "r"), pclose);
  char buffer[1 << 16];
  while (lines.size() < limit && pipe != nullptr &&
         std::fgets(buffer, sizeof(buffer), pipe.get()) != nullptr) {
    lines.emplace_back(buffer);
    while (!lines.back().empty() && lines.back().back() == '\n') lines.back().pop_back();
  }
  return lines;
}

std::string MadeUpText(size_t characters, std::mt19937& random) {
  std::string text;
  for (size_t i = 0; i < characters; ++i)
    AppendUtf8(static_cast<char32_t>(0x4E00 + random() % 3000), text);
  return text;
}

const std::vector<std::string>& WordList(size_t count) {
  static std::list<std::pair<size_t, std::vector<std::string>>> lists;
  for (const auto& [size, words] : lists) {
    if (size == count) return words;
  }
  std::vector<std::string> words = ReadLines("bench-words.txt.gz", count);
  std::mt19937 random(1);
  while (words.size() < count) words.push_back(MadeUpText(3 + random() % 5, random));
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return lists.emplace_back(count, std::move(words)).second;
}

const std::string& Text() {
  static const std::string text = [] {
    std::string joined;
    for (const std::string& line : ReadLines("tuning-benign.jsonl.gz", 100000)) {
      const size_t at = line.find("\"text\": \"");
      if (at != std::string::npos) joined += line.substr(at + 9, line.size() - at - 11) + "\n";
      if (joined.size() > kTextBytes) break;
    }
    std::mt19937 random(2);
    while (joined.size() < kTextBytes) joined += MadeUpText(1 + random() % 15, random) + "，";
    joined.resize(Utf8Prefix(std::string_view(joined).substr(0, kTextBytes)));
    return joined;
  }();
  return text;
}

constexpr LaneSet kDefaultLanes = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
constexpr LaneSet kDisguiseLanes = kDefaultLanes | LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape);

std::shared_ptr<const RuleSet> Rules(size_t count, LaneSet lanes = kDefaultLanes) {
  static std::map<std::pair<size_t, LaneSet>, std::shared_ptr<const RuleSet>> sets;
  if (const auto found = sets.find({count, lanes}); found != sets.end()) return found->second;
  Rule rule;
  rule.id = "BEN-0001";
  rule.match.kind = Matcher::Kind::kWords;
  rule.match.lanes = lanes;
  for (const std::string& word : WordList(count)) rule.match.words.push_back(word);
  Pack pack;
  pack.name = "bench";
  pack.rules.push_back(std::move(rule));
  std::vector<Problem> problems;
  auto set = RuleSet::Compile({pack}, problems);
  if (set == nullptr) {  // some words of a dictionary are no words for a rule: leave them out
    auto& words = pack.rules[0].match.words;
    std::erase_if(words, [&](const std::string& word) {
      return std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) {
        return problem.reason.find("\"" + word + "\"") != std::string::npos;
      });
    });
    problems.clear();
    set = RuleSet::Compile({pack}, problems);
  }
  return sets[{count, lanes}] = set;
}

// Hyperscan's own database of the words; null without it.
hs_database_t* RawDatabase(const std::vector<std::string>& words) {
  std::vector<const char*> expressions;
  std::vector<size_t> lengths;
  std::vector<unsigned> flags(words.size());
  std::vector<unsigned> ids(words.size());
  for (const std::string& word : words) {
    expressions.push_back(word.data());
    lengths.push_back(word.size());
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  hs_compile_lit_multi(expressions.data(), flags.data(), ids.data(), lengths.data(),
                       static_cast<unsigned>(words.size()), HS_MODE_BLOCK, nullptr, &database,
                       &error);
  hs_free_compile_error(error);
  return database;
}

void BM_RawHyperscan(benchmark::State& state) {
  static hs_database_t* const database = RawDatabase(WordList(10000));
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) state.SkipWithError("no scratch");
  const std::string& text = Text();
  for (auto _ : state) {
    int hits = 0;
    hs_scan(
        database, text.data(), static_cast<unsigned>(text.size()), 0, scratch,
        [](unsigned, unsigned long long, unsigned long long, unsigned, void* context) {
          ++*static_cast<int*>(context);
          return 0;
        },
        &hits);
    benchmark::DoNotOptimize(hits);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  hs_free_scratch(scratch);
}
BENCHMARK(BM_RawHyperscan);

void BM_Scan(benchmark::State& state) {
  const auto rules =
      Rules(static_cast<size_t>(state.range(0)), static_cast<LaneSet>(state.range(1)));
  std::vector<Finding> findings;
  for (auto _ : state) {
    findings.clear();
    if (!Scan(*rules, Direction::kPrompt, Text(), findings).ok()) state.SkipWithError("scan");
    benchmark::DoNotOptimize(findings.data());
  }
  state.counters["findings"] = static_cast<double>(findings.size());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * Text().size()));
}
BENCHMARK(BM_Scan)
    ->Args({10000, kDefaultLanes})
    ->Args({100000, kDefaultLanes})
    ->Args({10000, kDefaultLanes | LaneBit(Lane::kPinyin)})
    ->Args({10000, kDefaultLanes | LaneBit(Lane::kShape)})
    ->Args({10000, kDisguiseLanes})
    ->Args({100000, kDisguiseLanes});

// What a rule set costs to make and to keep.
void BM_Compile(benchmark::State& state) {
  const auto lanes = static_cast<LaneSet>(state.range(1));
  const std::vector<Pack> packs = Rules(static_cast<size_t>(state.range(0)), lanes)->packs();
  double bytes = 0;
  for (auto _ : state) {
    std::vector<Problem> problems;
    const auto rules = RuleSet::Compile(packs, problems);
    if (rules == nullptr) {
      state.SkipWithError("compile");
      break;
    }
    bytes = static_cast<double>(rules->memory_bytes());
  }
  state.counters["bytes"] = bytes;
}
BENCHMARK(BM_Compile)
    ->Args({10000, kDefaultLanes})
    ->Args({10000, kDisguiseLanes})
    ->Unit(benchmark::kMillisecond);

// A prompt of a few sentences.
void BM_ScanShort(benchmark::State& state) {
  const auto rules = Rules(10000);
  const std::string_view text =
      std::string_view(Text()).substr(0, Utf8Prefix(Text().substr(0, 600)));
  std::vector<Finding> findings;
  for (auto _ : state) {
    findings.clear();
    if (!Scan(*rules, Direction::kPrompt, text, findings).ok()) state.SkipWithError("scan");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_ScanShort);

// One answer of 6,000 bytes in chunks; time is per chunk.
void BM_StreamChunk(benchmark::State& state) {
  const auto rules =
      Rules(static_cast<size_t>(state.range(1)), static_cast<LaneSet>(state.range(2)));
  const auto chunk = static_cast<size_t>(state.range(0));
  const std::string& text = Text();
  std::vector<Finding> findings;
  auto scan = std::make_unique<StreamScan>(*rules, Direction::kAnswer);
  size_t at = 0;
  double held = 0;
  for (auto _ : state) {
    if (!scan->Feed(std::string_view(text).substr(at, chunk), findings).ok()) {
      state.SkipWithError("scan");
    }
    held += static_cast<double>(scan->fed() - scan->releasable());
    at += chunk;
    if (at + chunk > text.size()) {
      state.PauseTiming();
      scan = std::make_unique<StreamScan>(*rules, Direction::kAnswer);
      findings.clear();
      at = 0;
      state.ResumeTiming();
    }
  }
  state.counters["held_bytes"] = benchmark::Counter(held, benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_StreamChunk)
    ->Args({6, 10000, kDefaultLanes})
    ->Args({6, 100000, kDefaultLanes})
    ->Args({60, 10000, kDefaultLanes})
    ->Args({6, 10000, kDisguiseLanes})
    ->Args({6, 100000, kDisguiseLanes});

void BM_Normalise(benchmark::State& state) {
  const auto lane = static_cast<Lane>(state.range(0));
  LaneText lane_text(lane);
  // Ideographs alone: no punctuation, and every ninth is traditional or a variant and folds to
  // another.
  std::string text;
  if (state.range(1) == 0) {
    for (size_t i = 0; i < kTextBytes / 3; ++i)
      AppendUtf8(static_cast<char32_t>(0x6600 + i * 7 % 900), text);
  } else {
    text = Text();
  }
  for (auto _ : state) {
    lane_text.Clear();
    lane_text.Append(text, 0);
    benchmark::DoNotOptimize(lane_text.end());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_Normalise)->Args({1, 0})->Args({2, 0})->Args({1, 1})->Args({2, 1});

}  // namespace
}  // namespace weir::rules

BENCHMARK_MAIN();
