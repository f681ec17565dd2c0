#include "audit/content.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <absl/strings/escaping.h>
#include <openssl/crypto.h>

#include "audit/concat.h"
#include "audit/files.h"
#include "audit/record.h"

namespace weir::audit {
namespace {

constexpr size_t kSubjectBytes = 16;
constexpr size_t kKeyDigestBytes = 32;
constexpr std::string_view kKeyContext = "weir-data-key@v1";
constexpr std::string_view kContentContext = "weir-content@v1";
constexpr std::string_view kSealedPrefix = "sealed-";
// Keys in memory; beyond it all are dropped and subjects get further keys as they come.
constexpr size_t kKeysMax = 65'536;

// What a ciphertext is bound to, so that it cannot be put in another's place.
std::string Bound(std::string_view context, const WrappedKey& key) {
  return Concat(context, key.subject, "/", key.day, "/", static_cast<int>(key.floor));
}

// What stands before each ciphertext, and so in its record's digest.
std::string KeyDigest(Suite suite, const WrappedKey& key) {
  return Digest(suite, Concat(Bound(kKeyContext, key), "/", key.wrapped));
}

std::string HexDigest(Suite suite, std::string_view prefix, std::string_view text) {
  const std::string digest = Digest(suite, text);
  if (digest.empty()) return "";
  return Concat(prefix, DigestName(suite), ":", absl::BytesToHexString(digest));
}

std::string_view AsText(const ContentKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

char FloorByte(Floor floor) {
  return static_cast<char>('0' + static_cast<int>(floor));
}

}  // namespace

std::string ContentDigest(Suite suite, std::string_view content) {
  return HexDigest(suite, "", content);
}

std::string SealedDigest(Suite suite, std::string_view sealed) {
  return HexDigest(suite, kSealedPrefix, sealed);
}

std::optional<Suite> SuiteOfSealed(std::string_view content_digest) {
  if (!content_digest.starts_with(kSealedPrefix)) return std::nullopt;
  content_digest.remove_prefix(kSealedPrefix.size());
  for (const Suite suite : {Suite::kInternational, Suite::kSm}) {
    if (content_digest.starts_with(Concat(DigestName(suite), ":"))) return suite;
  }
  return std::nullopt;
}

bool IsSealedUnder(Suite suite, std::string_view sealed, const WrappedKey& key) {
  return sealed.substr(0, kKeyDigestBytes) == KeyDigest(suite, key);
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
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::string bytes;
  ContentKey key{};
  const bool good = absl::Base64Unescape(*text, &bytes) && bytes.size() == key.size();
  if (good) std::memcpy(key.data(), bytes.data(), bytes.size());
  OPENSSL_cleanse(text->data(), text->size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (good) return key;
  return absl::FailedPreconditionError(
      Concat(path,
             " holds no key of 32 bytes in base64: put the key back from its safe copy, or "
             "make one for a new ledger with `openssl rand -base64 32`"));
}

std::string NameInRecord(std::string_view name) {
  const bool plain = name.size() <= kStringBytesMax / 6 &&
                     std::all_of(name.begin(), name.end(), [](char c) { return c > 0; });
  if (plain) return std::string(name);
  Record probe;
  probe.user = std::string(name);
  const absl::StatusOr<Record> spelled = Decode(Encode(probe));
  return spelled.ok() ? spelled->user : std::string(name);
}

std::string SubjectTag(Suite suite, const ContentKey& key_encryption_key, std::string_view app,
                       std::string_view user) {
  const std::string named = NameInRecord(app);
  const std::string tag =
      Mac(suite, AsText(key_encryption_key),
          Concat("weir-subject@v1", named.size(), "/", named, NameInRecord(user)));
  return tag.substr(0, kSubjectBytes);
}

absl::StatusOr<std::string> Unseal(Suite suite, const ContentKey& key_encryption_key,
                                   const WrappedKey& key, std::string_view sealed) {
  std::optional<std::string> data_key =
      Decrypt(suite, key_encryption_key, Bound(kKeyContext, key), key.wrapped);
  ContentKey unwrapped{};
  if (!data_key || data_key->size() != unwrapped.size()) {
    return absl::DataLossError(
        "the content's key cannot be unwrapped: it was altered, or the key-encryption key is "
        "another");
  }
  std::memcpy(unwrapped.data(), data_key->data(), data_key->size());
  OPENSSL_cleanse(data_key->data(), data_key->size());
  std::optional<std::string> text;
  if (IsSealedUnder(suite, sealed, key)) {
    text = Decrypt(suite, unwrapped, Bound(kContentContext, key), sealed.substr(kKeyDigestBytes));
  }
  OPENSSL_cleanse(unwrapped.data(), unwrapped.size());
  if (!text) return absl::DataLossError("the stored content was altered");
  return *std::move(text);
}

ContentSealer::~ContentSealer() {
  for (auto& [subject, key] : keys_) OPENSSL_cleanse(key.key.data(), key.key.size());
  OPENSSL_cleanse(key_encryption_key_.data(), key_encryption_key_.size());
}

absl::StatusOr<ContentSealer::DataKey> ContentSealer::KeyFor(const std::string& subject,
                                                             int64_t day, Floor floor) {
  const std::lock_guard lock(mu_);
  const std::string place = subject + FloorByte(floor);
  const auto found = keys_.find(place);
  if (found != keys_.end() && found->second.day == day) return found->second;
  absl::StatusOr<ContentKey> fresh = RandomKey();
  if (!fresh.ok()) return fresh.status();
  WrappedKey stored{
      .id = next_key_id_, .subject = subject, .day = day, .floor = floor, .wrapped = {}};
  absl::StatusOr<std::string> wrapped =
      Encrypt(suite_, key_encryption_key_, Bound(kKeyContext, stored), AsText(*fresh));
  if (!wrapped.ok()) return wrapped.status();
  stored.wrapped = *std::move(wrapped);
  if (keys_.size() >= kKeysMax) keys_.clear();
  const DataKey key{
      .id = next_key_id_++, .day = day, .key = *fresh, .digest = KeyDigest(suite_, stored)};
  keys_[place] = key;
  new_keys_.push_back(std::move(stored));
  return key;
}

absl::StatusOr<SealedContent> ContentSealer::Seal(std::string_view app, std::string_view user,
                                                  int64_t day, Floor floor,
                                                  std::string_view content) {
  SealedContent sealed;
  sealed.epoch = epoch();
  const WrappedKey place{
      .id = 0, .subject = Tag(app, user), .day = day, .floor = floor, .wrapped = {}};
  if (place.subject.empty()) return absl::InternalError("OpenSSL cannot compute an HMAC");
  absl::StatusOr<DataKey> key = KeyFor(place.subject, day, floor);
  if (!key.ok()) return key.status();
  absl::StatusOr<std::string> bytes =
      Encrypt(suite_, key->key, Bound(kContentContext, place), content);
  OPENSSL_cleanse(key->key.data(), key->key.size());
  if (!bytes.ok()) return bytes.status();
  sealed.key_id = key->id;
  sealed.bytes = key->digest + *bytes;
  sealed.digest = SealedDigest(suite_, sealed.bytes);
  if (key->digest.empty() || sealed.digest.empty()) {
    return absl::InternalError("OpenSSL cannot compute a digest");
  }
  return sealed;
}

std::vector<WrappedKey> ContentSealer::TakeNewKeys() {
  const std::lock_guard lock(mu_);
  return std::exchange(new_keys_, {});
}

int64_t ContentSealer::Forget(std::string_view subject) {
  const std::lock_guard lock(mu_);
  for (const Floor floor : {Floor::kLog, Floor::kTransfer}) {
    const auto found = keys_.find(std::string(subject) + FloorByte(floor));
    if (found == keys_.end()) continue;
    OPENSSL_cleanse(found->second.key.data(), found->second.key.size());
    keys_.erase(found);
  }
  epoch_.fetch_add(1);
  return next_key_id_;
}

}  // namespace weir::audit
