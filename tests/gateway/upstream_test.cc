#include "gateway/upstream.h"

#include <absl/strings/str_cat.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/fake_stream.h"
#include "tests/gateway/run_task.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

Task<void> ServeEcho(tcp::socket socket, const bool& closes) {
  auto stream = co_await Accept(std::move(socket), nullptr, Clock::now() + std::chrono::seconds(5));
  if (!stream.ok()) co_return;
  HttpServerStream http(*std::move(stream), HttpLimits());
  for (;;) {
    HttpRequest request;
    const auto more = co_await http.ReadHead(request);
    if (!more.ok() || !*more) co_return;
    if (const absl::Status body = co_await http.ReadBody(request); !body.ok()) co_return;
    HttpResponseHead head;
    head.fields = {{"x-path", request.path},
                   {"x-auth", std::string(Find(request.fields, "authorization"))}};
    if (request.path == "/v1/stream") {
      (void)co_await http.BeginBody(head, false);
      (void)co_await http.WriteBody("one ");
      (void)co_await http.EndBody("two");
    } else {
      (void)co_await http.Respond(head, request.body, closes);
    }
  }
}

Task<void> AcceptLoop(tcp::acceptor& acceptor, int& accepted, const bool& closes) {
  const Executor executor = co_await asio::this_coro::executor;
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::deferred));
    if (error) co_return;
    accepted++;
    asio::co_spawn(executor, ServeEcho(std::move(socket), closes), asio::detached);
  }
}

class RealSockets : public testing::Test {
 protected:
  RealSockets()
      : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        tls_(asio::ssl::context::tls_client) {
    upstream_.name = "echo";
    upstream_.dialect = "openai";
    upstream_.endpoint = {"127.0.0.1", acceptor_.local_endpoint().port(), false};
    upstream_.base_path = "/v1";
    upstream_.host_field = "echo.test";
    upstream_.api_key = "sk-secret";
    asio::co_spawn(io_.get_executor(), AcceptLoop(acceptor_, accepted_, server_closes_),
                   asio::detached);
  }

  Task<std::string> Fetch(UpstreamPool& pool, std::string path, std::string body) {
    auto response = co_await pool.Forward(upstream_, "POST", path, {}, body);
    if (!response.ok()) co_return std::string(response.status().message());
    std::string text = absl::StrCat(response->head().status, " ",
                                    std::string(Find(response->head().fields, "x-path")), " ",
                                    std::string(Find(response->head().fields, "x-auth")), " ");
    for (;;) {
      auto n = co_await response->ReadBody(text);
      if (!n.ok()) co_return std::string(n.status().message());
      if (*n == 0) co_return text;
    }
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::ssl::context tls_;
  Upstream upstream_;
  int accepted_ = 0;
  bool server_closes_ = false;
};

TEST_F(RealSockets, ReusesAConnectionForOneRequestAfterAnother) {
  UpstreamPool pool(MakeDial(tls_), HttpLimits());
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/a", "hello")), "200 /v1/a Bearer sk-secret hello");
  EXPECT_EQ(pool.idle_connections(), 1u);
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/stream", "x")), "200 /v1/stream Bearer sk-secret one two");
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/b", std::string(1 << 20, 'b'))),
            "200 /v1/b Bearer sk-secret " + std::string(1 << 20, 'b'));
  EXPECT_EQ(accepted_, 1);
  pool.CloseIdle();
  EXPECT_EQ(pool.idle_connections(), 0u);
}

TEST_F(RealSockets, ReplacesAConnectionThatThePeerClosed) {
  UpstreamPool pool(MakeDial(tls_), HttpLimits());
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/a", "x")), "200 /v1/a Bearer sk-secret x");
  server_closes_ = true;
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/b", "x")), "200 /v1/b Bearer sk-secret x");
  EXPECT_EQ(pool.idle_connections(), 0u);  // "connection: close" is believed.
  server_closes_ = false;
  EXPECT_EQ(RunTask(io_, Fetch(pool, "/c", "x")), "200 /v1/c Bearer sk-secret x");
  EXPECT_EQ(accepted_, 2);
}

