// Streamed answers of /v1/chat/completions.
//
// Every event of the upstream is parsed whole and strictly; what goes to the client is written anew
// from an allow-list. Each text field of each choice has an inspection of its own, which says how
// much of the text may be released; what it holds waits for the field's next piece or the choice's
// end.
//
// An event's text goes out as one chunk per choice: the role once, whatever text may be released,
// the announcement of tool calls at once (id, type and name are wanted in a call's first delta),
// token probabilities only while the chunk says exactly what the upstream's said and nothing is
// held. Identifiers, counts and reasons come from closed sets or from us. Fields that are not in
// the allow-list are neither passed on nor judged: what nobody gets to read needs no verdict.
//
// From the event on that ends the last open choice, everything goes to the tail, because the
// answer's record has to be durable before the client has all of it.
#include <algorithm>
#include <utility>

#include "gateway/openai_chat.h"
#include "rules/status_macros.h"

namespace weir::gateway::openai_chat {
namespace {

using Node = JsonDocument::Node;
using Type = JsonDocument::Type;
constexpr Node kNone = JsonDocument::kNone;

constexpr int64_t kToolCallsMax = 128;
constexpr std::string_view kFieldNames[] = {"reasoning_content", "reasoning", "content", "refusal",
                                            "transcript"};

absl::Status Invalid(const std::string& reason) {
  return absl::InvalidArgumentError("the upstream's stream is not one of chat completions: " +
                                    reason);
}

std::string Pointer(int index, std::string_view rest) {
  std::string pointer = "/choices/" + std::to_string(index) + "/message/";
  pointer += rest;
  return pointer;
}

// Appends `"key":` behind what an object holds already.
void AppendKey(std::string& out, std::string_view key) {
  if (!out.empty() && out.back() != '{') out += ',';
  out += '"';
  out += key;
  out += "\":";
}

}  // namespace

Stream::Stream(const DecodedRequest& request, policy::Judge& judge, AnswerStream::Options options)
    : request_(request),
      judge_(judge),
      options_(std::move(options)),
      parser_(options_.event_bytes_max),
      texts_(judge),
      choices_(static_cast<size_t>(request.choices)) {}

absl::Status Stream::Feed(std::string_view piece, std::string& out) {
  const size_t before = out.size();
  absl::Status status = parser_.Feed(piece, [&](const SseEvent& event) {
    return done_ || event.data.empty() ? absl::OkStatus() : Event(event.data, out);
  });
  released_anything_ = released_anything_ || out.size() > before;
  return status;
}

absl::Status Stream::Finish(std::string& out) {
  if (done_) return absl::OkStatus();
  const bool finished = std::all_of(choices_.begin(), choices_.end(), [](const Choice& choice) {
    return choice.phase >= Choice::Phase::kFinished;
  });
  if (!finished) {
    return absl::UnavailableError("the upstream's stream ended before the answer did");
  }
  return Event("[DONE]", out);
}

std::string Stream::Fail(const ApiError& error) {
  done_ = true;
  return ErrorEvent(error);
}

absl::Status Stream::Event(std::string_view data, std::string& out) {
  if (data == "[DONE]") {
    const bool seen = std::any_of(choices_.begin(), choices_.end(), [](const Choice& choice) {
      return choice.phase != Choice::Phase::kUnseen;
    });
    if (!seen) return absl::UnavailableError("the upstream's stream ended without an answer");
    closing_ = true;
    for (size_t i = 0; i < choices_.size() && !done_; ++i) {
      if (choices_[i].phase != Choice::Phase::kOpen) continue;
      BeginChunk();
      WEIR_RETURN_IF_ERROR(FinishChoice(static_cast<int>(i), choices_[i], "stop", out));
    }
    if (!done_) End(false);
    return absl::OkStatus();
  }
  const absl::Status parsed = document_.Read(data, options_.json, AnswerKeys());
  if (!parsed.ok()) return Invalid(std::string(parsed.message()));
  if (document_.type(0) != Type::kObject) return Invalid("an event is not an object");
  const Node error = document_.Member(0, "error");
  if (error != kNone && document_.type(error) != Type::kNull) return UpstreamError(error);
  const Node choices = document_.Member(0, "choices");
  // Some send null where nothing but counts follows.
  if (!document_.Is(choices, Type::kArray) && !document_.Is(choices, Type::kNull)) {
    return Invalid("an event without choices");
  }
  if (head_.empty()) ReadHead();
  const Node usage = document_.Member(0, "usage");
  if (document_.Is(usage, Type::kObject)) {
    usage_ = ReadUsage(document_, usage);
    usage_json_.clear();
    AppendUsage(document_, usage, usage_json_);
  }
  if (FinishesLastChoice(choices)) closing_ = true;
  for (Node node = document_.FirstChild(choices); node != kNone && !done_;
       node = document_.Next(node)) {
    WEIR_RETURN_IF_ERROR(TakeChoice(node, out));
  }
  return absl::OkStatus();
}

// An error in mid-stream ends it. Nothing held is released; the message is judged like text.
absl::Status Stream::UpstreamError(Node error) {
  ApiError read = ReadError(document_, error, 502);
  texts_.Clear();
  for (const std::string* text : {&read.message, &read.type, &read.code, &read.param}) {
    if (!text->empty()) WEIR_RETURN_IF_ERROR(texts_.Name(*text, "/error"));
  }
  if (texts_.stopped() || read.message.empty()) {
    read = ApiError();
    read.status = 502;
    read.type = "server_error";
    read.message = "The model's provider reported an error.";
  }
  tail_ += ErrorEvent(read);
  upstream_error_ = std::move(read);
  done_ = true;
  return absl::OkStatus();
}

// Every chunk's opening. The same for the whole stream, as clients expect.
void Stream::ReadHead() {
  const auto text = [this](std::string_view key) {
    const Node node = document_.Member(0, key);
    return node == kNone ? std::string_view() : document_.String(node);
  };
  const Node created_node = document_.Member(0, "created");
  const std::optional<int64_t> created =
      created_node == kNone ? std::nullopt : document_.Integer(created_node);
  head_ = "{\"id\":";
  AppendJsonString(head_, IsToken(text("id")) ? text("id") : std::string_view(options_.head.id));
  head_ += ",\"object\":\"chat.completion.chunk\",\"created\":";
  head_ += std::to_string(created.value_or(options_.head.created));
  head_ += ",\"model\":";
  AppendJsonString(head_, options_.head.model);
  if (IsToken(text("system_fingerprint"))) {
    AppendKey(head_, "system_fingerprint");
    AppendJsonString(head_, text("system_fingerprint"));
  }
  if (IsServiceTier(text("service_tier"))) {
    AppendKey(head_, "service_tier");
    AppendJsonString(head_, text("service_tier"));
  }
  head_ += ",\"choices\":[";
}

// Looks ahead, so that the last choice's text goes to the tail with its end.
bool Stream::FinishesLastChoice(Node choices) const {
  size_t open = 0;
  for (const Choice& choice : choices_) open += choice.phase < Choice::Phase::kFinished ? 1U : 0U;
  for (Node node = document_.FirstChild(choices); node != kNone; node = document_.Next(node)) {
    const Node reason = document_.Member(node, "finish_reason");
    const Node index = document_.Member(node, "index");
    if (!document_.Is(reason, Type::kString) || index == kNone) continue;
    const std::optional<int64_t> value = document_.Integer(index);
    if (!value.has_value() || *value < 0 || *value >= request_.choices) continue;
    if (choices_[static_cast<size_t>(*value)].phase < Choice::Phase::kFinished && open > 0) --open;
  }
  return open == 0;
}

bool Stream::LastOpen() const {
  return std::count_if(choices_.begin(), choices_.end(), [](const Choice& choice) {
           return choice.phase < Choice::Phase::kFinished;
         }) == 1;
}

absl::Status Stream::TakeChoice(Node node, std::string& out) {
  const Node index_node = document_.Member(node, "index");
  const std::optional<int64_t> number =
      index_node == kNone ? std::nullopt : document_.Integer(index_node);
  if (!number.has_value() || *number < 0 || *number >= request_.choices) {
    return Invalid("a choice without an index below `n`");
  }
  const int index = static_cast<int>(*number);
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (choice.phase == Choice::Phase::kStopped) return absl::OkStatus();
  const Node delta = document_.Member(node, "delta");
  if (choice.phase == Choice::Phase::kFinished) {
    // Some repeat an empty delta; text behind a choice's end has nobody to judge it.
    for (const std::string_view field : {"content", "reasoning_content", "reasoning", "refusal"}) {
      const Node text = document_.Member(delta, field);
      if (document_.Is(text, Type::kString) && !document_.String(text).empty()) {
        return Invalid("text behind the end of its choice");
      }
    }
    return absl::OkStatus();
  }
  choice.phase = Choice::Phase::kOpen;
  BeginChunk();
  const bool clear_before = !Altered(choice) && !Holding(choice);
  if (document_.Is(delta, Type::kObject)) WEIR_RETURN_IF_ERROR(TakeDelta(index, choice, delta));
  const Node logprobs = document_.Member(node, "logprobs");
  if (logprobs != kNone && !stopped_) {
    WEIR_RETURN_IF_ERROR(TakeLogprobs(index, choice, node, clear_before));
  }
  const Node reason = document_.Member(node, "finish_reason");
  if (document_.Is(reason, Type::kString) && !stopped_) {
    return FinishChoice(index, choice, FinishReason(document_.String(reason)), out);
  }
  if (stopped_) {
    Stop(index, choice, out);
  } else {
    WriteDelta(index, out);
  }
  return absl::OkStatus();
}

// Writes what the event released, then what the choice still holds, and ends it, unless that very
// text stops it.
absl::Status Stream::FinishChoice(int index, Choice& choice, std::string_view reason,
                                  std::string& out) {
  WriteDelta(index, out);
  BeginChunk();
  WEIR_RETURN_IF_ERROR(Flush(choice));
  if (stopped_) {
    Stop(index, choice, out);
    return absl::OkStatus();
  }
  WriteDelta(index, out);
  WriteChunk(index, "", "", reason, out);
  choice.phase = Choice::Phase::kFinished;
  return absl::OkStatus();
}

absl::Status Stream::Flush(Choice& choice) {
  const auto finish = [this](JudgedText& text) {
    released_.clear();
    absl::Status status = text.Finish(released_);
    stopped_ = stopped_ || text.stopped();
    return status;
  };
  for (const Field field : {kReasoningContent, kReasoning, kContent, kRefusal, kTranscript}) {
    if (!choice.fields[field].has_value()) continue;
    WEIR_RETURN_IF_ERROR(finish(*choice.fields[field]));
    AppendText(choice, field, false);
  }
  const auto rest = [this](const ToolCall& call) {
    std::string object = call.custom ? "{\"input\":" : "{\"arguments\":";
    AppendJsonString(object, released_);
    return object + '}';
  };
  std::string calls;
  for (size_t place = 0; place < choice.tool_calls.size(); ++place) {
    ToolCall& call = choice.tool_calls[place];
    if (!call.text.has_value()) continue;
    WEIR_RETURN_IF_ERROR(finish(*call.text));
    if (released_.empty()) continue;
    if (!calls.empty()) calls += ',';
    calls += "{\"index\":" + std::to_string(place);
    calls += (call.custom ? ",\"custom\":" : ",\"function\":") + rest(call) + '}';
  }
  if (!calls.empty()) {
    AppendKey(delta_, "tool_calls");
    delta_ += '[' + calls + ']';
  }
  if (choice.function_call.has_value() && choice.function_call->text.has_value()) {
    WEIR_RETURN_IF_ERROR(finish(*choice.function_call->text));
    if (!released_.empty()) {
      AppendKey(delta_, "function_call");
      delta_ += rest(*choice.function_call);
    }
  }
  return absl::OkStatus();
}

// Ends one choice, whose released text is in delta_, with the stand-in; or, in the other style, the
// whole stream with an error.
void Stream::Stop(int index, Choice& choice, std::string& out) {
  const bool error = options_.refusal_style == policy::RefusalStyle::kError;
  closing_ = closing_ || error || LastOpen();
  logprobs_.clear();
  WriteDelta(index, out);
  const bool first_content = !choice.content_released;
  const bool role_sent = choice.role_sent;
  choice = Choice();  // Lets go of what was held.
  choice.phase = Choice::Phase::kStopped;
  const std::string_view stand_in = judge_.StandInText();
  if (error) {
    ApiError stopped;
    stopped.status = 400;
    stopped.type = "invalid_request_error";
    stopped.code = "content_filter";
    stopped.message = stand_in;
    tail_ += ErrorEvent(stopped);
    done_ = true;
    return;
  }
  delta_ = role_sent ? "\"content\":" : "\"role\":\"assistant\",\"content\":";
  AppendJsonString(delta_, (first_content ? "" : "\n\n") + std::string(stand_in));
  WriteDelta(index, out);
  WriteChunk(index, "", "", "content_filter", out);
  if (std::all_of(choices_.begin(), choices_.end(),
                  [](const Choice& other) { return other.phase >= Choice::Phase::kFinished; })) {
    End(true);
  }
}

// The counts, if asked for (an answer that was cut off has none of its own), and the end.
void Stream::End(bool stopped) {
  if (request_.include_usage && (stopped || !usage_json_.empty())) {
    std::string usage = head_ + "],\"usage\":";
    usage += usage_json_.empty() ? kNoUsage : std::string_view(usage_json_);
    AppendSseData(tail_, usage + '}');
  }
  AppendSseData(tail_, "[DONE]");
  done_ = true;
}

void Stream::BeginChunk() {
  delta_.clear();
  logprobs_.clear();
  stopped_ = false;
}

// Writes delta_ as a chunk unless it is empty.
void Stream::WriteDelta(int index, std::string& out) {
  if (!delta_.empty()) WriteChunk(index, delta_, logprobs_, "", out);
}

void Stream::WriteChunk(int index, std::string_view delta, std::string_view logprobs,
                        std::string_view finish_reason, std::string& out) {
  std::string& to = closing_ ? tail_ : out;
  const size_t begin = to.size();
  to += "data: ";
  to += head_;
  to += "{\"index\":";
  to += std::to_string(index);
  to += ",\"delta\":{";
  to += delta;
  to += '}';
  if (!logprobs.empty()) {
    to += ",\"logprobs\":";
    to += logprobs;
  }
  to += ",\"finish_reason\":";
  if (finish_reason.empty()) {
    to += "null";
  } else {
    AppendJsonString(to, finish_reason);
  }
  // What an upstream wrote over several lines of data must not end ours: outside of JSON's strings,
  // which have none, a line end is space.
  std::replace(to.begin() + static_cast<ptrdiff_t>(begin), to.end(), '\n', ' ');
  to += request_.include_usage ? "}],\"usage\":null}\n\n" : "}]}\n\n";
}

absl::Status Stream::TakeDelta(int index, Choice& choice, Node delta) {
  if (!choice.role_sent && document_.Is(document_.Member(delta, "role"), Type::kString)) {
    choice.role_sent = true;
    delta_ += R"("role":"assistant")";
    // As the upstream began it: null where only a tool call follows, else text.
    const Node content = document_.Member(delta, "content");
    if (content != kNone && document_.type(content) == Type::kNull) delta_ += R"(,"content":null)";
  }
  const bool role_now = !delta_.empty();
  for (const Field field : {kReasoningContent, kReasoning, kContent, kRefusal}) {
    WEIR_RETURN_IF_ERROR(TakeText(index, choice, field, delta, role_now && field == kContent));
  }
  const Node audio = document_.Member(delta, "audio");
  if (document_.Is(audio, Type::kObject)) {
    WEIR_RETURN_IF_ERROR(TakeAudio(index, choice, audio));
  }
  const Node calls = document_.Member(delta, "tool_calls");
  if (document_.Is(calls, Type::kArray)) {
    WEIR_RETURN_IF_ERROR(TakeToolCalls(index, choice, calls));
  }
  const Node call = document_.Member(delta, "function_call");
  if (document_.Is(call, Type::kObject)) {
    WEIR_RETURN_IF_ERROR(TakeFunctionCall(index, choice, call));
  }
  const Node annotations = document_.Member(delta, "annotations");
  if (document_.Is(annotations, Type::kArray)) {
    WEIR_RETURN_IF_ERROR(TakeAnnotations(index, choice, annotations));
  }
  return absl::OkStatus();
}

absl::Status Stream::FeedText(JudgedText& text, std::string_view piece, std::string& released) {
  text_bytes_ += piece.size();
  if (options_.keep_transcript) AddToTranscript(text.pointer(), piece);
  WEIR_RETURN_IF_ERROR(text.Feed(piece, released));
  stopped_ = stopped_ || text.stopped();
  return absl::OkStatus();
}

void Stream::AddToTranscript(const std::string& part, std::string_view piece) {
  if (part != transcript_part_) {
    if (!transcript_.empty()) transcript_ += '\n';
    transcript_ += part;
    transcript_ += '\n';
    transcript_part_ = part;
  }
  transcript_ += piece;
}

absl::Status Stream::TakeText(int index, Choice& choice, Field field, Node delta, bool even_empty) {
  const Node node = document_.Member(delta, kFieldNames[field]);
  if (node == kNone || document_.type(node) == Type::kNull) return absl::OkStatus();
  if (document_.type(node) != Type::kString) {
    return Invalid("`" + std::string(kFieldNames[field]) + "` is neither text nor null");
  }
  released_.clear();
  if (!document_.String(node).empty()) {
    std::optional<JudgedText>& text = choice.fields[field];
    if (!text.has_value()) {
      text.emplace(judge_,
                   Pointer(index, field == kTranscript ? "audio/transcript" : kFieldNames[field]),
                   false);
    }
    WEIR_RETURN_IF_ERROR(FeedText(*text, document_.String(node), released_));
  }
  AppendText(choice, field, even_empty);
  return absl::OkStatus();
}

// Adds released_ to the delta.
void Stream::AppendText(Choice& choice, Field field, bool even_empty) {
  if (released_.empty() && !even_empty) return;
  if (field == kTranscript) {
    AppendKey(delta_, "audio");
    delta_ += '{';
    if (!choice.audio_id.empty()) {
      delta_ += "\"id\":";
      AppendJsonString(delta_, choice.audio_id);
    }
  }
  AppendKey(delta_, kFieldNames[field]);
  AppendJsonString(delta_, released_);
  if (field == kTranscript) delta_ += '}';
  if (field == kContent && !released_.empty()) choice.content_released = true;
}

// Of sound only the transcript is streamed: sound cannot be held back in step with its words.
absl::Status Stream::TakeAudio(int index, Choice& choice, Node audio) {
  const Node id = document_.Member(audio, "id");
  if (id != kNone && IsToken(document_.String(id))) choice.audio_id = document_.String(id);
  return TakeText(index, choice, kTranscript, audio, false);
}

absl::Status Stream::TakeToolCalls(int index, Choice& choice, Node list) {
  std::string calls;
  for (Node node = document_.FirstChild(list); node != kNone && !stopped_;
       node = document_.Next(node)) {
    WEIR_RETURN_IF_ERROR(TakeToolCall(index, choice, node, calls));
  }
  if (calls.empty()) return absl::OkStatus();
  AppendKey(delta_, "tool_calls");
  delta_ += '[' + calls + ']';
  return absl::OkStatus();
}

absl::Status Stream::TakeToolCall(int index, Choice& choice, Node node, std::string& out) {
  const Node number_node = document_.Member(node, "index");
  std::optional<int64_t> number =
      number_node == kNone ? std::nullopt : document_.Integer(number_node);
  // Some upstreams that send each call whole leave the index out.
  if (number_node == kNone) number = document_.Index(node);
  if (!number.has_value() || *number < 0 || *number >= kToolCallsMax) {
    return Invalid("a tool call without an index below " + std::to_string(kToolCallsMax));
  }
  const auto place = static_cast<size_t>(*number);
  if (place >= choice.tool_calls.size()) choice.tool_calls.resize(place + 1);
  ToolCall& call = choice.tool_calls[place];
  Node body = document_.Member(node, "function");
  if (body == kNone && (call.custom || document_.Member(node, "custom") != kNone)) {
    call.custom = true;
    body = document_.Member(node, "custom");
  }
  const bool first = !call.announced;
  std::string inside;
  const std::string pointer = Pointer(
      index, "tool_calls/" + std::to_string(place) + (call.custom ? "/custom" : "/function"));
  WEIR_RETURN_IF_ERROR(TakeCall(pointer, body, call, inside));
  if (inside.empty()) return absl::OkStatus();
  if (!out.empty()) out += ',';
  out += "{\"index\":" + std::to_string(place);
  if (first) {
    const Node id = document_.Member(node, "id");
    const bool token = id != kNone && IsToken(document_.String(id));
    out += ",\"id\":";
    AppendJsonString(out, token ? std::string(document_.String(id))
                                : "call_" + std::to_string(index) + "_" + std::to_string(place));
    out += call.custom ? R"(,"type":"custom")" : R"(,"type":"function")";
  }
  out += call.custom ? ",\"custom\":{" : ",\"function\":{";
  out += inside + "}}";
  return absl::OkStatus();
}

// Appends the inside of a `function`, `custom` or `function_call` object: the name once, and what
// may be released of the text.
absl::Status Stream::TakeCall(const std::string& pointer, Node body, ToolCall& call,
                              std::string& out) {
  const std::string_view key = call.custom ? "input" : "arguments";
  if (!call.announced) {
    const Node name_node = document_.Member(body, "name");
    const std::string_view name = name_node == kNone ? "" : document_.String(name_node);
    if (name.empty()) return Invalid("a tool call begins without its name");
    if (!OffersTool(request_, name)) {
      texts_.Clear();
      WEIR_RETURN_IF_ERROR(texts_.Name(name, pointer + "/name"));
      if (texts_.stopped()) {
        stopped_ = true;
        return absl::OkStatus();
      }
    }
    call.announced = true;
    call.text.emplace(judge_, pointer + "/" + std::string(key), !call.custom);
    AppendKey(out, "name");
    AppendJsonString(out, name);
    AppendKey(out, key);
    out += "\"\"";
  }
  const Node text = document_.Member(body, key);
  if (!document_.Is(text, Type::kString) || document_.String(text).empty()) return absl::OkStatus();
  released_.clear();
  WEIR_RETURN_IF_ERROR(FeedText(*call.text, document_.String(text), released_));
  if (released_.empty()) return absl::OkStatus();
  if (out.empty()) {
    AppendKey(out, key);
  } else {
    out.resize(out.size() - 2);
  }
  AppendJsonString(out, released_);
  return absl::OkStatus();
}

absl::Status Stream::TakeFunctionCall(int index, Choice& choice, Node node) {
  if (!choice.function_call.has_value()) choice.function_call = ToolCall{};
  std::string inside;
  WEIR_RETURN_IF_ERROR(
      TakeCall(Pointer(index, "function_call"), node, *choice.function_call, inside));
  if (inside.empty()) return absl::OkStatus();
  AppendKey(delta_, "function_call");
  delta_ += '{' + inside + '}';
  return absl::OkStatus();
}

// Citations come whole: judged string by string, passed on with masks spliced in.
absl::Status Stream::TakeAnnotations(int index, Choice& choice, Node annotations) {
  texts_.Clear();
  const uint64_t before = texts_.text_bytes();
  WEIR_RETURN_IF_ERROR(
      texts_.Tree(document_, annotations, Pointer(index, "annotations"), AnswerKeys()));
  text_bytes_ += texts_.text_bytes() - before;
  if (texts_.stopped()) {
    stopped_ = true;
    return absl::OkStatus();
  }
  choice.altered = choice.altered || texts_.altered();
  const size_t begin = document_.Begin(annotations);
  for (Splice& splice : texts_.splices()) {
    splice.begin -= begin;
    splice.end -= begin;
  }
  AppendKey(delta_, "annotations");
  delta_ += ApplySplices(document_.Bytes(annotations), texts_.splices());
  return absl::OkStatus();
}

// Token probabilities repeat the text. They are passed on only with a chunk that says all that the
// upstream's said: nothing was held before it, nothing is held behind it, nothing was ever altered.
absl::Status Stream::TakeLogprobs(int index, Choice& choice, Node node, bool clear_before) {
  logprobs_ = "null";
  const Node logprobs = document_.Member(node, "logprobs");
  if (!document_.Is(logprobs, Type::kObject)) return absl::OkStatus();
  if (!clear_before || Altered(choice) || Holding(choice)) return absl::OkStatus();
  const Node content = document_.Member(document_.Member(node, "delta"), "content");
  texts_.Clear();
  std::string json;
  WEIR_RETURN_IF_ERROR(JudgeLogprobs(document_, logprobs,
                                     content == kNone ? "" : document_.String(content),
                                     Pointer(index, "logprobs"), texts_, json));
  stopped_ = texts_.stopped();
  if (!json.empty()) logprobs_ = std::move(json);
  return absl::OkStatus();
}

bool Stream::Holding(const Choice& choice) const {
  const auto holds = [](const std::optional<JudgedText>& text) {
    return text.has_value() && text->holding();
  };
  return std::any_of(choice.fields.begin(), choice.fields.end(), holds) ||
         std::any_of(choice.tool_calls.begin(), choice.tool_calls.end(),
                     [&](const ToolCall& call) { return holds(call.text); }) ||
         (choice.function_call.has_value() && holds(choice.function_call->text));
}

bool Stream::Altered(const Choice& choice) const {
  const auto altered = [](const std::optional<JudgedText>& text) {
    return text.has_value() && text->altered();
  };
  return choice.altered || std::any_of(choice.fields.begin(), choice.fields.end(), altered) ||
         std::any_of(choice.tool_calls.begin(), choice.tool_calls.end(),
                     [&](const ToolCall& call) { return altered(call.text); }) ||
         (choice.function_call.has_value() && altered(choice.function_call->text));
}

}  // namespace weir::gateway::openai_chat
