// Addresses as people write them into the configuration. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/upstream.h"

namespace weir::gateway {

struct ListenAddress {
  std::string host;                  // an IP address
  uint16_t port = 0;                 // 0: any free one
  std::string tls_certificate_file;  // both or neither
  std::string tls_key_file;

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// "127.0.0.1:8080", "[::1]:8080" or "localhost:8080": nothing that a name server would decide.
std::optional<ListenAddress> ParseListenAddress(std::string_view text);

// Splits "https://host[:port][/path]" into the upstream's endpoint, base_path and host_field.
// Anything else that a URL may carry (a user, a query, a fragment, escapes, dot segments) is
// refused: returns what is wrong with it, empty when nothing is.
std::string ParseBaseUrl(std::string_view url, Upstream& upstream);

bool IsLoopback(const std::string& host);

}  // namespace weir::gateway
