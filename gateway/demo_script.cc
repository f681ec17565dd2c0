#include "gateway/demo_script.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <span>

#include <openssl/sha.h>

#include "gateway/json.h"

namespace weir::gateway {
namespace {

using Node = JsonDocument::Node;
using Type = JsonDocument::Type;

constexpr int kChoicesMax = 16;
constexpr size_t kQuoteCharactersMax = 500;
constexpr int64_t kCreated = 1'764'000'000;  // The model has no clock: its answers repeat.

// Bytes of the character at the beginning of valid UTF-8.
size_t CharacterBytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// Bytes of the first `count` characters.
size_t PrefixBytes(std::string_view text, size_t count) {
  size_t bytes = 0;
  for (; count > 0 && bytes < text.size(); --count) bytes += CharacterBytes(text.substr(bytes));
  return bytes;
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// `text` in pieces of `count` characters each; 0: in one.
std::vector<std::string_view> Cut(std::string_view text, size_t count) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t bytes = count == 0 ? text.size() : PrefixBytes(text, count);
    pieces.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return pieces;
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool HasHan(std::string_view text) {
  // Every Han character of daily use is U+4E00..U+9FFF: lead bytes E4 to E9.
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xE4 && byte <= 0xE9;
  });
}

// JSON in which everything that is not ASCII is written as \uXXXX. Outside strings JSON is ASCII.
std::string EscapeNonAscii(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const size_t bytes = CharacterBytes(json);
    if (bytes == 1) {
      out += json[0];
    } else {
      uint32_t code = static_cast<unsigned char>(json[0]) & (0x7FU >> bytes);
      for (size_t i = 1; i < bytes; ++i) {
        code = (code << 6) | (static_cast<unsigned char>(json[i]) & 0x3FU);
      }
      char buffer[16];
      if (code < 0x10000) {
        std::snprintf(buffer, sizeof(buffer), "\\u%04x", code);
      } else {
        std::snprintf(buffer, sizeof(buffer), "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                      0xDC00 + (code & 0x3FF));
      }
      out += buffer;
    }
    json.remove_prefix(bytes);
  }
  return out;
}

std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

struct ChatRequest {
  std::string id;  // of the answer: decided by the request's bytes
  std::string model;
  std::string question;     // the last message of the user
  std::string tool_result;  // the last message, when a tool sent it
  bool has_tool_result = false;
  std::string tool;                         // name of the first tool that is offered
  std::vector<std::string> tool_arguments;  // its properties that are strings
  uint64_t prompt_characters = 0;
  int choices = 1;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
};

// JsonDocument::Member for an object that may be absent.
Node Member(const JsonDocument& json, Node object, std::string_view key) {
  return object == JsonDocument::kNone ? object : json.Member(object, key);
}

Node FirstChild(const JsonDocument& json, Node node) {
  return node == JsonDocument::kNone ? node : json.FirstChild(node);
}

std::string StringMember(const JsonDocument& json, Node object, std::string_view key) {
  const Node value = Member(json, object, key);
  if (value == JsonDocument::kNone || json.type(value) != Type::kString) return "";
  return std::string(json.String(value));
}

bool IsTrue(const JsonDocument& json, Node object, std::string_view key) {
  const Node value = Member(json, object, key);
  return value != JsonDocument::kNone && json.type(value) == Type::kTrue;
}

// A message's content: a string, or the text parts of an array.
std::string MessageText(const JsonDocument& json, Node message) {
  const Node content = Member(json, message, "content");
  if (content == JsonDocument::kNone) return "";
  if (json.type(content) == Type::kString) return std::string(json.String(content));
  std::string text;
  for (Node part = json.FirstChild(content); part != JsonDocument::kNone; part = json.Next(part)) {
    text += StringMember(json, part, "text");
  }
  return text;
}

void ReadMessages(const JsonDocument& json, Node messages, ChatRequest& request) {
  for (Node message = json.FirstChild(messages); message != JsonDocument::kNone;
       message = json.Next(message)) {
    const std::string role = StringMember(json, message, "role");
    std::string text = MessageText(json, message);
    request.prompt_characters += Characters(text);
    request.has_tool_result = role == "tool";
    if (role == "user") {
      request.question = std::move(text);
    } else if (role == "tool") {
      request.tool_result = std::move(text);
    }
  }
}

void ReadTools(const JsonDocument& json, ChatRequest& request) {
  if (StringMember(json, 0, "tool_choice") == "none") return;
  const Node tool = FirstChild(json, Member(json, 0, "tools"));
  const Node function = Member(json, tool, "function");
  request.tool = StringMember(json, function, "name");
  const Node properties = Member(json, Member(json, function, "parameters"), "properties");
  for (Node property = FirstChild(json, properties); property != JsonDocument::kNone;
       property = json.Next(property)) {
    if (StringMember(json, property, "type") == "string") {
      request.tool_arguments.emplace_back(json.Key(property));
    }
  }
}

std::string AnswerId(std::string_view body) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data());
  std::string id = "chatcmpl-demo-";
  for (size_t i = 0; i < 8; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof(hex), "%02x", digest[i]);
    id += hex;
  }
  return id;
}

