#include "rules/expression_index.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include <hs/hs.h>
#include <re2/re2.h>

#include "rules/concat.h"
#include "rules/digest.h"

namespace weir::rules {
namespace {

// A first character out of more than this many is checked for each use instead of being indexed.
constexpr size_t kStarterSetSizeMax = 512;

bool IsWordCharacter(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

const ExpressionVariant& VariantOf(const Expression& expression, bool exact) {
  return exact ? expression.exact() : expression.folded();
}

LaneSet LanesOf(bool exact) {
  return exact ? LaneBit(Lane::kExact)
               : static_cast<LaneSet>(LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton) |
                                      LaneBit(Lane::kDigits));
}

// RE2 does not tell bytes: an estimate, fitted to what the heap grew by and right within a factor
// of two. Most of it comes with the first matches, which the rule's own tests make: the program
// read backwards and the automata's states. What other texts add (at most 8 MB an expression) is
// not part of it.
size_t MemoryOf(const RE2& re2) {
  constexpr size_t kFixedBytes = 16'000;
  constexpr size_t kInstructionBytes = 150;
  return kFixedBytes + kInstructionBytes * static_cast<size_t>(re2.ProgramSize()) +
         re2.pattern().size();
}

constexpr unsigned kHyperscanFlags = HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL;

// Everything that decides what Hyperscan makes of the expressions `ids`.
std::string CacheKey(const std::vector<ExpressionUse>& uses, const std::vector<uint32_t>& ids,
                     bool exact) {
  Digest digest;
  digest.Add(std::string_view(hs_version()));
  hs_platform_info_t platform{};
  hs_populate_platform(&platform);
  digest.Add(uint64_t{platform.tune});
  digest.Add(uint64_t{platform.cpu_features});
  digest.Add(uint64_t{kHyperscanFlags});
  digest.Add(uint64_t{ids.size()});
  for (const uint32_t id : ids) {
    digest.Add(uint64_t{id});
    digest.Add(std::string_view(VariantOf(uses[id].expression, exact).prefilter));
  }
  return digest.Finish();
}

void AppendNumber(uint32_t number, std::string& bytes) {
  for (size_t i = 0; i < sizeof(number); ++i) {
    bytes.push_back(static_cast<char>(static_cast<uint8_t>(number >> (8 * i))));
  }
}

bool TakeNumber(std::string_view& bytes, uint32_t& number) {
  if (bytes.size() < sizeof(number)) return false;
  number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) {
    number |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  }
  bytes.remove_prefix(sizeof(number));
  return true;
}

// A text that matches, if its word boundaries are taken to hold: with every repetition at its
// greatest and the first of every choice, or at its least and the last.
std::string SampleOf(const ExpressionVariant& variant, bool longest) {
  std::string sample;
  for (uint32_t at = 0; variant.program[at].kind != Instruction::Kind::kMatch;) {
    const Instruction& instruction = variant.program[at];
    if (instruction.kind == Instruction::Kind::kSet) {
      const auto& ranges = variant.sets[instruction.other].ranges();
      AppendUtf8(longest ? ranges.front().first : ranges.back().second, sample);
    }
    const bool other = instruction.kind == Instruction::Kind::kSplit && !longest;
    at = other ? instruction.other : instruction.next;
  }
  return sample;
}

// What can be reached from a place without reading a character.
struct Reach {
  bool accepts = false;     // the end, past no condition
  bool accepts_if = false;  // the end, past a word boundary
  bool reads = false;       // an instruction that reads a character
};

// Of each place of a program. Programs have no loops: every way leads forward.
std::vector<Reach> ReachOf(const std::vector<Instruction>& program) {
  std::vector<Reach> reaches(program.size());
  for (size_t at = program.size(); at-- > 0;) {
    Reach& reach = reaches[at];
    const Instruction& instruction = program[at];
    switch (instruction.kind) {
      case Instruction::Kind::kMatch:
        reach.accepts = true;
        break;
      case Instruction::Kind::kSet:
        reach.reads = true;
        break;
      case Instruction::Kind::kSplit: {
        const Reach& other = reaches[instruction.other];
        reach = reaches[instruction.next];
        reach.accepts = reach.accepts || other.accepts;
        reach.accepts_if = reach.accepts_if || other.accepts_if;
        reach.reads = reach.reads || other.reads;
        break;
      }
      case Instruction::Kind::kJump:
        reach = reaches[instruction.next];
        break;
      case Instruction::Kind::kWordBoundary:
      case Instruction::Kind::kNoWordBoundary:
        reach = reaches[instruction.next];
        reach.accepts_if = reach.accepts_if || reach.accepts;
        reach.accepts = false;
        break;
    }
  }
  return reaches;
}

// Which places a step has been to. Shared by all machines of a thread: each step has its number.
class Visited {
 public:
  void Begin(size_t places) {
    if (marks_.size() < places) marks_.resize(places);
    if (++step_ == 0) {
      std::fill(marks_.begin(), marks_.end(), 0);
      step_ = 1;
    }
  }
  bool Add(uint32_t place) { return std::exchange(marks_[place], step_) != step_; }

