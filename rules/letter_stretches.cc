#include "rules/letter_stretches.h"

#include <algorithm>

#include "rules/disguise_match.h"

namespace weir::rules {
namespace {

bool IsLetter(char c) {
  return c >= 'a' && c <= 'z';
}

}  // namespace

bool LetterStretches::MayBegin(size_t at) {
  if (at >= end_) Read(at);
  return at < begin_ || ((begins_ >> (at - begin_)) & 1U) != 0;
}

void LetterStretches::Read(size_t at) {
  if (at != end_ || at == 0 || !IsLetter(skeleton_[at - 1])) {
    run_ = SyllableRun();
    run_size_ = 0;
  }
  begin_ = end_ = at;
  begins_ = gaps_ = 0;
  for (; end_ < skeleton_.size() && end_ - begin_ < kLettersMax && IsLetter(skeleton_[end_]);
       ++end_) {
    const uint64_t bit = uint64_t{1} << (end_ - begin_);
    // Of many letters only the last ones are read.
    if (run_.complete() || run_size_ >= kLettersBeforeMax) begins_ |= bit;
    run_.Append(skeleton_[end_]);
    ++run_size_;
    ascent_.Seek(end_);
    if (ascent_.DropsBefore(end_ + 1)) {
      gaps_ |= bit;
      // It may be the last of several that stand behind anything.
      if (std::ranges::binary_search(lane_.repeated(), end_ + 1)) begins_ |= bit;
      run_.MayBegin();
      if (!PartsWordsBehind(end_)) continue;
      run_ = SyllableRun();
      run_size_ = 0;
    } else if (own_[static_cast<unsigned char>(skeleton_[end_])]) {
      run_.MayBegin();
    }
  }
}

// Whether what was dropped behind the letter ends the letters around a match, for certain.
bool LetterStretches::PartsWordsBehind(size_t letter) const {
  if (letter + 1 >= skeleton_.size()) return false;
  const uint64_t from = ascent_.Origin(letter);
  const uint64_t to = std::max(ascent_.Origin(letter + 1), from);
  return original_.Between(from, to).find_first_of(" ,.\n") != std::string_view::npos;
}

bool LetterStretches::MayEnd(size_t end) const {
  if (end <= begin_ || end >= end_) return true;
  SyllableRun run;
  for (size_t i = end; i < end_; ++i) {
    // A syllable may go on behind what is dropped, or the word with its own letter.
    const bool is_open =
        ((gaps_ >> (i - 1 - begin_)) & 1U) != 0 || own_[static_cast<unsigned char>(skeleton_[i])];
    if (is_open) return run.possible();
    run.Append(skeleton_[i]);
    if (i + 1 - end == kLettersBehindMax) return run.possible();
  }
  return end_ - begin_ == kLettersMax ? run.possible() : run.complete();
}

}  // namespace weir::rules
