// Content beside the tree: what was judged, encrypted, under keys that can be destroyed.
//
// Each subject (an app's user) has a data key for each day and floor; data keys are stored wrapped
// by one key-encryption key, which stands in a file that only the gateway reads. A record holds the
// digest of the ciphertext and of its wrapped key, so destroying a key makes content unreadable and
// leaves every proof as it was, and a key that was altered is noticed without the key-encryption
// key. audit/FORMAT.md section 7 has the bytes, audit/suite.h the algorithms.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "audit/suite.h"

namespace weir::audit {

// How long content must be kept at least, whoever asks for its erasure.
enum class Floor : uint8_t {
  kLog,       // as a log of what was asked and answered
  kTransfer,  // as the record of a transfer of personal information to another country
};

// "sha256:<hex>" or "sm3:<hex>" of text that is not stored.
std::string ContentDigest(Suite suite, std::string_view content);
// "sealed-sha256:<hex>" or "sealed-sm3:<hex>" of stored ciphertext.
std::string SealedDigest(Suite suite, std::string_view sealed);
// The suite of a record's content_digest; nothing unless it is that of stored ciphertext.
std::optional<Suite> SuiteOfSealed(std::string_view content_digest);

// A data key as the store holds it.
struct WrappedKey {
  int64_t id = 0;
  std::string subject;  // a keyed hash: the store does not say whose key it is
  int64_t day = 0;      // since 1970, UTC
  Floor floor = Floor::kLog;
  std::string wrapped;

  // What is left in the place of a key that was destroyed.
  bool IsDestroyed() const { return wrapped.find_first_not_of('\0') == std::string::npos; }
};

// Whether the ciphertext was sealed under this very key; needs no other key to tell.
bool IsSealedUnder(Suite suite, std::string_view sealed, const WrappedKey& key);

struct SealedContent {
  int64_t key_id = 0;
  std::string bytes;
  std::string digest;  // of `bytes`
  uint64_t epoch = 0;  // the sealer's when it was sealed
};

// Reads the key-encryption key, or creates it.
absl::StatusOr<ContentKey> LoadKeyEncryptionKey(const std::string& path, bool create);

// Names as records spell them: what is no UTF-8 repaired, what is too long cut. So what a record
// says is what a person has to name to reach the content.
std::string NameInRecord(std::string_view name);

// Under which name the store keeps a subject's keys.
std::string SubjectTag(Suite suite, const ContentKey& key_encryption_key, std::string_view app,
                       std::string_view user);

absl::StatusOr<std::string> Unseal(Suite suite, const ContentKey& key_encryption_key,
                                   const WrappedKey& key, std::string_view sealed);

// Encrypts on its caller's thread. Thread-safe.
class ContentSealer {
 public:
  ContentSealer(Suite suite, const ContentKey& key_encryption_key, int64_t next_key_id)
      : suite_(suite), key_encryption_key_(key_encryption_key), next_key_id_(next_key_id) {}
  ContentSealer(const ContentSealer&) = delete;
  ContentSealer& operator=(const ContentSealer&) = delete;
  ~ContentSealer();

  absl::StatusOr<SealedContent> Seal(std::string_view app, std::string_view user, int64_t day,
                                     Floor floor, std::string_view content);
  // Keys made since the last call. Whoever stores content stores these first: content that is
  // handed over here never needs a key that was not handed out.
  std::vector<WrappedKey> TakeNewKeys();
  // Content of the subject that is sealed in a later epoch() gets another key, whose id is not
  // below the one returned. Content of an earlier epoch may be under a key that is about to go.
  int64_t Forget(std::string_view subject);
  uint64_t epoch() const { return epoch_.load(); }
  std::string Tag(std::string_view app, std::string_view user) const {
    return SubjectTag(suite_, key_encryption_key_, app, user);
  }

 private:
  struct DataKey {
    int64_t id = 0;
    int64_t day = 0;
    ContentKey key{};
    std::string digest;  // of the wrapped key
  };
  absl::StatusOr<DataKey> KeyFor(const std::string& subject, int64_t day, Floor floor);

  const Suite suite_;
  ContentKey key_encryption_key_;
  std::atomic<uint64_t> epoch_{0};
  std::mutex mu_;
  // Guarded by mu_.
  int64_t next_key_id_;
  absl::flat_hash_map<std::string, DataKey> keys_;  // by subject and floor
  std::vector<WrappedKey> new_keys_;
};

}  // namespace weir::audit
