// Answers of /v1/chat/completions that come whole, refusals and errors.
#include <algorithm>
#include <iterator>
#include <utility>

#include <absl/strings/ascii.h>

#include "gateway/openai_chat.h"
#include "rules/status_macros.h"

namespace weir::gateway::openai_chat {
namespace {

using Node = JsonDocument::Node;
using Type = JsonDocument::Type;
constexpr Node kNone = JsonDocument::kNone;

// Sorted.
// clang-format off
constexpr std::string_view kAnswerKeys[] = {
    "accepted_prediction_tokens", "annotations", "arguments", "audio", "audio_tokens", "bytes",
    "cached_tokens", "choices", "code", "completion_tokens", "completion_tokens_details", "content",
    "created", "custom", "data", "delta", "end_index", "error", "expires_at", "finish_reason",
    "function", "function_call", "id", "index", "input", "logprob", "logprobs", "message", "model",
    "name", "obfuscation", "object", "param", "prompt_tokens", "prompt_tokens_details", "reasoning",
    "reasoning_content", "reasoning_tokens", "refusal", "rejected_prediction_tokens", "role",
    "service_tier", "start_index", "system_fingerprint", "text_tokens", "title", "token",
    "tool_calls", "top_logprobs", "total_tokens", "transcript", "type", "url", "url_citation",
    "usage"};
// clang-format on

constexpr bool IsSorted() {
  for (size_t i = 1; i < std::size(kAnswerKeys); ++i) {
    if (!(kAnswerKeys[i - 1] < kAnswerKeys[i])) return false;
  }
  return true;
}
static_assert(IsSorted());

bool IsAnswerKey(std::string_view key) {
  return std::binary_search(std::begin(kAnswerKeys), std::end(kAnswerKeys), key);
}

bool IsBase64(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '=';
}

// For an error of the upstream that says nothing of itself.
ApiError GeneralError(int status) {
  ApiError error;
  error.status = status;
  error.type = status < 500 ? "invalid_request_error" : "server_error";
  error.message = "The model's provider answered with status " + std::to_string(status) + ".";
  return error;
}

absl::Status Invalid(const std::string& reason) {
  return absl::InvalidArgumentError("the upstream's answer is not a chat completion: " + reason);
}

void AppendMember(std::string& out, std::string_view key, std::string_view text) {
  out += '"';
  out += key;
  out += "\":";
  if (text.empty()) {
    out += "null";
  } else {
    AppendJsonString(out, text);
  }
}

// The head of a completion or of its chunks, up to its choices.
std::string Head(const AnswerHead& head, std::string_view object) {
  std::string out = "{\"id\":";
  AppendJsonString(out, head.id);
  out += ",\"object\":";
  AppendJsonString(out, object);
  out += ",\"created\":" + std::to_string(head.created) + ",\"model\":";
  AppendJsonString(out, head.model);
  out += ",\"choices\":[";
  return out;
}

// A choice that was stopped, or never asked for.
std::string StandInChoice(int64_t index, std::string_view text) {
  std::string out =
      "{\"index\":" + std::to_string(index) + R"(,"message":{"role":"assistant","content":)";
  AppendJsonString(out, text);
  out += R"(,"refusal":null},"logprobs":null,"finish_reason":"content_filter"})";
  return out;
}

// Sound with nothing beside it in which text could hide; its transcript is judged elsewhere.
bool IsPlainAudio(const JsonDocument& document, Node audio) {
  if (document.type(audio) != Type::kObject) return false;
  for (Node node = document.FirstChild(audio); node != kNone; node = document.Next(node)) {
    const std::string_view key = document.Key(node);
    const std::string_view text = document.String(node);
    const bool plain = key == "id"     ? IsToken(text)
                       : key == "data" ? std::all_of(text.begin(), text.end(), IsBase64)
                                       : key == "transcript" || key == "expires_at";
    if (!plain) return false;
  }
  return true;
}

// Judges one whole answer and collects what has to be changed in it.
class AnswerReader {
 public:
  AnswerReader(const JsonDocument& document, const DecodedRequest& request, policy::Judge& judge)
      : document_(document), request_(request), judge_(judge), texts_(judge) {}

