#include "rules/rule_set.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <hs/hs.h>

#include "rules/compiled.h"
#include "rules/concat.h"
#include "rules/detector.h"
#include "rules/digest.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

DirectionSet DirectionsOf(const Rule& rule) {
  if (rule.status == RuleStatus::kRetired) return kNoDirection;
  switch (rule.direction) {
    case RuleDirection::kPrompt:
      return DirectionBit(Direction::kPrompt);
    case RuleDirection::kAnswer:
      return DirectionBit(Direction::kAnswer);
    case RuleDirection::kBoth:
      break;
  }
  return DirectionBit(Direction::kPrompt) | DirectionBit(Direction::kAnswer);
}

// A prefilter that loses matches would let text through unseen. Vectorscan 5.4.9, which Debian 12
// also offers under Hyperscan's name, loses this one; no set is compiled with such a library.
absl::Status CheckHyperscan() {
  constexpr unsigned kFlags = HS_FLAG_UTF8 | HS_FLAG_DOTALL;
  const char* const patterns[] = {"(?:\\x{52A0}\\x{7FA4}|\\x{7FA4}{2,3}|[a-c]{2,3})",
                                  "\\x{52A0}[\\x{0}-\\x{9}\\x{B}-\\x{10FFFF}]{0,1}\\x{7FA4}"};
  const unsigned flags[] = {kFlags, kFlags};
  const unsigned ids[] = {0, 1};
  constexpr std::string_view kText = "赌场开赌场赌ab";
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  hs_scratch_t* scratch = nullptr;
  bool found = false;
  if (hs_compile_multi(patterns, flags, ids, 2, HS_MODE_BLOCK, nullptr, &database, &error) ==
          HS_SUCCESS &&
      hs_alloc_scratch(database, &scratch) == HS_SUCCESS) {
    hs_scan(
        database, kText.data(), static_cast<unsigned>(kText.size()), 0, scratch,
        [](unsigned, unsigned long long, unsigned long long, unsigned, void* context) {
          *static_cast<bool*>(context) = true;
          return 0;
        },
        &found);
  }
  hs_free_scratch(scratch);
  hs_free_database(database);
  hs_free_compile_error(error);
  if (found) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat("the Hyperscan library of this machine (", hs_version(),
             ") loses matches; install Debian's libhyperscan-dev in place of libvectorscan-dev"));
}

// Lanes that find words by what their characters sound or look like.
constexpr LaneSet kDisguiseLanes = LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape);

// Turns rules into leaves, words, expressions and what combines them.
class Compiler {
 public:
  Compiler(RuleSet::Compiled& compiled, const std::string& cache_folder,
           std::vector<Problem>& problems)
      : compiled_(compiled), cache_(cache_folder), problems_(problems) {}

  absl::Status Run() {
    static const absl::Status hyperscan = CheckHyperscan();
    if (!hyperscan.ok()) return hyperscan;
    for (const Pack& pack : compiled_.packs) {
      file_ = pack.file;
      for (const Rule& rule : pack.rules) AddRule(rule);
    }
    compiled_.words = WordIndex::Build(std::move(words_));
    compiled_.numeral_words = WordIndex::Build(std::move(numeral_words_));
    compiled_.leet_words = WordIndex::Build(std::move(leet_words_));
    compiled_.sounds = DisguiseIndex::Build(Lane::kPinyin, std::move(sounds_));
    compiled_.shapes = DisguiseIndex::Build(Lane::kShape, std::move(shapes_));
    const auto expressions = static_cast<uint32_t>(expressions_.size());
    const absl::Status status =
        ExpressionIndex::Build(std::move(expressions_), cache_, compiled_.expressions);
    if (!status.ok()) return status;
    for (uint32_t i = 0; i < expressions; ++i) {
      const uint32_t rule = compiled_.leaves[compiled_.expressions.use(i).leaf].rule;
      if (compiled_.expressions.IsUnfiltered(i)) Raise(rule, RuleStats::Cost::kUnfiltered);
    }
    return absl::OkStatus();
  }

 private:
  struct Place {  // of a matcher in its rule
    uint32_t composite = kAbsent;
    uint32_t slot = 0;
  };

