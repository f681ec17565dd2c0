// The filter in front of the search against the search at every place: what it passes over must be
// what the characters of the text refuse. The same with and without what only some processors can.
#include "rules/disguise_index.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "rules/cpu.h"
#include "rules/disguise_match.h"
#include "rules/literal_index.h"
#include "tests/seed.h"

namespace weir::rules {
namespace {

// Runs `test` with what the processor can do and, if that is more, as on any processor.
template <typename Test>
void InEveryWay(Test test) {
  const bool had = has_avx2;
  test();
  has_avx2 = false;
  test();
  has_avx2 = had;
}

// Words and texts out of few characters, which sound alike, look alike or are parts of others.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {
    // 长 sounds like 常 and like 掌; 赌 is 贝者, 林 木木, 品 three times 口; the last is U+20000.
    pieces_ = {"长", "常",    "掌",     "张",    "试",   "实", "时",        "是", "赌", "睹", "贝",
               "者", "博",    "林",     "木",    "品",   "口", "日",        "本", "未", "末", "女",
               "子", "好",    "a",      "n",     "shi",  "du", "bo",        "1",  "3",  "s",  "d",
               "x",  "chang", "\u200B", "hello", "xian", "ng", "e",         "l",  "de", "，", " ",
               "的", "了",    "\xFF",   "Ａ",    "長",   "賭", "\U00020000"};
  }

  std::string Word() {
    std::string word;
    const size_t length = 1 + random_() % 5;
    // Some have letters and digits of their own.
    const size_t pieces = random_() % 4 == 0 ? 34 : 24;
    for (size_t i = 0; i < length; ++i) word += pieces_[random_() % pieces];
    return word;
  }

  std::string Text(const std::vector<std::string>& words) {
    std::string text;
    const size_t length = random_() % 2000;
    for (size_t i = 0; i < length; ++i) {
      if (random_() % 16 == 0) {
        text += words[random_() % words.size()];
      } else {
        const std::string& piece = pieces_[random_() % pieces_.size()];
        text += piece;
        if (random_() % 8 == 0) text += piece;
      }
      if (random_() % 16 == 0) text += pieces_[random_() % 24] + pieces_[random_() % 24];
    }
    return text;
  }

  uint64_t Next() { return random_(); }

 private:
  std::mt19937_64 random_;
  std::vector<std::string> pieces_;
};

std::vector<std::string> Words(Maker& maker) {
  std::vector<std::string> words(1 + maker.Next() % 40);
  for (std::string& word : words) word = maker.Word();
  return words;
}

