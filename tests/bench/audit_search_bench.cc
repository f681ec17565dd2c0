// What a search costs over a ledger of WEIR_BENCH_RECORDS records (200,000) with a content every
// WEIR_BENCH_CONTENT_EVERY of them (10). Each line is one kind of question, asked again and again:
// p50 and the slowest, in milliseconds, and what it found. Each question is asked of a connection
// of its own, as the first page after a pause is.
//
// The ledger lies in TMPDIR, about 700 bytes a record, and is deleted at the end.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "audit/ledger.h"
#include "audit/reader.h"
#include "tests/audit/scratch.h"
#include "tests/code_points.h"

namespace weir::audit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kStartUs = int64_t{1'780'000'000} * 1'000'000;
constexpr int64_t kPeriodUs = int64_t{90} * 86'400 * 1'000'000;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* given = std::getenv(name);
  return given != nullptr ? std::stoull(given) : fallback;
}

uint64_t Records() {
  static const uint64_t kRecords = FromEnvironment("WEIR_BENCH_RECORDS", 200'000);
  return kRecords;
}

// Numbers that look random and are the same every time.
uint64_t Mix(uint64_t i) {
  i = (i ^ (i >> 30)) * 0xBF58476D1CE4E5B9;
  i = (i ^ (i >> 27)) * 0x94D049BB133111EB;
  return i ^ (i >> 31);
}

// About 120 characters of the 2,000 most frequent ones, the frequent ones more often.
std::string TextOf(uint64_t i) {
  std::string text = "{\"model\":\"qwen-plus\",\"messages\":[{\"role\":\"user\",\"content\":\"";
  std::u32string characters;
  for (uint64_t k = 0; k < 120; ++k) {
    const uint64_t random = Mix(i * 1'000 + k);
    const uint64_t rank = (random % 2'000) * (random / 2'000 % 1'000) / 1'000;
    characters += static_cast<char32_t>(0x4E00 + rank * 7);
  }
  text += Utf8(characters);
  if (i % 50'000 == 0) text += "龘驫羴麤";
  return text + " weir " + std::to_string(i) + "\"}]}";
}

Record RecordOf(uint64_t i) {
  const uint64_t random = Mix(i);
  Record record;
  record.kind = i % 2 == 0 ? RecordKind::kPrompt : RecordKind::kAnswer;
  record.exchange = Concat("01934f6e-8c7a-7000-8000-", 100'000'000'000 + i / 2);
  record.stage = i % 2 == 0 ? "RecordPrompt" : "RecordAnswer";
  record.app = random % 4 == 0 ? "shop" : "customer-service";
  record.user = i % 250'000 == 77 ? "rare-user" : Concat("user-", random % 100'000);
  record.profile = "cn-public";
  record.region = "cn";
  record.dialect = "openai.chat";
  record.model = random % 3 == 0 ? "qwen-max" : "qwen-plus";
  record.upstream = "qwen";
  record.direction = i % 2 == 0 ? "prompt" : "answer";
  record.action = random % 100 == 0 ? "block" : "allow";
  record.bundle = "sha256:0f5d3a1c9b7e42688d10c7f3a5b2e4960f5d3a1c9b7e42688d10c7f3a5b2e496";
  record.duration_us = 431'022;
  if (record.action == "block") {
    FindingEntry& finding = record.findings.emplace_back();
    finding.rule = random / 100 % 5'000 == 0 ? "GAM-9999" : Concat("GAM-", random / 100 % 300);
    finding.category = Concat("A.1.", random / 100 % 9);
    finding.severity = "high";
    finding.action = "block";
  }
  return record;
}

class Gate {
 public:
  Ledger::Done Expect() {
    return [this](const absl::StatusOr<Receipt>& receipt) {
      const std::lock_guard lock(mu_);
      if (!receipt.ok()) std::abort();
      if (++answered_ % 1'000 == 0) all_.notify_all();
    };
  }
  void Await(uint64_t count) {
    std::unique_lock lock(mu_);
    all_.wait(lock, [&] { return answered_ >= count; });
  }

 private:
  std::mutex mu_;
  std::condition_variable all_;
  uint64_t answered_ = 0;
};

// The ledger, written once. Its time runs over 90 days.
const std::string& Big() {
  static const auto* const kScratch = [] {
    static Scratch scratch;
    const uint64_t every = FromEnvironment("WEIR_BENCH_CONTENT_EVERY", 10);
    std::atomic<int64_t> now_us = kStartUs;
    const LedgerOptions options = {.dir = scratch.dir(),
                                   .durability = Durability::kRelaxed,
                                   .batch_records_max = 64,
                                   .content = ContentMode::kEncrypted,
                                   .now_us = [&now_us] { return now_us.load(); }};
    const std::unique_ptr<Ledger> ledger = Ledger::Open(options).value();
    constexpr uint64_t kAtOnce = 10'000;
    Gate gate;
    for (uint64_t i = 0; i < Records(); ++i) {
      now_us = kStartUs + static_cast<int64_t>(static_cast<double>(i) /
                                               static_cast<double>(Records()) * kPeriodUs);
      Record record = RecordOf(i);
      if (i % every == 0) {
        const std::string text = TextOf(i);
        ledger->Append(std::move(record), {text, ContentMode::kEncrypted}, gate.Expect());
      } else {
        ledger->Append(std::move(record), gate.Expect());
      }
      if ((i + 1) % kAtOnce == 0) gate.Await(i + 1 - kAtOnce / 2);
    }
    // Until all contents but the last few have their part of the index.
    while (ledger->stats().unindexed_contents >= 4'096) {
      AppendAndWait(*ledger, ServiceRecord("tick")).value();
    }
    return &scratch;
  }();
  static const std::string kDir = kScratch->dir();
  return kDir;
}

template <class Ask>
void Measure(benchmark::State& state, Ask ask) {
  const std::string& dir = Big();
  std::vector<double> milliseconds;
  uint64_t found = 0;
  for (auto _ : state) {
    const std::unique_ptr<Reader> reader = Reader::Open(dir).value();
    const Clock::time_point begin = Clock::now();
    found = ask(*reader);
    const std::chrono::duration<double> took = Clock::now() - begin;
    state.SetIterationTime(took.count());
    milliseconds.push_back(took.count() * 1'000);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  state.counters["p50_ms"] = milliseconds[milliseconds.size() / 2];
  state.counters["max_ms"] = milliseconds.back();
  state.counters["found"] = static_cast<double>(found);
}

void Page(benchmark::State& state, Query query) {
  query.limit = 50;
  Measure(state, [&](Reader& reader) { return reader.Find(query).value().records.size(); });
}

void Count(benchmark::State& state, const Query& query) {
  Measure(state, [&](Reader& reader) { return reader.Count(query).value().counts[0]; });
}

void Histogram(benchmark::State& state, const Query& query, int64_t buckets) {
  std::vector<int64_t> edges;
  for (int64_t i = 0; i <= buckets; ++i) edges.push_back(kStartUs + kPeriodUs / buckets * i);
  Measure(state, [&](Reader& reader) {
    const CountResult result = reader.Count(query, edges).value();
    return std::accumulate(result.counts.begin(), result.counts.end(), uint64_t{0});
  });
}

constexpr int64_t kEarlyUs = kStartUs + kPeriodUs / 30;
constexpr int64_t kLateUs = kStartUs + kPeriodUs / 30 * 29;

#define WEIR_SEARCH(shape, name, ...)         \
  BENCHMARK_CAPTURE(shape, name, __VA_ARGS__) \
      ->Unit(benchmark::kMillisecond)         \
      ->UseManualTime()                       \
      ->Iterations(15)

WEIR_SEARCH(Page, newest, Query{});
WEIR_SEARCH(Page, frequent_app, Query{.app = "shop"});
WEIR_SEARCH(Page, rare_user, Query{.user = "rare-user"});
WEIR_SEARCH(Page, usual_user, Query{.user = "user-77"});
WEIR_SEARCH(Page, absent_user, Query{.user = "nobody"});
WEIR_SEARCH(Page, frequent_app_and_rare_rule, Query{.app = "shop", .rule = "GAM-9999"});
WEIR_SEARCH(Page, two_frequent_without_hit,
            Query{.action = "block", .kinds = {RecordKind::kAccess}});
WEIR_SEARCH(Page, exchange, Query{.exchange = "01934f6e-8c7a-7000-8000-100000012345"});
WEIR_SEARCH(Page, old_time, Query{.to_us = kEarlyUs, .category = "A.1.3"});
WEIR_SEARCH(Page, new_time, Query{.from_us = kLateUs, .category = "A.1.3"});
WEIR_SEARCH(Page, words_1_frequent, Query{.words = "一"});
WEIR_SEARCH(Page, words_1_rare, Query{.words = "龘"});
WEIR_SEARCH(Page, words_1_absent, Query{.words = "鱻"});
WEIR_SEARCH(Page, words_2_rare, Query{.words = "龘驫"});
WEIR_SEARCH(Page, words_4_rare, Query{.words = "龘驫羴麤"});
WEIR_SEARCH(Page, words_4_absent_of_frequent, Query{.words = "一丁丂七"});
WEIR_SEARCH(Page, words_latin, Query{.words = "weir 400000"});
WEIR_SEARCH(Page, words_latin_absent_of_frequent, Query{.words = "messages role content"});
WEIR_SEARCH(Page, words_and_rare_user, Query{.user = "user-77", .words = "一"});
WEIR_SEARCH(Count, all, Query{});
WEIR_SEARCH(Count, frequent_app, Query{.app = "shop"});
WEIR_SEARCH(Count, three_filters, Query{.app = "shop", .action = "block", .model = "qwen-plus"});
WEIR_SEARCH(Count, half_the_time, Query{.from_us = kStartUs + kPeriodUs / 2, .app = "shop"});
WEIR_SEARCH(Count, words_rare, Query{.words = "龘驫"});
WEIR_SEARCH(Histogram, all_by_day, Query{}, 90);
WEIR_SEARCH(Histogram, rule_by_day, Query{.rule = "GAM-7"}, 90);
WEIR_SEARCH(Histogram, app_by_hour, Query{.app = "shop"}, 720);

}  // namespace
}  // namespace weir::audit

BENCHMARK_MAIN();