absl::StatusOr<ChatRequest> ReadChatRequest(std::string_view body) {
  absl::StatusOr<JsonDocument> parsed = JsonDocument::Parse(body, JsonLimits());
  if (!parsed.ok()) return parsed.status();
  const JsonDocument& json = *parsed;
  ChatRequest request;
  request.id = AnswerId(body);
  request.model = StringMember(json, 0, "model");
  if (request.model.empty())
    return absl::InvalidArgumentError("you must provide a model parameter");
  const Node messages = json.Member(0, "messages");
  if (messages == JsonDocument::kNone || json.type(messages) != Type::kArray ||
      json.FirstChild(messages) == JsonDocument::kNone) {
    return absl::InvalidArgumentError("messages must be a list of at least one message");
  }
  ReadMessages(json, messages, request);
  ReadTools(json, request);
  const Node n = json.Member(0, "n");
  if (n != JsonDocument::kNone && json.type(n) != Type::kNull) {
    const int64_t choices = json.Integer(n).value_or(0);
    if (choices < 1 || choices > kChoicesMax) {
      return absl::InvalidArgumentError("n must be an integer from 1 to 16");
    }
    request.choices = static_cast<int>(choices);
  }
  request.stream = IsTrue(json, 0, "stream");
  request.logprobs = IsTrue(json, 0, "logprobs");
  request.include_usage = IsTrue(json, Member(json, 0, "stream_options"), "include_usage");
  return request;
}

struct Markers {
  std::optional<std::string> echo;
  std::optional<uint32_t> long_characters;
  std::optional<uint32_t> status;
  uint32_t cut = 1;
  uint32_t write_bytes = 0;
  uint32_t pause_ms = 0;
  bool reasoning = false, refusal = false, length = false, filter = false, escape = false;
  bool hang = false, stall = false, die = false, no_done = false, garbage = false;

  // Sends only half of the answer.
  bool half() const { return length || filter || stall || die; }
};

constexpr struct {
  std::string_view name;
  bool Markers::*flag;
} kFlags[] = {
    {"reasoning", &Markers::reasoning}, {"refusal", &Markers::refusal},
    {"length", &Markers::length},       {"filter", &Markers::filter},
    {"escape", &Markers::escape},       {"hang", &Markers::hang},
    {"stall", &Markers::stall},         {"die", &Markers::die},
    {"no-done", &Markers::no_done},     {"garbage", &Markers::garbage},
};

