// Waiting for what a ledger's own threads do by and by.
#pragma once

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>

namespace weir::audit {

// Asks until the condition holds; fails after a minute and a half, which nothing takes that comes
// at all, however busy the machine.
template <typename Condition>
testing::AssertionResult Soon(Condition condition) {
  const absl::Time until = absl::Now() + absl::Seconds(90);
  while (!condition()) {
    if (absl::Now() > until) return testing::AssertionFailure() << "not within 90 seconds";
    absl::SleepFor(absl::Milliseconds(5));
  }
  return testing::AssertionSuccess();
}

}  // namespace weir::audit
