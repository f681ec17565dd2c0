#include "gateway/live_ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "gateway/log.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{250};
constexpr milliseconds kPauseMax{5'000};

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace

LiveLedger::LiveLedger(const audit::LedgerOptions& options, Metrics& metrics)
    : options_(options),
      metrics_(metrics),
      opened_count_(metrics.Counter("weir_ledger_reopenings_total", "result=\"opened\"",
                                    "Attempts to open the ledger again after it closed itself.")),
      failed_count_(metrics.Counter("weir_ledger_reopenings_total", "result=\"failed\"", "")),
      needs_person_gauge_(metrics.Gauge("weir_ledger_needs_person", "",
                                        "1 while the ledger stays closed until a person has "
                                        "looked; /readyz says what to do.")) {}

absl::StatusOr<std::unique_ptr<LiveLedger>> LiveLedger::Open(const audit::LedgerOptions& options,
                                                             Metrics& metrics) {
  std::unique_ptr<LiveLedger> live(new LiveLedger(options, metrics));
  WEIR_ASSIGN_OR_RETURN(live->ledger_, audit::Ledger::Open(options));
  return live;
}

LiveLedger::~LiveLedger() {
  Close().IgnoreError();
}

void LiveLedger::Begin(Opened opened) {
  opened_ = std::move(opened);
  thread_ = std::thread([this] { Run(); });
}

void LiveLedger::End() {
  {
    const std::lock_guard lock(mu_);
    ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status LiveLedger::Close() {
  End();
  return ledger_ == nullptr ? absl::OkStatus() : ledger_->Close();
}

std::shared_ptr<audit::Ledger> LiveLedger::current() const {
  const std::lock_guard lock(mu_);
  return ledger_;
}

absl::Status LiveLedger::status() const {
  const std::lock_guard lock(mu_);
  const absl::Status status = ledger_->status();
  if (status.ok() || next_.empty()) return status;
  return {status.code(), fmt::format("{} {}", Text(status), next_)};
}

void LiveLedger::Say(std::string next) {
  const std::lock_guard lock(mu_);
  next_ = std::move(next);
}

void LiveLedger::Run() {
  milliseconds pause = kLookEvery;
  std::unique_lock lock(mu_);
  while (!wake_.wait_for(lock, pause, [this] { return ending_; })) {
    lock.unlock();
    pause = Look();
    lock.lock();
  }
}

milliseconds LiveLedger::Look() {
  if (needs_person_) return kLookEvery;
  const absl::Status status = ledger_->status();
  if (ledger_->open()) {
    if (limited_ && status.ok()) LogInfo("ledger.unlimited");
    if (!limited_ && !status.ok()) LogError("ledger.limited", {{"why", Text(status)}});
    limited_ = !status.ok();
    return kLookEvery;
  }
  if (closed_at_ == Clock::time_point::max()) {
    closed_at_ = Clock::now();
    pause_ = kLookEvery;
    LogError("ledger.closed", {{"why", Text(status)}});
    Say("It is opened again by itself as soon as that has passed.");
  }
  if (audit::NeedsPerson(status)) return StayClosed("");
  absl::StatusOr<std::shared_ptr<audit::Ledger>> opened =
      audit::Ledger::Open(options_, ledger_.get());
  if (opened.ok()) {
    TakeOpened(*std::move(opened), status);
    return kLookEvery;
  }
  metrics_.Increment(0, failed_count_);
  std::string failure = "The attempt to open it again ended with: " + Text(opened.status());
  if (!failure.ends_with('.')) failure += '.';
  LogError("ledger.not_opened", {{"why", Text(opened.status())}});
  if (audit::NeedsPerson(opened.status())) return StayClosed(failure + " ");
  Say(fmt::format("{} It goes on by itself as soon as that has passed.", failure));
  return std::exchange(pause_, std::min(2 * pause_, kPauseMax));
}

milliseconds LiveLedger::StayClosed(std::string_view account) {
  needs_person_ = true;
  metrics_.Set(needs_person_gauge_, 1);
  Say(fmt::format(
      "{}A person has to look: run `weir audit verify --dir {}`, do what it says, and start the "
      "gateway again.",
      account, options_.dir));
  LogError("ledger.needs_person", {{"why", Text(status())}});
  return kLookEvery;
}

void LiveLedger::TakeOpened(std::shared_ptr<audit::Ledger> ledger, const absl::Status& closed) {
  const auto lasted = std::chrono::duration_cast<milliseconds>(
      Clock::now() - std::exchange(closed_at_, Clock::time_point::max()));
  const uint64_t records = ledger->stats().size;
  {
    const std::lock_guard lock(mu_);
    ledger_ = std::move(ledger);
    next_.clear();
  }
  metrics_.Increment(0, opened_count_);
  LogInfo("ledger.opened", {{"records", records}, {"closed_milliseconds", lasted.count()}});
  opened_(fmt::format("It had been closed for {} ms: {}", lasted.count(), Text(closed)));
}

}  // namespace weir::gateway
