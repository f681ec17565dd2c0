// Connections to model providers: verified TLS, timeouts, reuse.
//
// One pool per thread; an exchange never changes thread, so nothing locks. A connection returns to
// the pool only when its response was read to the end and properly framed; after any doubt it is
// closed. An upstream is chosen by name from the configuration, never from anything a client sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <absl/status/statusor.h>

#include "gateway/byte_stream.h"
#include "gateway/http.h"

namespace weir::gateway {

struct Upstream {
  std::string name;
  std::string dialect;  // "openai"
  Endpoint endpoint;
  std::string base_path;   // "/v1"
  std::string host_field;  // Host: as the base URL writes it
  std::string api_key;     // empty: none is sent
  std::string region;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds first_byte_timeout{120'000};
  std::chrono::milliseconds between_bytes_timeout{60'000};
  size_t idle_connections_max = 64;  // for each thread
  std::chrono::milliseconds idle_timeout{50'000};
};

// A response whose head has been read; the body follows. May outlive its pool.
class UpstreamResponse {
 public:
  UpstreamResponse(UpstreamResponse&&) noexcept;
  UpstreamResponse& operator=(UpstreamResponse&&) noexcept;
  // Gives the connection back to its pool when it can be reused, else closes it.
  ~UpstreamResponse();

  const HttpResponseHead& head() const { return head_; }
  // As HttpClientStream::ReadBody, with the upstream's between_bytes_timeout. kUnavailable also
  // when the body's framing is malformed.
  Task<absl::StatusOr<size_t>> ReadBody(std::string& into);
  // Stops whatever is under way from the same thread; ReadBody then fails with kCancelled.
  void Cancel();

 private:
  friend class UpstreamPool;
  struct Lease;
  UpstreamResponse(std::shared_ptr<Lease> lease, HttpResponseHead head);
  std::shared_ptr<Lease> lease_;
  HttpResponseHead head_;
};

class UpstreamPool {
 public:
  UpstreamPool(Dial dial, const HttpLimits& limits);
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;
  ~UpstreamPool();

  // Sends a request and reads the head of the response. A reused connection that turns out to have
  // been closed before any byte of the response is replaced by a new one, once. kUnavailable: could
  // not connect, lost, or the response is malformed; kDeadlineExceeded: no connection or no head in
  // time. `cancel`, when given, is set to a function that stops the call from the same thread
  // (kCancelled), and emptied before it returns.
  //
  // The pool writes Host, Accept-Encoding and, from api_key, the credential (x-api-key for the
  // dialect "anthropic", else a bearer token). `fields` of those names, and any credential a caller
  // left among them, are dropped: a client's own credential never reaches an upstream.
  //
  // What is passed by reference must live until the call returns.
  Task<absl::StatusOr<UpstreamResponse>> Forward(const Upstream& upstream, std::string_view method,
                                                 std::string_view path, const HeaderFields& fields,
                                                 std::string_view body,
                                                 absl::AnyInvocable<void()>* cancel = nullptr);

  size_t idle_connections() const;
  void CloseIdle();
  // Closes what has been idle for longer than its upstream's idle_timeout, or was closed by the
  // peer. Forward does so for the connections that it looks at; a thread without traffic needs a
  // call now and then.
  void CloseExpired();

 private:
  friend class UpstreamResponse;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weir::gateway
