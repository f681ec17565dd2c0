// absl::StrCat for std::string_view, which the Abseil of Debian 12 does not take. Internal.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

namespace weir::audit {

template <typename Part>
void AppendPart(std::string& text, const Part& part) {
  if constexpr (std::is_integral_v<Part> && !std::is_same_v<Part, char>) {
    char digits[24];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, part).ptr);
  } else if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
    text += std::string_view(part);
  } else {
    text.append(part.data(), part.size());  // absl::string_view, of a Status's message
  }
}

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string text;
  (AppendPart(text, parts), ...);
  return text;
}

}  // namespace weir::audit
