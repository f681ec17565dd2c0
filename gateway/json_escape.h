// The escapes of JSON strings and pointers. Internal to what reads JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::gateway {

// The inside of a JSON string.
void AppendEscapedJson(std::string_view text, std::string& out);
// A key inside a JSON pointer (RFC 6901).
void AppendEscapedPointer(std::string_view key, std::string& pointer);

inline bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
inline bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits; -1 when they are not.
inline int Hex4(std::string_view digits) {
  if (digits.size() < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(digits[static_cast<size_t>(i)]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

inline bool IsHighSurrogate(int unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
inline bool IsLowSurrogate(int unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}
inline uint32_t Combine(int high, int low) {
  return 0x10000U + ((static_cast<uint32_t>(high) - 0xD800U) << 10) +
         (static_cast<uint32_t>(low) - 0xDC00U);
}

// Writes `code` as UTF-8 to `to`; returns how many bytes.
inline size_t EncodeUtf8(uint32_t code, char to[4]) {
  if (code < 0x80) {
    to[0] = static_cast<char>(code);
    return 1;
  }
  size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  constexpr unsigned char kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (size_t i = size; i-- > 1; code >>= 6) to[i] = static_cast<char>(0x80U | (code & 0x3FU));
  to[0] = static_cast<char>(kLead[size] | code);
  return size;
}

// What a one-letter escape stands for; 0 when it is none.
inline char SimpleEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

}  // namespace weir::gateway
