#include "audit/cosignatures.h"

#include <algorithm>
#include <set>

#include "audit/concat.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

std::string PathOf(const std::string& dir) {
  return dir + "/ledger.witnesses";
}

// One text for one set of keys: in ascending order.
std::string Lines(const std::vector<VerifierKey>& keys) {
  std::set<std::string> lines;
  for (const VerifierKey& key : keys) lines.insert(key.ToString() + "\n");
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

}  // namespace

absl::StatusOr<std::vector<VerifierKey>> ReadWitnesses(const std::string& dir) {
  if (!FileExists(PathOf(dir))) return std::vector<VerifierKey>();
  absl::StatusOr<std::string> text = ReadFile(PathOf(dir));
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(*text);
  if (!keys.ok()) {
    return absl::DataLossError(Concat("ledger.witnesses was altered: ", keys.status().message()));
  }
  const auto is_log = [](const VerifierKey& key) { return !key.is_witness(); };
  if (Lines(*keys) == *text && std::none_of(keys->begin(), keys->end(), is_log)) return keys;
  return absl::DataLossError("ledger.witnesses was altered: it is not as it was written");
}

absl::StatusOr<std::vector<VerifierKey>> AddWitnesses(const std::string& dir,
                                                      const std::vector<VerifierKey>& witnesses) {
  absl::StatusOr<std::vector<VerifierKey>> known = ReadWitnesses(dir);
  if (!known.ok()) return known;
  const size_t before = known->size();
  for (const VerifierKey& key : witnesses) {
    if (std::find(known->begin(), known->end(), key) != known->end()) continue;
    known->push_back(key);
  }
  if (known->size() == before) return known;
  if (absl::Status status = WriteFileDurably(PathOf(dir), Lines(*known), 0444); !status.ok())
    return status;
  return known;
}

absl::Status CheckCosignatures(std::string_view text, std::string_view lines,
                               const std::vector<VerifierKey>& witnesses) {
  absl::StatusOr<std::vector<NoteSignature>> parsed = ParseSignatureLines(lines);
  if (!parsed.ok()) return parsed.status();
  std::string canonical;
  for (const NoteSignature& line : *parsed) {
    const auto by = std::find_if(witnesses.begin(), witnesses.end(),
                                 [&](const VerifierKey& witness) { return witness.IsOf(line); });
    if (by == witnesses.end()) {
      return absl::InvalidArgumentError(
          Concat("a cosignature is by ", line.name, ", which is no witness of the ledger"));
    }
    absl::StatusOr<bool> valid =
        by->Signed(SignedNote{.text = std::string(text), .signatures = {line}});
    if (!valid.ok()) return valid.status();
    canonical += line.ToString();
  }
  if (canonical == lines) return absl::OkStatus();
  return absl::InvalidArgumentError("the cosignatures are not as they were written");
}

}  // namespace weir::audit
