// From what the matchers of rules found to findings: any, all, near and except.
//
// What a composite makes of the occurrences of its parts is told without order, so that it cannot
// depend on the cuts of a stream:
//
//   any    every occurrence of a part is one of `any`.
//   all    an occurrence of a part is one of `all` when every other part has an occurrence that
//          begins no later. It is the part that completes the match: the one that begins last.
//   near   the same, but only with other occurrences that lie within reach: from the beginning of
//          the other to the end of whichever ends last are at most `within` characters.
//
// A nested composite stands where the part that completes it stands. An occurrence that is not
// excused by an exception and belongs to no further composite is a finding.
//
// Nothing here is ever taken back when text is added, so an occurrence counts as soon as it is
// known, and what begins behind an occurrence cannot make it a finding. So text is held back only
// for what could still be a finding given what has begun before it: growing parts whose partners
// are missing or out of reach are not held, nor what an exception already excuses. Two growing
// matches are each taken to become whole; whether one text could complete both is not asked.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
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

  // Whether something that begins at or behind byte `from` may be excused already: if not, every
  // growing match that is no part holds the text, and Settle() need not be told of it.
  bool MayExcuse(const OriginalText& text, uint64_t from);

  // Decides what can be decided, appends the findings and returns from which byte on undecided
  // ones hold the text. `growing` are all undecided parts of composites, and others as
  // MayExcuse() says; `exception_tail(exception)` is the least byte at which an undecided
  // exception begins.
  uint64_t Settle(const OriginalText& text, const std::vector<Growing>& growing,
                  absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                  std::vector<Finding>& findings);

  // Text before `offset` will not be asked about again, and nothing undecided begins before
  // `undecided`.
  void Forget(const OriginalText& text, uint64_t offset, uint64_t undecided);

 private:
  struct Occurrence {
    uint32_t leaf;
    Lane lane;
    Detector detector;
    Span span;
    Span characters;
    bool open = false;      // Growing::open
    bool complete = false;  // of all composites above it
    bool reported = false;
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

  struct SlotChange {
    uint32_t slot;
    uint64_t before;
  };

  static bool BeginsEarlier(const Occurrence& a, const Occurrence& b);
  uint64_t SettleParts(const OriginalText& text, const std::vector<Growing>& growing);
  void Expect(const OriginalText& text, const std::vector<Growing>& growing);
  Occurrence Expected(const OriginalText& text, const Growing& growing, uint64_t start);
  void Take(std::span<Occurrence> occurrences);
  bool Climb(Occurrence& occurrence);
  void TakeBack();
  void Report(std::span<Occurrence> occurrences);
  void Match(const Occurrence& occurrence);
  bool IsExcused(uint32_t rule, Span characters);
  bool IsExcused(const OriginalText& text, const Occurrence& occurrence);
  void SortContexts();
  uint64_t SettleWaiting(const OriginalText& text,
                         absl::FunctionRef<uint64_t(uint32_t)> exception_tail,
                         std::vector<Finding>& findings);
  void Emit(const OriginalText& text, Finding finding, std::vector<Finding>& findings);

  const RuleSet::Compiled* compiled_ = nullptr;
  CharacterIndex characters_;
  std::vector<Occurrence> queue_;     // of parts, until nothing undecided begins before them
  std::vector<Occurrence> expected_;  // the queue and what is growing
  std::vector<uint64_t> latest_;      // per slot: 1 + the greatest start taken; 0: none
  std::vector<SlotChange> changes_;   // to latest_, since the queue was taken
  std::vector<uint32_t> touched_;     // slots of latest_ that are not 0
  std::vector<Waiting> waiting_;      // findings whose context has not all arrived
  std::vector<Context> contexts_;
  bool contexts_sorted_ = true;
  std::vector<Finding> matched_;  // of rules without exceptions, since the last Settle()
  std::vector<Finding> recent_;   // of mixed rules: reported, and could be decided once more
};

}  // namespace weir::rules
