#include "gateway/byte_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/intrusive/list.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "rules/status_macros.h"

// How a byte moves. A read or a write first tries the system call; only when the kernel has nothing
// does the coroutine suspend in Asio's reactor. What a suspended coroutine touches (Connection) is
// shared by the stream and the coroutine, so destroying a stream under an operation closes the
// socket and the operation ends on its own with kCancelled.
//
// Deadlines need no timer for each operation: a connection with a suspended operation, or one that
// is watched, hangs in the list of its thread's Ticker, which walks the list every kDeadlineTick
// and cancels what is late. The timer runs only while the list is not empty, so an io_context with
// nothing to do still comes to its end.
//
// OpenSSL reads and writes through a BIO of ours over the same socket: no copy through buffer
// pairs, and no SIGPIPE.

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
namespace intrusive = boost::intrusive;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::deferred);

// Operations that may complete in a row without giving other connections of the thread a turn.
constexpr int kOperationsInTurnMax = 32;
// One TLS record.
constexpr size_t kTlsRecordBytesMax = 16 << 10;

class Connection;
using ListHook = intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>>;

// The coarse clock of one io_context.
class Ticker : public asio::execution_context::service {
 public:
  using key_type = Ticker;
  static asio::execution_context::id id;

  explicit Ticker(asio::execution_context& context)
      : service(context), timer_(static_cast<asio::io_context&>(context)) {}

  void Add(Connection& connection);

 private:
  void shutdown() noexcept override {}
  void Arm();
  void Tick();

  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> timer_;
  bool armed_ = false;
  intrusive::list<Connection, intrusive::base_hook<ListHook>, intrusive::constant_time_size<false>>
      connections_;
};

asio::execution_context::id Ticker::id;

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

// A socket with what its suspended operations need.
class Connection : public ListHook, public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(tcp::socket connected)
      : socket(std::move(connected)),
        ticker_(asio::use_service<Ticker>(static_cast<asio::io_context&>(
            asio::query(socket.get_executor(), asio::execution::context)))) {}

  // Held across a suspension: the deadline counts meanwhile.
  class Suspended {
   public:
    explicit Suspended(Connection& connection) : connection_(connection) {
      if (connection_.suspended_++ == 0) connection_.Link();
      connection_.operations_in_turn_ = 0;
    }
    Suspended(const Suspended&) = delete;
    Suspended& operator=(const Suspended&) = delete;
    ~Suspended() {
      connection_.suspended_--;
      connection_.UnlinkIfUnused();
    }

   private:
    Connection& connection_;
  };

  // OK when an operation may start or go on. `doing` is "reading from".
  absl::Status Check(const char* doing) const {
    if (closed_) {
      return absl::CancelledError(
          absl::StrCat(doing, " ", peer, ": the connection was closed here"));
    }
    if (expired_ || (deadline_ != Clock::time_point::max() && Clock::now() >= deadline_)) {
      return absl::DeadlineExceededError(absl::StrCat(doing, " ", peer, " took too long"));
    }
    return absl::OkStatus();
  }

  absl::Status Lost(const char* doing, const std::string& reason) const {
    return absl::UnavailableError(absl::StrCat(doing, " ", peer, ": ", reason));
  }
  absl::Status Lost(const char* doing, int error) const {
    return Lost(doing, error_code(error, boost::system::system_category()).message());
  }

  // True when other connections should have a turn first.
  bool TurnIsOver() {
    if (++operations_in_turn_ < kOperationsInTurnMax) return false;
    operations_in_turn_ = 0;
    return true;
  }

  void SetDeadline(Clock::time_point deadline) {
    deadline_ = deadline;
    expired_ = false;
  }

  void Expire(Clock::time_point now) {
    if (suspended_ == 0 || now < deadline_) return;
    expired_ = true;
    error_code ignored;
    socket.cancel(ignored);
  }

  void Watch(absl::AnyInvocable<void()> lost) {
    if (closed_) return;
    lost_ = std::move(lost);
    Link();
  }
  void StopWatching() {
    if (!lost_) return;
    lost_ = nullptr;
    UnlinkIfUnused();
  }
  bool watched() const { return lost_ != nullptr; }
  void ReportLoss() {
    absl::AnyInvocable<void()> lost = std::exchange(lost_, nullptr);
    UnlinkIfUnused();
    if (lost) lost();
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    StopWatching();
    if (ssl != nullptr && tls_open) {
      ERR_clear_error();
      SSL_shutdown(ssl.get());  // Says goodbye when the socket takes it at once.
      tls_open = false;
    }
    error_code ignored;
    socket.close(ignored);
  }

  bool closed() const { return closed_; }

  // Whether the kernel holds nothing from the peer, not even its end.
  bool NothingToRead() {
    char byte;
    return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  // Constant after the stream was made.
  tcp::socket socket;
  std::string peer;
  SslPtr ssl;

  bool tls_open = false;          // The handshake is done and nothing broke since.
  bool tls_socket_ended = false;  // For the BIO: the peer's end was read.
  bool read_was_full = false;     // The last read filled its buffer: the kernel may hold more.

 private:
  void Link() {
    if (!is_linked()) ticker_.Add(*this);
  }
  void UnlinkIfUnused() {
    if (suspended_ == 0 && !lost_ && is_linked()) unlink();
  }

  Ticker& ticker_;
  Clock::time_point deadline_ = Clock::time_point::max();
  absl::AnyInvocable<void()> lost_;
  int suspended_ = 0;
  int operations_in_turn_ = 0;
  bool closed_ = false;
  bool expired_ = false;
};

