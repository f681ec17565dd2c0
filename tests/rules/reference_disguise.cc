#include "tests/rules/reference_disguise.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "rules/disguise_match.h"
#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/pinyin_table.h"
#include "rules/scanner.h"
#include "rules/shape_table.h"

namespace weir::rules {
namespace {

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();
// Letters beside a match that are looked at.
constexpr size_t kLettersBehindMax = 7;
constexpr size_t kLettersBeforeMax = 14;

bool IsLetter(char32_t c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}

// A significant character of the fold lane.
struct Character {
  char32_t c;
  size_t start;
  size_t end;
  bool follows;  // the one before it is near enough to be of the same word
  // Of what stands between the two: what parts words, what does not, and anything that is seen.
  bool parted;
  bool broken;
  bool touches;
};

std::vector<Character> CharactersOf(std::string_view text) {
  std::vector<Character> characters;
  Character next{};
  int dropped = kSeparatorRunMax + 1;
  next.touches = true;
  const auto add = [&](char32_t c, size_t start, size_t end, bool separator) {
    if (separator) {
      ++dropped;
      const bool parts =
          std::u32string_view(U" \n'\u2019-,.;:!?\uFF0C\u3002").find(c) != std::u32string::npos;
      (parts ? next.parted : next.broken) = true;
      next.touches = false;
      return;
    }
    next.c = c;
    next.start = start;
    next.end = end;
    next.follows = dropped <= kSeparatorRunMax;
    characters.push_back(next);
    next = {};
    next.touches = true;
    dropped = 0;
  };
  for (size_t at = 0; at < text.size();) {
    const Decoded decoded = DecodeAt(text, at);
    const size_t end = at + decoded.length;
    if (decoded.c == kInvalidByte) {
      dropped = kSeparatorRunMax + 1;
      next.touches = false;
    } else {
      const FoldEntry entry = LookUpFold(decoded.c);
      switch (entry.kind()) {
        case FoldEntry::Kind::kSame:
          add(decoded.c, at, end, entry.separator());
          break;
        case FoldEntry::Kind::kOne:
          add(entry.value(), at, end, entry.separator());
          break;
        case FoldEntry::Kind::kMany:
          for (const char32_t part : FoldExpansion(entry)) {
            add(part, at, end, LookUpFold(part).separator());
          }
          break;
        case FoldEntry::Kind::kNothing:
          ++dropped;
          break;
      }
    }
    at = end;
  }
  return characters;
}

// Every way to write a syllable in letters: ü as v or u, and after j, q, x, y as either.
std::set<std::string> WaysToWrite(std::string_view spelling) {
  std::set<std::string> ways = {std::string(spelling)};
  const size_t umlaut = spelling.find('v');
  if (umlaut != std::string_view::npos) {
    ways.insert(std::string(spelling).replace(umlaut, 1, "u"));
  } else if (spelling.size() > 1 && spelling[1] == 'u' &&
             std::string_view("jqxy").find(spelling[0]) != std::string_view::npos) {
    ways.insert(std::string(spelling).replace(1, 1, "v"));
  }
  return ways;
}

const std::set<std::string>& Syllables() {
  static const auto& syllables = *new const std::set<std::string>([] {
    std::set<std::string> all;
    for (size_t i = 0; i < SyllableCount(); ++i)
      all.merge(WaysToWrite(Spelling(static_cast<Syllable>(i))));
    return all;
  }());
  return syllables;
}

// Whether letters can be parted into syllables, the last of which may be cut short.
bool AreSyllables(std::string_view letters, bool cut) {
  std::vector<bool> parted(letters.size() + 1);  // whether the first so many can be
  parted[0] = true;
  for (size_t at = 0; at < letters.size(); ++at) {
    if (!parted[at]) continue;
    for (size_t length = 1; length <= 6 && at + length <= letters.size(); ++length) {
      if (Syllables().contains(std::string(letters.substr(at, length)))) parted[at + length] = true;
    }
    const std::string rest(letters.substr(at));
    const auto longer = Syllables().upper_bound(rest);
    if (cut && longer != Syllables().end() && longer->starts_with(rest)) return true;
  }
  return parted[letters.size()];
}

// One way to read the text as a word, as far as it goes.
struct Reading {
  int others = 0;    // characters that stand for another one
  int spelled = 0;   // characters in letters
  int composed = 0;  // characters written as several
  int rare = 0;      // shape: of those, in another form than the first, or in parts that look alike
  bool own = false;  // shape: some character is the word's own, or its parts
  char32_t alike = 0;  // shape: what stands for the last character, if that is a look-alike
  auto operator<=>(const Reading& other) const = default;