// Sets the marker `name`; an unknown one is only text.
void SetMarker(std::string_view name, std::optional<uint32_t> value, Markers& markers) {
  if (name == "long") markers.long_characters = std::min(value.value_or(1000), 1'000'000U);
  if (name == "status") markers.status = std::clamp(value.value_or(500), 400U, 599U);
  if (name == "cut") markers.cut = value.value_or(1);
  if (name == "bytes") markers.write_bytes = value.value_or(1);
  if (name == "slow") markers.pause_ms = std::min(value.value_or(100), 10'000U);
  for (const auto& [flag_name, flag] : kFlags) {
    if (name == flag_name) markers.*flag = true;
  }
}

Markers ReadMarkers(std::string_view question) {
  constexpr std::string_view kPrefix = "demo:";
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz-";
  Markers markers;
  for (size_t at = question.find(kPrefix); at != std::string_view::npos;
       at = question.find(kPrefix, at)) {
    at += kPrefix.size();
    const size_t end = std::min(question.find_first_not_of(kLetters, at), question.size());
    const std::string_view name = question.substr(at, end - at);
    at = end;
    if (name == "echo") {
      markers.echo = question.substr(std::min(at + 1, question.size()));
      return markers;
    }
    std::optional<uint32_t> value;
    if (at < question.size() && question[at] == '=') {
      uint32_t number = 0;
      const auto [stop, error] =
          std::from_chars(question.data() + at + 1, question.data() + question.size(), number);
      if (error == std::errc()) value = number;
      at = static_cast<size_t>(stop - question.data());
    }
    SetMarker(name, value, markers);
  }
  return markers;
}

// A question that has an answer of its own: it contains one word of `first` and, unless that list
// is empty, one of `second`.
struct Topic {
  std::span<const std::string_view> first;
  std::span<const std::string_view> second;
  std::string_view answer;
};

constexpr std::string_view kWeekend[] = {"周末", "weekend"};
constexpr std::string_view kGames[] = {"游戏", "活动", "推广", "文案", "game", "promotion"};
constexpr std::string_view kBetting[] = {"反赌", "禁赌", "赌博的危害", "why gambling"};
constexpr std::string_view kRegister[] = {"身份证", "实名", "id card"};
constexpr std::string_view kContact[] = {"联系", "电话", "客服", "contact", "phone"};

constexpr std::string_view kPromotionAnswer =
    "好的，这是周末游戏活动的推广文案：\n"
    "周末不打烊，好友齐上阵！组队闯关有好礼，连续登录送皮肤。\n"
    "觉得不过瘾？线上赌场开户就送彩金，真人荷官在线发牌，提现秒到账，"
    "现在注册首存再送百分之百。";
constexpr std::string_view kBettingAnswer =
    "警方打击网络赌博的专项行动一直在进行。禁赌宣传里常说：十赌九输，"
    "网络赌博的赔率由后台操纵，参与者不但会输光积蓄，还可能触犯法律。发现线索请向公安机关举报。";
constexpr std::string_view kRegisterAnswer =
    "可以参考这份登记样例：姓名 张三，身份证号 11010519491231002X，"
    "住址 北京市朝阳区。正式办理时请本人携带证件到窗口。";
constexpr std::string_view kContactAnswer =
    "您可以直接找负责这件事的王经理，手机号是13812345678，工作日九点到十八点都在。"
    "如果没有接通，请留言，他会回电。";

// The first that fits answers.
constexpr Topic kTopics[] = {
    {kWeekend, kGames, kPromotionAnswer},
    {kBetting, {}, kBettingAnswer},
    {kRegister, {}, kRegisterAnswer},
    {kContact, {}, kContactAnswer},
};

bool ContainsAny(std::string_view text, std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

std::string Quote(std::string_view question) {
  const size_t bytes = PrefixBytes(question, kQuoteCharactersMax);
  return std::string(question.substr(0, bytes)) + (bytes < question.size() ? "…" : "");
}

std::string LongText(uint32_t characters) {
  constexpr std::string_view kSentence =
      "清晨的河水慢慢流过堤坝，老人坐在岸边看书，孩子们沿着小路跑向学校。";
  std::string text;
  const size_t sentence = Characters(kSentence);
  size_t left = characters;
  for (; left >= sentence; left -= sentence) text += kSentence;
  text += kSentence.substr(0, PrefixBytes(kSentence, left));
  return text;
}

std::string Answer(const ChatRequest& request, const Markers& markers) {
  if (markers.echo.has_value()) return *markers.echo;
  if (markers.long_characters.has_value()) return LongText(*markers.long_characters);
  if (request.has_tool_result) return "工具返回的结果是：「" + Quote(request.tool_result) + "」。";
  const std::string question = LowerAscii(request.question);
  for (const Topic& topic : kTopics) {
    if (!ContainsAny(question, topic.first)) continue;
    if (topic.second.empty() || ContainsAny(question, topic.second)) {
      return std::string(topic.answer);
    }
  }
  if (!HasHan(request.question)) {
    return "You wrote: \"" + Quote(request.question) +
           "\" I am the built-in demonstration model: I work offline and always answer the same "
           "question in the same words.";
  }
  return "您的问题是：「" + Quote(request.question) +
         "」我是内置的演示模型，不连接网络，对同样的问题总是给出同样的回答。";
}

struct Choice {
  std::string reasoning;
  std::string text;  // content, or refusal
  bool refusal = false;
  std::string tool_arguments;  // JSON; the answer is a tool call when not empty
  std::string finish = "stop";
};

std::string ToolArguments(const ChatRequest& request) {
  std::vector<std::string> names = request.tool_arguments;
  if (names.empty()) names = {"input"};
  std::string json = "{";
  for (const std::string& name : names) {
    if (json.size() > 1) json += ',';
    json += JsonString(name) + ":" + JsonString(Quote(request.question));
  }
  return json + "}";
}

std::vector<Choice> MakeChoices(const ChatRequest& request, const Markers& markers) {
  std::vector<Choice> choices(static_cast<size_t>(request.choices));
  const bool call = !request.tool.empty() && !request.has_tool_result && !markers.echo.has_value();
  const std::string answer = Answer(request, markers);
  for (size_t i = 0; i < choices.size(); ++i) {
    Choice& choice = choices[i];
    if (markers.reasoning) {
      choice.reasoning = "用户的问题是：「" + Quote(request.question) + "」先想清楚要点，再作答。";
    }
    if (call) {
      choice.tool_arguments = ToolArguments(request);
      choice.finish = "tool_calls";
      continue;
    }
    choice.refusal = markers.refusal;
    choice.text = answer;
    // A second choice says the same in other words: that it is another one.
    if (i > 0) choice.text = "（第" + std::to_string(i + 1) + "种说法）" + answer;
    if (markers.half()) {
      choice.text.resize(PrefixBytes(choice.text, Characters(choice.text) / 2));
      choice.finish = markers.filter ? "content_filter" : "length";
    }
  }
  return choices;
}

std::string UsageJson(const ChatRequest& request, const std::vector<Choice>& choices) {
  uint64_t completion = 0;
  for (const Choice& choice : choices) {
    completion +=
        Characters(choice.reasoning) + Characters(choice.text) + Characters(choice.tool_arguments);
  }
  return "{\"prompt_tokens\":" + std::to_string(request.prompt_characters) +
         ",\"completion_tokens\":" + std::to_string(completion) +
         ",\"total_tokens\":" + std::to_string(request.prompt_characters + completion) + "}";
}

// null, or one token for each character.
std::string LogprobsJson(bool wanted, std::string_view text, bool refusal) {
  if (!wanted || text.empty()) return "null";
  std::string tokens;
  for (const std::string_view token : Cut(text, 1)) {
    if (!tokens.empty()) tokens += ',';
    tokens += "{\"token\":" + JsonString(token) + ",\"logprob\":-0.25,\"bytes\":[";
    for (size_t i = 0; i < token.size(); ++i) {
      if (i > 0) tokens += ',';
      tokens += std::to_string(static_cast<unsigned char>(token[i]));
    }
    tokens += "],\"top_logprobs\":[]}";
  }
  return refusal ? "{\"content\":null,\"refusal\":[" + tokens + "]}"
                 : "{\"content\":[" + tokens + "],\"refusal\":null}";
}

std::string ToolCallJson(const ChatRequest& request, std::string_view arguments) {
  return "\"id\":\"call_demo_0\",\"type\":\"function\",\"function\":{\"name\":" +
         JsonString(request.tool) + ",\"arguments\":" + JsonString(arguments) + "}";
}

std::string MessageJson(const ChatRequest& request, const Choice& choice) {
  std::string json = "{\"role\":\"assistant\"";
  if (!choice.reasoning.empty()) json += ",\"reasoning_content\":" + JsonString(choice.reasoning);
  const bool call = !choice.tool_arguments.empty();
  json += ",\"content\":" + (call || choice.refusal ? "null" : JsonString(choice.text));
  json += ",\"refusal\":" + (choice.refusal ? JsonString(choice.text) : "null");
  if (call) json += ",\"tool_calls\":[{" + ToolCallJson(request, choice.tool_arguments) + "}]";
  return json + "}";
}

std::string HeadJson(const ChatRequest& request, std::string_view object) {
  return "{\"id\":" + JsonString(request.id) + ",\"object\":" + JsonString(object) +
         ",\"created\":" + std::to_string(kCreated) + ",\"model\":" + JsonString(request.model);
}

std::string CompletionJson(const ChatRequest& request, const std::vector<Choice>& choices) {
  std::string json = HeadJson(request, "chat.completion") + ",\"choices\":[";
  for (size_t i = 0; i < choices.size(); ++i) {
    const Choice& choice = choices[i];
    if (i > 0) json += ',';
    json += "{\"index\":" + std::to_string(i) + ",\"message\":" + MessageJson(request, choice) +
            ",\"logprobs\":" + LogprobsJson(request.logprobs, choice.text, choice.refusal) +
            ",\"finish_reason\":" + JsonString(choice.finish) + "}";
  }
  return json + "],\"usage\":" + UsageJson(request, choices) + "}";
}

std::string ChunkJson(const ChatRequest& request, size_t index, std::string_view delta,
                      std::string_view logprobs, std::string_view finish) {
  std::string json = HeadJson(request, "chat.completion.chunk");
  json += ",\"choices\":[{\"index\":" + std::to_string(index) + ",\"delta\":{";
  json.append(delta).append("},\"logprobs\":").append(logprobs);
  json += ",\"finish_reason\":" + (finish.empty() ? "null" : JsonString(finish)) + "}]";
  return json + (request.include_usage ? ",\"usage\":null}" : "}");
}

// The deltas of one choice, in order, without its last chunk.
std::vector<std::string> ChoiceChunks(const ChatRequest& request, const Choice& choice,
                                      size_t index, size_t cut) {
  std::vector<std::string> chunks;
  const auto add = [&](const std::string& delta, std::string_view logprobs) {
    chunks.push_back(ChunkJson(request, index, delta, logprobs, ""));
  };
  add("\"role\":\"assistant\",\"content\":\"\"", "null");
  for (const std::string_view piece : Cut(choice.reasoning, cut)) {
    add("\"reasoning_content\":" + JsonString(piece), "null");
  }
  const std::string key = choice.refusal ? "\"refusal\":" : "\"content\":";
  for (const std::string_view piece : Cut(choice.text, cut)) {
    add(key + JsonString(piece), LogprobsJson(request.logprobs, piece, choice.refusal));
  }
  if (choice.tool_arguments.empty()) return chunks;
  add("\"tool_calls\":[{\"index\":0," + ToolCallJson(request, "") + "}]", "null");
  for (const std::string_view piece : Cut(choice.tool_arguments, cut)) {
    add("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":" + JsonString(piece) + "}}]",
        "null");
  }
  return chunks;
}