 private:
  std::vector<uint32_t> marks_;
  uint32_t step_ = 0;
};
thread_local Visited visited;
thread_local std::vector<uint32_t> follow_stack;

}  // namespace

struct ExpressionIndex::Matchers {
  std::unique_ptr<const RE2> variants[2];
};

ExpressionIndex::ExpressionIndex() = default;
ExpressionIndex::ExpressionIndex(ExpressionIndex&&) noexcept = default;
ExpressionIndex& ExpressionIndex::operator=(ExpressionIndex&&) noexcept = default;
ExpressionIndex::~ExpressionIndex() = default;

void ExpressionIndex::DatabaseDeleter::operator()(hs_database* database) const {
  hs_free_database(database);
}

absl::Status ExpressionIndex::Build(std::vector<ExpressionUse> uses, const DatabaseCache& cache,
                                    ExpressionIndex& index) {
  index.uses_ = std::move(uses);
  RE2::Options options;
  options.set_log_errors(false);
  options.set_longest_match(true);
  for (const ExpressionUse& use : index.uses_) {
    Matchers& matchers = index.matchers_.emplace_back();
    index.lanes_ |= use.lanes;
    for (const bool exact : {true, false}) {
      if ((use.lanes & LanesOf(exact)) == 0) continue;
      auto re2 = std::make_unique<const RE2>(VariantOf(use.expression, exact).pattern, options);
      if (!re2->ok()) {
        return absl::InternalError(Concat("RE2 cannot compile an expression: ", re2->error()));
      }
      matchers.variants[exact ? 0 : 1] = std::move(re2);
    }
  }
  for (const bool exact : {true, false}) {
    index.BuildMachine(exact);
    if (absl::Status status = index.BuildDatabase(exact, cache); !status.ok()) {
      return status;
    }
  }
  // Everything is made from them now.
  for (ExpressionUse& use : index.uses_) use.expression = Expression();
  return absl::OkStatus();
}

absl::Status ExpressionIndex::BuildDatabase(bool exact, const DatabaseCache& cache) {
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < uses_.size(); ++i) {
    if ((uses_[i].lanes & LanesOf(exact)) != 0) ids.push_back(i);
  }
  if (ids.empty()) return absl::OkStatus();
  const std::string key = cache.enabled() ? CacheKey(uses_, ids, exact) : "";
  if (cache.enabled()) {
    const absl::Status loaded = LoadDatabase(exact, cache, key);
    if (loaded.ok()) {
      ++cache_use_.loaded;
      return loaded;
    }
    if (!absl::IsNotFound(loaded)) cache_use_.problems.emplace_back(loaded.message());
  }
  if (absl::Status status = CompileDatabase(exact, std::move(ids)); !status.ok()) return status;
  ++cache_use_.made;
  if (absl::Status status = AskKnownAnswers(exact); !status.ok()) return status;
  if (!cache.enabled()) return absl::OkStatus();
  const absl::Status stored = StoreDatabase(exact, cache, key);
  if (!stored.ok()) cache_use_.problems.emplace_back(stored.message());
  return absl::OkStatus();
}

