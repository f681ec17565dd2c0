#include "gateway/upstream.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;

struct IdleConnection {
  HttpClientStream stream;
  Clock::time_point expires;
};

// What must be equal for a connection to serve another request.
std::string KeyOf(const Upstream& upstream) {
  return absl::StrCat(upstream.name, "\n", upstream.endpoint.host, "\n", upstream.endpoint.port,
                      upstream.endpoint.tls ? "s" : "");
}

// Says which upstream an error is about, and turns what was wrong with a response into what it
// means here: this upstream cannot be used.
absl::Status AboutUpstream(const std::string& name, const absl::Status& error) {
  const std::string text(error.message());
  switch (error.code()) {
    case absl::StatusCode::kCancelled:
      return absl::CancelledError(absl::StrCat("upstream ", name, ": ", text));
    case absl::StatusCode::kDeadlineExceeded:
      return absl::DeadlineExceededError(absl::StrCat("upstream ", name, ": ", text));
    case absl::StatusCode::kInternal:
      return absl::InternalError(absl::StrCat("upstream ", name, ": ", text));
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(absl::StrCat("upstream ", name, ": ", text));
    default:
      return absl::UnavailableError(
          absl::StrCat("upstream ", name, " sent a malformed response: ", text));
  }
}

bool IsPoolField(std::string_view name) {
  return name == "host" || name == "accept-encoding" || name == "authorization" ||
         name == "x-api-key" || name == "api-key" || name == "proxy-authorization" ||
         name == "cookie";
}

HeaderFields FieldsFor(const Upstream& upstream, const HeaderFields& fields) {
  HeaderFields sent;
  sent.reserve(fields.size() + 3);
  sent.emplace_back("host", upstream.host_field);
  for (const auto& field : fields) {
    if (!IsPoolField(field.first)) sent.push_back(field);
  }
  sent.emplace_back("accept-encoding", "identity");
  if (upstream.api_key.empty()) return sent;
  if (upstream.dialect == "anthropic") {
    sent.emplace_back("x-api-key", upstream.api_key);
  } else {
    sent.emplace_back("authorization", absl::StrCat("Bearer ", upstream.api_key));
  }
  return sent;
}

// One attempt to connect, which may be given up on: the dial then ends by itself, and what it
// connected is closed.
struct DialAttempt {
  DialAttempt(Executor executor, std::shared_ptr<Dial> dial_with)
      : dial(std::move(dial_with)), done(executor, Clock::time_point::max()) {}
  const std::shared_ptr<Dial> dial;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> done;
  bool finished = false;
  absl::StatusOr<std::unique_ptr<ByteStream>> result =
      absl::CancelledError("connecting was given up");
};

Task<void> RunDial(std::shared_ptr<DialAttempt> attempt, Endpoint endpoint,
                   Clock::time_point deadline) {
  attempt->result = co_await (*attempt->dial)(endpoint, deadline);
  attempt->finished = true;
  attempt->done.cancel();
}

// What one Forward has under way, for the function that stops it.
struct Flight {
  bool cancelled = false;
  DialAttempt* dialling = nullptr;
  HttpClientStream* stream = nullptr;

  void Cancel() {
    cancelled = true;
    if (dialling != nullptr) dialling->done.cancel();
    if (stream != nullptr) stream->stream().Close();
  }
};

// Gives the caller its way to stop a flight, and takes it back.
class CancelHandle {
 public:
  CancelHandle(absl::AnyInvocable<void()>* cancel, Flight& flight) : cancel_(cancel) {
    if (cancel_ != nullptr) *cancel_ = [&flight] { flight.Cancel(); };
  }
  CancelHandle(const CancelHandle&) = delete;
  CancelHandle& operator=(const CancelHandle&) = delete;
  ~CancelHandle() {
    if (cancel_ != nullptr) *cancel_ = nullptr;
  }

 private:
  absl::AnyInvocable<void()>* const cancel_;
};

}  // namespace

struct UpstreamPool::State {
  State(Dial dial_with, const HttpLimits& http_limits)
      : dial(std::make_shared<Dial>(std::move(dial_with))), limits(http_limits) {}

