// What the text side of an exchange costs: reading a request, judging a whole answer, and one event
// of a streamed answer (parsed, judged, written anew). The rules are those of tests/gateway/data,
// few, so that the figures are the dialect's own.
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "gateway/dialect.h"
#include "gateway/json.h"
#include "policy/judge.h"
#include "tests/gateway/test_bundle.h"

namespace weir::gateway {
namespace {

constexpr Dialect kDialect = Dialect::kOpenAiChat;

// About 1 KB: a system prompt, some turns, a tool.
std::string Request() {
  return R"({"model":"qwen-plus","stream":true,"temperature":0.7,"messages":[)"
         R"({"role":"system","content":"你是一个乐于助人的中文助手，请用简洁的语言回答用户的问题，并给出必要的例子。"},)"
         R"({"role":"user","content":"请介绍一下杭州的天气和适合游玩的季节，最好说明每个季节的特点。"},)"
         R"({"role":"assistant","content":"杭州四季分明，春秋两季最适合游玩。\n春天气候温和，西湖边桃红柳绿；秋天桂花飘香，天高气爽。"},)"
         R"({"role":"user","content":"那么冬天呢？另外\u8bf7推荐几个适合老人和孩子一起去的地方，谢谢。"}],)"
         R"("tools":[{"type":"function","function":{"name":"get_weather","description":"查询天气",)"
         R"("parameters":{"type":"object","properties":{"city":{"type":"string","description":"城市"}},"required":["city"]}}}],)"
         R"("user":"u-10086"})";
}

void ParseRequest(benchmark::State& state) {
  const std::string body = Request();
  JsonDocument document;
  for (auto _ : state) benchmark::DoNotOptimize(document.Read(body, JsonLimits{}));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(ParseRequest);

void DecodeAndEncodeRequest(benchmark::State& state) {
  const std::string body = Request();
  for (auto _ : state) {
    const auto request = DecodeRequest(kDialect, body, JsonLimits{});
    benchmark::DoNotOptimize(EncodeRequest(kDialect, body, *request, {}, "qwen-plus-latest"));
  }
}
BENCHMARK(DecodeAndEncodeRequest);

void JudgeWholeAnswer(benchmark::State& state) {
  const std::string body = Request();
  const auto request = DecodeRequest(kDialect, body, JsonLimits{});
  std::string text;
  for (int i = 0; i < 20; ++i) text += "冬天的杭州别有韵味，断桥残雪最为著名。";
  const std::string answer =
      R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"qwen-plus","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":")" +
      text +
      R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})";
  for (auto _ : state) {
    policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
    benchmark::DoNotOptimize(JudgeAnswer(kDialect, answer, *request, judge, JsonLimits{}));
  }
}
BENCHMARK(JudgeWholeAnswer);

void StreamedEvent(benchmark::State& state) {
  const std::string body = Request();
  const auto request = DecodeRequest(kDialect, body, JsonLimits{});
  const std::string event =
      "data: "
      "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"qwen-"
      "plus\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"桂花飘香，天高气爽\"},"
      "\"logprobs\":null,\"finish_reason\":null}]}\n\n";
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
  AnswerStream::Options options;
  options.head.id = "chatcmpl-1";
  options.head.model = "qwen-plus";
  AnswerStream stream(kDialect, *request, judge, options);
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(stream.Feed(event, out));
  }
}
BENCHMARK(StreamedEvent);

}  // namespace
}  // namespace weir::gateway

BENCHMARK_MAIN();
