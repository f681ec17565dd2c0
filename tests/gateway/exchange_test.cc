// Exchanges over scripted streams and a real ledger, and what is left of them when the Nth I/O
// operation of one of their sides fails, for all N.
#include "gateway/exchange.h"

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sqlite3.h>

#include "audit/ledger.h"
#include "audit/reader.h"
#include "gateway/metrics.h"
#include "tests/fault/fault_vfs.h"
#include "tests/gateway/fake_stream.h"

namespace weir::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kKey = "test-key";

constexpr std::string_view kPack = R"(
pack: exchange-test
title: 交换测试
version: 1.0.0
engine: 1
rules:
  - id: EXC-0010
    title: 拦截词
    category: A.1.h
    severity: high
    status: stable
    direction: both
    match:
      any:
        - words: [线上赌场]
    basis: [测试]
    rationale: 测试
    false_positives: 无
    tests:
      hit: [线上赌场]
      miss: [线下商场]
  - id: EXC-0020
    title: 遮盖词
    category: A.4.f
    severity: medium
    status: stable
    direction: both
    match:
      any:
        - words: [我的暗号]
    basis: [测试]
    rationale: 测试
    false_positives: 无
    tests:
      hit: [我的暗号]
      miss: [你的信号]
)";

constexpr std::string_view kProfile = R"(
id: test
title: 测试
region: cn
refusal:
  json: refusal
  stream: refusal
  prompt: 无法回答。
  answer: 已停止输出。
)";

std::string Request(std::string_view path, std::string_view body) {
  return std::string("POST ") + std::string(path) +
         " HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer " + std::string(kKey) +
         "\r\ncontent-type: application/json\r\ncontent-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

std::string ChatRequest(std::string_view text, bool stream) {
  return Request("/v1/chat/completions",
                 std::string(R"({"model":"m","messages":[{"role":"user","content":")") +
                     std::string(text) + R"("}])" + (stream ? R"(,"stream":true})" : "}"));
}

std::string Response(int status, std::string_view type, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\ncontent-type: " + std::string(type) +
         "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string JsonAnswer(std::string_view text) {
  return Response(
      200, "application/json",
      std::string(R"({"id":"c1","object":"chat.completion","created":1,"model":"m",)"
                  R"("choices":[{"index":0,"finish_reason":"stop","message":)"
                  R"({"role":"assistant","content":")") +
          std::string(text) +
          R"("}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})");
}

std::string Chunk(std::string_view delta, std::string_view finish) {
  return std::string(R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",)"
                     R"("choices":[{"index":0,"delta":)") +
         std::string(delta) + R"(,"finish_reason":)" + std::string(finish) + "}]}\n\n";
}

std::string StreamAnswer(const std::vector<std::string>& deltas) {
  std::string events = Chunk(R"({"role":"assistant","content":""})", "null");
  for (const std::string& delta : deltas) {
    events += Chunk(R"({"content":")" + delta + R"("})", "null");
  }
  events += Chunk("{}", R"("stop")") + "data: [DONE]\n\n";
  return Response(200, "text/event-stream", events);
}

// One scripted exchange and what is left of it.
struct Script {
  std::string name;
  std::string request;
  std::string response;
  std::string complete_when;  // stands in the client's output when the answer is complete
};

struct Faults {
  int client = -1;
  int upstream = -1;
  bool dial = false;
  bool ledger_closed = false;
  int64_t ledger = -1;  // this call of the ledger's files fails, counted from its opening
};

struct Outcome {
  bool finished = false;
  std::string client_output;
  std::string upstream_input;
  int client_operations = 0;
  int upstream_operations = 0;
  int64_t ledger_calls = 0;
  std::vector<audit::Record> records;  // of exchanges, oldest first
  std::vector<std::string> contents;   // of the same records, decrypted; empty where none is kept
  audit::VerifyReport report;
  audit::RecordKind erasure = audit::RecordKind::kService;  // the record of it, where one was asked

