// The admin plane's answers to what it knows without the ledger, as pure functions of a request and
// the state of the process: liveness, readiness and metrics. They never block. What reads the
// ledger is answered by gateway/admin_desk.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "gateway/http.h"
#include "gateway/metrics.h"

namespace weir::gateway {

// What readiness depends on, at this moment.
struct AdminState {
  bool draining = false;
  absl::Status ledger;        // OK, or why nothing can be recorded
  std::string bundle_digest;  // empty: no bundle is loaded
};

struct AdminResponse {
  HttpResponseHead head;
  std::string body;
};

// 200 with a body of this media type, which no cache keeps and no browser guesses about.
AdminResponse AdminBody(std::string_view media_type, std::string body);
// problem+json (RFC 9457).
AdminResponse AdminProblem(int status, std::string_view detail);
// The problem that an error is: kInvalidArgument 400, kUnauthenticated 401, kPermissionDenied 403,
// kNotFound 404, kFailedPrecondition and kAlreadyExists 409, kResourceExhausted, kUnavailable and
// kDataLoss 503, anything else 500.
AdminResponse AdminProblem(const absl::Status& error);

// GET /livez: 200 while the process can answer at all. GET /readyz: 200, or 503 with one line for
// each check, as it is with `?verbose`: "[+]rules ok", "[-]ledger failed: why". GET /metrics: the
// exposition. Anything else is a problem: 404, or 405 with what is allowed.
AdminResponse HandleAdmin(const HttpRequest& request, const AdminState& state,
                          const Metrics& metrics);

}  // namespace weir::gateway
