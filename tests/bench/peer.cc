// Both ends of the benchmark, made to cost next to nothing and to be the same for every proxy that
// stands between them.
//
//   bench_peer serve PORT EVENTS PAUSE_US    an upstream: one JSON answer, or a stream of EVENTS
//   events,
//                                            each written by itself, PAUSE_US apart
//   bench_peer load PORT whole|stream CONNECTIONS REQUESTS RATE
//                                            REQUESTS exchanges over CONNECTIONS kept connections,
//                                            RATE a second over all of them (0: as fast as they
//                                            come); prints one JSON object of what the client saw
//   bench_peer idle PORT CONNECTIONS         one exchange on each of CONNECTIONS, then holds them
//   open
//                                            until its standard input ends
//
// The key of the gateway is read from WEIR_BENCH_KEY.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::microseconds;

// Ordinary prose; 10,000 rare words find nothing in it.
constexpr std::string_view kProse =
    "清晨的河水慢慢流过堤坝，老人坐在岸边看书，孩子们沿着小路跑向学校。"
    "图书馆九点开门，靠窗的座位总是最先坐满，管理员把昨天还回来的书放回书架。"
    "如果要学好一门手艺，先把最简单的部分做到不出错，再去想怎样做得更快。"
    "秋天收获以后，村里会把谷子铺在场院上晾晒，远远看去像一片金色的湖。"
    "写信的时候，先说清楚为什么写，再说希望对方做什么，最后记得道谢。"
    "这道菜要用小火慢炖，等汤汁变浓再放盐，出锅之前撒一点葱花。";
constexpr size_t kHanBytes = 3;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "bench_peer: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

int64_t MicrosecondsSince(Clock::time_point begin) {
  return duration_cast<microseconds>(Clock::now() - begin).count();
}

void Wait(int64_t us) {
  if (us <= 0) return;
  const timespec time{us / 1'000'000, (us % 1'000'000) * 1000};
  ppoll(nullptr, 0, &time, nullptr);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void NoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Reads one message with a Content-Length into `buffer`; false when the peer is gone.
bool ReadMessage(int fd, std::string& buffer) {
  buffer.clear();
  size_t wanted = std::string::npos;
  while (buffer.size() < wanted) {
    char piece[16384];
    const ssize_t got = recv(fd, piece, sizeof(piece), 0);
    if (got <= 0) return false;
    buffer.append(piece, static_cast<size_t>(got));
    if (wanted != std::string::npos) continue;
    const size_t end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const size_t field = std::min(buffer.find("Content-Length: "), buffer.find("content-length: "));
    wanted = end + 4;
    if (field < end) wanted += static_cast<size_t>(std::atoll(buffer.c_str() + field + 16));
  }
  return true;
}

constexpr std::string_view kHead =
    R"("id":"chatcmpl-bench","created":1764000000,"model":"bench","object":)";

std::string WholeAnswer() {
  std::string body = "{" + std::string(kHead) +
                     R"("chat.completion","choices":[{"index":0,"message":{"role":"assistant",)"
                     R"("content":")" +
                     std::string(kProse) +
                     R"(","refusal":null},"logprobs":null,"finish_reason":"stop"}],)"
                     R"("usage":{"prompt_tokens":180,"completion_tokens":180,"total_tokens":360}})";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string Chunk(std::string_view data) {
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", data.size());
  return size + std::string(data) + "\r\n";
}

std::string Event(std::string_view delta, std::string_view finish) {
  return Chunk("data: {" + std::string(kHead) +
               R"("chat.completion.chunk","choices":[{"index":0,"delta":)" + std::string(delta) +
               R"(,"logprobs":null,"finish_reason":)" + std::string(finish) + "}]}\n\n");
}

// Head, then the events, each to be written by itself: a role, two characters each, the end.
std::vector<std::string> StreamedAnswer(int events) {
  std::vector<std::string> writes = {
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
      Event(R"({"role":"assistant","content":""})", "null")};
  for (int i = 0; i < events; ++i) {
    const size_t at = static_cast<size_t>(i) * 2 * kHanBytes % (kProse.size() - 2 * kHanBytes);
    const std::string text(kProse.substr(at - at % kHanBytes, 2 * kHanBytes));
    writes.push_back(Event(R"({"content":")" + text + R"("})", "null"));
  }
  writes.push_back(Event("{}", R"("stop")") + Chunk("data: [DONE]\n\n") + "0\r\n\r\n");
  return writes;
}

void Serve(uint16_t port, int events, int64_t pause_us) {
  const std::string whole = WholeAnswer();
  const std::vector<std::string> streamed = StreamedAnswer(events);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, 1024) != 0) {
    Die("listen");
  }
  std::vector<std::thread> threads;
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) Die("accept");
    NoDelay(fd);
    threads.emplace_back([fd, &whole, &streamed, pause_us] {
      std::string request;
      while (ReadMessage(fd, request)) {
        if (request.find(R"("stream":true)") == std::string::npos) {
          if (!WriteAll(fd, whole)) break;
          continue;
        }
        for (const std::string& write : streamed) {
          if (&write != &streamed.front()) Wait(pause_us);
          if (!WriteAll(fd, write)) break;
        }
      }
      close(fd);
    });
  }
}

