#include "gateway/admin_content.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <future>
#include <string>
#include <utility>

#include "audit/reader.h"
#include "audit/reveal.h"
#include "gateway/json.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr JsonLimits kBodyLimits;

// The texts of a body that is an object with exactly these members.
absl::StatusOr<std::vector<std::string>> ReadBody(std::string_view body,
                                                  const std::vector<std::string_view>& names) {
  std::string wanted;
  for (const std::string_view name : names) {
    wanted += fmt::format("{}\"{}\":\"...\"", wanted.empty() ? "" : ",", name);
  }
  const absl::Status wrong =
      absl::InvalidArgumentError(fmt::format("Send a body such as {{{}}}.", wanted));
  const absl::StatusOr<JsonDocument> document = JsonDocument::Parse(body, kBodyLimits, names);
  if (!document.ok() || !document->Is(0, JsonDocument::Type::kObject)) return wrong;
  std::vector<std::string> texts(names.size());
  size_t members = 0;
  for (JsonDocument::Node node = document->FirstChild(0); node != JsonDocument::kNone;
       node = document->Next(node)) {
    const auto name = std::find(names.begin(), names.end(), document->Key(node));
    if (name == names.end() || !document->Is(node, JsonDocument::Type::kString)) return wrong;
    texts[static_cast<size_t>(name - names.begin())] = std::string(document->String(node));
    ++members;
  }
  if (members != names.size()) return wrong;
  return texts;
}

absl::StatusOr<uint64_t> ReadNumber(const AdminQuestion& question) {
  const std::string& text = question.Value("id");
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return absl::InvalidArgumentError("Name one record by its number, which is its \"seq\".");
}

audit::Access AccessOf(const AdminQuestion& question, const AdminSources& sources,
                       std::string reason) {
  const Role role = ContentRole(sources.config.staff, question.person, question.role);
  return {.person = question.person, .role = std::string(Name(role)), .reason = std::move(reason)};
}

absl::StatusOr<AdminAnswer> Reveal(const AdminQuestion& question, AdminSources& sources) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t seq, ReadNumber(question));
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadBody(question.body, {"reason"}));
  WEIR_ASSIGN_OR_RETURN(
      const std::string content,
      audit::Reveal(sources.ledger, sources.reader, AccessOf(question, sources, texts[0]), seq,
                    sources.config.ledger.content_key_file));
  std::string body = fmt::format("{{\"seq\":{},\"content\":", seq);
  AppendJsonString(body, content);
  return AdminAnswer{AdminBody("application/json", body + "}\n"), 1};
}

// The record that tells what came of it.
absl::StatusOr<AdminAnswer> Outcome(const absl::StatusOr<audit::Receipt>& receipt,
                                    AdminSources& sources) {
  if (!receipt.ok()) return receipt.status();
  WEIR_ASSIGN_OR_RETURN(const audit::Found found, sources.reader.Get(receipt->seq));
  return AdminAnswer{AdminBody("application/json", found.encoded + "\n"), 1};
}

absl::StatusOr<AdminAnswer> Erase(const AdminQuestion& question, AdminSources& sources) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                        ReadBody(question.body, {"app", "user", "reason"}));
  return Outcome(AwaitReceipt([&](audit::Ledger::Done done) {
                   sources.ledger.Erase(texts[0], texts[1], AccessOf(question, sources, texts[2]),
                                        std::move(done));
                 }),
                 sources);
}

absl::StatusOr<AdminAnswer> Hold(const AdminQuestion& question, AdminSources& sources) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                        ReadBody(question.body, {"app", "user", "reason"}));
  return Outcome(AwaitReceipt([&](audit::Ledger::Done done) {
                   sources.ledger.Hold(texts[0], texts[1], AccessOf(question, sources, texts[2]),
                                       std::move(done));
                 }),
                 sources);
}

absl::StatusOr<AdminAnswer> Release(const AdminQuestion& question, AdminSources& sources) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t hold, ReadNumber(question));
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadBody(question.body, {"reason"}));
  return Outcome(AwaitReceipt([&](audit::Ledger::Done done) {
                   sources.ledger.Release(hold, AccessOf(question, sources, texts[0]),
                                          std::move(done));
                 }),
                 sources);
}

AdminRoute Post(std::string_view path, std::string_view name, std::string_view summary, Roles roles,
                std::string_view schema,
                absl::StatusOr<AdminAnswer> (*answer)(const AdminQuestion&, AdminSources&)) {
  return {.method = "POST",
          .path = path,
          .name = name,
          .summary = summary,
          .roles = roles,
          .trace = AdminTrace::kOwn,
          .query = {},
          .media_type = "application/json",
          .schema = schema,
          .answer = answer};
}

}  // namespace

Role ContentRole(const std::vector<StaffMember>& staff, std::string_view person, Role otherwise) {
  for (const StaffMember& member : staff) {
    if (member.id == person && member.roles.Has(Role::kLegal)) return Role::kLegal;
  }
  return otherwise;
}

absl::StatusOr<audit::Receipt> AwaitReceipt(
    absl::FunctionRef<void(audit::Ledger::Done done)> request) {
  std::promise<absl::StatusOr<audit::Receipt>> promise;
  std::future<absl::StatusOr<audit::Receipt>> receipt = promise.get_future();
  request(
      [&promise](absl::StatusOr<audit::Receipt> result) { promise.set_value(std::move(result)); });
  return receipt.get();
}

std::vector<AdminRoute> ContentRoutes() {
  return {
      Post("/admin/v1/decisions/{id}/reveal", "Reveal",
           "The stored content of a record; body {\"reason\"}. Content that waits for its "
           "erasure is shown to the role legal alone.",
           kContentReaders, "Content", Reveal),
      Post("/admin/v1/erasures", "Erase",
           "Destroys the stored content of an app's user; body {\"app\",\"user\","
           "\"reason\"}. Answers the record of it: erased, or restricted until it may be.",
           kContentKeepers, "Record", Erase),
      Post("/admin/v1/holds", "Hold",
           "Keeps the stored content of an app's user from being erased; body {\"app\","
           "\"user\",\"reason\"}. Answers the record, whose number releases the hold.",
           kContentKeepers, "Record", Hold),
      Post("/admin/v1/holds/{id}/release", "Release",
           "Ends the hold that a record began; body {\"reason\"}.", kContentKeepers, "Record",
           Release),
  };
}

}  // namespace weir::gateway