absl::Status ExpressionIndex::CompileDatabase(bool exact, std::vector<uint32_t> ids) {
  std::vector<const char*> patterns;
  for (const uint32_t id : ids) {
    patterns.push_back(VariantOf(uses_[id].expression, exact).prefilter.c_str());
  }
  std::vector<unsigned> flags(ids.size(), kHyperscanFlags);
  // A pattern that Hyperscan will not take is left to RE2 alone.
  while (!patterns.empty()) {
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(patterns.data(), flags.data(), ids.data(),
                         static_cast<unsigned>(patterns.size()), HS_MODE_BLOCK, nullptr, &database,
                         &error) == HS_SUCCESS) {
      databases_[exact ? 0 : 1].reset(database);
      break;
    }
    const int culprit = error != nullptr ? error->expression : -1;
    const std::string message = error != nullptr ? error->message : "out of memory";
    hs_free_compile_error(error);
    if (culprit < 0) {
      return absl::InternalError(Concat("Hyperscan cannot compile the expressions: ", message));
    }
    unfiltered_[exact ? 0 : 1].push_back(ids[static_cast<size_t>(culprit)]);
    patterns.erase(patterns.begin() + culprit);
    flags.pop_back();
    ids.erase(ids.begin() + culprit);
  }
  return absl::OkStatus();
}

// A payload is the number of unfiltered uses, each of them, and the serialised database, if any.
absl::Status ExpressionIndex::StoreDatabase(bool exact, const DatabaseCache& cache,
                                            std::string_view key) const {
  const std::vector<uint32_t>& unfiltered = unfiltered_[exact ? 0 : 1];
  std::string payload;
  AppendNumber(static_cast<uint32_t>(unfiltered.size()), payload);
  for (const uint32_t use : unfiltered) AppendNumber(use, payload);
  if (database(exact) != nullptr) {
    char* bytes = nullptr;
    size_t size = 0;
    if (hs_serialize_database(database(exact), &bytes, &size) != HS_SUCCESS) {
      return absl::InternalError("Hyperscan cannot serialise its database for the rule cache");
    }
    // Hyperscan's allocator, which nobody changes.
    const std::unique_ptr<char, decltype(&std::free)> owner(bytes, &std::free);
    payload.append(bytes, size);
  }
  return cache.Store(key, payload);
}

absl::Status ExpressionIndex::LoadDatabase(bool exact, const DatabaseCache& cache,
                                           std::string_view key) {
  absl::StatusOr<std::string> payload = cache.Load(key);
  if (!payload.ok()) return payload.status();
  const auto refuse = [](std::string_view why) {
    return absl::DataLossError(Concat("a cached database of expressions is not used: ", why));
  };
  std::string_view rest = *payload;
  uint32_t count = 0;
  if (!TakeNumber(rest, count) || count > uses_.size()) return refuse("it is malformed");
  std::vector<uint32_t> unfiltered(count);
  for (uint32_t& use : unfiltered) {
    if (!TakeNumber(rest, use) || use >= uses_.size()) return refuse("it is malformed");
  }
  if (!rest.empty()) {
    hs_database_t* database = nullptr;
    const hs_error_t error = hs_deserialize_database(rest.data(), rest.size(), &database);
    if (error != HS_SUCCESS) return refuse(Concat("Hyperscan refuses it with code ", error));
    databases_[exact ? 0 : 1].reset(database);
  }
  unfiltered_[exact ? 0 : 1] = std::move(unfiltered);
  const absl::Status answers = AskKnownAnswers(exact);
  if (answers.ok()) return answers;
  databases_[exact ? 0 : 1].reset();
  unfiltered_[exact ? 0 : 1].clear();
  return refuse(std::string(answers.message()));
}

// Each expression must be a candidate in texts that it matches but for word boundaries.
absl::Status ExpressionIndex::AskKnownAnswers(bool exact) const {
  hs_scratch_t* scratch = nullptr;
  if (database(exact) != nullptr && hs_alloc_scratch(database(exact), &scratch) != HS_SUCCESS) {
    return absl::ResourceExhaustedError("no memory for Hyperscan's scratch space");
  }
  const std::unique_ptr<hs_scratch_t, hs_error_t (*)(hs_scratch_t*)> owner(scratch,
                                                                           hs_free_scratch);
  std::vector<uint32_t> candidates;
  for (uint32_t i = 0; i < uses_.size(); ++i) {
    if ((uses_[i].lanes & LanesOf(exact)) == 0) continue;
    for (const bool longest : {false, true}) {
      const std::string sample = SampleOf(VariantOf(uses_[i].expression, exact), longest);
      candidates.clear();
      if (absl::Status status = AllCandidates(exact, sample, scratch, candidates); !status.ok()) {
        return status;
      }
      if (std::find(candidates.begin(), candidates.end(), i) != candidates.end()) continue;
      return absl::DataLossError(
          Concat("Hyperscan does not find an expression in a text that it matches: \"",
                 VariantOf(uses_[i].expression, exact).pattern, "\""));
    }
  }
  return absl::OkStatus();
}

