#include "audit/consistency.h"

#include <algorithm>
#include <charconv>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr size_t kProofHashesMax = 63;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(Concat("the proof of consistency is malformed: ", what));
}

}  // namespace

std::string Extension::Text() const {
  std::string text = Concat("old ", old_size, "\n");
  for (const Hash& hash : proof) text += Base64(hash) + "\n";
  return Concat(text, "\n", note);
}

absl::StatusOr<Extension> Extension::Parse(std::string_view text) {
  constexpr std::string_view kOld = "old ";
  Extension extension;
  std::string_view rest = text;
  const size_t first_end = rest.find('\n');
  if (!rest.starts_with(kOld) || first_end == std::string_view::npos) {
    return Malformed("it does not begin with a line \"old <size>\"");
  }
  const char* end = rest.data() + first_end;
  if (std::from_chars(rest.data() + kOld.size(), end, extension.old_size).ptr != end) {
    return Malformed("its old size is no number");
  }
  rest.remove_prefix(first_end + 1);
  while (!rest.starts_with("\n")) {
    const size_t line_end = rest.find('\n');
    const std::optional<Hash> hash = ParseHash(rest.substr(0, line_end));
    if (line_end == std::string_view::npos || !hash) return Malformed("a line is no hash");
    if (extension.proof.size() == kProofHashesMax) return Malformed("it has too many hashes");
    extension.proof.push_back(*hash);
    rest.remove_prefix(line_end + 1);
  }
  extension.note = std::string(rest.substr(1));
  // One text for one extension: no leading zeros.
  if (extension.Text() != text) return Malformed("it is not in canonical form");
  return extension;
}

absl::Status CheckExtends(const Checkpoint& older, const Checkpoint& newer,
                          const std::vector<Hash>& proof) {
  if (older.origin != newer.origin) {
    return absl::InvalidArgumentError(
        Concat("the checkpoints are of different ledgers, ", older.origin, " and ", newer.origin));
  }
  if (older.size > newer.size) {
    return absl::InvalidArgumentError(
        Concat("the ledger was rolled back: the newer checkpoint is over ", newer.size,
               " records, the older over ", older.size));
  }
  if (older.size == newer.size) {
    if (older.root != newer.root) {
      return absl::InvalidArgumentError(
          Concat("two histories were signed: both checkpoints are over ", older.size,
                 " records and their roots differ"));
    }
    if (!proof.empty()) return absl::InvalidArgumentError("equal trees need no proof");
    return absl::OkStatus();
  }
  if (older.size == 0) {
    if (older.root != EmptyRoot()) {
      return absl::InvalidArgumentError("a checkpoint over no records has another root than they");
    }
    if (!proof.empty()) return absl::InvalidArgumentError("the empty tree needs no proof");
    return absl::OkStatus();
  }
  const absl::Status status =
      VerifyConsistency(older.size, newer.size, proof, older.root, newer.root);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(Concat(
      "it is not proved that the tree over ", newer.size, " records extends that over ", older.size,
      ": ", status.message(), ". The proof is of other trees, or a record before number ",
      older.size, " was altered, left out or added since the older checkpoint was signed"));
}

}  // namespace weir::audit
