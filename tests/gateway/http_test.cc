#include "gateway/http.h"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>

#include <absl/strings/str_cat.h>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http_parse.h"
#include "tests/gateway/fake_stream.h"
#include "tests/gateway/run_task.h"

namespace weir::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kPost =
    "POST /v1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

// ---- The catalogues.

struct Case {
  std::string name;
  std::string input;
  std::vector<std::string> expected;
};

// Undoes the escapes that bad_requests.txt explains. Stops behind the "}" of a repetition.
std::string Unescape(std::string_view& text, bool in_repetition) {
  std::string out;
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c == '}' && in_repetition) return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    const char kind = text[0];
    text.remove_prefix(1);
    if (kind == 'r') out += '\r';
    if (kind == 'n') out += '\n';
    if (kind == 't') out += '\t';
    if (kind == '0') out += '\0';
    if (kind == '\\') out += '\\';
    if (kind == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16));
      text.remove_prefix(2);
    }
    if (kind == '{') {
      const int count = std::stoi(std::string(text));
      text.remove_prefix(text.find(':') + 1);
      const std::string repeated = Unescape(text, true);
      for (int i = 0; i < count; i++) out += repeated;
    }
  }
  return out;
}

std::vector<Case> ReadCases(const std::string& name) {
  std::ifstream file(std::string(WEIR_SOURCE_DIR "/tests/cases/http/") + name);
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.size() < 2 || line[0] == '#') continue;
    std::string_view rest = std::string_view(line).substr(2);
    if (line[0] == '=') cases.push_back({std::string(rest), "", {}});
    if (line[0] == '<') cases.back().input += Unescape(rest, false);
    if (line[0] == '>') cases.back().expected.push_back(Unescape(rest, false));
  }
  return cases;
}

uint64_t Seed() {
  const char* const given = std::getenv("WEIR_SEED");
  return given != nullptr ? std::stoull(given) : 20261123;
}

// Feeds `input` whole (0), byte by byte (1), or in random pieces.
void FeedCut(FakePeer& peer, std::string_view input, int cut, std::mt19937_64& random) {
  if (cut == 0) {
    peer.Feed(input);
  } else if (cut == 1) {
    peer.Feed(input, 1);
  } else {
    while (!input.empty()) {
      const size_t n = std::min<size_t>(input.size(), 1 + random() % 40);
      peer.Feed(input.substr(0, n));
      input.remove_prefix(n);
    }
  }
  peer.End();
}

std::string Describe(const absl::Status& error) {
  const std::string text(error.message());
  if (absl::IsUnavailable(error)) return "lost " + text;
  return absl::StrCat(HttpStatusOf(error), " ", text);
}

// What a server makes of everything that `peer` sends.
Task<std::vector<std::string>> ServeAll(std::shared_ptr<FakePeer> peer) {
  std::vector<std::string> seen;
  HttpServerStream server(FakeStream::Make(peer), HttpLimits());
  for (;;) {
    HttpRequest request;
    const absl::StatusOr<bool> more = co_await server.ReadHead(request);
    if (!more.ok()) seen.push_back(Describe(more.status()));
    if (more.ok() && !*more) seen.push_back("end");
    if (!more.ok() || !*more) co_return seen;
    const absl::Status body = co_await server.ReadBody(request);
    if (!body.ok()) {
      seen.push_back(Describe(body));
      co_return seen;
    }
    const std::string query = request.query.empty() ? "" : "?" + request.query;
    seen.push_back(request.method + " " + request.path + query + " \"" + request.body + "\" " +
                   (request.keep_alive ? "keep" : "close"));
    const absl::Status responded = co_await server.Respond({200, {}}, "", false);
    if (!responded.ok()) co_return seen;
  }
}

