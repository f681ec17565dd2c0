#include "tests/rules/reference_scan.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include <re2/re2.h>

#include "rules/fold_table.h"
#include "rules/lane_text.h"
#include "rules/numeral_table.h"
#include "rules/reading.h"
#include "rules/word.h"

namespace weir::rules {
namespace {

// A character of the fold lane with the bytes it came from.
struct Unit {
  enum class Kind { kSignificant, kSeparator, kNothing, kInvalid };
  Kind kind;
  char32_t c;
  size_t start;
  size_t end;
  bool leet = false;
};

std::vector<Unit> UnitsOf(std::string_view text, Reading reading) {
  std::vector<Unit> units;
  for (size_t at = 0; at < text.size();) {
    const Decoded decoded = DecodeAt(text, at);
    const size_t end = at + decoded.length;
    const auto add = [&](char32_t c) {
      const char letter = reading == Reading::kLeet ? LeetLetter(c) : '\0';
      if (letter != 0) {
        units.push_back(
            {Unit::Kind::kSignificant, static_cast<char32_t>(letter), at, end, c != 'l'});
        return;
      }
      const auto kind =
          LookUpFold(c).separator() ? Unit::Kind::kSeparator : Unit::Kind::kSignificant;
      units.push_back({kind, c, at, end});
    };
    if (decoded.c == kInvalidByte) {
      units.push_back({Unit::Kind::kInvalid, 0, at, end});
    } else if (reading == Reading::kNumerals &&
               LookUpNumeral(decoded.c).kind == NumeralKind::kDigits) {
      for (const char digit : LookUpNumeral(decoded.c).digits()) {
        add(static_cast<char32_t>(digit));
      }
    } else {
      const FoldEntry entry = LookUpFold(decoded.c);
      switch (entry.kind()) {
        case FoldEntry::Kind::kSame:
          add(decoded.c);
          break;
        case FoldEntry::Kind::kOne:
          add(entry.value());
          break;
        case FoldEntry::Kind::kMany:
          for (const char32_t part : FoldExpansion(entry)) add(part);
          break;
        case FoldEntry::Kind::kNothing:
          units.push_back({Unit::Kind::kNothing, 0, at, end});
          break;
      }
    }
    at = end;
  }
  return units;
}

bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}

// The copies of one significant character that stand side by side; a digit stands alone.
struct Group {
  char32_t c;
  std::vector<size_t> copies;  // units
  bool broken;                 // from the group before
};

std::vector<Group> GroupsOf(const std::vector<Unit>& units) {
  std::vector<Group> groups;
  int gap = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    const Unit& unit = units[i];
    if (unit.kind == Unit::Kind::kInvalid) gap = kSeparatorRunMax + 1;
    if (unit.kind != Unit::Kind::kSignificant) {
      ++gap;
      continue;
    }
    const bool broken = gap > kSeparatorRunMax;
    gap = 0;
    const bool repeats =
        !groups.empty() && !broken && groups.back().c == unit.c && !IsDigit(unit.c);
    if (repeats && groups.back().copies.size() <= kSeparatorRunMax) {
      groups.back().copies.push_back(i);
    } else {
      groups.push_back({unit.c, {i}, broken || repeats});
    }
  }
  return groups;
}

// An occurrence of a matcher: bytes, and the characters of the original before them.
struct Occurrence {
  size_t start = 0;
  size_t end = 0;
  Lane lane = Lane::kExact;
  size_t first = 0;
  size_t last = 0;
};

bool ByEnd(const Occurrence& a, const Occurrence& b) {
  return std::tie(a.end, a.start) < std::tie(b.end, b.start);
}

class Text {
 public:
  explicit Text(std::string_view bytes, Reading reading = Reading::kFold)
      : bytes_(bytes),
        reading_(reading),
        units_(UnitsOf(bytes, reading)),
        groups_(GroupsOf(units_)) {
    if (reading != Reading::kFold) return;
    numerals_ = std::make_unique<Text>(bytes, Reading::kNumerals);
    leet_ = std::make_unique<Text>(bytes, Reading::kLeet);
  }

  std::vector<Occurrence> FindWords(const std::vector<std::string>& words, LaneSet lanes) const {
    std::vector<Occurrence> found;
    for (const std::string& written : words) {
      const Word word = *Word::Parse(written, lanes);
      FindWord(word, found);
      if ((lanes & LaneBit(Lane::kDigits)) != 0) {
        numerals_->FindWord(*Word::Parse(written, lanes, Reading::kNumerals), found);
      }
      if ((lanes & LaneBit(Lane::kSkeleton)) != 0 && word.HasLeetForm()) {
        leet_->FindWord(*Word::Parse(written, lanes, Reading::kLeet), found);
      }
    }
    return found;
  }
  std::vector<Occurrence> FindRegex(const std::string& regex, LaneSet lanes) const;
  std::vector<Lane> LanesThatMatchAll(const std::string& regex, LaneSet lanes) const;

