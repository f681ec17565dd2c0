// What a large rule set costs to load, and what a swap costs those who are scanning: 100,000 words
// and 2,000 expressions with their own tests. Nothing here passes or fails by a time.
//
//   WEIR_DATA=... scale_bench [--benchmark_filter=...]
//
// Words come from WEIR_DATA (bench-words.txt.gz); without it they are made up, of the same lengths.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "rules/lane_text.h"
#include "rules/rule_set.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

constexpr size_t kWords = 100'000;
constexpr size_t kExpressions = 2'000;
constexpr double kMegabyte = 1e6;

bool IsHan(std::string_view word) {
  return std::all_of(word.begin(), word.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

const std::vector<std::string>& WordList() {
  static const std::vector<std::string> words = [] {
    std::set<std::string> distinct;
    if (const char* const folder = std::getenv("WEIR_DATA"); folder != nullptr) {
      const std::string command = "gzip -dc " + std::string(folder) + "/bench-words.txt.gz";
      std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
      char line[1024];
      while (distinct.size() < kWords && std::fgets(line, sizeof(line), pipe.get()) != nullptr) {
        std::string word = line;
        while (!word.empty() && word.back() == '\n') word.pop_back();
        if (word.size() >= 6 && IsHan(word)) distinct.insert(std::move(word));
      }
    }
    std::mt19937 random(1);
    while (distinct.size() < kWords) {
      std::string word;
      for (size_t i = 2 + random() % 4; i > 0; --i) {
        AppendUtf8(static_cast<char32_t>(0x4E00 + random() % 3000), word);
      }
      distinct.insert(std::move(word));
    }
    return std::vector<std::string>(distinct.begin(), distinct.end());
  }();
  return words;
}

Pack MakePack(size_t words, size_t expressions) {
  const std::vector<std::string>& list = WordList();
  constexpr LaneSet kLanes = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
  Pack pack;
  pack.name = "scale";
  Rule rule;
  rule.id = "SCALE-0000";
  rule.match.lanes = kLanes;
  rule.match.words.assign(list.begin(), list.begin() + static_cast<ptrdiff_t>(words));
  if (words > 0) pack.rules.push_back(rule);
  for (size_t i = 0; i < expressions; ++i) {
    const std::string& first = list[i * 7 % kWords];
    const std::string& second = list[(i * 13 + 5) % kWords];
    const std::string& last = list[(i * 17 + 9) % kWords];
    Rule expression;
    expression.id = "SCALE-" + std::to_string(i + 1);
    expression.match.kind = Matcher::Kind::kRegex;
    expression.match.lanes = kLanes;
    expression.match.regex = "(" + first + "|" + second + ").{0," + std::to_string(i % 12) + "}" +
                             (i % 3 == 0 ? last : "\\d{2,4}(元|块)");
    expression.hit_tests = {"请看" + first + (i % 3 == 0 ? last : "188元") + "。"};
    expression.miss_tests = {"今天" + last + "天气很好"};
    pack.rules.push_back(std::move(expression));
  }
  return pack;
}

size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::shared_ptr<const RuleSet> Compile(benchmark::State& state, const Pack& pack,
                                       const std::string& cache = "") {
  std::vector<Problem> problems;
  auto rules = RuleSet::Compile({pack}, problems, cache);
  if (rules == nullptr) state.SkipWithError(problems.front().ToString().c_str());
  return rules;
}

void BM_Compile(benchmark::State& state) {
  const Pack pack =
      MakePack(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    const size_t before = HeapBytes();
    const auto rules = Compile(state, pack);
    if (rules == nullptr) return;
    state.counters["heap_MB"] = static_cast<double>(HeapBytes() - before) / kMegabyte;
    state.counters["memory_bytes_MB"] = static_cast<double>(rules->memory_bytes()) / kMegabyte;
  }
}
BENCHMARK(BM_Compile)
    ->Args({kWords, 0})
    ->Args({0, kExpressions})
    ->Args({kWords, kExpressions})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

// The same set once more, as after a restart: with its databases in the cache.
void BM_CompileFromCache(benchmark::State& state) {
  std::string folder = std::filesystem::temp_directory_path() / "weir-scale-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no folder for the cache");
  const Pack pack = MakePack(kWords, kExpressions);
  Compile(state, pack, folder);
  for (auto _ : state) {
    const auto rules = Compile(state, pack, folder);
    if (rules == nullptr || !rules->from_cache()) state.SkipWithError("not from the cache");
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(BM_CompileFromCache)->Unit(benchmark::kMillisecond)->Iterations(3);

double ThreadMicroseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// One thread scans prompts of 600 bytes, each with the set in force, while sets are compiled and
// swapped beside it; then as many while nothing is swapped. Its CPU time counts, so that other
// processes do not. The old set is freed beside it too, as the gateway does.
void BM_SwapUnderLoad(benchmark::State& state) {
  constexpr int kSwaps = 10;
  const Pack pack = MakePack(kWords, 0);
  std::atomic<std::shared_ptr<const RuleSet>> current = Compile(state, pack);
  std::string text;
  for (size_t i = 0; text.size() < 600; ++i) text += WordList()[i * 997 % kWords] + "，";
  for (auto _ : state) {
    std::atomic<bool> over = false;
    std::vector<double> times;
    std::thread scanner([&] {
      std::vector<Finding> findings;
      while (!over) {
        const double begun = ThreadMicroseconds();
        const std::shared_ptr<const RuleSet> rules = current.load();
        findings.clear();
        if (!Scan(*rules, Direction::kPrompt, text, findings).ok()) std::abort();
        times.push_back(ThreadMicroseconds() - begun);
      }
    });
    for (int swap = 0; swap < kSwaps; ++swap) {
      std::shared_ptr<const RuleSet> old = current.exchange(Compile(state, pack));
      while (old.use_count() > 1) std::this_thread::yield();
    }
    over = true;
    scanner.join();
    std::vector<double> steady;
    std::vector<Finding> findings;
    const std::shared_ptr<const RuleSet> rules = current.load();
    while (steady.size() < times.size()) {
      const double begun = ThreadMicroseconds();
      findings.clear();
      if (!Scan(*rules, Direction::kPrompt, text, findings).ok()) std::abort();
      steady.push_back(ThreadMicroseconds() - begun);
    }
    std::sort(times.begin(), times.end());
    std::sort(steady.begin(), steady.end());
    state.counters["scans"] = static_cast<double>(times.size());
    state.counters["worst_us"] = times.back();
    state.counters["worst_us_without"] = steady.back();
    state.counters["median_us"] = times[times.size() / 2];
    state.counters["median_us_without"] = steady[steady.size() / 2];
  }
}
BENCHMARK(BM_SwapUnderLoad)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace weir::rules

BENCHMARK_MAIN();