using Place = std::tuple<uint64_t, uint64_t, uint32_t>;
std::vector<Place> Places(const std::vector<DisguiseIndex::Hit>& hits) {
  std::vector<Place> places;
  for (const auto& hit : hits) places.emplace_back(hit.start, hit.end, hit.form);
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

// The words of a hit that the characters of the text confirm.
std::vector<const WordUse*> ConfirmedUses(const DisguiseIndex& index, const DisguiseIndex::Hit& hit,
                                          const LaneText& skeleton, const std::string& text) {
  std::vector<const WordUse*> uses;
  const std::string_view found =
      skeleton.From(hit.start).substr(0, static_cast<size_t>(hit.end - hit.start));
  DisguisePlace place;
  place.head = skeleton.Origin(hit.start);
  place.first = DecodeAt(found, 0).c;
  place.last = skeleton.Origin(hit.end - DecodeBefore(found, found.size()).length);
  if (hit.end < skeleton.end()) place.next = skeleton.Origin(hit.end);
  const OriginalText original{text, 0, /*final=*/true};
  const bool repeats = HasRepeats(original, place.head, place.last + 1);
  if (!repeats && index.IsCollapsed(hit.form)) return uses;
  index.ForEachUse(hit.form, [&](const WordUse& use) {
    if (ConfirmDisguise(index.lane(), use.word, original, place).outcome !=
        WordIndex::Outcome::kMatch) {
      return;
    }
    EXPECT_TRUE(MayBeDisguise(index.lane(), use.word, found, repeats, true))
        << use.word.exact << " is refused unread";
    uses.push_back(&use);
  });
  return uses;
}

// A word may stand at a place in several forms: one of them is enough.
using PlaceOfUse = std::tuple<uint64_t, uint64_t, const WordUse*>;
std::vector<PlaceOfUse> PlacesOfUses(const DisguiseIndex& index,
                                     const std::vector<DisguiseIndex::Hit>& hits) {
  std::vector<PlaceOfUse> places;
  for (const auto& hit : hits) {
    index.ForEachUse(hit.form,
                     [&](const WordUse& use) { places.emplace_back(hit.start, hit.end, &use); });
  }
  std::sort(places.begin(), places.end());
  return places;
}

void ExpectFilterMissesNothing(Lane lane, Maker& maker) {
  std::vector<std::string> words = Words(maker);
  std::vector<WordUse> uses;
  for (const std::string& written : words) {
    auto word = Word::Parse(written, LaneBit(lane));
    if (!word.ok()) continue;
    WordUse use;
    use.word = *std::move(word);
    use.directions = DirectionBit(Direction::kPrompt);
    uses.push_back(std::move(use));
  }
  const DisguiseIndex index = DisguiseIndex::Build(lane, std::move(uses));
  if (index.empty()) return;
  const std::string text = maker.Text(words);
  LaneText skeleton(Lane::kSkeleton);
  skeleton.Append(text, 0);
  std::vector<DisguiseIndex::Hit> all;
  index.ScanPlainly(skeleton.From(0), all);
  const std::vector<Place> every = Places(all);
  InEveryWay([&] {
    std::vector<DisguiseIndex::Hit> hits;
    index.Scan({text, 0, /*final=*/true}, skeleton, hits);
    const std::vector<Place> left = Places(hits);
    EXPECT_TRUE(std::includes(every.begin(), every.end(), left.begin(), left.end()));
    const std::vector<PlaceOfUse> found = PlacesOfUses(index, hits);
    for (const DisguiseIndex::Hit& hit : all) {
      if (std::binary_search(left.begin(), left.end(), Place(hit.start, hit.end, hit.form))) {
        continue;
      }
      const size_t from = skeleton.Origin(hit.start);
      for (const WordUse* use : ConfirmedUses(index, hit, skeleton, text)) {
        EXPECT_TRUE(
            std::binary_search(found.begin(), found.end(), PlaceOfUse(hit.start, hit.end, use)))
            << use->word.exact << " is missed in " << text.substr(from, 36) << " behind "
            << text.substr(0, from).substr(from < 24 ? 0 : from - 24);
      }
    }
  });
}

TEST(DisguiseIndexTest, TheFilterMissesNothingThatTheTextConfirms) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Maker maker(seed);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    ExpectFilterMissesNothing(Lane::kPinyin, maker);
    ExpectFilterMissesNothing(Lane::kShape, maker);
  }
}

TEST(LiteralIndexTest, FindsWhatASearchForEachFinds) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Maker maker(seed);
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    std::vector<std::string> words = Words(maker);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    const LiteralIndex index =
        LiteralIndex::Build(std::vector<std::string_view>(words.begin(), words.end()));
    LaneText lane(Lane::kFold);
    lane.Append(maker.Text(words), 0);
    const std::string_view text = lane.From(0);
    std::vector<std::pair<uint64_t, uint32_t>> expected;
    for (uint32_t word = 0; word < words.size(); ++word) {
      for (size_t at = text.find(words[word]); at != std::string_view::npos;
           at = text.find(words[word], at + 1)) {
        expected.emplace_back(at + words[word].size(), word);
      }
    }
    std::sort(expected.begin(), expected.end());
    InEveryWay([&] {
      std::vector<LiteralIndex::Hit> hits;
      index.Scan(text, 0, hits);
      std::vector<std::pair<uint64_t, uint32_t>> found;
      for (const LiteralIndex::Hit& hit : hits) found.emplace_back(hit.end, hit.literal);
      std::sort(found.begin(), found.end());
      EXPECT_EQ(found, expected) << testing::PrintToString(text);
    });
  }
}

}  // namespace
}  // namespace weir::rules
