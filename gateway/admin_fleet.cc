#include "gateway/admin_fleet.h"

#include <absl/strings/escaping.h>

#include "audit/fleet.h"
#include "gateway/json.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr std::string_view kCursorPrefix = "f1:";

absl::StatusOr<std::optional<audit::FleetCursor>> ReadPlace(const AdminQuestion& question) {
  if (!question.Has("cursor")) return std::nullopt;
  std::string text;
  const bool decoded = absl::WebSafeBase64Unescape(question.Value("cursor"), &text);
  std::optional<audit::FleetCursor> place;
  if (decoded && text.starts_with(kCursorPrefix)) {
    place = audit::ParseFleetCursor(std::string_view(text).substr(kCursorPrefix.size()));
  }
  if (place) return place;
  return absl::InvalidArgumentError(
      "\"cursor\" is none that an answer for the fleet gave as \"next_cursor\"; leave it out to "
      "begin.");
}

}  // namespace

absl::StatusOr<AdminAnswer> FleetDecisions(const AdminQuestion& question, const audit::Query& query,
                                           const Config& config) {
  if (config.fleet_database.empty()) {
    return absl::InvalidArgumentError(
        "This gateway ships to no database; name one under audit.fleet in the configuration.");
  }
  WEIR_ASSIGN_OR_RETURN(const std::optional<audit::FleetCursor> before, ReadPlace(question));
  WEIR_ASSIGN_OR_RETURN(audit::FleetReader reader, audit::FleetReader::Open(config.fleet_database));
  WEIR_ASSIGN_OR_RETURN(const audit::FleetPage page, reader.Find(query, before));
  std::string decisions;
  std::string logs;
  for (const audit::FleetFound& found : page.records) {
    decisions.append(decisions.empty() ? "\n" : ",\n").append(found.found.encoded);
    if (!logs.empty()) logs += ',';
    AppendJsonString(logs, found.origin);
  }
  std::string body = "{\"decisions\":[" + decisions + "],\"logs\":[" + logs + "]";
  if (page.next) {
    std::string cursor;
    absl::WebSafeBase64Escape(std::string(kCursorPrefix) + page.next->ToString(), &cursor);
    body.append(",\"next_cursor\":\"").append(cursor) += '"';
  }
  body += "}\n";
  return AdminAnswer{AdminBody("application/json", std::move(body)), page.records.size()};
}

}  // namespace weir::gateway
