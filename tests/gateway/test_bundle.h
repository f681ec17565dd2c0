// The bundle of tests/gateway/data, and an application that it judges: for tests, benchmarks and
// fuzz targets of what judges.
#pragma once

#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

#include "policy/bundle.h"
#include "policy/judge.h"

namespace weir::gateway {

// Loaded once per program, which ends when it cannot be.
inline const policy::Bundle& TestBundle() {
  static const std::shared_ptr<const policy::Bundle> bundle = [] {
    policy::BundleSources sources;
    sources.pack_paths = {WEIR_SOURCE_DIR "/tests/gateway/data/pack.yaml"};
    sources.profile_paths = {WEIR_SOURCE_DIR "/tests/gateway/data/profile.yaml"};
    std::vector<rules::Problem> problems;
    auto loaded = policy::Bundle::Load(sources, problems);
    for (const rules::Problem& problem : problems) std::cerr << problem.ToString() << "\n";
    if (loaded == nullptr) std::abort();
    return loaded;
  }();
  return *bundle;
}

inline const policy::Subject& TestSubject() {
  static const policy::Subject subject = [] {
    policy::Subject made;
    made.profile = TestBundle().FindProfile("test");
    return made;
  }();
  return subject;
}

}  // namespace weir::gateway