  bool plain() const { return others + spelled + composed == 0; }
};

class Search {
 public:
  Search(Lane lane, const Word& word, ReferenceForms forms, std::string_view text)
      : lane_(lane),
        word_(word),
        text_(text),
        likely_(forms == ReferenceForms::kLikely),
        characters_(CharactersOf(text)) {
    for (const Word::Run& run : word.runs) wanted_.append(run.count, run.c);
  }

  std::vector<ReferenceSpan> Find() {
    std::vector<ReferenceSpan> found;
    const bool letters_alone =
        std::all_of(wanted_.begin(), wanted_.end(), [](char32_t c) { return c < 0x80; });
    if (letters_alone || (lane_ == Lane::kPinyin && wanted_.size() == 1)) return found;
    for (size_t group = 0; group < characters_.size();) {
      size_t end = group + 1;
      while (end < characters_.size() && characters_[end].follows &&
             characters_[end].c == characters_[group].c && !IsDigit(characters_[group].c)) {
        ++end;
      }
      FindInGroup(group, end, found);
      group = end;
    }
    return found;
  }

 private:
  // The match that begins with one of the copies [group, end) of a character: with the last from
  // which there is one, or with the first if it is all copies.
  void FindInGroup(size_t group, size_t end, std::vector<ReferenceSpan>& found) {
    if (end - group > 1 && FindAt(group) && end_ < end) {
      found.push_back({characters_[group].start, characters_[end_].end});
      return;
    }
    for (size_t at = end; at-- > group;) {
      const bool matches = FindAt(at);
      if (plain_end_ != kNowhere && (!matches || plain_end_ <= end_)) return;
      if (!matches) continue;
      found.push_back({characters_[at].start, characters_[end_].end});
      return;
    }
  }

  // Whether the word begins at `at`; the last character of the shortest match is end_, and that of
  // the word as it is written, if a finer lane of its use shows it, plain_end_.
  bool FindAt(size_t at) {
    end_ = plain_end_ = kNowhere;
    start_ = at;
    read_.clear();
    if (!IsFreeBefore(at)) return false;
    Read(0, at, false, {});
    return end_ != kNowhere;
  }

  // Reads the word from its character `place` on at character `at` of the text.
  void Read(size_t place, size_t at, bool behind_letters, const Reading& reading) {
    if (place == wanted_.size()) {
      Note(at - 1, reading);
      return;
    }
    if (at >= characters_.size() || (at > start_ && !characters_[at].follows)) return;
    const char32_t c = characters_[at].c;
    // Copies lead to the same place in very many ways: fffffff in a hundred f.
    if (!read_.emplace(place, at, behind_letters, reading).second) return;
    if (at > start_ && c == characters_[at - 1].c && !IsDigit(c)) {
      Read(place, at + 1, behind_letters, reading);  // a repeat
    }
    if (lane_ == Lane::kPinyin) {
      if (behind_letters && c >= '0' && c <= '5') Read(place, at + 1, false, reading);  // a tone
      ReadSound(place, at, reading);
    } else {
      ReadAlike(place, at, reading);
      for (const std::u32string& form : ShapeFormsOf(wanted_[place])) {
        const bool own = form == ShapeFormsOf(wanted_[place]).front();
        ReadShape(place, at, form, own, {}, reading);
      }
    }
  }

  void ReadSound(size_t place, size_t at, const Reading& reading) {
    const char32_t wanted = wanted_[place];
    const char32_t c = characters_[at].c;
    if (c == wanted) {
      Read(place + 1, at + 1, false, reading);
    } else if (!IsLetter(c) && Sounds(wanted, c)) {
      Reading other = reading;
      ++other.others;
      Read(place + 1, at + 1, false, other);
    }
    if (!IsLetter(c)) return;
    Reading spelled = reading;
    ++spelled.spelled;
    for (const Syllable syllable : Readings(wanted)) {
      for (const std::string& letters : WaysToWrite(Spelling(syllable))) {
        ReadLetters(place, at, letters, 0, false, spelled);
      }
    }
  }

