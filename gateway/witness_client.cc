#include "gateway/witness_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "audit/consistency.h"
#include "audit/reader.h"
#include "gateway/log.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable_t<Executor>{});
// How often it looks for a newer checkpoint; the ledger signs about one a second.
constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kRetryFirst{1};
constexpr std::chrono::seconds kRetryMax{60};
constexpr size_t kAnswerBytesMax = 64 << 10;
constexpr int kAttemptsMax = 3;  // a conflict tells where to begin; more than a few are no progress

// Coroutines do not throw; what would end one all the same is a failed allocation.
void LogLost(std::exception_ptr lost) {
  if (lost) LogError("witness.client_lost", {});
}

}  // namespace

WitnessMetrics::WitnessMetrics(Metrics& all, const WitnessPlan& plan) : metrics(all) {
  for (const WitnessSite& site : plan.sites) {
    const auto counter = [&](std::string_view result) {
      return all.Counter("weir_witness_requests_total",
                         Labels({{"witness", site.key.name()}, {"result", result}}),
                         "Checkpoints taken to witnesses: cosigned, failed (asked again), or "
                         "refused (look into it).");
    };
    sites.push_back({counter("cosigned"), counter("failed"), counter("refused")});
  }
}

class WitnessClient::State {
 public:
  State(const WitnessPlan& plan, LedgerSource source, std::string dir, Dial dial,
        const WitnessMetrics& metrics)
      : source_(std::move(source)),
        dir_(std::move(dir)),
        quorum_(std::max<size_t>(1, plan.quorum)),
        metrics_(metrics),
        pool_(std::move(dial), HttpLimits()) {
    for (const WitnessSite& site : plan.sites) {
      witnesses_.push_back(Witness{.site = site,
                                   .size = 0,
                                   .line = {},
                                   .retry_after = std::chrono::seconds(0),
                                   .not_before = {}});
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start() {
    WEIR_RETURN_IF_ERROR(FollowLedger());
    asio::co_spawn(io_, Run(), LogLost);
    thread_ = std::thread([this] { io_.run(); });
    return absl::OkStatus();
  }
  void Finish(std::chrono::milliseconds patience);

 private:
  struct Witness {
    WitnessSite site;
    uint64_t size;                     // of the last checkpoint that it cosigned, as far as we know
    std::string line;                  // its cosignature of target_; empty: not yet
    std::chrono::seconds retry_after;  // 0: it did not fail
    Clock::time_point not_before;
  };

  Task<void> Run();
  Task<void> Round();
  Task<void> Ask(size_t index);
  Task<absl::Status> AddCheckpoint(Witness& witness);
  Task<absl::StatusOr<std::pair<int, std::string>>> Post(const Witness& witness,
                                                         const std::string& body);
  absl::Status TakeLine(Witness& witness, std::string_view lines) const;
  absl::Status TakeConflict(Witness& witness, std::string_view body) const;
  absl::Status FollowLedger();
  bool AimAtNewest();
  void KeepQuorum();

  const LedgerSource source_;
  const std::string dir_;
  const size_t quorum_;
  const WitnessMetrics& metrics_;

  // Of the client's thread.
  std::shared_ptr<audit::Ledger> ledger_;
  std::unique_ptr<audit::Reader> reader_;
  std::vector<Witness> witnesses_;
  std::string note_;  // the checkpoint that the round is about
  audit::Checkpoint target_;
  size_t kept_ = 0;  // cosignatures of it that the ledger has
  size_t asking_ = 0;
  asio::io_context io_{1};
  UpstreamPool pool_;  // its idle connections go before what they stand on
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> answered_{io_};
  std::thread thread_;

  std::mutex mu_;
  std::condition_variable progress_;
  bool all_cosigned_ = false;  // guarded by mu_
};

void WitnessClient::State::Finish(std::chrono::milliseconds patience) {
  std::unique_lock lock(mu_);
  all_cosigned_ = false;  // whether it is still so, the next tick says
  progress_.wait_for(lock, patience, [this] { return all_cosigned_; });
}

Task<void> WitnessClient::State::Run() {
  for (;;) {
    // What cannot be read at this moment is read at a later one.
    if (FollowLedger().ok() && AimAtNewest()) {
      co_await Round();
      KeepQuorum();
    }
    const audit::LedgerStats stats = ledger_->stats();
    if (stats.queued == 0 && stats.size == stats.cosigned_size) {
      const std::lock_guard lock(mu_);
      all_cosigned_ = true;
      progress_.notify_all();
    }
    pool_.CloseExpired();
    asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor> tick(io_, kTick);
    co_await tick.async_wait(kTuple);
  }
}

// A new opening lacks what the last one was given in its last second, and its files may be others.
absl::Status WitnessClient::State::FollowLedger() {
  std::shared_ptr<audit::Ledger> ledger = source_();
  if (ledger == ledger_) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(reader_, audit::Reader::Open(dir_));
  ledger_ = std::move(ledger);
  note_.clear();
  return absl::OkStatus();
}

// Whether there is somebody to ask: about a newer checkpoint, or about the last once more.
bool WitnessClient::State::AimAtNewest() {
  std::string note = ledger_->last_checkpoint();
  if (note.empty()) return false;
  if (note != note_) {
    const absl::StatusOr<audit::SignedNote> parsed = audit::SignedNote::Parse(note);
    if (!parsed.ok()) return false;
    absl::StatusOr<audit::Checkpoint> checkpoint = audit::Checkpoint::Parse(parsed->text);
    if (!checkpoint.ok()) return false;
    target_ = *std::move(checkpoint);
    note_ = std::move(note);
    kept_ = 0;
    for (Witness& witness : witnesses_) witness.line.clear();
  }
  const Clock::time_point now = Clock::now();
  return std::any_of(witnesses_.begin(), witnesses_.end(), [now](const Witness& witness) {
    return witness.line.empty() && witness.not_before <= now;
  });
}

// Asks all at once whose turn it is, and waits for all of their answers.
Task<void> WitnessClient::State::Round() {
  const Clock::time_point now = Clock::now();
  for (size_t i = 0; i < witnesses_.size(); ++i) {
    if (!witnesses_[i].line.empty() || witnesses_[i].not_before > now) continue;
    ++asking_;
    asio::co_spawn(io_, Ask(i), LogLost);
  }
  while (asking_ > 0) {
    answered_.expires_at(Clock::time_point::max());
    co_await answered_.async_wait(kTuple);
  }
}

Task<void> WitnessClient::State::Ask(size_t index) {
  Witness& witness = witnesses_[index];
  const WitnessMetrics::OfSite& ids = metrics_.sites[index];
  const absl::Status status = co_await AddCheckpoint(witness);
  const bool refused = absl::IsDataLoss(status);
  metrics_.metrics.Increment(0, status.ok() ? ids.cosigned : refused ? ids.refused : ids.failed);
  if (status.ok()) {
    if (witness.retry_after.count() > 0) {
      LogInfo("witness.recovered", {{"witness", witness.site.key.name()}});
    }
    witness.retry_after = std::chrono::seconds(0);
  } else {
    if (witness.retry_after.count() == 0 || refused) {
      LogError(refused ? "witness.refused" : "witness.failed",
               {{"witness", witness.site.key.name()}, {"reason", std::string(status.message())}});
    }
    witness.retry_after = std::clamp(2 * witness.retry_after, kRetryFirst, kRetryMax);
    witness.not_before = Clock::now() + witness.retry_after;
  }
  --asking_;
  answered_.cancel();
}

// OK when the witness has cosigned the target. kDataLoss: it says that this ledger is not the one
// that it knows.
Task<absl::Status> WitnessClient::State::AddCheckpoint(Witness& witness) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    audit::Extension extension{.old_size = witness.size, .proof = {}, .note = note_};
    if (witness.size > 0) {
      absl::StatusOr<std::vector<audit::Hash>> proof =
          reader_->ProveConsistency(witness.size, target_.size);
      if (!proof.ok()) co_return proof.status();
      extension.proof = *std::move(proof);
    }
    const auto answer = co_await Post(witness, extension.Text());
    if (!answer.ok()) co_return answer.status();
    const auto& [status, body] = *answer;
    if (status == 200) co_return TakeLine(witness, body);
    if (status == 422) {
      co_return absl::DataLossError(
          fmt::format("it does not believe that the ledger's {} records extend the {} that it has "
                      "cosigned, and says: {}",
                      target_.size, witness.size, body.substr(0, 300)));
    }
    if (status != 409) {
      co_return absl::UnavailableError(
          fmt::format("it answered {}: {}", status, body.substr(0, 300)));
    }
    const absl::Status known = TakeConflict(witness, body);
    if (!known.ok()) co_return known;
  }
  co_return absl::UnavailableError("it names another size at every attempt");
}

