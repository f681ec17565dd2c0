// What the detectors cost, all of them at once, on text that holds nothing for them: Chinese, Latin
// words, and digits. The ratios to one another are those of one run; nothing passes or fails by a
// time.
//
//   detector_bench [--benchmark_filter=...]
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "rules/detector.h"
#include "rules/lane_text.h"
#include "rules/rule_set.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

constexpr size_t kTextBytes = 1U << 18;

enum Kind { kHan, kLatin, kDigits };

std::string MakeText(Kind kind) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < kTextBytes) {
    switch (kind) {
      case kHan:
        for (size_t i = random() % 12 + 1; i > 0; --i)
          AppendUtf8(static_cast<char32_t>(0x4E00 + random() % 3000), text);
        text += "，";
        break;
      case kLatin:
        for (size_t i = random() % 9 + 1; i > 0; --i) {
          text.push_back(static_cast<char>('a' + random() % 26));
        }
        text += random() % 8 == 0 ? ", " : " ";
        break;
      case kDigits:
        for (size_t i = random() % 6 + 1; i > 0; --i) {
          text.push_back(static_cast<char>('0' + random() % 10));
        }
        text += ", ";
        break;
    }
  }
  text.resize(Utf8Prefix(std::string_view(text).substr(0, kTextBytes)));
  return text;
}

const std::string& Text(int64_t kind) {
  static const std::vector<std::string> kTexts = {MakeText(kHan), MakeText(kLatin),
                                                  MakeText(kDigits)};
  return kTexts[static_cast<size_t>(kind)];
}

const RuleSet& AllDetectors() {
  static const std::shared_ptr<const RuleSet> kRules = [] {
    Pack pack;
    pack.name = "bench";
    for (const std::string_view name : DetectorNames()) {
      Rule rule;
      rule.id = "BEN-0001";
      rule.match.kind = Matcher::Kind::kDetector;
      rule.match.detector = *DetectorFromName(name);
      pack.rules.push_back(std::move(rule));
    }
    std::vector<Problem> problems;
    return RuleSet::Compile({pack}, problems);
  }();
  return *kRules;
}

void BM_DetectWhole(benchmark::State& state) {
  const std::string& text = Text(state.range(0));
  std::vector<Finding> findings;
  for (auto _ : state) {
    findings.clear();
    if (!Scan(AllDetectors(), Direction::kPrompt, text, findings).ok()) state.SkipWithError("scan");
  }
  state.counters["findings"] = static_cast<double>(findings.size());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_DetectWhole)->Arg(kHan)->Arg(kLatin)->Arg(kDigits);

// Time is per chunk of six bytes.
void BM_DetectChunk(benchmark::State& state) {
  const std::string_view text = Text(state.range(0));
  std::vector<Finding> findings;
  auto scan = std::make_unique<StreamScan>(AllDetectors(), Direction::kAnswer);
  size_t at = 0;
  double held = 0;
  for (auto _ : state) {
    if (!scan->Feed(text.substr(at, 6), findings).ok()) state.SkipWithError("scan");
    held += static_cast<double>(scan->fed() - scan->releasable());
    at += 6;
    if (at + 6 > text.size()) {
      state.PauseTiming();
      scan = std::make_unique<StreamScan>(AllDetectors(), Direction::kAnswer);
      findings.clear();
      at = 0;
      state.ResumeTiming();
    }
  }
  state.counters["held_bytes"] = benchmark::Counter(held, benchmark::Counter::kAvgIterations);
}
BENCHMARK(BM_DetectChunk)->Arg(kHan)->Arg(kLatin)->Arg(kDigits);

}  // namespace
}  // namespace weir::rules

BENCHMARK_MAIN();
