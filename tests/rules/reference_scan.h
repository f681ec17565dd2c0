// What rules find, worked out the slow way: no index, no prefilter, no stream, one look at one text
// for every word, expression and detector by itself. What the scanner finds must be this, however
// fast.
//
// Shares with the engine what a single character is (rules/fold_table.h, rules/reading.h,
// rules/text_cursor.h, and the tables of sounds and shapes) and how a word is written as runs
// (rules/word.h); nothing of how anything is searched, confirmed, decoded, proved, combined or
// excused. Expressions are the author's text, folded character by character, given to RE2. Numbers,
// names and keys are reference_detector.h's, disguised words reference_disguise.h's, and what is
// encoded reference_decode.h's.
//
// Thread-compatible.
#pragma once

#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/scanner.h"
#include "tests/rules/reference_disguise.h"

namespace weir::rules {

// In the order of Scan(). Finding::rule counts `rules`. `forms`: whether unlikely forms of
// disguised words count; where that makes a difference, the scanner may find either.
std::vector<Finding> ReferenceScan(const std::vector<Rule>& rules, Direction direction,
                                   std::string_view text,
                                   ReferenceForms forms = ReferenceForms::kAll);

}  // namespace weir::rules
