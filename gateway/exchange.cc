#include "gateway/exchange.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "audit/record.h"
#include "gateway/dialect.h"
#include "gateway/exchange_id.h"
#include "gateway/http.h"
#include "gateway/log.h"
#include "policy/judge.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;

enum class Route : uint8_t { kChatCompletions, kModels, kUnknownPath, kWrongMethod };

Route RouteOf(const HttpRequest& request) {
  if (request.path == "/v1/chat/completions") {
    return request.method == "POST" ? Route::kChatCompletions : Route::kWrongMethod;
  }
  if (request.path == "/v1/models" || request.path.starts_with("/v1/models/")) {
    return request.method == "GET" ? Route::kModels : Route::kWrongMethod;
  }
  return Route::kUnknownPath;
}

// Who a failure is to be laid at; decides how it is reported.
enum class Side : uint8_t { kClient, kUpstream, kLedger, kGateway };

// A client's request id is kept when it is short and printable, so that it cannot forge log lines.
bool UsableRequestId(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

// `prefix` in lower case.
bool StartsWithIgnoringCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char expected, char c) {
           return expected == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
         });
}

std::string_view BearerKey(const HeaderFields& fields) {
  const std::string_view value = Find(fields, "authorization");
  static constexpr std::string_view kScheme = "bearer ";
  return StartsWithIgnoringCase(value, kScheme) ? value.substr(kScheme.size()) : "";
}

int64_t SecondsNow() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double SecondsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEventStream = "text/event-stream";

// Fields of an upstream's error that tell a client when and whether to try again.
bool PassesFromUpstream(std::string_view name) {
  return name.starts_with("retry-after") || name.starts_with("x-ratelimit-") ||
         name == "x-should-retry";
}

class Exchange {
 public:
  Exchange(Workshop& workshop, HttpServerStream& client, Connection& connection)
      : workshop_(workshop), client_(client), connection_(connection) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Whether the connection can carry another exchange.
  Task<bool> Serve();

 private:
  Task<absl::Status> Run();

  Task<absl::StatusOr<bool>> Receive();
  absl::Status Identify();
  Task<absl::Status> Decode();
  absl::Status JudgePrompt();
  Task<absl::Status> RecordPrompt();
  void Refuse();
  Task<absl::Status> Forward();
  Task<absl::Status> Relay();
  Task<absl::Status> RecordAnswer();

  Task<absl::Status> ListModels();
  Task<absl::Status> RelayJson();
  Task<absl::Status> RelayStream();
  Task<absl::Status> WriteEvents(std::string_view events);
  Task<absl::Status> RelayError();
  Task<absl::Status> Release();
  Task<void> Fail(absl::Status failure);

  void Enter(Stage stage);
  absl::Status Blame(Side side, absl::Status status);
  absl::Status Blame(Side side, policy::Cause cause, absl::Status status);
  void WatchClient();
  void StopWaiting(absl::Status why);

  ApiError ErrorFor(const absl::Status& failure) const;
  std::string CauseOf(const absl::Status& failure) const;
  bool RefusesFor(const absl::Status& failure) const;

  audit::Record NewRecord(audit::RecordKind kind) const;
  void AddVerdict(audit::Record& record, const policy::Verdict& verdict,
                  policy::Action action) const;
  Task<absl::Status> Append(audit::Record record);

  HeaderFields ResponseFields(std::string_view content_type) const;
  AnswerHead NewAnswerHead() const;
  bool MustClose() const { return !body_read_ || workshop_.draining.load(); }

  const policy::Profile& profile() const { return *subject_.profile; }

  Workshop& workshop_;
  HttpServerStream& client_;
  Connection& connection_;

  Stage stage_ = Stage::kReceive;
  Clock::time_point begun_{};
  Clock::time_point entered_{};
  std::string id_;
  std::string request_id_;
  HttpRequest request_;
  bool received_ = false;
  bool body_read_ = true;  // nothing of the request is left on the connection
  Route route_ = Route::kUnknownPath;
  Dialect dialect_ = Dialect::kOpenAiChat;

