// Every window is found under its hash, however many have the same one.
#include "rules/window_index.h"

#include <array>
#include <map>
#include <random>
#include <set>
#include <span>
#include <tuple>
#include <utility>

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
  for (const auto& [key, windows] : added) {
    const auto [size, hash] = key;
    EXPECT_TRUE(index.filter().Has(size, hash));
    std::set<Window> found;
    index.ForEach(size, hash, [&](const WindowIndex::Window& window, uint16_t beside) {
      if (window.size == size) found.insert({window.form, window.offset, beside});
    });
    for (const Window& window : windows) ASSERT_TRUE(found.contains(window));
    ASSERT_LE(found.size(), windows.size() + 10);
  }
}

TEST(WindowIndexTest, MayBeEmpty) {
  WindowIndex index;
  index.Build();
  EXPECT_EQ(index.marks_max(), 0U);
  index.ForEach(1, 7, [](const WindowIndex::Window&, uint16_t) { ADD_FAILURE(); });
}

}  // namespace
}  // namespace weir::rules
