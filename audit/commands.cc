#include "audit/commands.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <ostream>
#include <utility>

#include "audit/concat.h"
#include "audit/consistency.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/report.h"

namespace weir::audit {
namespace {

constexpr int kDone = 0;
constexpr int kNo = 1;
constexpr int kEnvironment = 2;

// The answer is no when what was asked for is not there or not true; everything else is trouble
// with the ledger itself.
int Fail(const absl::Status& status, std::ostream& err) {
  err << Concat(status.message()) << "\n";
  return status.code() == absl::StatusCode::kNotFound ? kNo : kEnvironment;
}

std::string Rules(const Record& record) {
  std::string rules;
  for (const FindingEntry& finding : record.findings) {
    rules += Concat(rules.empty() ? "" : ",", finding.rule);
  }
  return rules;
}

void PrintLine(const Record& record, std::ostream& out) {
  out << record.seq << "  " << FormatTime(record.time_us) << "  " << Name(record.kind);
  for (const std::string& field : {record.app, record.user, record.model, record.action}) {
    out << "  " << (field.empty() ? "-" : field);
  }
  if (const std::string rules = Rules(record); !rules.empty()) out << "  " << rules;
  if (!record.cause.empty()) out << "  " << record.cause;
  out << "\n";
}

void PrintField(std::string_view name, std::string_view value, std::ostream& out) {
  if (value.empty()) return;
  out << "  " << name << std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') << value << "\n";
}

void PrintRecord(const Found& found, std::ostream& out) {
  const Record& record = found.record;
  out << "record " << record.seq << "\n";
  PrintField("time", FormatTime(record.time_us), out);
  PrintField("kind", Name(record.kind), out);
  PrintField("exchange", record.exchange, out);
  PrintField("stage", record.stage, out);
  PrintField("app", record.app, out);
  PrintField("user", record.user, out);
  PrintField("profile", record.profile, out);
  PrintField("region", record.region, out);
  PrintField("dialect", record.dialect, out);
  PrintField("model", record.model, out);
  PrintField("upstream", record.upstream, out);
  PrintField("direction", record.direction, out);
  PrintField("action", record.action, out);
  if (record.review) PrintField("review", "yes", out);
  PrintField("bundle", record.bundle, out);
  for (const FindingEntry& finding : record.findings) {
    PrintField("finding",
               Concat(finding.rule, " (", finding.category, ", ", finding.severity, ") -> ",
                      finding.action, " at ", finding.part, " ", finding.start, "-", finding.end,
                      " in ", finding.lane),
               out);
  }
  if (record.findings_total > record.findings.size()) {
    PrintField("findings", Concat(record.findings_total, " in all"), out);
  }
  PrintField("content", record.content_digest, out);
  if (record.content_bytes > 0) PrintField("bytes", Concat(record.content_bytes), out);
  if (record.status != 0) PrintField("status", Concat(record.status), out);
  if (record.duration_us > 0) PrintField("duration", Concat(record.duration_us, " us"), out);
  PrintField("cause", record.cause, out);
  PrintField("detail", record.detail, out);
}

void Print(const CommandOptions& options, const std::vector<Found>& records, std::ostream& out) {
  for (const Found& found : records) {
    if (options.json) {
      out << found.encoded << "\n";
    } else {
      PrintRecord(found, out);
    }
  }
}

bool IsNumber(const std::string& text, uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && parsed == end;
}

absl::StatusOr<std::vector<VerifierKey>> ReadKeys(const std::vector<std::string>& files) {
  std::vector<VerifierKey> keys;
  for (const std::string& file : files) {
    absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<VerifierKey>> parsed = ParseVerifierKeys(*text);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(Concat(file, ": ", parsed.status().message()));
    }
    std::move(parsed->begin(), parsed->end(), std::back_inserter(keys));
  }
  return keys;
}

absl::StatusOr<Quorum> ReadQuorum(const VerifyFiles& files) {
  if (files.policy.empty()) {
    absl::StatusOr<std::vector<VerifierKey>> keys = ReadKeys(files.keys);
    if (!keys.ok()) return keys.status();
    return Quorum(*keys);
  }
  if (!files.keys.empty()) {
    return absl::InvalidArgumentError("give --keys or --policy, which says what it asks for");
  }
  absl::StatusOr<std::string> text = ReadFile(files.policy);
  if (!text.ok()) return text.status();
  absl::StatusOr<Quorum> quorum = Quorum::Parse(*text);
  if (quorum.ok()) return quorum;
  return absl::InvalidArgumentError(Concat(files.policy, ": ", quorum.status().message()));
}

absl::StatusOr<Checkpoint> ReadSeen(const CommandOptions& options, const std::string& file,
                                    const Quorum& quorum) {
  absl::StatusOr<std::string> note = ReadFile(file);
  if (!note.ok()) return note.status();
  absl::StatusOr<std::vector<VerifierKey>> own = ReadKeys({options.dir + "/ledger.vkey"});
  if (!own.ok()) return own.status();
  absl::StatusOr<Checkpoint> seen =
      OpenLogCheckpoint(*note, quorum.empty() ? Quorum(*own) : quorum);
  if (seen.ok()) return seen;
  return absl::InvalidArgumentError(Concat(file, ": ", seen.status().message()));
}

// A store that SQLite calls damaged, that lacks what belongs to it, or that is gone from beside its
// checkpoint, is not one that could not be looked at.
absl::StatusOr<VerifyReport> Unreadable(const std::string& dir, const absl::Status& status) {
  VerifyReport report;
  report.reason = Concat(status.message());
  const bool gone = !FileExists(dir + "/ledger.db") && FileExists(dir + "/ledger.checkpoint");
  if (gone) report.reason = "ledger.db is missing though ledger.checkpoint says that there was one";
  if (gone || absl::IsDataLoss(status) || absl::IsInternal(status)) return report;
  return status;
}

}  // namespace

