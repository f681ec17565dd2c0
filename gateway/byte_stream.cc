#include "gateway/byte_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "gateway/connection.h"
#include "gateway/tls_stream.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class TcpConnection final : public Connection {
 public:
  using Connection::Connection;
  bool read_was_full = false;  // The last read filled its buffer: the kernel may hold more.
};

using TcpConnectionPtr = std::shared_ptr<TcpConnection>;

Task<absl::StatusOr<size_t>> ReadTcp(TcpConnectionPtr connection, absl::Span<char> into) {
  connection->StopWatching();
  if (connection->TurnIsOver()) co_await Yield();
  for (;;) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kReading));
    // Asio tries the system call before it waits. Trying here as well pays only when there is
    // probably something: the completion then needs no way through the scheduler.
    if (connection->read_was_full) {
      const ssize_t n =
          ::recv(connection->socket.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
      connection->read_was_full = n == static_cast<ssize_t>(into.size());
      if (n >= 0) co_return static_cast<size_t>(n);
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        co_return connection->Lost(kReading, errno);
      }
    }
    error_code error;
    size_t n = 0;
    {
      Connection::Suspended suspended(*connection);
      std::tie(error, n) = co_await connection->socket.async_receive(
          asio::mutable_buffer(into.data(), into.size()), kAwait);
    }
    connection->read_was_full = n == into.size();
    if (!error) co_return n;
    if (error == asio::error::eof) co_return size_t{0};
    if (error != asio::error::operation_aborted)
      co_return connection->Lost(kReading, error.value());
  }
}

Task<absl::Status> WriteTcp(TcpConnectionPtr connection, std::string_view first,
                            std::string_view second) {
  if (connection->TurnIsOver()) co_await Yield();
  while (!first.empty() || !second.empty()) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kWriting));
    iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                      {const_cast<char*>(second.data()), second.size()}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = second.empty() ? 1 : 2;
    const ssize_t sent =
        ::sendmsg(connection->socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      const size_t of_first = std::min(first.size(), static_cast<size_t>(sent));
      first.remove_prefix(of_first);
      second.remove_prefix(static_cast<size_t>(sent) - of_first);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      co_await WaitFor(connection, tcp::socket::wait_write);
    } else if (errno != EINTR) {
      co_return connection->Lost(kWriting, errno);
    }
  }
  co_return absl::OkStatus();
}

class TcpStream final : public SocketStream<TcpConnection> {
 public:
  using SocketStream::SocketStream;
  Task<absl::StatusOr<size_t>> Read(absl::Span<char> into) override {
    return ReadTcp(connection_, into);
  }
  Task<absl::Status> Write(std::string_view first, std::string_view second) override {
    return WriteTcp(connection_, first, second);
  }
  void CloseWrite() override {
    error_code ignored;
    connection_->socket.shutdown(tcp::socket::shutdown_send, ignored);
  }
  bool Idle() const override { return !connection_->closed() && connection_->NothingToRead(); }
};

std::string PeerName(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint endpoint = socket.remote_endpoint(error);
  if (error) return "a peer that is gone";
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? absl::StrCat("[", address, "]:", endpoint.port())
                                    : absl::StrCat(address, ":", endpoint.port());
}

struct Resolution {
  explicit Resolution(Executor executor, Clock::time_point deadline)
      : resolver(executor), done(executor, deadline) {}
  asio::ip::basic_resolver<tcp, Executor> resolver;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> done;
  bool finished = false;
  error_code error;
  std::vector<tcp::endpoint> addresses;
};