TEST_F(RealSockets, ARefusedConnectionNamesTheUpstreamAndNotTheKey) {
  UpstreamPool pool(MakeDial(tls_), HttpLimits());
  acceptor_.close();
  const std::string error = RunTask(io_, Fetch(pool, "/a", "x"));
  EXPECT_THAT(error, testing::MatchesRegex(
                         "upstream echo: connecting to 127.0.0.1:[0-9]+: Connection refused"));
}

// ---- The pool over streams without sockets.

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class Pool : public testing::Test {
 protected:
  Pool() : pool_(std::make_unique<UpstreamPool>(MakeFakeDial(), HttpLimits())) {
    upstream_.name = "qwen";
    upstream_.dialect = "openai";
    upstream_.endpoint = {"api.test", 443, true};
    upstream_.base_path = "/v1";
    upstream_.host_field = "api.test";
    upstream_.api_key = "sk-secret";
  }

  // Each connection is a new peer, which `prepare_` may script.
  Dial MakeFakeDial() {
    return [this](const Endpoint& endpoint, Clock::time_point) { return FakeConnect(endpoint); };
  }
  Task<absl::StatusOr<std::unique_ptr<ByteStream>>> FakeConnect(Endpoint endpoint) {
    dialled_.push_back(endpoint);
    if (!dial_error_.ok()) co_return dial_error_;
    if (dial_hangs_ != nullptr) {
      co_await dial_hangs_->async_wait(asio::as_tuple(asio::deferred));
    }
    peers_.push_back(std::make_shared<FakePeer>(io_.get_executor()));
    if (prepare_) prepare_(*peers_.back());
    co_return FakeStream::Make(peers_.back());
  }

  // The whole answer, or the error.
  Task<absl::StatusOr<std::string>> Fetch(std::string body = "question") {
    auto response = co_await pool_->Forward(upstream_, "POST", "/chat", fields_, body, &cancel_);
    if (!response.ok()) co_return response.status();
    std::string answer;
    for (;;) {
      const auto n = co_await response->ReadBody(answer);
      if (!n.ok()) co_return n.status();
      if (*n == 0) co_return answer;
    }
  }
  absl::StatusOr<std::string> Get() { return RunTask(io_, Fetch()); }
  void Script(absl::AnyInvocable<void(FakePeer&)> prepare) { prepare_ = std::move(prepare); }

  asio::io_context io_{1};
  Upstream upstream_;
  HeaderFields fields_ = {{"content-type", "application/json"}};
  std::vector<std::shared_ptr<FakePeer>> peers_;
  std::vector<Endpoint> dialled_;
  absl::AnyInvocable<void(FakePeer&)> prepare_;
  absl::Status dial_error_;
  std::unique_ptr<asio::steady_timer> dial_hangs_;
  absl::AnyInvocable<void()> cancel_;
  std::unique_ptr<UpstreamPool> pool_;
};

TEST_F(Pool, WritesHostKeyAndNothingOfAClientsCredentials) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  fields_ = {{"content-type", "application/json"},
             {"authorization", "Bearer client"},
             {"x-api-key", "client"},
             {"api-key", "client"},
             {"cookie", "a=b"},
             {"host", "evil.test"},
             {"accept-encoding", "gzip"},
             {"x-request-id", "7"}};
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(peers_[0]->output(),
            "POST /v1/chat HTTP/1.1\r\nhost: api.test\r\ncontent-type: application/json\r\n"
            "x-request-id: 7\r\naccept-encoding: identity\r\nauthorization: Bearer sk-secret\r\n"
            "content-length: 8\r\n\r\nquestion");
  EXPECT_EQ(peers_[0]->writes(), 1);
  EXPECT_EQ(dialled_[0].host, "api.test");
  EXPECT_TRUE(dialled_[0].tls);
  EXPECT_FALSE(cancel_);
}

TEST_F(Pool, WritesTheKeyWhereAnthropicLooksForIt) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  upstream_.dialect = "anthropic";
  EXPECT_EQ(*Get(), "ok");
  EXPECT_THAT(peers_[0]->output(), HasSubstr("\r\nx-api-key: sk-secret\r\n"));
  EXPECT_THAT(peers_[0]->output(), Not(HasSubstr("authorization")));
}

TEST_F(Pool, AKeyThatWouldBreakTheHeadIsNeitherWrittenNorTold) {
  upstream_.api_key = "sk-secret\r\nx: y";
  const auto answer = Get();
  EXPECT_TRUE(absl::IsInternal(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), Not(HasSubstr("secret")));
  EXPECT_EQ(peers_[0]->output(), "");
}

