// Every rule of a bundle, compiled: immutable, shared by all threads, and named by its digest.
//
// Compile() does all the work that can fail: Hyperscan databases for words and prefilters, RE2
// objects to confirm, the prefix sets that decide the hold-back of a stream, and the run of every
// rule's own `hit` and `miss` tests. A set that compiled never fails to scan for a reason of its
// own making. Compiling 10,000 words takes well under a second, 100,000 some seconds: never call it
// on a thread that serves exchanges.
//
// Immutable and thread-safe once built. Destroy it only when no scan of it is running.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "rules/rule.h"

namespace weir::rules {

// What `weir rules stats` shows of one rule.
struct RuleStats {
  enum class Guarantee : uint8_t { kWhole, kCompletion };
  Guarantee guarantee = Guarantee::kWhole;
  uint32_t width_characters_max = 0;  // of the longest match, in lane characters
  LaneSet lanes = 0;
  uint32_t words = 0;
  uint32_t expressions = 0;

  // What it costs to look for, of its matchers the dearest; each costs more than those before it.
  enum class Cost : uint8_t {
    kWords,       // words and detectors: hardly depends on how many there are
    kWideLanes,   // words in lanes pinyin, shape or decoded, which are more to read
    kFixed,       // expressions with fixed characters: RE2 reads texts that have those
    kLoose,       // an expression without two fixed characters in a row: RE2 reads many texts
    kUnfiltered,  // an expression that Hyperscan will not take: RE2 reads every text
    kOpen,        // an expression that nearly any character begins: all of a stream waits for it
  };
  Cost cost = Cost::kWords;
};
inline constexpr size_t kCostCount = 6;

class RuleSet {
 public:
  // On failure, `problems` holds every rule test that did not come out as written and everything
  // else that kept the set from compiling, and the result is null. With a cache folder, what takes
  // long is taken from there and left there (database_cache.h); the rules' tests run all the same.
  static std::shared_ptr<const RuleSet> Compile(std::vector<Pack> packs,
                                                std::vector<Problem>& problems,
                                                const std::string& cache_folder = "");

  RuleSet(const RuleSet&) = delete;  // Scans hold plain references to it.
  RuleSet& operator=(const RuleSet&) = delete;
  ~RuleSet();

  // Rules are numbered from 0 in pack and file order; Finding::rule is such a number.
  size_t rule_count() const;
  const Rule& rule(uint32_t index) const;
  RuleStats stats(uint32_t index) const;
  const std::vector<Pack>& packs() const;

  // "sha256:" + 64 hex digits over everything that decides what the set finds.
  std::string_view digest() const;

  // Whether every database came from the cache; and what was wrong with the cache, to be logged.
  bool from_cache() const;
  const std::vector<std::string>& cache_problems() const;

  // Bytes held by the packs' texts and all that was made of them. Of RE2, which does not tell,
  // estimated; what it remembers of texts is not part of it (at most 8 MB an expression).
  size_t memory_bytes() const;

  struct Compiled;  // rules/compiled.h; for the scanner alone
  const Compiled& compiled() const { return *compiled_; }

 private:
  explicit RuleSet(std::unique_ptr<const Compiled> compiled);
  const std::unique_ptr<const Compiled> compiled_;
};

}  // namespace weir::rules
