#include "policy/mask.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "policy/profile.h"
#include "tests/seed.h"

namespace weir::policy {
namespace {

std::vector<Edit> Merged(std::vector<Mask> masks) {
  MergeMasks(masks);
  std::vector<Edit> edits;
  for (const Mask& mask : masks) edits.push_back(ToEdit(mask));
  return edits;
}

TEST(MaskTest, ADetectorKeepsItsPartialMask) {
  EXPECT_EQ(Merged({{3, 14, "［个人信息］", "138****8000"}}),
            (std::vector<Edit>{{3, 14, "138****8000"}}));
  EXPECT_EQ(
      Merged({{3, 14, "［个人信息］", "138****8000"}, {3, 14, "［个人信息］", "138****8000"}}),
      (std::vector<Edit>{{3, 14, "138****8000"}}));
}

TEST(MaskTest, OverlappingMasksBecomeOneAndShowNothing) {
  EXPECT_EQ(Merged({{3, 14, "［个人信息］", "138****8000"}, {5, 20, "［个人信息］", ""}}),
            (std::vector<Edit>{{3, 20, "［个人信息］"}}));
  EXPECT_EQ(Merged({{3, 14, "［个人信息］", "138****8000"}, {5, 8, "［商业秘密］", ""}}),
            (std::vector<Edit>{{3, 14, std::string(kMaskText)}}));
  EXPECT_EQ(Merged({{0, 4, "a", ""}, {2, 6, "a", ""}, {5, 9, "a", ""}}),
            (std::vector<Edit>{{0, 9, "a"}}));
}

TEST(MaskTest, MasksThatTouchStayApart) {
  EXPECT_EQ(Merged({{4, 8, "b", ""}, {0, 4, "a", ""}}),
            (std::vector<Edit>{{0, 4, "a"}, {4, 8, "b"}}));
}

TEST(MaskTest, TheOrderOfFindingsDoesNotMatter) {
  std::mt19937_64 random(Seed());
  const auto below = [&](uint64_t limit) { return random() % limit; };
  static constexpr std::string_view kTexts[] = {"x", "y"};
  static constexpr std::string_view kPartials[] = {"", "", "p", "q"};
  for (int round = 0; round < 2000; ++round) {
    std::vector<Mask> masks;
    for (uint64_t i = 1 + below(6); i > 0; --i) {
      const uint64_t start = below(20);
      masks.push_back(
          {start, start + 1 + below(6), kTexts[below(2)], std::string(kPartials[below(4)])});
    }
    const std::vector<Edit> expected = Merged(masks);
    // All at once in another order, and one after the other as a stream does.
    std::shuffle(masks.begin(), masks.end(), random);
    EXPECT_EQ(Merged(masks), expected);
    std::vector<Mask> grown;
    for (const Mask& mask : masks) {
      grown.push_back(mask);
      MergeMasks(grown);
    }
    EXPECT_EQ(Merged(grown), expected);
    for (size_t i = 1; i < expected.size(); ++i) {
      EXPECT_LE(expected[i - 1].end, expected[i].start);
    }
  }
}

}  // namespace
}  // namespace weir::policy
