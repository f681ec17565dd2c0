// A regular expression of a rule: RE2 syntax, of bounded width, with what a stream needs to know.
//
// The pattern is parsed into a tree of character sets, and everything that runs is made from that
// tree: the pattern that RE2 confirms with, one for Hyperscan to prefilter with, and a program
// that tells from which byte of a text an expression could still grow into a match. They cannot
// disagree about what the author's text means.
//
// Two variants are made: for the exact lane, the tree as written; for lanes that fold, the tree
// with its characters folded as the text will be, so that `Ignore` and `賭` mean what they say
// there.
//
// Not supported, and refused with a reason: repetition without an upper bound, anchors (^ $ \A \z:
// where a text begins is up to who cuts it), expressions that match nothing or the empty text.
// (?i) folds ASCII letters only.
//
// Values; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "rules/rule.h"

namespace weir::rules {

inline constexpr uint32_t kExpressionWidthMax = 512;
inline constexpr size_t kProgramSizeMax = 8192;

class CharacterSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  // both ends belong to it

  void Add(char32_t low, char32_t high) { ranges_.emplace_back(low, high); }
  void Add(const CharacterSet& other);
  void AddAsciiCases();
  void Negate();
  void Normalise();  // sorts and merges; needed before Contains()

  bool Contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }
  size_t size() const;
  const std::vector<Range>& ranges() const { return ranges_; }
  size_t memory_bytes() const { return sizeof(*this) + ranges_.capacity() * sizeof(Range); }

 private:
  std::vector<Range> ranges_;
  uint64_t ascii_[2] = {0, 0};
};

// A program for a machine that reads one character after another and keeps a set of places.
struct Instruction {
  enum class Kind : uint8_t { kSet, kSplit, kJump, kWordBoundary, kNoWordBoundary, kMatch };
  Kind kind = Kind::kMatch;
  uint32_t next = 0;
  uint32_t other = 0;  // kSplit: the second way; kSet: number of the set
};

struct ExpressionVariant {
  std::string pattern;               // RE2 syntax, characters as \x{...}
  std::string prefilter;             // Hyperscan syntax, over bytes; matches at least as much
  std::vector<Instruction> program;  // begins at 0
  std::vector<CharacterSet> sets;
};

// What an expression costs, and where it can match at all.
struct ExpressionFacts {
  bool has_fixed = false;            // two fixed characters in a row stand in every match
  bool opens_wide = false;           // nearly any character can begin a match
  bool matches_in_skeleton = false;  // some match has no separator and no character twice in a row
};
ExpressionFacts FactsOf(const ExpressionVariant& folded);
// The characters that can begin a match.
CharacterSet FirstOf(const ExpressionVariant& variant);

class Expression {
 public:
  // With `numerals`, for the digits lane, what folds takes the ASCII digit of a numeral, too: 一 in
  // the pattern is also 1. The message of an error is written for the pack's author.
  static absl::StatusOr<Expression> Parse(std::string_view pattern, bool numerals = false);

  uint32_t width_max() const { return width_max_; }  // characters
  const ExpressionFacts& facts() const { return facts_; }
  // The lanes out of `lanes` in which it can match. An error when there is none.
  absl::StatusOr<LaneSet> LanesWithin(LaneSet lanes) const;
  const ExpressionVariant& exact() const { return exact_; }
  const ExpressionVariant& folded() const { return folded_; }

 private:
  uint32_t width_max_ = 0;
  ExpressionFacts facts_;
  ExpressionVariant exact_;
  ExpressionVariant folded_;
};

}  // namespace weir::rules
