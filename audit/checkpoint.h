// Signed tree heads as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note; the same
// bytes as Go's sumdb/note). Signatures are Ed25519's and, where the log signs with both, SM2's
// (audit/signature.h); tools that know no SM2 pass over its line. Witnesses add cosignatures
// (c2sp.org/tlog-cosignature). Whose signatures a checkpoint must carry is said in audit/quorum.h.
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/merkle.h"
#include "audit/signature.h"

namespace weir::audit {

// A hash as checkpoints and proofs spell it; nullopt unless the text is exactly one.
std::string Base64(const Hash& hash);
std::optional<Hash> ParseHash(std::string_view base64);

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Hash root{};

  // "<origin>\n<size>\n<base64 root>\n": the signed text.
  std::string Text() const;
  // From exactly that text.
  static absl::StatusOr<Checkpoint> Parse(std::string_view text);
};

// One line of a note below its text.
struct NoteSignature {
  std::string name;
  uint32_t key_id = 0;
  std::string bytes;  // what follows the key's id

  std::string ToString() const;  // with its line feed
};

// A note taken apart. Nothing is verified yet.
struct SignedNote {
  std::string text;
  std::vector<NoteSignature> signatures;

  static absl::StatusOr<SignedNote> Parse(std::string_view note);
};
// Signature lines alone, at least one, as a witness answers.
absl::StatusOr<std::vector<NoteSignature>> ParseSignatureLines(std::string_view lines);

// A private key of a log or a witness. Kept in one file of mode 0400,
// "PRIVATE+KEY+<name>+<id>+<base64>".
class SigningKey {
 public:
  static absl::StatusOr<SigningKey> Generate(
      std::string_view name, SignatureAlgorithm algorithm = SignatureAlgorithm::kEd25519);
  static absl::StatusOr<SigningKey> Parse(std::string_view text);

  std::string ToString() const;
  // "<name>+<hex8 key id>+<base64 of key type and public key>": what verifiers are given.
  std::string VerifierKey() const;
  const std::string& name() const { return name_; }

  // The checkpoint as a signed note, signature line included; empty when OpenSSL cannot sign.
  std::string Sign(const Checkpoint& checkpoint) const;
  // One more signature line for a note whose signed text is `text`; empty when OpenSSL cannot sign.
  std::string SignatureLine(std::string_view text) const;
  // A witness's line on the same text at a time, in seconds since 1970; empty when OpenSSL cannot
  // sign or this is no witness's key (kCosignature), which signs nothing else.
  std::string Cosign(std::string_view text, uint64_t time_s) const;
  SignatureAlgorithm algorithm() const { return algorithm_; }

 private:
  static absl::StatusOr<SigningKey> FromPrivateKey(std::string_view name,
                                                   SignatureAlgorithm algorithm,
                                                   std::string private_key);
  std::string Line(std::string_view message, std::string_view before_signature) const;
  SigningKey() = default;
  std::string name_;
  uint32_t id_ = 0;
  SignatureAlgorithm algorithm_ = SignatureAlgorithm::kEd25519;
  std::string private_key_;
  std::string public_key_;
};

class VerifierKey {
 public:
  static absl::StatusOr<VerifierKey> Parse(std::string_view vkey);
  std::string ToString() const;
  const std::string& name() const { return name_; }
  bool is_witness() const { return algorithm_ == SignatureAlgorithm::kCosignature; }
  // Whether the line says that it is by this key; it may still be forged.
  bool IsOf(const NoteSignature& line) const { return line.name == name_ && line.key_id == id_; }
  // Whether this key signed the note: false without a line of its own; kInvalidArgument when one
  // of its lines does not verify, which spoils the note.
  absl::StatusOr<bool> Signed(const SignedNote& note) const;

  // Keys are the same when they are so under different names.
  friend bool operator==(const VerifierKey& a, const VerifierKey& b) {
    return a.public_key_ == b.public_key_;
  }

 private:
  VerifierKey() = default;
  std::string name_;
  uint32_t id_ = 0;
  SignatureAlgorithm algorithm_ = SignatureAlgorithm::kEd25519;
  std::string public_key_;
};

// A file of verifier keys, one a line; empty lines and lines that begin with '#' are skipped. At
// least one key.
absl::StatusOr<std::vector<VerifierKey>> ParseVerifierKeys(std::string_view text);

}  // namespace weir::audit
