#include "gateway/dialect.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/json.h"
#include "tests/gateway/judging.h"
#include "tests/seed.h"

namespace weir::gateway {
namespace {

constexpr Dialect kDialect = Dialect::kOpenAiChat;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// The edits that the test bundle asks for.
std::vector<PartEdits> Edits(const DecodedRequest& request) {
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kPrompt);
  std::vector<PartEdits> edits;
  for (size_t i = 0; i < request.parts.size(); ++i) {
    auto judged = judge.JudgeText(request.parts[i].pointer, request.parts[i].text);
    EXPECT_TRUE(judged.ok()) << judged.status();
    if (!judged->empty()) edits.push_back({i, *std::move(judged)});
  }
  return edits;
}

TEST(ChatRequest, EveryCase) {
  const std::vector<GoldenCase> cases = ReadCases("cases/chat_request.txt");
  ASSERT_GT(cases.size(), 30U);
  for (const GoldenCase& test : cases) {
    SCOPED_TRACE(test.name + " (line " + std::to_string(test.line) + ")");
    const std::string body = test.Line("body");
    const auto request = DecodeRequest(kDialect, body, JsonLimits{});
    const std::string error = test.Line("error");
    if (!error.empty()) {
      EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(Message(request.status()), testing::StartsWith(error));
      continue;
    }
    ASSERT_TRUE(request.ok()) << request.status();
    const std::string read = test.Line("read");
    if (!read.empty()) {
      EXPECT_EQ("model=" + request->model + " user=" + request->user +
                    " stream=" + std::to_string(request->stream) +
                    " include_usage=" + std::to_string(request->include_usage) +
                    " choices=" + std::to_string(request->choices),
                read);
    }
    std::vector<std::string> parts, opaque;
    for (const Part& part : request->parts) parts.push_back(part.pointer + " = " + part.text);
    for (const auto& item : request->opaque) opaque.push_back(item.kind + " " + item.pointer);
    if (!test.Section("parts").empty()) {
      EXPECT_THAT(parts, testing::ElementsAreArray(test.Section("parts")));
      EXPECT_THAT(opaque, testing::ElementsAreArray(test.Section("opaque")));
    }
    const auto encoded = EncodeRequest(kDialect, body, *request, Edits(*request), "up");
    const std::string refused = test.Line("refused");
    if (!refused.empty()) {
      EXPECT_EQ(encoded.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(Message(encoded.status()), testing::StartsWith(refused));
      continue;
    }
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    if (!test.Line("encoded").empty()) {
      EXPECT_EQ(*encoded, test.Line("encoded"));
    }
    EXPECT_TRUE(DecodeRequest(kDialect, *encoded, JsonLimits{}).ok()) << *encoded;
    const auto untouched = EncodeRequest(kDialect, body, *request, {}, request->model);
    EXPECT_EQ(*untouched, body);
    EXPECT_EQ(*EncodeRequest(kDialect, body, *request, {}, ""), body);
  }
}

// Whatever the edits, what goes upstream is JSON that says the edited text.
TEST(ChatRequest, RandomEditsOfArgumentsStayJson) {
  std::mt19937_64 random(Seed());
  const std::string arguments =
      R"({"q":"\u7ebf\ud83d\ude00 \"a\"","n":[1,-2.50e3,true],"线":{"k\n":"上"}})";
  std::string body =
      R"({"model":"m","messages":[{"role":"assistant","function_call":{"arguments":)";
  AppendJsonString(body, arguments);
  body += "}}]}";
  const auto request = DecodeRequest(kDialect, body, JsonLimits{});
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->parts.size(), 1U);
  const std::string& text = request->parts[0].text;
  const auto boundary = [&](size_t at) {
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
    return at;
  };
  for (int round = 0; round < 2000; ++round) {
    const size_t start = boundary(random() % text.size());
    const size_t end = boundary(start + random() % (text.size() - start + 1));
    // A literal cannot be masked and stay one; nobody bans parts of `true`.
    const size_t literal = text.find("true");
    if (start < literal + 4 && end > literal) continue;
    const auto encoded =
        EncodeRequest(kDialect, body, *request, {{0, {{start, end, "\"\\["}}}}, "");
    ASSERT_TRUE(encoded.ok());
    const auto again = DecodeRequest(kDialect, *encoded, JsonLimits{});
    ASSERT_TRUE(again.ok()) << again.status() << *encoded;
    const std::string_view raw = again->document.String(again->parts[0].node);
    // Two keys may have become one; all else is as strict as ever.
    const auto inner = JsonDocument::Parse(raw, JsonLimits{});
    ASSERT_TRUE(inner.ok() || Message(inner.status()).find("already has") != std::string::npos)
        << inner.status() << raw;
  }
}