TEST_F(Pool, ReusesOnlyWhatWasReadToItsEndAndWellFramed) {
  struct Row {
    std::string response;
    bool reused;
  };
  for (const Row& row :
       {Row{std::string(kOk), true},
        Row{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
        Row{std::string(kOk) + "!", false},
        Row{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
        Row{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false}}) {
    SCOPED_TRACE(row.response);
    pool_->CloseIdle();
    Script([&row](FakePeer& peer) { peer.Feed(row.response); });
    EXPECT_TRUE(Get().ok());
    EXPECT_EQ(pool_->idle_connections(), row.reused ? 1u : 0u);
    EXPECT_EQ(peers_.back()->closed(), !row.reused);
  }
}

TEST_F(Pool, AResponseLetGoHalfReadIsClosed) {
  Script([](FakePeer& peer) { peer.Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"); });
  {
    const auto response = RunTask(io_, pool_->Forward(upstream_, "GET", "/", {}, ""));
    EXPECT_TRUE(response.ok());
  }
  EXPECT_EQ(pool_->idle_connections(), 0u);
  EXPECT_TRUE(peers_[0]->closed());
}

TEST_F(Pool, AResponseMayOutliveThePool) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  auto response = RunTask(io_, pool_->Forward(upstream_, "GET", "/", {}, ""));
  pool_.reset();
  std::string body;
  EXPECT_TRUE(RunTask(io_, response->ReadBody(body)).ok());
  EXPECT_EQ(body, "ok");
}

TEST_F(Pool, ALostIdleConnectionIsReplacedOnce) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  EXPECT_EQ(*Get(), "ok");
  // Lost between the check and the write.
  peers_[0]->FailFrom(peers_[0]->operations());
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(peers_.size(), 2u);
  EXPECT_EQ(peers_[1]->output(), peers_[0]->output());
  // Closed instead of answered.
  peers_[1]->OnWrite([this](std::string_view) { peers_[1]->End(); });
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(peers_.size(), 3u);
}

TEST_F(Pool, ANewConnectionThatIsLostIsNotTriedAgain) {
  Script([](FakePeer& peer) { peer.End(); });
  const auto answer = Get();
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  EXPECT_EQ(answer.status().message(),
            "upstream qwen: fake:1 closed the connection before the response's head was complete");
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(Pool, AReusedConnectionThatBeganToAnswerIsNotTriedAgain) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  EXPECT_EQ(*Get(), "ok");
  peers_[0]->OnWrite([this](std::string_view) {
    peers_[0]->Feed("HTTP/1.1 2");
    peers_[0]->End();
  });
  EXPECT_TRUE(absl::IsUnavailable(Get().status()));
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(Pool, AnAnswerThatCameBeforeTheRequestWasTakenIsRead) {
  Script([](FakePeer& peer) {
    peer.Feed(
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    peer.FailAt(0);
  });
  EXPECT_EQ(*Get(), "big");
}

TEST_F(Pool, AMalformedResponseMakesTheUpstreamUnavailable) {
  Script([](FakePeer& peer) { peer.Feed("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"); });
  auto answer = Get();
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  EXPECT_EQ(answer.status().message(),
            "upstream qwen sent a malformed response: Content-Length is not one decimal number, or "
            "stands beside Transfer-Encoding");
  Script([](FakePeer& peer) {
    peer.Feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  });
  answer = Get();
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()),
              EndsWith("a chunk size is not a hexadecimal number"));
  EXPECT_EQ(pool_->idle_connections(), 0u);
  EXPECT_TRUE(peers_.back()->closed());
}

TEST_F(Pool, TimesOutBeforeTheHeadAndBetweenBytes) {
  upstream_.first_byte_timeout = milliseconds(5);
  auto answer = Get();
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), testing::StartsWith("upstream qwen: "));
  upstream_.first_byte_timeout = milliseconds(60'000);
  upstream_.between_bytes_timeout = milliseconds(5);
  Script([](FakePeer& peer) { peer.Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get().status()));
  EXPECT_EQ(pool_->idle_connections(), 0u);
}

TEST_F(Pool, DialErrorsNameTheUpstream) {
  dial_error_ = absl::DeadlineExceededError("connecting to api.test:443 took too long");
  const auto answer = Get();
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status()));
  EXPECT_EQ(answer.status().message(), "upstream qwen: connecting to api.test:443 took too long");
}