  void AddRule(const Rule& rule) {
    rule_ = static_cast<uint32_t>(compiled_.rules.size());
    directions_ = DirectionsOf(rule);
    compiled_.rules.push_back(&rule);
    compiled_.stats.emplace_back();
    compiled_.exception_of.push_back(kAbsent);
    compiled_.mixed_of.push_back(kAbsent);
    const auto first_leaf = static_cast<uint32_t>(compiled_.leaves.size());
    counts_characters_ = rule.except.has_value();
    mixed_ = MixedRule{};
    kinds_ = 0;
    has_base64_word_ = false;
    names_decoded_ = false;
    AddMatcher(rule.match, {});
    if (rule.except.has_value()) AddException(*rule.except);
    for (uint32_t i = first_leaf; i < compiled_.leaves.size(); ++i) {
      compiled_.leaves[i].counts_characters = counts_characters_;
    }
    // One span may be reported by several matchers, or at several times, only when there are
    // expressions (each lane looks for itself), matchers of several kinds, all and near, or words
    // that look like what others are encoded as.
    if (has_base64_word_ && names_decoded_) kinds_ |= 8;
    if (!mixed_.expressions.empty() || (kinds_ & (kinds_ - 1)) != 0 ||
        stats().guarantee == RuleStats::Guarantee::kCompletion) {
      compiled_.mixed_of.back() = static_cast<uint32_t>(compiled_.mixed.size());
      compiled_.mixed.push_back(std::move(mixed_));
    }
  }

  // The parser of packs has asked the same, but packs may also be made by hand.
  bool Accept(const absl::Status& status, int line) {
    if (!status.ok()) problems_.push_back({file_, line, std::string(status.message())});
    return status.ok();
  }

  static bool NamesDecoded(LaneSet lanes) { return (lanes & LaneBit(Lane::kDecoded)) != 0; }

  // The lanes in which matches are looked for, in the text and, with lane decoded, in what is
  // decoded from it.
  static LaneSet LanesOfMatches(LaneSet lanes) {
    lanes &= static_cast<LaneSet>(~LaneBit(Lane::kDecoded));
    return lanes != 0 ? lanes : LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
  }

  DirectionSet Scans(LaneSet lanes) {
    if (!NamesDecoded(lanes) || directions_ == kNoDirection) return directions_;
    names_decoded_ = true;
    compiled_.decoded_directions |= DecodedBit(directions_);
    return static_cast<DirectionSet>(directions_ | DecodedBit(directions_));
  }

  uint32_t AddLeaf(Place place) {
    compiled_.leaves.push_back({rule_, place.composite, place.slot, false});
    return static_cast<uint32_t>(compiled_.leaves.size() - 1);
  }

  bool IsPart(uint32_t leaf) const { return compiled_.leaves[leaf].composite != kAbsent; }

  RuleStats& stats() { return compiled_.stats.back(); }
  void Widen(size_t characters) {
    stats().width_characters_max =
        std::max(stats().width_characters_max, static_cast<uint32_t>(characters));
  }

  void Raise(uint32_t rule, RuleStats::Cost cost) {
    compiled_.stats[rule].cost = std::max(compiled_.stats[rule].cost, cost);
  }
  void AddLanes(LaneSet lanes) { stats().lanes = static_cast<LaneSet>(stats().lanes | lanes); }

  void AddMatcher(const Matcher& matcher, Place place) {
    switch (matcher.kind) {
      case Matcher::Kind::kWords:
        AddWords(matcher, AddLeaf(place));
        break;
      case Matcher::Kind::kRegex:
        AddRegex(matcher, AddLeaf(place));
        break;
      case Matcher::Kind::kDetector:
        AddDetector(matcher, AddLeaf(place));
        break;
      case Matcher::Kind::kAny:
        for (const Matcher& child : matcher.children) AddMatcher(child, place);
        break;
      case Matcher::Kind::kAll:
      case Matcher::Kind::kNear:
        AddComposite(matcher, place);
        break;
    }
  }

