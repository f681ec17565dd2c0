// Takes the ledger's checkpoints to its witnesses (c2sp.org/tlog-witness) and gives the ledger what
// they cosign.
//
// It has a thread, connections and a reader of the ledger of its own: no exchange ever waits for a
// witness. Each newer checkpoint goes to all witnesses at once; when at least the quorum has
// cosigned it, the cosignatures are stored with it. A witness that fails is asked again, at first
// after a second, then less and less often up to a minute; what it says then does not hold up the
// others. A witness that has cosigned more than the ledger holds, or does not believe the proof, is
// an alarm: the ledger was rolled back, or two gateways write under one key.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/checkpoint.h"
#include "gateway/byte_stream.h"
#include "gateway/live_ledger.h"
#include "gateway/metrics.h"
#include "gateway/upstream.h"

namespace weir::gateway {

struct WitnessSite {
  audit::VerifierKey key;
  Upstream upstream;  // named after the key; add-checkpoint stands under its base_path
};

struct WitnessPlan {
  std::vector<WitnessSite> sites;
  size_t quorum = 0;  // how many must have cosigned a checkpoint before that is kept
};

// Ids of what the client counts; registered once, before threads start.
struct WitnessMetrics {
  WitnessMetrics(Metrics& metrics, const WitnessPlan& plan);

  struct OfSite {
    Metrics::Id cosigned, failed, refused;
  };
  Metrics& metrics;
  std::vector<OfSite> sites;
};

class WitnessClient {
 public:
  // Reads the open ledger in `dir`, and each later opening of it anew. `metrics` must outlive the
  // client.
  static absl::StatusOr<std::unique_ptr<WitnessClient>> Start(const WitnessPlan& plan,
                                                              LedgerSource ledger, std::string dir,
                                                              Dial dial,
                                                              const WitnessMetrics& metrics);
  WitnessClient(const WitnessClient&) = delete;
  WitnessClient& operator=(const WitnessClient&) = delete;
  // Gives up what is under way.
  ~WitnessClient();

  // Returns when the quorum has cosigned all records, or after `patience`.
  void Finish(std::chrono::milliseconds patience);

 private:
  class State;
  explicit WitnessClient(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace weir::gateway
