#include "rules/digest.h"

#include <absl/strings/escaping.h>
#include <absl/strings/string_view.h>
#include <openssl/evp.h>

#include "rules/check.h"

namespace weir::rules {

Digest::Digest() : hash_(EVP_MD_CTX_new()) {
  WEIR_CHECK(hash_ != nullptr && EVP_DigestInit_ex(hash_, EVP_sha256(), nullptr) == 1);
}
Digest::~Digest() {
  EVP_MD_CTX_free(hash_);
}

void Digest::Add(uint64_t number) {
  uint8_t bytes[8];
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  Update(bytes, sizeof(bytes));
}

void Digest::Add(std::string_view text) {
  Add(uint64_t{text.size()});
  Update(text.data(), text.size());
}

void Digest::Add(const std::vector<std::string>& texts) {
  Add(uint64_t{texts.size()});
  for (const std::string& text : texts) Add(std::string_view(text));
}

std::string Digest::Finish() {
  uint8_t hash[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  WEIR_CHECK(EVP_DigestFinal_ex(hash_, hash, &length) == 1 && length == kDigestBytes);
  return std::string(reinterpret_cast<const char*>(hash), length);
}

void Digest::Update(const void* bytes, size_t count) {
  WEIR_CHECK(EVP_DigestUpdate(hash_, bytes, count) == 1);
}

std::string HexOf(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace weir::rules