Task<absl::StatusOr<std::pair<int, std::string>>> WitnessClient::State::Post(
    const Witness& witness, const std::string& body) {
  // Named, because g++ 12 cannot keep a list of fields alive across a co_await.
  const HeaderFields fields = {{"content-type", "text/plain; charset=utf-8"}};
  absl::StatusOr<UpstreamResponse> response =
      co_await pool_.Forward(witness.site.upstream, "POST", "/add-checkpoint", fields, body);
  if (!response.ok()) co_return response.status();
  std::string answer;
  for (;;) {
    const absl::StatusOr<size_t> read = co_await response->ReadBody(answer);
    if (!read.ok()) co_return read.status();
    if (*read == 0) break;
    if (answer.size() > kAnswerBytesMax) {
      co_return absl::UnavailableError("its answer is longer than any cosignature");
    }
  }
  co_return std::pair(response->head().status, std::move(answer));
}

// Lines of keys that nobody named are ignored, as the specification says.
absl::Status WitnessClient::State::TakeLine(Witness& witness, std::string_view lines) const {
  absl::StatusOr<std::vector<audit::NoteSignature>> parsed = audit::ParseSignatureLines(lines);
  if (!parsed.ok()) return absl::UnavailableError("its answer is no cosignature");
  for (const audit::NoteSignature& line : *parsed) {
    if (!witness.site.key.IsOf(line)) continue;
    const absl::StatusOr<bool> valid =
        witness.site.key.Signed({.text = target_.Text(), .signatures = {line}});
    if (!valid.ok()) return absl::UnavailableError("its cosignature does not verify");
    witness.line = line.ToString();
    witness.size = target_.size;
    return absl::OkStatus();
  }
  return absl::UnavailableError("it signs with another key than the configuration names");
}

