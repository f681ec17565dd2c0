// Stored content as people ask for it: shown, erased, held, released. Each leaves a record of its
// own before anything comes of it (audit/reveal.h, audit/ledger.h).
#pragma once

#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "audit/ledger.h"
#include "gateway/admin_route.h"

namespace weir::gateway {

// Who may see content, and who decides over it.
inline constexpr Roles kContentReaders = {Role::kAuditor, Role::kLegal};
inline constexpr Roles kContentKeepers = {Role::kLegal};

// The role in which a person asks for content: `legal` for who has it, since that sees more.
Role ContentRole(const std::vector<StaffMember>& staff, std::string_view person, Role otherwise);

// Calls what takes a Ledger::Done and waits for it.
absl::StatusOr<audit::Receipt> AwaitReceipt(
    absl::FunctionRef<void(audit::Ledger::Done done)> request);

std::vector<AdminRoute> ContentRoutes();

}  // namespace weir::gateway
