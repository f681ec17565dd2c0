// Every window is found under its hash, however many have the same one.
#include "rules/window_index.h"

#include <array>
#include <map>
#include <random>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/seed.h"

namespace weir::rules {
namespace {

TEST(WindowIndexTest, FindsWhatWasAdded) {
  std::mt19937_64 random(Seed());
  using Window = std::tuple<uint32_t, uint32_t, uint16_t>;  // form, offset, beside
  std::map<std::pair<size_t, uint32_t>, std::set<Window>> added;
  WindowIndex index;
  const auto add = [&](size_t size, uint32_t crowd) {
    std::array<Mark, FormFilter::kMarksMax> marks{};
    for (Mark& mark : marks) mark = MarkOf(static_cast<uint32_t>(random() % crowd));
    const auto form = static_cast<uint32_t>(random() % WindowIndex::kFormsMax);
    const auto offset = static_cast<uint32_t>(random() % 64);
    const auto beside = static_cast<uint16_t>(random());
    index.Add({.form = form & (WindowIndex::kFormsMax - 1), .offset = offset & 63U}, beside,
              std::span(marks).first(size));
    added[{size, FormFilter::Hash(marks.data(), size)}].insert({form, offset, beside});
  };
  for (int i = 0; i < 3000; ++i) add(1 + random() % 3, 40);
  for (int i = 0; i < 3000; ++i) add(2, 2);  // words that begin alike
  index.Build();
  std::vector<WindowIndex::Match> matches;
  for (const auto& [key, windows] : added) {
    const auto [size, hash] = key;
    EXPECT_TRUE(index.filter().Has(size, hash));
    // With others, asked about at once: some groups have more, and all answer for their place.
    std::vector<WindowIndex::Ask> asks{index.AskAt(1, 2, 7), index.AskAt(0, size, hash),
                                       index.AskAt(2, size, hash)};
    const size_t count = index.Find(asks, matches);
    EXPECT_TRUE(asks.empty());
    std::array<std::set<Window>, 3> found_at;
    for (const WindowIndex::Match& match : std::span(matches).first(count)) {
      const WindowIndex::Window& window = match.window;
      if (window.size != size) continue;
      found_at[match.place].insert({window.form, window.offset, match.beside});
    }
    const std::set<Window>& found = found_at[0];
    EXPECT_EQ(found, found_at[2]);
    for (const Window& window : windows) ASSERT_TRUE(found.contains(window));
    ASSERT_LE(found.size(), windows.size() + 10);
  }
}

TEST(WindowIndexTest, MayBeEmpty) {
  WindowIndex index;
  index.Build();
  EXPECT_EQ(index.marks_max(), 0U);
  std::vector<WindowIndex::Ask> asks{index.AskAt(0, 1, 7)};
  std::vector<WindowIndex::Match> matches;
  EXPECT_EQ(index.Find(asks, matches), 0U);
}

}  // namespace
}  // namespace weir::rules