  Snapshot snapshot_;
  policy::Subject subject_;
  DecodedRequest decoded_;
  const policy::Model* model_ = nullptr;
  const Upstream* upstream_ = nullptr;

  std::optional<policy::Judge> prompt_;
  std::optional<policy::Judge> answer_;
  policy::Action prompt_action_ = policy::Action::kAllow;
  uint64_t prompt_bytes_ = 0;
  uint64_t answer_bytes_ = 0;
  std::string upstream_body_;

  absl::AnyInvocable<void()> cancel_forward_;
  std::optional<UpstreamResponse> response_;
  std::optional<AnswerStream> answer_stream_;
  absl::Status stopped_waiting_;  // not OK: why nobody waits for the upstream any more

  // What RecordAnswer releases once the record is durable.
  HttpResponseHead last_head_;
  std::string last_bytes_;
  int status_sent_ = 0;
  int http_status_ = 0;  // not 0: what answers a request that is not HTTP as it should be

  Side side_ = Side::kGateway;
  std::optional<policy::Cause> cause_;
};

Task<bool> Exchange::Serve() {
  const absl::Status status = co_await Run();
  client_.stream().StopWatching();
  connection_.abandon = nullptr;
  if (!status.ok()) co_await Fail(status);
  if (!received_ && status.ok()) co_return false;
  if (received_) workshop_.metrics.Add(workshop_.shard, workshop_.ids.active, -1);
  workshop_.metrics.Increment(workshop_.shard,
                              workshop_.ids.responses[static_cast<size_t>(status_sent_ / 100)]);
  co_return status_sent_ != 0 && client_.keep_alive() && !workshop_.draining.load();
}

Task<absl::Status> Exchange::Run() {
  Enter(Stage::kReceive);
  WEIR_CO_ASSIGN_OR_RETURN(received_, co_await Receive());
  if (!received_) co_return absl::OkStatus();  // The peer closed between two requests.

  Enter(Stage::kIdentify);  // pins one bundle for the whole exchange
  WEIR_CO_RETURN_IF_ERROR(Identify());
  if (route_ == Route::kModels) co_return co_await ListModels();

  Enter(Stage::kDecode);
  WEIR_CO_RETURN_IF_ERROR(co_await Decode());

  Enter(Stage::kJudgePrompt);
  WEIR_CO_RETURN_IF_ERROR(JudgePrompt());

  Enter(Stage::kRecordPrompt);  // durable before any effect: no record, no forwarding
  WEIR_CO_RETURN_IF_ERROR(co_await RecordPrompt());

  if (prompt_action_ >= policy::Action::kReplace) {
    Enter(Stage::kRefuse);
    Refuse();
  } else {
    Enter(Stage::kForward);
    WEIR_CO_RETURN_IF_ERROR(co_await Forward());
    Enter(Stage::kRelay);  // judges each piece before releasing it
    WEIR_CO_RETURN_IF_ERROR(co_await Relay());
  }

  Enter(Stage::kRecordAnswer);  // durable before the last byte
  co_return co_await RecordAnswer();
}

void Exchange::Enter(Stage stage) {
  const Clock::time_point now = Clock::now();
  if (stage > Stage::kIdentify) {
    workshop_.metrics.Observe(workshop_.shard,
                              workshop_.ids.stage_seconds[static_cast<size_t>(stage_)],
                              SecondsBetween(entered_, now));
  }
  stage_ = stage;
  entered_ = now;
}

absl::Status Exchange::Blame(Side side, absl::Status status) {
  side_ = side;
  return status;
}

absl::Status Exchange::Blame(Side side, policy::Cause cause, absl::Status status) {
  cause_ = cause;
  return Blame(side, std::move(status));
}