// The stream's events as JSON, the choices' chunks taking turns.
std::vector<std::string> StreamEvents(const ChatRequest& request,
                                      const std::vector<Choice>& choices, const Markers& markers) {
  std::vector<std::vector<std::string>> by_choice;
  size_t longest = 0;
  for (size_t i = 0; i < choices.size(); ++i) {
    by_choice.push_back(ChoiceChunks(request, choices[i], i, markers.cut));
    longest = std::max(longest, by_choice.back().size());
  }
  std::vector<std::string> events;
  for (size_t turn = 0; turn < longest; ++turn) {
    for (const std::vector<std::string>& chunks : by_choice) {
      if (turn < chunks.size()) events.push_back(chunks[turn]);
    }
  }
  if (markers.garbage)
    events.insert(events.begin() + static_cast<ptrdiff_t>(events.size() / 2), "{not json");
  if (markers.no_done || markers.die || markers.stall) return events;
  for (size_t i = 0; i < choices.size(); ++i) {
    events.push_back(ChunkJson(request, i, "", "null", choices[i].finish));
  }
  if (request.include_usage) {
    events.push_back(HeadJson(request, "chat.completion.chunk") +
                     ",\"choices\":[],\"usage\":" + UsageJson(request, choices) + "}");
  }
  events.emplace_back("[DONE]");
  return events;
}

