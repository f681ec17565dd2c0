#include "gateway/demo_script.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/json.h"
#include "gateway/sse.h"
#include "policy/bundle.h"
#include "policy/judge.h"

namespace weir::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A chat request with one question; `more` is further members, ",\"n\":2".
std::string Request(std::string_view question, std::string_view more = "") {
  std::string body = "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":";
  AppendJsonString(body, question);
  return body.append("}]").append(more).append("}");
}

DemoReply Ask(std::string_view question, std::string_view more = "") {
  return ReplyToChat(Request(question, more));
}

std::string Joined(const DemoReply& reply) {
  std::string all;
  for (const std::string& write : reply.writes) all += write;
  return all;
}

// What a client puts together from one choice.
struct Heard {
  std::string content, reasoning, refusal, finish, tool, arguments, logprobs;
};

struct Heap {
  std::map<int64_t, Heard> choices;
  std::vector<int64_t> order;  // index of each chunk's choice
  size_t events = 0;
  bool done = false;
  std::string usage;
};

std::string StringAt(const JsonDocument& json, JsonDocument::Node node) {
  if (node == JsonDocument::kNone || json.type(node) != JsonDocument::Type::kString) return "";
  return std::string(json.String(node));
}

// Adds a `message` or `delta` to what was heard.
void Hear(const JsonDocument& json, JsonDocument::Node message, Heard& heard) {
  heard.content += StringAt(json, json.Member(message, "content"));
  heard.reasoning += StringAt(json, json.Member(message, "reasoning_content"));
  heard.refusal += StringAt(json, json.Member(message, "refusal"));
  const JsonDocument::Node calls = json.Member(message, "tool_calls");
  if (calls == JsonDocument::kNone) return;
  const JsonDocument::Node function = json.Member(json.FirstChild(calls), "function");
  heard.tool += StringAt(json, json.Member(function, "name"));
  heard.arguments += StringAt(json, json.Member(function, "arguments"));
}

void HearDocument(const std::string& bytes, const char* message_key, Heap& heap) {
  const absl::StatusOr<JsonDocument> parsed = JsonDocument::Parse(bytes, JsonLimits());
  ASSERT_TRUE(parsed.ok()) << parsed.status() << bytes;
  const JsonDocument& json = *parsed;
  const JsonDocument::Node choices = json.Member(0, "choices");
  ASSERT_NE(choices, JsonDocument::kNone) << bytes;
  for (JsonDocument::Node choice = json.FirstChild(choices); choice != JsonDocument::kNone;
       choice = json.Next(choice)) {
    const int64_t index = json.Integer(json.Member(choice, "index")).value_or(-1);
    heap.order.push_back(index);
    Heard& heard = heap.choices[index];
    Hear(json, json.Member(choice, message_key), heard);
    heard.finish += StringAt(json, json.Member(choice, "finish_reason"));
    heard.logprobs += json.Bytes(json.Member(choice, "logprobs"));
  }
  const JsonDocument::Node usage = json.Member(0, "usage");
  if (usage != JsonDocument::kNone) heap.usage = json.Bytes(usage);
}

Heap HearWhole(const DemoReply& reply) {
  EXPECT_EQ(reply.head.status, 200);
  Heap heap;
  HearDocument(Joined(reply), "message", heap);
  return heap;
}