// What a client makes of it.
Task<std::vector<std::string>> ReceiveOne(std::shared_ptr<FakePeer> peer) {
  std::vector<std::string> seen;
  HttpClientStream client(FakeStream::Make(peer), HttpLimits());
  const auto describe = [&seen](const absl::Status& error) {
    const std::string text(error.message());
    seen.push_back((absl::IsUnavailable(error) ? "lost " : "malformed ") + text);
  };
  const auto head = co_await client.ReadHead(Clock::now() + std::chrono::seconds(60));
  if (!head.ok()) {
    describe(head.status());
    co_return seen;
  }
  seen.push_back(std::to_string(head->status));
  for (std::string body;;) {
    const auto n = co_await client.ReadBody(body, Clock::now() + std::chrono::seconds(60));
    if (!n.ok()) {
      describe(n.status());
      co_return seen;
    }
    if (*n == 0) {
      seen.push_back("\"" + body + "\" " + (client.reusable() ? "reusable" : "once"));
      co_return seen;
    }
  }
}

class Catalogue : public testing::TestWithParam<const char*> {};

TEST_P(Catalogue, IsDecidedAsWrittenForEveryCut) {
  const std::string file = GetParam();
  const bool requests = file.find("requests") != std::string::npos;
  const std::vector<Case> cases = ReadCases(file);
  ASSERT_GE(cases.size(), 60u);
  std::mt19937_64 random(Seed());
  boost::asio::io_context io(1);
  for (const Case& one : cases) {
    for (int cut = 0; cut < 4; cut++) {
      SCOPED_TRACE(one.name + ", cut " + std::to_string(cut) +
                   ", WEIR_SEED=" + std::to_string(Seed()));
      auto peer = std::make_shared<FakePeer>(io.get_executor());
      FeedCut(*peer, one.input, cut, random);
      std::vector<std::string> seen = RunTask(io, requests ? ServeAll(peer) : ReceiveOne(peer));
      // What stands behind a response is noticed when it has arrived; a pool asks again before
      // reuse.
      if (cut > 0 && one.name.starts_with("bytes behind") && seen.back().ends_with(" reusable")) {
        EXPECT_GT(peer->unread_pieces(), 0u);
        seen.back().replace(seen.back().rfind(' '), std::string::npos, " once");
      }
      EXPECT_EQ(seen, one.expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Http, Catalogue,
                         testing::Values("bad_requests.txt", "good_requests.txt",
                                         "bad_responses.txt", "good_responses.txt"),
                         [](const auto& name) {
                           const std::string file = name.param;
                           return file.substr(0, file.find('.'));
                         });

// ---- The chunk decoder against Beast's.

// What Beast takes `body` for: its content and the bytes it used, or nothing when it refuses.
std::optional<std::pair<std::string, size_t>> BeastDecode(const std::string& body) {
  namespace http = boost::beast::http;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string message = head + body;
  http::request_parser<http::string_body> parser;
  parser.eager(true);
  boost::beast::error_code error;
  size_t used = 0;
  while (!parser.is_done()) {
    const size_t n =
        parser.put(boost::asio::buffer(message.data() + used, message.size() - used), error);
    used += n;
    if (error || n == 0) return std::nullopt;
  }
  return std::pair(parser.get().body(), used - head.size());
}

TEST(ChunkDecoder, AcceptsOnlyWhatBeastAcceptsAndReadsItTheSame) {
  const std::vector<std::string> valid = {
      "5\r\nhello\r\n0\r\n\r\n",
      "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
      "1\r\na\r\n2\r\nbc\r\nA\r\n0123456789\r\n000\r\n\r\n",
  };
  constexpr std::string_view kAlphabet = "\r\n\t 0015aAfFgx;:=\"\x80";
  std::mt19937_64 random(Seed());
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 40'000; i++) {
    std::string body = valid[random() % valid.size()];
    for (uint64_t edits = random() % 4; edits > 0; edits--) {
      const size_t at = random() % body.size();
      const char c = kAlphabet[random() % kAlphabet.size()];
      if (random() % 3 == 0)
        body.insert(at, 1, c);
      else if (random() % 2 == 0)
        body[at] = c;
      else
        body.erase(at, 1);
    }
    ChunkDecoder decoder(1 << 20);
    std::string content;
    const absl::StatusOr<size_t> used = decoder.Decode(body, content);
    if (!used.ok() || !decoder.done()) {
      refused++;
      continue;
    }
    accepted++;
    const auto beast = BeastDecode(body);
    ASSERT_TRUE(beast.has_value()) << testing::PrintToString(body) << " WEIR_SEED=" << Seed();
    ASSERT_EQ(beast->first, content) << testing::PrintToString(body);
    ASSERT_EQ(beast->second, *used) << testing::PrintToString(body);
  }
  EXPECT_GT(accepted, 1'000);
  EXPECT_GT(refused, 1'000);
}

// ---- The server's side.

std::string WithoutDate(std::string text) {
  for (size_t at; (at = text.find("date: ")) != std::string::npos;) {
    text.erase(at, text.find("\r\n", at) + 2 - at);
  }
  return text;
}

class Server : public testing::Test {
 protected:
  Server() : peer_(std::make_shared<FakePeer>(io_.get_executor())) {}

  // Reads the head and, when `with_body`, the body of the next request.
  absl::Status Read(HttpServerStream& server, bool with_body = true) {
    request_ = HttpRequest();
    const absl::StatusOr<bool> head = RunTask(io_, server.ReadHead(request_));
    if (!head.ok()) return head.status();
    if (!*head) return absl::NotFoundError("no request");
    return with_body ? RunTask(io_, server.ReadBody(request_)) : absl::OkStatus();
  }
  std::string Output() const { return WithoutDate(peer_->output()); }

  boost::asio::io_context io_{1};
  std::shared_ptr<FakePeer> peer_;
  HttpLimits limits_;
  HttpRequest request_;
};

TEST_F(Server, GivesFieldsInLowerCaseAndTrimmed) {
  peer_->Feed("GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-One:  1 \r\nX-TWO:\t2\r\nx-one: 3\r\n\r\n");
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  EXPECT_THAT(request_.fields, ElementsAre(std::pair("host", "a.test"), std::pair("x-one", "1"),
                                           std::pair("x-two", "2"), std::pair("x-one", "3")));
  EXPECT_EQ(Find(request_.fields, "x-two"), "2");
  EXPECT_EQ(Find(request_.fields, "x-one"), "");  // Which of the two would it be?
  EXPECT_EQ(Find(request_.fields, "absent"), "");
}

TEST_F(Server, AnswersInOneWriteAndKeepsTheConnection) {
  peer_->Feed(absl::StrCat(std::string(kPost), std::string(kGet)));
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  EXPECT_EQ(request_.body, "hello");
  EXPECT_FALSE(server.response_begun());
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {{"x-a", "b"}}}, "body", false)).ok());
  EXPECT_TRUE(server.response_begun());
  EXPECT_EQ(Output(), "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 4\r\n\r\nbody");
  EXPECT_EQ(peer_->writes(), 1);
  EXPECT_EQ(peer_->operations(), 2);  // One read, one write.
  ASSERT_TRUE(Read(server).ok());
  EXPECT_EQ(request_.method, "GET");
  EXPECT_TRUE(server.keep_alive());
}

