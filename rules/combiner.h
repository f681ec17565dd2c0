// From what the matchers of rules found to findings: any, all, near and except.
//
// Occurrences come in whatever order the engines decide them. What depends on the order, `all` and
// `near`, is read by end: an occurrence is taken once no undecided one could end before it. A
// finding of `all` or `near` is the occurrence that completes it; after that every further
// occurrence of its parts is a finding too, as long as the others are still there (`near`: within
// reach).
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include <absl/functional/function_ref.h>

#include "rules/compiled.h"
#include "rules/fold_cursor.h"
#include "rules/occurrences.h"
#include "rules/scanner.h"

namespace weir::rules {

// Numbers the characters of the original: bytes that do not continue one. Going on from the last
// answer makes it cheap, since questions move through the text together.
class CharacterIndex {
 public:
  void Clear() { offset_ = index_ = 0; }
  uint64_t At(const OriginalText& text, uint64_t offset);

 private:
  uint64_t offset_ = 0;
  uint64_t index_ = 0;
};

class Combiner final : public Occurrences {
 public:
  void Begin(const RuleSet::Compiled& compiled);

  void Add(const OriginalText& text, uint32_t leaf, Lane lane, Detector detector,
           Span span) override;
  void AddException(const OriginalText& text, uint32_t exception, Span span) override;

  // Decides what can be decided, appends the findings and returns from which byte on undecided
  // ones hold the text. No undecided occurrence begins before byte `undecided`;
  // `exception_tail(exception)` is the least byte at which an undecided one of that exception does.
  uint64_t Settle(const OriginalText& text, uint64_t undecided,
                  absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                  std::vector<Finding>& findings);

  // Text before `offset` will not be asked about again, and nothing undecided begins before `hold`.
  void Forget(const OriginalText& text, uint64_t offset, uint64_t hold);

 private:
  struct Occurrence {
    uint32_t leaf;
    Lane lane;
    Detector detector;
    Span span;
    Span characters;
  };
  struct Waiting {
    Finding finding;
    Span characters;
  };
  struct Context {
    uint32_t exception;
    Span characters;
    uint64_t reach;  // the greatest end up to here, of the same exception
  };

  uint64_t SettleQueue(uint64_t undecided);
  void Climb(const Occurrence& occurrence);
  void Match(const Occurrence& occurrence);
  bool IsExcused(const Waiting& waiting);
  void SortContexts();
  void Emit(const OriginalText& text, Finding finding, std::vector<Finding>& findings);

  const RuleSet::Compiled* compiled_ = nullptr;
  CharacterIndex characters_;
  std::vector<Occurrence> queue_;  // of all and near, until they can be taken in order
  std::vector<uint64_t> latest_;   // per slot: 1 + the greatest start taken; 0: none
  std::vector<uint32_t> touched_;  // slots of latest_ that are not 0
  std::vector<Waiting> waiting_;   // findings whose context has not all arrived
  std::vector<Context> contexts_;
  bool contexts_sorted_ = true;
  std::vector<Finding> matched_;  // of rules without exceptions, since the last Settle()
  std::vector<Finding> recent_;   // of mixed rules: reported, and could be decided once more
};

}  // namespace weir::rules
