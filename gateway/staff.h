// People who may look at the ledger and govern the gateway, and how they show who they are.
//
// A person has a name, roles and a token, which is sent as `Authorization: Bearer`. Of the token
// only the SHA-256 is kept; it is compared in constant time with that of every member, and stands
// in no log and no record. Values only.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::gateway {

enum class Role : uint8_t {
  kAuditor,     // searches the ledger, sees decisions, takes evidence
  kCompliance,  // the same, and governs the rules
  kOperator,    // runs the gateway
  kLegal,       // sees decisions, erases and holds
};
inline constexpr Role kRoles[] = {Role::kAuditor, Role::kCompliance, Role::kOperator, Role::kLegal};
std::string_view Name(Role role);

// A set of roles.
class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) Add(role);
  }
  constexpr void Add(Role role) { bits_ |= 1U << static_cast<unsigned>(role); }
  constexpr bool Has(Role role) const { return (bits_ >> static_cast<unsigned>(role) & 1U) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  // The first role that both have.
  std::optional<Role> FirstOf(Roles other) const;
  // "auditor, legal"
  std::string ToString() const;

  friend constexpr bool operator==(Roles, Roles) = default;

 private:
  unsigned bits_ = 0;
};

struct StaffMember {
  std::string id;
  Roles roles;
  std::array<uint8_t, 32> token_sha256{};
};

// Whose token an Authorization field holds; null when it is nobody's or there is none. Takes the
// same time whoever it is.
const StaffMember* Identify(const std::vector<StaffMember>& staff, std::string_view authorization);

}  // namespace weir::gateway
