#include "audit/witness_server.h"

#include <charconv>
#include <chrono>
#include <csignal>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "audit/concat.h"

namespace weir::audit {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Error = boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
// A request is a proof of at most 63 hashes and a note.
constexpr uint64_t kBodyBytesMax = 64U << 10;
constexpr uint32_t kHeadBytesMax = 8U << 10;
constexpr int kConnectionsMax = 64;
constexpr std::chrono::seconds kRequestTimeout(10);

absl::StatusOr<tcp::endpoint> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  uint16_t port = 0;
  const char* end = address.data() + address.size();
  Error error;
  const asio::ip::address ip = asio::ip::make_address(host, error);
  if (colon == std::string::npos || error ||
      std::from_chars(address.data() + colon + 1, end, port).ptr != end ||
      colon + 1 == address.size()) {
    return absl::InvalidArgumentError(
        Concat(address, " is no address to listen on; write one such as 127.0.0.1:8082"));
  }
  return tcp::endpoint(ip, port);
}

}  // namespace

class WitnessServer::State {
 public:
  explicit State(Witness& witness) : witness_(witness) {}

  absl::Status Open(const std::string& address);
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void Run();

 private:
  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(tcp::socket socket);
  WitnessAnswer Answer(const http::request<http::string_body>& request);

  Witness& witness_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  int connections_ = 0;
};

absl::Status WitnessServer::State::Open(const std::string& address) {
  absl::StatusOr<tcp::endpoint> endpoint = ParseAddress(address);
  if (!endpoint.ok()) return endpoint.status();
  Error error;
  acceptor_.open(endpoint->protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(*endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      Concat("cannot listen on ", address, ": ", error.message(), "; give --listen another"));
}

void WitnessServer::State::Run() {
  asio::signal_set signals(io_, SIGINT, SIGTERM);
  signals.async_wait([this](const Error&, int) { io_.stop(); });
  asio::co_spawn(io_, Accept(), asio::detached);
  io_.run();
}

asio::awaitable<void> WitnessServer::State::Accept() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    // Beyond the limit a connection is closed unanswered: the log asks again.
    if (error || connections_ == kConnectionsMax) continue;
    ++connections_;
    asio::co_spawn(io_, Serve(std::move(socket)),
                   [this](const std::exception_ptr&) { --connections_; });
  }
}

asio::awaitable<void> WitnessServer::State::Serve(tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kBodyBytesMax);
    parser.header_limit(kHeadBytesMax);
    stream.expires_after(kRequestTimeout);
    auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kTuple);
    if (read_error) co_return;  // It is gone, slow, or speaks no HTTP: there is nobody to answer.
    WitnessAnswer answer = Answer(parser.get());
    http::response<http::string_body> response(static_cast<http::status>(answer.status),
                                               parser.get().version());
    response.set(http::field::content_type,
                 beast::string_view(answer.media_type.data(), answer.media_type.size()));
    response.set(http::field::cache_control, "no-store");
    response.body() = std::move(answer.body);
    response.keep_alive(parser.get().keep_alive());
    response.prepare_payload();
    keep_alive = response.keep_alive();
    stream.expires_after(kRequestTimeout);
    auto [write_error, written] = co_await http::async_write(stream, response, kTuple);
    if (write_error) co_return;
  }
  Error ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

WitnessAnswer WitnessServer::State::Answer(const http::request<http::string_body>& request) {
  constexpr std::string_view kCheckpoint = "/checkpoint";
  const std::string_view target(request.target().data(), request.target().size());
  if (target == "/add-checkpoint") {
    if (request.method() == http::verb::post) return witness_.AddCheckpoint(request.body());
    return {.status = 405, .body = "POST a checkpoint with its proof.\n"};
  }
  if (request.method() == http::verb::get && target.ends_with(kCheckpoint)) {
    return witness_.LatestCheckpoint(target.substr(1, target.size() - 1 - kCheckpoint.size()));
  }
  return {.status = 404, .body = "A witness has POST /add-checkpoint and GET /<log>/checkpoint.\n"};
}

WitnessServer::WitnessServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
WitnessServer::~WitnessServer() = default;

absl::StatusOr<std::unique_ptr<WitnessServer>> WitnessServer::Listen(Witness& witness,
                                                                     const std::string& address) {
  auto state = std::make_unique<State>(witness);
  if (absl::Status status = state->Open(address); !status.ok()) return status;
  return std::unique_ptr<WitnessServer>(new WitnessServer(std::move(state)));
}

uint16_t WitnessServer::port() const {
  return state_->port();
}

void WitnessServer::Run() {
  state_->Run();
}

}  // namespace weir::audit
