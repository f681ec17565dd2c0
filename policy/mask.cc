#include "policy/mask.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "policy/profile.h"

namespace weir::policy {
namespace {

void MergeInto(Mask& mask, const Mask& other) {
  if (mask.start != other.start || mask.end != other.end || mask.partial != other.partial) {
    mask.partial.clear();
  }
  mask.end = std::max(mask.end, other.end);
  if (mask.text != other.text) mask.text = kMaskText;
}

}  // namespace

void MergeMasks(std::vector<Mask>& masks) {
  if (masks.size() < 2) return;
  std::sort(masks.begin(), masks.end(), [](const Mask& a, const Mask& b) {
    return std::tie(a.start, a.end) < std::tie(b.start, b.end);
  });
  size_t last = 0;
  for (size_t i = 1; i < masks.size(); ++i) {
    if (masks[i].start < masks[last].end) {
      MergeInto(masks[last], masks[i]);
    } else if (++last != i) {
      masks[last] = std::move(masks[i]);
    }
  }
  masks.resize(last + 1);
}

Edit ToEdit(Mask mask) {
  if (mask.partial.empty()) return Edit{mask.start, mask.end, std::string(mask.text)};
  return Edit{mask.start, mask.end, std::move(mask.partial)};
}

}  // namespace weir::policy