Task<absl::StatusOr<bool>> Exchange::Receive() {
  connection_.idle = true;
  absl::StatusOr<bool> received = co_await client_.ReadHead(request_);
  connection_.idle = false;
  begun_ = Clock::now();
  id_ = NewExchangeId();
  if (absl::IsUnavailable(received.status()) || absl::IsCancelled(received.status())) {
    co_return false;  // Gone before it had asked for anything: nobody to answer, nothing to record.
  }
  if (!received.ok()) {
    body_read_ = false;
    http_status_ = HttpStatusOf(received.status());
    co_return Blame(Side::kClient, received.status());
  }
  if (*received) {
    workshop_.metrics.Add(workshop_.shard, workshop_.ids.active, 1);
    const std::string_view given = Find(request_.fields, "x-request-id");
    request_id_ = UsableRequestId(given) ? std::string(given) : id_;
  }
  co_return *received;
}

absl::Status Exchange::Identify() {
  snapshot_ = workshop_.current();
  body_read_ = request_.method == "GET";
  route_ = RouteOf(request_);
  if (route_ == Route::kUnknownPath) {
    return Blame(Side::kClient,
                 absl::NotFoundError(fmt::format("There is no {} {} here. Use POST "
                                                 "/v1/chat/completions or GET /v1/models.",
                                                 request_.method, request_.path)));
  }
  if (route_ == Route::kWrongMethod) {
    return Blame(Side::kClient,
                 absl::UnimplementedError(fmt::format("The method {} does not apply to {}.",
                                                      request_.method, request_.path)));
  }
  const std::string_view key = BearerKey(request_.fields);
  if (key.empty()) {
    return Blame(Side::kClient, absl::UnauthenticatedError(
                                    "Send the app's key as \"Authorization: Bearer <key>\"."));
  }
  subject_.app = snapshot_.bundle->FindApp(key);
  if (subject_.app == nullptr) {
    return Blame(Side::kClient,
                 absl::UnauthenticatedError("The key is not one of a known app. Check the key that "
                                            "the operator of this gateway gave you."));
  }
  subject_.profile = snapshot_.bundle->FindProfile(subject_.app->profile);
  return absl::OkStatus();
}

Task<absl::Status> Exchange::ListModels() {
  std::string entries;
  const std::string_view asked =
      request_.path.size() > 11 ? std::string_view(request_.path).substr(11) : "";
  for (const policy::Model& model : snapshot_.bundle->models()) {
    if (!asked.empty() && model.name != asked) continue;
    if (!entries.empty()) entries += ',';
    entries += R"({"id":)";
    AppendJsonString(entries, model.name);
    entries += R"(,"object":"model","created":0,"owned_by":)";
    AppendJsonString(entries, model.upstream);
    entries += '}';
  }
  if (!asked.empty() && entries.empty()) {
    co_return Blame(Side::kClient,
                    absl::NotFoundError(fmt::format("The model '{}' does not exist.", asked)));
  }
  if (asked.empty()) entries = R"({"object":"list","data":[)" + entries + "]}";
  last_head_ = {200, ResponseFields(kJson)};
  last_bytes_ = std::move(entries);
  co_return co_await Release();
}

Task<absl::Status> Exchange::Decode() {
  const std::string_view type = Find(request_.fields, "content-type");
  if (!StartsWithIgnoringCase(type, kJson)) {
    co_return Blame(Side::kClient, policy::Cause::kCannotDecode,
                    absl::InvalidArgumentError("Send the request as content-type: "
                                               "application/json in UTF-8."));
  }
  if (absl::Status read = co_await client_.ReadBody(request_); !read.ok()) {
    if (absl::IsResourceExhausted(read)) cause_ = policy::Cause::kBodyTooLarge;
    http_status_ = HttpStatusOf(read);
    co_return Blame(Side::kClient, std::move(read));
  }
  body_read_ = true;

  absl::StatusOr<DecodedRequest> decoded =
      DecodeRequest(dialect_, request_.body, snapshot_.config->json);
  if (!decoded.ok()) {
    co_return Blame(Side::kClient, policy::Cause::kCannotDecode, decoded.status());
  }
  decoded_ = *std::move(decoded);
  subject_.user = decoded_.user;

  for (const DecodedRequest::Opaque& opaque : decoded_.opaque) {
    if (profile().LetsThrough(opaque.kind)) continue;
    co_return Blame(Side::kClient, policy::Cause::kCannotDecode,
                    absl::InvalidArgumentError(fmt::format(
                        "Content of kind '{}' at {} cannot be inspected, and this app's profile "
                        "does not let it through. Send text, or ask the operator to allow it.",
                        opaque.kind, opaque.pointer)));
  }

  model_ = snapshot_.bundle->FindModel(decoded_.model);
  if (model_ == nullptr) {
    co_return Blame(
        Side::kClient,
        absl::NotFoundError(fmt::format(
            "The model '{}' does not exist. GET /v1/models lists the models.", decoded_.model)));
  }
  upstream_ = snapshot_.config->FindUpstream(model_->upstream);
  co_return absl::OkStatus();
}

