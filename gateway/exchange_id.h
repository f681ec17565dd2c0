// Names for exchanges: UUID version 7 (RFC 9562), so that ids sort by time.
#pragma once

#include <string>

namespace weir::gateway {

// "0192f0c1-7b3a-7c55-8d0e-6f1a2b3c4d5e". Random bits from a generator seeded by the system; ids
// are names, not secrets. Thread-safe.
std::string NewExchangeId();

}  // namespace weir::gateway
