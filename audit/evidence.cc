// Evidence files: c2sp.org/tlog-proof behind the record that it proves.
#include <charconv>
#include <string>
#include <utility>

#include "audit/concat.h"
#include "audit/reader.h"

namespace weir::audit {
namespace {

constexpr std::string_view kProofHeader = "c2sp.org/tlog-proof@v1\n";
constexpr size_t kProofHashesMax = 64;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(Concat("the evidence is malformed: ", what));
}

}  // namespace

std::string Evidence::ProofText() const {
  std::string text = Concat(kProofHeader, "index ", index, "\n");
  for (const Hash& hash : proof) text += Base64(hash) + "\n";
  return Concat(text, "\n", checkpoint);
}

std::string EvidenceFile(const Evidence& evidence) {
  return Concat(evidence.encoded, "\n", evidence.ProofText());
}

absl::Status VerifyEvidence(std::string_view proof_text, std::string_view encoded,
                            const Quorum& quorum) {
  Evidence evidence{.index = 0, .encoded = std::string(encoded), .proof = {}, .checkpoint = {}};
  std::string_view rest = proof_text;
  if (!rest.starts_with(kProofHeader)) return Malformed("it does not begin with a tlog-proof line");
  rest.remove_prefix(kProofHeader.size());
  const size_t index_end = rest.find('\n');
  constexpr std::string_view kIndex = "index ";
  if (!rest.starts_with(kIndex) || index_end == std::string_view::npos) {
    return Malformed("it has no index");
  }
  const char* end = rest.data() + index_end;
  if (std::from_chars(rest.data() + kIndex.size(), end, evidence.index).ptr != end) {
    return Malformed("its index is no number");
  }
  rest.remove_prefix(index_end + 1);
  while (!rest.starts_with("\n")) {
    const size_t line_end = rest.find('\n');
    const std::optional<Hash> hash = ParseHash(rest.substr(0, line_end));
    if (line_end == std::string_view::npos || evidence.proof.size() == kProofHashesMax || !hash) {
      return Malformed("its proof is no list of hashes");
    }
    evidence.proof.push_back(*hash);
    rest.remove_prefix(line_end + 1);
  }
  evidence.checkpoint = std::string(rest.substr(1));
  // One text for one proof: whatever was read otherwise than it would be written is refused.
  if (evidence.ProofText() != proof_text) return Malformed("it is not in canonical form");

  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(evidence.checkpoint, quorum);
  if (!checkpoint.ok()) return checkpoint.status();
  absl::StatusOr<Record> record = Decode(encoded);
  if (!record.ok()) return record.status();
  if (record->seq != evidence.index) {
    return absl::InvalidArgumentError(Concat("the record says that it is number ", record->seq,
                                             ", the proof is for number ", evidence.index));
  }
  const absl::Status proved = VerifyInclusion(evidence.index, checkpoint->size, LeafHash(encoded),
                                              evidence.proof, checkpoint->root);
  if (proved.ok()) return proved;
  return absl::InvalidArgumentError(
      Concat("record ", evidence.index, " is not proved to be in the ledger: ", proved.message()));
}

absl::StatusOr<Record> VerifyEvidenceFile(std::string_view file, const Quorum& quorum) {
  const size_t line = file.find('\n');
  if (line == std::string_view::npos) return Malformed("it has no proof behind its first line");
  const std::string_view encoded = file.substr(0, line);
  const absl::Status status = VerifyEvidence(file.substr(line + 1), encoded, quorum);
  if (!status.ok()) return status;
  return Decode(encoded);
}

}  // namespace weir::audit
