// A dialect: where the text is in a provider's JSON, how to refuse, how to end a stream, how to
// report an error. Pure functions over a closed enum; no sockets, no clock, no policy of their own.
//
// What may not be relied on: an upstream. Its answers are parsed as strictly as a client's
// requests, and rewritten from what was understood; an answer that cannot be decoded is not passed
// on. Nothing non-standard enters a client's stream (no extra events, no comments, no unknown
// fields).
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "gateway/json.h"
#include "policy/judge.h"

namespace weir::gateway {

enum class Dialect : uint8_t { kOpenAiChat };

std::string_view Name(Dialect dialect);  // "openai.chat": used in records and metrics

// One piece of text of a request and where it stands.
struct Part {
  std::string pointer;  // RFC 6901; keys end in "#key"
  std::string text;     // unescaped; for json_text, unescaped twice
  JsonDocument::Node node = JsonDocument::kNone;
  bool json_text = false;      // a string that is itself JSON (tool-call arguments)
  bool key = false;            // the key of `node`, not its value
  std::vector<size_t> joined;  // the parts that this one joins; then `node` is kNone
};

inline constexpr int kChoicesMax = 16;

struct DecodedRequest {
  std::string model;
  std::string user;  // `safety_identifier`, else `user`
  bool stream = false;
  bool include_usage = false;
  int choices = 1;  // `n`, at most kChoicesMax
  // Every string leaf of the body but `model` and the roles (closed sets), and every key that the
  // dialect does not know. The texts of a message with several of them, and of neighbouring
  // messages of one role, are also joined as a part of their own (pointer ends in "#joined"), so
  // that a word cut over two of them is seen. Pointers of deep or long-keyed places are cut and end
  // in "…".
  std::vector<Part> parts;
  // Content that cannot be inspected: "image", "audio", "file", "video", with its pointer; "other"
  // is content of a type that nobody here knows. An answer asked for as audio is "audio" too.
  struct Opaque {
    std::string kind;
    std::string pointer;
  };
  std::vector<Opaque> opaque;
  JsonDocument document;
};

// `body` must outlive the result. kInvalidArgument with a sentence for the client.
absl::StatusOr<DecodedRequest> DecodeRequest(Dialect dialect, std::string_view body,
                                             const JsonLimits& limits);

// The body for the upstream: the client's own bytes, with the parts' edits spliced in and the model
// name replaced where the upstream has another. Untouched requests come back byte for byte.
// kFailedPrecondition when an edit stands where none can be made without changing what the request
// means (in a key, in a protocol field, over two parts of a message and in neither alone): the
// caller then refuses the request.
struct PartEdits {
  size_t part = 0;  // index into DecodedRequest::parts
  std::vector<policy::Edit> edits;
};
absl::StatusOr<std::string> EncodeRequest(Dialect dialect, std::string_view body,
                                          const DecodedRequest& request,
                                          const std::vector<PartEdits>& edits,
                                          std::string_view upstream_model);

// An error in the dialect's own shape.
struct ApiError {
  int status = 500;
  std::string type = "api_error";  // "invalid_request_error", "server_error", ...
  std::string code;                // "content_filter"; empty: null
  std::string param;               // empty: null
  std::string message;
};
std::string ErrorBody(Dialect dialect, const ApiError& error);
// An upstream's error of that status. A body that is no error of the dialect gives a general
// message that quotes nothing of it.
ApiError DecodeError(Dialect dialect, int status, std::string_view body, const JsonLimits& limits);
// The same inside a stream that has begun.
std::string ErrorEvent(Dialect dialect, const ApiError& error);

// A refusal that looks like an answer: the stand-in text, finish_reason "content_filter". `id` and
// `created` make it a well-formed completion.
struct AnswerHead {
  std::string id;  // "chatcmpl-..."
  int64_t created = 0;
  std::string model;  // as the client asked for it
};
std::string RefusalBody(Dialect dialect, const AnswerHead& head, const DecodedRequest& request,
                        std::string_view text);
std::string RefusalStream(Dialect dialect, const AnswerHead& head, const DecodedRequest& request,
                          std::string_view text);

// Token counts as the upstream reported them.
struct Usage {
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
};

// A whole answer, judged: every string of every choice is scanned, masked text spliced in, a choice
// that was stopped replaced by the stand-in text with finish_reason "content_filter" and without
// its tool calls, reasoning and logprobs; logprobs of an altered choice are null. `model` is set to
// the name the client asked for. kInvalidArgument: the upstream's body is not an answer of the
// dialect.
struct JudgedAnswer {
  std::string body;
  uint64_t text_bytes = 0;  // judged
  Usage usage;
};
absl::StatusOr<JudgedAnswer> JudgeAnswer(Dialect dialect, std::string_view body,
                                         const DecodedRequest& request, policy::Judge& judge,
                                         const JsonLimits& limits);

// A streamed answer, judged as it comes and released as soon as the rules allow.
//
// Feed() takes bytes of the upstream's body in any cut and appends to `out` the events that may be
// written to the client now: whole events, each ending in a blank line. Nothing is written for text
// that is held, so an empty `out` is ordinary. When the last open choice has finished, everything
// from its final events on goes to tail() instead: the caller records the answer, then writes it.
//
// A stopped choice gets no more text; its place is taken by the stand-in text (style `refusal`) or
// the stream ends with an error event (style `error`). When all choices are stopped, done() is true
// before the upstream has ended and the upstream can be cut off.
class AnswerStream {
 public:
  struct Options {
    AnswerHead head;
    policy::RefusalStyle refusal_style = policy::RefusalStyle::kRefusal;
    size_t event_bytes_max = 1 << 20;
    JsonLimits json;
    bool keep_transcript = false;
  };
  // `request` and `judge` must outlive it.
  AnswerStream(Dialect dialect, const DecodedRequest& request, policy::Judge& judge,
               Options options);
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;
  ~AnswerStream();

  // kInvalidArgument: not a stream of the dialect; kResourceExhausted: an event beyond the limit;
  // other codes: could not be judged. After a failure only Fail() makes sense.
  absl::Status Feed(std::string_view piece, std::string& out);
  // The upstream closed its body in order. kUnavailable when it ended before the answer did; then
  // Fail() says how to end the client's stream.
  absl::Status Finish(std::string& out);

  bool done() const;
  const std::string& tail() const;
  // What to write when the stream has to end by a failure: an error event, nothing held released.
  std::string Fail(const ApiError& error);

  uint64_t text_bytes() const;  // judged so far
  // What was judged so far, as the upstream wrote it, in the order in which it came: a line with
  // the part's pointer wherever another part goes on, and the text. Empty unless asked for.
  const std::string& transcript() const;
  const Usage& usage() const;
  bool released_anything() const;
  // What the upstream reported in mid-stream; the client was told (in the tail) and the stream is
  // done.
  const std::optional<ApiError>& upstream_error() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::gateway
