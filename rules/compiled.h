// What a RuleSet is made of; for rule_set.cc and the scanner alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "rules/disguise_index.h"
#include "rules/expression_index.h"
#include "rules/rule_set.h"
#include "rules/word_index.h"

namespace weir::rules {

inline constexpr uint32_t kAbsent = 0xFFFFFFFF;

// One words, regex or detector matcher of a rule. `any` needs no trace: a leaf below it reports to
// what is above it.
struct Leaf {
  uint32_t rule = 0;
  uint32_t composite = kAbsent;    // the all or near that it is a part of
  uint32_t slot = 0;               // which part
  bool counts_characters = false;  // of a rule with near or except
};

struct Composite {
  uint32_t within = kAbsent;  // of near; all: kAbsent
  uint32_t parent = kAbsent;
  uint32_t parent_slot = 0;
  uint32_t first_slot = 0;  // in the scanner's table of slots
  uint32_t slots = 0;
};

struct CompiledException {
  uint32_t rule = 0;
  uint32_t within = 0;
  bool decoded = false;  // also looked for in decoded text
};

// What decides the lane and the detector of a finding that several matchers of one rule may report.
struct MixedRule {
  std::vector<uint32_t> expressions;  // uses in the expression index
  std::vector<Detector> detectors;
  absl::flat_hash_set<std::string> exact_words;  // of words that look in the exact lane
  absl::flat_hash_set<std::string> fold_words;   // folded, of words that look in the fold lane
  // By skeleton, the characters of the words that have it: 天天彩票 and 天彩票 are one there.
  absl::flat_hash_map<std::string, std::vector<std::u32string>> skeleton_words;
};

struct RuleSet::Compiled {
  std::vector<Pack> packs;
  std::vector<const Rule*> rules;  // into packs, in finding order
  std::vector<RuleStats> stats;

  std::vector<Leaf> leaves;
  std::vector<Composite> composites;
  uint32_t slot_count = 0;
  std::vector<CompiledException> exceptions;
  std::vector<uint32_t> exception_of;  // rule -> exception, or kAbsent
  std::vector<uint32_t> mixed_of;      // rule -> mixed, or kAbsent
  std::vector<MixedRule> mixed;

  WordIndex words;          // of lanes exact, fold and skeleton
  WordIndex numeral_words;  // of lane digits, read as kNumerals
  WordIndex leet_words;     // of lane skeleton, read as kLeet
  DisguiseIndex sounds;     // lane pinyin
  DisguiseIndex shapes;     // lane shape
  ExpressionIndex expressions;
  struct DetectorUse {
    Detector detector;
    uint32_t leaf;
    DirectionSet directions;
  };
  std::vector<DetectorUse> detectors;
  DirectionSet decoded_directions = kNoDirection;  // the scans of decoded text that rules ask for

  std::string digest;
  uint64_t serial = 0;  // distinct for each set of the process: tells scratch memory what it fits
};

}  // namespace weir::rules
