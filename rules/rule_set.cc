#include "rules/rule_set.h"

#include <atomic>
#include <utility>

#include <absl/strings/escaping.h>
#include <openssl/sha.h>

#include "rules/compiled.h"
#include "rules/concat.h"
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

// Turns rules into leaves and words.
class Compiler {
 public:
  explicit Compiler(RuleSet::Compiled& compiled) : compiled_(compiled) {}

  absl::Status Run() {
    for (const Pack& pack : compiled_.packs) {
      for (const Rule& rule : pack.rules) AddRule(rule);
    }
    return WordIndex::Build(std::move(uses_), compiled_.words);
  }

 private:
  void AddRule(const Rule& rule) {
    const auto number = static_cast<uint32_t>(compiled_.rules.size());
    compiled_.rules.push_back(&rule);
    compiled_.stats.emplace_back();
    if (DirectionsOf(rule) != kNoDirection) AddMatcher(rule, rule.match, number);
  }

  void AddMatcher(const Rule& rule, const Matcher& matcher, uint32_t number) {
    for (const Matcher& child : matcher.children) AddMatcher(rule, child, number);
    if (matcher.kind != Matcher::Kind::kWords) return;
    const auto leaf = static_cast<uint32_t>(compiled_.leaves.size());
    compiled_.leaves.push_back({number});
    for (const std::string& written : matcher.words) {
      absl::StatusOr<Word> word = Word::Parse(written, matcher.lanes);
      if (word.ok()) uses_.push_back({*std::move(word), leaf, DirectionsOf(rule), false});
    }
  }

  RuleSet::Compiled& compiled_;
  std::vector<WordUse> uses_;
};

}  // namespace

RuleSet::RuleSet(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
RuleSet::~RuleSet() = default;

std::shared_ptr<const RuleSet> RuleSet::Compile(std::vector<Pack> packs,
                                                std::vector<Problem>& problems) {
  static std::atomic<uint64_t> serials = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->packs = std::move(packs);
  compiled->serial = ++serials;
  if (const absl::Status status = Compiler(*compiled).Run(); !status.ok()) {
    problems.push_back({"rules", 0, std::string(status.message())});
    return nullptr;
  }
  std::string content;
  for (const Rule* rule : compiled->rules) content += Concat(rule->id, "\n");
  uint8_t hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(content.data()), content.size(), hash);
  compiled->digest = Concat(
      "sha256:", absl::BytesToHexString({reinterpret_cast<const char*>(hash), sizeof(hash)}));
  std::shared_ptr<const RuleSet> rule_set(new RuleSet(std::move(compiled)));
  const size_t before = problems.size();
  for (size_t p = 0, number = 0; p < rule_set->packs().size(); ++p) {
    const Pack& pack = rule_set->packs()[p];
    for (const Rule& rule : pack.rules) {
      const auto index = static_cast<uint32_t>(number++);
      if (rule.status == RuleStatus::kRetired) continue;
      const Direction direction =
          rule.direction == RuleDirection::kAnswer ? Direction::kAnswer : Direction::kPrompt;
      const auto hits = [&](const std::string& text) {
        std::vector<Finding> findings;
        if (!Scan(*rule_set, direction, text, findings).ok()) return false;
        for (const Finding& finding : findings) {
          if (finding.rule == index) return true;
        }
        return false;
      };
      for (const std::string& text : rule.hit_tests) {
        if (!hits(text)) {
          problems.push_back(
              {pack.file, rule.line, Concat("rule ", rule.id, " does not hit \"", text, "\"")});
        }
      }
      for (const std::string& text : rule.miss_tests) {
        if (hits(text)) {
          problems.push_back(
              {pack.file, rule.line, Concat("rule ", rule.id, " must not hit \"", text, "\"")});
        }
      }
    }
  }
  return problems.size() == before ? rule_set : nullptr;
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
size_t RuleSet::memory_bytes() const {
  return compiled_->words.memory_bytes();
}

}  // namespace weir::rules
