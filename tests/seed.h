// The seed of a property test: WEIR_SEED, else a new one each run; printed, so that a failure can
// be run again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace weir {

inline uint64_t Seed() {
  const char* given = std::getenv("WEIR_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "WEIR_SEED=" << seed << '\n';
  return seed;
}

}  // namespace weir
