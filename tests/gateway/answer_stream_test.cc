// Streamed answers: golden cases, and the property that the product is about: for every word and
// every way to cut an answer, no byte of the word reaches the client and all clean text does.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/dialect.h"
#include "gateway/json.h"
#include "gateway/sse.h"
#include "tests/gateway/judging.h"
#include "tests/seed.h"

namespace weir::gateway {
namespace {

constexpr Dialect kDialect = Dialect::kOpenAiChat;
constexpr char kRequest[] =
    R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})";

// What an AnswerStream made of a stream.
struct Played {
  std::string out;
  std::string tail;
  absl::Status status;
  bool done = false;
};

AnswerStream::Options TestOptions() {
  AnswerStream::Options options;
  options.head.id = "chatcmpl-own";
  options.head.created = 77;
  options.head.model = "m";
  return options;
}

class Upstream {
 public:
  explicit Upstream(std::string request,
                    policy::RefusalStyle style = policy::RefusalStyle::kRefusal,
                    const policy::Bundle& bundle = TestBundle(),
                    const policy::Subject& subject = TestSubject())
      : request_text_(std::move(request)), style_(style), bundle_(bundle), subject_(subject) {
    auto decoded = DecodeRequest(kDialect, request_text_, JsonLimits{});
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    request_ = *std::move(decoded);
  }

  // Plays `pieces`, then the end of the body.
  Played Play(const std::vector<std::string_view>& pieces) const {
    policy::Judge judge(bundle_, subject_, rules::Direction::kAnswer);
    AnswerStream::Options options = TestOptions();
    options.refusal_style = style_;
    AnswerStream stream(kDialect, request_, judge, options);
    Played run;
    for (const std::string_view piece : pieces) {
      run.status = stream.Feed(piece, run.out);
      if (!run.status.ok() || stream.done()) break;
    }
    if (run.status.ok()) run.status = stream.Finish(run.out);
    run.tail = stream.tail();
    run.done = stream.done();
    return run;
  }

 private:
  std::string request_text_;
  policy::RefusalStyle style_;
  const policy::Bundle& bundle_;
  const policy::Subject& subject_;
  DecodedRequest request_;
};

std::vector<std::string> DataLines(std::string_view stream) {
  std::vector<std::string> lines;
  SseParser parser;
  EXPECT_TRUE(parser
                  .Feed(stream,
                        [&](const SseEvent& event) {
                          EXPECT_EQ(event.event, "");
                          lines.emplace_back(event.data);
                          return absl::OkStatus();
                        })
                  .ok());
  EXPECT_FALSE(parser.pending());
  return lines;
}

// "@ X" and "@u X" written out.
std::string Chunk(const std::string& line, const std::string& model) {
  if (line[0] != '@') return line;
  const bool usage = line[1] == 'u';
  return R"({"id":"up-1","object":"chat.completion.chunk","created":5,"model":")" + model +
         R"(","choices":[)" + line.substr(usage ? 3 : 2) + (usage ? R"(],"usage":null})" : "]}");
}

std::vector<std::string> Chunks(const std::vector<std::string>& lines, const std::string& model) {
  std::vector<std::string> chunks;
  for (const std::string& line : lines) chunks.push_back(Chunk(line, model));
  return chunks;
}

std::string Sse(const std::vector<std::string>& events) {
  std::string stream;
  for (const std::string& event : events) AppendSseData(stream, event);
  return stream;
}

TEST(AnswerStreamGolden, EveryCase) {
  const std::vector<GoldenCase> cases = ReadCases("cases/answer_stream.txt");
  ASSERT_GT(cases.size(), 35U);
  for (const GoldenCase& test : cases) {
    SCOPED_TRACE(test.name + " (line " + std::to_string(test.line) + ")");
    const std::string request = test.Line("request");
    const Upstream upstream(request.empty() ? kRequest : request,
                            test.Line("style") == "error" ? policy::RefusalStyle::kError
                                                          : policy::RefusalStyle::kRefusal);
    const std::string stream = Sse(Chunks(test.Section("upstream"), "upstream-model"));
    const Played run = upstream.Play({stream});
    EXPECT_THAT(DataLines(run.out), testing::ElementsAreArray(Chunks(test.Section("out"), "m")));
    EXPECT_THAT(DataLines(run.tail), testing::ElementsAreArray(Chunks(test.Section("tail"), "m")));
    const std::string status = test.Line("status");
    EXPECT_EQ(absl::StatusCodeToString(run.status.code()), status.empty() ? "OK" : status)
        << run.status;
    EXPECT_EQ(run.done, run.status.ok());

    // The transport's cuts change nothing.
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < stream.size(); ++i)
      bytes.push_back(std::string_view(stream).substr(i, 1));
    const Played cut = upstream.Play(bytes);
    EXPECT_EQ(cut.out, run.out);
    EXPECT_EQ(cut.tail, run.tail);
    EXPECT_EQ(cut.status, run.status);
  }
}

