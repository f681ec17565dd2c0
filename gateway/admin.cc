#include "gateway/admin.h"

#include "gateway/json.h"

namespace weir::gateway {

AdminResponse AdminBody(std::string_view media_type, std::string body) {
  AdminResponse response;
  response.head.fields = {{"content-type", std::string(media_type)},
                          {"cache-control", "no-store"},
                          {"x-content-type-options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

AdminResponse AdminProblem(int status, std::string_view detail) {
  std::string body = "{\"type\":\"about:blank\",\"title\":";
  AppendJsonString(body, ReasonPhrase(status));
  body.append(",\"status\":").append(std::to_string(status)).append(",\"detail\":");
  AppendJsonString(body, detail);
  body += "}\n";
  AdminResponse response = AdminBody("application/problem+json", std::move(body));
  response.head.status = status;
  if (status == 401) response.head.fields.emplace_back("www-authenticate", "Bearer");
  return response;
}

AdminResponse AdminProblem(const absl::Status& error) {
  int status = 500;
  switch (error.code()) {
    case absl::StatusCode::kInvalidArgument:
      status = 400;
      break;
    case absl::StatusCode::kUnauthenticated:
      status = 401;
      break;
    case absl::StatusCode::kPermissionDenied:
      status = 403;
      break;
    case absl::StatusCode::kNotFound:
      status = 404;
      break;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      status = 409;
      break;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      status = 503;
      break;
    default:
      break;
  }
  return AdminProblem(status, std::string(error.message()));
}

namespace {

AdminResponse Text(int status, std::string body) {
  AdminResponse response = AdminBody("text/plain; charset=utf-8", std::move(body));
  response.head.status = status;
  return response;
}

struct ReadyCheck {
  std::string_view name;
  std::string reason;  // empty: it passed
};

std::vector<ReadyCheck> ReadyChecks(const AdminState& state) {
  std::vector<ReadyCheck> checks(3);
  checks[0].name = "rules";
  if (state.bundle_digest.empty()) checks[0].reason = "no bundle is loaded";
  checks[1].name = "ledger";
  if (!state.ledger.ok()) checks[1].reason = std::string(state.ledger.message());
  checks[2].name = "drain";
  if (state.draining) checks[2].reason = "the process is draining and takes no new connections";
  return checks;
}

AdminResponse Ready(const AdminState& state, bool verbose) {
  bool ready = true;
  std::string lines;
  for (const ReadyCheck& check : ReadyChecks(state)) {
    const bool passed = check.reason.empty();
    ready = ready && passed;
    lines.append(passed ? "[+]" : "[-]").append(check.name);
    lines.append(passed ? " ok" : " failed: ").append(check.reason).append("\n");
  }
  if (!ready) return Text(503, lines + "readyz check failed\n");
  return Text(200, verbose ? lines + "readyz check passed\n" : "ok\n");
}

}  // namespace

AdminResponse HandleAdmin(const HttpRequest& request, const AdminState& state,
                          const Metrics& metrics) {
  const bool known =
      request.path == "/livez" || request.path == "/readyz" || request.path == "/metrics";
  if (!known) {
    return AdminProblem(404,
                        "The admin plane has /livez, /readyz, /metrics and what "
                        "/admin/v1/openapi.json lists; nothing is here.");
  }
  if (request.method != "GET") {
    AdminResponse response = AdminProblem(405, "Use GET.");
    response.head.fields.emplace_back("allow", "GET");
    return response;
  }
  if (request.path == "/livez") return Text(200, "ok\n");
  if (request.path == "/readyz") return Ready(state, request.query == "verbose");
  return AdminBody(kMetricsContentType, metrics.Render());
}

}  // namespace weir::gateway
