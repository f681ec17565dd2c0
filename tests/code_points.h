// Texts as code points and back, for tests and benchmarks. Shares nothing with the product, so that
// what it makes can be held against the product's own.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

inline std::string Utf8(std::u32string_view code_points) {
  std::string text;
  for (const char32_t c : code_points) {
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    constexpr unsigned char kLead[] = {0, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(kLead[more] | (c >> (6 * more)));
    for (int i = more; i-- > 0;) text += static_cast<char>(0x80U | ((c >> (6 * i)) & 0x3FU));
  }
  return text;
}

// `text` is UTF-8 throughout.
inline std::u32string CodePoints(std::string_view text) {
  std::u32string code_points;
  for (const char byte : text) {
    const auto bits = static_cast<unsigned char>(byte);
    if ((bits & 0xC0U) == 0x80U) {
      code_points.back() = (code_points.back() << 6U) | (bits & 0x3FU);
    } else {
      code_points += bits < 0x80   ? bits
                     : bits < 0xE0 ? bits & 0x1FU
                     : bits < 0xF0 ? bits & 0x0FU
                                   : bits & 0x07U;
    }
  }
  return code_points;
}

}  // namespace weir
