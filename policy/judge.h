// Findings and a subject in, a verdict out: the gateway's only view of compliance.
//
// One Judge judges one direction of one exchange. Whole texts are judged with JudgeText; text that
// arrives in pieces with an Inspection per part (a choice's content, its reasoning, one tool call's
// arguments: each is a part of its own). The verdict collects over all parts, the strongest action
// winning.
//
//   Judge judge(bundle, subject, rules::Direction::kAnswer);
//   Inspection content = judge.Open("/choices/0/message/content");
//   status = content.Feed(piece);
//   if (content.stopped()) ... // replace or block: release nothing more of this part
//   ... release text up to content.releasable(), with content.TakeEdits() applied ...
//
// Failure: a status other than OK means that the text could not be judged. The caller applies the
// profile's exception policy for Cause::kScanError and releases nothing more.
//
// Threads: a Judge and its inspections belong to one thread at a time. Ownership: the bundle and
// the subject must outlive the Judge, the Judge its inspections.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "policy/bundle.h"
#include "policy/mask.h"
#include "policy/verdict.h"
#include "rules/scanner.h"

namespace weir::policy {

class Inspection;

class Judge {
 public:
  Judge(const Bundle& bundle, const Subject& subject, rules::Direction direction);
  Judge(const Judge&) = delete;  // Inspections point to it.
  Judge& operator=(const Judge&) = delete;

  // Judges one whole text. Returns the edits that masks ask for, in order, not overlapping. Offsets
  // are bytes of `text`.
  absl::StatusOr<std::vector<Edit>> JudgeText(std::string_view part, std::string_view text);

  // The same for findings that somebody else's scan made in `text`, in any order.
  std::vector<Edit> JudgeFindings(std::string_view part, std::string_view text,
                                  const std::vector<rules::Finding>& findings);

  Inspection Open(std::string part);

  // Over everything judged so far.
  const Verdict& verdict() const { return verdict_; }

  // The text shown instead when the verdict is kReplace or kBlock.
  std::string_view StandInText() const;

 private:
  friend class Inspection;
  // Weighs one finding, adds its reason, returns its action.
  Action Weigh(const rules::Finding& finding, std::string_view part);
  void AddReason(const rules::Finding& finding, std::string_view part, Action action);
  const rules::Rule& RuleOf(const rules::Finding& finding) const;

  const Bundle& bundle_;
  const Subject& subject_;
  const rules::Direction direction_;
  Verdict verdict_;
  std::vector<rules::Finding> findings_;  // scratch, kept for its capacity
};

// One part that arrives in pieces.
//
// A part that was stopped takes nothing more in: Feed() and Finish() then do nothing. Of a rule
// whose guarantee is `completion`, a mask covers what had not become releasable when it matched.
// Memory is that of the scan, the text it holds, and edits not taken yet.
class Inspection {
 public:
  Inspection(Inspection&&) noexcept = default;
  Inspection& operator=(Inspection&&) noexcept = default;

  absl::Status Feed(std::string_view piece);
  absl::Status Finish();

  // Bytes of the part, from its beginning, that may be released. Never falls, never inside a
  // character, never inside an edit; after stopped() it stays where the match that stopped it
  // began or earlier.
  uint64_t releasable() const { return releasable_; }
  // Bytes judged; those fed after stopped() do not count.
  uint64_t fed() const { return scan_.fed(); }

  // Edits of text below releasable() that have not been taken yet, in order, not overlapping,
  // merged where masks overlap.
  std::vector<Edit> TakeEdits() { return std::exchange(edits_, {}); }

  const std::string& part() const { return part_; }
  // A finding of this part asked for replace or block.
  bool stopped() const { return action_ >= Action::kReplace; }
  // The strongest action of this part's findings.
  Action action() const { return action_; }

 private:
  friend class Judge;
  Inspection(Judge& judge, std::string part, rules::StreamScan scan);
  void Weigh(std::string_view piece);
  std::string MatchedText(const rules::Finding& finding, std::string_view piece) const;
  void Release();
  void Hold(std::string_view piece);

  Judge* judge_;
  std::string part_;
  rules::StreamScan scan_;
  std::vector<rules::Finding> findings_;  // scratch, kept for its capacity
  std::vector<Mask> masks_;               // not yet releasable; in order, merged
  std::vector<Edit> edits_;               // releasable, not yet taken
  // The text from scan_.releasable() on, as it was before the current piece: a detector's partial
  // mask needs what its match said.
  std::string held_;
  uint64_t held_start_ = 0;
  uint64_t stop_ = UINT64_MAX;  // where the first match that stops the part began
  uint64_t releasable_ = 0;
  Action action_ = Action::kAllow;
};

}  // namespace weir::policy
