// What compliance staff do with rules before anybody is judged by them: lint, test, stats, scan.
// The bodies behind `weir rules lint|test|stats` and `weir scan`, as functions over streams so that
// tests drive them as the command line does. Each returns the process's exit code (0 done, 1 the
// answer is no, 2 usage or environment) and writes what a person reads to `err`, what a script
// reads to `out`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "rules/rule.h"

namespace weir::policy {

struct AuthoringOptions {
  std::vector<std::string> pack_paths;
  bool json = false;
};

int LintRules(const AuthoringOptions& options, std::ostream& out, std::ostream& err);
int TestRules(const AuthoringOptions& options, std::ostream& out, std::ostream& err);
int ShowRuleStats(const AuthoringOptions& options, std::ostream& out, std::ostream& err);

struct ScanOptions {
  std::vector<std::string> pack_paths;
  std::vector<std::string> profile_paths;  // empty: the built-in severity table
  std::string profile;                     // id; empty: the only one, or the built-in table
  rules::Direction direction = rules::Direction::kPrompt;
  size_t chunk_bytes = 0;  // 0: whole texts
};

// JSONL in {"id","text"}; JSONL out {"id","action","text"(masked),"findings":[{"rule","category",
// "severity","start","end","lane"}]}. Offsets are bytes of the input text; findings are ordered by
// start, end, rule. The same output for every chunk_bytes.
int ScanLines(const ScanOptions& options, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace weir::policy
