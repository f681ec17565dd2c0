// Needs only records, tree and checkpoints, so that weir-verify has nothing of a database in it.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <utility>

#include "audit/archive.h"
#include "audit/concat.h"
#include "audit/digest.h"
#include "audit/export.h"
#include "audit/export_files.h"
#include "audit/files.h"
#include "audit/record_order.h"

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
  ExportVerification(const std::string& dir, const Quorum& quorum,
                     const std::optional<Checkpoint>& seen)
      : dir_(dir), quorum_(quorum), seen_(seen) {}

  absl::StatusOr<VerifyReport> Run();
  absl::StatusOr<VerifyReport> RunArchive();

 private:
  // False when the report says what is wrong; a status when a file cannot be read.
  absl::StatusOr<bool> ReadFiles();
  absl::StatusOr<bool> CheckRecords();
  bool CheckManifest();
  absl::Status CheckFrames();
  bool ReadKeys(std::string_view name, std::string_view text);
  bool ReadTree(std::string_view header, std::string_view text);
  bool ReadCheckpoints(std::string_view text, bool witnessed);
  bool CheckAllThere();
  bool CheckRecord(std::string_view encoded);
  bool CheckCheckpoint();
  bool CheckSeen();
  bool Bad(uint64_t seq, std::string reason) {
    report_.first_bad_seq = seq;
    report_.reason = std::move(reason);
    return false;
  }

  const std::string& dir_;  // or an archive's path
  Quorum quorum_;
  const std::optional<Checkpoint>& seen_;
  std::map<std::string_view, std::string> texts_;    // of the files, but the records
  std::map<std::string_view, std::string> digests_;  // of all files, computed
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  CompactRange tree_;
  std::vector<Checkpoint> checkpoints_;
  size_t checked_ = 0;    // of the checkpoints
  uint64_t vouched_ = 0;  // records before this number are under a checkpoint that fits
  RecordOrder order_;
  VerifyReport report_;
};

// What names the log's key must be a key, though others may be demanded.
bool ExportVerification::ReadKeys(std::string_view name, std::string_view text) {
  absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(text);
  if (!keys.ok()) return Bad(0, Concat(name, ": ", keys.status().message()));
  if (quorum_.empty()) quorum_ = *keys;
  return true;
}

bool ExportVerification::ReadTree(std::string_view header, std::string_view text) {
  std::vector<Hash> roots;
  bool ok = text.starts_with(header);
  if (ok) text.remove_prefix(header.size());
  ok = ok && TakeNumber("begin ", text, begin_) && TakeNumber("end ", text, end_);
  while (ok && !text.empty()) {
    const std::optional<Hash> root = ParseHash(TakeLine(text));
    ok = root.has_value();
    if (ok) roots.push_back(*root);
  }
  absl::StatusOr<CompactRange> tree = CompactRange::FromRoots(begin_, std::move(roots));
  if (!ok || !tree.ok() || begin_ >= end_) {
    return Bad(begin_,
               "the range and the hashes of what is before it are not as they were written");
  }
  tree_ = *std::move(tree);
  vouched_ = begin_;
  return true;
}