 private:
  // How a word goes on beyond its edge: not at all, with copies of its own character, or otherwise.
  enum class Edge { kFree, kRepeated, kContinued };
  Edge EdgeAt(char32_t edge, size_t unit, int step) const;
  void FindWord(const Word& word, std::vector<Occurrence>& found) const;
  std::optional<Lane> LaneOf(const Word& word, size_t first, size_t last) const;
  Occurrence At(size_t start, size_t end, Lane lane) const {
    const auto characters = [&](size_t to) {
      return static_cast<size_t>(
          std::count_if(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(to),
                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
    };
    return {start, end, lane, characters(start), characters(end)};
  }

  bool IsLeet(size_t first, size_t last) const;

  std::string_view bytes_;
  Reading reading_;
  std::vector<Unit> units_;
  std::vector<Group> groups_;
  std::unique_ptr<Text> numerals_;  // the same text in the other readings
  std::unique_ptr<Text> leet_;
};

bool Text::IsLeet(size_t first, size_t last) const {
  int letters = 0;
  int leet = 0;
  for (size_t i = first; i <= last; ++i) {
    if (units_[i].kind == Unit::Kind::kSignificant) ++(units_[i].leet ? leet : letters);
  }
  return leet > 0 && letters >= kLeetLettersMin;
}

Text::Edge Text::EdgeAt(char32_t edge, size_t unit, int step) const {
  const auto kind = EdgeOf(edge);
  if (kind == rules::Edge::kOpen) return Edge::kFree;
  Edge result = Edge::kFree;
  for (int i = 0; i <= kSeparatorRunMax; ++i) {
    unit += static_cast<size_t>(step);
    if (unit >= units_.size()) break;
    if (units_[unit].kind == Unit::Kind::kNothing) continue;
    if (units_[unit].kind != Unit::Kind::kSignificant || units_[unit].leet ||
        EdgeOf(units_[unit].c) != kind) {
      break;
    }
    if (units_[unit].c != edge || IsDigit(edge)) return Edge::kContinued;
    result = Edge::kRepeated;
  }
  return result;
}

// The finest lane that shows the word in units [first, last].
std::optional<Lane> Text::LaneOf(const Word& word, size_t first, size_t last) const {
  LaneSet lanes = word.lanes;
  for (const Edge edge :
       {EdgeAt(word.runs.front().c, first, -1), EdgeAt(word.runs.back().c, last, +1)}) {
    if (edge == Edge::kContinued) return std::nullopt;
    if (edge == Edge::kRepeated) lanes &= LaneBit(Lane::kSkeleton);
  }
  if (reading_ == Reading::kNumerals) return Lane::kDigits;
  if (reading_ == Reading::kLeet) {
    return IsLeet(first, last) ? std::optional(Lane::kSkeleton) : std::nullopt;
  }
  std::string fold;
  for (size_t i = first; i <= last; ++i) {
    if (units_[i].kind != Unit::Kind::kNothing) AppendUtf8(units_[i].c, fold);
  }
  const std::string_view written =
      bytes_.substr(units_[first].start, units_[last].end - units_[first].start);
  if ((lanes & LaneBit(Lane::kExact)) != 0 && written == word.exact) return Lane::kExact;
  if ((lanes & LaneBit(Lane::kFold)) != 0 && fold == word.fold) return Lane::kFold;
  if ((lanes & LaneBit(Lane::kSkeleton)) != 0) return Lane::kSkeleton;
  return std::nullopt;
}

// Of the first character's copies the last that the word needs, of every other's the first.
void Text::FindWord(const Word& word, std::vector<Occurrence>& found) const {
  const size_t length = word.runs.size();
  for (size_t at = 0; at + length <= groups_.size(); ++at) {
    bool matches = true;
    for (size_t i = 0; i < length && matches; ++i) {
      const Group& group = groups_[at + i];
      matches = group.c == word.runs[i].c && group.copies.size() >= word.runs[i].count &&
                (i == 0 || !group.broken);
    }
    if (!matches) continue;
    const std::vector<size_t>& head = groups_[at].copies;
    const size_t first = length == 1 ? head.front() : head[head.size() - word.runs[0].count];
    const size_t last = groups_[at + length - 1].copies[word.runs.back().count - 1];
    if (const std::optional<Lane> lane = LaneOf(word, first, last)) {
      found.push_back(At(units_[first].start, units_[last].end, *lane));
    }
  }
}

// A lane's text with the unit that each of its bytes is from.
struct LaneBytes {
  std::string bytes;
  std::vector<std::pair<size_t, size_t>> origins;

  void Put(std::string_view added, size_t start, size_t end) {
    bytes += added;
    origins.resize(bytes.size(), {start, end});
  }
};

std::string Utf8(char32_t c) {
  std::string bytes;
  AppendUtf8(c, bytes);
  return bytes;
}

LaneBytes BytesOf(Lane lane, std::string_view text, const std::vector<Unit>& units,
                  const std::vector<Group>& groups) {
  static const std::string kBreak(1, kLaneBreak);
  LaneBytes out;
  if (lane == Lane::kExact) {
    for (size_t at = 0; at < text.size();) {
      const Decoded decoded = DecodeAt(text, at);
      const size_t end = at + decoded.length;
      out.Put(decoded.c == kInvalidByte ? kBreak : std::string(text.substr(at, end - at)), at, end);
      at = end;
    }
  } else if (lane == Lane::kFold) {
    for (const Unit& unit : units) {
      if (unit.kind == Unit::Kind::kNothing) continue;
      out.Put(unit.kind == Unit::Kind::kInvalid ? kBreak : Utf8(unit.c), unit.start, unit.end);
    }
  } else {
    for (const Group& group : groups) {
      const Unit& unit = units[group.copies.front()];
      if (group.broken) out.Put(kBreak, unit.start, unit.end);
      out.Put(Utf8(group.c), unit.start, unit.end);
    }
  }
  return out;
}

const RE2& CompiledRegex(const std::string& regex, bool folds) {
  static auto& cache = *new std::map<std::pair<std::string, bool>, std::unique_ptr<RE2>>;
  std::unique_ptr<RE2>& compiled = cache[{regex, folds}];
  if (compiled != nullptr) return *compiled;
  std::string pattern = folds ? "(?i)" : "";
  for (size_t at = 0; at < regex.size();) {
    const Decoded decoded = DecodeAt(regex, at);
    at += decoded.length;
    const FoldEntry entry = LookUpFold(decoded.c);
    const bool change = folds && decoded.c >= 0x80 && entry.kind() == FoldEntry::Kind::kOne;
    AppendUtf8(change ? entry.value() : decoded.c, pattern);
  }
  RE2::Options options;
  options.set_longest_match(true);
  options.set_log_errors(false);
  compiled = std::make_unique<RE2>(pattern, options);
  if (!compiled->ok()) {
    std::cerr << "reference: RE2 refuses " << pattern << ": " << compiled->error() << '\n';
    std::abort();
  }
  return *compiled;
}

std::vector<Occurrence> Text::FindRegex(const std::string& regex, LaneSet lanes) const {
  std::vector<Occurrence> found;
  for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton}) {
    if ((lanes & LaneBit(lane)) == 0) continue;
    const LaneBytes text = BytesOf(lane, bytes_, units_, groups_);
    const re2::StringPiece piece(text.bytes.data(), text.bytes.size());
    const RE2& expression = CompiledRegex(regex, lane != Lane::kExact);
    re2::StringPiece match;
    for (size_t from = 0;
         expression.Match(piece, from, piece.size(), RE2::UNANCHORED, &match, 1);) {
      const auto begin = static_cast<size_t>(match.data() - piece.data());
      from = begin + match.size();
      found.push_back(At(text.origins[begin].first, text.origins[from - 1].second, lane));
    }
  }
  return found;
}

