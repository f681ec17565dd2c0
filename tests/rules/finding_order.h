// The order in which tests compare what two scans found.
#pragma once

#include <tuple>

#include "rules/scanner.h"

namespace weir::rules {

// Where they end, then where they begin, then by rule; lanes and detectors do not count.
inline bool ByPlace(const Finding& a, const Finding& b) {
  return std::tie(a.end, a.start, a.rule) < std::tie(b.end, b.start, b.rule);
}

}  // namespace weir::rules