// With `witnessed` the whole quorum is asked of the last, which vouches for those before it; an
// archive is made before any witness could have signed.
bool ExportVerification::ReadCheckpoints(std::string_view text, bool witnessed) {
  uint64_t last = begin_;
  while (!text.empty()) {
    // A note has one empty line inside and one behind it.
    const size_t inside = text.find("\n\n");
    const size_t behind = inside == std::string_view::npos ? inside : text.find("\n\n", inside + 2);
    if (behind == std::string_view::npos) return Bad(last, "the checkpoints end inside one");
    const std::string_view note = text.substr(0, behind + 1);
    absl::StatusOr<Checkpoint> checkpoint = witnessed && behind + 2 == text.size()
                                                ? OpenCheckpoint(note, quorum_)
                                                : OpenLogCheckpoint(note, quorum_);
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
  if (seq == end_)
    return Bad(seq, Concat("there are records behind record ", end_ - 1, ", the last"));
  if (std::string wrong = order_.Wrong(seq, encoded); !wrong.empty()) {
    return Bad(seq, std::move(wrong));
  }
  tree_.Append(LeafHash(encoded));
  ++report_.records;
  return CheckSeen() && (checkpoints_[checked_].size != tree_.size() || CheckCheckpoint());
}

bool ExportVerification::CheckSeen() {
  if (!seen_ || seen_->size != tree_.size() || seen_->root == tree_.Root()) return true;
  return Bad(begin_, Concat("the records before ", tree_.size(),
                            " are not those that the checkpoint seen elsewhere was signed over"));
}

bool ExportVerification::CheckCheckpoint() {
  if (checkpoints_[checked_].root != tree_.Root()) {
    return Bad(vouched_,
               Concat("the checkpoint over ", tree_.size(),
                      " records does not fit: one of "
                      "the records ",
                      vouched_, " to ", tree_.size() - 1,
                      begin_ > 0 && vouched_ == begin_ ? ", or a hash of those before them," : "",
                      " was altered"));
  }
  vouched_ = tree_.size();
  ++checked_;
  ++report_.checkpoints;
  return true;
}

absl::StatusOr<bool> ExportVerification::ReadFiles() {
  const auto path = [this](std::string_view name) { return Concat(dir_, "/", name); };
  const auto is_there = [&](std::string_view name) { return FileExists(path(name)); };
  if (std::none_of(std::begin(kExportFiles), std::end(kExportFiles), is_there)) {
    return absl::NotFoundError(Concat(dir_, " holds no export"));
  }
  for (const std::string_view name :
       {kExportManifest, kExportTree, kExportCheckpoints, kExportKeys, kExportSummary}) {
    if (!is_there(name)) return Bad(0, Concat(name, " is missing"));
    absl::StatusOr<std::string> text = ReadFile(path(name));
    if (!text.ok()) return text.status();
    if (name != kExportManifest) digests_[name] = Sha256Hex(*text);
    texts_[name] = *std::move(text);
  }
  if (!is_there(kExportRecords)) return Bad(0, Concat(kExportRecords, " is missing"));
  return true;
}

absl::StatusOr<bool> ExportVerification::CheckRecords() {
  std::ifstream records(Concat(dir_, "/", kExportRecords), std::ios::binary);
  Sha256Digest digest;
  std::string line;
  while (std::getline(records, line)) {
    if (!CheckRecord(line)) return false;
    if (!records.eof()) line += '\n';
    digest.Add(line);
  }
  if (!records.is_open() || records.bad()) {
    return absl::UnavailableError(Concat("cannot read ", dir_, "/", kExportRecords));
  }
  digests_[kExportRecords] = digest.Hex();
  return CheckAllThere();
}

bool ExportVerification::CheckAllThere() {
  if (tree_.size() == end_) return true;
  return Bad(tree_.size(), Concat("the records ", tree_.size(), " to ", end_ - 1, " are missing"));
}

// Bytes that prove nothing themselves, such as those of the summary, are as they were written too.
bool ExportVerification::CheckManifest() {
  std::string expected;
  for (const std::string_view name : kExportFiles) {
    expected += Concat(digests_[name], "  ", name, "\n");
  }
  std::string_view rest = texts_[kExportManifest];
  if (rest == expected) return true;
  for (std::string_view wanted = expected; !wanted.empty();) {
    const std::string_view line = TakeLine(wanted);
    if (TakeLine(rest) == line) continue;
    return Bad(begin_, Concat(line.substr(line.find(' ') + 2),
                              " or its line in manifest.txt was altered: the digests differ"));
  }
  return Bad(begin_, "manifest.txt goes on behind its last line");
}

absl::StatusOr<VerifyReport> ExportVerification::Run() {
  absl::StatusOr<bool> read = ReadFiles();
  if (!read.ok()) return read.status();
  if (!*read) return report_;
  if (!ReadKeys(kExportKeys, texts_[kExportKeys]) ||
      !ReadTree(kExportHeader, texts_[kExportTree]) ||
      !ReadCheckpoints(texts_[kExportCheckpoints], /*witnessed=*/true)) {
    return report_;
  }
  const std::string& origin = checkpoints_.front().origin;
  if (seen_ && seen_->origin != origin) {
    Bad(begin_, Concat("this is the ledger ", origin, ", the checkpoint seen elsewhere is of ",
                       seen_->origin));
    return report_;
  }
  if (seen_ && seen_->size < begin_) {
    return absl::FailedPreconditionError(Concat("the export begins with record ", begin_,
                                                ", behind the checkpoint over ", seen_->size,
                                                " that was seen: ask for one that begins earlier"));
  }
  if (!CheckSeen()) return report_;
  absl::StatusOr<bool> checked = CheckRecords();
  if (!checked.ok()) return checked.status();
  if (!*checked || !CheckManifest()) return report_;
  if (seen_ && seen_->size > end_) {
    Bad(end_, Concat("the export ends with record ", end_ - 1, " though a checkpoint over ",
                     seen_->size, " was seen"));
    return report_;
  }
  report_.ok = true;
  report_.reason = Concat("All records ", begin_, " to ", end_ - 1, " of ", origin,
                          " are as they were signed, none left out.");
  return report_;
}

// A status says that the file is no archive any more or cannot be read; else the report tells.
absl::Status ExportVerification::CheckFrames() {
  absl::StatusOr<Archive> archive = Archive::Open(dir_);
  if (!archive.ok()) return archive.status();
  if (absl::Status status = archive->CheckBytes(); !status.ok()) return status;
  absl::StatusOr<std::string> head = archive->Head();
  if (!head.ok()) return head.status();
  absl::StatusOr<std::string> notes = archive->Checkpoints();
  if (!notes.ok()) return notes.status();
  const size_t tree_end = head->find("\n\n");
  if (tree_end == std::string::npos) return absl::DataLossError(Concat(dir_, " names no key"));
  const std::string_view text = *head;
  if (!ReadKeys(dir_, text.substr(tree_end + 2)) ||
      !ReadTree(kArchiveHeader, text.substr(0, tree_end + 1)) ||
      !ReadCheckpoints(*notes, /*witnessed=*/false)) {
    return absl::OkStatus();
  }
  for (uint64_t frame = 0; frame < archive->record_frames(); ++frame) {
    absl::StatusOr<std::string> lines = archive->Records(frame);
    if (!lines.ok()) return lines.status();
    for (std::string_view rest = *lines; !rest.empty();) {
      if (!CheckRecord(TakeLine(rest))) return absl::OkStatus();
    }
  }
  report_.ok = CheckAllThere();
  return absl::OkStatus();
}

absl::StatusOr<VerifyReport> ExportVerification::RunArchive() {
  const absl::Status status = CheckFrames();
  if (status.code() == absl::StatusCode::kDataLoss) Bad(tree_.size(), Concat(status.message()));
  if (!status.ok() && status.code() != absl::StatusCode::kDataLoss) return status;
  if (report_.ok) {
    report_.reason =
        Concat("All records ", begin_, " to ", end_ - 1, " of ", checkpoints_.front().origin,
               " are as they were signed, none left out.");
  }
  return report_;
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyArchive(const std::string& path, const Quorum& quorum) {
  const std::optional<Checkpoint> nothing_seen;
  return ExportVerification(path, quorum, nothing_seen).RunArchive();
}

absl::StatusOr<VerifyReport> VerifyExport(const std::string& export_dir, const Quorum& quorum,
                                          const std::optional<Checkpoint>& seen) {
  return ExportVerification(export_dir, quorum, seen).Run();
}

}  // namespace weir::audit
