// How often the calling thread has allocated: the global operator new of this program counts.
#pragma once

#include <cstddef>

namespace weir::policy {

// False under a sanitizer, which brings an operator new of its own.
extern const bool kAllocationsAreCounted;

size_t Allocations();

}  // namespace weir::policy