absl::Status WitnessClient::State::TakeConflict(Witness& witness, std::string_view body) const {
  uint64_t size = 0;
  if (body.ends_with('\n')) body.remove_suffix(1);
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), size);
  if (error != std::errc() || end != body.data() + body.size()) {
    return absl::UnavailableError("it answered 409 without the size that it has cosigned");
  }
  if (size > target_.size) {
    return absl::DataLossError(
        fmt::format("it has cosigned {} records of this ledger, which holds {}: the ledger was "
                    "rolled back, or another gateway writes under its key",
                    size, target_.size));
  }
  witness.size = size;
  return absl::OkStatus();
}

void WitnessClient::State::KeepQuorum() {
  std::string lines;
  size_t count = 0;
  for (const Witness& witness : witnesses_) {
    if (!witness.line.empty()) ++count;
    lines += witness.line;
  }
  if (count < quorum_ || count == kept_) return;
  const absl::Status kept = ledger_->AddCosignatures(note_, lines);
  if (kept.ok()) {
    kept_ = count;
  } else {
    LogError("witness.not_kept", {{"reason", std::string(kept.message())}});
  }
}

WitnessClient::WitnessClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
WitnessClient::~WitnessClient() = default;

absl::StatusOr<std::unique_ptr<WitnessClient>> WitnessClient::Start(const WitnessPlan& plan,
                                                                    LedgerSource ledger,
                                                                    std::string dir, Dial dial,
                                                                    const WitnessMetrics& metrics) {
  auto state =
      std::make_unique<State>(plan, std::move(ledger), std::move(dir), std::move(dial), metrics);
  WEIR_RETURN_IF_ERROR(state->Start());
  return std::unique_ptr<WitnessClient>(new WitnessClient(std::move(state)));
}

void WitnessClient::Finish(std::chrono::milliseconds patience) {
  state_->Finish(patience);
}

}  // namespace weir::gateway
