#include "rules/disguise_match.h"

#include <algorithm>
#include <array>
#include <string>

#include <absl/container/inlined_vector.h>

#include "rules/lane_text.h"
#include "rules/ordinary_words.h"
#include "rules/pinyin_table.h"
#include "rules/scanner.h"
#include "rules/shape_table.h"

namespace weir::rules {
namespace {

using Kind = FoldUnit::Kind;
using Outcome = WordIndex::Outcome;

bool IsLetter(char32_t c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}
bool IsTone(char32_t c) {
  return c >= '0' && c <= '5';
}

// Words of so many characters are soon like something ordinary.
constexpr size_t kShortWord = 4;

// Separators that ordinary text has between words and syllables; others inside one break it up.
bool PartsWords(char32_t c) {
  return std::u32string_view(U" \n'\u2019-,.;:!?\uFF0C\u3002").find(c) != std::u32string_view::npos;
}

// Where in the word the text has come: `taken` letters or elements of form `form` of character
// `at`, in one way of reading both.
struct State {
  uint8_t at = 0;
  uint8_t form = 0;
  uint8_t taken = 0;
  bool parted = false;   // pinyin: separators part the letters of the syllable
  uint8_t others = 0;    // characters that are another than the word's
  uint8_t spelled = 0;   // characters that are letters
  uint8_t composed = 0;  // characters that are several
  bool letter_last = false;
  bool has_own = false;             // shape: some character is the word's, or is its parts
  char32_t alike = 0;               // shape: the last character, if it is a look-alike
  std::array<char32_t, 4> parts{};  // shape: of the character being composed

