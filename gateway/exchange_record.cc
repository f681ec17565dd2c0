// How an exchange ends by a failure, and what is recorded of it.
#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/exchange_stages.h"
#include "gateway/log.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;

int64_t SecondsNow() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// The one place where an exchange ends by a failure: what happened is recorded, then answered.
Task<void> Exchange::Fail(absl::Status failure) {
  workshop_.metrics.Increment(workshop_.shard, workshop_.ids.failures[static_cast<size_t>(stage_)]);
  if (response_) response_->Cancel();
  const ApiError error = ErrorFor(failure);
  const bool client_usable =
      side_ != Side::kClient || !(absl::IsUnavailable(failure) || absl::IsCancelled(failure));
  co_await RecordFailure(failure, !client_usable             ? status_sent_
                                  : client_.response_begun() ? last_head_.status
                                  : RefusesFor(failure)      ? 200
                                                             : error.status);
  if (client_usable) {
    co_await AnswerFailure(failure, error);
  } else {
    client_.stream().Close();
  }
}

// `status`: what the client is going to see. A failure of the ledger cannot be recorded: the next
// opening closes the exchange as interrupted, and why the ledger fails is logged once for all.
// Where the answer is recorded the exchange is closed, whether or not its last bytes reach the
// client.
Task<void> Exchange::RecordFailure(const absl::Status& failure, int status) {
  if (side_ == Side::kGateway) {
    LogError("exchange.failed",
             {{"exchange", id_}, {"stage", Name(stage_)}, {"reason", failure.ToString()}});
  }
  if (subject_.app == nullptr || side_ == Side::kLedger || is_closed_) co_return;
  audit::Record record = NewRecord(audit::RecordKind::kFailure);
  record.status = status;
  record.cause = CauseOf(failure);
  record.detail = std::string(failure.message());
  const absl::Status recorded = co_await Append(std::move(record), AnswerContent());
  if (!recorded.ok()) LogError("exchange.failure_not_recorded", {{"exchange", id_}});
}

Task<void> Exchange::AnswerFailure(const absl::Status& failure, const ApiError& error) {
  status_sent_ = error.status;
  if (client_.response_begun()) {
    // Held text stays held; the error event is the last thing the client sees.
    if (answer_stream_) {
      const absl::Status ended = co_await client_.EndBody(answer_stream_->Fail(error));
      if (ended.ok()) co_return;
    }
    client_.stream().Close();
    status_sent_ = 0;
    co_return;
  }
  HttpResponseHead head{error.status, ResponseFields(kJson)};
  std::string body;
  if (RefusesFor(failure)) {
    const std::string_view text = profile().refusal_answer;
    head = {200, ResponseFields(decoded_.stream ? kEventStream : kJson)};
    body = decoded_.stream ? RefusalStream(dialect_, NewAnswerHead(), decoded_, text)
                           : RefusalBody(dialect_, NewAnswerHead(), decoded_, text);
  } else {
    const bool pointless = error.status < 500 && error.status != 429 && error.status != 408;
    if (pointless) head.fields.emplace_back("x-should-retry", "false");
    body = ErrorBody(dialect_, error);
  }
  const absl::Status sent = co_await client_.Respond(head, body, MustClose());
  if (!sent.ok()) status_sent_ = 0;
}

// Whether the profile's exception policy asks for a refusal that looks like an answer. It needs a
// decoded request; an audit failure is always an error, since nothing may look like an answer then.
bool Exchange::RefusesFor(const absl::Status& failure) const {
  return !failure.ok() && cause_ && *cause_ != policy::Cause::kAuditUnavailable &&
         subject_.profile != nullptr && model_ != nullptr &&
         profile().exception(*cause_) == policy::ExceptionPolicy::kRefuse;
}

ApiError Exchange::ErrorFor(const absl::Status& failure) const {
  ApiError error;
  error.message = std::string(failure.message());
  const auto as = [&error](int status, std::string_view type, std::string_view code) {
    error.status = status;
    error.type = type;
    error.code = code;
  };
  if (http_status_ != 0) {
    as(http_status_, "invalid_request_error",
       http_status_ == 413 ? "body_too_large" : "bad_http_request");
    return error;
  }
  switch (side_ == Side::kClient ? failure.code() : absl::StatusCode::kUnknown) {
    case absl::StatusCode::kInvalidArgument:
      as(400, "invalid_request_error", "invalid_request");
      return error;
    case absl::StatusCode::kUnauthenticated:
      as(401, "invalid_request_error", "invalid_api_key");
      return error;
    case absl::StatusCode::kNotFound:
      as(404, "invalid_request_error",
         route_ == Route::kUnknownPath ? "unknown_url" : "model_not_found");
      return error;
    case absl::StatusCode::kUnimplemented:
      as(405, "invalid_request_error", "method_not_allowed");
      return error;
    default:
      break;
  }
  if (side_ == Side::kUpstream) {
    as(absl::IsDeadlineExceeded(failure) ? 504 : 502, "server_error", "upstream_error");
  } else if (absl::IsAborted(failure)) {
    as(503, "server_error", "gateway_stopping");
  } else if (side_ == Side::kLedger) {
    as(503, "server_error", "audit_unavailable");
    error.message =
        "The audit ledger cannot record decisions, so no request is served. Try again later; the "
        "operator of this gateway has been told.";
  } else {
    as(500, "server_error", cause_ ? policy::Name(*cause_) : "internal_error");
    error.message = "The gateway could not judge this exchange, so nothing was passed on.";
  }
  return error;
}

