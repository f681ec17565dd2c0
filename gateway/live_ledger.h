// The ledger as a running gateway has it: open, or on its way to be open again.
//
// A ledger that fails closes itself (audit/ledger.h); from then on every exchange is refused with
// 503. A thread of its own looks four times a second. Where the reason may pass without a person (a
// full disk, a disk that refused a write, a folder that is away), it opens the ledger anew as soon
// as the reason has passed, with all the reconciliation of a start; an attempt that fails is made
// again, less and less often, every five seconds at last. Where nobody can know what the disk holds
// (a failed fsync), or the store is not the one that was signed (altered, rolled back), it stays
// closed until a person has looked and started the gateway again; status() says what to do.
//
// Each opening is a ledger of its own. What takes several records, such as an exchange, keeps the
// one that it began with: what was open when that closed has been recorded as interrupted by the
// next one, and must not go on there. A closed ledger refuses everything and may be kept.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/ledger.h"
#include "gateway/metrics.h"

namespace weir::gateway {

// Gives the opening in force; never null.
using LedgerSource = std::function<std::shared_ptr<audit::Ledger>()>;

class LiveLedger {
 public:
  // Registers what it counts; `metrics` must outlive it.
  static absl::StatusOr<std::unique_ptr<LiveLedger>> Open(const audit::LedgerOptions& options,
                                                          Metrics& metrics);
  LiveLedger(const LiveLedger&) = delete;  // owns a thread
  LiveLedger& operator=(const LiveLedger&) = delete;
  // Closes as Close() does, ignoring its result.
  ~LiveLedger();

  // Begin, End and Close belong to one thread; the others may be called from any.
  //
  // From Begin to End it looks; `opened` runs on its thread after each opening, with a sentence on
  // why the ledger had been closed and for how long.
  using Opened = std::function<void(std::string_view account)>;
  void Begin(Opened opened);
  void End();
  // Ends, and closes the ledger as audit::Ledger::Close() does.
  absl::Status Close();

  std::shared_ptr<audit::Ledger> current() const;
  // OK while decisions can be recorded; else why not, and what happens next or is to be done.
  absl::Status status() const;

 private:
  using Clock = std::chrono::steady_clock;

  LiveLedger(const audit::LedgerOptions& options, Metrics& metrics);
  void Run();
  // After how long to look again.
  std::chrono::milliseconds Look();
  std::chrono::milliseconds StayClosed(std::string_view account);
  void TakeOpened(std::shared_ptr<audit::Ledger> ledger, const absl::Status& closed);
  void Say(std::string next);

  const audit::LedgerOptions options_;
  Metrics& metrics_;
  const Metrics::Id opened_count_;
  const Metrics::Id failed_count_;
  const Metrics::Id needs_person_gauge_;
  Opened opened_;

  // The thread's.
  Clock::time_point closed_at_ = Clock::time_point::max();  // when it was seen to be closed
  std::chrono::milliseconds pause_{};                       // after the next attempt
  bool needs_person_ = false;
  bool limited_ = false;  // open, but only for what ends an exchange

  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  bool ending_ = false;
  std::shared_ptr<audit::Ledger> ledger_;  // written by the thread alone
  std::string next_;                       // what happens while it is closed

  std::thread thread_;
};

}  // namespace weir::gateway
