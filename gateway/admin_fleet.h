// The decisions of every gateway of a fleet, from the database that they ship to.
#pragma once

#include "gateway/admin_route.h"

namespace weir::gateway {

// A page as of one ledger's decisions, with the log of each record beside it. `query` has the
// question's filters and limit. A database that is away costs five seconds, then 503.
absl::StatusOr<AdminAnswer> FleetDecisions(const AdminQuestion& question, const audit::Query& query,
                                           const Config& config);

}  // namespace weir::gateway
