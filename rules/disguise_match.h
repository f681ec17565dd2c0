// Whether a text is a word to the ear (pinyin) or to the eye (shape), decided from the characters
// of the original.
//
// To the ear, each character of the word is one that shares a reading with it, or a reading's
// letters; letters of the word are themselves. A digit behind letters is their tone. Letters that
// are parted by spaces or punctuation are a syllable only if all of its letters are (d u c h a n g,
// du chang; not `so me`); other symbols may stand anywhere. Where the match begins or ends with the
// letters of a syllable, the letters around it must be whole syllables: `duchang` stands in
// `wanduchang`, not in `duchanged`.
//
// To the eye, each character is itself, parts that make it up, or a look-alike where that may stand
// for it (MayStandFor()); one at least is no look-alike.
//
// Separators, invisible characters and repeats are passed over as in the skeleton. The match is the
// fewest bytes that show it: the last copy of its first character to the first of its last.
//
// A word that is not disguised is for the finer lanes to find, when its use has one that shows it.
// Not every disguise counts either: of a word of two characters at least one must be the word's
// own, or be spelled, or be parts, and parts that ordinary text has side by side (女子) are none
// but beside a letter (力口q for 加q).
//
// A match is decided as soon as the text allows. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "rules/fold_cursor.h"
#include "rules/rule.h"
#include "rules/word_index.h"

namespace weir::rules {

// A place in the skeleton, in bytes of the original.
struct DisguisePlace {
  uint64_t head = 0;       // where its first character begins
  char32_t first = 0;      // that character
  uint64_t last = 0;       // where its last character begins
  uint64_t next = kNoEnd;  // where the skeleton goes on behind it

  static constexpr uint64_t kNoEnd = ~uint64_t{0};
};

// Letters that are looked at behind a match that ends with letters, more than the longest syllable
// has, and before one that begins with letters.
inline constexpr size_t kLettersBehindMax = 7;
inline constexpr size_t kLettersBeforeMax = 2 * kLettersBehindMax;

// To the eye: whether `c`, which is not word[at], may stand there as a look-alike, `before` being
// what stands for the character before, 0 where that is parts or `at` is the first. Not everything
// that looks like a word is one in disguise (人性化 for 个性化): a disguise is what nobody writes
// by himself. Of five characters and more nobody does. Of four and fewer none may make up an
// ordinary word with the one beside it in the word or before it in the text. Of three and fewer
// only what looks closely alike counts; of three a frequent character does not at the edge, where
// the other two are a word; of two none that is frequent does, and none beside one of the most
// frequent.
//
// A character beside its own look-alike stands for itself: 木木 is not 木术, as one written twice
// is one to the skeleton.
//
// At least one of the first kOwnWithin characters of the word must be its own besides, or be parts.
// So what may begin a disguise always goes on with the word's own characters to become one.
inline constexpr size_t kOwnWithin = 4;
bool MayStandFor(std::u32string_view word, size_t at, char32_t c, char32_t before = 0);

// Reads `word` at a place that the symbols of `lane` make likely. A match ends at the place's last
// character, or at a repeat of it.
WordIndex::Confirmed ConfirmDisguise(Lane lane, const Word& word, const OriginalText& text,
                                     const DisguisePlace& place);

// Calls visit(start), the last start first, for every byte from which the text, which has `first`
// in the skeleton at `head`, could still become `word`.
void ForEachDisguiseStart(Lane lane, const Word& word, const OriginalText& text, uint64_t head,
                          char32_t first, absl::FunctionRef<void(uint64_t)> visit);

// The copies of `first`, the character of the skeleton that begins at `head`. A word that does not
// repeat its first character begins at the last one, if what stands before it leaves it free: in
// pinyin, a letter is free behind whole syllables alone.
struct FirstCharacter {
  uint64_t last_copy = 0;  // text.end() if it is not free
  bool is_only = true;     // there is no other copy
  bool is_free = true;     // some copy is: if not, only words that begin with `first` itself may
};
FirstCharacter FindFirst(Lane lane, const OriginalText& text, uint64_t head, char32_t first);

// Whether a character stands twice in a row at [head, to) or behind it, or may yet: what the
// skeleton drops.
bool HasRepeats(const OriginalText& text, uint64_t head, uint64_t to);

// Whether two copies of `first` may be the first two characters of `word`. Quick, and true of all
// that begin so.
bool MayBeginWithTwo(Lane lane, const Word& word, char32_t first);

// Whether the characters of the skeleton at a place, `found`, leave it open that the text there is
// `word`, or, if not `whole`, begins it. `repeats`: see HasRepeats(). Quick, and true of all that
// ConfirmDisguise() confirms.
bool MayBeDisguise(Lane lane, const Word& word, std::string_view found, bool repeats, bool whole);

// Whether the skeleton `found`, where the text repeats nothing, begins `word` in look-alikes, each
// character standing for one. If so, the word's own characters complete it.
bool BeginsInLooks(const Word& word, std::string_view found);

}  // namespace weir::rules
