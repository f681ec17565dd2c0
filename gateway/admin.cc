#include "gateway/admin.h"

#include "gateway/json.h"

namespace weir::gateway {
namespace {

AdminResponse Text(int status, std::string body) {
  AdminResponse response;
  response.head.status = status;
  response.head.fields = {{"content-type", "text/plain; charset=utf-8"},
                          {"cache-control", "no-store"},
                          {"x-content-type-options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

AdminResponse Problem(int status, std::string_view detail) {
  AdminResponse response = Text(status, "{\"type\":\"about:blank\",\"title\":");
  response.head.fields[0].second = "application/problem+json";
  AppendJsonString(response.body, ReasonPhrase(status));
  response.body.append(",\"status\":").append(std::to_string(status)).append(",\"detail\":");
  AppendJsonString(response.body, detail);
  response.body += "}\n";
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
    return Problem(404, "The admin plane has /livez, /readyz and /metrics; nothing is here.");
  }
  if (request.method != "GET") {
    AdminResponse response = Problem(405, "Use GET.");
    response.head.fields.emplace_back("allow", "GET");
    return response;
  }
  if (request.path == "/livez") return Text(200, "ok\n");
  if (request.path == "/readyz") return Ready(state, request.query == "verbose");
  AdminResponse response = Text(200, metrics.Render());
  response.head.fields[0].second = std::string(kMetricsContentType);
  return response;
}

}  // namespace weir::gateway
