// The answer's way to the client: Relay, RecordAnswer and what they call.
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "gateway/exchange_stages.h"
#include "gateway/log.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

// Fields of an upstream's error that tell a client when and whether to try again.
bool PassesFromUpstream(std::string_view name) {
  return name.starts_with("retry-after") || name.starts_with("x-ratelimit-") ||
         name == "x-should-retry";
}

}  // namespace

Task<absl::Status> Exchange::Relay() {
  answer_.emplace(*snapshot_.bundle, subject_, rules::Direction::kAnswer);
  absl::Status status;
  if (response_->head().status != 200) {
    status = co_await RelayError();
  } else if (decoded_.stream) {
    status = co_await RelayStream();
  } else {
    status = co_await RelayJson();
  }
  workshop_.metrics.Increment(workshop_.shard, workshop_.ids.judged_bytes_answer, answer_bytes_);
  if (!status.ok() && !stopped_waiting_.ok()) {
    status = BlameWaiting();
  }
  if (status.ok()) {
    const auto action = static_cast<size_t>(answer_->verdict().action);
    workshop_.metrics.Increment(workshop_.shard, workshop_.ids.answer_decisions[action]);
  }
  co_return status;
}

Task<absl::Status> Exchange::RelayJson() {
  std::string body;
  for (;;) {
    const absl::StatusOr<size_t> read = co_await response_->ReadBody(body);
    if (!read.ok()) {
      co_return Blame(Side::kUpstream, policy::Cause::kUpstreamLost, read.status());
    }
    if (*read == 0) break;
    if (body.size() > snapshot_.config->answer_bytes_max) {
      co_return Blame(Side::kUpstream, policy::Cause::kBodyTooLarge,
                      absl::ResourceExhaustedError(
                          "The model's answer is longer than this gateway judges. Ask for a "
                          "shorter one, or stream it."));
    }
  }
  response_.reset();  // The connection goes back to its pool before the disk is waited for.
  answer_content_ = std::move(body);

  absl::StatusOr<JudgedAnswer> judged =
      JudgeAnswer(dialect_, answer_content_, decoded_, *answer_, snapshot_.config->json);
  if (!judged.ok()) {
    co_return Blame(Side::kUpstream,
                    absl::IsInvalidArgument(judged.status()) ? policy::Cause::kCannotDecode
                                                             : policy::Cause::kScanError,
                    judged.status());
  }
  answer_bytes_ = judged->text_bytes;
  last_head_ = {200, ResponseFields(kJson)};
  last_bytes_ = std::move(judged->body);
  if (answer_->verdict().action == policy::Action::kBlock &&
      profile().refusal_json == policy::RefusalStyle::kError) {
    last_head_.status = 400;
    last_head_.fields.emplace_back("x-should-retry", "false");
    last_bytes_ = ErrorBody(dialect_, {.status = 400,
                                       .type = "invalid_request_error",
                                       .code = "content_filter",
                                       .param = "",
                                       .message = profile().refusal_answer});
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Exchange::RelayStream() {
  answer_stream_.emplace(dialect_, decoded_, *answer_,
                         AnswerStream::Options{
                             .head = NewAnswerHead(),
                             .refusal_style = profile().refusal_stream,
                             .event_bytes_max = snapshot_.config->upstream_event_bytes_max,
                             .json = snapshot_.config->json,
                             .keep_transcript = KeptOf(profile(), snapshot_.config->ledger) !=
                                                audit::ContentMode::kNone,
                         });
  last_head_ = {200, ResponseFields(kEventStream)};
  std::string piece;
  std::string out;
  while (!answer_stream_->done()) {
    piece.clear();
    const absl::StatusOr<size_t> read = co_await response_->ReadBody(piece);
    if (!read.ok()) {
      co_return Blame(Side::kUpstream, policy::Cause::kUpstreamLost, read.status());
    }
    out.clear();
    const absl::Status judged =
        *read == 0 ? answer_stream_->Finish(out) : answer_stream_->Feed(piece, out);
    answer_bytes_ = answer_stream_->text_bytes();
    if (!out.empty()) {
      WEIR_CO_RETURN_IF_ERROR(CheckLedger());
      if (absl::Status written = co_await WriteEvents(out); !written.ok()) {
        co_return Blame(Side::kClient, std::move(written));
      }
    }
    if (judged.ok() && answer_bytes_ > snapshot_.config->answer_bytes_max) {
      co_return Blame(Side::kUpstream, policy::Cause::kBodyTooLarge,
                      absl::ResourceExhaustedError(
                          "The model's answer is longer than this gateway judges. Ask for a "
                          "shorter one."));
    }
    if (!judged.ok()) {
      const policy::Cause cause = absl::IsUnavailable(judged)         ? policy::Cause::kUpstreamLost
                                  : absl::IsInvalidArgument(judged)   ? policy::Cause::kCannotDecode
                                  : absl::IsResourceExhausted(judged) ? policy::Cause::kBodyTooLarge
                                                                      : policy::Cause::kScanError;
      co_return Blame(Side::kUpstream, cause, judged);
    }
    if (*read == 0) break;
  }
  last_bytes_ = answer_stream_->tail();
  co_return absl::OkStatus();
}

Task<absl::Status> Exchange::WriteEvents(std::string_view events) {
  if (client_.response_begun()) co_return co_await client_.WriteBody(events);
  workshop_.metrics.Observe(workshop_.shard, workshop_.ids.first_content_seconds,
                            SecondsBetween(begun_, Clock::now()));
  status_sent_ = last_head_.status;
  co_return co_await client_.BeginBody(last_head_, MustClose(), events);
}

// The upstream's error, passed on in the same shape. Its text is judged as an answer's is; a text
// that may not be shown, or that is no error of the dialect, is replaced by one of our own.
Task<absl::Status> Exchange::RelayError() {
  const int upstream_status = response_->head().status;
  last_head_ = {upstream_status, ResponseFields(kJson)};
  for (const auto& [name, value] : response_->head().fields) {
    if (PassesFromUpstream(name)) last_head_.fields.emplace_back(name, value);
  }
  std::string body;
  while (body.size() <= (64U << 10)) {
    const absl::StatusOr<size_t> read = co_await response_->ReadBody(body);
    if (!read.ok()) {
      co_return Blame(Side::kUpstream, policy::Cause::kUpstreamLost, read.status());
    }
    if (*read == 0) break;
  }
  response_.reset();

  if (upstream_status < 400 || upstream_status == 401 || upstream_status == 403) {
    // The operator's trouble with the provider; the client's own key is not at fault.
    LogError("upstream.refused",
             {{"upstream", upstream_->name}, {"status", upstream_status}, {"exchange", id_}});
    co_return Blame(Side::kUpstream,
                    absl::FailedPreconditionError(fmt::format(
                        "The model's provider did not accept the gateway's request (status {}). "
                        "The operator of this gateway has to mend it.",
                        upstream_status)));
  }
  answer_content_ = std::move(body);
  ApiError error = DecodeError(dialect_, upstream_status, answer_content_, snapshot_.config->json);
  const absl::StatusOr<std::vector<policy::Edit>> edits =
      answer_->JudgeText("/error/message", error.message);
  if (!edits.ok()) co_return Blame(Side::kGateway, policy::Cause::kScanError, edits.status());
  answer_bytes_ = error.message.size();
  if (!edits->empty() || answer_->verdict().action >= policy::Action::kReplace) {
    error.message = fmt::format(
        "The model's provider answered with status {} and a text that may not be shown.",
        upstream_status);
  }
  last_bytes_ = ErrorBody(dialect_, error);
  co_return absl::OkStatus();
}

Task<absl::Status> Exchange::RecordAnswer() {
  // An upstream that reports an error in mid-stream has not answered, though the client is told so
  // in good order.
  const bool answered = !answer_stream_ || !answer_stream_->upstream_error();
  audit::Record record =
      NewRecord(answered ? audit::RecordKind::kAnswer : audit::RecordKind::kFailure);
  record.direction = "answer";
  if (!answered) {
    record.cause = policy::Name(policy::Cause::kUpstreamLost);
    record.detail = "The upstream reported an error in mid-stream.";
  }
  record.status = last_head_.status;
  if (answer_) {
    AddVerdict(record, answer_->verdict(), answer_->verdict().action);
  } else {
    record.action = policy::Name(prompt_action_);  // What was answered follows from the prompt.
  }
  WEIR_CO_RETURN_IF_ERROR(co_await Append(std::move(record), AnswerContent()));
  is_closed_ = true;
  co_return co_await Release();
}

// Gives the upstream's connection back once the last bytes of its body, already under way, have
// come; the client does not wait for them. `config` owns the upstream that the response refers to.
Task<void> Settle([[maybe_unused]] std::shared_ptr<const Config> config,
                  UpstreamResponse response) {
  std::string rest;
  while (rest.size() < (64U << 10)) {
    const absl::StatusOr<size_t> read = co_await response.ReadBody(rest);
    if (!read.ok() || *read == 0) break;
  }
}

Task<absl::Status> Exchange::Release() {
  status_sent_ = last_head_.status;
  absl::Status written;
  if (client_.response_begun()) {
    written = co_await client_.EndBody(last_bytes_);
  } else {
    written = co_await client_.Respond(last_head_, last_bytes_, MustClose());
  }
  if (response_ && answer_->verdict().action < policy::Action::kReplace) {
    boost::asio::co_spawn(workshop_.executor, Settle(snapshot_.config, *std::move(response_)),
                          boost::asio::detached);
    response_.reset();
  }
  if (!written.ok()) co_return Blame(Side::kClient, std::move(written));
  co_return absl::OkStatus();
}

}  // namespace weir::gateway
