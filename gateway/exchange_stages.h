// One exchange, as a class: what Run() in exchange.cc calls, stage by stage. Internal to
// exchange.cc, exchange_relay.cc (the answer's way to the client) and exchange_record.cc (failures
// and records).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/ledger.h"
#include "audit/record.h"
#include "gateway/dialect.h"
#include "gateway/http.h"
#include "gateway/workshop.h"
#include "policy/judge.h"

namespace weir::gateway {

enum class Route : uint8_t { kChatCompletions, kModels, kUnknownPath, kWrongMethod };

// Who a failure is to be laid at; decides how it is reported.
enum class Side : uint8_t { kClient, kUpstream, kLedger, kGateway };

inline double SecondsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kEventStream = "text/event-stream";

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
  Task<void> RecordFailure(const absl::Status& failure, int status);
  Task<void> AnswerFailure(const absl::Status& failure, const ApiError& error);

  void Enter(Stage stage);
  absl::Status CheckLedger();
  absl::Status Blame(Side side, absl::Status status);
  absl::Status Blame(Side side, policy::Cause cause, absl::Status status);
  void WatchClient();
  void StopWaiting(absl::Status why);
  absl::Status BlameWaiting();

  ApiError ErrorFor(const absl::Status& failure) const;
  std::string CauseOf(const absl::Status& failure) const;
  bool RefusesFor(const absl::Status& failure) const;

  audit::Record NewRecord(audit::RecordKind kind) const;
  void AddVerdict(audit::Record& record, const policy::Verdict& verdict,
                  policy::Action action) const;
  // `content`: what was judged, kept as the configuration says.
  Task<absl::Status> Append(audit::Record record, std::string_view content);

  audit::Floor FloorOf() const;
  std::string_view AnswerContent() const;
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
  // The opening of the ledger that it began with. When that has closed, the exchange is over: the
  // next opening has recorded it as interrupted.
  std::shared_ptr<audit::Ledger> ledger_;
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
  std::string answer_content_;  // a JSON answer as the upstream wrote it

  absl::AnyInvocable<void()> cancel_forward_;
  std::optional<UpstreamResponse> response_;
  std::optional<AnswerStream> answer_stream_;
  absl::Status stopped_waiting_;  // not OK: why nobody waits for the upstream any more

  bool is_closed_ = false;  // the answer's record is durable
  // What RecordAnswer releases once the record is durable.
  HttpResponseHead last_head_;
  std::string last_bytes_;
  int status_sent_ = 0;
  int http_status_ = 0;  // not 0: what answers a request that is not HTTP as it should be

  Side side_ = Side::kGateway;
  std::optional<policy::Cause> cause_;
};

}  // namespace weir::gateway
