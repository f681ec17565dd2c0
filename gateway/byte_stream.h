// A connection as bytes: plain TCP or TLS, with deadlines. The only place that touches sockets.
//
// Everything runs on one io_context per thread; a stream belongs to the thread that made it, so
// nothing here locks. Errors are Status: kUnavailable (the peer reset or the network failed),
// kDeadlineExceeded, kCancelled (Close() was called). Text of errors names the peer and what was
// being done, never content.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/types/span.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace weir::gateway {

using Executor = boost::asio::io_context::executor_type;
template <class T>
using Task = boost::asio::awaitable<T, Executor>;
using Clock = std::chrono::steady_clock;

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // At least one byte; 0 when the peer closed in order.
  virtual Task<absl::StatusOr<size_t>> Read(absl::Span<char> into) = 0;
  // All of both, in one gather write where the transport can. The views must live until it returns.
  virtual Task<absl::Status> Write(std::string_view first, std::string_view second = {}) = 0;

  // What is under way, and everything after, fails with kCancelled. Idempotent, never blocks.
  virtual void Close() = 0;

  // No more will be written: the peer sees the end, reading goes on. Best effort, never blocks.
  virtual void CloseWrite() {}

  // Reads and writes fail with kDeadlineExceeded after this moment. Granularity: kDeadlineTick.
  virtual void SetDeadline(Clock::time_point deadline) = 0;

  // Calls `lost` once, within kDeadlineTick, if the peer closes or resets while nobody reads; bytes
  // that arrive stay unread. Ends, without a call, at the next Read, at Close, or with
  // StopWatching.
  virtual void WatchForLoss(absl::AnyInvocable<void()> lost) = 0;
  virtual void StopWatching() = 0;

  // Whether the connection can carry another request: open and nothing unread.
  virtual bool Idle() const = 0;

  virtual std::string_view peer() const = 0;  // "127.0.0.1:52114"
};

inline constexpr std::chrono::milliseconds kDeadlineTick{250};

// Streams over real sockets. `tls` may be null. Accept performs the TLS handshake; Connect
// resolves, connects, and with TLS verifies the certificate chain and that it names `host` (SNI is
// sent).
Task<absl::StatusOr<std::unique_ptr<ByteStream>>> Accept(boost::asio::ip::tcp::socket socket,
                                                         boost::asio::ssl::context* tls,
                                                         Clock::time_point deadline);

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  bool tls = false;
};

// How connections to upstreams are made; tests put failing ones in its place.
using Dial = std::function<Task<absl::StatusOr<std::unique_ptr<ByteStream>>>(
    const Endpoint& endpoint, Clock::time_point deadline)>;

// The real one. `tls` (client context with its trust store) must outlive every stream.
Dial MakeDial(boost::asio::ssl::context& tls);

}  // namespace weir::gateway
