// SHA-256 over values, so that no two different sequences of values give one sequence of bytes:
// each text is preceded by its length.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct evp_md_ctx_st;

namespace weir::rules {

inline constexpr size_t kDigestBytes = 32;

class Digest {
 public:
  Digest();
  Digest(const Digest&) = delete;  // owns the OpenSSL context
  Digest& operator=(const Digest&) = delete;
  ~Digest();

  void Add(uint64_t number);
  void Add(std::string_view text);
  void Add(const std::vector<std::string>& texts);

  // The 32 bytes; nothing may be added afterwards.
  std::string Finish();

 private:
  void Update(const void* bytes, size_t count);

  evp_md_ctx_st* const hash_;
};

std::string HexOf(std::string_view bytes);

}  // namespace weir::rules