int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Die("connect");
  }
  NoDelay(fd);
  return fd;
}

std::string Request(bool stream) {
  const std::string body =
      R"({"model":"bench","messages":[{"role":"system","content":"请用中文回答。"},)"
      R"({"role":"user","content":")" +
      std::string(kProse) + R"("}],"temperature":0.7)" + (stream ? R"(,"stream":true})" : "}");
  const char* key = std::getenv("WEIR_BENCH_KEY");
  return std::string(
             "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ") +
         (key == nullptr ? "none" : key) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

struct Seen {
  std::vector<int64_t> first_us;  // to the first content
  std::vector<int64_t> whole_us;
  uint64_t bytes = 0;
};

// One exchange; false when its answer was not what it should be.
bool Exchange(int fd, const std::string& request, bool stream, Seen& seen) {
  const Clock::time_point begin = Clock::now();
  if (!WriteAll(fd, request)) return false;
  std::string answer;
  if (!stream) {
    if (!ReadMessage(fd, answer)) return false;
    seen.first_us.push_back(MicrosecondsSince(begin));
  } else {
    bool first = true;
    while (!answer.ends_with("0\r\n\r\n")) {
      char piece[16384];
      const ssize_t got = recv(fd, piece, sizeof(piece), 0);
      if (got <= 0) return false;
      answer.append(piece, static_cast<size_t>(got));
      if (first && answer.find(kProse.substr(0, kHanBytes)) != std::string::npos) {
        seen.first_us.push_back(MicrosecondsSince(begin));
        first = false;
      }
    }
  }
  seen.whole_us.push_back(MicrosecondsSince(begin));
  seen.bytes += answer.size();
  return answer.starts_with("HTTP/1.1 200") &&
         answer.find(R"("finish_reason":"stop")") != std::string::npos;
}

int64_t Percentile(std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return -1;
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

int Load(uint16_t port, bool stream, int connections, int requests, int rate) {
  const std::string request = Request(stream);
  std::vector<Seen> seen(static_cast<size_t>(connections));
  std::vector<std::thread> threads;
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      const int fd = Connect(port);
      const int share = requests / connections + (i < requests % connections ? 1 : 0);
      for (int done = 0; done < share; ++done) {
        // Each has its moment, whether the one before was late or not.
        if (rate > 0) {
          const int64_t due = (int64_t{done} * connections + i) * 1'000'000 / rate;
          Wait(due - MicrosecondsSince(begin));
        }
        if (!Exchange(fd, request, stream, seen[static_cast<size_t>(i)])) {
          std::fprintf(stderr, "bench_peer: an exchange failed\n");
          std::exit(1);
        }
      }
      close(fd);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Seen all;
  for (Seen& one : seen) {
    all.first_us.insert(all.first_us.end(), one.first_us.begin(), one.first_us.end());
    all.whole_us.insert(all.whole_us.end(), one.whole_us.begin(), one.whole_us.end());
    all.bytes += one.bytes;
  }
  std::printf(R"({"requests":%zu,"seconds":%.3f,"bytes":%llu,"first_p50_us":%lld,)"
              R"("first_p99_us":%lld,"whole_p50_us":%lld,"whole_p99_us":%lld})"
              "\n",
              all.whole_us.size(), static_cast<double>(MicrosecondsSince(begin)) / 1e6,
              static_cast<unsigned long long>(all.bytes),
              static_cast<long long>(Percentile(all.first_us, 0.5)),
              static_cast<long long>(Percentile(all.first_us, 0.99)),
              static_cast<long long>(Percentile(all.whole_us, 0.5)),
              static_cast<long long>(Percentile(all.whole_us, 0.99)));
  return 0;
}

int Idle(uint16_t port, int connections) {
  const std::string request = Request(false);
  Seen seen;
  for (int i = 0; i < connections; ++i) {
    if (!Exchange(Connect(port), request, false, seen)) return 1;
  }
  std::printf("holding %d connections\n", connections);
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}

int Number(const char* text) {
  return std::atoi(text);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[0] == "serve") {
    Serve(static_cast<uint16_t>(Number(argv[2])), Number(argv[3]), Number(argv[4]));
    return 0;
  }
  if (words.size() == 6 && words[0] == "load") {
    return Load(static_cast<uint16_t>(Number(argv[2])), words[2] == "stream", Number(argv[4]),
                Number(argv[5]), Number(argv[6]));
  }
  if (words.size() == 3 && words[0] == "idle") {
    return Idle(static_cast<uint16_t>(Number(argv[2])), Number(argv[3]));
  }
  std::fprintf(stderr,
               "bench_peer: serve PORT EVENTS PAUSE_US | load PORT whole|stream "
               "CONNECTIONS REQUESTS RATE | idle PORT CONNECTIONS\n");
  return 2;
}