TEST(ChatRequest, HostileNestingCostsNoMoreThanItsBytes) {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":"hi"}],"x":)";
  const std::string key(5000, 'k');
  for (int i = 0; i < 60; ++i) body += "{\"" + key + "\":";
  body += "[";
  for (int i = 0; i < 20'000; ++i) body += i > 0 ? ",\"v\"" : "\"v\"";
  body += "]" + std::string(60, '}') + "}";
  const auto request = DecodeRequest(kDialect, body, JsonLimits{});
  ASSERT_TRUE(request.ok()) << request.status();
  size_t pointers = 0;
  for (const Part& part : request->parts) pointers += part.pointer.size();
  EXPECT_LT(pointers, request->parts.size() * 300);
}

TEST(ChatAnswer, EveryCase) {
  const std::vector<GoldenCase> cases = ReadCases("cases/chat_answer.txt");
  ASSERT_GT(cases.size(), 20U);
  for (const GoldenCase& test : cases) {
    SCOPED_TRACE(test.name + " (line " + std::to_string(test.line) + ")");
    std::string body = test.Line("request");
    if (body.empty()) body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
    const auto request = DecodeRequest(kDialect, body, JsonLimits{});
    ASSERT_TRUE(request.ok()) << request.status();
    policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
    const auto judged = JudgeAnswer(kDialect, test.Line("answer"), *request, judge, JsonLimits{});
    const std::string status = test.Line("status");
    EXPECT_EQ(absl::StatusCodeToString(judged.status().code()), status.empty() ? "OK" : status);
    if (!judged.ok()) continue;
    EXPECT_EQ(judged->body, test.Line("judged"));
    EXPECT_TRUE(JsonDocument::Parse(judged->body, JsonLimits{}).ok());
    if (!test.Line("usage").empty()) {
      EXPECT_EQ(std::to_string(judged->usage.prompt_tokens) + " " +
                    std::to_string(judged->usage.completion_tokens),
                test.Line("usage"));
    }
  }
}

TEST(ChatError, InTheDialectsShape) {
  ApiError error;
  error.type = "invalid_request_error";
  error.message = "say \"please\"";
  error.code = "content_filter";
  const std::string body =
      R"({"error":{"message":"say \"please\"","type":"invalid_request_error","param":null,)"
      R"("code":"content_filter"}})";
  EXPECT_EQ(ErrorBody(kDialect, error), body);
  EXPECT_EQ(ErrorEvent(kDialect, error), "data: " + body + "\n\n");
}

TEST(ChatError, OfAnUpstreamIsRead) {
  const auto read = [](int status, std::string_view body) {
    return DecodeError(kDialect, status, body, JsonLimits{});
  };
  const ApiError limit = read(
      429,
      R"({"error":{"message":"Slow down","type":"requests","code":"rate_limit","param":"n"}})");
  EXPECT_EQ(limit.status, 429);
  EXPECT_EQ(limit.message, "Slow down");
  EXPECT_EQ(limit.type, "requests");
  EXPECT_EQ(limit.code, "rate_limit");
  EXPECT_EQ(limit.param, "n");
  EXPECT_EQ(read(500, R"({"error":"text"})").message, "text");
  EXPECT_EQ(read(500, R"({"error":"text"})").type, "server_error");
  for (const std::string_view other :
       {"<html>线上赌场</html>", "{}", "[]", "{\"error\":null}", R"({"message":"线上赌场"})", ""}) {
    EXPECT_EQ(read(503, other).message, "The model's provider answered with status 503.");
  }
}

TEST(ChatRefusal, LooksLikeAnAnswer) {
  const std::string body =
      R"({"model":"m","n":2,"stream":true,"stream_options":{"include_usage":true},)"
      R"("messages":[{"role":"user","content":"hi"}]})";
  const auto request = DecodeRequest(kDialect, body, JsonLimits{});
  const AnswerHead head{"chatcmpl-1", 5, "m"};
  EXPECT_EQ(
      RefusalBody(kDialect, head, *request, "不\"行\""),
      R"({"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","choices":[)"
      R"({"index":0,"message":{"role":"assistant","content":"不\"行\"","refusal":null},"logprobs":null,"finish_reason":"content_filter"},)"
      R"({"index":1,"message":{"role":"assistant","content":"不\"行\"","refusal":null},"logprobs":null,"finish_reason":"content_filter"}],)"
      R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}})");
  const std::string opening =
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[)";
  std::string expected;
  for (const std::string index : {"0", "1"}) {
    expected += opening + "{\"index\":" + index +
                R"(,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null})"
                "\n\n";
    expected += opening + "{\"index\":" + index +
                R"(,"delta":{"content":"不"},"finish_reason":null}],"usage":null})"
                "\n\n";
    expected += opening + "{\"index\":" + index +
                R"(,"delta":{},"finish_reason":"content_filter"}],"usage":null})"
                "\n\n";
  }
  expected += opening + R"(],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}})" +
              "\n\ndata: [DONE]\n\n";
  EXPECT_EQ(RefusalStream(kDialect, head, *request, "不"), expected);
}

TEST(Dialect, HasAName) {
  EXPECT_EQ(Name(kDialect), "openai.chat");
}

}  // namespace
}  // namespace weir::gateway
