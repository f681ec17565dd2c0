#include "rules/expression_tree.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <re2/re2.h>

#include "rules/concat.h"
#include "rules/lane_text.h"

namespace weir::rules {
namespace {

constexpr char32_t kCodePointMax = 0x10FFFF;
using Tree = ExpressionTree;

absl::Status Unsupported(std::string why) {
  return absl::InvalidArgumentError(std::move(why));
}

CharacterSet AsciiDigits() {
  CharacterSet set;
  set.Add('0', '9');
  return set;
}
CharacterSet AsciiWord() {
  CharacterSet set;
  set.Add('0', '9');
  set.Add('A', 'Z');
  set.Add('_', '_');
  set.Add('a', 'z');
  return set;
}
CharacterSet AsciiSpace() {
  CharacterSet set;
  set.Add('\t', '\n');
  set.Add('\f', '\r');
  set.Add(' ', ' ');
  return set;
}

// The code points of a class that only RE2's own tables know, such as \p{Han}: asked once each.
CharacterSet NamedClass(const std::string& expression) {
  static std::mutex mutex;
  static std::map<std::string, CharacterSet> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [place, is_new] = known.try_emplace(expression);
  if (!is_new) return place->second;
  const RE2 re2(expression);
  std::string text;
  for (char32_t c = 0; c <= kCodePointMax; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    text.clear();
    AppendUtf8(c, text);
    if (RE2::FullMatch(text, re2)) place->second.Add(c, c);
  }
  place->second.Normalise();
  return place->second;
}

class TreeParser {
 public:
  explicit TreeParser(std::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<Tree> Run() {
    absl::StatusOr<Tree> tree = ParseEither();
    if (!tree.ok()) return tree;
    if (at_ != pattern_.size()) return Unsupported("has an unmatched bracket");
    return tree;
  }

 private:
  bool AtEnd() const { return at_ >= pattern_.size(); }
  char Peek() const { return pattern_[at_]; }
  bool Take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t TakeCharacter() {
    const Decoded decoded = DecodeAt(pattern_, at_);
    at_ += decoded.length;
    return decoded.c;
  }
  Tree SetTree(CharacterSet set) const {
    if (ignore_case_) set.AddAsciiCases();
    set.Normalise();
    Tree tree;
    tree.kind = Tree::Kind::kSet;
    tree.set = std::move(set);
    return tree;
  }
  Tree Literal(char32_t c) const {
    CharacterSet set;
    set.Add(c, c);
    return SetTree(std::move(set));
  }

  absl::StatusOr<Tree> ParseEither();
  absl::StatusOr<Tree> ParseConcat();
  absl::StatusOr<Tree> ParseRepeat();
  absl::StatusOr<Tree> ParseAtom();
  absl::StatusOr<Tree> ParseGroup();
  absl::StatusOr<Tree> ParseEscape();
  absl::StatusOr<CharacterSet> ParseClass();
  std::optional<CharacterSet> ParseClassEscape();
  char32_t ParseCharacterEscape();
  std::optional<std::pair<uint32_t, uint32_t>> ParseCounts(bool& unbounded);

  std::string_view pattern_;
  size_t at_ = 0;
  int depth_ = 0;
  bool ignore_case_ = false;
  bool dot_takes_newline_ = false;
};

absl::StatusOr<Tree> TreeParser::ParseEither() {
  Tree either;
  either.kind = Tree::Kind::kEither;
  do {
    absl::StatusOr<Tree> branch = ParseConcat();
    if (!branch.ok()) return branch;
    either.children.push_back(*std::move(branch));
  } while (Take("|"));
  if (either.children.size() > 1) return either;
  Tree only = std::move(either.children.front());
  return only;
}

absl::StatusOr<Tree> TreeParser::ParseConcat() {
  Tree concat;
  concat.kind = Tree::Kind::kConcat;
  while (!AtEnd() && Peek() != '|' && Peek() != ')') {
    absl::StatusOr<Tree> part = ParseRepeat();
    if (!part.ok()) return part;
    if (part->kind != Tree::Kind::kEmpty) concat.children.push_back(*std::move(part));
  }
  return concat;
}

// {n}, {n,} and {n,m}; RE2 takes anything else that begins with { as text, a number with a zero in
// front among it.
std::optional<std::pair<uint32_t, uint32_t>> TreeParser::ParseCounts(bool& unbounded) {
  const size_t begin = at_;
  const auto number = [&]() -> std::optional<uint32_t> {
    const size_t from = at_;
    uint32_t value = 0;
    while (!AtEnd() && Peek() >= '0' && Peek() <= '9' && at_ - from < 6) {
      value = value * 10 + static_cast<uint32_t>(pattern_[at_++] - '0');
    }
    if (at_ > from + 1 && pattern_[from] == '0') at_ = from;
    return at_ == from ? std::nullopt : std::optional<uint32_t>(value);
  };
  if (Take("{")) {
    const std::optional<uint32_t> least = number();
    if (least.has_value() && Take("}")) return std::pair(*least, *least);
    if (least.has_value() && Take(",")) {
      const std::optional<uint32_t> most = number();
      if (Take("}")) {
        unbounded = !most.has_value();
        return std::pair(*least, most.value_or(*least));
      }
    }
  }
  at_ = begin;
  return std::nullopt;
}

absl::StatusOr<Tree> TreeParser::ParseRepeat() {
  absl::StatusOr<Tree> atom = ParseAtom();
  while (atom.ok() && !AtEnd()) {
    Tree repeat;
    repeat.kind = Tree::Kind::kRepeat;
    bool unbounded = false;
    if (Take("*") || Take("+")) {
      unbounded = true;
    } else if (Take("?")) {
      repeat.most = 1;
    } else if (const auto counts = ParseCounts(unbounded); counts.has_value()) {
      repeat.least = counts->first;
      repeat.most = counts->second;
    } else {
      break;
    }
    if (unbounded) {
      return Unsupported(
          "repeats something without an upper bound (*, + or {n,}); write {0,20} or the like, so "
          "that a stream need not be held back for ever");
    }
    Take("?");  // the shortest or the longest match: a finding is always the longest
    repeat.children.push_back(*std::move(atom));
    atom = std::move(repeat);
  }
  return atom;
}

absl::StatusOr<Tree> TreeParser::ParseAtom() {
  if (Take("(")) return ParseGroup();
  if (Take("[")) {
    absl::StatusOr<CharacterSet> set = ParseClass();
    if (!set.ok()) return set.status();
    Tree tree;
    tree.kind = Tree::Kind::kSet;
    tree.set = *std::move(set);
    return tree;
  }
  if (Take(".")) {
    CharacterSet set;
    if (dot_takes_newline_) {
      set.Add(0, kCodePointMax);
    } else {
      set.Add(0, '\n' - 1);
      set.Add('\n' + 1, kCodePointMax);
    }
    return SetTree(std::move(set));
  }
  if (Peek() == '^' || Peek() == '$') {
    return Unsupported(
        "uses ^ or $; where a text begins and ends is up to whoever cuts it, so "
        "leave them out");
  }
  if (Take("\\")) return ParseEscape();
  return Literal(TakeCharacter());
}

absl::StatusOr<Tree> TreeParser::ParseGroup() {
  const bool ignore_case = ignore_case_;
  const bool dot_takes_newline = dot_takes_newline_;
  if (++depth_ > 100) return Unsupported("nests brackets more than 100 deep");
  if (Take("?P<")) {
    at_ = pattern_.find('>', at_) + 1;
  } else if (Take("?")) {
    bool on = true;
    while (!AtEnd() && Peek() != ':' && Peek() != ')') {
      const char flag = pattern_[at_++];
      if (flag == '-') {
        on = false;
      } else if (flag == 'i') {
        ignore_case_ = on;
      } else if (flag == 's') {
        dot_takes_newline_ = on;
      } else {
        return Unsupported("uses a flag other than (?i) and (?s)");
      }
    }
    if (Take(")")) {  // flags for the rest of the enclosing group
      --depth_;
      return Tree{};
    }
    Take(":");
  }
  absl::StatusOr<Tree> inner = ParseEither();
  if (!inner.ok()) return inner;
  Take(")");
  --depth_;
  ignore_case_ = ignore_case;
  dot_takes_newline_ = dot_takes_newline;
  return inner;
}

absl::StatusOr<Tree> TreeParser::ParseEscape() {
  Tree tree;
  switch (AtEnd() ? '\0' : Peek()) {
    case 'b':
    case 'B':
      tree.kind = Peek() == 'b' ? Tree::Kind::kWordBoundary : Tree::Kind::kNoWordBoundary;
      ++at_;
      return tree;
    case 'A':
    case 'z':
      return Unsupported(
          "uses \\A or \\z; where a text begins and ends is up to whoever cuts it, "
          "so leave them out");
    case 'Q':
    case 'C':
      return Unsupported("uses \\Q or \\C; write the characters themselves");
    default:
      break;
  }
  if (std::optional<CharacterSet> set = ParseClassEscape(); set.has_value()) {
    set->Normalise();
    tree.kind = Tree::Kind::kSet;
    tree.set = *std::move(set);
    return tree;
  }
  return Literal(ParseCharacterEscape());
}

// \d \w \s, \p{...} and their negations, after the backslash.
std::optional<CharacterSet> TreeParser::ParseClassEscape() {
  const char c = AtEnd() ? '\0' : Peek();
  CharacterSet set;
  switch (c) {
    case 'd':
    case 'D':
      set = AsciiDigits();
      break;
    case 'w':
    case 'W':
      set = AsciiWord();
      break;
    case 's':
    case 'S':
      set = AsciiSpace();
      break;
    case 'p':
    case 'P': {
      const size_t end =
          pattern_.substr(at_ + 1).starts_with("{") ? pattern_.find('}', at_) + 1 : at_ + 2;
      set = NamedClass(Concat("\\", pattern_.substr(at_, end - at_)));
      at_ = end;
      return set;
    }
    default:
      return std::nullopt;
  }
  ++at_;
  if (c == 'D' || c == 'W' || c == 'S') set.Negate();
  return set;
}

char32_t TreeParser::ParseCharacterEscape() {
  const char32_t c = TakeCharacter();
  const auto hex = [](char digit) -> char32_t {
    if (digit >= '0' && digit <= '9') return static_cast<char32_t>(digit - '0');
    return static_cast<char32_t>((digit | 0x20) - 'a' + 10);
  };
  switch (c) {
    case 'a':
      return '\a';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'x': {
      char32_t value = 0;
      if (Take("{")) {
        while (!AtEnd() && Peek() != '}') value = value * 16 + hex(pattern_[at_++]);
        Take("}");
      } else {
        for (int i = 0; i < 2 && !AtEnd(); ++i) value = value * 16 + hex(pattern_[at_++]);
      }
      return value;
    }
    default:
      break;
  }
  if (c < '0' || c > '7') return c;
  char32_t value = c - '0';  // octal: up to three digits
  for (int i = 0; i < 2 && !AtEnd() && Peek() >= '0' && Peek() <= '7'; ++i) {
    value = value * 8 + static_cast<char32_t>(pattern_[at_++] - '0');
  }
  return value;
}

absl::StatusOr<CharacterSet> TreeParser::ParseClass() {
  CharacterSet set;
  const bool negated = Take("^");
  bool first = true;
  while (!AtEnd() && (first || Peek() != ']')) {
    first = false;
    if (Take("[:")) {
      const size_t end = pattern_.find(":]", at_);
      if (end == std::string_view::npos) return Unsupported("has a class that does not end");
      set.Add(NamedClass(Concat("[[:", pattern_.substr(at_, end - at_), ":]]")));
      at_ = end + 2;
      continue;
    }
    if (Take("\\")) {
      if (const std::optional<CharacterSet> named = ParseClassEscape(); named.has_value()) {
        set.Add(*named);
        continue;
      }
      --at_;
    }
    const char32_t low = Take("\\") ? ParseCharacterEscape() : TakeCharacter();
    char32_t high = low;
    if (pattern_.substr(at_).size() >= 2 && Peek() == '-' && pattern_[at_ + 1] != ']') {
      ++at_;
      high = Take("\\") ? ParseCharacterEscape() : TakeCharacter();
    }
    set.Add(low, high);
  }
  Take("]");
  if (ignore_case_) set.AddAsciiCases();
  set.Normalise();
  if (negated) set.Negate();
  set.Normalise();
  return set;
}

}  // namespace

absl::StatusOr<ExpressionTree> ParseExpressionTree(std::string_view pattern) {
  return TreeParser(pattern).Run();
}

}  // namespace weir::rules