  std::vector<audit::RecordKind> kinds() const {
    std::vector<audit::RecordKind> found;
    for (const audit::Record& record : records) found.push_back(record.kind);
    return found;
  }
  bool Has(audit::RecordKind kind) const {
    for (const audit::Record& record : records) {
      if (record.kind == kind) return true;
    }
    return false;
  }
};

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "weir-exchange-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    root_ = pattern;
    Write("pack.yaml", kPack);
    Write("profile.yaml", kProfile);
    LoadBundle();
    auto config = std::make_shared<Config>();
    config->ledger.content = audit::ContentMode::kEncrypted;
    Upstream upstream;
    upstream.name = "up";
    upstream.dialect = "openai";
    upstream.endpoint = {"up.invalid", 80, false};
    upstream.base_path = "/v1";
    upstream.host_field = "up.invalid";
    upstream.first_byte_timeout = std::chrono::milliseconds(30);
    upstream.between_bytes_timeout = std::chrono::milliseconds(30);
    config->upstreams = {upstream};
    snapshot_.config = std::move(config);
  }
  ~ExchangeTest() override { std::filesystem::remove_all(root_); }

  void LoadBundle() {
    policy::BundleSources sources;
    sources.pack_paths = {root_ + "/pack.yaml"};
    sources.profile_paths = {root_ + "/profile.yaml"};
    policy::Model model;
    model.name = "m";
    model.upstream = "up";
    sources.models = {model};
    policy::App app;
    app.id = "app";
    SHA256(reinterpret_cast<const unsigned char*>(kKey.data()), kKey.size(), app.key_sha256.data());
    app.profile = "test";
    sources.apps = {app};
    std::vector<rules::Problem> problems;
    snapshot_.bundle = policy::Bundle::Load(sources, problems);
    for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  }

  void Write(const std::string& name, std::string_view text) {
    std::ofstream(root_ + "/" + name) << text;
  }

  // Runs one exchange on a ledger of its own, with `faults`, reading `bytes_in_piece` at a time.
  Outcome Run(const Script& script, const Faults& faults,
              size_t bytes_in_piece = std::string_view::npos) {
    Outcome outcome;
    audit::LedgerOptions options;
    options.dir = root_ + "/ledger-" + std::to_string(runs_++);
    std::optional<audit::FaultVfs> files;
    files.emplace(audit::FaultPlan{.fail_at = faults.ledger, .error = SQLITE_IOERR_WRITE});
    options.vfs = audit::FaultVfs::Name();
    options.content = audit::ContentMode::kEncrypted;
    absl::StatusOr<std::shared_ptr<audit::Ledger>> ledger = audit::Ledger::Open(options);
    if (!ledger.ok() && faults.ledger >= 0) {  // It never opened: nothing could be served.
      outcome.finished = outcome.report.ok = true;
      outcome.ledger_calls = files->calls();
      return outcome;
    }
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    if (!ledger.ok()) return outcome;
    if (faults.ledger_closed) {
      EXPECT_TRUE((*ledger)->Close().ok());
    }
    {
      boost::asio::io_context io{1};
      const auto client = std::make_shared<FakePeer>(io.get_executor());
      const auto upstream = std::make_shared<FakePeer>(io.get_executor());
      client->Feed(script.request, bytes_in_piece);
      client->End();
      if (faults.client >= 0) client->FailAt(faults.client);
      if (faults.upstream >= 0) upstream->FailAt(faults.upstream);
      upstream->OnWrite([&, answered = false](std::string_view) mutable {
        if (!answered) upstream->Feed(script.response, bytes_in_piece);
        upstream->End();
        answered = true;
      });
      bool dialled = false;
      const Dial dial =
          [&](const Endpoint&,
              Clock::time_point) -> Task<absl::StatusOr<std::unique_ptr<ByteStream>>> {
        if (faults.dial || dialled) co_return absl::UnavailableError("fake: nobody listens");
        dialled = true;
        co_return FakeStream::Make(upstream);
      };
      UpstreamPool pool(dial, HttpLimits());
      Metrics metrics(1);
      const ExchangeMetrics ids(metrics);
      const std::atomic<bool> draining = false;
      Workshop workshop{.shard = 0,
                        .executor = io.get_executor(),
                        .upstreams = pool,
                        .ledger = *ledger,
                        .metrics = metrics,
                        .ids = ids,
                        .current = [this] { return snapshot_; },
                        .draining = draining,
                        .connections = {}};
      boost::asio::co_spawn(io.get_executor(), ServeConnection(workshop, FakeStream::Make(client)),
                            [&](std::exception_ptr lost) {
                              EXPECT_EQ(lost, nullptr);
                              outcome.finished = true;
                            });
      io.run_for(std::chrono::seconds(20));
      EXPECT_TRUE(workshop.connections.empty());
      outcome.client_output = client->output();
      outcome.upstream_input = upstream->output();
      outcome.client_operations = client->operations();
      outcome.upstream_operations = upstream->operations();
    }
    const absl::Status closed = (*ledger)->Close();
    EXPECT_TRUE(closed.ok() || faults.ledger >= 0) << closed;
    ledger->reset();
    outcome.ledger_calls = files->calls();
    files.reset();
    if (faults.ledger >= 0) {  // The next start reconciles what the failure left.
      options.vfs.clear();
      ledger = audit::Ledger::Open(options);
      EXPECT_TRUE(ledger.ok()) << ledger.status();
      if (!ledger.ok()) return outcome;
      EXPECT_TRUE((*ledger)->Close().ok());
      ledger->reset();
    }
    ReadBack(options.dir, outcome);
    if (erase_afterwards_) outcome.erasure = Erase(options.dir);
    std::filesystem::remove_all(options.dir);
    return outcome;
  }

  // What comes of an erasure where only transfers must be kept.
  static audit::RecordKind Erase(const std::string& dir) {
    audit::LedgerOptions options;
    options.dir = dir;
    options.content = audit::ContentMode::kEncrypted;
    options.keep_days = 0;
    std::unique_ptr<audit::Ledger> ledger = audit::Ledger::Open(options).value();
    std::promise<absl::StatusOr<audit::Receipt>> promise;
    ledger->Erase("app", "", {"li", "legal", "asked"},
                  [&promise](absl::StatusOr<audit::Receipt> receipt) {
                    promise.set_value(std::move(receipt));
                  });
    const absl::StatusOr<audit::Receipt> receipt = promise.get_future().get();
    EXPECT_TRUE(receipt.ok()) << receipt.status();
    return audit::Reader::Open(dir).value()->Get(receipt->seq)->record.kind;
  }

  static void ReadBack(const std::string& dir, Outcome& outcome) {
    const absl::StatusOr<std::unique_ptr<audit::Reader>> reader = audit::Reader::Open(dir);
    ASSERT_TRUE(reader.ok()) << reader.status();
    absl::StatusOr<audit::QueryPage> page = (*reader)->Find(audit::Query());
    ASSERT_TRUE(page.ok()) << page.status();
    for (auto found = page->records.rbegin(); found != page->records.rend(); ++found) {
      if (found->record.exchange.empty()) continue;
      outcome.contents.push_back((*reader)->Content(found->record.seq).value_or(""));
      outcome.records.push_back(std::move(found->record));
    }
    absl::StatusOr<audit::VerifyReport> report = (*reader)->Verify({});
    ASSERT_TRUE(report.ok()) << report.status();
    outcome.report = *std::move(report);
  }

  // What must hold whatever has failed.
  static void CheckAlways(const Script& script, const Outcome& outcome) {
    EXPECT_TRUE(outcome.finished) << "the exchange hangs";
    EXPECT_TRUE(outcome.report.ok) << outcome.report.reason;
    EXPECT_THAT(outcome.client_output, Not(HasSubstr("赌")));
    EXPECT_THAT(outcome.client_output, Not(HasSubstr("暗号")));
    EXPECT_THAT(outcome.upstream_input, Not(HasSubstr("暗号")));
    if (!outcome.upstream_input.empty()) {
      EXPECT_TRUE(outcome.Has(audit::RecordKind::kPrompt)) << "a byte went upstream unrecorded";
    }
    if (outcome.client_output.find(script.complete_when) != std::string::npos) {
      EXPECT_TRUE(outcome.Has(audit::RecordKind::kAnswer)) << "an answer was given unrecorded";
    }
    if (outcome.Has(audit::RecordKind::kPrompt)) {
      EXPECT_TRUE(outcome.Has(audit::RecordKind::kAnswer) ||
                  outcome.Has(audit::RecordKind::kFailure) ||
                  outcome.Has(audit::RecordKind::kInterrupted))
          << "the exchange is not closed";
    }
  }

  std::string root_;
  Snapshot snapshot_;
  int runs_ = 0;
  bool erase_afterwards_ = false;
};

