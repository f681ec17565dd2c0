// Randomness that can be repeated: the seed is printed, WEIR_SEED sets it.
#pragma once

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace weir::audit {

inline std::mt19937_64 SeededRandom() {
  const char* given = std::getenv("WEIR_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "WEIR_SEED=" << seed << "\n";
  return std::mt19937_64(seed);
}

}  // namespace weir::audit
