// How much of what evasion.h disguises is found, by which lane, and what each lane finds in
// ordinary texts that the others would not: what evasion_table prints and evasion_test holds to.
//
// Thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/rule_set.h"
#include "tests/rules/evasion.h"

namespace weir::rules {

// The words of the starter packs, exceptions left out, and English ones, so that every family has
// words to disguise.
std::vector<std::string> StarterWords();
// `count` of the words of WEIR_DATA's bench-words.txt.gz, drawn with `seed`; none when it is unset.
std::vector<std::string> LibraryWords(size_t count, uint64_t seed);
// The texts of WEIR_DATA's tuning-benign.jsonl.gz; none when it is unset.
std::vector<std::string> OrdinaryTexts();
// The most frequent words of three and more Latin letters in them, `count` at most.
std::vector<std::string> LatinWords(size_t count, const std::vector<std::string>& texts);

struct Recall {
  struct Miss {
    std::string word;
    std::string disguised;
  };

  size_t texts = 0;
  size_t found = 0;
  std::array<size_t, kLaneCount> lanes{};  // of those found, by finest lane
  std::vector<Miss> misses;

  double rate() const { return static_cast<double>(found) / static_cast<double>(texts); }
};

// Rules that look for words in every lane, one rule a word, and for numbers.
class RecallRules {
 public:
  explicit RecallRules(std::vector<std::string> words);

  // Disguises words that the family can disguise in ordinary sentences, `texts` times. A text
  // counts as found when the rule of its word (any rule, for numbers) has a finding that lies
  // within the disguise.
  Recall Measure(Family family, size_t texts, uint64_t seed) const;

 private:
  struct Sample {
    std::string word;
    std::string disguised;
    uint32_t rule;  // kAnyRule for numbers
  };
  Sample Draw(Evader& evader, Family family) const;

  std::vector<std::string> words_;
  std::shared_ptr<const RuleSet> rules_;
};

// Of 10,000 texts, in how many the rules find something in `lane` when it is added to fold and
// skeleton, and nothing without.
double FalseFindings(const std::vector<Rule>& rules, Lane lane,
                     const std::vector<std::string>& texts);

// Of 10,000 texts, in how many some word is found only because digits or symbols are read as
// letters (leet, a part of skeleton). `examples` of what is found are appended to `found`.
double LeetFindings(const std::vector<std::string>& words, const std::vector<std::string>& texts,
                    size_t examples, std::vector<std::string>& found);

// The rules of the starter packs, and one with `words`.
std::vector<Rule> StarterRules();
std::vector<Rule> RulesOfWords(std::vector<std::string> words);

}  // namespace weir::rules
