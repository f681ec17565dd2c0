// The admin plane's answers as pure functions of a request and the state of the process: liveness,
// readiness and metrics. The server calls it for the admin listener; it never blocks.
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

// GET /livez: 200 while the process can answer at all. GET /readyz: 200, or 503 with one line for
// each check, as it is with `?verbose`: "[+]rules ok", "[-]ledger failed: why". GET /metrics: the
// exposition. Anything else is problem+json (RFC 9457): 404, or 405 with what is allowed.
AdminResponse HandleAdmin(const HttpRequest& request, const AdminState& state,
                          const Metrics& metrics);

}  // namespace weir::gateway
