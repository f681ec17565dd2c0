// Where what a scan finds goes: the combiner, or what stands between it and a scan of another text
// than the original (decoded_scan.h).
#pragma once

#include <cstdint>

#include "rules/detector.h"
#include "rules/fold_cursor.h"
#include "rules/rule.h"
#include "rules/word_index.h"

namespace weir::rules {

class Occurrences {
 public:
  virtual ~Occurrences() = default;

  // A matcher, `leaf`, or a word of an exception stands at `span` of `text`.
  virtual void Add(const OriginalText& text, uint32_t leaf, Lane lane, Detector detector,
                   Span span) = 0;
  virtual void AddException(const OriginalText& text, uint32_t exception, Span span) = 0;
};

}  // namespace weir::rules
