// Masks: what stands in the place of text that may not be shown.
//
// A finding of a detector gets the detector's partial mask ("138****5678"); every other finding
// gets the profile's text for its category ("［个人信息］"), which says what was there and nothing
// of how it read. Masks that overlap become one, from the first byte to the last, and lose their
// partial form: two partial masks laid over one another could show what each of them hides. What
// comes out does not depend on the order in which findings arrive.
//
// Values only. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/verdict.h"

namespace weir::policy {

struct Mask {
  uint64_t start = 0;
  uint64_t end = 0;
  std::string_view text;  // of the profile: replaces the whole stretch
  std::string partial;    // of a detector; empty: `text`
};

// Sorts, and merges what overlaps. Masks that only touch stay apart: in a stream the first of them
// may have been released.
void MergeMasks(std::vector<Mask>& masks);

Edit ToEdit(Mask mask);

}  // namespace weir::policy
