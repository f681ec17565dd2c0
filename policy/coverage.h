// How far a rule set goes towards the keyword library of GB/T 45654-2025: 10,000 terms in total,
// 200 for each of the eight risks of A.1, 100 for each of the nine of A.2 (all "宜", recommended).
//
// A term is a word after folding, counted once in a category however often and in whatever spelling
// (width, case, traditional characters) it is written. An expression is one term, however much it
// matches, and so is an `all` or a `near` as a whole, since none of its parts is looked for alone.
// Detectors and exceptions are no terms. Rules on trial are counted apart: they only flag. Retired
// rules count nothing.
//
// Values; pure functions.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace weir::policy {

inline constexpr size_t kLibraryTermsNeeded = 10'000;

struct CategoryCoverage {
  std::string_view code;   // of Appendix A, "A.1.a"
  std::string_view name;   // the standard's own
  size_t terms = 0;        // of stable rules
  size_t trial_terms = 0;  // that only rules on trial have
  size_t needed = 0;

  size_t missing() const { return terms < needed ? needed - terms : 0; }
};

struct Coverage {
  std::vector<CategoryCoverage> categories;  // A.1 and A.2, in the standard's order
  size_t terms = 0;                          // distinct, of all categories, A.3 to A.5 too

  size_t missing() const { return terms < kLibraryTermsNeeded ? kLibraryTermsNeeded - terms : 0; }
  // Whether every number of the standard is reached.
  bool complete() const;
};

Coverage CoverageOf(const std::vector<rules::Pack>& packs);

// A table for staff, in Chinese.
void PrintCoverage(const Coverage& coverage, std::ostream& out);
// {"standard":...,"terms":...,"needed":...,"missing":...,"categories":[{"code",...}]}
void AppendCoverage(const Coverage& coverage, std::string& json);

}  // namespace weir::policy