// The system's resolver cannot be interrupted, so its answer may come after nobody waits any more.
Task<absl::StatusOr<std::vector<tcp::endpoint>>> Resolve(Executor executor, const Endpoint endpoint,
                                                         Clock::time_point deadline) {
  error_code not_an_address;
  const asio::ip::address address = asio::ip::make_address(endpoint.host, not_an_address);
  if (!not_an_address) co_return std::vector{tcp::endpoint(address, endpoint.port)};
  auto resolution = std::make_shared<Resolution>(executor, deadline);
  resolution->resolver.async_resolve(
      endpoint.host, absl::StrCat(endpoint.port), asio::ip::resolver_base::numeric_service,
      [resolution](error_code error, const tcp::resolver::results_type& results) {
        resolution->finished = true;
        resolution->error = error;
        for (const auto& result : results) resolution->addresses.push_back(result.endpoint());
        resolution->done.cancel();
      });
  co_await resolution->done.async_wait(kAwait);
  if (!resolution->finished) {
    resolution->resolver.cancel();
    co_return absl::DeadlineExceededError(
        absl::StrCat("looking up the address of ", endpoint.host, " took too long"));
  }
  if (resolution->error || resolution->addresses.empty()) {
    co_return absl::UnavailableError(absl::StrCat("looking up the address of ", endpoint.host, ": ",
                                                  resolution->error.message()));
  }
  co_return std::move(resolution->addresses);
}

absl::Status PrepareSocket(tcp::socket& socket) {
  error_code error;
  socket.native_non_blocking(true, error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (error) return absl::UnavailableError(absl::StrCat("setting up a socket: ", error.message()));
  return absl::OkStatus();
}

Task<absl::StatusOr<tcp::socket>> ConnectTo(Executor executor, tcp::endpoint address,
                                            std::string name, Clock::time_point deadline) {
  constexpr char kDoing[] = "connecting to";
  const auto connection = std::make_shared<TcpConnection>(tcp::socket(executor), std::move(name));
  connection->SetDeadline(deadline);
  error_code error;
  {
    const Connection::Suspended suspended(*connection);
    std::tie(error) = co_await connection->socket.async_connect(address, kAwait);
  }
  if (!error) co_return std::move(connection->socket);
  WEIR_CO_RETURN_IF_ERROR(connection->Check(kDoing));
  co_return connection->Lost(kDoing, error.value());
}

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> Connect(asio::ssl::context* tls,
                                                          Endpoint endpoint,
                                                          Clock::time_point deadline) {
  const Executor executor = co_await asio::this_coro::executor;
  std::string name = absl::StrCat(endpoint.host, ":", endpoint.port);
  WEIR_CO_ASSIGN_OR_RETURN(const std::vector<tcp::endpoint> addresses,
                           co_await Resolve(executor, endpoint, deadline));
  absl::StatusOr<tcp::socket> socket = absl::UnavailableError("no address");
  for (size_t i = 0; i < addresses.size() && !socket.ok(); i++) {
    // An address that swallows packets must leave time for the others.
    const Clock::time_point now = Clock::now();
    const Clock::time_point until =
        now + (deadline - now) / static_cast<Clock::rep>(addresses.size() - i);
    socket = co_await ConnectTo(executor, addresses[i], name, until);
  }
  if (!socket.ok()) co_return socket.status();
  WEIR_CO_RETURN_IF_ERROR(PrepareSocket(*socket));
  if (endpoint.tls) {
    co_return co_await ConnectTls(*std::move(socket), std::move(name), *tls, endpoint.host,
                                  deadline);
  }
  auto connection = std::make_shared<TcpConnection>(*std::move(socket), std::move(name));
  connection->SetDeadline(deadline);
  co_return std::make_unique<TcpStream>(std::move(connection));
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> Accept(tcp::socket socket,
                                                         asio::ssl::context* tls,
                                                         Clock::time_point deadline) {
  WEIR_CO_RETURN_IF_ERROR(PrepareSocket(socket));
  std::string peer = PeerName(socket);
  if (tls != nullptr) {
    co_return co_await AcceptTls(std::move(socket), std::move(peer), *tls, deadline);
  }
  auto connection = std::make_shared<TcpConnection>(std::move(socket), std::move(peer));
  connection->SetDeadline(deadline);
  co_return std::make_unique<TcpStream>(std::move(connection));
}

Dial MakeDial(asio::ssl::context& tls) {
  return [context = &tls](const Endpoint& endpoint, Clock::time_point deadline) {
    return Connect(context, endpoint, deadline);
  };
}

}  // namespace weir::gateway