std::vector<Script> Scripts() {
  return {
      {"json allowed", ChatRequest("你好", false), JsonAnswer("很高兴见到你。"), "很高兴见到你。"},
      {"json masked", ChatRequest("说我的暗号", false), JsonAnswer("我的暗号是什么"), "是什么"},
      {"json stopped", ChatRequest("你好", false), JsonAnswer("来线上赌场"), "已停止输出"},
      {"stream allowed", ChatRequest("你好", true), StreamAnswer({"很高", "兴见到", "你。"}),
       "[DONE]"},
      {"stream masked", ChatRequest("你好", true), StreamAnswer({"这是我的", "暗", "号，对吗"}),
       "[DONE]"},
      {"stream stopped", ChatRequest("你好", true), StreamAnswer({"来线上", "赌", "场玩"}),
       "[DONE]"},
      {"refused", ChatRequest("线上赌场在哪", false), "", "无法回答。"},
      {"refused stream", ChatRequest("线上赌场在哪", true), "", "[DONE]"},
      {"upstream error", ChatRequest("你好", true),
       Response(429, "application/json",
                R"({"error":{"message":"slow down","type":"requests","code":"rate_limit"}})"),
       "slow down"},
  };
}

TEST_F(ExchangeTest, EachScriptRunsToItsEnd) {
  using Kind = audit::RecordKind;
  for (const Script& script : Scripts()) {
    for (const size_t bytes_in_piece : {std::string_view::npos, size_t{1}}) {
      SCOPED_TRACE(script.name);
      const Outcome outcome = Run(script, {}, bytes_in_piece);
      CheckAlways(script, outcome);
      EXPECT_THAT(outcome.client_output, HasSubstr(script.complete_when));
      EXPECT_THAT(outcome.kinds(), testing::ElementsAre(Kind::kPrompt, Kind::kAnswer));
      EXPECT_EQ(outcome.upstream_input.empty(), script.response.empty());
    }
  }
}