std::vector<Lane> Text::LanesThatMatchAll(const std::string& regex, LaneSet lanes) const {
  std::vector<Lane> matching;
  for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton}) {
    if ((lanes & LaneBit(lane)) == 0) continue;
    const LaneBytes text = BytesOf(lane, bytes_, units_, groups_);
    const re2::StringPiece piece(text.bytes.data(), text.bytes.size());
    if (RE2::FullMatch(piece, CompiledRegex(regex, lane != Lane::kExact))) matching.push_back(lane);
  }
  return matching;
}

// The occurrences that complete the matcher, ordered by end.
std::vector<Occurrence> Complete(const Matcher& matcher, const Text& text) {
  std::vector<Occurrence> complete;
  switch (matcher.kind) {
    case Matcher::Kind::kWords:
      complete = text.FindWords(matcher.words, matcher.lanes);
      break;
    case Matcher::Kind::kRegex:
      complete = text.FindRegex(matcher.regex, matcher.lanes);
      break;
    case Matcher::Kind::kDetector:
      break;
    case Matcher::Kind::kAny:
      for (const Matcher& child : matcher.children) {
        const std::vector<Occurrence> part = Complete(child, text);
        complete.insert(complete.end(), part.begin(), part.end());
      }
      break;
    case Matcher::Kind::kAll:
    case Matcher::Kind::kNear: {
      const bool near = matcher.kind == Matcher::Kind::kNear;
      std::vector<std::vector<Occurrence>> parts;
      for (const Matcher& child : matcher.children) parts.push_back(Complete(child, text));
      // An occurrence completes it when every other part has one that begins no later, and within
      // reach: from there to the end of whichever ends last.
      for (size_t part = 0; part < parts.size(); ++part) {
        for (const Occurrence& candidate : parts[part]) {
          bool all = true;
          for (size_t other_part = 0; other_part < parts.size(); ++other_part) {
            const std::vector<Occurrence>& others = parts[other_part];
            all = all && (other_part == part ||
                          std::any_of(others.begin(), others.end(), [&](const Occurrence& other) {
                            return other.start <= candidate.start &&
                                   (!near || std::max(candidate.last, other.last) - other.first <=
                                                 matcher.within);
                          }));
          }
          if (all) complete.push_back(candidate);
        }
      }
      break;
    }
  }
  std::sort(complete.begin(), complete.end(), ByEnd);
  return complete;
}

