#include "audit/export.h"

#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <utility>

#include "audit/concat.h"
#include "audit/digest.h"
#include "audit/export_files.h"
#include "audit/export_summary.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

absl::Status WriteFailed(const std::string& path) {
  return absl::UnavailableError(Concat("cannot write ", path, ": is the disk full?"));
}

absl::Status WriteRecords(Reader& reader, const ExportSummary& summary, const std::string& path,
                          ExportCounts& counts, Sha256Digest& digest) {
  std::ofstream file(path, std::ios::binary);
  const absl::Status status =
      reader.Scan(summary.begin, summary.end, [&](std::string_view encoded) {
        file << encoded << "\n";
        digest.Add(encoded);
        digest.Add("\n");
        absl::StatusOr<Record> record = Decode(encoded);
        if (!record.ok()) return record.status();
        counts.Add(*record);
        return file.good() ? absl::OkStatus() : WriteFailed(path);
      });
  file.close();
  if (status.ok() && file.fail()) return WriteFailed(path);
  return status;
}

}  // namespace

absl::StatusOr<ExportSummary> ExportLedger(const std::string& dir, std::optional<int64_t> from_us,
                                           std::optional<int64_t> to_us,
                                           const std::string& out_dir) {
  absl::StatusOr<std::unique_ptr<Reader>> opened = Reader::Open(dir);
  if (!opened.ok()) return opened.status();
  Reader& reader = **opened;
  ExportSummary summary;
  if (from_us) {
    absl::StatusOr<uint64_t> begin = reader.FirstFrom(*from_us);
    if (!begin.ok()) return begin.status();
    summary.begin = *begin;
  }
  absl::StatusOr<uint64_t> wanted = to_us ? reader.FirstFrom(*to_us) : reader.SignedSize();
  if (!wanted.ok()) return wanted.status();
  if (!to_us) {
    // An export's end is to be under witnesses' cosignatures where there are some.
    absl::StatusOr<uint64_t> cosigned = reader.CosignedSize();
    if (!cosigned.ok()) return cosigned.status();
    if (*cosigned > summary.begin) {
      summary.left_out = *wanted - *cosigned;
      wanted = *cosigned;
    }
  }
  if (*wanted <= summary.begin) {
    return absl::NotFoundError("there are no records in that time under a signed checkpoint");
  }
  absl::StatusOr<uint64_t> end = reader.CheckpointedSize(*wanted);
  if (!end.ok()) return end.status();
  summary.end = *end;
  absl::StatusOr<std::vector<std::string>> checkpoints =
      reader.Checkpoints(summary.begin, summary.end);
  if (!checkpoints.ok()) return checkpoints.status();
  summary.checkpoints = checkpoints->size();
  absl::StatusOr<std::vector<Hash>> roots = reader.Roots(summary.begin);
  if (!roots.ok()) return roots.status();
  absl::StatusOr<std::string> key = ReadFile(dir + "/ledger.vkey");
  if (!key.ok()) return key.status();

  if (::mkdir(out_dir.c_str(), 0755) != 0) {
    return absl::UnavailableError(
        Concat("cannot create ", out_dir, ": name a directory that does not exist yet"));
  }
  std::string tree = Concat(kExportHeader, "begin ", summary.begin, "\nend ", summary.end, "\n");
  for (const Hash& root : *roots) tree += Base64(root) + "\n";
  std::string notes;
  for (const std::string& note : *checkpoints) notes += note + "\n";
  for (const auto& [name, text] :
       {std::pair(kExportTree, tree), std::pair(kExportCheckpoints, notes),
        std::pair(kExportKeys, *key)}) {
    const absl::Status status = WriteFileDurably(Concat(out_dir, "/", name), text, 0644);
    if (!status.ok()) return status;
  }
  ExportCounts counts;
  Sha256Digest records;
  absl::Status status =
      WriteRecords(reader, summary, Concat(out_dir, "/", kExportRecords), counts, records);
  if (!status.ok()) return status;
  const std::string public_key = key->substr(0, key->find('\n'));
  const std::string html = counts.Html(public_key.substr(0, public_key.find('+')), public_key);
  status = WriteFileDurably(Concat(out_dir, "/", kExportSummary), html, 0644);
  if (!status.ok()) return status;
  std::string manifest;
  for (const auto& [name, digest] :
       {std::pair(kExportTree, Sha256Hex(tree)), std::pair(kExportRecords, records.Hex()),
        std::pair(kExportCheckpoints, Sha256Hex(notes)), std::pair(kExportKeys, Sha256Hex(*key)),
        std::pair(kExportSummary, Sha256Hex(html))}) {
    manifest += Concat(digest, "  ", name, "\n");
  }
  status = WriteFileDurably(Concat(out_dir, "/", kExportManifest), manifest, 0644);
  if (!status.ok()) return status;
  return summary;
}

}  // namespace weir::audit
