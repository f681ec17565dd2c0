// Whether words are in a text to the ear (pinyin) or to the eye (shape), worked out the slow way:
// every way to read the text is tried from every character. What counts is said in
// rules/disguise_match.h; shared with the engine are what single characters fold to, how they sound
// (Readings(), Spelling()) and what they look like (ShapeElements(), ShapeFormsOf()).
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/word.h"

namespace weir::rules {

struct ReferenceSpan {
  size_t start;
  size_t end;
};

// To the eye, a character may be in parts in several ways, some of which are one for another
// character, too. kLikely: what the engine must find. kAll: what it may find.
enum class ReferenceForms { kLikely, kAll };

// `word` is as it folds, with the lanes that its rule names.
std::vector<ReferenceSpan> FindDisguised(Lane lane, const Word& word, ReferenceForms forms,
                                         std::string_view text);

}  // namespace weir::rules
