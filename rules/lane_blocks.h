// LaneText's way through characters of three bytes, eight at a time: which of them are copied and
// which dropped is looked up together, and what is kept is moved together.
//
// The loops of lane_text.cc say the same for a character at a time.
#pragma once

#include <cstddef>

#include "rules/lane_classes.h"

namespace weir::rules {

// What is read of a text for eight characters, and written of a lane, at most.
inline constexpr size_t kBlockBytes = 28;

// Copies characters of three bytes from `from`, folded, to `out`, which goes on with them; returns
// where it stops: at another character, or at less than kBlockBytes before `end`. Needs AVX2.
const char* CopyBlocks(const LaneClasses& classes, const char* from, const char* end, char*& out);

}  // namespace weir::rules
