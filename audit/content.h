// Content beside the tree: what was judged, encrypted, under keys that can be destroyed.
//
// Each subject (an app's user) has a data key for each day; data keys are stored wrapped by one
// key-encryption key, which stands in a file of mode 0400. AES-256-GCM throughout. A record holds
// the digest of the ciphertext, so destroying a key makes content unreadable and leaves every proof
// as it was. audit/FORMAT.md section 7 has the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

namespace weir::audit {

using ContentKey = std::array<uint8_t, 32>;

// "sha256:<hex>" of text that is not stored.
std::string ContentDigest(std::string_view content);
// "sealed-sha256:<hex>" of stored ciphertext.
std::string SealedDigest(std::string_view sealed);

// A data key as the store holds it.
struct WrappedKey {
  int64_t id = 0;
  std::string subject;  // a keyed hash: the store does not say whose key it is
  int64_t day = 0;      // since 1970, UTC
  std::string wrapped;
};

struct SealedContent {
  int64_t key_id = 0;
  std::string bytes;
  std::string digest;  // "sealed-sha256:<hex>" of `bytes`
};

// Reads the key-encryption key, or creates it.
absl::StatusOr<ContentKey> LoadKeyEncryptionKey(const std::string& path, bool create);

// Under which name the store keeps a subject's keys.
std::string SubjectTag(const ContentKey& key_encryption_key, std::string_view app,
                       std::string_view user);

absl::StatusOr<std::string> Unseal(const ContentKey& key_encryption_key, const WrappedKey& key,
                                   std::string_view sealed);

// Encrypts on its caller's thread. Thread-safe.
class ContentSealer {
 public:
  ContentSealer(const ContentKey& key_encryption_key, int64_t next_key_id)
      : key_encryption_key_(key_encryption_key), next_key_id_(next_key_id) {}
  ContentSealer(const ContentSealer&) = delete;
  ContentSealer& operator=(const ContentSealer&) = delete;

  absl::StatusOr<SealedContent> Seal(std::string_view app, std::string_view user, int64_t day,
                                     std::string_view content);
  // Keys made since the last call. Whoever stores content stores these first: content that is
  // handed over here never needs a key that was not handed out.
  std::vector<WrappedKey> TakeNewKeys();
  // Later content of the subject gets another key, whose id is not below the one returned.
  int64_t Forget(std::string_view subject);
  std::string Tag(std::string_view app, std::string_view user) const {
    return SubjectTag(key_encryption_key_, app, user);
  }

 private:
  struct DataKey {
    int64_t id = 0;
    int64_t day = 0;
    ContentKey key{};
  };
  absl::StatusOr<DataKey> KeyFor(const std::string& subject, int64_t day);

  const ContentKey key_encryption_key_;
  std::mutex mu_;
  // Guarded by mu_.
  int64_t next_key_id_;
  absl::flat_hash_map<std::string, DataKey> keys_;  // by subject
  std::vector<WrappedKey> new_keys_;
};

}  // namespace weir::audit
