// Whole numbers as bytes, the most significant first. Internal.
#pragma once

#include <string>
#include <string_view>

namespace weir::audit {

// As many bytes as an `Integer`, which is unsigned, has.
template <typename Integer>
void AppendBigEndian(Integer value, std::string& out) {
  for (size_t i = sizeof(Integer); i-- > 0;) out += static_cast<char>(value >> (8 * i));
}

// The number at the beginning of `bytes`; of fewer bytes than an `Integer` has, what they make.
template <typename Integer>
Integer ReadBigEndian(std::string_view bytes) {
  Integer value = 0;
  for (const char byte : bytes.substr(0, sizeof(Integer))) {
    value = static_cast<Integer>((value << 8) | static_cast<unsigned char>(byte));
  }
  return value;
}

}  // namespace weir::audit
