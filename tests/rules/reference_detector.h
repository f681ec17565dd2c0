// What the detectors find, worked out the slow way: from every character of the text, every length
// is held against the kind's form, its check digits and what stands beside it. Written from the
// public facts (GB 11643, GB 32100, GB 11714, ISO/IEC 7064 and 7812, RFC 5321, 4291, 7468, 7519,
// the numbering of documents and telephones) and rules/detector.h; shared with the engine is what
// a single character is (rules/text_cursor.h). Names, addresses and keys stand here, numbers in
// reference_number.h.
//
// One thread at a time: compiled expressions are kept for the next call.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "rules/detector.h"
#include "rules/rule.h"

namespace weir::rules {

struct ReferenceDetected {
  size_t start;
  size_t end;
  Lane lane;
};

// `granted`: the words that a number wants in front are taken to stand there.
std::vector<ReferenceDetected> FindDetected(Detector detector, std::string_view text, bool granted);

}  // namespace weir::rules
