#include "rules/pinyin_table.h"

#include <algorithm>

namespace weir::rules {
namespace {

#include "pinyin_data.inc"  // generated

constexpr size_t kPageSize = 256;

std::span<const Syllable> ListAt(const uint16_t* lists, size_t place) {
  return {lists + place + 1, static_cast<size_t>(lists[place])};
}

bool IsLatin(char32_t c) {
  return c >= 'a' && c <= 'z';
}

void AppendCollapsed(std::string_view letters, std::string& out) {
  for (const char letter : letters) {
    if (out.empty() || out.back() != letter) out += letter;
  }
}

// Tries the readings of each character in turn. Few characters have more than two readings and few
// readings begin alike, so that there is next to nothing to go back on.
class EarMatcher {
 public:
  EarMatcher(std::u32string_view word, std::u32string_view text) : word_(word), text_(text) {}

  // `last` is the last character matched, whose repeats in the text count for nothing.
  bool Match(size_t word_at, size_t at, char32_t last) const {
    while (word_at < word_.size() && !Sounds(word_[word_at])) ++word_at;
    while (at < text_.size() && !Sounds(text_[at])) ++at;
    if (word_at == word_.size()) return OnlyRepeats(at, last);
    const char32_t wanted = word_[word_at];
    if (IsLatin(wanted)) return MatchLetters(word_at, at, last);
    if (at < text_.size() && !IsLatin(text_[at])) {
      if (ShareReading(wanted, text_[at]) && Match(word_at + 1, at + 1, text_[at])) return true;
      return text_[at] == last && Match(word_at, at + 1, last);
    }
    return std::ranges::any_of(Readings(wanted), [&](Syllable syllable) {
      size_t next = at;
      char32_t last_letter = last;
      return TakeLetters(Spelling(syllable), next, last_letter) &&
             Match(word_at + 1, next, last_letter);
    });
  }

 private:
  static bool Sounds(char32_t c) { return IsLatin(c) || !Readings(c).empty(); }

  bool OnlyRepeats(size_t at, char32_t last) const {
    return std::all_of(text_.begin() + static_cast<ptrdiff_t>(at), text_.end(),
                       [&](char32_t c) { return c == last || !Sounds(c); });
  }

  // Latin letters of the word itself.
  bool MatchLetters(size_t word_at, size_t at, char32_t last) const {
    const char letter = static_cast<char>(word_[word_at]);
    return TakeLetters({&letter, 1}, at, last) && Match(word_at + 1, at, last);
  }

  // Moves `at` behind `letters` with their repeats. A letter may be missing where it would repeat
  // `last`: the skeleton lane has dropped it.
  bool TakeLetters(std::string_view letters, size_t& at, char32_t& last) const {
    char previous = 0;
    for (const char letter : letters) {
      while (at < text_.size() && !Sounds(text_[at])) ++at;
      if (at < text_.size() && LetterMatches(letter, previous, text_[at])) {
        last = text_[at];
        while (at < text_.size() && text_[at] == last) ++at;
      } else if (last == 0 || !LetterMatches(letter, previous, last)) {
        return false;
      }
      previous = letter;
    }
    return true;
  }

  const std::u32string_view word_;
  const std::u32string_view text_;
};

// The sounds of a word, one list of alternatives a character.
struct Sound {
  std::vector<std::string_view> readings;
  std::vector<std::string_view> seen_as;  // further sounds that text with these readings gives
};

Sound SoundOf(char32_t c) {
  Sound sound;
  const auto add = [](std::string_view letters, const std::vector<std::string_view>& known,
                      std::vector<std::string_view>& to) {
    if (std::ranges::find(known, letters) == known.end() &&
        std::ranges::find(to, letters) == to.end()) {
      to.push_back(letters);
    }
  };
  for (const Syllable syllable : Readings(c)) {
    add(kLaneSpellings[syllable], sound.readings, sound.readings);
  }
  for (const Syllable syllable : Readings(c)) {
    for (const Syllable other : ListAt(kSeenAsLists, kSeenAsOf[syllable])) {
      add(kLaneSpellings[other], sound.readings, sound.seen_as);
    }
  }
  return sound;
}

class FormCollector {
 public:
  explicit FormCollector(size_t forms_max) : forms_max_(forms_max) {}