  bool SamePlace(const State& other) const {
    return at == other.at && form == other.form && taken == other.taken && parted == other.parted &&
           has_own == other.has_own && alike == other.alike;
  }
};
using States = absl::InlinedVector<State, 8>;

void AddState(const State& state, States& states) {
  const auto same = [&](const State& other) { return other.SamePlace(state); };
  if (std::none_of(states.begin(), states.end(), same)) states.push_back(state);
}

// One character of the text, and what stands before it.
struct Step {
  char32_t c = 0;
  char32_t previous = 0;  // the last significant character of the match; 0 at its beginning
  bool parted = false;    // separators that part words stand between
  bool broken = false;    // other separators stand between
};

void StepSyllable(const State& state, const Step& step, char32_t wanted, States& next) {
  const std::span<const Syllable> readings = Readings(wanted);
  for (uint8_t form = 0; form < readings.size(); ++form) {
    if (state.taken > 0 && form != state.form) continue;
    const std::string_view letters = Spelling(readings[form]);
    const char before = state.taken == 0 ? '\0' : letters[state.taken - 1U];
    if (!LetterMatches(letters[state.taken], before, step.c)) continue;
    State taken = state;
    taken.form = form;
    if (!step.broken) {
      if (state.taken == 1) taken.parted = step.parted;
      if (state.taken > 1 && state.parted != step.parted) continue;
    }
    if (++taken.taken == letters.size()) {
      ++taken.at;
      ++taken.spelled;
      taken.form = taken.taken = 0;
      taken.parted = false;
      taken.letter_last = true;
    }
    AddState(taken, next);
  }
}

void StepSound(const std::u32string& word, const State& state, const Step& step, States& next) {
  const char32_t wanted = word[state.at];
  if (state.taken > 0) {
    if (IsLetter(step.c)) StepSyllable(state, step, wanted, next);
    return;
  }
  if (step.c == wanted || (!IsLetter(step.c) && ShareReading(wanted, step.c))) {
    State taken = state;
    ++taken.at;
    taken.others = static_cast<uint8_t>(taken.others + (step.c == wanted ? 0 : 1));
    taken.letter_last = false;
    AddState(taken, next);
  } else if (IsLetter(step.c)) {
    StepSyllable(state, step, wanted, next);
  }
  if (state.letter_last && IsTone(step.c)) {
    State toned = state;
    toned.letter_last = false;
    AddState(toned, next);
  }
}

// Whether `c`, which is not word[at], is taken for it behind what was read: `has_own` if some of
// that is the word's own, `before` the last of it, if that is a look-alike.
bool IsTakenFor(std::u32string_view word, size_t at, char32_t c, bool has_own, char32_t before) {
  return (has_own || at + 1 < std::min(word.size(), kOwnWithin)) &&
         MayStandFor(word, at, c, before);
}

// The text's `c` stands for the next character of the word, all by itself.
void StandFor(const std::u32string& word, const State& state, char32_t c, States& next) {
  const bool own = c == word[state.at];
  if (!own && !IsTakenFor(word, state.at, c, state.has_own, state.alike)) return;
  State taken = state;
  ++taken.at;
  taken.others = static_cast<uint8_t>(taken.others + (own ? 0 : 1));
  taken.has_own = state.has_own || own;
  taken.alike = own ? 0 : c;
  AddState(taken, next);
}

// The parts in `state`, so many, make up the next character of the word; false where that is no
// disguise.
bool Compose(const std::u32string& word, size_t count, State& state) {
  const bool has_letter = std::ranges::any_of(word, [](char32_t c) { return c < 0x80; });
  if (word.size() <= 2 && !has_letter && count <= state.parts.size() &&
      IsOrdinarySplit(word[state.at], std::u32string_view(state.parts.data(), count))) {
    return false;
  }
  ++state.composed;
  ++state.at;
  state.form = state.taken = state.spelled = 0;
  state.has_own = true;
  state.alike = 0;
  return true;
}

void StepShape(const std::u32string& word, const State& state, const Step& step, States& next) {
  if (state.taken == 0) {
    StandFor(word, state, step.c, next);
    if (!BeginsShape(word[state.at], step.c)) return;
  }
  const std::span<const char32_t> parts = ShapeElements(step.c);
  const std::u32string_view elements = parts.empty()
                                           ? std::u32string_view(&step.c, 1)
                                           : std::u32string_view(parts.data(), parts.size());
  const std::vector<std::u32string> forms = ShapeFormsOf(word[state.at]);
  for (uint8_t form = 0; form < forms.size(); ++form) {
    if (state.taken > 0 && form != state.form) continue;
    if (!std::u32string_view(forms[form]).substr(state.taken).starts_with(elements)) continue;
    State taken = state;
    taken.form = form;
    taken.taken = static_cast<uint8_t>(taken.taken + elements.size());
    const bool complete = taken.taken == forms[form].size();
    if (complete && state.taken == 0) continue;  // one character: a look-alike or not
    // How many characters of the text make up this one.
    const auto count = static_cast<size_t>(state.spelled);
    if (count < taken.parts.size()) taken.parts[count] = step.c;
    taken.spelled = static_cast<uint8_t>(count + 1);
    if (complete && !Compose(word, count + 1, taken)) continue;
    AddState(taken, next);
  }
}

// What stands beside a match that begins or ends with a letter or a digit.
enum class Beside : uint8_t { kFree, kTaken, kUnknown };

// Whether letters can be parted into syllables; the last one may be unfinished if `cut`.
bool AreSyllables(std::string_view letters, bool cut) {
  SyllableRun run;
  for (const char letter : letters) run.Append(letter);
  return letters.empty() || run.complete() || (cut && run.possible());
}

bool LettersAreFree(std::string_view letters, char edge, bool cut) {
  // Repeats of the match's own letter may be a part of it.
  std::string_view rest = letters;
  while (!rest.empty() && rest.front() == edge) rest.remove_prefix(1);
  return AreSyllables(letters, cut) || AreSyllables(rest, cut);
}

// Behind the match, which ended with `edge`. `own`: a letter or digit of the word itself, which
// nothing of its kind may continue.
Beside RightOf(FoldCursor cursor, char32_t edge, bool own, bool final) {
  if (!IsLetter(edge) && !(own && IsDigit(edge))) return Beside::kFree;
  std::string letters;
  FoldUnit unit;
  for (int seen = 0; seen < kSeparatorRunMax && letters.size() < kLettersBehindMax; ++seen) {
    if (!cursor.Next(unit)) {
      if (final) break;
      const bool possible =
          own ? letters.empty() : LettersAreFree(letters, static_cast<char>(edge), true);
      return possible ? Beside::kUnknown : Beside::kTaken;
    }
    if (unit.kind == Kind::kNothing) continue;
    if (unit.kind != Kind::kSignificant) break;
    if (own) {
      const bool same_kind = IsLetter(edge) ? IsLetter(unit.c) : IsDigit(unit.c);
      if (same_kind && unit.c == edge && IsLetter(edge)) continue;
      return same_kind ? Beside::kTaken : Beside::kFree;
    }
    if (!IsLetter(unit.c)) break;
    letters += static_cast<char>(unit.c);
    if (!LettersAreFree(letters, static_cast<char>(edge), true)) return Beside::kTaken;
  }
  const bool cut = letters.size() == kLettersBehindMax;
  return own || LettersAreFree(letters, static_cast<char>(edge), cut) ? Beside::kFree
                                                                      : Beside::kTaken;
}

// Before the match, which begins with `edge`.
bool LeftIsFree(FoldCursor cursor, char32_t edge, bool own) {
  if (!IsLetter(edge) && !(own && IsDigit(edge))) return true;
  std::string letters;  // backwards
  FoldUnit unit;
  for (int seen = 0; seen < kSeparatorRunMax && letters.size() < kLettersBeforeMax; ++seen) {
    if (!cursor.Previous(unit)) break;
    if (unit.kind == Kind::kNothing) continue;
    if (unit.kind != Kind::kSignificant) break;
    if (own) {
      const bool same_kind = IsLetter(edge) ? IsLetter(unit.c) : IsDigit(unit.c);
      if (same_kind && unit.c == edge && IsLetter(edge)) continue;
      return !same_kind;
    }
    if (!IsLetter(unit.c)) break;
    letters += static_cast<char>(unit.c);
  }
  const bool cut = letters.size() == kLettersBeforeMax;
  size_t own_copies = 0;
  while (own_copies < letters.size() && letters[own_copies] == static_cast<char>(edge))
    ++own_copies;
  std::reverse(letters.begin(), letters.end());
  const auto parted = [&](std::string_view before) {
    // Of a long run any of the last syllables' beginnings may be one.
    for (size_t from = 0; from <= (cut ? kLettersBehindMax - 1 : 0); ++from) {
      if (AreSyllables(before.substr(std::min(from, before.size())), false)) return true;
    }
    return false;
  };
  return parted(letters) ||
         parted(std::string_view(letters).substr(0, letters.size() - own_copies));
}

// Reads one word at one start.
class Reader {
 public:
  Reader(Lane lane, const Word& word, const OriginalText& text)
      : lane_(lane), word_(word), text_(text), characters_(word.characters) {}