TEST_F(Server, WritesADateThatTheCallerMaySet) {
  peer_->Feed(kGet);
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {}}, "", false)).ok());
  EXPECT_THAT(
      peer_->output(),
      testing::ContainsRegex(
          "date: [A-Z][a-z][a-z], [0-9][0-9] [A-Z][a-z][a-z] 20[0-9][0-9] [0-9:]* GMT\r\n"));
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {{"date", "then"}}}, "", false)).ok());
  EXPECT_THAT(peer_->output(), EndsWith("date: then\r\ncontent-length: 0\r\n\r\n"));
}

TEST_F(Server, FramingFieldsOfTheCallerAreDropped) {
  peer_->Feed(kGet);
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  const HttpResponseHead head = {200,
                                 {{"content-length", "99"},
                                  {"transfer-encoding", "chunked"},
                                  {"connection", "close"},
                                  {"x", "y"}}};
  ASSERT_TRUE(RunTask(io_, server.Respond(head, "ok", false)).ok());
  EXPECT_EQ(Output(), "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 2\r\n\r\nok");
}

TEST_F(Server, AFieldThatWouldBreakTheHeadIsNotWritten) {
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  for (const auto& [name, value] : HeaderFields{{"x", "a\r\nset-cookie: b"},
                                                {"x", "a\nb"},
                                                {"x\r\ny", "a"},
                                                {"x:y", "a"},
                                                {"", "a"},
                                                {"x", std::string("a\0b", 3)},
                                                {"x y", "a"}}) {
    const HttpResponseHead head = {200, {{name, value}}};
    EXPECT_TRUE(absl::IsInternal(RunTask(io_, server.Respond(head, "ok", false))));
    EXPECT_TRUE(absl::IsInternal(RunTask(io_, server.BeginBody(head, false))));
  }
  EXPECT_EQ(peer_->output(), "");
  EXPECT_FALSE(server.response_begun());
}

