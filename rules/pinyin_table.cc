#include "rules/pinyin_table.h"

#include <algorithm>

namespace weir::rules {
namespace {

#include "pinyin_data.inc"  // generated

constexpr size_t kPageSize = 256;

std::span<const Syllable> ListAt(const uint16_t* lists, size_t place) {
  return {lists + place + 1, static_cast<size_t>(lists[place])};
}

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

void SyllableRun::MayBegin() {
  if (!complete()) nodes_[count_++] = 0;
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
