// Any rules, any text, cut anywhere: a stream finds what the whole finds, releases nothing of a
// finding before it is found, and in the end everything; and what the slow path of
// tests/rules/reference_scan.h can tell, it tells likewise. rule_text.h says what an input means.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "rules/check.h"
#include "rules/detector.h"
#include "rules/scanner.h"
#include "tests/fuzz/rule_text.h"
#include "tests/rules/finding_order.h"
#include "tests/rules/reference_scan.h"

namespace weir::rules {
namespace {

void Print(const char* who, const std::vector<Finding>& findings, std::string_view text) {
  std::cerr << who << ':';
  for (const Finding& finding : findings) {
    std::cerr << " [" << finding.start << ' ' << Name(finding.lane) << ' '
              << text.substr(finding.start, finding.end - finding.start) << ']';
  }
  std::cerr << '\n';
}

void CheckStream(const FuzzInput& input, Direction direction, const std::vector<Finding>& whole) {
  StreamScan scan(*input.compiled, direction);
  std::vector<Finding> found;
  for (size_t from = 0, piece = 0; from <= input.text.size(); ++piece) {
    const uint64_t releasable = scan.releasable();
    const size_t before = found.size();
    const size_t bytes = std::min(PieceBytes(input.cuts, piece), input.text.size() - from);
    const bool last = from == input.text.size();
    WEIR_CHECK((last ? scan.Finish(found) : scan.Feed(input.text.substr(from, bytes), found)).ok());
    WEIR_CHECK(scan.releasable() >= releasable && scan.releasable() <= scan.fed());
    for (size_t i = before; i < found.size(); ++i) WEIR_CHECK(found[i].start >= releasable);
    if (last) break;
    from += bytes;
  }
  WEIR_CHECK(scan.releasable() == input.text.size());
  std::sort(found.begin(), found.end(), ByPlace);
  WEIR_CHECK(found == whole);
}

void Check(const FuzzInput& input) {
  const Direction direction = Direction::kPrompt;
  std::vector<Finding> whole;
  WEIR_CHECK(Scan(*input.compiled, direction, input.text, whole).ok());
  for (const Finding& finding : whole) {
    WEIR_CHECK(finding.start < finding.end && finding.end <= input.text.size());
    if (finding.detector == Detector::kNone) continue;
    const std::string_view match = input.text.substr(finding.start, finding.end - finding.start);
    WEIR_CHECK(Mask(finding.detector, match) != match);
  }
  WEIR_CHECK(std::is_sorted(whole.begin(), whole.end(), ByPlace));
  CheckStream(input, direction, whole);
  const std::vector<Finding> expected = ReferenceScan(input.rules, direction, input.text);
  if (whole == expected) return;
  // Where it knows two answers it decides nothing.
  if (expected != ReferenceScan(input.rules, direction, input.text, ReferenceForms::kLikely))
    return;
  Print("the scan finds", whole, input.text);
  Print("the slow path", expected, input.text);
  WEIR_CHECK(whole == expected);
}

}  // namespace
}  // namespace weir::rules

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const weir::rules::FuzzInput input =
      weir::rules::ReadFuzzInput({reinterpret_cast<const char*>(data), size});
  if (input.compiled != nullptr) weir::rules::Check(input);
  return 0;
}