// The lanes in which some expression or word of the rule is all of the text.
void CollectLanes(const Matcher& matcher, const Text& text, size_t size, std::set<Lane>& lanes) {
  if (matcher.kind == Matcher::Kind::kRegex) {
    for (const Lane lane : text.LanesThatMatchAll(matcher.regex, matcher.lanes)) lanes.insert(lane);
  }
  for (const Occurrence& word : text.FindWords(matcher.words, matcher.lanes)) {
    if (word.start == 0 && word.end == size) lanes.insert(word.lane);
  }
  for (const Matcher& child : matcher.children) CollectLanes(child, text, size, lanes);
}

bool HasKindBeside(const Matcher& matcher, Matcher::Kind kind) {
  return (matcher.kind != kind && matcher.kind != Matcher::Kind::kAny) ||
         std::any_of(matcher.children.begin(), matcher.children.end(),
                     [&](const Matcher& child) { return HasKindBeside(child, kind); });
}

// Of a rule with more than words, several matchers or lanes may find the same bytes: what is told
// is the finest lane in which one of them is all of these bytes.
Lane FinestLane(const Rule& rule, Lane found, std::string_view written) {
  if (!HasKindBeside(rule.match, Matcher::Kind::kWords)) return found;
  std::set<Lane> lanes = {found};
  CollectLanes(rule.match, Text(written), written.size(), lanes);
  return *lanes.begin();
}

bool HasDetector(const Matcher& matcher) {
  return matcher.kind == Matcher::Kind::kDetector ||
         std::any_of(matcher.children.begin(), matcher.children.end(), HasDetector);
}

bool Excused(const Rule& rule, const Occurrence& occurrence, const Text& text) {
  if (!rule.except.has_value()) return false;
  const std::vector<Occurrence> contexts = text.FindWords(rule.except->words, rule.except->lanes);
  const size_t within = rule.except->within;
  return std::any_of(contexts.begin(), contexts.end(), [&](const Occurrence& context) {
    return context.first <= occurrence.last + within && context.last + within >= occurrence.first;
  });
}

}  // namespace

bool ReferenceKnows(const Rule& rule) {
  return !HasDetector(rule.match);
}

std::vector<Finding> ReferenceScan(const std::vector<Rule>& rules, Direction direction,
                                   std::string_view bytes) {
  const Text text(bytes);
  std::vector<Finding> findings;
  for (uint32_t number = 0; number < rules.size(); ++number) {
    const Rule& rule = rules[number];
    const RuleDirection one =
        direction == Direction::kPrompt ? RuleDirection::kPrompt : RuleDirection::kAnswer;
    if (!ReferenceKnows(rule) || rule.status == RuleStatus::kRetired ||
        (rule.direction != RuleDirection::kBoth && rule.direction != one)) {
      continue;
    }
    for (const Occurrence& occurrence : Complete(rule.match, text)) {
      if (Excused(rule, occurrence, text)) continue;
      findings.push_back(
          {number,
           FinestLane(rule, occurrence.lane,
                      bytes.substr(occurrence.start, occurrence.end - occurrence.start)),
           Detector::kNone, occurrence.start, occurrence.end});
    }
  }
  std::sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.end, a.start, a.rule, a.lane) < std::tie(b.end, b.start, b.rule, b.lane);
  });
  const auto same = [](const Finding& a, const Finding& b) {
    return std::tie(a.end, a.start, a.rule) == std::tie(b.end, b.start, b.rule);
  };
  findings.erase(std::unique(findings.begin(), findings.end(), same), findings.end());
  return findings;
}

}  // namespace weir::rules
