// A rule pack: what compliance staff write, as values.
//
// A pack is one YAML file (rules/AUTHORING.md describes it for its authors). Parsing is strict: an
// unknown key, a duplicate id, a rule without at least one `hit` and one `miss` test, an expression
// that RE2 refuses or whose width is unbounded, a missing words file: each is a Problem with file,
// line and reason, and all problems of all files are reported at once. What parses here always
// compiles; whether a rule's own tests pass is known only after compiling (rule_set.h).
//
// Values only: no behaviour, no hidden state. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace weir::rules {

// Ordered by strength where an order exists. The names are the words used in YAML and JSON.
enum class Severity : uint8_t { kLow, kMedium, kHigh, kCritical };
enum class Direction : uint8_t { kPrompt, kAnswer };
enum class RuleDirection : uint8_t { kPrompt, kAnswer, kBoth };
enum class RuleStatus : uint8_t { kTrial, kStable, kRetired };

// One normalised view of a text; design section 5 says what each undoes.
enum class Lane : uint8_t { kExact, kFold, kSkeleton, kPinyin, kShape, kDigits, kDecoded };
inline constexpr int kLaneCount = 7;
using LaneSet = uint8_t;  // bit i: Lane(i)
constexpr LaneSet LaneBit(Lane lane) {
  return static_cast<LaneSet>(1U << static_cast<int>(lane));
}

std::string_view Name(Severity severity);
std::string_view Name(Direction direction);
std::string_view Name(RuleDirection direction);
std::string_view Name(RuleStatus status);
std::string_view Name(Lane lane);
std::optional<Severity> SeverityFromName(std::string_view name);

// Built-in validators; detector.h says what each accepts.
enum class Detector : uint8_t;

// One way for a rule to match, or a nest of them.
struct Matcher {
  enum class Kind : uint8_t { kWords, kRegex, kDetector, kAny, kAll, kNear };
  Kind kind = Kind::kWords;
  std::vector<std::string> words;  // kWords: as written, words files already read in
  std::string regex;               // kRegex: RE2 syntax
  Detector detector{};             // kDetector
  LaneSet lanes = 0;               // kWords, kRegex: the lanes to look in
  uint32_t within = 0;  // kNear: characters from the start of the first to the end of the last
  std::vector<Matcher> children;  // kAny, kAll, kNear
  int line = 0;
};

// Contexts that cancel a match: a finding is dropped when one of the words stands within `within`
// characters of it (in the original text), on either side, or overlaps it.
struct Exception {
  std::vector<std::string> words;
  LaneSet lanes = 0;
  uint32_t within = 0;  // characters of the original text
};

struct Rule {
  std::string id;  // unique over all packs, never reused
  std::string title;
  std::string category;  // Appendix A code of GB/T 45654-2025, "A.1.h"
  Severity severity = Severity::kMedium;
  RuleStatus status = RuleStatus::kStable;
  RuleDirection direction = RuleDirection::kBoth;
  Matcher match;
  std::optional<Exception> except;
  std::vector<std::string> basis;
  std::string rationale;
  std::string false_positives;
  std::vector<std::string> hit_tests;
  std::vector<std::string> miss_tests;
  int line = 0;
};

struct Pack {
  std::string name;  // `pack:`
  std::string title;
  std::string version;  // semantic version
  int engine = 1;
  std::string file;  // path as given to the parser
  std::vector<Rule> rules;
};

// Something wrong with a file, to be shown to its author.
struct Problem {
  std::string file;
  int line = 0;  // 1-based; 0: the file as a whole
  std::string reason;

  std::string ToString() const;  // "file:line: reason"
};

// The rule language version this build understands; packs name the one they need.
inline constexpr int kEngineVersion = 1;

// Parses every pack file. `paths` are files or directories; of a directory, every *.yaml directly
// in it, in name order. On any problem, `problems` is not empty and the packs are not to be used.
std::vector<Pack> ParsePacks(const std::vector<std::string>& paths, std::vector<Problem>& problems);

}  // namespace weir::rules
