// Whole numbers in as few bytes as they need: 7 bits a byte, least first, the high bit set on all
// but the last. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::audit {

inline void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

// Takes a varint off `bytes`; false when they end inside it.
inline bool TakeVarint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace weir::audit
