// The life of one exchange: a client's request and the response to it, judged and recorded.
//
// Run() in exchange.cc is the whole story, top to bottom. Only Run() chooses what happens next; a
// stage does one thing and returns.
//
//   Receive -> Identify -> Decode -> JudgePrompt -> RecordPrompt
//           -> (Refuse | Forward -> Relay) -> RecordAnswer
//
// Guarantees. No byte goes upstream before the prompt's record is durable. No byte of an answer is
// written before it was judged, and its last byte not before the answer's record is durable. One
// bundle, pinned in Identify, decides from the first part to the last record. Whatever fails, at
// whichever stage, ends in one place (Fail), which answers in the dialect's shape, and records where
// it happened.
//
// An exchange belongs to one thread. It owns nothing that outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "audit/ledger.h"
#include "gateway/config.h"
#include "gateway/dialect.h"
#include "gateway/http.h"
#include "gateway/metrics.h"
#include "gateway/upstream.h"
#include "policy/bundle.h"

namespace weir::gateway {

enum class Stage : uint8_t {
  kReceive,
  kIdentify,
  kDecode,
  kJudgePrompt,
  kRecordPrompt,
  kRefuse,
  kForward,
  kRelay,
  kRecordAnswer,
};
inline constexpr int kStageCount = 9;
std::string_view Name(Stage stage);

// What rules a process at this moment; replaced whole by a reload, pinned by each exchange.
struct Snapshot {
  std::shared_ptr<const Config> config;
  std::shared_ptr<const policy::Bundle> bundle;
};

struct ExchangeMetrics;

// What the exchanges of one thread share. Everything outlives every exchange.
struct Workshop {
  int shard = 0;
  Executor executor;
  UpstreamPool& upstreams;
  audit::Ledger& ledger;
  Metrics& metrics;
  const ExchangeMetrics& ids;
};

// Serves requests of one connection until it closes, a request asks for it, or `draining` is true.
// `current` gives the snapshot to pin for the next exchange.
Task<void> ServeConnection(Workshop& workshop, std::function<Snapshot()> current,
                           std::unique_ptr<ByteStream> stream, const std::atomic<bool>& draining);

// Registers the exchange's metrics; once, before threads start.
std::unique_ptr<const ExchangeMetrics> RegisterExchangeMetrics(Metrics& metrics);

}  // namespace weir::gateway