void ExpressionIndex::BuildMachine(bool exact) {
  ExpressionMachine& machine = machines_[exact ? 0 : 1];
  std::map<std::vector<CharacterSet::Range>, uint32_t> set_numbers;  // most are used many times
  for (uint32_t i = 0; i < uses_.size(); ++i) {
    machine.entries.push_back(ExpressionMachine::kNoEntry);
    machine.firsts.emplace_back();
    if ((uses_[i].lanes & LanesOf(exact)) == 0) continue;
    const ExpressionVariant& variant = VariantOf(uses_[i].expression, exact);
    const std::vector<Reach> reaches = ReachOf(variant.program);
    const auto base = static_cast<uint32_t>(machine.places.size());
    machine.entries.back() = base;
    for (size_t at = 0; at < variant.program.size(); ++at) {
      const Reach& reach = reaches[at];
      ExpressionMachine::Place place{variant.program[at], i, reach.accepts, reach.accepts_if,
                                     reach.accepts_if || reach.reads};
      place.instruction.next += base;
      place.instruction.other += base;
      if (place.instruction.kind == Instruction::Kind::kSet) {
        const CharacterSet& set = variant.sets[variant.program[at].other];
        const auto [number, is_new] =
            set_numbers.try_emplace(set.ranges(), static_cast<uint32_t>(machine.sets.size()));
        if (is_new) machine.sets.push_back(set);
        place.instruction.other = number->second;
      }
      machine.places.push_back(place);
    }
    CharacterSet& first = machine.firsts.back();
    first = FirstOf(variant);
    if (first.size() > kStarterSetSizeMax) {
      machine.wide_starters.push_back(i);
      continue;
    }
    for (const auto& [low, high] : first.ranges()) {
      for (char32_t c = low; c <= high; ++c) machine.starters[c].push_back(i);
    }
    first = CharacterSet();  // only wide starters are asked
  }
  machine.places.shrink_to_fit();
}

// Appends the uses that may match in the text of some lane, in any order and several times.
absl::Status ExpressionIndex::AllCandidates(bool exact, std::string_view text, hs_scratch* scratch,
                                            std::vector<uint32_t>& candidates) const {
  candidates.insert(candidates.end(), unfiltered_[exact ? 0 : 1].begin(),
                    unfiltered_[exact ? 0 : 1].end());
  if (database(exact) == nullptr || text.empty()) return absl::OkStatus();
  if (text.size() > std::numeric_limits<unsigned>::max()) {
    return absl::InvalidArgumentError("a text of more than 4 GB cannot be scanned in one piece");
  }
  const hs_error_t error = hs_scan(
      database(exact), text.data(), static_cast<unsigned>(text.size()), 0, scratch,
      [](unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
        static_cast<std::vector<uint32_t>*>(context)->push_back(id);
        return 0;
      },
      &candidates);
  if (error == HS_SUCCESS) return absl::OkStatus();
  return absl::InternalError(Concat("Hyperscan failed with code ", error));
}

absl::Status ExpressionIndex::Prefilter(Lane lane, std::string_view text, hs_scratch* scratch,
                                        std::vector<uint32_t>& candidates) const {
  const size_t before = candidates.size();
  absl::Status status = AllCandidates(lane == Lane::kExact, text, scratch, candidates);
  if (!status.ok()) return status;
  const auto begin = candidates.begin() + static_cast<ptrdiff_t>(before);
  std::sort(begin, candidates.end());
  candidates.erase(std::unique(begin, candidates.end()), candidates.end());
  std::erase_if(candidates, [&](uint32_t use) { return (uses_[use].lanes & LaneBit(lane)) == 0; });
  return absl::OkStatus();
}

bool ExpressionIndex::IsUnfiltered(uint32_t number) const {
  return std::any_of(std::begin(unfiltered_), std::end(unfiltered_), [&](const auto& uses) {
    return std::find(uses.begin(), uses.end(), number) != uses.end();
  });
}

bool ExpressionIndex::Find(uint32_t use, Lane lane, std::string_view text, size_t from,
                           Span& match) const {
  re2::StringPiece found;
  const re2::StringPiece piece(text.data(), text.size());
  if (!matchers_[use].variants[lane == Lane::kExact ? 0 : 1]->Match(piece, from, text.size(),
                                                                    RE2::UNANCHORED, &found, 1)) {
    return false;
  }
  match.start = static_cast<uint64_t>(found.data() - text.data());
  match.end = match.start + found.size();
  return true;
}