int ShowQuery(const CommandOptions& options, const Query& query, std::ostream& out,
              std::ostream& err) {
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  if (!reader.ok()) return Fail(reader.status(), err);
  Query rest = query;
  do {
    absl::StatusOr<QueryPage> page = (*reader)->Find(rest);
    if (!page.ok()) return Fail(page.status(), err);
    for (const Found& found : page->records) {
      if (options.json) {
        out << found.encoded << "\n";
      } else {
        PrintLine(found.record, out);
      }
    }
    rest.limit -= page->records.size();
    rest.before_seq = page->next_before_seq;
  } while (rest.limit > 0 && rest.before_seq);
  if (rest.before_seq) {
    err << "There are more: ask again with --before " << *rest.before_seq << "\n";
  }
  return kDone;
}

int ShowReport(const CommandOptions& options, const Query& query, std::ostream& out,
               std::ostream& err) {
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  if (!reader.ok()) return Fail(reader.status(), err);
  constexpr uint64_t kAtOnce = 10'000;
  Report report;
  Query rest = query;
  rest.limit = kAtOnce;
  do {
    absl::StatusOr<QueryPage> page = (*reader)->Find(rest);
    if (!page.ok()) return Fail(page.status(), err);
    for (const Found& found : page->records) report.Add(found.record);
    rest.before_seq = page->next_before_seq;
  } while (rest.before_seq);
  if (options.json) {
    out << report.Json();
  } else {
    out << report.Text(Concat(query.from_us ? FormatTime(*query.from_us) : "开始", " 至 ",
                              query.to_us ? FormatTime(*query.to_us) : "现在"));
  }
  return kDone;
}

int ShowRecord(const CommandOptions& options, const std::string& id, std::ostream& out,
               std::ostream& err) {
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  if (!reader.ok()) return Fail(reader.status(), err);
  std::string exchange = id;
  if (uint64_t seq = 0; IsNumber(id, seq)) {
    absl::StatusOr<Found> found = (*reader)->Get(seq);
    if (!found.ok()) return Fail(found.status(), err);
    exchange = found->record.exchange;
    if (exchange.empty()) {
      Print(options, {*std::move(found)}, out);
      return kDone;
    }
  }
  absl::StatusOr<std::vector<Found>> records = FindExchange(**reader, exchange);
  if (!records.ok()) return Fail(records.status(), err);
  Print(options, *records, out);
  return kDone;
}

