#include "gateway/demo_model.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A blocking connection that shares no code with the model.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(socket_); }

  bool connected() const { return connected_; }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void Post(const std::string& body) {
    Send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        "content-length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void Get(const std::string& path) { Send("GET " + path + " HTTP/1.1\r\nhost: x\r\n\r\n"); }

  // Until `mark` has been read, or the connection ended.
  std::string ReadUntil(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos && ReadMore()) {
    }
    const size_t at = buffer_.find(mark);
    return Take(at == std::string::npos ? buffer_.size() : at + mark.size());
  }
  std::string ReadToEnd() {
    while (ReadMore()) {
    }
    return Take(buffer_.size());
  }
  // A response with a Content-Length: its head and its body.
  std::string ReadResponse() {
    const std::string head = ReadUntil("\r\n\r\n");
    const size_t field = head.find("\r\ncontent-length: ");
    if (field == std::string::npos) return head + ReadUntil("\r\n0\r\n\r\n");
    const auto length = static_cast<size_t>(std::atol(head.c_str() + field + 18));
    while (buffer_.size() < length && ReadMore()) {
    }
    return head + Take(length);
  }

 private:
  bool ReadMore() {
    char bytes[4096];
    const ssize_t got = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
    return got > 0;
  }
  std::string Take(size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }

  const int socket_;
  bool connected_ = false;
  std::string buffer_;
};

ListenAddress Loopback(uint16_t port) {
  ListenAddress listen;
  listen.host = "127.0.0.1";
  listen.port = port;
  return listen;
}

std::unique_ptr<DemoModel> StartModel() {
  absl::StatusOr<std::unique_ptr<DemoModel>> model = DemoModel::Start(Loopback(0));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

std::string Chat(std::string_view question, bool stream = false) {
  return "{\"model\":\"demo\",\"stream\":" + std::string(stream ? "true" : "false") +
         ",\"messages\":[{\"role\":\"user\",\"content\":\"" + std::string(question) + "\"}]}";
}

TEST(DemoModelTest, AnswersSeveralRequestsOnOneConnection) {
  const std::unique_ptr<DemoModel> model = StartModel();
  Client client(model->port());
  client.Post(Chat("你好"));
  EXPECT_THAT(client.ReadResponse(),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("「你好」")));
  client.Post(Chat("demo:status=429"));
  EXPECT_THAT(client.ReadResponse(),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("retry-after: 1")));
  client.Post(Chat("demo:echo 甲", true));
  EXPECT_THAT(client.ReadResponse(),
              AllOf(HasSubstr("content-type: text/event-stream"), HasSubstr("\"content\":\"甲\""),
                    HasSubstr("data: [DONE]\n\n")));
  client.Get("/v1/models");
  EXPECT_THAT(client.ReadResponse(), HasSubstr("\"id\":\"demo\""));
}

TEST(DemoModelTest, ShowsTheLastRequestAsItArrived) {
  const std::unique_ptr<DemoModel> model = StartModel();
  Client client(model->port());
  client.Get("/last");
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(model->last_request(), "");

  const std::string body = "{ \"model\":\"demo\",\n\"messages\":[{\"role\":\"user\"}] }";
  client.Post(body);
  client.ReadResponse();
  client.Get("/last");
  EXPECT_THAT(client.ReadResponse(), EndsWith("\r\n\r\n" + body));
  EXPECT_EQ(model->last_request(), body);
}

TEST(DemoModelTest, OtherPathsAndBadRequestsHaveErrors) {
  const std::unique_ptr<DemoModel> model = StartModel();
  Client client(model->port());
  client.Get("/v1/chat/completions");
  EXPECT_THAT(client.ReadResponse(), StartsWith("HTTP/1.1 404 "));
  client.Post("not json");
  EXPECT_THAT(client.ReadResponse(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("\"error\"")));
  Client rude(model->port());
  rude.Send("nonsense\r\n\r\n");
  EXPECT_THAT(rude.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
}

TEST(DemoModelTest, AConnectionThatDiesHasSentHalf) {
  const std::unique_ptr<DemoModel> model = StartModel();
  for (const bool stream : {false, true}) {
    Client client(model->port());
    client.Post(Chat("demo:die demo:echo 一二三四", stream));
    const std::string got = client.ReadToEnd();
    EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(got, Not(EndsWith("\r\n0\r\n\r\n")));
    EXPECT_EQ(got.find("[DONE]"), std::string::npos);
  }
}

TEST(DemoModelTest, AnEndFindsEveryConnection) {
  std::unique_ptr<DemoModel> model = StartModel();
  Client idle(model->port());
  Client used(model->port());
  used.Get("/v1/models");
  used.ReadResponse();
  Client hanging(model->port());
  hanging.Post(Chat("demo:hang"));
  Client stalled(model->port());
  stalled.Post(Chat("demo:stall demo:echo 一二", true));
  stalled.ReadUntil("一");
  Client slow(model->port());
  slow.Post(Chat("demo:slow=10000", true));
  slow.ReadUntil("\r\n\r\n");
  model.reset();
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_EQ(used.ReadToEnd(), "");
  EXPECT_EQ(hanging.ReadToEnd(), "");
  stalled.ReadToEnd();
  slow.ReadToEnd();
}

// A client that goes away during a pause ends its session: nothing is left when the model ends.
TEST(DemoModelTest, AClientMayGoAway) {
  const std::unique_ptr<DemoModel> model = StartModel();
  {
    Client client(model->port());
    client.Post(Chat("demo:slow=10000", true));
    client.ReadUntil("\r\n\r\n");
  }
  Client next(model->port());
  next.Get("/v1/models");
  EXPECT_THAT(next.ReadResponse(), StartsWith("HTTP/1.1 200 "));
}

TEST(DemoModelTest, ServesManyAtOnce) {
  const std::unique_ptr<DemoModel> model = StartModel();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Client client(model->port());
      for (int i = 0; i < 50; ++i) {
        const std::string word = "w" + std::to_string(t) + "-" + std::to_string(i);
        client.Post(Chat("demo:cut=0 demo:echo " + word, i % 2 == 1));
        EXPECT_THAT(client.ReadResponse(), HasSubstr("\"content\":\"" + word + "\""));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(DemoModelTest, APortInUseIsASentenceThatSaysWhatToDo) {
  const std::unique_ptr<DemoModel> model = StartModel();
  const auto second = DemoModel::Start(Loopback(model->port()));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(),
            "The demonstration model cannot listen on 127.0.0.1:" + std::to_string(model->port()) +
                " (Address already in use). Stop the program that listens there, or configure "
                "another port.");
}

}  // namespace
}  // namespace weir::gateway