TEST(AnswerStream, FailureReleasesNothingHeld) {
  const Upstream upstream(kRequest);
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
  auto request = DecodeRequest(kDialect, kRequest, JsonLimits{});
  AnswerStream stream(kDialect, *request, judge, TestOptions());
  std::string out;
  EXPECT_FALSE(stream.released_anything());
  ASSERT_TRUE(
      stream.Feed(Sse({Chunk(R"(@ {"index":0,"delta":{"content":"走线上"}})", "m")}), out).ok());
  EXPECT_TRUE(stream.released_anything());
  EXPECT_THAT(out, testing::HasSubstr("走"));
  const size_t before = out.size();
  EXPECT_EQ(stream.Feed("data: \xFF\n\n", out).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(out.size(), before);
  ApiError error;
  error.message = "lost";
  const std::string end = stream.Fail(error);
  EXPECT_EQ(end,
            "data: {\"error\":{\"message\":\"lost\",\"type\":\"api_error\",\"param\":null,"
            "\"code\":null}}\n\n");
  EXPECT_TRUE(stream.done());
  EXPECT_EQ(stream.tail(), "");
  EXPECT_EQ(stream.text_bytes(), std::string("走线上").size());
}

TEST(AnswerStream, LimitsAnEvent) {
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
  auto request = DecodeRequest(kDialect, kRequest, JsonLimits{});
  AnswerStream::Options options = TestOptions();
  options.event_bytes_max = 100;
  AnswerStream stream(kDialect, *request, judge, options);
  std::string out;
  EXPECT_EQ(stream.Feed("data: " + std::string(200, 'a'), out).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(AnswerStream, TellsCountsAndUpstreamErrors) {
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
  auto request = DecodeRequest(kDialect, kRequest, JsonLimits{});
  AnswerStream stream(kDialect, *request, judge, TestOptions());
  std::string out;
  ASSERT_TRUE(stream
                  .Feed("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
                        "\"completion_tokens\":9}}\n\ndata: {\"error\":\"busy\"}\n\n",
                        out)
                  .ok());
  EXPECT_EQ(stream.usage().prompt_tokens, 7U);
  EXPECT_EQ(stream.usage().completion_tokens, 9U);
  ASSERT_TRUE(stream.upstream_error().has_value());
  EXPECT_EQ(stream.upstream_error()->message, "busy");
  EXPECT_TRUE(stream.done());
}

// What a client makes of a stream: per choice and field, everything that it was sent, joined.
struct Client {
  std::map<std::pair<int64_t, std::string>, std::string> texts;
  std::map<int64_t, std::string> finish_reasons;
  bool done = false;

  const std::string& Text(int64_t choice, const std::string& field) {
    return texts[{choice, field}];
  }
};

Client Receive(const Played& run) {
  Client client;
  for (const std::string& line : DataLines(run.out + run.tail)) {
    EXPECT_FALSE(client.done) << "an event behind the end";
    if (line == "[DONE]") {
      client.done = true;
      continue;
    }
    auto parsed = JsonDocument::Parse(line, JsonLimits{});
    EXPECT_TRUE(parsed.ok()) << parsed.status() << line;
    const JsonDocument& chunk = *parsed;
    const auto choice = chunk.FirstChild(chunk.Member(0, "choices"));
    const int64_t index = chunk.Integer(chunk.Member(choice, "index")).value_or(-1);
    EXPECT_EQ(client.finish_reasons.count(index), 0U) << "text behind the end of its choice";
    const auto delta = chunk.Member(choice, "delta");
    for (const char* field : {"content", "reasoning_content", "refusal"}) {
      const auto node = chunk.Member(delta, field);
      if (node != JsonDocument::kNone) client.texts[{index, field}] += chunk.String(node);
    }
    const auto calls = chunk.Member(delta, "tool_calls");
    if (calls != JsonDocument::kNone) {
      const auto function = chunk.Member(chunk.FirstChild(calls), "function");
      client.texts[{index, "arguments"}] += chunk.String(chunk.Member(function, "arguments"));
    }
    const auto reason = chunk.Member(choice, "finish_reason");
    if (!chunk.String(reason).empty()) client.finish_reasons[index] = chunk.String(reason);
  }
  return client;
}

// The characters of a text, as UTF-8.
std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U && !characters.empty()) {
      characters.back() += c;
    } else {
      characters.emplace_back(1, c);
    }
  }
  return characters;
}