  std::optional<HttpClientStream> TakeIdle(const std::string& key);
  void GiveBack(const std::string& key, HttpClientStream stream, size_t idle_max,
                std::chrono::milliseconds idle_timeout);
  Task<absl::StatusOr<HttpClientStream>> Connect(const Upstream& upstream, Flight& flight);

  const std::shared_ptr<Dial> dial;
  const HttpLimits limits;
  std::unordered_map<std::string, std::deque<IdleConnection>> idle;  // The youngest is last.
};

struct UpstreamResponse::Lease {
  Lease(std::weak_ptr<UpstreamPool::State> of_pool, const Upstream& upstream, std::string of_key,
        HttpClientStream of_stream)
      : pool(std::move(of_pool)),
        key(std::move(of_key)),
        name(upstream.name),
        between_bytes_timeout(upstream.between_bytes_timeout),
        idle_timeout(upstream.idle_timeout),
        idle_connections_max(upstream.idle_connections_max),
        stream(std::move(of_stream)) {}

  const std::weak_ptr<UpstreamPool::State> pool;
  const std::string key;
  const std::string name;
  const std::chrono::milliseconds between_bytes_timeout;
  const std::chrono::milliseconds idle_timeout;
  const size_t idle_connections_max;
  HttpClientStream stream;
};

// ---- Responses.

UpstreamResponse::UpstreamResponse(std::shared_ptr<Lease> lease, HttpResponseHead head)
    : lease_(std::move(lease)), head_(std::move(head)) {}
UpstreamResponse::UpstreamResponse(UpstreamResponse&&) noexcept = default;

UpstreamResponse& UpstreamResponse::operator=(UpstreamResponse&& other) noexcept {
  std::swap(lease_, other.lease_);
  head_ = std::move(other.head_);
  return *this;
}

UpstreamResponse::~UpstreamResponse() {
  if (lease_ == nullptr) return;
  const std::shared_ptr<UpstreamPool::State> pool = lease_->pool.lock();
  if (pool != nullptr && lease_->stream.reusable()) {
    pool->GiveBack(lease_->key, std::move(lease_->stream), lease_->idle_connections_max,
                   lease_->idle_timeout);
  } else {
    lease_->stream.stream().Close();
  }
}

Task<absl::StatusOr<size_t>> UpstreamResponse::ReadBody(std::string& into) {
  const std::shared_ptr<Lease> lease = lease_;
  absl::StatusOr<size_t> n =
      co_await lease->stream.ReadBody(into, Clock::now() + lease->between_bytes_timeout);
  if (!n.ok()) {
    lease->stream.stream().Close();
    co_return AboutUpstream(lease->name, n.status());
  }
  co_return n;
}

void UpstreamResponse::Cancel() {
  lease_->stream.stream().Close();
}

// ---- The pool.

std::optional<HttpClientStream> UpstreamPool::State::TakeIdle(const std::string& key) {
  const auto found = idle.find(key);
  if (found == idle.end()) return std::nullopt;
  std::deque<IdleConnection>& connections = found->second;
  const Clock::time_point now = Clock::now();
  while (!connections.empty()) {
    IdleConnection youngest = std::move(connections.back());
    connections.pop_back();
    // The oldest are at the front: they expire here even when they are never needed again.
    while (!connections.empty() && connections.front().expires <= now) connections.pop_front();
    if (youngest.expires > now && youngest.stream.stream().Idle()) {
      return std::move(youngest.stream);
    }
  }
  return std::nullopt;
}

void UpstreamPool::State::GiveBack(const std::string& key, HttpClientStream stream, size_t idle_max,
                                   std::chrono::milliseconds idle_timeout) {
  std::deque<IdleConnection>& connections = idle[key];
  if (connections.size() >= idle_max && !connections.empty()) connections.pop_front();
  if (idle_max > 0) connections.push_back({std::move(stream), Clock::now() + idle_timeout});
}

