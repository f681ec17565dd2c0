// Rules that are hard to find, with texts that are hard for them: what the property tests disguise,
// cut and mix. Each library is about one way of hiding words.
//
// Thread-safe; each call makes a new one.
#pragma once

#include <string>
#include <vector>

#include "rules/rule.h"

namespace weir::rules {

struct RuleLibrary {
  std::vector<Rule> rules;
  std::vector<std::string> texts;  // hits, near misses and pieces of both
};

// Words to the ear, and the sounds and letters that they are disguised with.
RuleLibrary WordsToTheEar();
// Words to the eye, and what looks like them.
RuleLibrary WordsToTheEye();
// Such words as parts, and under an exception.
RuleLibrary DisguisedParts();
// Rules that name `decoded`, beside some that do not.
RuleLibrary EncodedWords();

}  // namespace weir::rules
