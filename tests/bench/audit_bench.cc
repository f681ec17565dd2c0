// What an append costs. `Append` has 64 callers that each wait for their receipt; CPU is the whole
// process's, so it includes encoding, hashing, SQLite and waking the caller. Of it `caller_us` is
// that of the callers' own threads for an append (encoding, and being woken), `ledger_us` the rest.
// `Paced` is the latency
// that an exchange sees at 2,000 records a second, without content and with, which is indexed
// meanwhile. `FirstPage` and `Verify` read a ledger of a million records, or of WEIR_BENCH_RECORDS.
//
// The ledger lies in TMPDIR, whose disk decides the figures: `SyncAlone` is what it takes to make
// as many bytes durable without any ledger. With TMPDIR=/dev/shm the disk costs nothing.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "audit/export.h"
#include "audit/ledger.h"
#include "audit/reader.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using Clock = std::chrono::steady_clock;

Record TypicalRecord(uint64_t i) {
  Record record = PromptRecord("");
  record.kind = RecordKind::kAnswer;
  record.exchange = Concat("01934f6e-8c7a-7000-8000-", 100'000'000'000 + i);
  record.app = "customer-service";
  record.user = Concat("user-", i % 10'000);
  record.profile = "cn-public";
  record.region = "cn";
  record.dialect = "openai.chat";
  record.upstream = "qwen";
  record.bundle = "sha256:0f5d3a1c9b7e42688d10c7f3a5b2e4960f5d3a1c9b7e42688d10c7f3a5b2e496";
  record.content_digest = "sha256:4b6ee49f1c2d7a035e8890ffabc412374b6ee49f1c2d7a035e8890ffabc41237";
  record.content_bytes = 812;
  record.duration_us = 431'022;
  return record;
}

struct OpenLedger {
  Scratch scratch;
  std::unique_ptr<Ledger> ledger;
};

std::unique_ptr<OpenLedger> MakeLedger(Durability durability,
                                       ContentMode content = ContentMode::kNone) {
  auto open = std::make_unique<OpenLedger>();
  open->ledger =
      Ledger::Open({.dir = open->scratch.dir(), .durability = durability, .content = content})
          .value();
  return open;
}

// CPU that one thread, or all of the process (RUSAGE_SELF), has used.
double CpuUs(int who) {
  rusage used{};
  ::getrusage(who, &used);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

void Append(benchmark::State& state, Durability durability) {
  static std::unique_ptr<OpenLedger> open;
  if (state.thread_index() == 0) open = MakeLedger(durability);
  uint64_t i = static_cast<uint64_t>(state.thread_index()) << 32;
  const double process_begin_us = CpuUs(RUSAGE_SELF);
  const double begin_us = CpuUs(RUSAGE_THREAD);
  for (auto _ : state) {
    if (!AppendAndWait(*open->ledger, TypicalRecord(i++)).ok()) state.SkipWithError("closed");
  }
  const double caller_us = CpuUs(RUSAGE_THREAD) - begin_us;
  const auto appends = static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations());
  state.counters["caller_us"] = {caller_us / appends, benchmark::Counter::kAvgThreads};
  // Summed over the threads: what the process used, less what each caller did.
  const double process_us = state.thread_index() == 0 ? CpuUs(RUSAGE_SELF) - process_begin_us : 0;
  state.counters["ledger_us"] = (process_us - caller_us) / appends / state.threads();
  if (state.thread_index() == 0) {
    const LedgerStats stats = open->ledger->stats();
    state.counters["records_per_batch"] =
        static_cast<double>(stats.appended) / static_cast<double>(stats.batches);
    open.reset();
  }
}

// Latencies of receipts, gathered on the writer's thread.
class Answers {
 public:
  explicit Answers(size_t count) : latencies_us_(count) {}

  Ledger::Done Expect(size_t i) {
    return [this, i, begin = Clock::now()](const absl::StatusOr<Receipt>& receipt) {
      const std::chrono::duration<double, std::micro> latency = Clock::now() - begin;
      const std::lock_guard lock(mu_);
      if (receipt.ok()) latencies_us_[i] = latency.count();
      if (++answered_ == latencies_us_.size()) all_.notify_all();
    };
  }
  // Waits for all, or until a moment.
  void WaitUntil(Clock::time_point until) {
    std::unique_lock lock(mu_);
    all_.wait_until(lock, until, [this] { return answered_ == latencies_us_.size(); });
  }
  std::vector<double> Sorted() {
    std::sort(latencies_us_.begin(), latencies_us_.end());
    return latencies_us_;
  }

 private:
  std::mutex mu_;
  std::condition_variable all_;
  size_t answered_ = 0;
  std::vector<double> latencies_us_;
};

// Three pages at the end of a file and an fdatasync, as a commit does, at the pace of Paced.
void SyncAlone(benchmark::State& state) {
  const Scratch scratch;
  std::filesystem::create_directories(scratch.dir());
  const int file = ::open(scratch.Path("log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string pages(3 * 4096, 'x');
  constexpr size_t kSyncs = 4'000;
  Answers pause(1);
  std::vector<double> latencies_us;
  for (auto _ : state) {
    Clock::time_point next = Clock::now();
    for (size_t i = 0; i < kSyncs; ++i) {
      pause.WaitUntil(next += std::chrono::microseconds(500));
      const Clock::time_point begin = Clock::now();
      const auto at = static_cast<off_t>(i * pages.size());
      if (::pwrite(file, pages.data(), pages.size(), at) < 0 || ::fdatasync(file) != 0) {
        state.SkipWithError("the disk failed");
      }
      latencies_us.push_back(
          std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
  }
  ::close(file);
  std::sort(latencies_us.begin(), latencies_us.end());
  state.counters["p50_us"] = latencies_us[kSyncs / 2];
  state.counters["p99_us"] = latencies_us[kSyncs * 99 / 100];
  state.counters["max_us"] = latencies_us.back();
}

// With content, the word index is made meanwhile.
void Paced(benchmark::State& state, ContentMode content) {
  const std::unique_ptr<OpenLedger> open = MakeLedger(Durability::kStrict, content);
  std::string text = "{\"messages\":[{\"role\":\"user\",\"content\":\"";
  for (int i = 0; i < 100; ++i) text += "围堰抽水闸门";
  text += "\"}]}";
  constexpr size_t kRecords = 10'000;
  constexpr std::chrono::microseconds kPause(500);
  Answers answers(kRecords);
  for (auto _ : state) {
    Clock::time_point next = Clock::now();
    for (size_t i = 0; i < kRecords; ++i) {
      answers.WaitUntil(next += kPause);
      if (content == ContentMode::kNone) {
        open->ledger->Append(TypicalRecord(i), answers.Expect(i));
      } else {
        const std::string numbered = Concat(text, i);
        open->ledger->Append(TypicalRecord(i), {numbered, content}, answers.Expect(i));
      }
    }
    answers.WaitUntil(Clock::now() + std::chrono::seconds(10));
  }
  const std::vector<double> latencies_us = answers.Sorted();
  state.counters["p50_us"] = latencies_us[kRecords / 2];
  state.counters["p99_us"] = latencies_us[kRecords * 99 / 100];
  state.counters["max_us"] = latencies_us.back();
}

// A ledger of WEIR_BENCH_RECORDS records (a million), written once.
OpenLedger& Big() {
  static const std::unique_ptr<OpenLedger> big = [] {
    const char* given = std::getenv("WEIR_BENCH_RECORDS");
    const size_t records = given != nullptr ? std::stoull(given) : 1'000'000;
    std::unique_ptr<OpenLedger> open = MakeLedger(Durability::kRelaxed);
    constexpr size_t kAtOnce = 10'000;
    for (size_t i = 0; i < records; i += kAtOnce) {
      Answers answers(kAtOnce);
      for (size_t k = 0; k < kAtOnce; ++k) {
        Record record = TypicalRecord(i + k);
        record.action = (i + k) % 1'000 == 0 ? "block" : "allow";
        if (record.action == "block") {
          record.findings.emplace_back().rule = Concat("R-", (i + k) / 1'000 % 97);
        }
        open->ledger->Append(std::move(record), answers.Expect(k));
      }
      answers.WaitUntil(Clock::time_point::max());
    }
    open->ledger->Close().IgnoreError();
    return open;
  }();
  return *big;
}

void FirstPage(benchmark::State& state, const Query& query) {
  const std::unique_ptr<Reader> reader = Reader::Open(Big().scratch.dir()).value();
  size_t found = 0;
  for (auto _ : state) found = reader->Find(query)->records.size();
  state.counters["found"] = static_cast<double>(found);
}

void Verify(benchmark::State& state) {
  const std::unique_ptr<Reader> reader = Reader::Open(Big().scratch.dir()).value();
  uint64_t records = 0;
  for (auto _ : state) {
    const VerifyReport report = *reader->Verify({});
    if (!report.ok) state.SkipWithError(report.reason.c_str());
    records = report.records;
  }
  state.SetItemsProcessed(static_cast<int64_t>(records) * state.iterations());
}

void VerifyAnExport(benchmark::State& state) {
  const std::string dir = Big().scratch.dir() + "-export";
  if (!ExportLedger(Big().scratch.dir(), {}, {}, dir).ok()) state.SkipWithError("no export");
  uint64_t records = 0;
  for (auto _ : state) records = VerifyExport(dir, {})->records;
  state.SetItemsProcessed(static_cast<int64_t>(records) * state.iterations());
  std::filesystem::remove_all(dir);
}

BENCHMARK_CAPTURE(Append, strict, Durability::kStrict)
    ->Threads(64)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->MinTime(3);
BENCHMARK_CAPTURE(Append, relaxed, Durability::kRelaxed)
    ->Threads(64)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->MinTime(3);
BENCHMARK(SyncAlone)->Iterations(1)->UseRealTime();
BENCHMARK_CAPTURE(Paced, strict, ContentMode::kNone)
    ->Iterations(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(Paced, strict_with_content, ContentMode::kEncrypted)
    ->Iterations(1)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

BENCHMARK_CAPTURE(FirstPage, newest, Query{})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, app, Query{.app = "customer-service"})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, user, Query{.user = "user-77"})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, rule, Query{.rule = "R-5"})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, user_and_action_without_hit,
                  Query{.user = "user-77", .action = "block"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, two_common_terms_without_hit,
                  Query{.app = "customer-service", .kinds = {RecordKind::kPrompt}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(FirstPage, exchange, Query{.exchange = "01934f6e-8c7a-7000-8000-100000012345"})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Verify)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(VerifyAnExport)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace weir::audit

BENCHMARK_MAIN();
