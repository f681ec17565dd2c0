// The bodies of `weir audit query --fleet` and `weir audit verify --fleet`, as audit/commands.h has
// those of one ledger: exit code 0 done, 1 the answer is no, 2 usage or environment.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "audit/reader.h"

namespace weir::audit {

struct FleetCommandOptions {
  std::string database = {};  // a libpq connection string
  bool json = false;
  std::string before = {};  // a place that the page before named; empty: from the newest on
};

int ShowFleetQuery(const FleetCommandOptions& options, const Query& query, std::ostream& out,
                   std::ostream& err);
int VerifyFleet(const FleetCommandOptions& options, const std::vector<std::string>& key_files,
                std::ostream& out, std::ostream& err);

}  // namespace weir::audit