Heap HearStream(const DemoReply& reply) {
  EXPECT_EQ(reply.head.status, 200);
  EXPECT_EQ(Find(reply.head.fields, "content-type"), "text/event-stream");
  Heap heap;
  SseParser parser;
  const absl::Status fed = parser.Feed(Joined(reply), [&](const SseEvent& event) {
    ++heap.events;
    EXPECT_FALSE(heap.done) << "an event behind [DONE]";
    if (event.data == "[DONE]") {
      heap.done = true;
    } else {
      HearDocument(std::string(event.data), "delta", heap);
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(fed.ok()) << fed;
  EXPECT_FALSE(parser.pending());
  return heap;
}

constexpr std::string_view kStream = ",\"stream\":true";

TEST(DemoScriptTest, AnOrdinaryQuestionIsQuotedInItsLanguage) {
  EXPECT_THAT(HearWhole(Ask("你好，\"河流\"有多长？")).choices[0].content,
              HasSubstr("「你好，\"河流\"有多长？」"));
  EXPECT_THAT(HearWhole(Ask("How long is the river?")).choices[0].content,
              HasSubstr("You wrote: \"How long is the river?\""));
}

TEST(DemoScriptTest, ContentPartsAreQuotedTogether) {
  const DemoReply reply = ReplyToChat(
      R"({"model":"demo","messages":[{"role":"system","content":"S"},{"role":"user","content":[)"
      R"({"type":"text","text":"甲"},{"type":"image_url","image_url":{"url":"x"}},)"
      R"({"type":"text","text":"乙"}]}]})");
  EXPECT_THAT(HearWhole(reply).choices[0].content, HasSubstr("「甲乙」"));
}

TEST(DemoScriptTest, TheSameRequestGivesTheSameBytes) {
  const std::string request = Request("周末游戏活动文案", kStream);
  EXPECT_EQ(Joined(ReplyToChat(request)), Joined(ReplyToChat(request)));
  EXPECT_NE(Joined(Ask("甲")), Joined(Ask("乙")));
}

TEST(DemoScriptTest, AStreamSaysWhatTheWholeAnswerSays) {
  for (const std::string marker : {"", " demo:cut=3", " demo:cut=0", " demo:bytes=1",
                                   " demo:bytes=7", " demo:escape", " demo:escape demo:bytes=5"}) {
    const std::string question = "请写一段周末活动的推广文案" + marker;
    const Heap whole = HearWhole(Ask(question));
    const Heap stream = HearStream(Ask(question, kStream));
    EXPECT_TRUE(stream.done);
    EXPECT_EQ(stream.choices.at(0).content, whole.choices.at(0).content) << marker;
    EXPECT_EQ(stream.choices.at(0).finish, "stop");
    EXPECT_EQ(whole.choices.at(0).finish, "stop");
  }
}

TEST(DemoScriptTest, EventsAreCutAsAsked) {
  // A role, six characters, an end, [DONE].
  EXPECT_EQ(HearStream(Ask("demo:echo 一二三四五六", kStream)).events, 9U);
  EXPECT_EQ(HearStream(Ask("demo:cut=4 demo:echo 一二三四五六", kStream)).events, 5U);
  EXPECT_EQ(HearStream(Ask("demo:cut=0 demo:echo 一二三四五六", kStream)).events, 4U);
  const DemoReply bytes = Ask("demo:bytes=2 demo:echo 一二", kStream);
  for (size_t i = 0; i + 1 < bytes.writes.size(); ++i) EXPECT_EQ(bytes.writes[i].size(), 2U);
}

TEST(DemoScriptTest, EscapedAnswersAreAscii) {
  const std::string bytes = Joined(Ask("demo:escape demo:echo 赌🌊é"));
  for (const char c : bytes) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  EXPECT_THAT(bytes, HasSubstr("\\u8d4c\\ud83c\\udf0a\\u00e9"));
}

TEST(DemoScriptTest, EchoAnswersWhatFollowsAndNothingElse) {
  EXPECT_EQ(HearWhole(Ask("x demo:echo 联系 demo:die")).choices[0].content, "联系 demo:die");
  EXPECT_EQ(HearWhole(Ask("demo:echo")).choices[0].content, "");
}

TEST(DemoScriptTest, LongAnswersHaveTheLengthAskedFor) {
  for (const size_t characters : {0U, 1U, 33U, 34U, 1000U}) {
    const std::string content =
        HearWhole(Ask("demo:long=" + std::to_string(characters))).choices[0].content;
    EXPECT_EQ(content.size(), 3 * characters);  // every character of it has three bytes
  }
}

TEST(DemoScriptTest, SeveralChoicesAreInterleavedAndDiffer) {
  const Heap heap = HearStream(Ask("你好", ",\"n\":2,\"stream\":true"));
  ASSERT_EQ(heap.choices.size(), 2U);
  EXPECT_NE(heap.choices.at(0).content, heap.choices.at(1).content);
  EXPECT_EQ(heap.choices.at(1).finish, "stop");
  EXPECT_EQ(std::vector<int64_t>(heap.order.begin(), heap.order.begin() + 4),
            (std::vector<int64_t>{0, 1, 0, 1}));
  EXPECT_EQ(HearWhole(Ask("你好", ",\"n\":3")).choices.size(), 3U);
}

constexpr std::string_view kTools =
    R"(,"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object",)"
    R"("properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}}])";