// A JSON string of `text`, each character raw or escaped as chance has it.
std::string RandomJson(std::string_view text, std::mt19937_64& random) {
  std::string json = "\"";
  for (const std::string& character : Characters(text)) {
    std::string plain;
    AppendJsonString(plain, character);
    plain = plain.substr(1, plain.size() - 2);
    if (random() % 2 == 0 || plain[0] == '\\') {
      json += plain;
      continue;
    }
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
    uint32_t code = byte(0);
    if (character.size() == 2) code = (byte(0) & 0x1FU) << 6 | (byte(1) & 0x3FU);
    if (character.size() == 3) {
      code = (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    }
    if (character.size() == 4) {
      code = (byte(0) & 0x07U) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6 |
             (byte(3) & 0x3FU);
    }
    char escape[16];
    if (code >= 0x10000) {
      std::snprintf(escape, sizeof escape, "\\u%04x\\u%04X", 0xD800U + ((code - 0x10000U) >> 10),
                    0xDC00U + ((code - 0x10000U) & 0x3FFU));
    } else {
      std::snprintf(escape, sizeof escape, random() % 2 == 0 ? "\\u%04x" : "\\u%04X", code);
    }
    json += escape;
  }
  return json + "\"";
}

std::string DeltaEvent(int64_t index, std::string_view field, const std::string& json) {
  std::string event =
      "data: {\"id\":\"x\",\"created\":1,\"choices\":[{\"index\":" + std::to_string(index) +
      ",\"delta\":{";
  if (field == "arguments") {
    event +=
        "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":" +
        json + "}}]";
  } else {
    event += "\"" + std::string(field) + "\":" + json;
  }
  return event + "}}]}\n\n";
}

std::string FinishEvent(int64_t index) {
  return "data: {\"choices\":[{\"index\":" + std::to_string(index) +
         ",\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
}

// `text` in deltas of a random number of characters.
std::string RandomDeltas(int64_t index, std::string_view field, std::string_view text,
                         std::mt19937_64& random) {
  std::string stream;
  std::string delta;
  for (const std::string& character : Characters(text)) {
    delta += character;
    if (random() % 3 == 0) {
      stream += DeltaEvent(index, field, RandomJson(delta, random));
      delta.clear();
    }
  }
  if (!delta.empty()) stream += DeltaEvent(index, field, RandomJson(delta, random));
  return stream;
}

std::vector<std::string_view> RandomPieces(std::string_view stream, std::mt19937_64& random) {
  std::vector<std::string_view> pieces;
  const size_t most = 1 + random() % 60;
  for (size_t at = 0; at < stream.size();) {
    const size_t size = 1 + random() % most;
    pieces.push_back(stream.substr(at, size));
    at += size;
  }
  return pieces;
}

constexpr std::string_view kDone = "data: [DONE]\n\n";
// Text that begins no word of any pack and joins with none.
constexpr std::string_view kBefore = "ＡＢ・";
constexpr std::string_view kAfter = "・ＣＤ";

// One word with what happens to it when it stands between kBefore and kAfter.
struct Word {
  const policy::Bundle* bundle;
  const policy::Subject* subject;
  std::string text;
  std::string released;  // the whole answer, judged at once
  bool stopped = false;
};

void CollectWords(const rules::Matcher& matcher, std::set<std::string>& words) {
  for (const std::string& word : matcher.words) words.insert(word);
  for (const rules::Matcher& child : matcher.children) CollectWords(child, words);
}

void AddWords(const policy::Bundle& bundle, const policy::Subject& subject,
              std::vector<Word>& words) {
  std::set<std::string> texts = {"13812345678"};
  for (const rules::Pack& pack : bundle.rule_set().packs()) {
    for (const rules::Rule& rule : pack.rules) {
      if (rule.direction != rules::RuleDirection::kPrompt) CollectWords(rule.match, texts);
    }
  }
  for (const std::string& text : texts) {
    Word word{&bundle, &subject, text, "", false};
    const std::string whole = std::string(kBefore) + text + std::string(kAfter);
    policy::Judge judge(bundle, subject, rules::Direction::kAnswer);
    policy::Inspection inspection = judge.Open("/");
    EXPECT_TRUE(inspection.Feed(whole).ok() && inspection.Finish().ok());
    if (inspection.action() < policy::Action::kMask) continue;
    word.stopped = inspection.stopped();
    size_t at = 0;
    for (const policy::Edit& edit : inspection.TakeEdits()) {
      word.released += whole.substr(at, edit.start - at) + edit.replacement;
      at = edit.end;
    }
    word.released += whole.substr(at, inspection.releasable() - at);
    if (word.stopped) {
      word.released += "\n\n";
      word.released += judge.StandInText();
    }
    words.push_back(std::move(word));
  }
}

// The words of the test pack and of every pack that the product ships.
const std::vector<Word>& Words() {
  static const std::vector<Word> words = [] {
    std::vector<Word> all;
    AddWords(TestBundle(), TestSubject(), all);
    const std::string packs = std::string(WEIR_SOURCE_DIR) + "/rules/packs";
    if (std::filesystem::exists(packs)) {
      policy::BundleSources sources;
      sources.pack_paths = {packs};
      sources.profile_paths = {TestFile("gateway/data/profile.yaml")};
      std::vector<rules::Problem> problems;
      static const auto shipped = policy::Bundle::Load(sources, problems);
      for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
      if (shipped != nullptr) {
        static policy::Subject subject;
        subject.profile = shipped->FindProfile("test");
        AddWords(*shipped, subject, all);
      }
    }
    return all;
  }();
  return words;
}

// No byte of the word, in order, as a reader would see it: the first and every longer beginning.
void ExpectNoWord(const Word& word, const std::string& said) {
  const std::string before(kBefore);
  ASSERT_EQ(said.substr(0, before.size()), before);
  const std::string first = Characters(word.text).front();
  const std::string behind = said.substr(before.size());
  // A detector's mask keeps some of the number by design.
  if (word.text != "13812345678") {
    EXPECT_NE(behind.substr(0, first.size()), first);
  }
}

TEST(AnswerStreamProperty, WordsAreAsTheJudgeSays) {
  ASSERT_GE(Words().size(), 9U);
  for (const Word& word : Words()) {
    ExpectNoWord(word, word.released);
    if (!word.stopped) {
      EXPECT_THAT(word.released, testing::EndsWith(std::string(kAfter)));
    }
  }
}

TEST(AnswerStreamProperty, EveryWordAndEveryTransportCut) {
  std::mt19937_64 random(Seed());
  for (const Word& word : Words()) {
    const Upstream upstream(kRequest, policy::RefusalStyle::kRefusal, *word.bundle, *word.subject);
    const std::vector<std::string> characters = Characters(word.text);
    std::string stream;
    const auto add = [&](std::string_view text) {
      stream += DeltaEvent(0, "content", RandomJson(text, random));
    };
    // The word is cut at a random character; its second half is escaped as chance has it.
    const size_t cut = random() % (characters.size() + 1);
    std::string head, rest;
    for (size_t i = 0; i < characters.size(); ++i) (i < cut ? head : rest) += characters[i];
    add(std::string(kBefore) + head);
    add(rest);
    add(kAfter);
    stream += FinishEvent(0);
    stream += kDone;
    for (size_t at = 0; at <= stream.size(); ++at) {
      const std::string_view view = stream;
      const Played run = upstream.Play({view.substr(0, at), view.substr(at)});
      ASSERT_TRUE(run.status.ok()) << run.status;
      Client client = Receive(run);
      ASSERT_EQ(client.Text(0, "content"), word.released) << word.text << " cut at " << at;
      ASSERT_EQ(client.finish_reasons[0], word.stopped ? "content_filter" : "stop");
      ASSERT_TRUE(client.done);
    }
  }
}

TEST(AnswerStreamProperty, EveryWordInRandomDeltas) {
  std::mt19937_64 random(Seed());
  for (const Word& word : Words()) {
    const Upstream upstream(kRequest, policy::RefusalStyle::kRefusal, *word.bundle, *word.subject);
    for (int round = 0; round < 40; ++round) {
      const char* field = round % 4 == 0   ? "reasoning_content"
                          : round % 4 == 1 ? "refusal"
                                           : "content";
      const std::string text = std::string(kBefore) + word.text + std::string(kAfter);
      const std::string stream =
          RandomDeltas(0, field, text, random) + FinishEvent(0) + std::string(kDone);
      const Played run = upstream.Play(RandomPieces(stream, random));
      ASSERT_TRUE(run.status.ok()) << run.status;
      Client client = Receive(run);
      std::string said = client.Text(0, field);
      // Of other fields the stand-in stands alone, in the content.
      if (word.stopped && std::string_view(field) != "content") {
        said += "\n\n" + client.Text(0, "content");
      }
      ASSERT_EQ(said, word.released) << word.text << " in " << field;
    }
  }
}

TEST(AnswerStreamProperty, EveryWordInArgumentsWithInnerEscapes) {
  std::mt19937_64 random(Seed());
  for (const Word& word : Words()) {
    const Upstream upstream(kRequest, policy::RefusalStyle::kRefusal, *word.bundle, *word.subject);
    for (int round = 0; round < 20; ++round) {
      const std::string text = std::string(kBefore) + word.text + std::string(kAfter);
      // Escaped inside by chance, then cut anywhere between ASCII characters or whole ones.
      const std::string arguments = "{\"q\":" + RandomJson(text, random) + "}";
      const std::string stream =
          RandomDeltas(0, "arguments", arguments, random) + FinishEvent(0) + std::string(kDone);
      const Played run = upstream.Play(RandomPieces(stream, random));
      ASSERT_TRUE(run.status.ok()) << run.status;
      Client client = Receive(run);
      std::string said = client.Text(0, "arguments");
      if (word.stopped) {
        said += "\"}";
        ASSERT_EQ(client.Text(0, "content") + "!",
                  word.released.substr(word.released.find("\n\n") + 2) + "!");
      }
      const auto parsed = JsonDocument::Parse(said, JsonLimits{});
      ASSERT_TRUE(parsed.ok()) << parsed.status() << said;
      const std::string_view value = parsed->String(parsed->Member(0, "q"));
      ASSERT_EQ(value, word.released.substr(
                           0, word.stopped ? word.released.find("\n\n") : std::string::npos))
          << word.text << " in " << arguments;
    }
  }
}

TEST(AnswerStreamProperty, InterleavedChoicesAreJudgedApart) {
  std::mt19937_64 random(Seed());
  const std::string request =
      R"({"model":"m","stream":true,"n":2,"messages":[{"role":"user","content":"hi"}]})";
  const std::vector<Word>& words = Words();
  for (int round = 0; round < 400; ++round) {
    const Word& first = words[random() % words.size()];
    const Upstream upstream(request, policy::RefusalStyle::kRefusal, *first.bundle, *first.subject);
    // The other choice has the word's halves apart and thus no word, or the word itself.
    const bool both = random() % 2 == 0;
    const std::string text = std::string(kBefore) + first.text + std::string(kAfter);
    const std::string other = both ? text : std::string(kBefore) + std::string(kAfter);
    std::vector<std::string> queues[2];
    for (int i = 0; i < 2; ++i) {
      for (const std::string& character : Characters(i == 0 ? text : other)) {
        queues[i].push_back(DeltaEvent(i, "content", RandomJson(character, random)));
      }
      queues[i].push_back(FinishEvent(i));
    }
    std::string stream;
    size_t at[2] = {0, 0};
    while (at[0] < queues[0].size() || at[1] < queues[1].size()) {
      const size_t pick = random() % 2;
      if (at[pick] < queues[pick].size()) stream += queues[pick][at[pick]++];
    }
    stream += kDone;
    const Played run = upstream.Play(RandomPieces(stream, random));
    ASSERT_TRUE(run.status.ok()) << run.status;
    Client client = Receive(run);
    ASSERT_EQ(client.Text(0, "content"), first.released) << first.text;
    ASSERT_EQ(client.Text(1, "content"), both ? first.released : other) << first.text;
    ASSERT_TRUE(client.done);
    ASSERT_EQ(client.finish_reasons.size(), 2U);
  }
}

}  // namespace
}  // namespace weir::gateway
