// Base64 in each of the ways that people write it.
#pragma once

#include <string>
#include <string_view>

#include <absl/strings/escaping.h>

namespace weir {

// `url_safe`: with - and _ for + and /.
inline std::string Base64(std::string_view bytes, bool url_safe, bool padded) {
  const absl::string_view given(bytes.data(), bytes.size());
  std::string text = url_safe ? absl::WebSafeBase64Escape(given) : absl::Base64Escape(given);
  // Abseil pads the one and not the other.
  text.erase(text.find_last_not_of('=') + 1);
  if (padded) text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

}  // namespace weir