TEST_F(Server, AnswersHeadRequestsWithoutABody) {
  peer_->Feed("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {}}, "body", false)).ok());
  EXPECT_EQ(Output(), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
}

TEST_F(Server, A204HasNoLength) {
  peer_->Feed(kGet);
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({204, {}}, "", false)).ok());
  EXPECT_EQ(Output(), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST_F(Server, StreamsInChunksOneWriteEach) {
  peer_->Feed(kGet);
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.BeginBody({200, {}}, false, "first")).ok());
  ASSERT_TRUE(RunTask(io_, server.WriteBody("data: 1\n\n")).ok());
  ASSERT_TRUE(RunTask(io_, server.WriteBody("")).ok());  // Would be the end.
  ASSERT_TRUE(RunTask(io_, server.EndBody("last")).ok());
  EXPECT_EQ(Output(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            "5\r\nfirst\r\n9\r\ndata: 1\n\n\r\n4\r\nlast\r\n0\r\n\r\n");
  EXPECT_EQ(peer_->writes(), 3);
  EXPECT_TRUE(server.keep_alive());
}

TEST_F(Server, StreamsToHttp10UntilTheClose) {
  peer_->Feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.BeginBody({200, {}}, false)).ok());
  ASSERT_TRUE(RunTask(io_, server.WriteBody("one")).ok());
  ASSERT_TRUE(RunTask(io_, server.EndBody("two")).ok());
  EXPECT_EQ(Output(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo");
  EXPECT_FALSE(server.keep_alive());
  EXPECT_EQ(Read(server).code(), absl::StatusCode::kNotFound);
}

TEST_F(Server, TellsHttp10ThatTheConnectionStays) {
  peer_->Feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {}}, "", false)).ok());
  EXPECT_THAT(Output(), HasSubstr("connection: keep-alive\r\n"));
  EXPECT_TRUE(server.keep_alive());
}

TEST_F(Server, CloseIsAnnounced) {
  peer_->Feed(absl::StrCat(std::string(kGet), std::string(kGet)));
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({200, {}}, "", true)).ok());
  EXPECT_THAT(Output(), HasSubstr("connection: close\r\n"));
  EXPECT_FALSE(server.keep_alive());
  EXPECT_EQ(Read(server).code(), absl::StatusCode::kNotFound);
}