using ConnectionPtr = std::shared_ptr<Connection>;

void Ticker::Add(Connection& connection) {
  connections_.push_back(connection);
  Arm();
}

void Ticker::Arm() {
  if (armed_ || connections_.empty()) return;
  armed_ = true;
  timer_.expires_after(kDeadlineTick);
  timer_.async_wait([this](error_code error) {
    armed_ = false;
    if (!error) Tick();
  });
}

void Ticker::Tick() {
  const Clock::time_point now = Clock::now();
  // Callbacks may close and destroy any connection, so the watched ones are held meanwhile.
  std::vector<ConnectionPtr> watched;
  std::vector<pollfd> polled;
  for (Connection& connection : connections_) {
    connection.Expire(now);
    if (connection.watched()) {
      watched.push_back(connection.shared_from_this());
      polled.push_back({connection.socket.native_handle(), POLLRDHUP, 0});
    }
  }
  // Asked of the kernel instead of peeked at: bytes that wait unread, or a TLS farewell among them,
  // would hide the end that follows them.
  if (!polled.empty() && ::poll(polled.data(), polled.size(), 0) > 0) {
    for (size_t i = 0; i < polled.size(); i++) {
      if (polled[i].revents != 0) watched[i]->ReportLoss();
    }
  }
  Arm();
}

Task<void> Yield() {
  co_await asio::post(asio::deferred);
}

// Suspends until the socket may be read or written, the deadline passes or Close() is called; the
// caller tries again and learns which.
Task<void> WaitFor(ConnectionPtr connection, tcp::socket::wait_type what) {
  Connection::Suspended suspended(*connection);
  co_await connection->socket.async_wait(what, kAwait);
}

constexpr char kReading[] = "reading from";
constexpr char kWriting[] = "writing to";

// ---- Plain TCP.

Task<absl::StatusOr<size_t>> ReadTcp(ConnectionPtr connection, absl::Span<char> into) {
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

Task<absl::Status> WriteTcp(ConnectionPtr connection, std::string_view first,
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

// What both kinds of stream share.
class SocketStream : public ByteStream {
 public:
  explicit SocketStream(ConnectionPtr connection) : connection_(std::move(connection)) {}
  ~SocketStream() override { connection_->Close(); }

  void Close() override { connection_->Close(); }
  void SetDeadline(Clock::time_point deadline) override { connection_->SetDeadline(deadline); }
  void WatchForLoss(absl::AnyInvocable<void()> lost) override {
    connection_->Watch(std::move(lost));
  }
  void StopWatching() override { connection_->StopWatching(); }
  std::string_view peer() const override { return connection_->peer; }

 protected:
  const ConnectionPtr connection_;
};

class TcpStream final : public SocketStream {
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

// ---- TLS.

int BioRead(BIO* bio, char* into, int size) {
  auto* connection = static_cast<Connection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      ::recv(connection->socket.native_handle(), into, static_cast<size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  connection->tls_socket_ended = n == 0;
  return static_cast<int>(n);
}

int BioWrite(BIO* bio, const char* from, int size) {
  auto* connection = static_cast<Connection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(connection->socket.native_handle(), from, static_cast<size_t>(size),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF)
    return static_cast<Connection*>(BIO_get_data(bio))->tls_socket_ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* NewBio(Connection& connection) {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket");
    BIO_meth_set_read(method, BioRead);
    BIO_meth_set_write(method, BioWrite);
    BIO_meth_set_ctrl(method, BioControl);
    return method;
  }();
  BIO* bio = BIO_new(kMethod);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &connection);
  BIO_set_init(bio, 1);
  return bio;
}

// After an SSL_* call that returned `result`: OK when it should be tried again (after a wait, when
// one is needed), else why not.
Task<absl::Status> AfterTls(ConnectionPtr connection, int result, const char* doing) {
  const int saved_errno = errno;
  switch (SSL_get_error(connection->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      co_await WaitFor(connection, tcp::socket::wait_read);
      co_return absl::OkStatus();
    case SSL_ERROR_WANT_WRITE:
      co_await WaitFor(connection, tcp::socket::wait_write);
      co_return absl::OkStatus();
    case SSL_ERROR_SYSCALL:
      connection->tls_open = false;
      co_return saved_errno == 0
          ? connection->Lost(doing, "the peer closed the connection without a TLS farewell")
          : connection->Lost(doing, saved_errno);
    default: {
      connection->tls_open = false;
      const unsigned long error = ERR_get_error();
      ERR_clear_error();
      if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        co_return connection->Lost(doing,
                                   absl::StrCat("its certificate was refused: ",
                                                X509_verify_cert_error_string(
                                                    SSL_get_verify_result(connection->ssl.get()))));
      }
      if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        co_return connection->Lost(doing, "the peer closed the connection without a TLS farewell");
      }
      const char* const reason = ERR_reason_error_string(error);
      co_return connection->Lost(
          doing, absl::StrCat("TLS failed: ", reason != nullptr ? reason : "unknown reason"));
    }
  }
}

Task<absl::Status> Handshake(ConnectionPtr connection) {
  constexpr char kDoing[] = "TLS handshake with";
  for (;;) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kDoing));
    ERR_clear_error();
    const int result = SSL_do_handshake(connection->ssl.get());
    if (result == 1) break;
    WEIR_CO_RETURN_IF_ERROR(co_await AfterTls(connection, result, kDoing));
  }
  connection->tls_open = true;
  co_return absl::OkStatus();
}