  void AddWords(const Matcher& matcher, uint32_t leaf) {
    kinds_ |= (matcher.lanes & kDisguiseLanes) != 0 ? 9 : 1;
    stats().words += static_cast<uint32_t>(matcher.words.size());
    AddLanes(matcher.lanes);
    constexpr LaneSet kWide =
        LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape) | LaneBit(Lane::kDecoded);
    if ((matcher.lanes & kWide) != 0) Raise(rule_, RuleStats::Cost::kWideLanes);
    for (const std::string& written : matcher.words) {
      absl::StatusOr<Word> word = Word::Parse(written, matcher.lanes);
      if (!Accept(word.status(), matcher.line)) continue;
      size_t characters = 0;
      for (const Word::Run& run : word->runs) characters += run.count;
      Widen(characters);
      has_base64_word_ = has_base64_word_ || std::all_of(word->runs.begin(), word->runs.end(),
                                                         [](const Word::Run& run) {
                                                           return EdgeOf(run.c) != Edge::kOpen;
                                                         });
      if ((matcher.lanes & LaneBit(Lane::kExact)) != 0) mixed_.exact_words.insert(word->exact);
      if ((matcher.lanes & LaneBit(Lane::kFold)) != 0) mixed_.fold_words.insert(word->fold);
      if ((matcher.lanes & LaneBit(Lane::kSkeleton)) != 0) {
        mixed_.skeleton_words[word->skeleton].push_back(word->characters);
      }
      if (directions_ == kNoDirection) continue;
      AddWord(written,
              {*std::move(word), leaf, Scans(matcher.lanes), /*exception=*/false, IsPart(leaf)});
    }
  }

  // Adds a word to the index of each reading that its lanes ask for. `use` is the word as it folds.
  void AddWord(const std::string& written, WordUse use) {
    constexpr LaneSet kSkeleton = LaneBit(Lane::kSkeleton);
    const LaneSet named = LanesOfMatches(use.word.lanes);
    use.word.lanes = named;
    if ((named & LaneBit(Lane::kPinyin)) != 0) sounds_.push_back(use);
    if ((named & LaneBit(Lane::kShape)) != 0) shapes_.push_back(use);
    use.word.lanes &=
        static_cast<LaneSet>(LaneBit(Lane::kExact) | LaneBit(Lane::kFold) | kSkeleton);
    const auto add = [&](Reading reading, std::vector<WordUse>& words) {
      absl::StatusOr<Word> word = Word::Parse(written, kSkeleton, reading);
      if (!word.ok()) return;
      // Without a numeral, the digits lane is the skeleton.
      if (reading == Reading::kNumerals && !word->HasDigit() && (named & kSkeleton) != 0) return;
      words.push_back({*std::move(word), use.leaf, use.directions, use.exception, use.part});
      if (reading != Reading::kNumerals) return;
      words.back().rule = rule_;
      words.back().plain = std::make_shared<const Word>(use.word);
    };
    if ((named & LaneBit(Lane::kDigits)) != 0) add(Reading::kNumerals, numeral_words_);
    if ((named & kSkeleton) != 0 && use.word.HasLeetForm()) add(Reading::kLeet, leet_words_);
    if (use.word.lanes != 0) words_.push_back(std::move(use));
  }

  void AddRegex(const Matcher& matcher, uint32_t leaf) {
    kinds_ |= 2;
    ++stats().expressions;
    absl::StatusOr<Expression> expression =
        Expression::Parse(matcher.regex, (matcher.lanes & LaneBit(Lane::kDigits)) != 0);
    if (!Accept(expression.status(), matcher.line)) return;
    const absl::StatusOr<LaneSet> lanes = expression->LanesWithin(LanesOfMatches(matcher.lanes));
    if (!Accept(lanes.status(), matcher.line)) return;
    AddLanes(*lanes | (matcher.lanes & LaneBit(Lane::kDecoded)));
    Widen(expression->width_max());
    const ExpressionFacts& facts = expression->facts();
    Raise(rule_, facts.opens_wide  ? RuleStats::Cost::kOpen
                 : facts.has_fixed ? RuleStats::Cost::kFixed
                                   : RuleStats::Cost::kLoose);
    if (directions_ == kNoDirection) return;
    mixed_.expressions.push_back(static_cast<uint32_t>(expressions_.size()));
    expressions_.push_back(
        {*std::move(expression), leaf, *lanes, Scans(matcher.lanes), IsPart(leaf)});
  }

  void AddDetector(const Matcher& matcher, uint32_t leaf) {
    kinds_ |= 4;
    for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton, Lane::kDigits}) {
      stats().lanes = static_cast<LaneSet>(stats().lanes | LaneBit(lane));
    }
    Widen(WidthMax(matcher.detector));
    if (directions_ == kNoDirection) return;
    mixed_.detectors.push_back(matcher.detector);
    compiled_.detectors.push_back({matcher.detector, leaf, Scans(matcher.lanes)});
  }

  void AddComposite(const Matcher& matcher, Place place) {
    stats().guarantee = RuleStats::Guarantee::kCompletion;
    counts_characters_ = true;
    const auto composite = static_cast<uint32_t>(compiled_.composites.size());
    const auto slots = static_cast<uint32_t>(matcher.children.size());
    compiled_.composites.push_back({matcher.kind == Matcher::Kind::kNear ? matcher.within : kAbsent,
                                    place.composite, place.slot, compiled_.slot_count, slots});
    compiled_.slot_count += slots;
    for (uint32_t slot = 0; slot < slots; ++slot) {
      AddMatcher(matcher.children[slot], {composite, slot});
    }
  }

  void AddException(const Exception& exception) {
    const auto number = static_cast<uint32_t>(compiled_.exceptions.size());
    names_decoded_ = names_decoded_ || NamesDecoded(exception.lanes);
    compiled_.exceptions.push_back({rule_, exception.within, names_decoded_});
    compiled_.exception_of.back() = number;
    if (directions_ == kNoDirection) return;
    for (const std::string& written : exception.words) {
      absl::StatusOr<Word> word = Word::Parse(written, exception.lanes);
      if (!Accept(word.status(), compiled_.rules.back()->line)) continue;
      AddWord(written, {*std::move(word), number,
                        Scans(LaneSet{names_decoded_ ? LaneBit(Lane::kDecoded) : exception.lanes}),
                        /*exception=*/true,
                        /*part=*/false});
    }
  }

  RuleSet::Compiled& compiled_;
  const DatabaseCache cache_;
  std::vector<Problem>& problems_;
  std::string file_;
  std::vector<WordUse> words_;
  std::vector<WordUse> numeral_words_;
  std::vector<WordUse> leet_words_;
  std::vector<WordUse> sounds_;
  std::vector<WordUse> shapes_;
  std::vector<ExpressionUse> expressions_;

  // Of the rule being added.
  uint32_t rule_ = 0;
  DirectionSet directions_ = kNoDirection;
  bool counts_characters_ = false;
  MixedRule mixed_;
  uint32_t kinds_ = 0;  // bit set of the kinds of matchers seen
  bool names_decoded_ = false;
  bool has_base64_word_ = false;  // eight letters and digits that base64 could be
};

