// What the detectors of numbers find (cards, documents, telephones, accounts), worked out the slow
// way: from every digit or letter of the text, every length is held against the kind's form, the
// ways to part it, its check digits and what stands beside it. Written from the public facts that
// reference_detector.h names.
//
// One thread at a time.
#pragma once

#include <vector>

#include "rules/detector.h"
#include "tests/rules/reference_detector.h"
#include "tests/rules/reference_text.h"

namespace weir::rules {

// In the order of their beginnings, the longest from each. `granted` is as in FindDetected().
std::vector<ReferenceDetected> FindNumbers(Detector detector, const SeenText& text, bool granted);

}  // namespace weir::rules
