#include "policy/verdict.h"

#include <array>

#include "rules/check.h"

namespace weir::policy {

std::string_view Name(Action action) {
  static constexpr std::array<std::string_view, 5> kNames = {"allow", "flag", "mask", "replace",
                                                             "block"};
  return kNames[static_cast<size_t>(action)];
}

std::string ApplyEdits(std::string_view text, const std::vector<Edit>& edits) {
  std::string edited;
  edited.reserve(text.size());
  uint64_t at = 0;
  for (const Edit& edit : edits) {
    WEIR_CHECK(at <= edit.start && edit.start <= edit.end && edit.end <= text.size());
    edited += text.substr(at, edit.start - at);
    edited += edit.replacement;
    at = edit.end;
  }
  edited += text.substr(at);
  return edited;
}

}  // namespace weir::policy
