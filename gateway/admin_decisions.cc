#include "gateway/admin_decisions.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include <absl/strings/escaping.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include "audit/reader.h"
#include "gateway/admin_fleet.h"
#include "policy/verdict.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr uint64_t kLimitDefault = 50;
constexpr uint64_t kLimitMax = 1'000;
constexpr int64_t kBucketsMax = 1'000;
constexpr int64_t kHourUs = int64_t{3'600} * 1'000'000;
constexpr Roles kReaders = {Role::kAuditor, Role::kCompliance, Role::kLegal};

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum class Scope : uint8_t { kGateway, kFleet };
std::string_view Name(Scope scope) {
  return scope == Scope::kFleet ? "fleet" : "gateway";
}

// RFC 3339 with its offset, or a day, which begins at 00:00 UTC.
absl::Status ReadTime(const AdminQuestion& question, std::string_view name,
                      std::optional<int64_t>& time_us) {
  if (!question.Has(name)) return absl::OkStatus();
  std::string text = question.Value(name);
  // "+08:00", written into an address without care, arrives as " 08:00".
  std::replace(text.begin(), text.end(), ' ', '+');
  absl::Time time;
  std::string ignored;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &ignored) &&
      !absl::ParseTime("%Y-%m-%d", text, &time, &ignored)) {
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is a time such as 2026-11-23T08:00:00+08:00, or a day such as 2026-11-23 (UTC).",
        name));
  }
  time_us = absl::ToUnixMicros(time);
  return absl::OkStatus();
}

template <class Value>
absl::Status ReadWord(const AdminQuestion& question, std::string_view name,
                      std::initializer_list<Value> values, std::optional<Value>& into) {
  if (!question.Has(name)) return absl::OkStatus();
  std::string words;
  for (const Value value : values) {
    const std::string_view word = Name(value);
    if (word == question.Value(name)) into = value;
    words.append(words.empty() ? "" : ", ").append(word);
  }
  if (into) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("\"{}\" is one of {}.", name, words));
}

// One kind, several with commas between, or any. Without it, what was decided.
absl::Status ReadKinds(const AdminQuestion& question, std::vector<audit::RecordKind>& kinds) {
  using Kind = audit::RecordKind;
  if (!question.Has("kind")) {
    kinds = {Kind::kPrompt, Kind::kAnswer, Kind::kFailure, Kind::kInterrupted};
    return absl::OkStatus();
  }
  if (question.Value("kind") == "any") return absl::OkStatus();
  for (std::string_view rest = question.Value("kind");;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::optional<Kind> kind = audit::ParseRecordKind(rest.substr(0, comma));
    if (!kind) {
      return absl::InvalidArgumentError(
          "\"kind\" is any, or kinds of record with commas between: prompt, answer, failure, "
          "interrupted, service, access and what else \"kind\" of a record is.");
    }
    kinds.push_back(*kind);
    if (comma == rest.size()) return absl::OkStatus();
    rest.remove_prefix(comma + 1);
  }
}

absl::Status ReadFilters(const AdminQuestion& question, const AdminSources& sources,
                         audit::Query& query) {
  WEIR_RETURN_IF_ERROR(ReadTime(question, "from", query.from_us));
  WEIR_RETURN_IF_ERROR(ReadTime(question, "to", query.to_us));
  query.exchange = question.Value("exchange");
  query.app = question.Value("app");
  query.user = question.Value("user");
  query.profile = question.Value("profile");
  query.region = question.Value("region");
  query.category = question.Value("category");
  query.rule = question.Value("rule");
  query.model = question.Value("model");
  query.words = question.Value("q");
  query.content_key_file = sources.config.ledger.content_key_file;
  std::optional<policy::Action> action;
  WEIR_RETURN_IF_ERROR(
      ReadWord(question, "action",
               {policy::Action::kAllow, policy::Action::kFlag, policy::Action::kMask,
                policy::Action::kReplace, policy::Action::kBlock},
               action));
  if (action) query.action = std::string(policy::Name(*action));
  return ReadKinds(question, query.kinds);
}

// A cursor is the number of the oldest record shown: what is added later stands above it.
std::string Cursor(uint64_t before_seq) {
  const std::string text = fmt::format("v1:{}", before_seq);
  std::string cursor;
  absl::WebSafeBase64Escape(text, &cursor);
  return cursor;
}

absl::Status ReadCursor(const AdminQuestion& question, std::optional<uint64_t>& before_seq) {
  if (!question.Has("cursor")) return absl::OkStatus();
  std::string text;
  const bool decoded = absl::WebSafeBase64Unescape(question.Value("cursor"), &text);
  if (decoded && text.starts_with("v1:")) before_seq = ParseNumber(text.substr(3));
  if (before_seq) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "\"cursor\" is none that an answer gave as \"next_cursor\"; leave it out to begin.");
}

