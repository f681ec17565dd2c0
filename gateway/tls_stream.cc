#include "gateway/tls_stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <absl/strings/str_cat.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "rules/status_macros.h"

// OpenSSL reads and writes through a BIO of ours over the socket itself: no copy through buffer
// pairs, no buffers while a connection is idle, and no SIGPIPE.

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kTlsRecordBytesMax = 16 << 10;

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsConnection final : public Connection {
 public:
  using Connection::Connection;

  std::unique_ptr<SSL, SslDeleter> ssl;
  bool open = false;        // The handshake is done and nothing broke since.
  bool peer_ended = false;  // For the BIO: the socket's end was read.

  void SayGoodbye() override {
    if (!std::exchange(open, false)) return;
    ERR_clear_error();
    SSL_shutdown(ssl.get());
  }
};

using TlsConnectionPtr = std::shared_ptr<TlsConnection>;

int BioRead(BIO* bio, char* into, int size) {
  auto* connection = static_cast<TlsConnection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      ::recv(connection->socket.native_handle(), into, static_cast<size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  connection->peer_ended = n == 0;
  return static_cast<int>(n);
}

int BioWrite(BIO* bio, const char* from, int size) {
  auto* connection = static_cast<TlsConnection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(connection->socket.native_handle(), from, static_cast<size_t>(size),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF)
    return static_cast<TlsConnection*>(BIO_get_data(bio))->peer_ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* NewBio(TlsConnection& connection) {
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

// After an SSL_* call that returned `result`: what to wait for before the next try, or why there is
// none.
absl::StatusOr<tcp::socket::wait_type> NextWait(TlsConnection& connection, int result,
                                                const char* doing) {
  const int system_error = errno;
  const int tls_error = SSL_get_error(connection.ssl.get(), result);
  if (tls_error == SSL_ERROR_WANT_READ) return tcp::socket::wait_read;
  if (tls_error == SSL_ERROR_WANT_WRITE) return tcp::socket::wait_write;
  connection.open = false;
  const auto error = ERR_get_error();
  ERR_clear_error();
  if ((tls_error == SSL_ERROR_SYSCALL && system_error == 0) || tls_error == SSL_ERROR_ZERO_RETURN ||
      ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return connection.Lost(doing, "the peer closed the connection without a TLS farewell");
  }
  if (tls_error == SSL_ERROR_SYSCALL) return connection.Lost(doing, system_error);
  if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const auto verdict = SSL_get_verify_result(connection.ssl.get());
    return connection.Lost(doing, absl::StrCat("its certificate was refused: ",
                                               X509_verify_cert_error_string(verdict)));
  }
  const char* const reason = ERR_reason_error_string(error);
  return connection.Lost(
      doing, absl::StrCat("TLS failed: ", reason != nullptr ? reason : "unknown reason"));
}

Task<absl::Status> Handshake(TlsConnectionPtr connection) {
  constexpr char kDoing[] = "TLS handshake with";
  for (;;) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kDoing));
    ERR_clear_error();
    const int result = SSL_do_handshake(connection->ssl.get());
    if (result == 1) break;
    WEIR_CO_ASSIGN_OR_RETURN(const auto wait, NextWait(*connection, result, kDoing));
    co_await WaitFor(connection, wait);
  }
  connection->open = true;
  co_return absl::OkStatus();
}

Task<absl::StatusOr<size_t>> ReadTls(TlsConnectionPtr connection, absl::Span<char> into) {
  connection->StopWatching();
  if (connection->TurnIsOver()) co_await Yield();
  for (;;) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kReading));
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(connection->ssl.get(), into.data(), into.size(), &n);
    if (result == 1) co_return n;
    if (SSL_get_error(connection->ssl.get(), result) == SSL_ERROR_ZERO_RETURN) co_return size_t{0};
    WEIR_CO_ASSIGN_OR_RETURN(const auto wait, NextWait(*connection, result, kReading));
    co_await WaitFor(connection, wait);
  }
}

Task<absl::Status> WriteTlsPart(TlsConnectionPtr connection, std::string_view part) {
  while (!part.empty()) {
    WEIR_CO_RETURN_IF_ERROR(connection->Check(kWriting));
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_write_ex(connection->ssl.get(), part.data(), part.size(), &n);
    if (result == 1) {
      part.remove_prefix(n);
      continue;
    }
    WEIR_CO_ASSIGN_OR_RETURN(const auto wait, NextWait(*connection, result, kWriting));
    co_await WaitFor(connection, wait);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> WriteTls(TlsConnectionPtr connection, std::string_view first,
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

class TlsStream final : public SocketStream<TlsConnection> {
 public:
  using SocketStream::SocketStream;
  Task<absl::StatusOr<size_t>> Read(absl::Span<char> into) override {
    return ReadTls(connection_, into);
  }
  Task<absl::Status> Write(std::string_view first, std::string_view second) override {
    return WriteTls(connection_, first, second);
  }
  void CloseWrite() override {
    connection_->SayGoodbye();
    error_code ignored;
    connection_->socket.shutdown(tcp::socket::shutdown_send, ignored);
  }
  // Asks OpenSSL: session tickets that a server sends at its leisure are no unread data.
  bool Idle() const override {
    if (connection_->closed() || !connection_->open) return false;
    ERR_clear_error();
    char byte;
    size_t n = 0;
    const int result = SSL_peek_ex(connection_->ssl.get(), &byte, 1, &n);
    return result != 1 && SSL_get_error(connection_->ssl.get(), result) == SSL_ERROR_WANT_READ;
  }
};

absl::Status BeginTls(TlsConnection& connection, asio::ssl::context& context) {
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

}  // namespace

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> AcceptTls(tcp::socket socket, std::string peer,
                                                            asio::ssl::context& context,
                                                            Clock::time_point deadline) {
  const auto connection = std::make_shared<TlsConnection>(std::move(socket), std::move(peer));
  connection->SetDeadline(deadline);
  WEIR_CO_RETURN_IF_ERROR(BeginTls(*connection, context));
  SSL_set_accept_state(connection->ssl.get());
  auto stream = std::make_unique<TlsStream>(connection);
  WEIR_CO_RETURN_IF_ERROR(co_await Handshake(connection));
  co_return stream;
}

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> ConnectTls(tcp::socket socket, std::string peer,
                                                             asio::ssl::context& context,
                                                             std::string host,
                                                             Clock::time_point deadline) {
  const auto connection = std::make_shared<TlsConnection>(std::move(socket), std::move(peer));
  connection->SetDeadline(deadline);
  WEIR_CO_RETURN_IF_ERROR(BeginTls(*connection, context));
  WEIR_CO_RETURN_IF_ERROR(DemandIdentity(connection->ssl.get(), host));
  auto stream = std::make_unique<TlsStream>(connection);
  WEIR_CO_RETURN_IF_ERROR(co_await Handshake(connection));
  co_return stream;
}

}  // namespace weir::gateway
