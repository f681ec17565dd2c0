// The ledger's records as people ask for them: a page of those that match, one with all of its
// exchange, its evidence.
#pragma once

#include <vector>

#include "gateway/admin_route.h"

namespace weir::gateway {

std::vector<AdminRoute> DecisionRoutes();

}  // namespace weir::gateway