  struct Read {
    Outcome outcome = Outcome::kNoMatch;
    uint64_t end = 0;
    Lane lane = Lane::kPinyin;
    States alive;           // kNeedMore
    bool is_plain = false;  // kNoMatch: a finer lane reports the match
  };

  // From `cursor`, which stands before `first`.
  Read From(FoldCursor cursor, const FoldUnit& first, const DisguisePlace& place) const {
    States states{State{}};
    States next;
    Step step;
    int separators = 0;
    FoldUnit unit;
    const FoldCursor start = cursor;
    while (cursor.Next(unit)) {
      if (unit.kind == Kind::kInvalid) return {};
      if (unit.kind != Kind::kSignificant) {
        if (++separators > kSeparatorRunMax) return {};
        if (unit.kind == Kind::kSeparator) (PartsWords(unit.c) ? step.parted : step.broken) = true;
        continue;
      }
      if (unit.start >= place.next) return {};
      separators = 0;
      step.c = unit.c;
      next.clear();
      for (const State& state : states) {
        if (lane_ == Lane::kPinyin) {
          StepSound(characters_, state, step, next);
        } else {
          StepShape(characters_, state, step, next);
        }
      }
      if (step.c == step.previous && !IsDigit(step.c)) {
        for (const State& state : states) AddState(state, next);
      }
      if (next.empty()) return {};
      if (step.previous == 0 && !LeftIsFree(start, first.c, first.c == characters_.front()))
        return {};
      step.previous = step.c;
      step.parted = step.broken = false;
      if (IsPlain(next) && !FinerLanesMiss(start, first.start, unit.end)) {
        return {Outcome::kNoMatch, 0, lane_, {}, /*is_plain=*/true};
      }
      const Outcome outcome = Complete(next, cursor, unit);
      if (outcome != Outcome::kNoMatch) {
        // A match that ends before the place's end is found at another place.
        if (unit.start < place.last && outcome == Outcome::kMatch) return {};
        return {outcome, unit.end, lane_, next, false};
      }
      if (next.empty()) return {};
      states = next;
    }
    if (text_.final) return {};
    return {Outcome::kNeedMore, text_.end(), lane_, states, false};
  }

