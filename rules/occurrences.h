// Where what a scan finds goes: the combiner, or what stands between it and a scan of another text
// than the original (decoded_scan.h).
#pragma once

#include <cstdint>

#include "rules/detector.h"
#include "rules/fold_cursor.h"
#include "rules/rule.h"
#include "rules/word_index.h"

namespace weir::rules {

// A match that is not decided yet.
struct Growing {
  static constexpr uint64_t kBehindText = ~uint64_t{0};

  uint32_t leaf = 0;
  uint64_t start = 0;          // byte
  uint64_t end = kBehindText;  // a byte that it does not end before
  bool open = false;           // it may begin anywhere from `start` on
};

class Occurrences {
 public:
  virtual ~Occurrences() = default;

  // A matcher, `leaf`, or a word of an exception stands at `span` of `text`.
  virtual void Add(const OriginalText& text, uint32_t leaf, Lane lane, Detector detector,
                   Span span) = 0;
  virtual void AddException(const OriginalText& text, uint32_t exception, Span span) = 0;
};

}  // namespace weir::rules
