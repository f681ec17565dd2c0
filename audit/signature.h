// The two signature algorithms of checkpoints, all of it OpenSSL's work: Ed25519 (RFC 8032), which
// C2SP tools verify, also as a witness's cosignature, and SM2 with SM3 (GB/T 32918, GM/T 0009: DER
// signatures, the default signer identity 1234567812345678), which Chinese commercial cryptography
// asks for. Internal to audit/. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace weir::audit {

enum class SignatureAlgorithm : uint8_t {
  kEd25519,
  kCosignature,  // Ed25519 by a witness, of another message than the log's
                 // (c2sp.org/tlog-cosignature)
  kSm2,
};

// What stands before a public key wherever signed-note keys are written or hashed: 0x01, 0x04, or
// 0xFF (a type without a number of its own) and the object identifier of SM2 with SM3.
std::string_view KeyType(SignatureAlgorithm algorithm);

// 32 bytes: Ed25519's seed, SM2's private number with the big end first.
inline constexpr size_t kPrivateKeyBytes = 32;
// 32, or an uncompressed point of 65.
size_t PublicKeyBytes(SignatureAlgorithm algorithm);

absl::StatusOr<std::string> NewPrivateKey(SignatureAlgorithm algorithm);
absl::StatusOr<std::string> PublicKeyOf(SignatureAlgorithm algorithm, std::string_view private_key);

// Empty when OpenSSL cannot sign.
std::string SignText(SignatureAlgorithm algorithm, std::string_view private_key,
                     std::string_view public_key, std::string_view text);
// False too for what is no key and no signature.
bool SignatureVerifies(SignatureAlgorithm algorithm, std::string_view public_key,
                       std::string_view text, std::string_view signature);

}  // namespace weir::audit