void AddTo(Digest& digest, const Matcher& matcher) {
  digest.Add(static_cast<uint64_t>(matcher.kind));
  digest.Add(matcher.words);
  digest.Add(matcher.regex);
  digest.Add(Name(matcher.detector));
  digest.Add(uint64_t{matcher.lanes});
  digest.Add(uint64_t{matcher.within});
  digest.Add(uint64_t{matcher.children.size()});
  for (const Matcher& child : matcher.children) AddTo(digest, child);
}

void AddTo(Digest& digest, const Rule& rule) {
  digest.Add(rule.id);
  digest.Add(rule.category);
  digest.Add(static_cast<uint64_t>(rule.severity));
  digest.Add(static_cast<uint64_t>(rule.status));
  digest.Add(static_cast<uint64_t>(rule.direction));
  AddTo(digest, rule.match);
  digest.Add(uint64_t{rule.except.has_value()});
  if (!rule.except.has_value()) return;
  digest.Add(rule.except->words);
  digest.Add(uint64_t{rule.except->lanes});
  digest.Add(uint64_t{rule.except->within});
}

std::string DigestOf(const std::vector<Pack>& packs) {
  Digest digest;
  digest.Add(uint64_t{kEngineVersion});
  for (const Pack& pack : packs) {
    digest.Add(pack.name);
    digest.Add(pack.version);
    digest.Add(uint64_t{pack.rules.size()});
    for (const Rule& rule : pack.rules) AddTo(digest, rule);
  }
  return Concat("sha256:", HexOf(digest.Finish()));
}

// What a string holds outside itself.
size_t BeyondItself(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}

size_t MemoryOf(const std::vector<std::string>& texts) {
  size_t bytes = texts.capacity() * sizeof(std::string);
  for (const std::string& text : texts) bytes += BeyondItself(text);
  return bytes;
}

size_t MemoryOf(const Matcher& matcher) {
  size_t bytes = sizeof(matcher) + MemoryOf(matcher.words) + BeyondItself(matcher.regex);
  for (const Matcher& child : matcher.children) bytes += MemoryOf(child);
  return bytes;
}

size_t MemoryOf(const Rule& rule) {
  size_t bytes = sizeof(rule) + MemoryOf(rule.match) + MemoryOf(rule.basis) +
                 MemoryOf(rule.hit_tests) + MemoryOf(rule.miss_tests);
  for (const std::string* text : {&rule.title, &rule.rationale, &rule.false_positives}) {
    bytes += BeyondItself(*text);
  }
  if (rule.except.has_value()) bytes += MemoryOf(rule.except->words);
  return bytes;
}

