#include "gateway/staff.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace weir::gateway {
namespace {

StaffMember Member(std::string id, Roles roles, const std::string& token) {
  StaffMember member{.id = std::move(id), .roles = roles};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         member.token_sha256.data());
  return member;
}

TEST(StaffTest, IsIdentifiedByTheTokenAlone) {
  const std::vector<StaffMember> staff = {Member("wang", {Role::kAuditor}, "w-token"),
                                          Member("li", {Role::kLegal}, "l-token")};
  EXPECT_EQ(Identify(staff, "Bearer w-token"), &staff[0]);
  EXPECT_EQ(Identify(staff, "bearer l-token"), &staff[1]);
  for (const std::string no : {"", "Bearer", "Bearer ", "Bearer w-tokem", "Bearer w-token ",
                               "Bearer  w-token", "w-token", "Basic w-token", "Bearer wang"}) {
    EXPECT_EQ(Identify(staff, no), nullptr) << no;
  }
  EXPECT_EQ(Identify({}, "Bearer w-token"), nullptr);
}

TEST(StaffTest, RolesAreASet) {
  const Roles readers = {Role::kAuditor, Role::kLegal};
  EXPECT_EQ(readers.FirstOf({Role::kOperator}), std::nullopt);
  EXPECT_EQ(readers.FirstOf({Role::kOperator, Role::kLegal}), Role::kLegal);
  EXPECT_TRUE(Roles().empty());
  EXPECT_EQ(readers.ToString(), "auditor, legal");
}

}  // namespace
}  // namespace weir::gateway