absl::Status Exchange::JudgePrompt() {
  prompt_.emplace(*snapshot_.bundle, subject_, rules::Direction::kPrompt);
  std::vector<PartEdits> edits;
  for (size_t i = 0; i < decoded_.parts.size(); ++i) {
    const Part& part = decoded_.parts[i];
    absl::StatusOr<std::vector<policy::Edit>> masks = prompt_->JudgeText(part.pointer, part.text);
    if (!masks.ok()) return Blame(Side::kGateway, policy::Cause::kScanError, masks.status());
    prompt_bytes_ += part.text.size();
    if (!masks->empty()) edits.push_back({i, *std::move(masks)});
  }
  prompt_action_ = prompt_->verdict().action;
  if (prompt_action_ < policy::Action::kReplace) {
    absl::StatusOr<std::string> body =
        EncodeRequest(dialect_, request_.body, decoded_, edits,
                      model_->upstream_model.empty() ? decoded_.model : model_->upstream_model);
    if (body.ok()) {
      upstream_body_ = *std::move(body);
    } else {
      // What is to be masked stands where no mask can be put (over two parts, in a key): the
      // request is refused, never sent on as it is.
      prompt_action_ = policy::Action::kBlock;
    }
  }
  workshop_.metrics.Increment(workshop_.shard, workshop_.ids.judged_bytes_prompt, prompt_bytes_);
  workshop_.metrics.Increment(workshop_.shard,
                              workshop_.ids.prompt_decisions[static_cast<size_t>(prompt_action_)]);
  return absl::OkStatus();
}

Task<absl::Status> Exchange::RecordPrompt() {
  audit::Record record = NewRecord(audit::RecordKind::kPrompt);
  record.direction = "prompt";
  record.content_bytes = prompt_bytes_;
  AddVerdict(record, prompt_->verdict(), prompt_action_);
  co_return co_await Append(std::move(record));
}

void Exchange::Refuse() {
  const bool stand_in = prompt_action_ == policy::Action::kReplace;
  const std::string_view text =
      stand_in ? prompt_->StandInText() : std::string_view(profile().refusal_prompt);
  const policy::RefusalStyle style =
      decoded_.stream ? profile().refusal_stream : profile().refusal_json;
  if (!stand_in && style == policy::RefusalStyle::kError) {
    last_head_ = {400, ResponseFields(kJson)};
    last_head_.fields.emplace_back("x-should-retry", "false");
    last_bytes_ = ErrorBody(dialect_, {.status = 400,
                                       .type = "invalid_request_error",
                                       .code = "content_filter",
                                       .param = "messages",
                                       .message = std::string(text)});
  } else if (decoded_.stream) {
    last_head_ = {200, ResponseFields(kEventStream)};
    last_bytes_ = RefusalStream(dialect_, NewAnswerHead(), decoded_, text);
  } else {
    last_head_ = {200, ResponseFields(kJson)};
    last_bytes_ = RefusalBody(dialect_, NewAnswerHead(), decoded_, text);
  }
}

// Ends what waits on the upstream; `why` is then what the exchange failed by.
void Exchange::StopWaiting(absl::Status why) {
  if (stopped_waiting_.ok()) stopped_waiting_ = std::move(why);
  if (cancel_forward_) cancel_forward_();
  if (response_) response_->Cancel();
}

