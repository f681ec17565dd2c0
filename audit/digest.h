// SHA-256 of whole files and texts, as bytes and in lower-case hexadecimal. Internal. Not
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "audit/merkle.h"

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace weir::audit {

class Sha256Digest {
 public:
  Sha256Digest();
  void Add(std::string_view bytes);
  // Of everything added; nothing can be added afterwards.
  std::string Hex();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

Hash Sha256(std::string_view bytes);

inline std::string Sha256Hex(std::string_view bytes) {
  Sha256Digest digest;
  digest.Add(bytes);
  return digest.Hex();
}

}  // namespace weir::audit
