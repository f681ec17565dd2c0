#include "audit/content.h"

#include <cstring>
#include <optional>
#include <utility>

#include <absl/strings/escaping.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "audit/concat.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kSubjectBytes = 16;
constexpr std::string_view kKeyContext = "weir-data-key@v1";
constexpr std::string_view kContentContext = "weir-content@v1";
// Keys in memory; beyond it all are dropped and subjects get further keys as they come.
constexpr size_t kKeysMax = 65'536;

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

// What a ciphertext is bound to, so that it cannot be put in another's place.
std::string Bound(std::string_view context, std::string_view subject, int64_t day) {
  return Concat(context, subject, "/", day);
}

// nonce || ciphertext || tag
absl::StatusOr<std::string> Encrypt(const ContentKey& key, std::string_view bound,
                                    std::string_view text) {
  std::string out(kNonceBytes + text.size() + kTagBytes, '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!context || RAND_bytes(Bytes(out), kNonceBytes) != 1 ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), Bytes(out)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &length, Bytes(bound),
                        static_cast<int>(bound.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(out) + kNonceBytes, &length, Bytes(text),
                        static_cast<int>(text.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(out) + kNonceBytes + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                          Bytes(out) + kNonceBytes + text.size()) != 1) {
    return absl::InternalError("OpenSSL cannot encrypt content");
  }
  return out;
}

std::optional<std::string> Decrypt(const ContentKey& key, std::string_view bound,
                                   std::string_view sealed) {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view ciphertext =
      sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string text(ciphertext.size(), '\0');
  const CipherPtr context(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), Bytes(sealed)) !=
          1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &length, Bytes(bound),
                        static_cast<int>(bound.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), Bytes(text), &length, Bytes(ciphertext),
                        static_cast<int>(ciphertext.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(context.get(), Bytes(text) + length, &length) != 1) {
    return std::nullopt;
  }
  return text;
}

std::string HexDigest(std::string_view prefix, std::string_view text) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) != 1) return "";
  return Concat(prefix, absl::BytesToHexString({reinterpret_cast<const char*>(digest), length}));
}

absl::StatusOr<ContentKey> RandomKey() {
  ContentKey key{};
  if (RAND_priv_bytes(key.data(), static_cast<int>(key.size())) == 1) return key;
  return absl::InternalError("OpenSSL has no random bytes for a new key");
}

std::string_view AsText(const ContentKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

}  // namespace

std::string ContentDigest(std::string_view content) {
  return HexDigest("sha256:", content);
}

std::string SealedDigest(std::string_view sealed) {
  return HexDigest("sealed-sha256:", sealed);
}

absl::StatusOr<ContentKey> LoadKeyEncryptionKey(const std::string& path, bool create) {
  if (create && !FileExists(path)) {
    absl::StatusOr<ContentKey> fresh = RandomKey();
    if (!fresh.ok()) return fresh.status();
    const std::string_view bytes = AsText(*fresh);
    const absl::Status status =
        WriteFileDurably(path, absl::Base64Escape({bytes.data(), bytes.size()}) + "\n", 0400);
    if (!status.ok()) return status;
  }
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::string bytes;
  ContentKey key{};
  if (!absl::Base64Unescape(*text, &bytes) || bytes.size() != key.size()) {
    return absl::FailedPreconditionError(
        Concat(path, " holds no key of 32 bytes in base64: put the key back from its safe copy"));
  }
  std::memcpy(key.data(), bytes.data(), bytes.size());
  return key;
}

std::string SubjectTag(const ContentKey& key_encryption_key, std::string_view app,
                       std::string_view user) {
  const std::string subject = Concat("weir-subject@v1", app.size(), "/", app, user);
  uint8_t tag[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (HMAC(EVP_sha256(), key_encryption_key.data(), static_cast<int>(key_encryption_key.size()),
           Bytes(subject), subject.size(), tag, &length) == nullptr) {
    return "";
  }
  return {reinterpret_cast<const char*>(tag), kSubjectBytes};
}

absl::StatusOr<std::string> Unseal(const ContentKey& key_encryption_key, const WrappedKey& key,
                                   std::string_view sealed) {
  const std::optional<std::string> data_key =
      Decrypt(key_encryption_key, Bound(kKeyContext, key.subject, key.day), key.wrapped);
  ContentKey unwrapped{};
  if (!data_key || data_key->size() != unwrapped.size()) {
    return absl::DataLossError(
        "the content's key cannot be unwrapped: it was altered, or content.key is another");
  }
  std::memcpy(unwrapped.data(), data_key->data(), data_key->size());
  std::optional<std::string> text =
      Decrypt(unwrapped, Bound(kContentContext, key.subject, key.day), sealed);
  if (!text) return absl::DataLossError("the stored content was altered");
  return *std::move(text);
}

absl::StatusOr<ContentSealer::DataKey> ContentSealer::KeyFor(const std::string& subject,
                                                             int64_t day) {
  const std::lock_guard lock(mu_);
  const auto found = keys_.find(subject);
  if (found != keys_.end() && found->second.day == day) return found->second;
  absl::StatusOr<ContentKey> fresh = RandomKey();
  if (!fresh.ok()) return fresh.status();
  absl::StatusOr<std::string> wrapped =
      Encrypt(key_encryption_key_, Bound(kKeyContext, subject, day), AsText(*fresh));
  if (!wrapped.ok()) return wrapped.status();
  if (keys_.size() >= kKeysMax) keys_.clear();
  const DataKey key{.id = next_key_id_++, .day = day, .key = *fresh};
  keys_[subject] = key;
  new_keys_.push_back(
      {.id = key.id, .subject = subject, .day = day, .wrapped = *std::move(wrapped)});
  return key;
}

absl::StatusOr<SealedContent> ContentSealer::Seal(std::string_view app, std::string_view user,
                                                  int64_t day, std::string_view content) {
  const std::string subject = Tag(app, user);
  absl::StatusOr<DataKey> key = subject.empty()
                                    ? absl::InternalError("OpenSSL cannot compute an HMAC")
                                    : KeyFor(subject, day);
  if (!key.ok()) return key.status();
  absl::StatusOr<std::string> bytes =
      Encrypt(key->key, Bound(kContentContext, subject, day), content);
  if (!bytes.ok()) return bytes.status();
  SealedContent sealed{.key_id = key->id, .bytes = *std::move(bytes), .digest = {}};
  sealed.digest = SealedDigest(sealed.bytes);
  return sealed;
}

std::vector<WrappedKey> ContentSealer::TakeNewKeys() {
  const std::lock_guard lock(mu_);
  return std::exchange(new_keys_, {});
}

int64_t ContentSealer::Forget(std::string_view subject) {
  const std::lock_guard lock(mu_);
  keys_.erase(std::string(subject));
  return next_key_id_;
}

}  // namespace weir::audit
