#include "audit/digest.h"

#include <cstdlib>

#include <absl/strings/escaping.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

namespace weir::audit {
namespace {

// A process without SHA-256 can neither record nor verify; a wrong digest would be worse.
void Demand(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

void Sha256Digest::Free::operator()(EVP_MD_CTX* context) const {
  EVP_MD_CTX_free(context);
}

Sha256Digest::Sha256Digest() : context_(EVP_MD_CTX_new()) {
  Demand(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256Digest::Add(std::string_view bytes) {
  Demand(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256Digest::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  Demand(EVP_DigestFinal_ex(context_.get(), digest, &length) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), length});
}

Hash Sha256(std::string_view bytes) {
  Hash digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

}  // namespace weir::audit