// What the app sent and what the model wrote, before any mask: what a regulator may ask to see.
TEST_F(ExchangeTest, ContentIsKept) {
  const std::vector<Script> scripts = Scripts();
  const Script& json = scripts[1];
  ASSERT_EQ(json.name, "json masked");
  Outcome outcome = Run(json, {});
  ASSERT_EQ(outcome.contents.size(), 2U);
  EXPECT_THAT(outcome.contents[0], HasSubstr("说我的暗号"));
  EXPECT_THAT(outcome.contents[1], HasSubstr("我的暗号是什么"));

  const Script& stream = scripts[4];
  ASSERT_EQ(stream.name, "stream masked");
  outcome = Run(stream, {});
  ASSERT_EQ(outcome.contents.size(), 2U);
  EXPECT_EQ(outcome.contents[1], "/choices/0/message/content\n这是我的暗号，对吗");
  EXPECT_EQ(outcome.records[1].content_bytes, outcome.contents[1].size());
  EXPECT_NE(outcome.records[1].content_digest, "");
}

TEST_F(ExchangeTest, AProfileMayKeepLess) {
  const Script json = Scripts()[1];
  for (const auto& [word, digest] :
       {std::pair("none", ""), std::pair("digest", "sha256:"), std::pair("encrypted", "sealed-")}) {
    Write("profile.yaml", std::string(kProfile) + "content: " + word + "\n");
    LoadBundle();
    const Outcome outcome = Run(json, {});
    ASSERT_EQ(outcome.records.size(), 2U) << word;
    for (const audit::Record& record : outcome.records) {
      EXPECT_EQ(record.content_digest.substr(0, 7), digest) << word;
      EXPECT_EQ(record.content_bytes > 0, word != std::string_view("none"));
    }
    std::vector<rules::Problem> problems;
    audit::LedgerOptions opened_for;
    opened_for.content = audit::ContentMode::kDigest;
    CheckKeptContent(opened_for, *snapshot_.bundle, problems);
    EXPECT_EQ(problems.size(), word == std::string_view("encrypted") ? 1U : 0U) << word;
    for (const rules::Problem& problem : problems) {
      EXPECT_THAT(problem.ToString(), HasSubstr("raise audit.content"));
    }
  }
}

// What goes to a model in another region is under a key that is kept for longer.
TEST_F(ExchangeTest, TextThatGoesAbroadIsKeptAsATransfer) {
  const std::vector<Script> scripts = Scripts();
  auto config = std::make_shared<Config>(*snapshot_.config);
  for (const auto& [region, transfer] : {std::pair("cn", false), std::pair("us", true)}) {
    config->upstreams[0].region = region;
    snapshot_.config = config;
    erase_afterwards_ = true;
    const Outcome outcome = Run(scripts[1], {});
    EXPECT_EQ(outcome.erasure,
              transfer ? audit::RecordKind::kRestricted : audit::RecordKind::kErased)
        << region;
  }
}

TEST_F(ExchangeTest, ClientFailsAtEveryOperation) {
  for (const Script& script : Scripts()) {
    for (int n = 0;; ++n) {
      SCOPED_TRACE(script.name + ", client operation " + std::to_string(n));
      const Outcome outcome = Run(script, {.client = n});
      CheckAlways(script, outcome);
      if (HasFailure() || outcome.client_operations <= n) break;
    }
  }
}