// As soon as the client is gone nobody would read the answer, and the provider need not write it.
void Exchange::WatchClient() {
  client_.stream().WatchForLoss(
      [this] { StopWaiting(absl::CancelledError("The client went away.")); });
  connection_.abandon = [this] {
    StopWaiting(absl::CancelledError("The gateway stopped before the answer was complete."));
  };
}

Task<absl::Status> Exchange::Forward() {
  HeaderFields fields;
  fields.emplace_back("content-type", kJson);
  fields.emplace_back("accept", decoded_.stream ? kEventStream : kJson);
  fields.emplace_back("x-request-id", request_id_);
  WatchClient();
  absl::StatusOr<UpstreamResponse> response = co_await workshop_.upstreams.Forward(
      *upstream_, "POST", "/chat/completions", fields, upstream_body_,
      &cancel_forward_);
  if (!response.ok()) {
    if (!stopped_waiting_.ok()) co_return Blame(Side::kClient, stopped_waiting_);
    co_return Blame(Side::kUpstream, policy::Cause::kUpstreamLost, response.status());
  }
  response_.emplace(*std::move(response));
  co_return absl::OkStatus();
}

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
    cause_.reset();
    status = Blame(Side::kClient, stopped_waiting_);
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

  absl::StatusOr<JudgedAnswer> judged =
      JudgeAnswer(dialect_, body, decoded_, *answer_, snapshot_.config->json);
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
      if (absl::Status written = co_await WriteEvents(out); !written.ok()) {
        co_return Blame(Side::kClient, std::move(written));
      }
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
  ApiError error = DecodeError(dialect_, upstream_status, body, snapshot_.config->json);
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
  audit::Record record = NewRecord(audit::RecordKind::kAnswer);
  record.direction = "answer";
  record.content_bytes = answer_bytes_;
  record.status = last_head_.status;
  if (answer_) AddVerdict(record, answer_->verdict(), answer_->verdict().action);
  WEIR_CO_RETURN_IF_ERROR(co_await Append(std::move(record)));
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
    asio::co_spawn(workshop_.executor, Settle(snapshot_.config, *std::move(response_)),
                   asio::detached);
    response_.reset();
  }
  if (!written.ok()) co_return Blame(Side::kClient, std::move(written));
  co_return absl::OkStatus();
}

