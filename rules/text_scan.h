// Everything that looks for matches in one text: its lanes, the words and expressions in them, and
// what detectors know. The text is the original or what was decoded from it; a whole scan brings it
// at once, a stream piece by piece.
//
// Not thread-safe; steady state allocates nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "rules/compiled.h"
#include "rules/detector_scan.h"
#include "rules/disguise_scan.h"
#include "rules/expression_index.h"
#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/occurrences.h"
#include "rules/reading.h"
#include "rules/scanner.h"
#include "rules/word_scan.h"

struct hs_scratch;

namespace weir::rules {

// What may be looked back at in text that has been released: the characters beside a word's edge,
// and the copies of a word's first character.
inline constexpr uint64_t kLookBackBytes =
    (kLookBackCharacters + uint64_t{kWordRunMax} * (kSeparatorRunMax + 1)) * 4;

class TextScan {
 public:
  // Looks for what `direction` names. With `whole`, one Advance() brings the whole text.
  void Begin(const RuleSet::Compiled& compiled, DirectionSet direction, bool whole);

  // Goes on where `other`, a stream, stands, for what `direction` names alone: a part of what the
  // other looks for.
  void GoOnFrom(const TextScan& other, DirectionSet direction);
  // Of two in which nothing is undecided: whether they go on alike, given that the text within
  // kLookBackBytes is the same.
  bool ReadsOnLike(const TextScan& other) const;

  // `text` holds whole characters only and ends at the end of what has arrived. Gives away what it
  // completes.
  absl::Status Advance(const OriginalText& text, Occurrences& occurrences);

  // After Advance(): the byte from which a match that is no part of an all or near could still
  // grow; text.end() if none.
  uint64_t hold() const { return hold_; }
  // Appends the parts that are growing, or `each` match that is no exception.
  void ListGrowing(const OriginalText& text, bool each, std::vector<Growing>& growing) const;
  // The same for the words of one exception.
  uint64_t ExceptionHold(const OriginalText& text, uint32_t exception) const;

  // The byte from which anything is undecided, parts and exceptions too: later calls need the text
  // from there, besides kLookBackBytes before it.
  uint64_t Undecided(const OriginalText& text) const;
  // Lets go of lane text that no later call needs. For streams.
  void Forget();

 private:
  bool IsPart(uint32_t leaf) const;
  DetectorSet FindDetectors();

  // A lane of the text and what looks in it.
  struct View {
    View(Lane shown, Reading read_as)
        : lane(shown), reading(read_as), text(std::min(shown, Lane::kSkeleton), read_as) {}
    bool runs() const { return words != nullptr || has_expressions || has_disguises; }
    std::span<DisguiseScan> Disguises() {
      return std::span(disguise_scans).first(has_disguises ? 2 : 0);
    }
    std::span<const DisguiseScan> Disguises() const {
      return std::span(disguise_scans).first(has_disguises ? 2 : 0);
    }
    // The lane offset from which the lane is still needed.
    uint64_t Tail() const;

    Lane lane;
    Reading reading;
    LaneText text;
    uint64_t scanned = 0;              // lane text from here on is new
    const WordIndex* words = nullptr;  // null: none are looked for here
    WordScan word_scan;
    bool has_expressions = false;
    ExpressionStream expressions;
    bool has_disguises = false;  // lanes pinyin and shape read this one
    DisguiseScan disguise_scans[2];
  };

  void Normalise(const OriginalText& text);
  void FindWords(const OriginalText& text, Occurrences& occurrences);
  absl::Status FindExpressions(const OriginalText& text, Occurrences& occurrences);
  absl::Status FindExpressionsInWhole(const View& view, const OriginalText& text,
                                      hs_scratch* scratch, Occurrences& occurrences);
  void AddExpressionMatch(const OriginalText& text, const View& view, uint32_t use, Span match,
                          Occurrences& occurrences);
  void FindDetected(const OriginalText& text, Occurrences& occurrences);

  const RuleSet::Compiled* compiled_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  bool whole_ = false;
  View views_[5] = {View(Lane::kExact, Reading::kFold), View(Lane::kFold, Reading::kFold),
                    View(Lane::kSkeleton, Reading::kFold), View(Lane::kDigits, Reading::kNumerals),
                    View(Lane::kSkeleton, Reading::kLeet)};
  uint64_t normalised_ = 0;  // bytes of the text
  uint64_t word_hold_ = 0;

  std::vector<ExpressionStream::Match> expression_matches_;
  std::vector<uint32_t> candidates_;
  uint64_t expression_hold_ = 0;

  DetectorScan detector_scan_;
  DetectorSet own_detectors_ = 0;  // that a rule of this direction names, not as a part
  std::vector<DetectorMatch> detected_;

  uint64_t hold_ = 0;
};

}  // namespace weir::rules
