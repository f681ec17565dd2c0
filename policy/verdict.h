// What policy decides. A block is a value, never an error: a Status says that nothing could be
// decided, which is a different thing (see ExceptionPolicy in profile.h).
//
// Values only. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::policy {

// Ordered: the strongest of all reasons wins.
enum class Action : uint8_t { kAllow, kFlag, kMask, kReplace, kBlock };

std::string_view Name(Action action);

// What a profile makes of one finding.
struct Decision {
  Action action = Action::kAllow;
  bool review = false;

  friend bool operator==(const Decision&, const Decision&) = default;
};

// One finding with what the profile makes of it. The strings are views into the bundle that was
// pinned for the exchange and live as long as it.
struct Reason {
  std::string_view rule;
  std::string_view title;
  std::string_view category;
  std::string_view severity;
  std::string_view lane;
  std::string part;    // where the text stood: a JSON pointer into the request or the answer
  uint64_t start = 0;  // bytes of that part's text
  uint64_t end = 0;
  Action action = Action::kAllow;
};

// Replaces bytes [start, end) of a part's text.
struct Edit {
  uint64_t start = 0;
  uint64_t end = 0;
  std::string replacement;

  friend bool operator==(const Edit&, const Edit&) = default;
};

struct Verdict {
  Action action = Action::kAllow;
  bool review = false;  // queue for a person; a mark on any action
  // At most kReasonsMax, the strongest first, then in order of appearance; `reasons_total` counts
  // all of them.
  std::vector<Reason> reasons;
  uint64_t reasons_total = 0;
};

inline constexpr size_t kReasonsMax = 64;

// `text` with the edits applied; they are in order, do not overlap and lie within it.
std::string ApplyEdits(std::string_view text, const std::vector<Edit>& edits);

}  // namespace weir::policy
