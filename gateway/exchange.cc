#include "gateway/exchange.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "gateway/exchange_id.h"
#include "gateway/exchange_stages.h"
#include "gateway/http.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

Route RouteOf(const HttpRequest& request) {
  if (request.path == "/v1/chat/completions") {
    return request.method == "POST" ? Route::kChatCompletions : Route::kWrongMethod;
  }
  if (request.path == "/v1/models" || request.path.starts_with("/v1/models/")) {
    return request.method == "GET" ? Route::kModels : Route::kWrongMethod;
  }
  return Route::kUnknownPath;
}

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

}  // namespace

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
  ledger_ = workshop_.ledger;
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
  AddVerdict(record, prompt_->verdict(), prompt_action_);
  co_return co_await Append(std::move(record), request_.body);
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

absl::Status Exchange::BlameWaiting() {
  cause_.reset();
  return Blame(absl::IsAborted(stopped_waiting_) ? Side::kGateway : Side::kClient,
               stopped_waiting_);
}

// As soon as the client is gone nobody would read the answer, and the provider need not write it.
void Exchange::WatchClient() {
  client_.stream().WatchForLoss(
      [this] { StopWaiting(absl::CancelledError("The client went away.")); });
  connection_.abandon = [this] {
    StopWaiting(absl::AbortedError("The gateway stopped before the answer was complete."));
  };
}

Task<absl::Status> Exchange::Forward() {
  WEIR_CO_RETURN_IF_ERROR(CheckLedger());  // it may have closed since the prompt's record
  HeaderFields fields;
  fields.emplace_back("content-type", kJson);
  fields.emplace_back("accept", decoded_.stream ? kEventStream : kJson);
  fields.emplace_back("x-request-id", request_id_);
  WatchClient();
  absl::StatusOr<UpstreamResponse> response = co_await workshop_.upstreams.Forward(
      *upstream_, "POST", "/chat/completions", fields, upstream_body_, &cancel_forward_);
  if (!response.ok()) {
    if (!stopped_waiting_.ok()) co_return BlameWaiting();
    co_return Blame(Side::kUpstream, policy::Cause::kUpstreamLost, response.status());
  }
  response_.emplace(*std::move(response));
  co_return absl::OkStatus();
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