Task<absl::StatusOr<size_t>> ReadTls(ConnectionPtr connection, absl::Span<char> into) {
  connection->StopWatching();
  if (connection->TurnIsOver()) co_await Yield();
  for (;;) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kReading));
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(connection->ssl.get(), into.data(), into.size(), &n);
    if (result == 1) co_return n;
    if (SSL_get_error(connection->ssl.get(), result) == SSL_ERROR_ZERO_RETURN) co_return size_t{0};
    WEIR_CO_RETURN_IF_ERROR(co_await AfterTls(connection, result, kReading));
  }
}

Task<absl::Status> WriteTlsPart(ConnectionPtr connection, std::string_view part) {
  while (!part.empty()) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kWriting));
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_write_ex(connection->ssl.get(), part.data(), part.size(), &n);
    if (result == 1) {
      part.remove_prefix(n);
    } else {
      WEIR_CO_RETURN_IF_ERROR(co_await AfterTls(connection, result, kWriting));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> WriteTls(ConnectionPtr connection, std::string_view first,
                            std::string_view second) {
  if (connection->TurnIsOver()) co_await Yield();
  if (!first.empty() && !second.empty() && first.size() + second.size() <= kTlsRecordBytesMax) {
    std::string joined(first);
    joined.append(second);  // One record, one packet.
    co_return co_await WriteTlsPart(connection, joined);
  }
  WEIR_CO_RETURN_IF_ERROR(co_await WriteTlsPart(connection, first));
  co_return co_await WriteTlsPart(connection, second);
}

class TlsStream final : public SocketStream {
 public:
  using SocketStream::SocketStream;
  Task<absl::StatusOr<size_t>> Read(absl::Span<char> into) override {
    return ReadTls(connection_, into);
  }
  Task<absl::Status> Write(std::string_view first, std::string_view second) override {
    return WriteTls(connection_, first, second);
  }
  void CloseWrite() override {
    if (!connection_->tls_open) return;
    ERR_clear_error();
    SSL_shutdown(connection_->ssl.get());
    connection_->tls_open = false;
    error_code ignored;
    connection_->socket.shutdown(tcp::socket::shutdown_send, ignored);
  }
  // Asks OpenSSL: session tickets that a server sends at its leisure are no unread data.
  bool Idle() const override {
    if (connection_->closed() || !connection_->tls_open) return false;
    ERR_clear_error();
    char byte;
    size_t n = 0;
    const int result = SSL_peek_ex(connection_->ssl.get(), &byte, 1, &n);
    return result != 1 && SSL_get_error(connection_->ssl.get(), result) == SSL_ERROR_WANT_READ;
  }
};

absl::Status BeginTls(Connection& connection, asio::ssl::context& context) {
  connection.ssl.reset(SSL_new(context.native_handle()));
  BIO* const bio = connection.ssl != nullptr ? NewBio(connection) : nullptr;
  if (bio == nullptr) return absl::ResourceExhaustedError("no memory for a TLS connection");
  SSL_set_bio(connection.ssl.get(), bio, bio);
  SSL_set_mode(connection.ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                         SSL_MODE_RELEASE_BUFFERS);
  if (SSL_set_min_proto_version(connection.ssl.get(), TLS1_2_VERSION) != 1) {
    return absl::InternalError("OpenSSL refuses TLS 1.2 as the oldest version");
  }
  return absl::OkStatus();
}

// The chain must lead to the trust store, and the certificate must name `host`.
absl::Status DemandIdentity(SSL* ssl, const std::string& host) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  SSL_set_connect_state(ssl);
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const demand = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(demand, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  const bool is_address = !not_an_address;
  const int named = is_address
                        ? X509_VERIFY_PARAM_set1_ip_asc(demand, host.c_str())
                        : (X509_VERIFY_PARAM_set1_host(demand, host.c_str(), host.size()) == 1 &&
                           SSL_set_tlsext_host_name(ssl, host.c_str()) == 1);
  if (named != 1 || SSL_set_alpn_protos(ssl, kHttp11, sizeof kHttp11 - 1) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", host, "\" is not a host name that a certificate can name"));
  }
  return absl::OkStatus();
}

