// The two suites of algorithms that content can be kept under, all of it OpenSSL's work.
//
//   international   AES-256-GCM, SHA-256, HMAC-SHA-256
//   sm              SM4-CBC with HMAC-SM3, put together as RFC 7518 section 5.2.2.1 does it with
//   AES
//                   and SHA-2 (encrypt, then authenticate), SM3, HMAC-SM3
//
// A key is 32 bytes in either. audit/FORMAT.md section 7 has the bytes. Pure functions;
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace weir::audit {

enum class Suite : uint8_t { kInternational, kSm };

using ContentKey = std::array<uint8_t, 32>;

// "sha256" or "sm3", as digests of content are spelled in records.
std::string_view DigestName(Suite suite);

// 32 bytes each. Empty when OpenSSL fails.
std::string Digest(Suite suite, std::string_view text);
std::string Mac(Suite suite, std::string_view key, std::string_view text);

absl::StatusOr<ContentKey> RandomKey();

// Encrypts under a nonce of its own. `bound` is what the ciphertext is bound to: it decrypts with
// the same alone.
absl::StatusOr<std::string> Encrypt(Suite suite, const ContentKey& key, std::string_view bound,
                                    std::string_view text);
// Nothing when key, bound or ciphertext are not those that were used.
std::optional<std::string> Decrypt(Suite suite, const ContentKey& key, std::string_view bound,
                                   std::string_view sealed);

}  // namespace weir::audit
