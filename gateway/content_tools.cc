#include "gateway/content_tools.h"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "audit/reader.h"
#include "audit/reveal.h"
#include "gateway/admin_content.h"
#include "gateway/config.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr int kDone = 0;
constexpr int kNo = 1;
constexpr int kEnvironment = 2;

using What = ContentTool::What;

// How a running gateway is asked for the same.
std::string AtTheAdminPlane(const ContentTool& tool, const Config& config) {
  std::string path;
  std::string body = R"({"reason":"..."})";
  switch (tool.what) {
    case What::kReveal:
      path = fmt::format("decisions/{}/reveal", tool.number);
      break;
    case What::kRelease:
      path = fmt::format("holds/{}/release", tool.number);
      break;
    case What::kErase:
    case What::kHold:
      path = tool.what == What::kErase ? "erasures" : "holds";
      body = R"({"app":"...","user":"...","reason":"..."})";
      break;
  }
  return fmt::format(
      "curl -X POST -H \"authorization: Bearer TOKEN\" -d '{}' {}://{}:{}/admin/v1/{}", body,
      config.admin.tls_certificate_file.empty() ? "http" : "https", config.admin.host,
      config.admin.port, path);
}

absl::StatusOr<audit::Access> AccessOf(const ContentTool& tool, const Config& config) {
  const Roles allowed = tool.what == What::kReveal ? kContentReaders : kContentKeepers;
  for (const StaffMember& member : config.staff) {
    const std::optional<Role> role = allowed.FirstOf(member.roles);
    if (member.id != tool.person || !role) continue;
    return audit::Access{.person = tool.person,
                         .role = std::string(Name(ContentRole(config.staff, tool.person, *role))),
                         .reason = tool.reason};
  }
  return absl::PermissionDeniedError(
      fmt::format("{} does not stand under \"staff\" in {} with one of the roles {}", tool.person,
                  tool.config_file, allowed.ToString()));
}

int ShowOutcome(const ContentTool& tool, audit::Ledger& ledger, audit::Reader& reader,
                const audit::Access& access, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<audit::Receipt> receipt = AwaitReceipt([&](audit::Ledger::Done done) {
    if (tool.what == What::kErase) {
      ledger.Erase(tool.app, tool.user, access, std::move(done));
    } else if (tool.what == What::kHold) {
      ledger.Hold(tool.app, tool.user, access, std::move(done));
    } else {
      ledger.Release(tool.number, access, std::move(done));
    }
  });
  const absl::StatusOr<audit::Found> found =
      receipt.ok() ? reader.Get(receipt->seq) : absl::StatusOr<audit::Found>(receipt.status());
  if (!found.ok()) {
    err << "weir audit: " << std::string(found.status().message()) << ".\n";
    return absl::IsNotFound(found.status()) ? kNo : kEnvironment;
  }
  const audit::Record& record = found->record;
  out << "record " << record.seq << ": " << Name(record.kind) << ". " << record.detail << "\n";
  return record.kind == audit::RecordKind::kRestricted ? kNo : kDone;
}

absl::StatusOr<int> Run(const ContentTool& tool, const Config& config, std::ostream& out,
                        std::ostream& err) {
  WEIR_ASSIGN_OR_RETURN(const audit::Access access, AccessOf(tool, config));
  absl::StatusOr<std::unique_ptr<audit::Ledger>> ledger = audit::Ledger::Open(config.ledger);
  if (absl::IsUnavailable(ledger.status())) {
    return absl::UnavailableError(fmt::format(
        "{}. If it is the gateway that runs, ask that one, with the token of {}: {}",
        std::string(ledger.status().message()), tool.person, AtTheAdminPlane(tool, config)));
  }
  if (!ledger.ok()) return ledger.status();
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<audit::Reader> reader,
                        audit::Reader::Open(config.ledger.dir));
  if (tool.what != What::kReveal) return ShowOutcome(tool, **ledger, *reader, access, out, err);
  const absl::StatusOr<std::string> content =
      audit::Reveal(**ledger, *reader, access, tool.number, config.ledger.content_key_file);
  if (content.ok()) {
    out << *content;
    return kDone;
  }
  if (!absl::IsNotFound(content.status()) && !absl::IsPermissionDenied(content.status())) {
    return content.status();
  }
  err << "weir audit reveal: " << std::string(content.status().message()) << ".\n";
  return kNo;
}

}  // namespace

int RunContentTool(const ContentTool& tool, std::ostream& out, std::ostream& err) {
  std::vector<rules::Problem> problems;
  const std::optional<Config> config = LoadConfig(tool.config_file, problems);
  for (const rules::Problem& problem : problems) err << problem.ToString() << "\n";
  if (!config) return kEnvironment;
  const absl::StatusOr<int> code = Run(tool, *config, out, err);
  if (code.ok()) return *code;
  err << "weir audit: " << std::string(code.status().message()) << ".\n";
  return absl::IsPermissionDenied(code.status()) ? kNo : kEnvironment;
}

}  // namespace weir::gateway
