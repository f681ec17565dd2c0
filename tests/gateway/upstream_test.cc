#include "gateway/upstream.h"

#include <absl/strings/str_cat.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "tests/gateway/fake_stream.h"
#include "tests/gateway/run_task.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

Task<void> ServeEcho(tcp::socket socket) {
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
      (void)co_await http.Respond(head, request.body, false);
    }
  }
}

Task<void> AcceptLoop(tcp::acceptor& acceptor, int& accepted) {
  const Executor executor = co_await asio::this_coro::executor;
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::deferred));
    if (error) co_return;
    accepted++;
    asio::co_spawn(executor, ServeEcho(std::move(socket)), asio::detached);
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
    asio::co_spawn(io_.get_executor(), AcceptLoop(acceptor_, accepted_), asio::detached);
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

}  // namespace
}  // namespace weir::gateway