DemoReply JsonReply(int status, std::string body) {
  DemoReply reply;
  reply.head.status = status;
  reply.head.fields = {{"content-type", "application/json"}};
  reply.writes = {std::move(body)};
  return reply;
}

// The same bytes, written `bytes` at a time.
std::vector<std::string> Recut(const std::vector<std::string>& writes, size_t bytes) {
  std::string all;
  for (const std::string& write : writes) all += write;
  std::vector<std::string> pieces;
  for (size_t at = 0; at < all.size(); at += bytes) pieces.push_back(all.substr(at, bytes));
  return pieces;
}

DemoReply StreamReply(const ChatRequest& request, const std::vector<Choice>& choices,
                      const Markers& markers) {
  DemoReply reply;
  reply.head.fields = {{"content-type", "text/event-stream"}, {"cache-control", "no-cache"}};
  reply.chunked = true;
  for (const std::string& event : StreamEvents(request, choices, markers)) {
    reply.writes.push_back("data: " + (markers.escape ? EscapeNonAscii(event) : event) + "\n\n");
  }
  return reply;
}

DemoReply WholeReply(const ChatRequest& request, const std::vector<Choice>& choices,
                     const Markers& markers) {
  std::string body = CompletionJson(request, choices);
  if (markers.escape) body = EscapeNonAscii(body);
  if (markers.garbage) body = "{not json";
  if (markers.die || markers.stall) body.resize(body.size() / 2);
  DemoReply reply = JsonReply(200, std::move(body));
  reply.chunked = markers.die || markers.stall || markers.write_bytes > 0;
  return reply;
}

}  // namespace