bool ExpressionIndex::MatchesAll(uint32_t use, Lane lane, std::string_view text) const {
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()),
                        *matchers_[use].variants[lane == Lane::kExact ? 0 : 1]);
}

size_t ExpressionIndex::memory_bytes() const {
  size_t bytes = uses_.capacity() * sizeof(ExpressionUse) + matchers_.capacity() * sizeof(Matchers);
  for (const Database& database : databases_) {
    size_t size = 0;
    if (database != nullptr) hs_database_size(database.get(), &size);
    bytes += size;
  }
  for (const ExpressionMachine& machine : machines_) {
    bytes += machine.places.capacity() * sizeof(ExpressionMachine::Place) +
             machine.entries.capacity() * sizeof(uint32_t) +
             machine.wide_starters.capacity() * sizeof(uint32_t);
    for (const CharacterSet& set : machine.sets) bytes += set.memory_bytes();
    for (const CharacterSet& set : machine.firsts) bytes += set.memory_bytes();
    bytes += machine.starters.capacity() * (sizeof(*machine.starters.begin()) + 1);
    for (const auto& [c, uses] : machine.starters) bytes += uses.capacity() * sizeof(uint32_t);
  }
  for (const Matchers& matchers : matchers_) {
    for (const auto& re2 : matchers.variants) {
      if (re2 != nullptr) bytes += MemoryOf(*re2);
    }
  }
  return bytes;
}

void ExpressionStream::Begin(const ExpressionIndex& index, Lane lane, DirectionSet direction) {
  index_ = &index;
  machine_ = &index.machine(lane == Lane::kExact);
  lane_ = lane;
  direction_ = direction;
  previous_ = kInvalidByte;
  threads_.clear();
  accepted_.clear();
}

uint64_t ExpressionStream::HoldStart(uint64_t end) const {
  for (const Thread& thread : threads_) {
    if (!index_->use(machine_->places[thread.place].use).part) return thread.start;
  }
  return end;
}

void ExpressionStream::ForEachGrowing(bool each,
                                      absl::FunctionRef<void(const GrowingMatch&)> visit) const {
  for (const Thread& thread : threads_) {
    const ExpressionMachine::Place& place = machine_->places[thread.place];
    const ExpressionUse& use = index_->use(place.use);
    if (each || use.part) visit({use.leaf, thread.start, place.waits, false});
  }
  // Behind a match that is not final yet the next ones have not been looked for.
  for (const Accepted& accepted : accepted_) {
    const ExpressionUse& use = index_->use(accepted.use);
    if (each || use.part) visit({use.leaf, accepted.start, true, true});
  }
}

void ExpressionStream::Narrow(DirectionSet direction) {
  direction_ = direction;
  const auto looks = [&](uint32_t use) { return (index_->use(use).directions & direction) != 0; };
  std::erase_if(threads_,
                [&](const Thread& thread) { return !looks(machine_->places[thread.place].use); });
  std::erase_if(accepted_, [&](const Accepted& accepted) { return !looks(accepted.use); });
}

void ExpressionStream::Accept(uint32_t use, uint64_t start) {
  for (Accepted& accepted : accepted_) {
    if (accepted.use != use) continue;
    accepted.start = std::min(accepted.start, start);
    return;
  }
  accepted_.push_back({use, start});
}

// Takes one thread past the character `c`, through all that needs no character first.
void ExpressionStream::Follow(Thread thread, char32_t c) {
  std::vector<uint32_t>& stack = follow_stack;
  stack.assign(1, thread.place);
  while (!stack.empty()) {
    const uint32_t at = stack.back();
    stack.pop_back();
    if (!visited.Add(at)) continue;
    const ExpressionMachine::Place& place = machine_->places[at];
    const Instruction& instruction = place.instruction;
    switch (instruction.kind) {
      case Instruction::Kind::kSet: {
        if (c == kInvalidByte || !machine_->sets[instruction.other].Contains(c)) break;
        const ExpressionMachine::Place& reached = machine_->places[instruction.next];
        if (reached.accepts) Accept(place.use, thread.start);
        if (reached.lives) next_.push_back({instruction.next, thread.start});
        break;
      }
      case Instruction::Kind::kSplit:
        stack.push_back(instruction.other);
        stack.push_back(instruction.next);
        break;
      case Instruction::Kind::kJump:
        stack.push_back(instruction.next);
        break;
      case Instruction::Kind::kWordBoundary:
      case Instruction::Kind::kNoWordBoundary:
        if ((IsWordCharacter(previous_) != IsWordCharacter(c)) ==
            (instruction.kind == Instruction::Kind::kWordBoundary)) {
          stack.push_back(instruction.next);
        }
        break;
      case Instruction::Kind::kMatch:
        Accept(place.use, thread.start);  // past a condition that `c` fulfilled
        break;
    }
  }
}

