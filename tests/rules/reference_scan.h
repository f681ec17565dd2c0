// What rules find, worked out the slow way: no index, no prefilter, no stream, one look at one text
// for every word and expression by itself. What the scanner finds must be this, however fast.
//
// Shares with the engine what a single character folds to (rules/fold_table.h, rules/reading.h) and
// how a word is written as runs (rules/word.h); nothing of how anything is searched, confirmed,
// combined or excused. Expressions are the author's text, folded character by character, given to
// RE2.
//
// Thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/scanner.h"

namespace weir::rules {

// Whether ReferenceScan() can tell what the rule finds: detectors it cannot.
bool ReferenceKnows(const Rule& rule);

// In the order of Scan(). Finding::rule counts `rules`; those that it does not know find nothing.
std::vector<Finding> ReferenceScan(const std::vector<Rule>& rules, Direction direction,
                                   std::string_view text);

}  // namespace weir::rules
