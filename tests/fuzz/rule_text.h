// Rules and a text as one input of a fuzzer, so that one that changes bytes makes new rules:
//
//   w6赌场|线上赌场     words, in the lanes of the hex digits' bits (bit i: Lane(i))
//   r6(开户|注册)送     an expression
//   d1                  a detector, by number; d1~ in what is decoded too
//   n5 or a             what follows up to ) is near, within 5, or all
//   )
//   x3警方|新闻         an exception within 3; x3~7e警方 in lanes
//   /                   the next rule
//   =
//   what comes behind four bytes is the text; the bytes say how it is cut
//
// Lines that say nothing are passed over; what no rule set compiles from gives none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace weir::rules {

struct FuzzInput {
  std::vector<Rule> rules;
  std::shared_ptr<const RuleSet> compiled;  // null: no rules that compile
  std::string_view cuts;
  std::string_view text;
};

// `bytes` must outlive the result. Compiled sets of the latest rules are kept.
FuzzInput ReadFuzzInput(std::string_view bytes);

// The size of the piece that the cuts give at `number`, 1 to 17.
size_t PieceBytes(std::string_view cuts, size_t number);

}  // namespace weir::rules
