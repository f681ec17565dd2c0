#include "gateway/dialect.h"

#include <utility>

#include "gateway/openai_chat.h"
#include "rules/check.h"

namespace weir::gateway {
namespace {

// There is one dialect; the enum is closed, and another comes with a case in each function below.
void Expect(Dialect dialect) {
  WEIR_CHECK(dialect == Dialect::kOpenAiChat);
}

}  // namespace

std::string_view Name(Dialect dialect) {
  Expect(dialect);
  return "openai.chat";
}

absl::StatusOr<DecodedRequest> DecodeRequest(Dialect dialect, std::string_view body,
                                             const JsonLimits& limits) {
  Expect(dialect);
  return openai_chat::DecodeRequest(body, limits);
}

absl::StatusOr<std::string> EncodeRequest(Dialect dialect, std::string_view body,
                                          const DecodedRequest& request,
                                          const std::vector<PartEdits>& edits,
                                          std::string_view upstream_model) {
  Expect(dialect);
  return openai_chat::EncodeRequest(body, request, edits, upstream_model);
}

std::string ErrorBody(Dialect dialect, const ApiError& error) {
  Expect(dialect);
  return openai_chat::ErrorBody(error);
}

ApiError DecodeError(Dialect dialect, int status, std::string_view body, const JsonLimits& limits) {
  Expect(dialect);
  return openai_chat::DecodeError(status, body, limits);
}

std::string ErrorEvent(Dialect dialect, const ApiError& error) {
  Expect(dialect);
  return openai_chat::ErrorEvent(error);
}

std::string RefusalBody(Dialect dialect, const AnswerHead& head, const DecodedRequest& request,
                        std::string_view text) {
  Expect(dialect);
  return openai_chat::RefusalBody(head, request, text);
}

std::string RefusalStream(Dialect dialect, const AnswerHead& head, const DecodedRequest& request,
                          std::string_view text) {
  Expect(dialect);
  return openai_chat::RefusalStream(head, request, text);
}

absl::StatusOr<JudgedAnswer> JudgeAnswer(Dialect dialect, std::string_view body,
                                         const DecodedRequest& request, policy::Judge& judge,
                                         const JsonLimits& limits) {
  Expect(dialect);
  return openai_chat::JudgeAnswer(body, request, judge, limits);
}

class AnswerStream::State : public openai_chat::Stream {
 public:
  using Stream::Stream;
};

AnswerStream::AnswerStream(Dialect dialect, const DecodedRequest& request, policy::Judge& judge,
                           Options options) {
  Expect(dialect);
  state_ = std::make_unique<State>(request, judge, std::move(options));
}

AnswerStream::~AnswerStream() = default;

absl::Status AnswerStream::Feed(std::string_view piece, std::string& out) {
  return state_->Feed(piece, out);
}
absl::Status AnswerStream::Finish(std::string& out) {
  return state_->Finish(out);
}
bool AnswerStream::done() const {
  return state_->done();
}
const std::string& AnswerStream::tail() const {
  return state_->tail();
}
std::string AnswerStream::Fail(const ApiError& error) {
  return state_->Fail(error);
}
const std::string& AnswerStream::transcript() const {
  return state_->transcript();
}

uint64_t AnswerStream::text_bytes() const {
  return state_->text_bytes();
}
const Usage& AnswerStream::usage() const {
  return state_->usage();
}
bool AnswerStream::released_anything() const {
  return state_->released_anything();
}
const std::optional<ApiError>& AnswerStream::upstream_error() const {
  return state_->upstream_error();
}

}  // namespace weir::gateway