 private:
  // Whether the word is complete in one of the states, which are taken out of them if that does not
  // count.
  Outcome Complete(States& states, const FoldCursor& behind, const FoldUnit& last) const {
    Outcome outcome = Outcome::kNoMatch;
    const auto settled = [&](const State& state) {
      if (state.at < characters_.size() || outcome == Outcome::kMatch) return false;
      if (!Counts(state)) return true;
      const bool own = last.c == characters_.back();
      const Beside right = RightOf(behind, last.c, own, text_.final);
      if (right == Beside::kTaken) return true;
      outcome = right == Beside::kFree ? Outcome::kMatch : Outcome::kNeedMore;
      return false;
    };
    states.erase(std::remove_if(states.begin(), states.end(), settled), states.end());
    return outcome;
  }

  // Two characters are soon alike: at least one must be the word's own, or be spelled or composed.
  bool Counts(const State& state) const {
    return characters_.size() > 2 || state.others < characters_.size();
  }

  // Whether the word is complete as it is written.
  bool IsPlain(const States& states) const {
    return std::any_of(states.begin(), states.end(), [&](const State& state) {
      return state.at == characters_.size() && state.others + state.spelled + state.composed == 0;
    });
  }

  // The text has the word's own characters: whether no finer lane of the use reports them.
  bool FinerLanesMiss(FoldCursor cursor, uint64_t from, uint64_t to) const {
    if ((word_.lanes & LaneBit(Lane::kSkeleton)) != 0) return false;
    if ((word_.lanes & LaneBit(Lane::kExact)) != 0 && text_.Between(from, to) == word_.exact) {
      return false;
    }
    if ((word_.lanes & LaneBit(Lane::kFold)) == 0) return true;
    std::string fold;
    for (FoldUnit unit; cursor.Next(unit) && unit.start < to;) {
      if (unit.kind != Kind::kNothing) AppendUtf8(unit.c, fold);
    }
    return fold != word_.fold;
  }

  const Lane lane_;
  const Word& word_;
  const OriginalText& text_;
  const std::u32string& characters_;
};

// The copies of `first` from `head` on, the last one first: where a match may begin.
struct Copy {
  FoldCursor before;
  FoldUnit unit;
};
absl::InlinedVector<Copy, 4> CopiesFrom(const OriginalText& text, uint64_t head, char32_t first) {
  absl::InlinedVector<Copy, 4> copies;
  FoldCursor cursor(text, head);
  int skipped = 0;
  for (;;) {
    const FoldCursor before = cursor;
    FoldUnit unit;
    if (!cursor.Next(unit) || unit.kind == Kind::kInvalid) break;
    const bool same = unit.kind == Kind::kSignificant && unit.c == first;
    if (same) {
      copies.push_back({before, unit});
      skipped = 0;
      if (copies.size() > size_t{kSeparatorRunMax} + 1) break;
    } else if (unit.kind == Kind::kSignificant) {
      if (!copies.empty()) break;  // before the first one: parts of one character
    } else if (++skipped > kSeparatorRunMax) {
      break;
    }
  }
  std::reverse(copies.begin(), copies.end());
  return copies;
}

bool SameStates(const States& a, const States& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const State& state) {
           return std::any_of(b.begin(), b.end(),
                              [&](const State& other) { return other.SamePlace(state); });
         });
}

}  // namespace

