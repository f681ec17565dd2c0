// Text from parts. Debian's Abseil is built with its own string_view, which absl::StrCat() and
// absl::StrJoin() insist on; these take the standard one.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace weir::rules {

inline void AppendPart(std::string& out, std::string_view part) {
  out.append(part);
}
inline void AppendPart(std::string& out, std::integral auto number) {
  out.append(std::to_string(number));
}

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string out;
  (AppendPart(out, parts), ...);
  return out;
}

template <typename Range>
std::string Join(const Range& range, std::string_view separator) {
  std::string out;
  bool first = true;
  for (const auto& part : range) {
    if (!first) out.append(separator);
    first = false;
    AppendPart(out, part);
  }
  return out;
}

}  // namespace weir::rules