  // Appends every combination of readings, with `alternative` for the sound numbered `replaced`.
  void Add(const std::vector<Sound>& sounds, size_t replaced, std::string_view alternative,
           size_t at = 0, const std::string& before = "") {
    if (full()) return;
    if (at == sounds.size()) {
      if (std::ranges::find(forms_, before) == forms_.end()) forms_.push_back(before);
      return;
    }
    const auto add = [&](std::string_view letters) {
      std::string form = before;
      AppendCollapsed(letters, form);
      Add(sounds, replaced, alternative, at + 1, form);
    };
    if (at == replaced) {
      add(alternative);
    } else {
      for (const std::string_view letters : sounds[at].readings) add(letters);
    }
  }

  bool full() const { return forms_.size() >= forms_max_; }
  std::vector<std::string> Take() { return std::move(forms_); }

 private:
  const size_t forms_max_;
  std::vector<std::string> forms_;
};

}  // namespace

size_t SyllableCount() {
  return std::size(kSpellings);
}

std::string_view Spelling(Syllable syllable) {
  return kSpellings[syllable];
}

std::optional<Syllable> SyllableFromLetters(std::string_view letters) {
  size_t node = 0;
  for (const char letter : letters) {
    if (letter < 'a' || letter > 'z') return std::nullopt;
    node = kTree[node][letter - 'a'];
    if (node == 0) return std::nullopt;
  }
  if (kTreeEnds[node] == 0) return std::nullopt;
  return static_cast<Syllable>(kTreeEnds[node] - 1);
}

std::span<const Syllable> Readings(char32_t c) {
  return ListAt(kReadingSets, kReadingPages[kReadingPageOf[c / kPageSize]][c % kPageSize]);
}

std::string_view LaneLetters(char32_t c) {
  const std::span<const Syllable> readings = Readings(c);
  return readings.empty() ? std::string_view() : kLaneSpellings[readings.front()];
}

std::vector<std::string> PinyinForms(std::u32string_view word, size_t forms_max) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuuwxyz";  // u for v
  std::vector<Sound> sounds;
  for (const char32_t c : word) {
    if (IsLatin(c)) {
      sounds.push_back({{kAlphabet.substr(c - 'a', 1)}, {}});
    } else if (!Readings(c).empty()) {
      sounds.push_back(SoundOf(c));
    }
  }
  if (sounds.empty()) return {};
  FormCollector collector(forms_max);
  collector.Add(sounds, sounds.size(), {});
  for (size_t i = 0; i < sounds.size() && !collector.full(); ++i) {
    for (const std::string_view letters : sounds[i].seen_as) collector.Add(sounds, i, letters);
  }
  return collector.Take();
}

Sounds SoundsOf(char32_t c) {
  const std::span<const Syllable> readings = Readings(c);
  Sounds sounds{{readings.begin(), readings.end()}, {}};
  for (const Syllable syllable : readings) {
    for (const Syllable other : ListAt(kSeenAsLists, kSeenAsOf[syllable])) {
      if (std::ranges::find(sounds.readings, other) == sounds.readings.end() &&
          std::ranges::find(sounds.seen_as, other) == sounds.seen_as.end()) {
        sounds.seen_as.push_back(other);
      }
    }
  }
  return sounds;
}

bool ShareReading(char32_t a, char32_t b) {
  if (a == b) return true;
  const std::span<const Syllable> of_b = Readings(b);
  return std::ranges::any_of(Readings(a), [&](Syllable syllable) {
    return std::ranges::find(of_b, syllable) != of_b.end();
  });
}

