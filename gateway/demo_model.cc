#include "gateway/demo_model.h"

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/byte_stream.h"
#include "gateway/demo_script.h"
#include "gateway/http.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::chrono::seconds kAcceptTimeout{10};
// Longer than anything waits for an answer that never comes.
constexpr std::chrono::hours kForever{24};

absl::Status CannotListen(const ListenAddress& listen, const boost::system::error_code& error) {
  return absl::UnavailableError(
      "The demonstration model cannot listen on " + listen.host + ":" +
      std::to_string(listen.port) + " (" + error.message() +
      "). Stop the program that listens there, or configure another port.");
}

}  // namespace

class DemoModel::State {
 public:
  State() : acceptor_(io_) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  absl::Status Start(const ListenAddress& listen);
  uint16_t port() const { return port_; }
  std::string last_request() const;

 private:
  // One connection. Registered while it lives, so that the end of the model is its end too.
  struct Session {
    Session(State& owner, std::unique_ptr<ByteStream> stream)
        : state(owner), http(std::move(stream), HttpLimits()), pause(owner.io_) {
      state.sessions_.insert(this);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { state.sessions_.erase(this); }

    void Close() {
      closed = true;
      http.stream().Close();
      pause.cancel();
    }

    State& state;
    HttpServerStream http;
    asio::steady_timer pause;
    bool closed = false;
  };

  Task<void> AcceptConnections();
  Task<void> ServeConnection(tcp::socket socket);
  Task<bool> ServeRequest(Session& session);
  Task<bool> Send(Session& session, const DemoReply& reply);
  Task<bool> SendWrites(Session& session, const DemoReply& reply);
  static Task<bool> Pause(Session& session, std::chrono::milliseconds duration);
  DemoReply Reply(const HttpRequest& request);

  // Used by the thread alone once it runs.
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::set<Session*> sessions_;

  uint16_t port_ = 0;
  std::thread thread_;

  mutable std::mutex mu_;
  std::string last_request_;  // guarded by mu_
};

absl::Status DemoModel::State::Start(const ListenAddress& listen) {
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(listen.host, error);
  if (error) return CannotListen(listen, error);
  const tcp::endpoint endpoint(address, listen.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return CannotListen(listen, error);
  port_ = acceptor_.local_endpoint(error).port();
  if (error) return CannotListen(listen, error);
  asio::co_spawn(io_, AcceptConnections(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
  return absl::OkStatus();
}

DemoModel::State::~State() {
  asio::post(io_, [this] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (Session* session : sessions_) session->Close();
  });
  // Nothing is left to do once the acceptor and every session are closed, so the thread ends.
  if (thread_.joinable()) thread_.join();
}

std::string DemoModel::State::last_request() const {
  const std::lock_guard lock(mu_);
  return last_request_;
}

Task<void> DemoModel::State::AcceptConnections() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    if (!error) {
      asio::co_spawn(io_, ServeConnection(std::move(socket)), asio::detached);
    } else if (error != asio::error::operation_aborted) {
      // Out of descriptors, most likely: some connection will end.
      asio::steady_timer pause(io_, kAcceptRetry);
      co_await pause.async_wait(kTuple);
    }
  }
}

Task<void> DemoModel::State::ServeConnection(tcp::socket socket) {
  absl::StatusOr<std::unique_ptr<ByteStream>> stream =
      co_await Accept(std::move(socket), nullptr, Clock::now() + kAcceptTimeout);
  if (!stream.ok() || !acceptor_.is_open()) co_return;
  Session session(*this, *std::move(stream));
  for (bool open = true; open;) open = co_await ServeRequest(session);
  session.http.stream().Close();
}

// False when the connection is over.
Task<bool> DemoModel::State::ServeRequest(Session& session) {
  HttpRequest request;
  const absl::StatusOr<bool> head = co_await session.http.ReadHead(request);
  if (head.ok() && !*head) co_return false;
  absl::Status received = head.status();
  if (received.ok()) received = co_await session.http.ReadBody(request);
  if (!received.ok()) {
    const DemoReply refusal = ReplyWithError(400, std::string(received.message()));
    std::ignore = co_await session.http.Respond(refusal.head, refusal.writes[0], true);
    co_return false;
  }
  const DemoReply reply = Reply(request);
  const bool sent = co_await Send(session, reply);
  co_return sent&& session.http.keep_alive();
}

DemoReply DemoModel::State::Reply(const HttpRequest& request) {
  if (request.method == "POST" && request.path == "/v1/chat/completions") {
    {
      const std::lock_guard lock(mu_);
      last_request_ = request.body;
    }
    return ReplyToChat(request.body);
  }
  if (request.method == "GET" && request.path == "/v1/models") return ReplyWithModels();
  if (request.method == "GET" && request.path == "/last") {
    DemoReply reply;
    reply.head.fields = {{"content-type", "application/json"}};
    reply.writes = {last_request()};
    if (!reply.writes[0].empty()) return reply;
    return ReplyWithError(404, "No request has been received yet.");
  }
  return ReplyWithError(404,
                        "The demonstration model has POST /v1/chat/completions, GET /v1/models "
                        "and GET /last.");
}

// False when the connection is over. GCC 12 miscompiles a co_await inside a switch or a condition's
// operand, so every one stands in a statement of its own.
Task<bool> DemoModel::State::Send(Session& session, const DemoReply& reply) {
  if (!reply.chunked && reply.end == DemoReply::End::kInOrder) {
    const bool waited = co_await Pause(session, reply.pause);
    if (!waited) co_return false;
    const absl::Status sent = co_await session.http.Respond(reply.head, reply.writes[0], false);
    co_return sent.ok();
  }
  // A reply that never begins has no head either.
  if (!reply.writes.empty()) {
    const absl::Status begun = co_await session.http.BeginBody(reply.head, false);
    if (!begun.ok()) co_return false;
    const bool sent = co_await SendWrites(session, reply);
    if (!sent) co_return false;
  }
  if (reply.end == DemoReply::End::kHang) co_await Pause(session, kForever);
  if (reply.end != DemoReply::End::kInOrder) co_return false;
  const absl::Status ended = co_await session.http.EndBody();
  co_return ended.ok();
}

Task<bool> DemoModel::State::SendWrites(Session& session, const DemoReply& reply) {
  for (const std::string& write : reply.writes) {
    const bool waited = co_await Pause(session, reply.pause);
    if (!waited) co_return false;
    const absl::Status sent = co_await session.http.WriteBody(write);
    if (!sent.ok()) co_return false;
  }
  co_return true;
}

// False when the peer went away, or the model is ending, before the time was over.
Task<bool> DemoModel::State::Pause(Session& session, std::chrono::milliseconds duration) {
  if (session.closed) co_return false;
  if (duration.count() == 0) co_return true;
  session.pause.expires_after(duration);
  session.http.stream().WatchForLoss([&session] { session.pause.cancel(); });
  const auto [error] = co_await session.pause.async_wait(kTuple);
  session.http.stream().StopWatching();
  co_return !error && !session.closed;
}

DemoModel::DemoModel(std::unique_ptr<State> state) : state_(std::move(state)) {}

DemoModel::~DemoModel() = default;

absl::StatusOr<std::unique_ptr<DemoModel>> DemoModel::Start(const ListenAddress& listen) {
  auto state = std::make_unique<State>();
  const absl::Status started = state->Start(listen);
  if (!started.ok()) return started;
  return std::unique_ptr<DemoModel>(new DemoModel(std::move(state)));
}

uint16_t DemoModel::port() const {
  return state_->port();
}

std::string DemoModel::last_request() const {
  return state_->last_request();
}

}  // namespace weir::gateway
