// The gateway as a process: listeners, threads, reload, drain.
//
// One io_context per thread with a listener of its own (SO_REUSEPORT); an exchange never changes
// thread. The admin plane (/livez, /readyz, /metrics) has its own thread, so that it answers when
// every other is busy. Reload() compiles on a thread of its own and publishes a new snapshot whole,
// or keeps the old one and says why; exchanges under way keep the snapshot they pinned.
//
// Stop() drains: listeners close, idle connections close, exchanges under way finish (until the
// configured drain timeout), the ledger is closed last with a final checkpoint.
//
// Start, Wait and the destructor belong to one thread; Reload and Stop may be called from any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "rules/rule.h"

namespace weir::gateway {

class Server {
 public:
  // Everything that can be wrong is found here: configuration, packs, keys, ports, the ledger. On
  // failure `problems` holds what is wrong with files, the status the rest, as one sentence.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const std::string& config_file,
                                                       std::vector<rules::Problem>& problems);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Stops without waiting for exchanges, if Stop() and Wait() were not called before.
  ~Server();

  void Reload();
  void Stop();
  // Returns when the server has drained: OK, or why the ledger did not close as it should.
  absl::Status Wait();

  uint16_t port() const;
  uint16_t admin_port() const;
  std::string bundle_digest() const;

 private:
  class State;
  explicit Server(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace weir::gateway
