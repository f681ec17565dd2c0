// What the rules that name `decoded` find in the text that a reader sees after decoding.
//
// The decoded text (decoded_text.h) is scanned like any other, in every lane that those rules name;
// a match that touches something decoded is an occurrence in lane `decoded`, at the bytes of the
// original that decode to it. A match that touches nothing decoded is the plain scan's.
//
// The second scan runs only where something is encoded or may become it: it begins as a copy of the
// plain one, as that was before the piece in which it stands, so it knows every word that is begun;
// and it ends when both see the same again. So it makes no difference where it begins and ends, and
// text without anything encoded costs the look for it alone.
//
// What may be encoded and is not decided is held from its first byte.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "rules/decoded_text.h"
#include "rules/occurrences.h"
#include "rules/text_scan.h"

namespace weir::rules {

class DecodedScan final : private Occurrences {
 public:
  void Begin(const RuleSet::Compiled& compiled, Direction direction, bool whole);

  // Decodes what is new in `text`. Before `plain`, the scan of the original, reads it.
  void Decode(const OriginalText& text, const TextScan& plain);
  // Scans what was decoded and gives away what touches it. After `plain` read the text.
  absl::Status Advance(const OriginalText& text, const TextScan& plain, Occurrences& occurrences);

  // As of TextScan, in bytes of the original.
  uint64_t hold() const { return hold_; }
  // From where the text may be encoded and is not decided; all of it must be held from there on.
  uint64_t undecoded() const { return undecoded_; }
  void ListGrowing(bool each, std::vector<Growing>& growing) const;
  uint64_t ExceptionHold(uint32_t exception) const;
  uint64_t Undecided() const { return undecided_; }
  void Forget();

 private:
  void DecodeWhole(const OriginalText& text);
  void Start(const OriginalText& text, const TextScan& plain);
  void Take(const DecodedChunk& chunk);
  bool AgreesAgain(const OriginalText& text, const TextScan& plain) const;
  OriginalText Decoded() const;
  // Where a decoded byte, or what follows the last one, comes from.
  uint64_t SourceOf(uint64_t offset) const;
  const DecodedRun& RunAt(uint64_t offset) const;

  void Add(const OriginalText& text, uint32_t leaf, Lane lane, Detector detector,
           Span span) override;
  void AddException(const OriginalText& text, uint32_t exception, Span span) override;
  // The bytes that decode to `span`; false if it touches nothing decoded.
  bool Locate(Span span, Span& source) const;

  static constexpr uint64_t kNowhere = ~uint64_t{0};

  const RuleSet::Compiled* compiled_ = nullptr;
  DirectionSet direction_ = kNoDirection;  // kNoDirection: no rule asks
  bool whole_ = false;

  DecodedText decoder_;
  DecodedChunk chunk_;
  uint64_t read_ = 0;      // bytes of the original that the decoder has
  uint64_t lane_end_ = 0;  // bytes that it gave back
  uint64_t undecoded_ = kNowhere;

  // While the second scan runs.
  bool runs_ = false;
  TextScan scan_;
  std::string text_;  // decoded, from base_ on; offsets are those of the original where it began
  uint64_t base_ = 0;
  bool final_ = false;
  int64_t shift_ = 0;            // from offsets of the decoder's to those of the scan
  std::vector<DecodedRun> map_;  // of text_
  uint64_t changed_ = kNowhere;  // where what was decoded last ends
  uint64_t hold_ = kNowhere;
  uint64_t undecided_ = kNowhere;

  // While scan_ advances.
  const OriginalText* original_ = nullptr;
  Occurrences* occurrences_ = nullptr;
};

}  // namespace weir::rules