  static bool Sounds(char32_t a, char32_t b) {
    const auto of_b = Readings(b);
    return std::any_of(Readings(a).begin(), Readings(a).end(), [&](Syllable syllable) {
      return std::find(of_b.begin(), of_b.end(), syllable) != of_b.end();
    });
  }

  // The letters from `taken` on. `parted`: separators stand between the first two, so they must
  // between all.
  void ReadLetters(size_t place, size_t at, const std::string& letters, size_t taken, bool parted,
                   const Reading& reading) {
    if (taken == letters.size()) {
      Read(place + 1, at, true, reading);
      return;
    }
    if (at >= characters_.size() || (taken > 0 && !characters_[at].follows)) return;
    const Character& character = characters_[at];
    if (taken > 0 && character.c == characters_[at - 1].c) {
      ReadLetters(place, at + 1, letters, taken, parted, reading);  // a repeat
    }
    if (character.c != static_cast<char32_t>(letters[taken])) return;
    if (taken == 1 && !character.broken) parted = character.parted;
    if (taken > 1 && !character.broken && parted != character.parted) return;
    ReadLetters(place, at + 1, letters, taken + 1, parted, reading);
  }

  // Character `at` of the text is the word's, or looks like it.
  void ReadAlike(size_t place, size_t at, Reading reading) {
    const char32_t c = characters_[at].c;
    const bool own = c == wanted_[place];
    if (!own && !MayStandFor(wanted_, place, c, reading.alike)) return;
    reading.others += own ? 0 : 1;
    reading.own |= own;
    reading.alike = own ? 0 : c;
    if (!reading.own && place + 1 == std::min(wanted_.size(), kOwnWithin)) return;
    Read(place + 1, at + 1, false, reading);
  }

  // Characters from `at` on are the parts of one of the word.
  void ReadShape(size_t place, size_t at, std::u32string_view form, bool own,
                 const std::u32string& parts, const Reading& reading) {
    if (at >= characters_.size() || (at > start_ && !characters_[at].follows)) return;
    const char32_t c = characters_[at].c;
    if (!parts.empty() && c == characters_[at - 1].c) {
      ReadShape(place, at + 1, form, own, parts, reading);  // a repeat
    }
    const auto elements = ShapeElements(c);
    const std::u32string taken =
        elements.empty() ? std::u32string(1, c) : std::u32string(elements.begin(), elements.end());
    if (!form.starts_with(taken)) return;
    const std::u32string all = parts + c;
    if (taken.size() < form.size()) {
      ReadShape(place, at + 1, form.substr(taken.size()), own, all, reading);
      return;
    }
    if (all.size() == 1) return;
    // What ordinary text has by itself disguises no word of two characters, but beside a letter.
    const bool has_letter = std::ranges::any_of(wanted_, [](char32_t w) { return w < 0x80; });
    if (wanted_.size() <= 2 && !has_letter && IsOrdinarySplit(wanted_[place], all)) return;
    Reading next = reading;
    ++next.composed;
    next.own = true;
    next.alike = 0;
    next.rare += own && !MixesAlike(all) ? 0 : 1;
    if (likely_ && next.rare > 0) return;
    Read(place + 1, at + 1, false, next);
  }

  // Whether parts that follow one another are one shape and two characters: 木术 for 林.
  static bool MixesAlike(std::u32string_view parts) {
    for (size_t i = 1; i < parts.size(); ++i) {
      const auto a = ShapeElements(parts[i - 1]);
      const auto b = ShapeElements(parts[i]);
      if (parts[i] != parts[i - 1] &&
          (a.empty() ? parts[i - 1] : a.back()) == (b.empty() ? parts[i] : b.front())) {
        return true;
      }
    }
    return false;
  }

  void Note(size_t last, const Reading& reading) {
    if (reading.plain() && FinerLanesShow(start_, last)) {
      plain_end_ = std::min(plain_end_, last);
      return;
    }
    if (Counts(reading) && IsFreeBehind(last)) end_ = std::min(end_, last);
  }

  // Of a word of two characters one must be its own, or be spelled or composed.
  bool Counts(const Reading& reading) const {
    return wanted_.size() > 2 || static_cast<size_t>(reading.others) < wanted_.size();
  }

