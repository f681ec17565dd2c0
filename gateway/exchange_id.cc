#include "gateway/exchange_id.h"

#include <array>
#include <chrono>
#include <cstdint>

#include <absl/random/random.h>

namespace weir::gateway {

std::string NewExchangeId() {
  static thread_local absl::BitGen generator;
  const auto now_ms = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                std::chrono::system_clock::now().time_since_epoch())
                                                .count());
  const auto random_a = absl::Uniform<uint64_t>(generator);
  const auto random_b = absl::Uniform<uint64_t>(generator);
  const uint64_t high = (now_ms << 16) | 0x7000 | (random_a & 0x0fff);
  const uint64_t low = (random_b & 0x3fff'ffff'ffff'ffff) | 0x8000'0000'0000'0000;

  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string id(36, '-');
  size_t at = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) ++at;
    const uint64_t word = nibble < 16 ? high : low;
    id[at++] = kHex[(word >> (60 - 4 * (nibble % 16))) & 0xf];
  }
  return id;
}

}  // namespace weir::gateway
