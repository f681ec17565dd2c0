// Where people ask the ledger: /admin/v1/... and /tiles/... are answered on threads of the desk's
// own, so that neither exchanges nor /livez wait for a search.
//
// A question goes one way: Admit (route, person, role, parameters) -> Answer -> Record -> reply.
// What shows records is itself recorded, durably, before it is shown: who asked, in which role, for
// what, how many were returned. If that cannot be recorded, 503 and nothing is shown.
//
// After the ledger was opened again, questions go to the new opening; readers are opened anew with
// it, because the files may be others.
//
// At most kDeskQueueMax questions wait; beyond it 503. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "gateway/admin_route.h"
#include "gateway/live_ledger.h"

namespace weir::gateway {

inline constexpr size_t kDeskQueueMax = 64;

// What stands before an answer: whether this may be asked, by that person, in that way. A response
// instead of a question says why not.
struct Admission {
  const AdminRoute* route = nullptr;  // null: turned away
  AdminQuestion question;
  AdminResponse refusal;
};
Admission Admit(const HttpRequest& request, const std::vector<StaffMember>& staff);

// Answers one request whose body has been read. May block.
AdminResponse AnswerAtDesk(const HttpRequest& request, AdminSources& sources);

class AdminDesk {
 public:
  using CurrentConfig = std::function<std::shared_ptr<const Config>()>;
  // Reads the open ledger in `dir`.
  static absl::StatusOr<std::unique_ptr<AdminDesk>> Open(LedgerSource ledger, std::string dir,
                                                         CurrentConfig current);
  AdminDesk(const AdminDesk&) = delete;
  AdminDesk& operator=(const AdminDesk&) = delete;
  // Finishes what is being answered; what still waits gets 503.
  ~AdminDesk();

  static bool Answers(std::string_view path);
  // What the head alone decides: a refusal, or nothing when the body may be read.
  std::optional<AdminResponse> Refuse(const HttpRequest& request) const;
  // `done` runs once, on a thread of the desk, or here when the queue is full.
  using Done = absl::AnyInvocable<void(AdminResponse)>;
  void HandIn(HttpRequest request, Done done);

 private:
  struct Waiting {
    HttpRequest request;
    Done done;
  };
  // A thread's own way to the ledger.
  struct Seat {
    std::shared_ptr<audit::Ledger> ledger;  // the opening that the reader was opened for
    std::unique_ptr<audit::Reader> reader;
  };
  AdminDesk(LedgerSource ledger, std::string dir, CurrentConfig current)
      : ledger_(std::move(ledger)), dir_(std::move(dir)), current_(std::move(current)) {}
  absl::StatusOr<Seat> TakeSeat() const;
  void Serve(Seat seat);

  const LedgerSource ledger_;
  const std::string dir_;
  const CurrentConfig current_;
  std::vector<std::thread> threads_;

  std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  std::deque<Waiting> queue_;
  bool closing_ = false;
};

}  // namespace weir::gateway