Task<absl::StatusOr<HttpClientStream>> UpstreamPool::State::Connect(const Upstream& upstream,
                                                                    Flight& flight) {
  const Executor executor = co_await asio::this_coro::executor;
  const auto attempt = std::make_shared<DialAttempt>(executor, dial);
  flight.dialling = attempt.get();
  asio::co_spawn(executor,
                 RunDial(attempt, upstream.endpoint, Clock::now() + upstream.connect_timeout),
                 asio::detached);
  if (!attempt->finished) co_await attempt->done.async_wait(asio::as_tuple(asio::deferred));
  flight.dialling = nullptr;
  if (flight.cancelled) co_return absl::CancelledError("the call was cancelled while connecting");
  if (!attempt->result.ok()) co_return attempt->result.status();
  co_return HttpClientStream(*std::move(attempt->result), limits);
}

UpstreamPool::UpstreamPool(Dial dial, const HttpLimits& limits)
    : state_(std::make_shared<State>(std::move(dial), limits)) {}
UpstreamPool::~UpstreamPool() = default;

namespace {

// What a peer wrote before it reset the connection has arrived already, or never will.
constexpr std::chrono::milliseconds kAnswerBeforeReset{1'000};

// Sends and reads the head. A peer may answer before it read the whole request, and close: then the
// write fails, and the answer is there all the same.
Task<absl::StatusOr<HttpResponseHead>> Exchange(HttpClientStream& stream, const Upstream& upstream,
                                                std::string_view method, std::string_view path,
                                                const HeaderFields& fields, std::string_view body) {
  const absl::Status sent = co_await stream.Send(method, path, fields, body);
  if (!sent.ok() && !absl::IsUnavailable(sent)) co_return sent;
  const std::chrono::milliseconds patience =
      sent.ok() ? upstream.first_byte_timeout
                : std::min(upstream.first_byte_timeout, kAnswerBeforeReset);
  absl::StatusOr<HttpResponseHead> head = co_await stream.ReadHead(Clock::now() + patience);
  if (!head.ok() && !sent.ok()) co_return sent;
  co_return head;
}

}  // namespace

Task<absl::StatusOr<UpstreamResponse>> UpstreamPool::Forward(
    const Upstream& upstream, std::string_view method, std::string_view path,
    const HeaderFields& fields, std::string_view body, absl::AnyInvocable<void()>* cancel) {
  const std::shared_ptr<State> s = state_;
  Flight flight;
  const CancelHandle handle(cancel, flight);
  const std::string key = KeyOf(upstream);
  const HeaderFields sent_fields = FieldsFor(upstream, fields);
  const std::string target = absl::StrCat(upstream.base_path, std::string(path));
  std::optional<HttpClientStream> stream = s->TakeIdle(key);
  for (;;) {
    const bool reused = stream.has_value();
    if (!reused) {
      absl::StatusOr<HttpClientStream> connected = co_await s->Connect(upstream, flight);
      if (!connected.ok()) co_return AboutUpstream(upstream.name, connected.status());
      stream = *std::move(connected);
    }
    flight.stream = &*stream;
    absl::StatusOr<HttpResponseHead> head =
        co_await Exchange(*stream, upstream, method, target, sent_fields, body);
    flight.stream = nullptr;
    if (head.ok()) {
      co_return UpstreamResponse(
          std::make_shared<UpstreamResponse::Lease>(s, upstream, key, *std::move(stream)),
          *std::move(head));
    }
    const bool lost_unanswered = absl::IsUnavailable(head.status()) && !stream->response_begun();
    stream->stream().Close();
    stream.reset();
    if (!reused || !lost_unanswered) co_return AboutUpstream(upstream.name, head.status());
  }
}

size_t UpstreamPool::idle_connections() const {
  size_t count = 0;
  for (const auto& [key, connections] : state_->idle) count += connections.size();
  return count;
}

void UpstreamPool::CloseIdle() {
  state_->idle.clear();
}

void UpstreamPool::CloseExpired() {
  const Clock::time_point now = Clock::now();
  for (auto& [key, connections] : state_->idle) {
    std::erase_if(connections, [now](IdleConnection& connection) {
      return connection.expires <= now || !connection.stream.stream().Idle();
    });
  }
}

}  // namespace weir::gateway