TEST(DemoScriptTest, AnOfferedToolIsCalledWithTheQuestion) {
  for (const std::string_view mode : {std::string_view(), kStream}) {
    const DemoReply reply = Ask("北京\"天气\"", std::string(kTools) + std::string(mode));
    const Heard heard = (mode.empty() ? HearWhole(reply) : HearStream(reply)).choices.at(0);
    EXPECT_EQ(heard.tool, "weather");
    EXPECT_EQ(heard.arguments, R"({"city":"北京\"天气\""})");
    EXPECT_EQ(heard.finish, "tool_calls");
    EXPECT_EQ(heard.content, "");
  }
}

TEST(DemoScriptTest, AToolsResultIsAnsweredInWords) {
  const DemoReply reply = ReplyToChat(
      R"({"model":"demo","messages":[{"role":"user","content":"天气"},{"role":"assistant",)"
      R"("content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"c","content":"晴"}])" +
      std::string(kTools) + "}");
  EXPECT_EQ(HearWhole(reply).choices[0].content, "工具返回的结果是：「晴」。");
}

TEST(DemoScriptTest, ToolsMayBeForbidden) {
  EXPECT_EQ(
      HearWhole(Ask("你好", std::string(kTools) + ",\"tool_choice\":\"none\"")).choices[0].tool,
      "");
}

TEST(DemoScriptTest, UsageIsCountedInCharacters) {
  const std::string usage = R"({"prompt_tokens":14,"completion_tokens":4,"total_tokens":18})";
  EXPECT_EQ(HearWhole(Ask("demo:echo 一二三四")).usage, usage);
  EXPECT_EQ(HearStream(Ask("demo:echo 一二三四", kStream)).usage, "");
  EXPECT_EQ(HearStream(Ask("demo:echo 一二三四",
                           ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"))
                .usage,
            usage);
}

TEST(DemoScriptTest, LogprobsRepeatEveryToken) {
  EXPECT_EQ(HearWhole(Ask("demo:echo 一a", ",\"logprobs\":true")).choices[0].logprobs,
            R"({"content":[{"token":"一","logprob":-0.25,"bytes":[228,184,128],"top_logprobs":[]},)"
            R"({"token":"a","logprob":-0.25,"bytes":[97],"top_logprobs":[]}],"refusal":null})");
  EXPECT_EQ(HearWhole(Ask("demo:echo 一a")).choices[0].logprobs, "null");
}

TEST(DemoScriptTest, MarkersChooseTheFields) {
  const Heard reasoning = HearStream(Ask("你好 demo:reasoning", kStream)).choices.at(0);
  EXPECT_THAT(reasoning.reasoning, HasSubstr("你好"));
  EXPECT_THAT(reasoning.content, HasSubstr("你好"));
  const Heard refusal = HearWhole(Ask("demo:refusal demo:echo 不行")).choices.at(0);
  EXPECT_EQ(refusal.refusal, "不行");
  EXPECT_EQ(refusal.content, "");
  const Heard cut = HearWhole(Ask("demo:length demo:echo 一二三四")).choices.at(0);
  EXPECT_EQ(cut.content, "一二");
  EXPECT_EQ(cut.finish, "length");
  EXPECT_EQ(HearStream(Ask("demo:filter demo:echo 一二", kStream)).choices.at(0).finish,
            "content_filter");
}

TEST(DemoScriptTest, ErrorsLookLikeAProviders) {
  const DemoReply limited = Ask("demo:status=429", kStream);
  EXPECT_EQ(limited.head.status, 429);
  EXPECT_EQ(Find(limited.head.fields, "retry-after"), "1");
  EXPECT_THAT(Joined(limited), HasSubstr("\"type\":\"rate_limit_error\",\"param\":null,"
                                         "\"code\":\"rate_limit_exceeded\"}}"));
  const DemoReply failed = Ask("demo:status=500");
  EXPECT_EQ(failed.head.status, 500);
  EXPECT_THAT(Joined(failed), HasSubstr("\"type\":\"server_error\""));
}

TEST(DemoScriptTest, FaultsEndAsTheyAreNamed) {
  const DemoReply die = Ask("demo:die demo:echo 一二三四", kStream);
  EXPECT_EQ(die.end, DemoReply::End::kDrop);
  EXPECT_THAT(Joined(die), HasSubstr("二"));
  EXPECT_THAT(Joined(die), Not(HasSubstr("[DONE]")));
  EXPECT_EQ(Ask("demo:die").end, DemoReply::End::kDrop);
  EXPECT_EQ(Ask("demo:stall", kStream).end, DemoReply::End::kHang);
  EXPECT_THAT(Ask("demo:hang").writes, IsEmpty());
  EXPECT_EQ(Ask("demo:hang").end, DemoReply::End::kHang);
  EXPECT_EQ(Ask("demo:slow").pause, std::chrono::milliseconds(100));
  EXPECT_EQ(Ask("demo:slow=7").pause, std::chrono::milliseconds(7));
  EXPECT_THAT(Joined(Ask("demo:garbage", kStream)), HasSubstr("data: {not json\n\n"));
  EXPECT_EQ(Joined(Ask("demo:garbage")), "{not json");
  const Heap no_done = HearStream(Ask("demo:no-done demo:echo 一", kStream));
  EXPECT_FALSE(no_done.done);
  EXPECT_EQ(no_done.choices.at(0).finish, "");
  EXPECT_EQ(no_done.choices.at(0).content, "一");
}

TEST(DemoScriptTest, BadRequestsAreRefused) {
  for (const std::string body :
       {"", "[]", "{", "\"x\"", "{\"model\":\"demo\"}", "{\"model\":\"demo\",\"messages\":[]}",
        "{\"model\":\"demo\",\"messages\":\"x\"}", "{\"messages\":[{\"role\":\"user\"}]}"}) {
    const DemoReply reply = ReplyToChat(body);
    EXPECT_EQ(reply.head.status, 400) << body;
    EXPECT_TRUE(JsonDocument::Parse(Joined(reply), JsonLimits()).ok()) << Joined(reply);
  }
  EXPECT_EQ(Ask("x", ",\"n\":0").head.status, 400);
  EXPECT_EQ(Ask("x", ",\"n\":17").head.status, 400);
  EXPECT_EQ(Ask("x", ",\"n\":\"2\"").head.status, 400);
}

// Odd but valid JSON in every place that is looked at.
TEST(DemoScriptTest, OddShapesAreAnswered) {
  for (const std::string more : {",\"tools\":{}", ",\"tools\":[1]", ",\"tools\":[{\"function\":3}]",
                                 ",\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":[]}}]",
                                 ",\"stream_options\":1", ",\"n\":null", ",\"stream\":null"}) {
    EXPECT_EQ(Ask("你好", more).head.status, 200) << more;
  }
  for (const std::string content : {"null", "3", "[3,{\"text\":4},[]]", "{}"}) {
    EXPECT_EQ(ReplyToChat("{\"model\":\"m\",\"messages\":[7,{\"role\":\"user\",\"content\":" +
                          content + "}]}")
                  .head.status,
              200)
        << content;
  }
}

