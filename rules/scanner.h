// Text in, findings out.
//
//   std::vector<Finding> findings;
//   absl::Status status = Scan(rule_set, Direction::kPrompt, text, findings);
//
// or, for text that arrives in pieces,
//
//   StreamScan scan(rule_set, Direction::kAnswer);
//   while (...) {
//     status = scan.Feed(piece, findings);     // appends what the piece completed
//     ... text up to scan.releasable() may go out, with the findings' masks applied ...
//   }
//   status = scan.Finish(findings);            // now releasable() == everything fed
//
// Guarantees. The findings of a stream are those of a scan of the whole text, for every way of
// cutting it, inside a character too. Of a rule whose guarantee is `whole` no byte of a match is
// releasable before its finding has been reported; of a `completion` rule, not the part that
// completes it. releasable() never falls, never splits a character, and is the greatest offset for
// which that holds: text that cannot begin a match is not held at all. Separators, invisible
// characters and repeats inside a word are held with it. When Feed() has returned findings, a later
// finding may overlap them only in text that is not yet releasable, so edits of released text are
// final.
//
// Failure. A status other than OK means that the text could not be judged (Hyperscan or RE2 ran out
// of memory, say); it is never a "no match". After a failed Feed() the stream must be dropped.
// Invalid UTF-8 is no error: each offending byte stands for itself and matches nothing.
//
// Threads. Functions are thread-safe; scratch memory is per thread and kept. A StreamScan belongs
// to one thread at a time and must not outlive its RuleSet. Its memory is bounded by the widest
// rule, plus separators held inside a match, which are capped at kSeparatorRunMax characters.
//
// Units. Offsets are bytes of the original text from the beginning of the scan, end exclusive.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "rules/detector.h"
#include "rules/rule.h"
#include "rules/rule_set.h"

namespace weir::rules {

// More separators than this in a row end a word: an evader gains nothing that a reader could read.
inline constexpr int kSeparatorRunMax = 64;

struct Finding {
  uint32_t rule = 0;                    // RuleSet::rule(rule)
  Lane lane = Lane::kExact;             // the finest lane that shows the match
  Detector detector = Detector::kNone;  // which, when a detector matched: decides the mask
  uint64_t start = 0;
  uint64_t end = 0;

  friend bool operator==(const Finding&, const Finding&) = default;
};

// Appends the findings of `text`, ordered by end, start, rule. Every occurrence of every word is a
// finding of its own, overlapping ones too; the same rule, start and end is reported once. Retired
// rules never match; rules of the other direction never match.
absl::Status Scan(const RuleSet& rules, Direction direction, std::string_view text,
                  std::vector<Finding>& findings);

class StreamScan {
 public:
  StreamScan(const RuleSet& rules, Direction direction);
  StreamScan(StreamScan&&) noexcept;
  StreamScan& operator=(StreamScan&&) noexcept;
  ~StreamScan();

  absl::Status Feed(std::string_view piece, std::vector<Finding>& findings);
  absl::Status Finish(std::vector<Finding>& findings);

  uint64_t releasable() const;
  uint64_t fed() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::rules