AdminAnswer Page(const std::vector<audit::Found>& records,
                 const std::optional<uint64_t>& next_before_seq) {
  std::string body = "{\"decisions\":[";
  for (const audit::Found& found : records) {
    body.append(body.ends_with('[') ? "\n" : ",\n").append(found.encoded);
  }
  body += "]";
  if (next_before_seq) body.append(",\"next_cursor\":\"").append(Cursor(*next_before_seq)) += '"';
  body += "}\n";
  return {AdminBody("application/json", std::move(body)), records.size()};
}

absl::StatusOr<AdminAnswer> Decisions(const AdminQuestion& question, AdminSources& sources) {
  audit::Query query;
  query.limit = kLimitDefault;
  WEIR_RETURN_IF_ERROR(ReadFilters(question, sources, query));
  if (question.Has("limit")) {
    query.limit = ParseNumber(question.Value("limit")).value_or(0);
    if (query.limit == 0 || query.limit > kLimitMax) {
      return absl::InvalidArgumentError(
          fmt::format("\"limit\" is a whole number from 1 to {}.", kLimitMax));
    }
  }
  std::optional<Scope> scope;
  WEIR_RETURN_IF_ERROR(ReadWord(question, "scope", {Scope::kGateway, Scope::kFleet}, scope));
  if (scope == Scope::kFleet) return FleetDecisions(question, query, sources.config);
  WEIR_RETURN_IF_ERROR(ReadCursor(question, query.before_seq));
  WEIR_ASSIGN_OR_RETURN(const audit::QueryPage page, sources.reader.Find(query));
  return Page(page.records, page.next_before_seq);
}

void AppendCompleteness(const std::optional<uint64_t>& next_before_seq, std::string& body) {
  body += next_before_seq
              ? ",\"complete\":false,\"next_cursor\":\"" + Cursor(*next_before_seq) + "\"}\n"
              : ",\"complete\":true}\n";
}

absl::StatusOr<AdminAnswer> CountDecisions(const AdminQuestion& question, AdminSources& sources) {
  audit::Query query;
  WEIR_RETURN_IF_ERROR(ReadFilters(question, sources, query));
  WEIR_RETURN_IF_ERROR(ReadCursor(question, query.before_seq));
  WEIR_ASSIGN_OR_RETURN(const audit::CountResult count, sources.reader.Count(query));
  std::string body = fmt::format("{{\"count\":{}", count.counts.at(0));
  AppendCompleteness(count.next_before_seq, body);
  return AdminAnswer{AdminBody("application/json", std::move(body))};
}

// The moments at which hours or days of China begin, between `from_us` and `to_us`, and these two.
absl::StatusOr<std::vector<int64_t>> Edges(int64_t from_us, int64_t to_us, int64_t step_us) {
  constexpr int64_t kChinaUs = 8 * kHourUs;
  if (from_us >= to_us) return absl::InvalidArgumentError("\"from\" is to be before \"to\".");
  if ((to_us - from_us) / step_us >= kBucketsMax) {
    return absl::InvalidArgumentError(fmt::format(
        "That is more than {} intervals; ask for a longer one or for less time.", kBucketsMax));
  }
  std::vector<int64_t> edges = {from_us};
  const int64_t begin = from_us + kChinaUs;
  const int64_t past = ((begin % step_us) + step_us) % step_us;
  for (int64_t edge = from_us - past + step_us; edge < to_us; edge += step_us) {
    edges.push_back(edge);
  }
  edges.push_back(to_us);
  return edges;
}

absl::StatusOr<AdminAnswer> Histogram(const AdminQuestion& question, AdminSources& sources) {
  audit::Query query;
  WEIR_RETURN_IF_ERROR(ReadFilters(question, sources, query));
  WEIR_RETURN_IF_ERROR(ReadCursor(question, query.before_seq));
  const std::string interval = question.Has("interval") ? question.Value("interval") : "day";
  const int64_t step_us = interval == "minute" ? kHourUs / 60
                          : interval == "hour" ? kHourUs
                          : interval == "day"  ? 24 * kHourUs
                                               : 0;
  if (step_us == 0) {
    return absl::InvalidArgumentError("\"interval\" is minute, hour or day.");
  }
  // A little behind now, so that what is being recorded at this moment is in it.
  const int64_t to_us = query.to_us.value_or(absl::ToUnixMicros(absl::Now()) + kHourUs / 60);
  const int64_t from_us = query.from_us.value_or(to_us - 30 * 24 * kHourUs);
  WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> edges, Edges(from_us, to_us, step_us));
  WEIR_ASSIGN_OR_RETURN(const audit::CountResult count, sources.reader.Count(query, edges));
  std::string body = fmt::format("{{\"interval\":\"{}\",\"buckets\":[", interval);
  for (size_t i = 0; i < count.counts.size(); ++i) {
    body += fmt::format("{}\n{{\"from\":\"{}\",\"count\":{}}}", i == 0 ? "" : ",",
                        audit::FormatTime(edges[i]), count.counts[i]);
  }
  body += fmt::format("],\"to\":\"{}\"", audit::FormatTime(to_us));
  AppendCompleteness(count.next_before_seq, body);
  return AdminAnswer{AdminBody("application/json", std::move(body))};
}

