// All detectors over a text, whole or in pieces.
//
//   DetectorScan scan;
//   scan.Begin(detectors);
//   scan.Advance(text, matches);   // once for each piece
//   scan.pending();                // what holds the text
//
// A first look passes over text in which nothing can begin: Han characters that are no numerals and
// begin no plate, punctuation, the insides of words, words that what follows them rules out. Where
// something can begin, number_scan.h and token_scan.h say whether it does, does not, or wants more
// text; what wants more is asked again when more has come, and holds the text from there on. Both
// decide alike however much text they are given, so a stream finds what the whole finds.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "rules/detector.h"
#include "rules/fold_cursor.h"
#include "rules/number_scan.h"

namespace weir::rules {

class DetectorScan {
 public:
  // With no detectors nothing is looked at.
  void Begin(DetectorSet detectors);
  // Goes on for these of them alone.
  void Narrow(DetectorSet detectors);

  // Something may begin at `at` for each of these detectors, and more text decides.
  struct Pending {
    uint64_t at;
    DetectorSet undecided;
  };

  // Appends what begins in `text` and is decided. `text` ends at the end of what has arrived and
  // still holds kLookBackCharacters before what was pending, and before what is new.
  void Advance(const OriginalText& text, std::vector<DetectorMatch>& matches);

  // After Advance(), by place.
  const std::vector<Pending>& pending() const { return pending_; }

 private:
  uint64_t PassWord(const OriginalText& text, uint64_t at, std::vector<DetectorMatch>& matches);
  uint64_t PassDigit(const OriginalText& text, uint64_t at, std::vector<DetectorMatch>& matches);
  uint64_t PassCharacter(const OriginalText& text, uint64_t at,
                         std::vector<DetectorMatch>& matches);
  void Look(const OriginalText& text, uint64_t at, DetectorSet detectors,
            std::vector<DetectorMatch>& matches);

  DetectorSet detectors_ = 0;
  uint64_t looked_ = 0;
  std::vector<Pending> pending_;  // by place
  std::vector<Pending> asked_;    // what was pending, while it is asked again
};

// The lane of the match if the detector finds all of `text` as one when the words that it wants in
// front are taken for granted; it does of every match that it reports.
std::optional<Lane> LaneOfWhole(Detector detector, std::string_view text);

}  // namespace weir::rules