// ---- Connecting.

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

Task<absl::StatusOr<ConnectionPtr>> ConnectTo(Executor executor, tcp::endpoint address,
                                              std::string name, Clock::time_point deadline) {
  constexpr char kDoing[] = "connecting to";
  auto connection = std::make_shared<Connection>(tcp::socket(executor));
  connection->peer = std::move(name);
  connection->SetDeadline(deadline);
  error_code error;
  {
    Connection::Suspended suspended(*connection);
    std::tie(error) = co_await connection->socket.async_connect(address, kAwait);
  }
  if (error) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kDoing));
    co_return connection->Lost(kDoing, error.value());
  }
  co_return connection;
}

absl::Status PrepareSocket(tcp::socket& socket) {
  error_code error;
  socket.native_non_blocking(true, error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (error) return absl::UnavailableError(absl::StrCat("setting up a socket: ", error.message()));
  return absl::OkStatus();
}

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> Connect(asio::ssl::context* tls,
                                                          Endpoint endpoint,
                                                          Clock::time_point deadline) {
  const Executor executor = co_await asio::this_coro::executor;
  WEIR_CO_ASSIGN_OR_RETURN(const std::vector<tcp::endpoint> addresses,
                           co_await Resolve(executor, endpoint, deadline));
  absl::StatusOr<ConnectionPtr> connection = absl::UnavailableError("no address");
  for (size_t i = 0; i < addresses.size(); i++) {
    // An address that swallows packets must leave time for the others.
    const Clock::time_point now = Clock::now();
    const Clock::time_point until =
        now + (deadline - now) / static_cast<Clock::rep>(addresses.size() - i);
    std::string name = absl::StrCat(endpoint.host, ":", endpoint.port);
    connection = co_await ConnectTo(executor, addresses[i], std::move(name), until);
    if (connection.ok()) break;
  }
  if (!connection.ok()) co_return connection.status();
  (*connection)->SetDeadline(deadline);
  WEIR_CO_RETURN_IF_ERROR(PrepareSocket((*connection)->socket));
  if (!endpoint.tls) co_return std::make_unique<TcpStream>(*std::move(connection));
  WEIR_CO_RETURN_IF_ERROR(BeginTls(**connection, *tls));
  WEIR_CO_RETURN_IF_ERROR(DemandIdentity((*connection)->ssl.get(), endpoint.host));
  auto stream = std::make_unique<TlsStream>(*connection);
  WEIR_CO_RETURN_IF_ERROR(co_await Handshake(*connection));
  co_return stream;
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> Accept(tcp::socket socket,
                                                         asio::ssl::context* tls,
                                                         Clock::time_point deadline) {
  WEIR_CO_RETURN_IF_ERROR(PrepareSocket(socket));
  std::string peer = PeerName(socket);
  auto connection = std::make_shared<Connection>(std::move(socket));
  connection->peer = std::move(peer);
  connection->SetDeadline(deadline);
  if (tls == nullptr) co_return std::make_unique<TcpStream>(std::move(connection));
  WEIR_CO_RETURN_IF_ERROR(BeginTls(*connection, *tls));
  SSL_set_accept_state(connection->ssl.get());
  auto stream = std::make_unique<TlsStream>(connection);
  WEIR_CO_RETURN_IF_ERROR(co_await Handshake(connection));
  co_return stream;
}

Dial MakeDial(asio::ssl::context& tls) {
  return [context = &tls](const Endpoint& endpoint, Clock::time_point deadline) {
    return Connect(context, endpoint, deadline);
  };
}

}  // namespace weir::gateway
