// A witness on the network: plain HTTP/1.1, to be put behind a TLS proxy where it leaves the
// machine. The only part of weir-verify that opens a socket; no verification depends on it.
//
// One thread answers one request after another; connections that are slow or too many are cut off.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "audit/witness.h"

namespace weir::audit {

class WitnessServer {
 public:
  // `address` is an IP address and a port, "127.0.0.1:8082" or "[::1]:8082"; port 0 takes any free
  // one. The witness must outlive the server.
  static absl::StatusOr<std::unique_ptr<WitnessServer>> Listen(Witness& witness,
                                                               const std::string& address);
  WitnessServer(const WitnessServer&) = delete;
  WitnessServer& operator=(const WitnessServer&) = delete;
  ~WitnessServer();

  uint16_t port() const;
  // Serves until SIGINT or SIGTERM.
  void Run();

 private:
  class State;
  explicit WitnessServer(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace weir::audit
