#include "gateway/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include <absl/strings/str_cat.h>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
namespace intrusive = boost::intrusive;
using asio::ip::tcp;
using boost::system::error_code;

// Operations that may complete in a row without giving other connections of the thread a turn.
constexpr int kOperationsInTurnMax = 32;

}  // namespace

// The coarse clock of one io_context.
class Ticker : public asio::execution_context::service {
 public:
  using key_type = Ticker;
  static asio::execution_context::id id;

  explicit Ticker(asio::execution_context& context)
      : service(context), timer_(static_cast<asio::io_context&>(context)) {}

  static Ticker& Of(tcp::socket& socket) {
    return asio::use_service<Ticker>(static_cast<asio::io_context&>(
        asio::query(socket.get_executor(), asio::execution::context)));
  }

  void Add(Connection& connection) {
    connections_.push_back(connection);
    Arm();
  }

 private:
  void shutdown() noexcept override {}
  void Arm();
  void Tick();

  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> timer_;
  bool armed_ = false;
  intrusive::list<Connection, intrusive::base_hook<TickerHook>,
                  intrusive::constant_time_size<false>>
      connections_;
};

asio::execution_context::id Ticker::id;

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
  std::vector<std::shared_ptr<Connection>> watched;
  std::vector<pollfd> polled;
  for (Connection& connection : connections_) {
    connection.Expire(now);
    if (connection.lost_ != nullptr) {
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

Connection::Connection(tcp::socket connected, std::string peer_name)
    : socket(std::move(connected)), peer(std::move(peer_name)), ticker_(Ticker::Of(socket)) {}

Connection::Suspended::Suspended(Connection& connection) : connection_(connection) {
  if (connection_.suspended_++ == 0) connection_.Link();
  connection_.operations_in_turn_ = 0;
}

Connection::Suspended::~Suspended() {
  connection_.suspended_--;
  connection_.UnlinkIfUnused();
}

absl::Status Connection::Check(const char* doing) const {
  if (closed_) {
    return absl::CancelledError(absl::StrCat(doing, " ", peer, ": the connection was closed here"));
  }
  if (expired_ || (deadline_ != Clock::time_point::max() && Clock::now() >= deadline_)) {
    return absl::DeadlineExceededError(absl::StrCat(doing, " ", peer, " took too long"));
  }
  return absl::OkStatus();
}

absl::Status Connection::Lost(const char* doing, const std::string& reason) const {
  return absl::UnavailableError(absl::StrCat(doing, " ", peer, ": ", reason));
}

absl::Status Connection::Lost(const char* doing, int error) const {
  return Lost(doing, error_code(error, boost::system::system_category()).message());
}

bool Connection::TurnIsOver() {
  if (++operations_in_turn_ < kOperationsInTurnMax) return false;
  operations_in_turn_ = 0;
  return true;
}

void Connection::SetDeadline(Clock::time_point deadline) {
  deadline_ = deadline;
  expired_ = false;
}

void Connection::Expire(Clock::time_point now) {
  if (suspended_ == 0 || now < deadline_) return;
  expired_ = true;
  error_code ignored;
  socket.cancel(ignored);
}

void Connection::Watch(absl::AnyInvocable<void()> lost) {
  if (closed_) return;
  lost_ = std::move(lost);
  Link();
}

void Connection::StopWatching() {
  if (lost_ == nullptr) return;
  lost_ = nullptr;
  UnlinkIfUnused();
}

void Connection::ReportLoss() {
  absl::AnyInvocable<void()> lost = std::exchange(lost_, nullptr);
  UnlinkIfUnused();
  if (lost != nullptr) lost();
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  StopWatching();
  SayGoodbye();
  error_code ignored;
  socket.close(ignored);
}

bool Connection::NothingToRead() {
  char byte;
  return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

void Connection::Link() {
  if (!is_linked()) ticker_.Add(*this);
}

void Connection::UnlinkIfUnused() {
  if (suspended_ == 0 && lost_ == nullptr && is_linked()) unlink();
}

Task<void> Yield() {
  co_await asio::post(asio::deferred);
}

Task<void> WaitFor(std::shared_ptr<Connection> connection, tcp::socket::wait_type what) {
  const Connection::Suspended suspended(*connection);
  co_await connection->socket.async_wait(what, kAwait);
}

}  // namespace weir::gateway