TEST_F(ExchangeTest, UpstreamFailsAtEveryOperation) {
  for (const Script& script : Scripts()) {
    if (script.response.empty()) continue;
    for (int n = 0;; ++n) {
      SCOPED_TRACE(script.name + ", upstream operation " + std::to_string(n));
      const Outcome outcome = Run(script, {.upstream = n}, 40);
      CheckAlways(script, outcome);
      if (HasFailure() || outcome.upstream_operations <= n) break;
    }
  }
}

TEST_F(ExchangeTest, UpstreamNotThere) {
  for (const Script& script : Scripts()) {
    if (script.response.empty()) continue;
    SCOPED_TRACE(script.name);
    const Outcome outcome = Run(script, {.dial = true});
    CheckAlways(script, outcome);
    EXPECT_THAT(outcome.client_output, HasSubstr("HTTP/1.1 502"));
    ASSERT_EQ(outcome.records.size(), 2U);
    EXPECT_EQ(outcome.records[1].kind, audit::RecordKind::kFailure);
    EXPECT_EQ(outcome.records[1].stage, "Forward");
    EXPECT_EQ(outcome.records[1].cause, "upstream_lost");
  }
}

TEST_F(ExchangeTest, WithoutALedgerNothingIsServed) {
  for (const Script& script : Scripts()) {
    SCOPED_TRACE(script.name);
    const Outcome outcome = Run(script, {.ledger_closed = true});
    EXPECT_TRUE(outcome.finished);
    EXPECT_THAT(outcome.client_output, HasSubstr("HTTP/1.1 503"));
    EXPECT_THAT(outcome.client_output, HasSubstr("audit_unavailable"));
    EXPECT_EQ(outcome.upstream_input, "");
  }
}

TEST_F(ExchangeTest, LedgerFailsAtEveryCall) {
  for (const Script& script : Scripts()) {
    for (int64_t n = 0;; ++n) {
      SCOPED_TRACE(script.name + ", call " + std::to_string(n) + " of the ledger's files");
      const Outcome outcome = Run(script, {.ledger = n});
      CheckAlways(script, outcome);
      if (HasFailure() || outcome.ledger_calls <= n) break;
    }
  }
}

TEST_F(ExchangeTest, AnswerThatEndsTooEarlyIsAFailure) {
  Script script = {"cut", ChatRequest("你好", true), "", "[DONE]"};
  script.response = Response(200, "text/event-stream", Chunk(R"({"content":"半句"})", "null"));
  const Outcome outcome = Run(script, {});
  CheckAlways(script, outcome);
  EXPECT_THAT(outcome.client_output, HasSubstr(R"("error")"));
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[1].kind, audit::RecordKind::kFailure);
  EXPECT_EQ(outcome.records[1].stage, "Relay");
}

TEST_F(ExchangeTest, StrangersAreAnsweredAndNotRecorded) {
  Script script = {"stranger", ChatRequest("你好", false), "", "invalid_api_key"};
  script.request.replace(script.request.find(kKey), kKey.size(), "no-such-key");
  const Outcome outcome = Run(script, {});
  EXPECT_THAT(outcome.client_output, HasSubstr("HTTP/1.1 401"));
  EXPECT_TRUE(outcome.records.empty());
}

struct Refusal {
  std::string request;
  std::string status_line;
  std::string code;
  bool recorded;
};

TEST_F(ExchangeTest, BadRequestsGetAClearError) {
  const std::vector<Refusal> table = {
      {Request("/v1/nowhere", "{}"), "404", "unknown_url", false},
      {Request("/v1/models", "{}"), "405", "method_not_allowed", false},
      {Request("/v1/chat/completions", "{"), "400", "invalid_request", true},
      {Request("/v1/chat/completions", R"({"model":"m","model":"n","messages":[]})"), "400",
       "invalid_request", true},
      {Request("/v1/chat/completions",
               R"({"model":"x","messages":[{"role":"user","content":"a"}]})"),
       "404", "model_not_found", true},
      {"GET  / HTTP/1.1\r\n\r\n", "400", "bad_http_request", false},
  };
  for (const Refusal& refusal : table) {
    SCOPED_TRACE(refusal.request);
    const Outcome outcome = Run({"bad", refusal.request, "", refusal.code}, {});
    EXPECT_THAT(outcome.client_output, HasSubstr("HTTP/1.1 " + refusal.status_line));
    EXPECT_THAT(outcome.client_output, HasSubstr(refusal.code));
    EXPECT_EQ(outcome.Has(audit::RecordKind::kFailure), refusal.recorded);
    EXPECT_EQ(outcome.upstream_input, "");
  }
}

}  // namespace
}  // namespace weir::gateway
