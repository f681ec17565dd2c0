#include "rules/expression.h"

#include <algorithm>

#include <re2/re2.h>

#include "rules/concat.h"
#include "rules/expression_tree.h"
#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/numeral_table.h"

namespace weir::rules {
namespace {

constexpr char32_t kCodePointMax = 0x10FFFF;
using Tree = ExpressionTree;

// Characters of the longest match; nothing when it has no bound.
uint64_t WidthMax(const Tree& tree) {
  uint64_t width = 0;
  switch (tree.kind) {
    case Tree::Kind::kSet:
      return 1;
    case Tree::Kind::kConcat:
      for (const Tree& child : tree.children) width += WidthMax(child);
      return width;
    case Tree::Kind::kEither:
      for (const Tree& child : tree.children) width = std::max(width, WidthMax(child));
      return width;
    case Tree::Kind::kRepeat:
      return tree.most * WidthMax(tree.children.front());
    default:
      return 0;
  }
}

uint64_t WidthMin(const Tree& tree) {
  uint64_t width = 0;
  switch (tree.kind) {
    case Tree::Kind::kSet:
      return 1;
    case Tree::Kind::kConcat:
      for (const Tree& child : tree.children) width += WidthMin(child);
      return width;
    case Tree::Kind::kEither:
      width = WidthMin(tree.children.front());
      for (const Tree& child : tree.children) width = std::min(width, WidthMin(child));
      return width;
    case Tree::Kind::kRepeat:
      return tree.least * WidthMin(tree.children.front());
    default:
      return 0;
  }
}

bool HasEmptySet(const Tree& tree) {
  if (tree.kind == Tree::Kind::kSet) return tree.set.empty();
  return std::any_of(tree.children.begin(), tree.children.end(), HasEmptySet);
}

// Replaces the characters of small sets by what the fold lane makes of them. A set too large to be
// written by hand (., \S, \p{Han}) holds the folded forms of its members already.
void FoldTree(Tree& tree, bool numerals) {
  constexpr size_t kFoldedSetSizeMax = 256;
  for (Tree& child : tree.children) FoldTree(child, numerals);
  if (tree.kind != Tree::Kind::kSet || tree.set.size() > kFoldedSetSizeMax) return;
  CharacterSet folded;
  for (const auto& [low, high] : tree.set.ranges()) {
    for (char32_t c = low; c <= high; ++c) {
      const FoldEntry entry = LookUpFold(c);
      const char32_t to = entry.kind() == FoldEntry::Kind::kOne ? entry.value() : c;
      folded.Add(to, to);
      if (!numerals) continue;
      const std::u32string_view digits = LookUpNumeral(c).characters();
      if (digits.size() == 1) folded.Add(digits[0], digits[0]);
    }
  }
  folded.Normalise();
  tree.set = std::move(folded);
}

void AppendCodePoint(char32_t c, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string digits;
  do {
    digits.insert(digits.begin(), kHex[c % 16]);
    c /= 16;
  } while (c != 0);
  out += Concat("\\x{", digits, "}");
}

void AppendPattern(const Tree& tree, std::string& out) {
  switch (tree.kind) {
    case Tree::Kind::kEmpty:
      break;
    case Tree::Kind::kSet:
      out += '[';
      for (const auto& [low, high] : tree.set.ranges()) {
        AppendCodePoint(low, out);
        if (high == low) continue;
        out += '-';
        AppendCodePoint(high, out);
      }
      out += ']';
      break;
    case Tree::Kind::kConcat:
      for (const Tree& child : tree.children) AppendPattern(child, out);
      break;
    case Tree::Kind::kEither: {
      std::string_view separator = "(?:";
      for (const Tree& child : tree.children) {
        out += separator;
        AppendPattern(child, out);
        separator = "|";
      }
      out += ')';
      break;
    }
    case Tree::Kind::kRepeat:
      out += "(?:";
      AppendPattern(tree.children.front(), out);
      out += Concat("){", tree.least, ",", tree.most, "}");
      break;
    case Tree::Kind::kWordBoundary:
      out += "\\b";
      break;
    case Tree::Kind::kNoWordBoundary:
      out += "\\B";
      break;
  }
}

void AppendByte(unsigned char byte, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  out += "\\x";
  out += kHex[byte / 16];
  out += kHex[byte % 16];
}

// A set of more characters than this is any byte to the prefilter.
constexpr size_t kPrefilterSetSizeMax = 64;
constexpr size_t kCharacterBytesMax = 4;

bool IsAnyByte(const Tree& tree) {
  return tree.kind == Tree::Kind::kSet && tree.set.size() > kPrefilterSetSizeMax;
}

void AppendSetBytes(const CharacterSet& set, std::string& out) {
  std::string_view separator = "(?:";
  for (const auto& [low, high] : set.ranges()) {
    for (char32_t c = low; c <= high; ++c) {
      out += separator;
      separator = "|";
      std::string bytes;
      AppendUtf8(c, bytes);
      for (const char byte : bytes) AppendByte(static_cast<unsigned char>(byte), out);
    }
  }
  out += ')';
}

// The prefilter reads bytes, and anything goes for what says little: word boundaries and sets such
// as . or \p{Han}. As UTF-8 automata these cost Hyperscan thirty times as long to compile, and what
// they tell apart RE2 looks at anyway.
void AppendPrefilter(const Tree& tree, std::string& out) {
  switch (tree.kind) {
    case Tree::Kind::kEmpty:
    case Tree::Kind::kWordBoundary:
    case Tree::Kind::kNoWordBoundary:
      break;
    case Tree::Kind::kSet:
      if (IsAnyByte(tree)) {
        out += Concat("[\\x00-\\xFF]{1,", kCharacterBytesMax, "}");
      } else {
        AppendSetBytes(tree.set, out);
      }
      break;
    case Tree::Kind::kConcat:
      for (const Tree& child : tree.children) AppendPrefilter(child, out);
      break;
    case Tree::Kind::kEither: {
      std::string_view separator = "(?:";
      for (const Tree& child : tree.children) {
        out += separator;
        AppendPrefilter(child, out);
        separator = "|";
      }
      out += ')';
      break;
    }
    case Tree::Kind::kRepeat: {
      const Tree& child = tree.children.front();
      if (tree.most == 0 || WidthMax(child) == 0) break;  // Hyperscan refuses {0,0}
      if (IsAnyByte(child)) {
        out += Concat("[\\x00-\\xFF]{", tree.least, ",", tree.most * kCharacterBytesMax, "}");
        break;
      }
      out += "(?:";
      AppendPrefilter(child, out);
      out += Concat("){", tree.least, ",", tree.most, "}");
      break;
    }
  }
}

// Writes the program of a tree; false when it gets too large.
class ProgramWriter {
 public:
  explicit ProgramWriter(ExpressionVariant& variant) : variant_(variant) {}