// Runs the rule's own tests, in every direction that it looks at.
void TestRule(const RuleSet& rule_set, uint32_t number, const std::string& file,
              std::vector<Problem>& problems) {
  const Rule& rule = rule_set.rule(number);
  const auto check = [&](const std::string& text, Direction direction, bool expected) {
    std::vector<Finding> findings;
    const absl::Status status = Scan(rule_set, direction, text, findings);
    if (!status.ok()) {
      problems.push_back(
          {file, rule.line,
           Concat("rule ", rule.id, " cannot be tested: ", std::string(status.message()))});
      return;
    }
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const Finding& finding) { return finding.rule == number; });
    if ((found != findings.end()) == expected) return;
    std::string reason = Concat("rule ", rule.id, expected ? " must find" : " must not find",
                                " its ", expected ? "hit" : "miss", " test \"", text, "\" in ",
                                direction == Direction::kPrompt ? "a prompt" : "an answer");
    if (!expected) {
      reason +=
          Concat("; it found \"",
                 std::string_view(text).substr(static_cast<size_t>(found->start),
                                               static_cast<size_t>(found->end - found->start)),
                 "\" in lane ", Name(found->lane));
    }
    problems.push_back({file, rule.line, std::move(reason)});
  };
  for (const Direction direction : {Direction::kPrompt, Direction::kAnswer}) {
    if ((DirectionsOf(rule) & DirectionBit(direction)) == 0) continue;
    for (const std::string& text : rule.hit_tests) check(text, direction, true);
    for (const std::string& text : rule.miss_tests) check(text, direction, false);
  }
}

}  // namespace

RuleSet::RuleSet(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
RuleSet::~RuleSet() = default;

std::shared_ptr<const RuleSet> RuleSet::Compile(std::vector<Pack> packs,
                                                std::vector<Problem>& problems,
                                                const std::string& cache_folder) {
  static std::atomic<uint64_t> serials = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->packs = std::move(packs);
  compiled->serial = ++serials;
  compiled->digest = DigestOf(compiled->packs);
  const size_t problems_before = problems.size();
  if (const absl::Status status = Compiler(*compiled, cache_folder, problems).Run(); !status.ok()) {
    const std::string file = compiled->packs.empty() ? "" : compiled->packs.front().file;
    problems.push_back({file, 0, std::string(status.message())});
    return nullptr;
  }
  if (problems.size() != problems_before) return nullptr;
  std::shared_ptr<const RuleSet> rule_set(new RuleSet(std::move(compiled)));
  uint32_t number = 0;
  for (const Pack& pack : rule_set->packs()) {
    for (size_t i = 0; i < pack.rules.size(); ++i) {
      TestRule(*rule_set, number++, pack.file, problems);
    }
  }
  return problems.size() == problems_before ? rule_set : nullptr;
}

size_t RuleSet::rule_count() const {
  return compiled_->rules.size();
}
const Rule& RuleSet::rule(uint32_t index) const {
  return *compiled_->rules[index];
}
RuleStats RuleSet::stats(uint32_t index) const {
  return compiled_->stats[index];
}
const std::vector<Pack>& RuleSet::packs() const {
  return compiled_->packs;
}
std::string_view RuleSet::digest() const {
  return compiled_->digest;
}

const std::vector<std::string>& RuleSet::cache_problems() const {
  return compiled_->expressions.cache_use().problems;
}
bool RuleSet::from_cache() const {
  const ExpressionIndex::CacheUse& use = compiled_->expressions.cache_use();
  return use.loaded > 0 && use.made == 0;
}

size_t RuleSet::memory_bytes() const {
  size_t bytes = compiled_->words.memory_bytes() + compiled_->numeral_words.memory_bytes() +
                 compiled_->leet_words.memory_bytes() + compiled_->sounds.memory_bytes() +
                 compiled_->shapes.memory_bytes() + compiled_->expressions.memory_bytes() +
                 compiled_->leaves.capacity() * sizeof(Leaf) +
                 compiled_->composites.capacity() * sizeof(Composite) +
                 compiled_->mixed.capacity() * sizeof(MixedRule);
  for (const MixedRule& mixed : compiled_->mixed) {
    for (const auto* words : {&mixed.exact_words, &mixed.fold_words}) {
      bytes += words->capacity() * (sizeof(std::string) + 1);
      for (const std::string& word : *words) bytes += BeyondItself(word);
    }
  }
  for (const Pack& pack : compiled_->packs) {
    for (const Rule& rule : pack.rules) bytes += MemoryOf(rule);
  }
  return bytes;
}

}  // namespace weir::rules