// What the quickstart shows hangs on this: the starter packs make of each answer what is meant.
TEST(DemoScriptTest, TheStarterPacksJudgeTheAnswersAsMeant) {
  const std::string root = WEIR_SOURCE_DIR;
  policy::BundleSources sources;
  sources.pack_paths = {root + "/rules/packs"};
  sources.profile_paths = {root + "/config/profiles"};
  std::vector<rules::Problem> problems;
  const std::shared_ptr<const policy::Bundle> bundle = policy::Bundle::Load(sources, problems);
  for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  ASSERT_NE(bundle, nullptr);
  policy::Subject subject;
  subject.profile = bundle->FindProfile("cn-public");
  ASSERT_NE(subject.profile, nullptr);
  const struct {
    std::string_view question;
    policy::Action action;
  } cases[] = {
      {"给周末的游戏活动写一段推广文案。", policy::Action::kBlock},
      {"Write a promotion for our weekend GAMES", policy::Action::kBlock},
      {"售后的联系方式是什么？", policy::Action::kMask},
      {"实名登记怎么填？", policy::Action::kMask},
      {"请介绍赌博的危害。", policy::Action::kAllow},
      {"demo:long=500", policy::Action::kAllow},
      {"今天天气怎么样？", policy::Action::kAllow},
      {"How long is the river?", policy::Action::kAllow},
  };
  for (const auto& [question, action] : cases) {
    const std::string answer = HearWhole(Ask(question)).choices[0].content;
    policy::Judge judge(*bundle, subject, rules::Direction::kAnswer);
    ASSERT_TRUE(judge.JudgeText("", answer).ok());
    EXPECT_EQ(Name(judge.verdict().action), Name(action)) << question << "\n" << answer;
  }
}

}  // namespace
}  // namespace weir::gateway
