#include "tests/policy/allocations.h"

#include <cstdlib>
#include <new>

#include "rules/check.h"

namespace {

thread_local size_t allocations = 0;

}  // namespace

namespace weir::policy {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const bool kAllocationsAreCounted = false;
#else
const bool kAllocationsAreCounted = true;
#endif

size_t Allocations() {
  return allocations;
}

}  // namespace weir::policy

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  WEIR_CHECK(memory != nullptr);
  return memory;
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif
