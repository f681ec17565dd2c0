// Which letters of a skeleton may begin and end the syllables of a word in pinyin.
//
// The letters around a match that begins or ends with those of a syllable must be whole syllables
// (disguise_match.h): `duchang` stands in `wanduchang` and not in `duchanged`. So of most foreign
// words not a letter needs to be looked at.
//
// True too often, never false where ConfirmDisguise() would confirm. Not thread-safe; borrows the
// texts, and is asked about letters in order.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/pinyin_table.h"

namespace weir::rules {

class LetterStretches {
 public:
  // `own`: letters that words have beside syllables.
  LetterStretches(const OriginalText& text, const LaneText& skeleton, const std::bitset<128>& own)
      : original_(text),
        lane_(skeleton),
        skeleton_(skeleton.From(0)),
        own_(own),
        ascent_(skeleton) {}

  // Whether a match may begin with the letter at `at`. To be asked about every letter.
  bool MayBegin(size_t at);
  // Whether one may end before `end`, having begun where was asked last or, before that, not with a
  // letter.
  bool MayEnd(size_t end) const;

 private:
  static constexpr size_t kLettersMax = 64;  // that are looked at together

  void Read(size_t at);
  bool PartsWordsBehind(size_t letter) const;

  const OriginalText& original_;
  const LaneText& lane_;
  const std::string_view skeleton_;
  const std::bitset<128>& own_;
  LaneText::Ascent ascent_;
  size_t begin_ = 0;  // of the letters looked at
  size_t end_ = 0;
  uint64_t begins_ = 0;  // those that a match may begin with, counted from begin_
  uint64_t gaps_ = 0;    // those behind which something was dropped
  SyllableRun run_;      // the letters before end_, behind what parts words
  size_t run_size_ = 0;
};

}  // namespace weir::rules
