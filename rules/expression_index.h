// All expressions of a rule set: prefiltered by Hyperscan, confirmed by RE2, and followed through a
// stream by one machine.
//
// Matches are leftmost-longest and do not overlap, each expression and lane for itself.
//
// In a stream every expression is followed character by character by the set of places that its
// program may have reached, each with the earliest start that leads there. That answers exactly
// from where the text could still grow into a match: the least start of any place. When a place
// accepts, RE2 reads the text; its match is final once no place is left that began at or before it.
//
// Immutable and thread-safe once built; an ExpressionStream belongs to one scan.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "rules/database_cache.h"
#include "rules/expression.h"
#include "rules/lane_text.h"
#include "rules/rule.h"
#include "rules/word_index.h"

struct hs_database;
struct hs_scratch;

namespace weir::rules {

struct ExpressionUse {
  Expression expression;
  uint32_t leaf = 0;
  LaneSet lanes = 0;
  DirectionSet directions = kNoDirection;
  bool part = false;  // of an all or near: a reason to hold text back only if it could complete it
};

// The programs of all expressions of one variant, one behind the other.
struct ExpressionMachine {
  struct Place {
    Instruction instruction;
    uint32_t use = 0;
    bool accepts = false;  // a match ends here, whatever follows
    bool waits = false;    // a match ends here if the next character allows
    bool lives = false;    // waits, or a match could still end later
  };
  std::vector<Place> places;
  std::vector<CharacterSet> sets;
  std::vector<uint32_t> entries;     // use -> its first place; kNoEntry if it has none
  std::vector<CharacterSet> firsts;  // use -> characters that can begin a match
  absl::flat_hash_map<char32_t, std::vector<uint32_t>> starters;  // character -> uses
  std::vector<uint32_t> wide_starters;  // uses that too many characters can begin

  static constexpr uint32_t kNoEntry = 0xFFFFFFFF;
};

class ExpressionIndex {
 public:
  ExpressionIndex();
  ExpressionIndex(ExpressionIndex&&) noexcept;
  ExpressionIndex& operator=(ExpressionIndex&&) noexcept;
  ~ExpressionIndex();

  // Takes Hyperscan's databases from `cache` where it has them, and leaves them there.
  static absl::Status Build(std::vector<ExpressionUse> uses, const DatabaseCache& cache,
                            ExpressionIndex& index);

  bool empty() const { return uses_.empty(); }
  LaneSet lanes() const { return lanes_; }
  const ExpressionUse& use(uint32_t number) const { return uses_[number]; }
  const hs_database* database(bool exact) const { return databases_[exact ? 0 : 1].get(); }
  const ExpressionMachine& machine(bool exact) const { return machines_[exact ? 0 : 1]; }

  // Whether Hyperscan would not take a use, so that it is a candidate in every text.
  bool IsUnfiltered(uint32_t number) const;

  // Appends the uses that may match in a lane text, each once, in order. Over-approximates.
  absl::Status Prefilter(Lane lane, std::string_view text, hs_scratch* scratch,
                         std::vector<uint32_t>& candidates) const;

  // The leftmost-longest match of a use in `text` that begins at or behind `from`.
  bool Find(uint32_t use, Lane lane, std::string_view text, size_t from, Span& match) const;
  // Whether all of `text` is a match.
  bool MatchesAll(uint32_t use, Lane lane, std::string_view text) const;

  size_t memory_bytes() const;

  // How many databases were made and how many came from the cache, and what was wrong with it:
  // sentences.
  struct CacheUse {
    uint32_t made = 0;
    uint32_t loaded = 0;
    std::vector<std::string> problems;
  };
  const CacheUse& cache_use() const { return cache_use_; }

 private:
  struct DatabaseDeleter {
    void operator()(hs_database* database) const;
  };
  using Database = std::unique_ptr<hs_database, DatabaseDeleter>;
  struct Matchers;  // RE2 of one use, per variant

  absl::Status BuildDatabase(bool exact, const DatabaseCache& cache);
  absl::Status CompileDatabase(bool exact, std::vector<uint32_t> ids);
  absl::Status LoadDatabase(bool exact, const DatabaseCache& cache, std::string_view key);
  absl::Status StoreDatabase(bool exact, const DatabaseCache& cache, std::string_view key) const;
  absl::Status AskKnownAnswers(bool exact) const;
  absl::Status AllCandidates(bool exact, std::string_view text, hs_scratch* scratch,
                             std::vector<uint32_t>& candidates) const;
  void BuildMachine(bool exact);

  std::vector<ExpressionUse> uses_;
  std::vector<Matchers> matchers_;
  LaneSet lanes_ = 0;
  Database databases_[2];
  std::vector<uint32_t> unfiltered_[2];  // uses that Hyperscan would not take
  ExpressionMachine machines_[2];
  CacheUse cache_use_;
};

// One lane of one stream.
class ExpressionStream {
 public:
  struct Match {
    uint32_t use;
    Span span;  // lane offsets
  };

  void Begin(const ExpressionIndex& index, Lane lane, DirectionSet direction);
  // Goes on for the expressions of `direction` alone.
  void Narrow(DirectionSet direction);

  // Reads what `text` holds from its offset `from` on, which follows what was read before, and
  // appends the matches that are now final. After `final` nothing is undecided.
  void Advance(const LaneText& text, uint64_t from, bool final, std::vector<Match>& matches);

  // The least lane offset from which a match could still grow; `end` when none could.
  uint64_t TailStart(uint64_t end) const { return threads_.empty() ? end : threads_.front().start; }
  // The same, parts left out.
  uint64_t HoldStart(uint64_t end) const;
  // Lists from which lane offsets a match could still grow: of parts, or of `each` expression.
  struct GrowingMatch {
    uint32_t leaf;
    uint64_t start;
    bool ended;  // it may end in what was read
    bool open;   // it may begin anywhere from `start` on
  };
  void ForEachGrowing(bool each, absl::FunctionRef<void(const GrowingMatch&)> visit) const;

 private:
  struct Thread {
    uint32_t place;
    uint64_t start;
  };
  struct Accepted {
    uint32_t use;
    uint64_t start;  // the least start of an accepting place
  };

  void Step(char32_t c, uint64_t offset, const uint32_t* only_use);
  void Follow(Thread thread, char32_t c);
  void Accept(uint32_t use, uint64_t start);
  bool Resolve(Accepted& accepted, const LaneText& text, bool final, std::vector<Match>& matches);
  void Restart(uint32_t use, const LaneText& text, uint64_t from, bool final);

  const ExpressionIndex* index_ = nullptr;
  const ExpressionMachine* machine_ = nullptr;
  Lane lane_ = Lane::kFold;
  DirectionSet direction_ = kNoDirection;
  char32_t previous_ = kInvalidByte;
  std::vector<Thread> threads_;  // by start
  std::vector<Thread> next_;
  std::vector<Accepted> accepted_;
};

}  // namespace weir::rules
