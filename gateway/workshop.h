// What the exchanges of one thread share, and the names of their stages.
//
// A Workshop belongs to one thread; so do the connections and exchanges that refer to it. Snapshots
// are immutable and shared by all threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_set>

#include <absl/functional/any_invocable.h>

#include "audit/ledger.h"
#include "gateway/byte_stream.h"
#include "gateway/config.h"
#include "gateway/metrics.h"
#include "gateway/upstream.h"
#include "policy/bundle.h"

namespace weir::gateway {

enum class Stage : uint8_t {
  kReceive,       // reads the head of a request
  kIdentify,      // pins the bundle, finds the app and its profile
  kDecode,        // reads the body, finds its text
  kJudgePrompt,   // every part of it
  kRecordPrompt,  // durable before any effect
  kRefuse,        // writes a refusal or a stand-in answer
  kForward,       // sends the request upstream, reads the head of the response
  kRelay,         // judges the answer, releases what may be released
  kRecordAnswer,  // durable, then the last bytes
};
inline constexpr int kStageCount = 9;
std::string_view Name(Stage stage);

// What rules a process at this moment; replaced whole by a reload, pinned by each exchange.
struct Snapshot {
  std::shared_ptr<const Config> config;
  std::shared_ptr<const policy::Bundle> bundle;
};

// Ids of what exchanges count; registered once, before threads start.
struct ExchangeMetrics {
  explicit ExchangeMetrics(Metrics& metrics);

  Metrics::Id active;
  Metrics::Id connections;
  std::array<Metrics::Id, 6> responses;         // by status class; 0: none was sent
  std::array<Metrics::Id, 5> prompt_decisions;  // by policy::Action
  std::array<Metrics::Id, 5> answer_decisions;
  std::array<Metrics::Id, kStageCount> failures;
  std::array<Metrics::Id, kStageCount> stage_seconds;
  Metrics::Id first_content_seconds;
  Metrics::Id judged_bytes_prompt;
  Metrics::Id judged_bytes_answer;
};

// One connection as the server sees it.
struct Connection {
  ByteStream* stream = nullptr;
  bool idle = true;  // between requests: may be closed at once when the server drains
  // Ends the exchange that is under way, with a record that says so; empty between exchanges.
  absl::AnyInvocable<void()> abandon;
};

// What the exchanges of one thread share. All that is referred to outlives every exchange.
struct Workshop {
  int shard;
  Executor executor;
  UpstreamPool& upstreams;
  std::shared_ptr<audit::Ledger> ledger;  // to pin for the next exchange, as `current` is
  Metrics& metrics;
  const ExchangeMetrics& ids;
  std::function<Snapshot()> current;  // the snapshot to pin for the next exchange
  const std::atomic<bool>& draining;
  std::unordered_set<Connection*> connections;  // open ones
  int handshakes = 0;                           // connections that are not in the set yet
};

}  // namespace weir::gateway