  bool Write(const Tree& tree) { return Append(tree) && Put({Instruction::Kind::kMatch, 0, 0}); }

 private:
  uint32_t here() const { return static_cast<uint32_t>(variant_.program.size()); }
  Instruction& at(uint32_t place) { return variant_.program[place]; }
  bool Put(Instruction instruction) {
    if (variant_.program.size() >= kProgramSizeMax) return false;
    variant_.program.push_back(instruction);
    return true;
  }

  bool Append(const Tree& tree) {
    switch (tree.kind) {
      case Tree::Kind::kEmpty:
        return true;
      case Tree::Kind::kSet:
        variant_.sets.push_back(tree.set);
        return Put(
            {Instruction::Kind::kSet, here() + 1, static_cast<uint32_t>(variant_.sets.size() - 1)});
      case Tree::Kind::kConcat:
        return std::all_of(tree.children.begin(), tree.children.end(),
                           [&](const Tree& child) { return Append(child); });
      case Tree::Kind::kEither:
        return AppendEither(tree);
      case Tree::Kind::kRepeat:
        return AppendRepeat(tree);
      case Tree::Kind::kWordBoundary:
        return Put({Instruction::Kind::kWordBoundary, here() + 1, 0});
      case Tree::Kind::kNoWordBoundary:
        return Put({Instruction::Kind::kNoWordBoundary, here() + 1, 0});
    }
    return false;
  }

  bool AppendEither(const Tree& tree) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i < tree.children.size(); ++i) {
      const bool last = i + 1 == tree.children.size();
      const uint32_t split = here();
      if (!last && !Put({Instruction::Kind::kSplit, here() + 1, 0})) return false;
      if (!Append(tree.children[i])) return false;
      if (last) break;
      jumps.push_back(here());
      if (!Put({Instruction::Kind::kJump, 0, 0})) return false;
      at(split).other = here();
    }
    for (const uint32_t jump : jumps) at(jump).next = here();
    return true;
  }

  bool AppendRepeat(const Tree& tree) {
    for (uint32_t i = 0; i < tree.least; ++i) {
      if (!Append(tree.children.front())) return false;
    }
    std::vector<uint32_t> splits;
    for (uint32_t i = tree.least; i < tree.most; ++i) {
      splits.push_back(here());
      if (!Put({Instruction::Kind::kSplit, here() + 1, 0})) return false;
      if (!Append(tree.children.front())) return false;
    }
    for (const uint32_t split : splits) at(split).other = here();
    return true;
  }

