#include "audit/suite.h"

#include <memory>

#include <absl/status/status.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "audit/big_endian.h"
#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr size_t kDigestBytes = 32;
// AES-256-GCM: nonce || ciphertext || tag.
constexpr size_t kGcmNonceBytes = 12;
constexpr size_t kGcmTagBytes = 16;
// SM4-CBC with HMAC-SM3: nonce || ciphertext || MAC; of the key, the first half authenticates.
constexpr size_t kSm4BlockBytes = 16;
constexpr size_t kSm4KeyBytes = 16;

struct CipherDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, CipherDeleter>;

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}
uint8_t* Bytes(std::string& text) {
  return reinterpret_cast<uint8_t*>(text.data());
}
int Length(std::string_view text) {
  return static_cast<int>(text.size());
}

const EVP_MD* DigestOf(Suite suite) {
  return suite == Suite::kSm ? EVP_sm3() : EVP_sha256();
}

absl::Status CannotEncrypt() {
  return absl::InternalError("OpenSSL cannot encrypt content");
}

absl::StatusOr<std::string> EncryptGcm(const ContentKey& key, std::string_view bound,
                                       std::string_view text) {
  std::string out(kGcmNonceBytes + text.size() + kGcmTagBytes, '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!context || RAND_bytes(Bytes(out), kGcmNonceBytes) != 1 ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), Bytes(out)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &length, Bytes(bound), Length(bound)) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(out) + kGcmNonceBytes, &length, Bytes(text),
                        Length(text)) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(out) + kGcmNonceBytes + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kGcmTagBytes,
                          Bytes(out) + kGcmNonceBytes + text.size()) != 1) {
    return CannotEncrypt();
  }
  return out;
}

std::optional<std::string> DecryptGcm(const ContentKey& key, std::string_view bound,
                                      std::string_view sealed) {
  if (sealed.size() < kGcmNonceBytes + kGcmTagBytes) return std::nullopt;
  const std::string_view ciphertext =
      sealed.substr(kGcmNonceBytes, sealed.size() - kGcmNonceBytes - kGcmTagBytes);
  std::string tag(sealed.substr(sealed.size() - kGcmTagBytes));
  std::string text(ciphertext.size(), '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), Bytes(sealed)) !=
          1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &length, Bytes(bound), Length(bound)) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(text), &length, Bytes(ciphertext),
                        Length(ciphertext)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(context.get(), Bytes(text) + length, &length) != 1) {
    return std::nullopt;
  }
  return text;
}

// Over what is bound, nonce and ciphertext, and the bits of what is bound as 8 bytes, big end
// first, so that no byte can move from one to the other.
std::string Sm4Mac(const ContentKey& key, std::string_view bound, std::string_view encrypted) {
  std::string text = Concat(bound, encrypted);
  AppendBigEndian(uint64_t{bound.size()} * 8, text);
  return Mac(Suite::kSm, {reinterpret_cast<const char*>(key.data()), key.size() - kSm4KeyBytes},
             text);
}

absl::StatusOr<std::string> EncryptSm4(const ContentKey& key, std::string_view bound,
                                       std::string_view text) {
  std::string out(kSm4BlockBytes + text.size() + kSm4BlockBytes, '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  const uint8_t* cipher_key = key.data() + key.size() - kSm4KeyBytes;
  int length = 0;
  int rest = 0;
  if (!context || RAND_bytes(Bytes(out), kSm4BlockBytes) != 1 ||
      EVP_EncryptInit_ex(context.get(), EVP_sm4_cbc(), nullptr, cipher_key, Bytes(out)) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(out) + kSm4BlockBytes, &length, Bytes(text),
                        Length(text)) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(out) + kSm4BlockBytes + length, &rest) != 1) {
    return CannotEncrypt();
  }
  out.resize(kSm4BlockBytes + static_cast<size_t>(length + rest));
  const std::string mac = Sm4Mac(key, bound, out);
  if (mac.empty()) return CannotEncrypt();
  return out + mac;
}

std::optional<std::string> DecryptSm4(const ContentKey& key, std::string_view bound,
                                      std::string_view sealed) {
  if (sealed.size() < 2 * kSm4BlockBytes + kDigestBytes) return std::nullopt;
  const std::string_view encrypted = sealed.substr(0, sealed.size() - kDigestBytes);
  const std::string mac = Sm4Mac(key, bound, encrypted);
  if (mac.size() != kDigestBytes ||
      CRYPTO_memcmp(mac.data(), sealed.data() + encrypted.size(), kDigestBytes) != 0) {
    return std::nullopt;
  }
  const std::string_view ciphertext = encrypted.substr(kSm4BlockBytes);
  std::string text(ciphertext.size(), '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  const uint8_t* cipher_key = key.data() + key.size() - kSm4KeyBytes;
  int length = 0;
  int rest = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_sm4_cbc(), nullptr, cipher_key, Bytes(sealed)) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(text), &length, Bytes(ciphertext),
                        Length(ciphertext)) != 1 ||
      EVP_DecryptFinal_ex(context.get(), Bytes(text) + length, &rest) != 1) {
    return std::nullopt;
  }
  text.resize(static_cast<size_t>(length + rest));
  return text;
}

}  // namespace

std::string_view DigestName(Suite suite) {
  return suite == Suite::kSm ? "sm3" : "sha256";
}

std::string Digest(Suite suite, std::string_view text) {
  std::string digest(kDigestBytes, '\0');
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), Bytes(digest), &length, DigestOf(suite), nullptr) != 1) {
    return "";
  }
  return digest;
}

std::string Mac(Suite suite, std::string_view key, std::string_view text) {
  std::string mac(kDigestBytes, '\0');
  unsigned int length = 0;
  if (HMAC(DigestOf(suite), key.data(), Length(key), Bytes(text), text.size(), Bytes(mac),
           &length) == nullptr) {
    return "";
  }
  return mac;
}

absl::StatusOr<ContentKey> RandomKey() {
  ContentKey key{};
  if (RAND_priv_bytes(key.data(), static_cast<int>(key.size())) == 1) return key;
  return absl::InternalError("OpenSSL has no random bytes for a new key");
}

absl::StatusOr<std::string> Encrypt(Suite suite, const ContentKey& key, std::string_view bound,
                                    std::string_view text) {
  return suite == Suite::kSm ? EncryptSm4(key, bound, text) : EncryptGcm(key, bound, text);
}

std::optional<std::string> Decrypt(Suite suite, const ContentKey& key, std::string_view bound,
                                   std::string_view sealed) {
  return suite == Suite::kSm ? DecryptSm4(key, bound, sealed) : DecryptGcm(key, bound, sealed);
}

}  // namespace weir::audit