bool LetterMatches(char letter, char previous, char32_t written) {
  if (written == static_cast<char32_t>(letter)) return true;
  if (letter == 'v') return written == 'u';
  return letter == 'u' && written == 'v' &&
         std::string_view("jqxy").find(previous) != std::string_view::npos;
}

void SyllablesAt(std::string_view letters, absl::FunctionRef<void(size_t, Syllable)> visit) {
  size_t node = 0;
  for (size_t at = 0; at < letters.size(); ++at) {
    if (letters[at] < 'a' || letters[at] > 'z') return;
    node = kTree[node][letters[at] - 'a'];
    if (node == 0) return;
    if (kTreeEnds[node] == 0) continue;
    visit(at + 1, static_cast<Syllable>(kTreeEnds[node] - 1));
    // ü has lost its dots in the fold lane.
    if (at == 1 && letters[1] == 'u' && (letters[0] == 'l' || letters[0] == 'n')) {
      const char umlaut[] = {letters[0], 'v'};
      visit(2, *SyllableFromLetters({umlaut, 2}));
    }
  }
}

std::span<const Syllable> SyllablesBegunBy(std::string_view letters) {
  static const std::vector<std::vector<Syllable>> below = [] {
    std::vector<std::vector<Syllable>> lists(std::size(kTree));
    const auto collect = [&](const auto& self, size_t node) -> void {
      for (const uint16_t child : kTree[node]) {
        if (child == 0) continue;
        self(self, child);
        lists[node].insert(lists[node].end(), lists[child].begin(), lists[child].end());
        if (kTreeEnds[child] != 0) {
          lists[node].push_back(static_cast<Syllable>(kTreeEnds[child] - 1));
        }
      }
      std::vector<Syllable>& list = lists[node];
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    };
    collect(collect, 0);
    return lists;
  }();
  size_t node = 0;
  for (const char letter : letters) {
    if (letter < 'a' || letter > 'z') return {};
    node = kTree[node][letter - 'a'];
    if (node == 0) return {};
  }
  return below[node];
}

bool PinyinMatches(std::u32string_view word, std::u32string_view text) {
  return EarMatcher(word, text).Match(0, 0, 0);
}

std::vector<std::vector<Syllable>> Segmentations(std::string_view letters, size_t max) {
  // Whether the letters from a place on can be parted; without it, a run that cannot be would be
  // tried in ways without number.
  std::vector<bool> parts(letters.size() + 1);
  parts[letters.size()] = true;
  constexpr size_t kLettersMax = 6;
  for (size_t at = letters.size(); at-- > 0;) {
    for (size_t n = 1; n <= kLettersMax && at + n <= letters.size() && !parts[at]; ++n) {
      parts[at] = parts[at + n] && SyllableFromLetters(letters.substr(at, n)).has_value();
    }
  }
  std::vector<std::vector<Syllable>> found;
  std::vector<Syllable> current;
  const auto extend = [&](const auto& self, size_t at) -> void {
    if (found.size() >= max || !parts[at]) return;
    if (at == letters.size()) {
      found.push_back(current);
      return;
    }
    for (size_t n = std::min(kLettersMax, letters.size() - at); n > 0; --n) {
      const std::optional<Syllable> syllable = SyllableFromLetters(letters.substr(at, n));
      if (!syllable.has_value()) continue;
      current.push_back(*syllable);
      self(self, at + n);
      current.pop_back();
    }
  };
  extend(extend, 0);
  return found;
}

void SyllableRun::Append(char letter) {
  size_t kept = 0;
  bool over = false;
  for (size_t i = 0; i < count_; ++i) {
    const uint16_t node =
        letter < 'a' || letter > 'z' ? uint16_t{0} : kTree[nodes_[i]][letter - 'a'];
    if (node == 0) continue;
    nodes_[kept++] = node;
    over = over || kTreeEnds[node] != 0;
  }
  if (over) nodes_[kept++] = 0;
  count_ = static_cast<uint8_t>(kept);
}

}  // namespace weir::rules