TEST_F(Server, Sends100ContinueOnlyWhereTheBodyIsWanted) {
  constexpr std::string_view kHead =
      "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  peer_->Feed(kHead);
  peer_->OnWrite([this](std::string_view written) {
    if (written.starts_with("HTTP/1.1 100 ")) peer_->Feed("hello");
  });
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server).ok());
  EXPECT_EQ(request_.body, "hello");
  EXPECT_EQ(peer_->output(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_FALSE(server.response_begun());

  // Too long: refused without asking for it. Whoever refuses after the head alone does not ask
  // either.
  limits_.body_bytes_max = 4;
  peer_ = std::make_shared<FakePeer>(io_.get_executor());
  peer_->Feed(kHead);
  HttpServerStream strict(FakeStream::Make(peer_), limits_);
  EXPECT_TRUE(absl::IsResourceExhausted(Read(strict)));
  EXPECT_EQ(peer_->output(), "");
}

TEST_F(Server, ARefusedPeerGetsToReadTheAnswer) {
  peer_->Feed("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000000\r\n\r\n");
  peer_->Feed(std::string(100'000, 'x'), 10'000);
  peer_->End();
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  EXPECT_EQ(HttpStatusOf(Read(server)), 413);
  ASSERT_TRUE(RunTask(io_, server.Respond({413, {}}, "no", false)).ok());
  EXPECT_THAT(Output(), StartsWith("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n"));
  EXPECT_TRUE(peer_->write_closed());
  EXPECT_EQ(peer_->unread_pieces(), 0u);  // Closing over them would reset the connection.
}

TEST_F(Server, AnUnreadBodyEndsTheConnection) {
  peer_->Feed(absl::StrCat(std::string(kPost), std::string(kGet)));
  peer_->End();
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  ASSERT_TRUE(Read(server, false).ok());
  ASSERT_TRUE(RunTask(io_, server.Respond({401, {}}, "", false)).ok());
  EXPECT_FALSE(server.keep_alive());
  EXPECT_THAT(Output(), HasSubstr("connection: close"));
  EXPECT_EQ(Read(server).code(), absl::StatusCode::kNotFound);
}

TEST_F(Server, SlowClientsAreToldSo) {
  peer_->Feed("GET / HTTP/1.1\r\nHo");
  peer_->TimeOutWhenEmpty();
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  const absl::Status head = Read(server);
  EXPECT_EQ(HttpStatusOf(head), 408);
  EXPECT_EQ(head.message(), "fake:1 did not send the whole head of its request in time");

  peer_ = std::make_shared<FakePeer>(io_.get_executor());
  peer_->Feed("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel");
  peer_->TimeOutWhenEmpty();
  HttpServerStream second(FakeStream::Make(peer_), limits_);
  const absl::Status body = Read(second);
  EXPECT_EQ(HttpStatusOf(body), 408);
  EXPECT_EQ(body.message(), "fake:1 did not send the whole body of its request in time");
}

TEST_F(Server, AnIdleConnectionJustEnds) {
  peer_->TimeOutWhenEmpty();
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  EXPECT_EQ(Read(server).code(), absl::StatusCode::kNotFound);
  peer_ = std::make_shared<FakePeer>(io_.get_executor());
  peer_->Lose();
  HttpServerStream reset(FakeStream::Make(peer_), limits_);
  EXPECT_EQ(Read(reset).code(), absl::StatusCode::kNotFound);
}

TEST_F(Server, DeadlinesPassOnTheirOwn) {
  limits_.head_timeout = std::chrono::milliseconds(1);
  peer_->Feed("GET / HT");
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  EXPECT_EQ(HttpStatusOf(Read(server)), 408);
}

TEST_F(Server, CloseFromOutsideEndsAWaitingRead) {
  HttpServerStream server(FakeStream::Make(peer_), limits_);
  boost::asio::post(io_, [&] { boost::asio::post(io_, [&] { server.stream().Close(); }); });
  EXPECT_TRUE(absl::IsCancelled(Read(server)));
}

TEST_F(Server, LimitsAreExact) {
  limits_.body_bytes_max = 5;
  for (const bool chunks : {false, true}) {
    for (const size_t size : {5u, 6u}) {
      peer_ = std::make_shared<FakePeer>(io_.get_executor());
      peer_->Feed("POST / HTTP/1.1\r\nHost: a.test\r\n");
      if (chunks) {
        peer_->Feed("Transfer-Encoding: chunked\r\n\r\n");
        for (size_t i = 0; i < size; i++) peer_->Feed("1\r\nx\r\n");
        peer_->Feed("0\r\n\r\n");
      } else {
        peer_->Feed(absl::StrCat("Content-Length: ", size, "\r\n\r\n", std::string(size, 'x')));
      }
      HttpServerStream server(FakeStream::Make(peer_), limits_);
      const absl::Status read = Read(server);
      EXPECT_EQ(read.ok(), size == 5) << read;
      if (size > 5) {
        EXPECT_EQ(HttpStatusOf(read), 413);
      }
    }
  }
}

// Every operation of a whole conversation fails in turn. Whatever fails, the coroutine ends,
// nothing is written behind the failure, and the stream is let go.
Task<absl::Status> Converse(std::shared_ptr<FakePeer> peer) {
  HttpServerStream server(FakeStream::Make(peer), HttpLimits());
  for (;;) {
    HttpRequest request;
    const absl::StatusOr<bool> more = co_await server.ReadHead(request);
    if (!more.ok()) co_return more.status();
    if (!*more) co_return absl::OkStatus();
    absl::Status status = co_await server.ReadBody(request);
    if (!status.ok()) co_return status;
    status = co_await server.BeginBody({200, {}}, false);
    if (status.ok()) status = co_await server.WriteBody("one");
    if (status.ok()) status = co_await server.EndBody("two");
    if (!status.ok()) co_return status;
  }
}

TEST_F(Server, SurvivesTheFailureOfEachOperation) {
  const auto script = [this](int fail_at, absl::Status with) {
    peer_ = std::make_shared<FakePeer>(io_.get_executor());
    peer_->Feed("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n");
    peer_->Feed("Content-Length: 5\r\n\r\n");
    peer_->Feed("hel");
    peer_->Feed("lo");
    peer_->Feed("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n");
    peer_->Feed("hello\r\n0\r\n\r\n");
    peer_->Feed(kGet);
    peer_->End();
    peer_->FailAt(fail_at, std::move(with));
    return RunTask(io_, Converse(peer_));
  };
  ASSERT_TRUE(script(-1, absl::OkStatus()).ok());
  const std::string whole = Output();
  const int operations = peer_->operations();
  ASSERT_GT(operations, 15);
  for (const absl::Status& with : {absl::UnavailableError("reset"), absl::CancelledError("closed"),
                                   absl::DeadlineExceededError("late")}) {
    for (int n = 0; n < operations; n++) {
      const absl::Status status = script(n, with);
      EXPECT_THAT(whole, StartsWith(Output())) << n;
      EXPECT_TRUE(peer_->closed()) << n;
      EXPECT_EQ(peer_->operations(), n + 1) << "went on after operation " << n << " failed";
      // Only between requests is a lost peer no error.
      if (!status.ok()) {
        EXPECT_EQ(status.code(), with.code()) << n;
      }
    }
  }
}

// ---- The client's side.

class Client : public testing::Test {
 protected:
  Client() : peer_(std::make_shared<FakePeer>(io_.get_executor())) {}
  Clock::time_point Soon() { return Clock::now() + std::chrono::seconds(60); }

  boost::asio::io_context io_{1};
  std::shared_ptr<FakePeer> peer_;
};

TEST_F(Client, WritesOneContentLength) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  const HeaderFields fields = {{"host", "a.test"}, {"content-length", "9"}, {"connection", "x"}};
  ASSERT_TRUE(RunTask(io_, client.Send("POST", "/v1?a", fields, "hello")).ok());
  EXPECT_EQ(peer_->output(),
            "POST /v1?a HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello");
  EXPECT_EQ(peer_->writes(), 1);
  ASSERT_TRUE(RunTask(io_, client.Send("GET", "/", {}, "")).ok());
  EXPECT_THAT(peer_->output(), EndsWith("GET / HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(RunTask(io_, client.Send("POST", "/", {}, "")).ok());
  EXPECT_THAT(peer_->output(), EndsWith("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"));
}

TEST_F(Client, ARequestThatWouldBreakTheHeadIsNotWritten) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  EXPECT_TRUE(absl::IsInternal(RunTask(io_, client.Send("GET", "/ HTTP/1.1\r\nx: y", {}, ""))));
  EXPECT_TRUE(absl::IsInternal(RunTask(io_, client.Send("GET", "/a b", {}, ""))));
  EXPECT_TRUE(absl::IsInternal(RunTask(io_, client.Send("GET\r", "/", {}, ""))));
  EXPECT_TRUE(absl::IsInternal(RunTask(io_, client.Send("GET", "/", {{"x", "a\r\nb: c"}}, ""))));
  EXPECT_EQ(peer_->output(), "");
}

TEST_F(Client, GivesWhatArrivedAsSoonAsItArrived) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  peer_->Feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n3\r\none\r\n");
  peer_->Feed("3\r\nt");
  peer_->Feed("wo\r\n5\r\nthree\r\n0\r\n");
  peer_->Feed("\r\n");
  EXPECT_FALSE(client.response_begun());
  const auto head = RunTask(io_, client.ReadHead(Soon()));
  ASSERT_TRUE(head.ok());
  EXPECT_TRUE(client.response_begun());
  EXPECT_EQ(Find(head->fields, "x-a"), "b");
  std::vector<std::string> pieces;
  for (std::string piece;; piece.clear()) {
    const auto n = RunTask(io_, client.ReadBody(piece, Soon()));
    ASSERT_TRUE(n.ok());
    if (*n == 0) break;
    EXPECT_EQ(*n, piece.size());
    pieces.push_back(piece);
  }
  EXPECT_THAT(pieces, ElementsAre("one", "t", "wothree"));
  EXPECT_TRUE(client.reusable());
}

TEST_F(Client, OneRequestAfterAnother) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  for (int i = 0; i < 3; i++) {
    peer_->Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    ASSERT_TRUE(RunTask(io_, client.Send("GET", "/", {}, "")).ok());
    EXPECT_FALSE(client.reusable());
    ASSERT_TRUE(RunTask(io_, client.ReadHead(Soon())).ok());
    EXPECT_FALSE(client.reusable());
    std::string body;
    ASSERT_TRUE(RunTask(io_, client.ReadBody(body, Soon())).ok());
    EXPECT_EQ(body, "ok");
    EXPECT_TRUE(client.reusable());
  }
}