// The one place where an exchange ends by a failure.
Task<void> Exchange::Fail(absl::Status failure) {
  workshop_.metrics.Increment(workshop_.shard, workshop_.ids.failures[static_cast<size_t>(stage_)]);
  if (response_) response_->Cancel();
  const ApiError error = ErrorFor(failure);
  const bool client_usable =
      side_ != Side::kClient || !(absl::IsUnavailable(failure) || absl::IsCancelled(failure));

  if (subject_.app != nullptr && side_ != Side::kLedger) {
    audit::Record record = NewRecord(audit::RecordKind::kFailure);
    record.status = !client_usable ? status_sent_ : client_.response_begun() ? 200 : error.status;
    record.content_bytes = answer_bytes_;
    record.cause = CauseOf(failure);
    record.detail = std::string(failure.message());
    const absl::Status recorded = co_await Append(std::move(record));
    if (!recorded.ok()) LogError("exchange.failure_not_recorded", {{"exchange", id_}});
  }
  if (side_ == Side::kLedger || side_ == Side::kGateway) {
    LogError("exchange.failed", {{"exchange", id_},
                                 {"stage", std::string(Name(stage_))},
                                 {"reason", std::string(failure.message())}});
  }
  if (!client_usable) {
    client_.stream().Close();
    co_return;
  }
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
    if (error.status < 500 && error.status != 429)
      head.fields.emplace_back("x-should-retry", "false");
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

Task<absl::Status> Exchange::Append(audit::Record record) {
  using Token = asio::use_awaitable_t<Executor>;
  const absl::Status appended = co_await asio::async_initiate<const Token, void(absl::Status)>(
      [this](auto handler, audit::Record moved) {
        // The ledger calls back on its writer thread; the exchange goes on on its own.
        workshop_.ledger.Append(
            std::move(moved), [executor = workshop_.executor, handler = std::move(handler)](
                                  absl::StatusOr<audit::Receipt> receipt) mutable {
              asio::post(executor,
                         [handler = std::move(handler), status = receipt.status()]() mutable {
                           std::move(handler)(std::move(status));
                         });
            });
      },
      Token{}, std::move(record));
  if (appended.ok()) co_return appended;
  co_return Blame(Side::kLedger, policy::Cause::kAuditUnavailable, appended);
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

}  // namespace

std::string_view Name(Stage stage) {
  static constexpr std::array<std::string_view, kStageCount> kNames = {
      "Receive", "Identify", "Decode", "JudgePrompt", "RecordPrompt",
      "Refuse",  "Forward",  "Relay",  "RecordAnswer"};
  return kNames[static_cast<size_t>(stage)];
}

ExchangeMetrics::ExchangeMetrics(Metrics& metrics) {
  static constexpr std::array<std::string_view, 6> kClasses = {"none", "1xx", "2xx",
                                                               "3xx",  "4xx", "5xx"};
  const std::vector<double> seconds = {10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3,
                                       5e-3,  10e-3, 25e-3, 100e-3, 1,      10,     60};
  active = metrics.Gauge("weir_active_exchanges", "", "Exchanges under way.");
  connections = metrics.Gauge("weir_connections", "", "Open client connections.");
  for (size_t i = 0; i < kClasses.size(); ++i) {
    responses[i] =
        metrics.Counter("weir_responses_total", fmt::format("status_class=\"{}\"", kClasses[i]),
                        "Responses to clients by status class; none: connection lost.");
  }
  for (size_t i = 0; i < prompt_decisions.size(); ++i) {
    const std::string_view action = policy::Name(static_cast<policy::Action>(i));
    static constexpr std::string_view kHelp = "Decisions by direction and action.";
    prompt_decisions[i] = metrics.Counter(
        "weir_decisions_total", fmt::format("direction=\"prompt\",action=\"{}\"", action), kHelp);
    answer_decisions[i] = metrics.Counter(
        "weir_decisions_total", fmt::format("direction=\"answer\",action=\"{}\"", action), kHelp);
  }
  for (size_t i = 0; i < failures.size(); ++i) {
    const std::string label = fmt::format("stage=\"{}\"", Name(static_cast<Stage>(i)));
    failures[i] = metrics.Counter("weir_exchange_failures_total", label,
                                  "Exchanges that ended by a failure, by stage.");
    stage_seconds[i] = metrics.Histogram("weir_stage_seconds", label,
                                         "Time an exchange spends in each stage.", seconds);
  }
  first_content_seconds =
      metrics.Histogram("weir_first_content_seconds", "",
                        "From the end of the request's head to the first event.", seconds);
  judged_bytes_prompt =
      metrics.Counter("weir_judged_bytes_total", "direction=\"prompt\"", "Bytes of text judged.");
  judged_bytes_answer =
      metrics.Counter("weir_judged_bytes_total", "direction=\"answer\"", "Bytes of text judged.");
}

Task<void> ServeConnection(Workshop& workshop, std::unique_ptr<ByteStream> stream) {
  Connection connection;
  connection.stream = stream.get();
  workshop.connections.insert(&connection);
  workshop.metrics.Add(workshop.shard, workshop.ids.connections, 1);
  const absl::Cleanup forget = [&workshop, &connection] {
    workshop.metrics.Add(workshop.shard, workshop.ids.connections, -1);
    workshop.connections.erase(&connection);
  };
  const std::shared_ptr<const Config> config = workshop.current().config;
  HttpServerStream client(std::move(stream), config->http);
  bool more = true;
  while (more) {
    Exchange exchange(workshop, client, connection);
    more = co_await exchange.Serve();
  }
  client.stream().Close();
}

}  // namespace weir::gateway