// The record's number, or an exchange's id: all records of the exchange, oldest first.
absl::StatusOr<AdminAnswer> Decision(const AdminQuestion& question, AdminSources& sources) {
  const std::string& id = question.Value("id");
  std::string exchange = id;
  if (const std::optional<uint64_t> seq = ParseNumber(id)) {
    WEIR_ASSIGN_OR_RETURN(audit::Found found, sources.reader.Get(*seq));
    exchange = found.record.exchange;
    if (exchange.empty()) return Page({std::move(found)}, std::nullopt);
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<audit::Found> records,
                        audit::FindExchange(sources.reader, exchange));
  return Page(records, std::nullopt);
}

absl::StatusOr<AdminAnswer> Evidence(const AdminQuestion& question, AdminSources& sources) {
  const std::optional<uint64_t> seq = ParseNumber(question.Value("id"));
  if (!seq) {
    return absl::InvalidArgumentError(
        "Evidence is of one record: name its number, which is its \"seq\".");
  }
  WEIR_ASSIGN_OR_RETURN(const audit::Evidence evidence, sources.reader.Prove(*seq));
  return AdminAnswer{AdminBody("text/plain; charset=utf-8", audit::EvidenceFile(evidence)), 1};
}

std::vector<AdminParameter> Filters() {
  return {
      {.name = "from", .description = "Not before this time: RFC 3339, or a day (UTC)."},
      {.name = "to", .description = "Before this time."},
      {.name = "exchange", .description = "Of this exchange (x-weir-decision of its answer)."},
      {.name = "app", .description = "Of this app."},
      {.name = "user", .description = "Of this user."},
      {.name = "category", .description = "With a finding of this category."},
      {.name = "rule", .description = "With a finding of this rule."},
      {.name = "action", .description = "allow, flag, mask, replace or block."},
      {.name = "model", .description = "Of this model."},
      {.name = "profile", .description = "Under this profile."},
      {.name = "region", .description = "Of this region."},
      {.name = "kind",
       .description = "Kinds of record with commas between, or any; without it decisions: prompt, "
                      "answer, failure, interrupted."},
      {.name = "q",
       .description =
           "With these words in the stored content, spaces included; capitals and widths "
           "do not matter.",
       .words = true},
  };
}

}  // namespace

std::vector<AdminRoute> DecisionRoutes() {
  std::vector<AdminParameter> page = Filters();
  std::vector<AdminParameter> count = Filters();
  count.push_back({.name = "cursor",
                   .description = "next_cursor of a count that was not complete; add the two."});
  std::vector<AdminParameter> histogram = count;
  histogram.push_back(
      {.name = "interval", .description = "minute, hour or day (of UTC+8); day when absent."});
  page.push_back({.name = "cursor", .description = "next_cursor of the page before."});
  page.push_back({.name = "scope",
                  .description = "gateway: this one's records (default). fleet: those of all that "
                                 "ship to the same database."});
  page.push_back({.name = "limit",
                  .description = "At most so many records, 1 to 1000; 50 when absent.",
                  .number = true});
  return {
      {.method = "GET",
       .path = "/admin/v1/decisions",
       .name = "Decisions",
       .summary = "The records that match every filter, newest first.",
       .roles = kReaders,
       .trace = AdminTrace::kLook,
       .query = page,
       .media_type = "application/json",
       .schema = "DecisionPage",
       .answer = Decisions},
      {.method = "GET",
       .path = "/admin/v1/decisions/count",
       .name = "CountDecisions",
       .summary = "How many records match every filter.",
       .roles = kReaders,
       .trace = AdminTrace::kLook,
       .query = count,
       .media_type = "application/json",
       .schema = "Count",
       .answer = CountDecisions},
      {.method = "GET",
       .path = "/admin/v1/decisions/histogram",
       .name = "Histogram",
       .summary = "How many records match in each interval; the last 30 days without from and to.",
       .roles = kReaders,
       .trace = AdminTrace::kLook,
       .query = histogram,
       .media_type = "application/json",
       .schema = "Histogram",
       .answer = Histogram},
      {.method = "GET",
       .path = "/admin/v1/decisions/{id}",
       .name = "Decision",
       .summary = "A record by its number with all records of its exchange, or those of an "
                  "exchange by its id, oldest first.",
       .roles = kReaders,
       .trace = AdminTrace::kLook,
       .query = {},
       .media_type = "application/json",
       .schema = "DecisionPage",
       .answer = Decision},
      {.method = "GET",
       .path = "/admin/v1/decisions/{id}/evidence",
       .name = "Evidence",
       .summary = "The record and the proof that it is in the ledger, for weir-verify.",
       .roles = kReaders,
       .trace = AdminTrace::kLook,
       .query = {},
       .media_type = "text/plain; charset=utf-8",
       .schema = "",
       .answer = Evidence},
  };
}

}  // namespace weir::gateway
