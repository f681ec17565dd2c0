// What a RuleSet is made of; for rule_set.cc and the scanner alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/rule_set.h"
#include "rules/word_index.h"

namespace weir::rules {

// One words, regex or detector matcher of a rule.
struct Leaf {
  uint32_t rule = 0;
};

struct RuleSet::Compiled {
  std::vector<Pack> packs;
  std::vector<const Rule*> rules;  // into packs, in finding order
  std::vector<RuleStats> stats;
  std::vector<Leaf> leaves;
  WordIndex words;
  std::string digest;
  uint64_t serial = 0;  // distinct for each set of the process: tells scratch memory what it fits
};

}  // namespace weir::rules
