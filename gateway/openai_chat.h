// The dialect `openai.chat`: POST /v1/chat/completions of OpenAI and of those that speak like it.
//
// What dialect.h promises, for this one dialect. Internal to gateway/: call dialect.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/types/span.h>

#include "gateway/dialect.h"
#include "gateway/json.h"
#include "gateway/judged_text.h"
#include "gateway/sse.h"
#include "policy/judge.h"

namespace weir::gateway::openai_chat {

absl::StatusOr<DecodedRequest> DecodeRequest(std::string_view body, const JsonLimits& limits);
absl::StatusOr<std::string> EncodeRequest(std::string_view body, const DecodedRequest& request,
                                          const std::vector<PartEdits>& edits,
                                          std::string_view upstream_model);
// Whether the request offers the model a function or custom tool of that name.
bool OffersTool(const DecodedRequest& request, std::string_view name);
// Whether the request asks for an answer in audio.
bool AsksForAudio(const DecodedRequest& request);

std::string ErrorBody(const ApiError& error);
ApiError DecodeError(int status, std::string_view body, const JsonLimits& limits);
std::string ErrorEvent(const ApiError& error);
std::string RefusalBody(const AnswerHead& head, const DecodedRequest& request,
                        std::string_view text);
std::string RefusalStream(const AnswerHead& head, const DecodedRequest& request,
                          std::string_view text);

absl::StatusOr<JudgedAnswer> JudgeAnswer(std::string_view body, const DecodedRequest& request,
                                         policy::Judge& judge, const JsonLimits& limits);

// What the JSON answer and the stream share.

// The keys of answers and chunks that the dialect knows.
absl::Span<const std::string_view> AnswerKeys();
// One of the closed set, so that no client stumbles: an unknown reason is "stop".
std::string_view FinishReason(std::string_view reason);
bool IsServiceTier(std::string_view tier);
// An identifier that a program made: 1 to 128 characters of [A-Za-z0-9._:-]. Such a one is passed
// on without being judged, since chance makes short words in it; no other is passed on at all.
bool IsToken(std::string_view id);
// The error object of an upstream (`{"message":...}` or a string).
ApiError ReadError(const JsonDocument& document, JsonDocument::Node error, int status);
Usage ReadUsage(const JsonDocument& document, JsonDocument::Node usage);
// `usage` as numbers alone, nested objects included.
void AppendUsage(const JsonDocument& document, JsonDocument::Node usage, std::string& out);
// Of an answer that no model gave.
inline constexpr std::string_view kNoUsage =
    R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})";
// Judges `logprobs` of a choice whose text is `text`. Appends the entries in their standard shape
// to `out`; appends nothing when they are not exactly those of `text`, or an alternative has a
// finding that asks for more than a flag (`*stopped`: more than a mask).
absl::Status JudgeLogprobs(const JsonDocument& document, JsonDocument::Node logprobs,
                           std::string_view text, std::string_view pointer, WholeTexts& texts,
                           std::string& out);

// AnswerStream for this dialect; openai_chat_stream.cc says how it works.
class Stream {
 public:
  Stream(const DecodedRequest& request, policy::Judge& judge, AnswerStream::Options options);

  absl::Status Feed(std::string_view piece, std::string& out);
  absl::Status Finish(std::string& out);
  std::string Fail(const ApiError& error);

  bool done() const { return done_; }
  const std::string& tail() const { return tail_; }
  uint64_t text_bytes() const { return text_bytes_; }
  const std::string& transcript() const { return transcript_; }
  const Usage& usage() const { return usage_; }
  bool released_anything() const { return released_anything_; }
  const std::optional<ApiError>& upstream_error() const { return upstream_error_; }

 private:
  using Node = JsonDocument::Node;
  // The text fields of a delta, in the order in which they are written.
  enum Field : uint8_t { kReasoningContent, kReasoning, kContent, kRefusal, kTranscript };
  static constexpr size_t kFieldCount = 5;
  struct ToolCall {
    bool announced = false;
    bool custom = false;
    std::optional<JudgedText> text;  // arguments, or a custom tool's input
  };
  struct Choice {
    enum class Phase : uint8_t { kUnseen, kOpen, kFinished, kStopped };
    Phase phase = Phase::kUnseen;
    bool role_sent = false;
    bool content_released = false;
    bool altered = false;  // something was masked: token probabilities no longer tell the truth
    std::array<std::optional<JudgedText>, kFieldCount> fields;
    std::vector<ToolCall> tool_calls;
    std::optional<ToolCall> function_call;
    std::string audio_id;
  };

  absl::Status Event(std::string_view data, std::string& out);
  absl::Status UpstreamError(Node error);
  void ReadHead();
  bool FinishesLastChoice(Node choices) const;
  bool LastOpen() const;
  absl::Status TakeChoice(Node node, std::string& out);

  // Each adds what may be released to delta_ and sets stopped_ when a finding asks for an end.
  absl::Status TakeDelta(int index, Choice& choice, Node delta);
  absl::Status TakeText(int index, Choice& choice, Field field, Node delta, bool even_empty);
  absl::Status TakeAudio(int index, Choice& choice, Node audio);
  absl::Status TakeToolCalls(int index, Choice& choice, Node list);
  absl::Status TakeToolCall(int index, Choice& choice, Node node, std::string& out);
  absl::Status TakeFunctionCall(int index, Choice& choice, Node node);
  absl::Status TakeCall(const std::string& pointer, Node body, ToolCall& call, std::string& out);
  absl::Status TakeAnnotations(int index, Choice& choice, Node annotations);
  absl::Status TakeLogprobs(int index, Choice& choice, Node node, bool clear_before);
  absl::Status FeedText(JudgedText& text, std::string_view piece, std::string& released);
  void AddToTranscript(const std::string& part, std::string_view piece);
  absl::Status Flush(Choice& choice);
  void AppendText(Choice& choice, Field field, bool even_empty);
  bool Holding(const Choice& choice) const;
  bool Altered(const Choice& choice) const;

  void BeginChunk();
  void WriteDelta(int index, std::string& out);
  void WriteChunk(int index, std::string_view delta, std::string_view logprobs,
                  std::string_view finish_reason, std::string& out);
  absl::Status FinishChoice(int index, Choice& choice, std::string_view reason, std::string& out);
  void Stop(int index, Choice& choice, std::string& out);
  void End(bool stopped);

  const DecodedRequest& request_;
  policy::Judge& judge_;
  const AnswerStream::Options options_;
  SseParser parser_;
  JsonDocument document_;  // of the current event
  WholeTexts texts_;
  std::string head_;  // every chunk up to its choices, from the first event on
  std::vector<Choice> choices_;
  std::string usage_json_;
  Usage usage_;
  std::optional<ApiError> upstream_error_;
  std::string tail_;
  uint64_t text_bytes_ = 0;
  std::string transcript_;
  std::string transcript_part_;  // the part that its end belongs to
  bool closing_ = false;         // what is written now goes to the tail
  bool done_ = false;
  bool released_anything_ = false;
  bool stopped_ = false;  // the choice in hand
  // Scratch, kept for its capacity.
  std::string delta_;
  std::string logprobs_;
  std::string released_;
};

}  // namespace weir::gateway::openai_chat