// Reads one character, which begins at lane offset `offset`. With `only_use`, for that use alone.
void ExpressionStream::Step(char32_t c, uint64_t offset, const uint32_t* only_use) {
  const auto starts = [&](uint32_t use) {
    return (index_->use(use).directions & direction_) != 0 &&
           (index_->use(use).lanes & LaneBit(lane_)) != 0;
  };
  const auto narrow = machine_->starters.find(c);
  if (threads_.empty() && narrow == machine_->starters.end() && machine_->wide_starters.empty()) {
    previous_ = c;
    return;
  }
  visited.Begin(machine_->places.size());
  next_.clear();
  for (const Thread& thread : threads_) Follow(thread, c);
  if (only_use != nullptr) {
    Follow({machine_->entries[*only_use], offset}, c);
  } else {
    if (narrow != machine_->starters.end()) {
      for (const uint32_t use : narrow->second) {
        if (starts(use)) Follow({machine_->entries[use], offset}, c);
      }
    }
    for (const uint32_t use : machine_->wide_starters) {
      if (starts(use) && machine_->firsts[use].Contains(c)) {
        Follow({machine_->entries[use], offset}, c);
      }
    }
  }
  std::swap(threads_, next_);
  previous_ = c;
}

void ExpressionStream::Advance(const LaneText& text, uint64_t from, bool final,
                               std::vector<Match>& matches) {
  const std::string_view added = text.From(from);
  for (size_t i = 0; i < added.size();) {
    const Decoded decoded = DecodeAt(added, i);
    Step(decoded.c, from + i, nullptr);
    i += decoded.length;
  }
  if (final) Step(kInvalidByte, text.end(), nullptr);
  for (size_t i = 0; i < accepted_.size();) {
    // Resolve() may add to the accepted ones, so it works on a copy.
    Accepted accepted = accepted_[i];
    accepted_.erase(accepted_.begin() + static_cast<ptrdiff_t>(i));
    if (Resolve(accepted, text, final, matches)) continue;
    accepted_.insert(accepted_.begin() + static_cast<ptrdiff_t>(i), accepted);
    ++i;
  }
}

// Appends the use's next match if it is final. False when that must wait for more text.
bool ExpressionStream::Resolve(Accepted& accepted, const LaneText& text, bool final,
                               std::vector<Match>& matches) {
  const uint64_t base = text.begin();
  Span match;
  if (!index_->Find(accepted.use, lane_, text.From(base),
                    static_cast<size_t>(accepted.start - base), match)) {
    return true;
  }
  match.start += base;
  match.end += base;
  if (!final) {
    for (const Thread& thread : threads_) {
      if (thread.start > match.start) break;
      if (machine_->places[thread.place].use == accepted.use) return false;
    }
  }
  matches.push_back({accepted.use, match});
  Restart(accepted.use, text, match.end, final);
  return true;
}

// Follows one use again from `from` on, where its last match ended.
void ExpressionStream::Restart(uint32_t use, const LaneText& text, uint64_t from, bool final) {
  std::vector<Thread> others;
  for (const Thread& thread : threads_) {
    if (machine_->places[thread.place].use != use) others.push_back(thread);
  }
  threads_.clear();
  const std::string_view all = text.From(text.begin());
  const auto before = static_cast<size_t>(from - text.begin());
  const char32_t last = previous_;
  previous_ = before > 0 ? DecodeBefore(all, before).c : kInvalidByte;
  for (size_t i = before; i < all.size();) {
    const Decoded decoded = DecodeAt(all, i);
    Step(decoded.c, text.begin() + i, &use);
    i += decoded.length;
  }
  if (final) Step(kInvalidByte, text.end(), &use);
  previous_ = last;
  threads_.insert(threads_.end(), others.begin(), others.end());
  std::stable_sort(threads_.begin(), threads_.end(),
                   [](const Thread& a, const Thread& b) { return a.start < b.start; });
}

}  // namespace weir::rules
