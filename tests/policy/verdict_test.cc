#include "policy/verdict.h"

#include <gtest/gtest.h>

namespace weir::policy {
namespace {

TEST(VerdictTest, TheStrongestActionIsTheGreatest) {
  EXPECT_LT(Action::kAllow, Action::kFlag);
  EXPECT_LT(Action::kFlag, Action::kMask);
  EXPECT_LT(Action::kMask, Action::kReplace);
  EXPECT_LT(Action::kReplace, Action::kBlock);
}

TEST(VerdictTest, ActionsHaveTheNamesOfProfilesAndRecords) {
  EXPECT_EQ(Name(Action::kAllow), "allow");
  EXPECT_EQ(Name(Action::kFlag), "flag");
  EXPECT_EQ(Name(Action::kMask), "mask");
  EXPECT_EQ(Name(Action::kReplace), "replace");
  EXPECT_EQ(Name(Action::kBlock), "block");
}

TEST(ApplyEditsTest, ReplacesWhatTheEditsSay) {
  EXPECT_EQ(ApplyEdits("0123456789", {}), "0123456789");
  EXPECT_EQ(ApplyEdits("0123456789", {{0, 2, "ab"}, {2, 3, ""}, {9, 10, "xyz"}}), "ab345678xyz");
  EXPECT_EQ(ApplyEdits("01", {{0, 2, "all"}}), "all");
  EXPECT_EQ(ApplyEdits("", {}), "");
}

TEST(ApplyEditsDeathTest, RefusesEditsThatCannotBe) {
  EXPECT_DEATH(ApplyEdits("0123", {{2, 5, ""}}), "broken invariant");
  EXPECT_DEATH(ApplyEdits("0123", {{0, 3, ""}, {2, 4, ""}}), "broken invariant");
}

}  // namespace
}  // namespace weir::policy