bool MayStandFor(std::u32string_view word, size_t at, char32_t c, char32_t before) {
  if (!LookAlike(word[at], c)) return false;
  // One character written twice is not two different ones.
  if ((at > 0 && word[at - 1] != word[at] && (c == word[at - 1] || c == before)) ||
      (at + 1 < word.size() && word[at + 1] != word[at] && c == word[at + 1])) {
    return false;
  }
  if (word.size() > kShortWord) return true;
  if ((at > 0 && (IsOrdinaryWord(word[at - 1], c) || IsOrdinaryWord(before, c))) ||
      (at + 1 < word.size() && IsOrdinaryWord(c, word[at + 1]))) {
    return false;
  }
  if (word.size() == kShortWord) return true;
  if (!CloselyAlike(word[at], c)) return false;
  const std::u32string_view rest = at == 0 ? word.substr(1) : word.substr(0, word.size() - 1);
  if (rest.size() < 2) {
    return !IsFrequentCharacter(c) && (rest.empty() || !IsMostFrequentCharacter(rest[0]));
  }
  const bool at_edge = at == 0 || at + 1 == word.size();
  return !at_edge || !IsFrequentCharacter(c) || !IsOrdinaryWord(rest[0], rest[1]);
}

WordIndex::Confirmed ConfirmDisguise(Lane lane, const Word& word, const OriginalText& text,
                                     const DisguisePlace& place) {
  const Reader reader(lane, word, text);
  WordIndex::Confirmed confirmed;
  States alive;
  const auto copies = CopiesFrom(text, place.head, place.first);
  if (copies.size() > 1) {
    // A word that the copies are by themselves (实时, 十十) stands where they begin, and nowhere
    // else.
    DisguisePlace anywhere = place;
    anywhere.last = 0;
    const Reader::Read read = reader.From(copies.back().before, copies.back().unit, anywhere);
    if (read.outcome == Outcome::kMatch && read.end <= copies.front().unit.end) {
      if (place.last > copies.front().unit.start) return confirmed;
      return {Outcome::kMatch, {copies.back().unit.start, read.end}, lane};
    }
  }
  for (const Copy& copy : copies) {
    const Reader::Read read = reader.From(copy.before, copy.unit, place);
    if (read.is_plain) break;
    if (read.outcome == Outcome::kNoMatch) continue;
    if (read.outcome == Outcome::kMatch) {
      if (confirmed.outcome == Outcome::kNoMatch) {
        return {Outcome::kMatch, {copy.unit.start, read.end}, lane};
      }
      confirmed.span.start = copy.unit.start;  // what comes decides between the two
      continue;
    }
    // An earlier copy matters only if it may match where the later ones do not.
    if (confirmed.outcome == Outcome::kNeedMore && SameStates(read.alive, alive)) continue;
    confirmed = {Outcome::kNeedMore, {copy.unit.start, read.end}, lane};
    alive = read.alive;
  }
  return confirmed;
}

void ForEachDisguiseStart(Lane lane, const Word& word, const OriginalText& text, uint64_t head,
                          char32_t first, absl::FunctionRef<void(uint64_t)> visit) {
  const Reader reader(lane, word, text);
  States alive;
  DisguisePlace place;
  place.last = text.end();
  for (const Copy& copy : CopiesFrom(text, head, first)) {
    const Reader::Read read = reader.From(copy.before, copy.unit, place);
    if (read.is_plain) break;
    if (read.outcome != Outcome::kNeedMore) continue;
    if (!alive.empty() && SameStates(read.alive, alive)) continue;
    alive = read.alive;
    visit(copy.unit.start);
  }
}

FirstCharacter FindFirst(Lane lane, const OriginalText& text, uint64_t head, char32_t first) {
  const auto copies = CopiesFrom(text, head, first);
  if (copies.empty()) return {text.end(), true, false};
  const auto is_free = [&](const Copy& copy) {
    return lane != Lane::kPinyin || LeftIsFree(copy.before, first, false);
  };
  if (is_free(copies.front())) return {copies.front().unit.start, copies.size() == 1, true};
  return {text.end(), copies.size() == 1, std::any_of(copies.begin() + 1, copies.end(), is_free)};
}

