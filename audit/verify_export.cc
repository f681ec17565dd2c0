// Needs only records, tree and checkpoints, so that weir-verify has nothing of a database in it.
#include <charconv>
#include <fstream>
#include <utility>

#include "audit/concat.h"
#include "audit/export.h"
#include "audit/export_files.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

bool TakeNumber(std::string_view name, std::string_view& rest, uint64_t& number) {
  std::string_view line = TakeLine(rest);
  if (!line.starts_with(name)) return false;
  line.remove_prefix(name.size());
  const char* end = line.data() + line.size();
  return std::from_chars(line.data(), end, number).ptr == end && !line.empty();
}

class ExportVerification {
 public:
  ExportVerification(const std::string& dir, const Quorum& quorum) : dir_(dir), quorum_(quorum) {}

  absl::StatusOr<VerifyReport> Run();

 private:
  bool ReadTree(std::string_view text);
  bool ReadCheckpoints(std::string_view text);
  bool CheckRecord(std::string_view encoded);
  bool CheckCheckpoint();
  bool Bad(uint64_t seq, std::string reason) {
    report_.first_bad_seq = seq;
    report_.reason = std::move(reason);
    return false;
  }

  const std::string& dir_;
  Quorum quorum_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  CompactRange tree_;
  std::vector<Checkpoint> checkpoints_;
  size_t checked_ = 0;    // of the checkpoints
  uint64_t vouched_ = 0;  // records before this number are under a checkpoint that fits
  int64_t last_time_us_ = 0;
  VerifyReport report_;
};

bool ExportVerification::ReadTree(std::string_view text) {
  std::vector<Hash> roots;
  bool ok = text.starts_with(kExportHeader);
  if (ok) text.remove_prefix(kExportHeader.size());
  ok = ok && TakeNumber("begin ", text, begin_) && TakeNumber("end ", text, end_);
  while (ok && !text.empty()) {
    const std::optional<Hash> root = ParseHash(TakeLine(text));
    ok = root.has_value();
    if (ok) roots.push_back(*root);
  }
  absl::StatusOr<CompactRange> tree = CompactRange::FromRoots(begin_, std::move(roots));
  if (!ok || !tree.ok() || begin_ >= end_) return Bad(begin_, "tree.txt is not as it was written");
  tree_ = *std::move(tree);
  vouched_ = begin_;
  return true;
}

bool ExportVerification::ReadCheckpoints(std::string_view text) {
  uint64_t last = begin_;
  while (!text.empty()) {
    // A note has one empty line inside and one behind it.
    const size_t inside = text.find("\n\n");
    const size_t behind = inside == std::string_view::npos ? inside : text.find("\n\n", inside + 2);
    if (behind == std::string_view::npos)
      return Bad(last, "checkpoints.txt ends inside a checkpoint");
    absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(text.substr(0, behind + 1), quorum_);
    if (!checkpoint.ok()) {
      return Bad(last, Concat("the checkpoint after the one over ", last,
                              " records: ", checkpoint.status().message()));
    }
    if (checkpoint->size <= last || checkpoint->size > end_) {
      return Bad(last, Concat("the checkpoint over ", checkpoint->size,
                              " records is out of order or beyond the export's end"));
    }
    if (!checkpoints_.empty() && checkpoint->origin != checkpoints_.front().origin) {
      return Bad(last, "the checkpoints are of different ledgers");
    }
    last = checkpoint->size;
    checkpoints_.push_back(*std::move(checkpoint));
    text.remove_prefix(behind + 2);
  }
  if (last == end_) return true;
  return Bad(last, Concat("no checkpoint covers the records from ", last, " on"));
}

bool ExportVerification::CheckRecord(std::string_view encoded) {
  const uint64_t seq = tree_.size();
  if (seq == end_) return Bad(seq, Concat("records.jsonl goes on behind record ", end_ - 1));
  absl::StatusOr<Record> record = Decode(encoded);
  if (!record.ok()) {
    return Bad(seq, Concat("record ", seq, " was altered: ", record.status().message()));
  }
  if (record->seq != seq) {
    return Bad(seq, Concat("record ", seq, " is missing or out of order: number ", record->seq,
                           " stands in its place"));
  }
  if (record->time_us < last_time_us_) {
    return Bad(seq, Concat("record ", seq, " was altered: its time is before that of the last"));
  }
  last_time_us_ = record->time_us;
  tree_.Append(LeafHash(encoded));
  ++report_.records;
  return checkpoints_[checked_].size != tree_.size() || CheckCheckpoint();
}

bool ExportVerification::CheckCheckpoint() {
  if (checkpoints_[checked_].root != tree_.Root()) {
    return Bad(vouched_, Concat("the checkpoint over ", tree_.size(),
                                " records does not fit: one of "
                                "the records ",
                                vouched_, " to ", tree_.size() - 1,
                                begin_ > 0 && vouched_ == begin_
                                    ? ", or a hash in tree.txt for those before them,"
                                    : "",
                                " was altered"));
  }
  vouched_ = tree_.size();
  ++checked_;
  ++report_.checkpoints;
  return true;
}

absl::StatusOr<VerifyReport> ExportVerification::Run() {
  if (quorum_.empty()) {
    const absl::StatusOr<std::string> text = ReadFile(Concat(dir_, "/", kExportKeys));
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(*text);
    if (!keys.ok()) {
      Bad(0, Concat("keys.txt: ", keys.status().message()));
      return report_;
    }
    quorum_ = *keys;
  }
  const absl::StatusOr<std::string> tree = ReadFile(Concat(dir_, "/", kExportTree));
  if (!tree.ok()) return tree.status();
  const absl::StatusOr<std::string> notes = ReadFile(Concat(dir_, "/", kExportCheckpoints));
  if (!notes.ok()) return notes.status();
  std::ifstream records(Concat(dir_, "/", kExportRecords), std::ios::binary);
  if (!records.is_open()) {
    return absl::UnavailableError(Concat("cannot read ", dir_, "/", kExportRecords));
  }
  if (!ReadTree(*tree) || !ReadCheckpoints(*notes)) return report_;
  std::string line;
  while (std::getline(records, line)) {
    if (!CheckRecord(line)) return report_;
  }
  if (records.bad()) {
    return absl::UnavailableError(Concat("cannot read ", dir_, "/", kExportRecords));
  }
  if (tree_.size() != end_) {
    Bad(tree_.size(), Concat("the records ", tree_.size(), " to ", end_ - 1, " are missing"));
    return report_;
  }
  report_.ok = true;
  report_.reason = Concat("All records ", begin_, " to ", end_ - 1, " of ",
                          checkpoints_.front().origin, " are as they were signed, none left out.");
  return report_;
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyExport(const std::string& export_dir, const Quorum& quorum) {
  return ExportVerification(export_dir, quorum).Run();
}

}  // namespace weir::audit