  absl::Status Read();
  // In document order.
  std::vector<Splice> TakeSplices();
  uint64_t text_bytes() const { return texts_.text_bytes(); }

 private:
  struct StoppedChoice {
    Node node;
    int64_t index;
  };

  absl::Status ReadTopLevel(Node node);
  absl::Status ReadChoices(Node choices);
  absl::Status ReadChoice(Node choice);
  absl::Status ReadMessage(Node message, const std::string& pointer);
  absl::Status ReadToolCalls(Node calls, const std::string& pointer);
  absl::Status ReadCall(Node call, const std::string& pointer);
  absl::Status ReadText(Node node, const std::string& pointer);
  absl::Status ReadUnknown(Node node, const std::string& pointer);
  absl::Status ReadLogprobs(Node choice, const std::string& pointer);
  // A field whose value is replaced unless it is what it should be.
  void Require(Node node, bool as_it_should_be, std::string_view json);
  void Put(Node node, std::string json);
  void DropAudio(Node message);

  const JsonDocument& document_;
  const DecodedRequest& request_;
  policy::Judge& judge_;
  WholeTexts texts_;
  std::vector<Splice> splices_;
  std::vector<StoppedChoice> stopped_;
  bool all_stopped_ = false;
};

void AnswerReader::Put(Node node, std::string json) {
  const size_t begin = document_.Begin(node);
  texts_.splices().push_back({begin, begin + document_.Bytes(node).size(), std::move(json)});
}

void AnswerReader::Require(Node node, bool as_it_should_be, std::string_view json) {
  if (!as_it_should_be) Put(node, std::string(json));
}

absl::Status AnswerReader::Read() {
  if (document_.type(0) != Type::kObject) return Invalid("it is not an object");
  const Node choices = document_.Member(0, "choices");
  if (!document_.Is(choices, Type::kArray) || document_.FirstChild(choices) == kNone) {
    return Invalid("it has no choices");
  }
  for (Node node = document_.FirstChild(0); node != kNone; node = document_.Next(node)) {
    texts_.Clear();
    if (node == choices) {
      WEIR_RETURN_IF_ERROR(ReadChoices(node));
      continue;
    }
    WEIR_RETURN_IF_ERROR(ReadTopLevel(node));
    if (texts_.stopped()) {
      all_stopped_ = true;
      texts_.Clear();
      Put(node, "null");
    }
    std::move(texts_.splices().begin(), texts_.splices().end(), std::back_inserter(splices_));
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadTopLevel(Node node) {
  const std::string_view key = document_.Key(node);
  const std::string_view text = document_.String(node);
  if (key == "id") {
    Require(node, IsToken(text), R"("chatcmpl-0")");
  } else if (key == "object") {
    Require(node, text == "chat.completion", R"("chat.completion")");
  } else if (key == "model") {
    std::string model;
    AppendJsonString(model, request_.model);
    Require(node, text == request_.model, model);
  } else if (key == "system_fingerprint") {
    Require(node, IsToken(text), "null");
  } else if (key == "service_tier") {
    Require(node, IsServiceTier(text), "null");
  } else {
    return ReadUnknown(node, "");
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadUnknown(Node node, const std::string& pointer) {
  const std::string_view key = document_.Key(node);
  std::string below = pointer;
  AppendPointer(below, key);
  if (!IsAnswerKey(key)) WEIR_RETURN_IF_ERROR(texts_.Name(key, below + "#key"));
  return texts_.Tree(document_, node, std::move(below), kAnswerKeys);
}

absl::Status AnswerReader::ReadChoices(Node choices) {
  std::vector<bool> seen(static_cast<size_t>(request_.choices), false);
  for (Node choice = document_.FirstChild(choices); choice != kNone;
       choice = document_.Next(choice)) {
    const Node index_node = document_.Member(choice, "index");
    const std::optional<int64_t> index =
        index_node == kNone ? std::nullopt : document_.Integer(index_node);
    if (!index.has_value() || *index < 0 || *index >= request_.choices ||
        seen[static_cast<size_t>(*index)]) {
      return Invalid("a choice without an index of its own below `n`");
    }
    seen[static_cast<size_t>(*index)] = true;
    texts_.Clear();
    WEIR_RETURN_IF_ERROR(ReadChoice(choice));
    if (texts_.stopped()) {
      stopped_.push_back({choice, *index});
      continue;
    }
    std::move(texts_.splices().begin(), texts_.splices().end(), std::back_inserter(splices_));
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadChoice(Node choice) {
  std::string pointer = "/choices";
  AppendPointer(pointer, document_.Index(choice));
  const Node message = document_.Member(choice, "message");
  if (!document_.Is(message, Type::kObject)) return Invalid("a choice without a message");
  for (Node node = document_.FirstChild(choice); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    if (key == "message") {
      WEIR_RETURN_IF_ERROR(ReadMessage(node, pointer + "/message"));
    } else if (key == "finish_reason") {
      const std::string_view reason = document_.String(node);
      const std::string_view standard = FinishReason(reason);
      std::string json;
      AppendJsonString(json, standard);
      Require(node, reason == standard, json);
    } else if (key != "index" && key != "logprobs") {
      WEIR_RETURN_IF_ERROR(ReadUnknown(node, pointer));
    }
  }
  DropAudio(message);
  return ReadLogprobs(choice, pointer);
}

absl::Status AnswerReader::ReadMessage(Node message, const std::string& pointer) {
  for (Node node = document_.FirstChild(message); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    if (key == "role") {
      Require(node, document_.String(node) == "assistant", R"("assistant")");
    } else if (key == "content" || key == "refusal" || key == "reasoning_content" ||
               key == "reasoning") {
      WEIR_RETURN_IF_ERROR(ReadText(node, pointer));
    } else if (key == "tool_calls") {
      WEIR_RETURN_IF_ERROR(ReadToolCalls(node, pointer + "/tool_calls"));
    } else if (key == "function_call") {
      WEIR_RETURN_IF_ERROR(ReadCall(node, pointer + "/function_call"));
    } else if (key == "audio") {
      const Node transcript = document_.Member(node, "transcript");
      if (transcript != kNone) WEIR_RETURN_IF_ERROR(ReadText(transcript, pointer + "/audio"));
    } else {
      WEIR_RETURN_IF_ERROR(ReadUnknown(node, pointer));
    }
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadText(Node node, const std::string& pointer) {
  const std::string_view key = document_.Key(node);
  if (document_.type(node) == Type::kNull) return absl::OkStatus();
  if (document_.type(node) != Type::kString) {
    return Invalid("`" + std::string(key) + "` is neither text nor null");
  }
  return texts_.Text(document_, node, pointer + "/" + std::string(key));
}

absl::Status AnswerReader::ReadToolCalls(Node calls, const std::string& pointer) {
  if (document_.type(calls) == Type::kNull) return absl::OkStatus();
  if (document_.type(calls) != Type::kArray) return Invalid("`tool_calls` is not an array");
  for (Node call = document_.FirstChild(calls); call != kNone; call = document_.Next(call)) {
    if (document_.type(call) != Type::kObject) return Invalid("a tool call is not an object");
    std::string below = pointer;
    AppendPointer(below, document_.Index(call));
    for (Node node = document_.FirstChild(call); node != kNone; node = document_.Next(node)) {
      const std::string_view key = document_.Key(node);
      if (key == "id") {
        Require(node, IsToken(document_.String(node)),
                "\"call_" + std::to_string(document_.Index(call)) + "\"");
      } else if (key == "function" || key == "custom") {
        WEIR_RETURN_IF_ERROR(ReadCall(node, below + "/" + std::string(key)));
      } else {
        WEIR_RETURN_IF_ERROR(ReadUnknown(node, below));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadCall(Node call, const std::string& pointer) {
  for (Node node = document_.FirstChild(call); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    const bool text = document_.type(node) == Type::kString;
    if (key == "name" && text) {
      const std::string_view name = document_.String(node);
      if (!OffersTool(request_, name)) WEIR_RETURN_IF_ERROR(texts_.Name(name, pointer + "/name"));
    } else if (key == "arguments" && text) {
      WEIR_RETURN_IF_ERROR(texts_.Text(document_, node, pointer + "/arguments", true));
    } else {
      WEIR_RETURN_IF_ERROR(ReadUnknown(node, pointer));
    }
  }
  return absl::OkStatus();
}

// Sound cannot be masked, and is there only when the request asked for it.
void AnswerReader::DropAudio(Node message) {
  const Node audio = document_.Member(message, "audio");
  if (audio == kNone || document_.type(audio) == Type::kNull) return;
  if (AsksForAudio(request_) && !texts_.altered() && IsPlainAudio(document_, audio)) return;
  const size_t begin = document_.Begin(audio);
  const size_t end = begin + document_.Bytes(audio).size();
  std::vector<Splice>& splices = texts_.splices();
  splices.erase(std::remove_if(splices.begin(), splices.end(),
                               [&](const Splice& splice) {
                                 return splice.begin >= begin && splice.end <= end;
                               }),
                splices.end());
  Put(audio, "null");
}

absl::Status AnswerReader::ReadLogprobs(Node choice, const std::string& pointer) {
  const Node logprobs = document_.Member(choice, "logprobs");
  if (logprobs == kNone || document_.type(logprobs) == Type::kNull || texts_.stopped()) {
    return absl::OkStatus();
  }
  if (texts_.altered()) {
    Put(logprobs, "null");
    return absl::OkStatus();
  }
  const Node content = document_.Member(document_.Member(choice, "message"), "content");
  std::string json;
  WEIR_RETURN_IF_ERROR(JudgeLogprobs(document_, logprobs,
                                     content == kNone ? "" : document_.String(content),
                                     pointer + "/logprobs", texts_, json));
  if (texts_.stopped()) return absl::OkStatus();
  texts_.splices().clear();  // An alternative that asks for a mask costs all of them.
  Put(logprobs, json.empty() ? "null" : std::move(json));
  return absl::OkStatus();
}

std::vector<Splice> AnswerReader::TakeSplices() {
  if (all_stopped_) {
    stopped_.clear();
    const Node choices = document_.Member(0, "choices");
    for (Node node = document_.FirstChild(choices); node != kNone; node = document_.Next(node)) {
      stopped_.push_back({node, *document_.Integer(document_.Member(node, "index"))});
    }
    const size_t begin = document_.Begin(choices);
    const size_t end = begin + document_.Bytes(choices).size();
    splices_.erase(std::remove_if(splices_.begin(), splices_.end(),
                                  [&](const Splice& splice) {
                                    return splice.begin >= begin && splice.end <= end;
                                  }),
                   splices_.end());
  }
  for (const StoppedChoice& stopped : stopped_) {
    const size_t begin = document_.Begin(stopped.node);
    splices_.push_back({begin, begin + document_.Bytes(stopped.node).size(),
                        StandInChoice(stopped.index, judge_.StandInText())});
  }
  std::sort(splices_.begin(), splices_.end(),
            [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
  return std::move(splices_);
}

// `bytes` must say the same as the token, or nothing.
bool SameBytes(const JsonDocument& document, Node bytes, std::string_view token) {
  if (bytes == kNone || document.type(bytes) == Type::kNull) return true;
  if (document.type(bytes) != Type::kArray) return false;
  size_t at = 0;
  for (Node node = document.FirstChild(bytes); node != kNone; node = document.Next(node), ++at) {
    if (at >= token.size() || document.Integer(node) != static_cast<unsigned char>(token[at])) {
      return false;
    }
  }
  return at == token.size();
}

// `{"token":...,"logprob":...,"bytes":...` of an entry or an alternative; false when it is neither.
bool AppendToken(const JsonDocument& document, Node entry, std::string& out) {
  const Node token = document.Member(entry, "token");
  const Node logprob = document.Member(entry, "logprob");
  const Node bytes = document.Member(entry, "bytes");
  if (!document.Is(token, Type::kString) || !document.Is(logprob, Type::kNumber) ||
      !SameBytes(document, bytes, document.String(token))) {
    return false;
  }
  out += "{\"token\":";
  AppendJsonString(out, document.String(token));
  out += ",\"logprob\":";
  out += document.Bytes(logprob);
  out += ",\"bytes\":";
  out += bytes == kNone ? "null" : document.Bytes(bytes);
  return true;
}

}  // namespace

absl::Span<const std::string_view> AnswerKeys() {
  return kAnswerKeys;
}

std::string_view FinishReason(std::string_view reason) {
  for (const std::string_view known :
       {"stop", "length", "tool_calls", "content_filter", "function_call"}) {
    if (reason == known) return known;
  }
  return "stop";
}

bool IsServiceTier(std::string_view tier) {
  return tier == "auto" || tier == "default" || tier == "flex" || tier == "scale" ||
         tier == "priority";
}

bool IsToken(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == ':' ||
           c == '-';
  });
}

absl::Status JudgeLogprobs(const JsonDocument& document, Node logprobs, std::string_view text,
                           std::string_view pointer, WholeTexts& texts, std::string& out) {
  const Node content = document.Member(logprobs, "content");
  if (!document.Is(content, Type::kArray)) return absl::OkStatus();
  std::string json = "{\"content\":[";
  std::string said;
  for (Node entry = document.FirstChild(content); entry != kNone; entry = document.Next(entry)) {
    if (entry != document.FirstChild(content)) json += ',';
    if (!AppendToken(document, entry, json)) return absl::OkStatus();
    said += document.String(document.Member(entry, "token"));
    json += ",\"top_logprobs\":[";
    const Node top = document.Member(entry, "top_logprobs");
    if (document.Is(top, Type::kArray)) {
      for (Node other = document.FirstChild(top); other != kNone; other = document.Next(other)) {
        if (other != document.FirstChild(top)) json += ',';
        if (!AppendToken(document, other, json)) return absl::OkStatus();
        WEIR_RETURN_IF_ERROR(texts.Text(document, document.Member(other, "token"),
                                        std::string(pointer) + "/content"));
        json += '}';
      }
    }
    json += "]}";
  }
  json += "],\"refusal\":null}";
  if (said == text && !texts.altered()) out += json;
  return absl::OkStatus();
}

ApiError ReadError(const JsonDocument& document, Node error, int status) {
  ApiError read = GeneralError(status);
  read.message.clear();
  if (document.type(error) == Type::kString) {
    read.message = document.String(error);
    return read;
  }
  const auto text = [&](std::string_view key, std::string& value) {
    const Node node = document.Member(error, key);
    if (node == kNone) return;
    if (document.type(node) == Type::kString) value = document.String(node);
    if (document.type(node) == Type::kNumber) value = document.Bytes(node);
  };
  text("message", read.message);
  text("type", read.type);
  text("code", read.code);
  text("param", read.param);
  return read;
}

ApiError DecodeError(int status, std::string_view body, const JsonLimits& limits) {
  JsonDocument document;
  if (document.Read(body, limits, kAnswerKeys).ok()) {
    const Node error = document.Member(0, "error");
    if (error != kNone) {
      ApiError read = ReadError(document, error, status);
      if (!read.message.empty()) return read;
    }
  }
  return GeneralError(status);
}

std::string ErrorBody(const ApiError& error) {
  std::string out = "{\"error\":{\"message\":";
  AppendJsonString(out, error.message);
  out += ",\"type\":";
  AppendJsonString(out, error.type.empty() ? "server_error" : error.type);
  out += ',';
  AppendMember(out, "param", error.param);
  out += ',';
  AppendMember(out, "code", error.code);
  out += "}}";
  return out;
}

std::string ErrorEvent(const ApiError& error) {
  std::string out;
  AppendSseData(out, ErrorBody(error));
  return out;
}

Usage ReadUsage(const JsonDocument& document, Node usage) {
  const auto count = [&](std::string_view key) -> uint64_t {
    const Node node = document.Member(usage, key);
    const std::optional<int64_t> value = node == kNone ? std::nullopt : document.Integer(node);
    return value.has_value() && *value > 0 ? static_cast<uint64_t>(*value) : 0;
  };
  return {.prompt_tokens = count("prompt_tokens"), .completion_tokens = count("completion_tokens")};
}

void AppendUsage(const JsonDocument& document, Node usage, std::string& out) {
  out += '{';
  bool first = true;
  for (Node node = document.FirstChild(usage); node != kNone; node = document.Next(node)) {
    const bool object = document.type(node) == Type::kObject;
    const bool number = document.type(node) == Type::kNumber;
    if (!IsAnswerKey(document.Key(node)) || (!object && !number)) continue;
    if (!first) out += ',';
    first = false;
    out += document.KeyBytes(node);
    out += ':';
    if (object) {
      AppendUsage(document, node, out);
    } else {
      out += document.Bytes(node);
    }
  }
  out += '}';
}

std::string RefusalBody(const AnswerHead& head, const DecodedRequest& request,
                        std::string_view text) {
  std::string out = Head(head, "chat.completion");
  for (int index = 0; index < request.choices; ++index) {
    if (index > 0) out += ',';
    out += StandInChoice(index, text);
  }
  out += "],\"usage\":";
  out += kNoUsage;
  out += '}';
  return out;
}

std::string RefusalStream(const AnswerHead& head, const DecodedRequest& request,
                          std::string_view text) {
  const std::string_view usage = request.include_usage ? ",\"usage\":null}" : "}";
  const std::string opening = Head(head, "chat.completion.chunk");
  std::string out;
  for (int index = 0; index < request.choices; ++index) {
    const std::string choice = opening + "{\"index\":" + std::to_string(index) + ",\"delta\":{";
    std::string content;
    AppendJsonString(content, text);
    for (const std::string& rest :
         {std::string(R"("role":"assistant","content":""},"finish_reason":null}])"),
          "\"content\":" + content + R"(},"finish_reason":null}])",
          std::string(R"(},"finish_reason":"content_filter"}])")}) {
      AppendSseData(out, choice + rest + std::string(usage));
    }
  }
  if (request.include_usage) {
    AppendSseData(out, opening + "],\"usage\":" + std::string(kNoUsage) + "}");
  }
  AppendSseData(out, "[DONE]");
  return out;
}

absl::StatusOr<JudgedAnswer> JudgeAnswer(std::string_view body, const DecodedRequest& request,
                                         policy::Judge& judge, const JsonLimits& limits) {
  JsonDocument document;
  const absl::Status parsed = document.Read(body, limits, kAnswerKeys);
  if (!parsed.ok()) return Invalid(std::string(parsed.message()));
  AnswerReader reader(document, request, judge);
  WEIR_RETURN_IF_ERROR(reader.Read());
  JudgedAnswer answer;
  answer.body = ApplySplices(body, reader.TakeSplices());
  answer.text_bytes = reader.text_bytes();
  const Node usage = document.Member(0, "usage");
  if (usage != kNone) answer.usage = ReadUsage(document, usage);
  return answer;
}

}  // namespace weir::gateway::openai_chat