DemoReply ReplyToChat(std::string_view body) {
  const absl::StatusOr<ChatRequest> request = ReadChatRequest(body);
  if (!request.ok()) return ReplyWithError(400, std::string(request.status().message()));
  const Markers markers = ReadMarkers(request->question);
  if (markers.status.has_value()) {
    DemoReply reply = ReplyWithError(static_cast<int>(*markers.status),
                                     "The demonstration model was asked for this error.");
    if (*markers.status == 429) reply.head.fields.emplace_back("retry-after", "1");
    return reply;
  }
  const std::vector<Choice> choices = MakeChoices(*request, markers);
  DemoReply reply = request->stream ? StreamReply(*request, choices, markers)
                                    : WholeReply(*request, choices, markers);
  if (markers.write_bytes > 0) reply.writes = Recut(reply.writes, markers.write_bytes);
  if (markers.hang) reply.writes.clear();
  reply.pause = std::chrono::milliseconds(markers.pause_ms);
  if (markers.hang || markers.stall) reply.end = DemoReply::End::kHang;
  if (markers.die) reply.end = DemoReply::End::kDrop;
  return reply;
}

DemoReply ReplyWithModels() {
  std::string body = "{\"object\":\"list\",\"data\":[";
  for (const std::string_view model : {"demo", "qwen-plus"}) {
    if (body.back() == '}') body += ',';
    body += "{\"id\":" + JsonString(model) +
            ",\"object\":\"model\",\"created\":" + std::to_string(kCreated) +
            ",\"owned_by\":\"weir\"}";
  }
  return JsonReply(200, body + "]}");
}

DemoReply ReplyWithError(int status, std::string_view message) {
  const std::string_view type = status == 429   ? "rate_limit_error"
                                : status >= 500 ? "server_error"
                                                : "invalid_request_error";
  const std::string_view code = status == 429 ? "\"rate_limit_exceeded\"" : "null";
  return JsonReply(status, "{\"error\":{\"message\":" + JsonString(message) +
                               ",\"type\":" + JsonString(type) +
                               ",\"param\":null,\"code\":" + std::string(code) + "}}");
}

}  // namespace weir::gateway
