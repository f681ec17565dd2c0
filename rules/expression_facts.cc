// What an expression costs and where it can match at all, read off its program (expression.h).
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "rules/expression.h"
#include "rules/fold_table.h"

namespace weir::rules {
namespace {

// Sets of at most so many characters are as good as fixed ones to a prefilter.
constexpr size_t kFixedSetSizeMax = 8;
// An expression opens wide when more characters than this can begin it.
constexpr size_t kOpeningSizeMax = 2048;

bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}

// Whether some match holds no two fixed characters in a row: places are reached with a fixed
// character before them or without.
bool MatchesWithoutFixed(const ExpressionVariant& variant) {
  std::vector<std::array<bool, 2>> seen(variant.program.size());
  std::vector<std::pair<uint32_t, bool>> stack = {{0, false}};
  while (!stack.empty()) {
    const auto [at, after_fixed] = stack.back();
    stack.pop_back();
    if (std::exchange(seen[at][after_fixed ? 1 : 0], true)) continue;
    const Instruction& instruction = variant.program[at];
    switch (instruction.kind) {
      case Instruction::Kind::kMatch:
        return true;
      case Instruction::Kind::kSet: {
        const bool fixed = variant.sets[instruction.other].size() <= kFixedSetSizeMax;
        if (!fixed || !after_fixed) stack.emplace_back(instruction.next, fixed);
        break;
      }
      case Instruction::Kind::kSplit:
        stack.emplace_back(instruction.other, after_fixed);
        stack.emplace_back(instruction.next, after_fixed);
        break;
      default:
        stack.emplace_back(instruction.next, after_fixed);
        break;
    }
  }
  return false;
}

// The characters that a way to some place may have read last. Two different ones stand for all:
// whatever comes next, one of them differs from it.
struct Before {
  bool reached = false;
  bool start = false;  // nothing was read yet
  std::vector<char32_t> last;

  bool Allows(char32_t c) const {
    return start || IsDigit(c) || last.size() > 1 || (last.size() == 1 && last[0] != c);
  }
  void Add(char32_t c) {
    reached = true;
    if (last.size() < 2 && (last.empty() || last[0] != c)) last.push_back(c);
  }
  void Add(const Before& other) {
    reached = reached || other.reached;
    start = start || other.start;
    for (const char32_t c : other.last) Add(c);
  }
};

// Whether a text without separators and without two equal characters in a row, digits excepted,
// can match. Programs have no loops, so places are taken in order.
bool MatchesInSkeleton(const ExpressionVariant& folded) {
  std::vector<Before> before(folded.program.size());
  before[0] = {true, true, {}};
  for (size_t at = 0; at < folded.program.size(); ++at) {
    const Instruction& instruction = folded.program[at];
    const Before here = before[at];
    if (!here.reached) continue;
    switch (instruction.kind) {
      case Instruction::Kind::kMatch:
        return true;
      case Instruction::Kind::kSet: {
        Before& next = before[instruction.next];
        size_t added = 0;
        for (const auto& [low, high] : folded.sets[instruction.other].ranges()) {
          for (char32_t c = low; c <= high && added < 3; ++c) {
            if (LookUpFold(c).separator() || !here.Allows(c)) continue;
            next.Add(c);
            ++added;
          }
        }
        break;
      }
      case Instruction::Kind::kSplit:
        before[instruction.other].Add(here);
        before[instruction.next].Add(here);
        break;
      default:
        before[instruction.next].Add(here);
        break;
    }
  }
  return false;
}

}  // namespace

CharacterSet FirstOf(const ExpressionVariant& variant) {
  CharacterSet first;
  std::vector<uint8_t> seen(variant.program.size());
  std::vector<uint32_t> stack = {0};
  while (!stack.empty()) {
    const uint32_t at = stack.back();
    stack.pop_back();
    if (std::exchange(seen[at], uint8_t{1}) != 0) continue;
    const Instruction& instruction = variant.program[at];
    switch (instruction.kind) {
      case Instruction::Kind::kSet:
        first.Add(variant.sets[instruction.other]);
        break;
      case Instruction::Kind::kMatch:
        break;
      case Instruction::Kind::kSplit:
        stack.push_back(instruction.other);
        [[fallthrough]];
      default:
        stack.push_back(instruction.next);
        break;
    }
  }
  first.Normalise();
  return first;
}

ExpressionFacts FactsOf(const ExpressionVariant& folded) {
  ExpressionFacts facts;
  facts.has_fixed = !MatchesWithoutFixed(folded);
  facts.opens_wide = FirstOf(folded).size() > kOpeningSizeMax;
  facts.matches_in_skeleton = MatchesInSkeleton(folded);
  return facts;
}

}  // namespace weir::rules