std::string Exchange::CauseOf(const absl::Status& failure) const {
  if (cause_) return std::string(policy::Name(*cause_));
  if (side_ == Side::kClient && (absl::IsUnavailable(failure) || absl::IsCancelled(failure))) {
    return "client_lost";
  }
  if (side_ == Side::kClient) return "bad_request";
  if (absl::IsAborted(failure)) return "gateway_stopping";
  return side_ == Side::kUpstream ? "upstream_refused" : "internal";
}

audit::Record Exchange::NewRecord(audit::RecordKind kind) const {
  audit::Record record;
  record.kind = kind;
  record.exchange = id_;
  record.stage = Name(stage_);
  record.app = subject_.app->id;
  record.user = subject_.user;
  record.profile = subject_.profile->id;
  record.region = subject_.profile->region;
  record.dialect = Name(dialect_);
  record.model = decoded_.model;
  if (upstream_ != nullptr) record.upstream = upstream_->name;
  record.bundle = snapshot_.bundle->digest();
  record.duration_us =
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun_).count();
  return record;
}

void Exchange::AddVerdict(audit::Record& record, const policy::Verdict& verdict,
                          policy::Action action) const {
  record.action = policy::Name(action);
  record.review = verdict.review;
  record.findings_total = verdict.reasons_total;
  record.findings.reserve(verdict.reasons.size());
  for (const policy::Reason& reason : verdict.reasons) {
    record.findings.push_back({.rule = std::string(reason.rule),
                               .category = std::string(reason.category),
                               .severity = std::string(reason.severity),
                               .lane = std::string(reason.lane),
                               .part = reason.part,
                               .start = reason.start,
                               .end = reason.end,
                               .action = std::string(policy::Name(reason.action))});
  }
}

Task<absl::Status> Exchange::Append(audit::Record record, std::string_view content) {
  using Token = asio::use_awaitable_t<Executor>;
  const absl::Status appended = co_await asio::async_initiate<const Token, void(absl::Status)>(
      [this, content](auto handler, audit::Record moved) {
        // The ledger calls back on its writer thread; the exchange goes on on its own.
        auto done = [executor = workshop_.executor,
                     handler = std::move(handler)](absl::StatusOr<audit::Receipt> receipt) mutable {
          asio::post(executor, [handler = std::move(handler), status = receipt.status()]() mutable {
            std::move(handler)(std::move(status));
          });
        };
        ledger_->Append(std::move(moved),
                        {.text = content,
                         .mode = KeptOf(profile(), snapshot_.config->ledger),
                         .floor = FloorOf()},
                        std::move(done));
      },
      Token{}, std::move(record));
  if (appended.ok()) co_return appended;
  co_return Blame(Side::kLedger, policy::Cause::kAuditUnavailable, appended);
}

// Whether what goes on now can still be recorded; asked before each effect, it takes no lock.
absl::Status Exchange::CheckLedger() {
  if (ledger_->open()) return absl::OkStatus();
  return Blame(Side::kLedger, policy::Cause::kAuditUnavailable, ledger_->status());
}

// Text that went to a model in another region than the user's is the record of a transfer, which is
// kept longer than the log of what never left.
audit::Floor Exchange::FloorOf() const {
  const bool abroad = upstream_ != nullptr && prompt_ && !upstream_->region.empty() &&
                      upstream_->region != profile().region;
  return abroad && prompt_action_ < policy::Action::kReplace ? audit::Floor::kTransfer
                                                             : audit::Floor::kLog;
}

std::string_view Exchange::AnswerContent() const {
  return answer_stream_ ? answer_stream_->transcript() : answer_content_;
}

HeaderFields Exchange::ResponseFields(std::string_view content_type) const {
  HeaderFields fields;
  fields.reserve(8);
  fields.emplace_back("content-type", content_type);
  if (content_type == kEventStream) {
    fields.emplace_back("cache-control", "no-cache");
    fields.emplace_back("x-accel-buffering", "no");
  }
  fields.emplace_back("x-request-id", request_id_.empty() ? id_ : request_id_);
  if (subject_.app != nullptr) {
    const policy::Action answered = answer_ ? answer_->verdict().action : policy::Action::kAllow;
    fields.emplace_back("x-weir-decision", id_);
    fields.emplace_back("x-weir-action", policy::Name(std::max(prompt_action_, answered)));
    fields.emplace_back("x-weir-bundle", snapshot_.bundle->digest());
  }
  return fields;
}

AnswerHead Exchange::NewAnswerHead() const {
  return {.id = "chatcmpl-" + id_, .created = SecondsNow(), .model = decoded_.model};
}

}  // namespace weir::gateway
