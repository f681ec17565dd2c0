// Any bytes as a rule pack: the parser says what is wrong or gives rules that compile, or at least
// fail by their own tests alone; never does it crash or hang.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rules/check.h"
#include "rules/rule_set.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weir::rules::Pack;
  using weir::rules::Problem;
  const int file = memfd_create("pack.yaml", 0);
  WEIR_CHECK(file >= 0);
  WEIR_CHECK(write(file, data, size) == static_cast<ssize_t>(size));
  std::vector<Problem> problems;
  std::vector<Pack> packs =
      weir::rules::ParsePacks({"/proc/self/fd/" + std::to_string(file)}, problems);
  close(file);
  for (const Problem& problem : problems) WEIR_CHECK(!problem.reason.empty());
  if (problems.empty()) {
    WEIR_CHECK(!packs.empty());
    const auto compiled = weir::rules::RuleSet::Compile(std::move(packs), problems);
    WEIR_CHECK((compiled == nullptr) == !problems.empty());
  }
  return 0;
}