TEST_F(Client, LeavesOutFieldsOutsideAscii) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  peer_->Feed("HTTP/1.1 200 OK\r\nX: \xe4\xb8\xad\r\nY: z\r\nContent-Length: 0\r\n\r\n");
  const auto head = RunTask(io_, client.ReadHead(Soon()));
  ASSERT_TRUE(head.ok());
  EXPECT_THAT(head->fields, ElementsAre(std::pair("y", "z"), std::pair("content-length", "0")));
}

TEST_F(Client, WaitsNoLongerThanAsked) {
  HttpClientStream client(FakeStream::Make(peer_), HttpLimits());
  const auto head = RunTask(io_, client.ReadHead(Clock::now() + std::chrono::milliseconds(1)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(head.status()));
  peer_->Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(RunTask(io_, client.ReadHead(Soon())).ok());
  std::string body;
  const auto n = RunTask(io_, client.ReadBody(body, Clock::now() + std::chrono::milliseconds(1)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(n.status()));
  EXPECT_FALSE(client.reusable());
}

TEST(ReasonPhrase, KnowsWhatWeSend) {
  EXPECT_EQ(ReasonPhrase(200), "OK");
  EXPECT_EQ(ReasonPhrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(ReasonPhrase(299), "Status");
}

}  // namespace
}  // namespace weir::gateway
