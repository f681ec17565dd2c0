#include "audit/fleet_commands.h"

#include <ostream>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/files.h"
#include "audit/fleet.h"

namespace weir::audit {
namespace {

constexpr int kDone = 0;
constexpr int kNo = 1;
constexpr int kUsage = 2;

int Fail(const absl::Status& status, std::ostream& err) {
  err << "weir audit: " << Concat(status.message()) << "\n";
  return status.code() == absl::StatusCode::kDataLoss ? kNo : kUsage;
}

void PrintLine(const FleetFound& found, std::ostream& out) {
  const Record& record = found.found.record;
  out << FormatTime(record.time_us) << "  " << found.origin << " " << record.seq << "  "
      << Name(record.kind);
  for (const std::string* const text : {&record.exchange, &record.app, &record.user, &record.model,
                                        &record.action, &record.cause}) {
    if (!text->empty()) out << "  " << *text;
  }
  std::string_view last;
  for (const FindingEntry& finding : record.findings) {
    if (finding.rule != last) out << "  " << finding.rule;
    last = finding.rule;
  }
  out << "\n";
}

}  // namespace

int ShowFleetQuery(const FleetCommandOptions& options, const Query& query, std::ostream& out,
                   std::ostream& err) {
  std::optional<FleetCursor> before;
  if (!options.before.empty()) {
    before = ParseFleetCursor(options.before);
    if (!before) {
      err << "weir audit: --fleet-before takes the place that the page before it named, such as "
             "1795430400000000.7.42\n";
      return kUsage;
    }
  }
  absl::StatusOr<FleetReader> reader = FleetReader::Open(options.database);
  if (!reader.ok()) return Fail(reader.status(), err);
  absl::StatusOr<FleetPage> page = reader->Find(query, before);
  if (!page.ok()) return Fail(page.status(), err);
  for (const FleetFound& found : page->records) {
    if (options.json) {
      out << "{\"log\":" << JsonString(found.origin) << ",\"record\":" << found.found.encoded
          << "}\n";
    } else {
      PrintLine(found, out);
    }
  }
  if (page->next) {
    err << "There are more: ask again with --fleet-before " << page->next->ToString() << "\n";
  }
  return kDone;
}

int VerifyFleet(const FleetCommandOptions& options, const std::vector<std::string>& key_files,
                std::ostream& out, std::ostream& err) {
  std::vector<VerifierKey> keys;
  for (const std::string& file : key_files) {
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return Fail(text.status(), err);
    absl::StatusOr<std::vector<VerifierKey>> parsed = ParseVerifierKeys(*text);
    if (!parsed.ok()) return Fail(parsed.status(), err);
    keys.insert(keys.end(), parsed->begin(), parsed->end());
  }
  absl::StatusOr<FleetReader> reader = FleetReader::Open(options.database);
  if (!reader.ok()) return Fail(reader.status(), err);
  absl::StatusOr<std::vector<FleetLogReport>> reports = reader->Verify(keys);
  if (!reports.ok()) return Fail(reports.status(), err);
  bool ok = true;
  for (const FleetLogReport& log : *reports) {
    ok = ok && log.report.ok;
    if (options.json) {
      out << "{\"log\":" << JsonString(log.origin)
          << ",\"ok\":" << (log.report.ok ? "true" : "false")
          << ",\"records\":" << log.report.records << ",\"checkpoints\":" << log.report.checkpoints
          << ",\"reason\":" << JsonString(log.report.reason) << "}\n";
    } else {
      out << log.origin << ": " << (log.report.ok ? "verified. " : "ALTERED: ") << log.report.reason
          << "\n";
    }
  }
  if (ok && keys.empty() && !options.json) {
    out << "Checked with the keys that the database names itself: give those that the gateways' "
           "owner published with --keys.\n";
  }
  return ok ? kDone : kNo;
}

}  // namespace weir::audit