TEST_F(Pool, CancelStopsConnectingWaitingAndReading) {
  const auto later = [this](auto action) {
    asio::post(io_,
               [this, action] { asio::post(io_, [this, action] { asio::post(io_, action); }); });
  };
  // While connecting; the connection that comes after all is closed.
  dial_hangs_ = std::make_unique<asio::steady_timer>(io_, Clock::time_point::max());
  later([this] { cancel_(); });
  EXPECT_TRUE(absl::IsCancelled(Get().status()));
  EXPECT_FALSE(cancel_);
  dial_hangs_->cancel();
  io_.restart();
  io_.poll();
  ASSERT_EQ(peers_.size(), 1u);
  EXPECT_TRUE(peers_[0]->closed());
  dial_hangs_.reset();
  // While waiting for the head.
  later([this] { cancel_(); });
  EXPECT_TRUE(absl::IsCancelled(Get().status()));
  EXPECT_TRUE(peers_[1]->closed());
  // While reading the body.
  Script([](FakePeer& peer) { peer.Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"); });
  auto response = RunTask(io_, pool_->Forward(upstream_, "GET", "/", {}, ""));
  std::string body;
  EXPECT_TRUE(RunTask(io_, response->ReadBody(body)).ok());
  later([&response] { response->Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(RunTask(io_, response->ReadBody(body)).status()));
}

TEST_F(Pool, IdleConnectionsExpireAndAreBounded) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  upstream_.idle_timeout = milliseconds(0);
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(peers_.size(), 2u);
  pool_->CloseExpired();
  EXPECT_EQ(pool_->idle_connections(), 0u);
  EXPECT_TRUE(peers_[1]->closed());

  upstream_.idle_timeout = milliseconds(60'000);
  upstream_.idle_connections_max = 1;
  {
    auto one = RunTask(io_, pool_->Forward(upstream_, "GET", "/", {}, ""));
    auto two = RunTask(io_, pool_->Forward(upstream_, "GET", "/", {}, ""));
    std::string body;
    ASSERT_TRUE(RunTask(io_, one->ReadBody(body)).ok());
    ASSERT_TRUE(RunTask(io_, two->ReadBody(body)).ok());
  }
  EXPECT_EQ(pool_->idle_connections(), 1u);
  peers_.back()->End();
  peers_[2]->End();
  pool_->CloseExpired();
  EXPECT_EQ(pool_->idle_connections(), 0u);
}

TEST_F(Pool, UpstreamsDoNotShareConnections) {
  Script([](FakePeer& peer) { peer.Feed(kOk); });
  EXPECT_EQ(*Get(), "ok");
  upstream_.name = "other";  // The same endpoint, another key.
  EXPECT_EQ(*Get(), "ok");
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(Pool, SurvivesTheFailureOfEachOperation) {
  constexpr std::string_view kAnswer[] = {
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-", "Encoding: chunked\r\n\r\n3\r\n",
      "one\r\n", "3\r\ntwo\r\n0\r\n", "\r\n"};
  int operations = 1;
  for (int n = 0; n <= operations; n++) {
    for (const absl::Status& with :
         {absl::UnavailableError("reset"), absl::CancelledError("closed"),
          absl::DeadlineExceededError("late")}) {
      pool_->CloseIdle();
      Script([&](FakePeer& peer) {
        for (const std::string_view piece : kAnswer) peer.Feed(piece);
        peer.FailAt(n, with);
      });
      const auto answer = Get();
      operations = std::max(operations, peers_.back()->operations());
      // The answer was all there when the write of the request failed.
      const bool complete = n == operations || (n == 0 && absl::IsUnavailable(with));
      EXPECT_EQ(answer.ok(), complete) << n;
      if (!complete) {
        EXPECT_EQ(answer.status().code(), with.code()) << n;
        EXPECT_TRUE(peers_.back()->closed()) << n;
        EXPECT_EQ(pool_->idle_connections(), 0u) << n;
      }
    }
  }
  EXPECT_GE(operations, 6);
}

}  // namespace
}  // namespace weir::gateway
