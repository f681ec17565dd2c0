#include "gateway/staff.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace weir::gateway {

std::string_view Name(Role role) {
  switch (role) {
    case Role::kAuditor:
      return "auditor";
    case Role::kCompliance:
      return "compliance";
    case Role::kOperator:
      return "operator";
    case Role::kLegal:
      return "legal";
  }
  return "";
}

std::optional<Role> Roles::FirstOf(Roles other) const {
  for (const Role role : kRoles) {
    if (Has(role) && other.Has(role)) return role;
  }
  return std::nullopt;
}

std::string Roles::ToString() const {
  std::string names;
  for (const Role role : kRoles) {
    if (Has(role)) names.append(names.empty() ? "" : ", ").append(Name(role));
  }
  return names;
}

const StaffMember* Identify(const std::vector<StaffMember>& staff, std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return nullptr;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kScheme[i]) return nullptr;
  }
  const std::string_view token = authorization.substr(kScheme.size());
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  const StaffMember* found = nullptr;
  for (const StaffMember& member : staff) {
    if (CRYPTO_memcmp(member.token_sha256.data(), digest.data(), digest.size()) == 0) {
      found = &member;
    }
  }
  return found;
}

}  // namespace weir::gateway