bool HasRepeats(const OriginalText& text, uint64_t head, uint64_t to) {
  FoldCursor cursor(text, head);
  FoldUnit unit;
  char32_t last = 0;
  while (cursor.Next(unit)) {
    if (unit.kind == Kind::kInvalid) return true;
    if (unit.kind != Kind::kSignificant) continue;
    if (unit.c == last) return true;
    if (unit.start >= to) return false;
    last = unit.c;
  }
  return !text.final;
}

bool MayBeginWithTwo(Lane lane, const Word& word, char32_t first) {
  const char32_t front = word.runs.front().c;
  if (lane != Lane::kPinyin || front < 0x80) return true;
  if (IsLetter(first)) {  // syllables have no letter twice
    return std::ranges::any_of(Readings(front),
                               [](Syllable reading) { return Spelling(reading).size() == 1; });
  }
  return word.runs.front().count > 1 ||
         (word.runs.size() > 1 && ShareReading(word.runs[1].c, first));
}

namespace {

// A beginning of a word as it is followed to the eye, each character of the text standing for one
// of the word's.
class Looks {
 public:
  explicit Looks(const Word& word) : word_(word.characters) {}

  bool complete() const { return taken_ == word_.size(); }
  // Of what is taken: some is the word's own; all is.
  bool has_own() const { return has_own_; }
  bool is_own() const { return is_own_; }
  // The character that comes next; not when complete().
  char32_t wanted() const { return word_[taken_]; }

  // Takes `c` for the next one, if it may stand for it.
  bool Take(char32_t c) {
    const bool own = c == wanted();
    if (!own && !IsTakenFor(word_, taken_, c, has_own_, alike_)) return false;
    has_own_ = has_own_ || own;
    is_own_ = is_own_ && own;
    alike_ = own ? 0 : c;
    ++taken_;
    return true;
  }

 private:
  const std::u32string_view word_;
  size_t taken_ = 0;
  bool has_own_ = false;
  bool is_own_ = true;
  char32_t alike_ = 0;  // the last one, if it is a look-alike
};

// MayBeDisguise() to the eye, where the skeleton has dropped nothing. While no character of the
// text can be the first of several parts, each is one of the word's.
bool MayBeShape(const Word& word, std::string_view found, bool whole) {
  Looks looks(word);
  for (size_t at = 0; at < found.size();) {
    const Decoded decoded = DecodeAt(found, at);
    at += decoded.length;
    if (looks.complete()) return false;
    if (BeginsShape(looks.wanted(), decoded.c)) return true;
    if (!looks.Take(decoded.c)) return false;
  }
  if (!looks.complete()) return !whole;
  return looks.has_own() && !(looks.is_own() && (word.lanes & LaneBit(Lane::kSkeleton)) != 0);
}

}  // namespace

bool BeginsInLooks(const Word& word, std::string_view found) {
  Looks looks(word);
  for (size_t at = 0; at < found.size();) {
    const Decoded decoded = DecodeAt(found, at);
    at += decoded.length;
    if (looks.complete() || !looks.Take(decoded.c)) return false;
  }
  return !looks.complete();
}

bool MayBeDisguise(Lane lane, const Word& word, std::string_view found, bool repeats, bool whole) {
  const bool ear = lane == Lane::kPinyin;
  if (!ear && !repeats) return MayBeShape(word, found, whole);
  // Without letters and parts, each character of the text is one of the word's.
  const std::u32string_view characters = word.characters;
  size_t own = 0;
  size_t taken = 0;
  for (size_t at = 0; at < found.size(); ++taken) {
    const Decoded decoded = DecodeAt(found, at);
    at += decoded.length;
    if (taken == characters.size() || (ear && decoded.c < 0x80)) return true;
    if (decoded.c == characters[taken]) {
      ++own;
    } else if (ear && !repeats && !ShareReading(characters[taken], decoded.c)) {
      return false;
    }
  }
  if (taken < characters.size()) return repeats || !whole;
  if (own == taken && (word.lanes & LaneBit(Lane::kSkeleton)) != 0) return false;
  return !ear || own > 0 || taken > 2;
}

}  // namespace weir::rules