  ExpressionVariant& variant_;
};

bool MakeVariant(const Tree& tree, ExpressionVariant& variant) {
  AppendPattern(tree, variant.pattern);
  AppendPrefilter(tree, variant.prefilter);
  return ProgramWriter(variant).Write(tree);
}

}  // namespace

void CharacterSet::Add(const CharacterSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
}

void CharacterSet::AddAsciiCases() {
  const std::vector<Range> ranges = ranges_;
  for (const auto& [low, high] : ranges) {
    for (char32_t c = std::max<char32_t>(low, 'A'); c <= std::min<char32_t>(high, 'Z'); ++c) {
      Add(c + 32, c + 32);
    }
    for (char32_t c = std::max<char32_t>(low, 'a'); c <= std::min<char32_t>(high, 'z'); ++c) {
      Add(c - 32, c - 32);
    }
  }
}

void CharacterSet::Negate() {
  Normalise();
  std::vector<Range> negated;
  char32_t from = 0;
  for (const auto& [low, high] : ranges_) {
    if (low > from) negated.emplace_back(from, low - 1);
    from = high + 1;
  }
  if (from <= kCodePointMax) negated.emplace_back(from, kCodePointMax);
  ranges_ = std::move(negated);
}

void CharacterSet::Normalise() {
  std::sort(ranges_.begin(), ranges_.end());
  std::vector<Range> merged;
  for (const Range& range : ranges_) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
  ascii_[0] = ascii_[1] = 0;
  for (const auto& [low, high] : ranges_) {
    for (char32_t c = low; c <= high && c < 128; ++c) ascii_[c / 64] |= uint64_t{1} << (c % 64);
  }
}

bool CharacterSet::Contains(char32_t c) const {
  if (c < 128) return ((ascii_[c / 64] >> (c % 64)) & 1U) != 0;
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), c,
                       [](char32_t value, const Range& r) { return value < r.first; });
  return after != ranges_.begin() && c <= (after - 1)->second;
}

size_t CharacterSet::size() const {
  size_t size = 0;
  for (const auto& [low, high] : ranges_) size += high - low + 1;
  return size;
}

absl::StatusOr<Expression> Expression::Parse(std::string_view pattern, bool numerals) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(Concat("the regex \"", pattern, "\" ", why));
  };
  // RE2 takes surrogates, which are no characters and in no text.
  for (size_t at = 0; at < pattern.size();) {
    const Decoded decoded = DecodeAt(pattern, at);
    if (decoded.c == kInvalidByte) {
      return absl::InvalidArgumentError("a regex is not valid UTF-8; save the file as UTF-8");
    }
    at += decoded.length;
  }
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 re2(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!re2.ok()) return refuse(Concat("is not valid: ", re2.error()));
  absl::StatusOr<Tree> tree = ParseExpressionTree(pattern);
  if (!tree.ok()) return refuse(std::string(tree.status().message()));
  if (HasEmptySet(*tree)) return refuse("has a class that no character is in");
  if (WidthMin(*tree) == 0) return refuse("matches the empty text, so it would match everywhere");
  Expression expression;
  const uint64_t width = WidthMax(*tree);
  if (width > kExpressionWidthMax) {
    return refuse(Concat("can match ", width, " characters; at most ", kExpressionWidthMax,
                         " are allowed, since a stream is held back for them"));
  }
  expression.width_max_ = static_cast<uint32_t>(width);
  bool fits = MakeVariant(*tree, expression.exact_);
  FoldTree(*tree, numerals);
  fits = fits && MakeVariant(*tree, expression.folded_);
  if (!fits) return refuse("is too large; split it into several rules or matchers");
  expression.facts_ = FactsOf(expression.folded_);
  return expression;
}

absl::StatusOr<LaneSet> Expression::LanesWithin(LaneSet lanes) const {
  constexpr LaneSet kSkeleton = LaneBit(Lane::kSkeleton);
  if (facts_.matches_in_skeleton || (lanes & kSkeleton) == 0) return lanes;
  const auto left = static_cast<LaneSet>(lanes & ~kSkeleton);
  if (left != 0) return left;
  return absl::InvalidArgumentError(
      "the regex can match nothing in lane skeleton, where separators are dropped and a character "
      "never stands twice in a row (digits excepted); name lane fold");
}

}  // namespace weir::rules
