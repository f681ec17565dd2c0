// Signed tree heads as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note; the same
// bytes as Go's sumdb/note). Signatures are Ed25519's and, where the log signs with both, SM2's
// (audit/signature.h); tools that know no SM2 pass over its line. Pure functions; thread-safe.
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
};

// The log's private key. Kept in one file of mode 0400, "PRIVATE+KEY+<name>+<id>+<base64>".
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

 private:
  static absl::StatusOr<SigningKey> FromPrivateKey(std::string_view name,
                                                   SignatureAlgorithm algorithm,
                                                   std::string private_key);
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
  const std::string& name() const { return name_; }

 private:
  friend absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note,
                                                   const std::vector<VerifierKey>& keys);
  VerifierKey() = default;
  std::string name_;
  uint32_t id_ = 0;
  SignatureAlgorithm algorithm_ = SignatureAlgorithm::kEd25519;
  std::string public_key_;
};

// A file of verifier keys, one a line; empty lines and lines that begin with '#' are skipped. At
// least one key.
absl::StatusOr<std::vector<VerifierKey>> ParseVerifierKeys(std::string_view text);

// Parses a signed note and demands a valid signature by every one of `keys` (at least one key).
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note,
                                          const std::vector<VerifierKey>& keys);

}  // namespace weir::audit