int VerifyLedger(const CommandOptions& options, const VerifyFiles& files, std::ostream& out,
                 std::ostream& err) {
  absl::StatusOr<Quorum> quorum = ReadQuorum(files);
  if (!quorum.ok()) return Fail(quorum.status(), err);
  std::optional<Checkpoint> seen;
  if (!files.seen.empty()) {
    absl::StatusOr<Checkpoint> read = ReadSeen(options, files.seen, *quorum);
    if (!read.ok()) return Fail(read.status(), err);
    seen = *std::move(read);
  }
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  absl::StatusOr<VerifyReport> report =
      reader.ok() ? (*reader)->Verify(*quorum, seen) : Unreadable(options.dir, reader.status());
  if (!report.ok()) return Fail(report.status(), err);
  if (options.json) {
    out << "{\"ok\":" << (report->ok ? "true" : "false") << ",\"records\":" << report->records
        << ",\"checkpoints\":" << report->checkpoints
        << ",\"unsigned_records\":" << report->unsigned_records
        << ",\"unwitnessed_records\":" << report->unwitnessed_records;
    if (report->first_bad_seq) out << ",\"first_bad_seq\":" << *report->first_bad_seq;
    out << ",\"reason\":" << JsonString(report->reason) << "}\n";
  } else {
    out << (report->ok ? "verified: " : "ALTERED: ") << report->reason << "\n";
    if (report->ok && report->unsigned_records > 0) {
      out << "The last " << report->unsigned_records
          << " records are not yet under a signed checkpoint.\n";
    }
    if (report->ok && report->unwitnessed_records > 0) {
      out << "The last " << report->unwitnessed_records
          << " records are not yet under a checkpoint that the quorum of witnesses cosigned.\n";
    }
  }
  return report->ok ? kDone : kNo;
}

int ProveRecord(const CommandOptions& options, const std::string& id, const std::string& out_file,
                std::ostream& out, std::ostream& err) {
  uint64_t seq = 0;
  if (!IsNumber(id, seq)) {
    absl::StatusOr<std::string> file = ReadFile(id);
    if (!file.ok()) return Fail(file.status(), err);
    absl::StatusOr<std::vector<VerifierKey>> keys = ReadKeys({options.dir + "/ledger.vkey"});
    if (!keys.ok()) return Fail(keys.status(), err);
    absl::StatusOr<Record> record = VerifyEvidenceFile(*file, *keys);
    if (!record.ok()) {
      err << Concat(id, ": ", record.status().message()) << "\n";
      return kNo;
    }
    out << "verified: record " << record->seq << " of " << FormatTime(record->time_us)
        << " is in the ledger.\n";
    return kDone;
  }
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  if (!reader.ok()) return Fail(reader.status(), err);
  absl::StatusOr<Evidence> evidence = (*reader)->Prove(seq);
  if (!evidence.ok()) return Fail(evidence.status(), err);
  if (out_file.empty()) {
    out << EvidenceFile(*evidence);
    return kDone;
  }
  const absl::Status status = WriteFileDurably(out_file, EvidenceFile(*evidence), 0644);
  if (!status.ok()) return Fail(status, err);
  return kDone;
}

int ShowCheckpoint(const CommandOptions& options, int64_t old_size, std::ostream& out,
                   std::ostream& err) {
  absl::StatusOr<std::unique_ptr<Reader>> reader = Reader::Open(options.dir);
  if (!reader.ok()) return Fail(reader.status(), err);
  absl::StatusOr<std::string> note = (*reader)->LatestCheckpoint();
  if (!note.ok()) return Fail(note.status(), err);
  if (old_size >= 0) {
    absl::StatusOr<std::vector<VerifierKey>> keys = ReadKeys({options.dir + "/ledger.vkey"});
    if (!keys.ok()) return Fail(keys.status(), err);
    absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(*note, *keys);
    if (!checkpoint.ok()) return Fail(checkpoint.status(), err);
    absl::StatusOr<std::vector<Hash>> proof =
        (*reader)->ProveConsistency(static_cast<uint64_t>(old_size), checkpoint->size);
    if (!proof.ok()) return Fail(proof.status(), err);
    out << Extension{.old_size = static_cast<uint64_t>(old_size),
                     .proof = *std::move(proof),
                     .note = *std::move(note)}
               .Text();
    return kDone;
  }
  out << *note;
  return kDone;
}

int WriteExport(const CommandOptions& options, std::optional<int64_t> from_us,
                std::optional<int64_t> to_us, const std::string& out_dir, std::ostream& out,
                std::ostream& err) {
  absl::StatusOr<ExportSummary> summary = ExportLedger(options.dir, from_us, to_us, out_dir);
  if (!summary.ok()) return Fail(summary.status(), err);
  out << "Wrote the records " << summary->begin << " to " << summary->end - 1 << " with "
      << summary->checkpoints << " checkpoints to " << out_dir << "; check it with weir-verify.\n";
  if (summary->left_out > 0) {
    out << "The last " << summary->left_out
        << " records are left out, since no witness has cosigned them yet; --to includes them.\n";
  }
  return kDone;
}

}  // namespace weir::audit
