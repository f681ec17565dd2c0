// The ledger as a C2SP tlog-tiles log: what a monitor or a mirror reads under /tiles.
#pragma once

#include <vector>

#include "gateway/admin_route.h"

namespace weir::gateway {

// Checkpoint and hashes are for everybody who reaches the admin plane; entries, which are records
// with the ids of users, for those who may read records. A failed look-up is 404.
std::vector<AdminRoute> TileRoutes();

}  // namespace weir::gateway