  bool FinerLanesShow(size_t first, size_t last) const {
    if ((word_.lanes & LaneBit(Lane::kSkeleton)) != 0) return true;
    const std::string_view written =
        text_.substr(characters_[first].start, characters_[last].end - characters_[first].start);
    if ((word_.lanes & LaneBit(Lane::kExact)) != 0 && written == word_.exact) return true;
    if ((word_.lanes & LaneBit(Lane::kFold)) == 0) return false;
    LaneText fold(Lane::kFold);
    fold.Append(written, 0);
    return fold.From(0) == word_.fold;
  }

  // The letters that stand beside character `at` without anything that is seen between.
  std::string LettersBefore(size_t at) const {
    std::string letters;
    while (at > 0 && characters_[at].touches && IsLetter(characters_[at - 1].c) &&
           letters.size() < kLettersBeforeMax) {
      letters.insert(letters.begin(), static_cast<char>(characters_[--at].c));
    }
    return letters;
  }
  std::string LettersBehind(size_t at) const {
    std::string letters;
    while (++at < characters_.size() && characters_[at].touches && IsLetter(characters_[at].c) &&
           letters.size() < kLettersBehindMax) {
      letters.push_back(static_cast<char>(characters_[at].c));
    }
    return letters;
  }

  bool IsFreeBefore(size_t at) const {
    const char32_t edge = characters_[at].c;
    if (edge == wanted_.front() && (IsLetter(edge) || IsDigit(edge))) {
      // The word's own: nothing of its kind but its repeats.
      while (at > 0 && characters_[at].touches && IsLetter(edge) && characters_[at - 1].c == edge) {
        --at;
      }
      if (at == 0 || !characters_[at].touches) return true;
      const char32_t before = characters_[at - 1].c;
      return IsLetter(edge) ? !IsLetter(before) : !IsDigit(before);
    }
    if (!IsLetter(edge)) return true;
    const std::string letters = LettersBefore(at);
    std::string without_copies = letters;
    while (!without_copies.empty() && without_copies.back() == static_cast<char>(edge)) {
      without_copies.pop_back();
    }
    // Of a long run any of the first letters may be where a syllable begins.
    const size_t skip_max = letters.size() == kLettersBeforeMax ? kLettersBehindMax - 1 : 0;
    for (size_t skip = 0; skip <= skip_max; ++skip) {
      if (AreSyllables(letters.substr(skip), false)) return true;
    }
    return AreSyllables(without_copies, false) ||
           (skip_max > 0 && AnyTailIsSyllables(without_copies, skip_max));
  }
  static bool AnyTailIsSyllables(const std::string& letters, size_t skip_max) {
    for (size_t skip = 1; skip <= skip_max; ++skip) {
      if (AreSyllables(letters.substr(std::min(skip, letters.size())), false)) return true;
    }
    return false;
  }

  bool IsFreeBehind(size_t at) const {
    const char32_t edge = characters_[at].c;
    if (edge == wanted_.back() && (IsLetter(edge) || IsDigit(edge))) {
      while (at + 1 < characters_.size() && characters_[at + 1].touches && IsLetter(edge) &&
             characters_[at + 1].c == edge) {
        ++at;
      }
      if (at + 1 == characters_.size() || !characters_[at + 1].touches) return true;
      const char32_t behind = characters_[at + 1].c;
      return IsLetter(edge) ? !IsLetter(behind) : !IsDigit(behind);
    }
    if (!IsLetter(edge)) return true;
    const std::string letters = LettersBehind(at);
    const bool cut = letters.size() == kLettersBehindMax;
    std::string_view rest = letters;
    while (!rest.empty() && rest.front() == static_cast<char>(edge)) rest.remove_prefix(1);
    return AreSyllables(letters, cut) || AreSyllables(rest, cut);
  }

  const Lane lane_;
  const Word& word_;
  const std::string_view text_;
  const bool likely_;
  std::vector<Character> characters_;
  std::u32string wanted_;
  size_t start_ = 0;
  size_t end_ = kNowhere;
  size_t plain_end_ = kNowhere;
  std::set<std::tuple<size_t, size_t, bool, Reading>> read_;  // what Read() was called with
};

}  // namespace

std::vector<ReferenceSpan> FindDisguised(Lane lane, const Word& word, ReferenceForms forms,
                                         std::string_view text) {
  return Search(lane, word, forms, text).Find();
}

}  // namespace weir::rules
