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
#include "tests/rules/reference_decode.h"
#include "tests/rules/reference_detector.h"

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
  Detector detector = Detector::kNone;
};

bool ByEnd(const Occurrence& a, const Occurrence& b) {
  return std::tie(a.end, a.start) < std::tie(b.end, b.start);
}

class Text {
 public:
  Text(std::string_view bytes, ReferenceForms forms, Reading reading = Reading::kFold)
      : bytes_(bytes),
        forms_(forms),
        reading_(reading),
        units_(UnitsOf(bytes, reading)),
        groups_(GroupsOf(units_)) {
    if (reading != Reading::kFold) return;
    numerals_ = std::make_unique<Text>(bytes, forms, Reading::kNumerals);
    leet_ = std::make_unique<Text>(bytes, forms, Reading::kLeet);
  }

  // What the matcher, no composite, finds in the text and, in lane decoded, in what it decodes to.
  // `decoded_too`: in that in any case.
  std::vector<Occurrence> Find(const Matcher& leaf, bool decoded_too = false) const;
  std::vector<Occurrence> FindWords(const std::vector<std::string>& words, LaneSet lanes) const;
  // Whether the expression is all that the lane has of the text, and that is all of the text.
  bool MatchesAll(const Matcher& regex, Lane lane) const;

 private:
  // How a word goes on beyond its edge: not at all, with copies of its own character, or otherwise.
  enum class Edge { kFree, kRepeated, kContinued };
  Edge EdgeAt(char32_t edge, size_t unit, int step) const;
  std::vector<Occurrence> FindPlain(const Matcher& leaf, LaneSet lanes) const;
  std::vector<Occurrence> FindRegex(const std::string& regex, LaneSet lanes) const;
  void FindRegexIn(Lane lane, const RE2& expression, const Text& text,
                   std::vector<Occurrence>& found) const;
  void FindWord(const Word& word, std::vector<Occurrence>& found) const;
  const Text* DecodedText() const;
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
  ReferenceForms forms_;
  Reading reading_;
  std::vector<Unit> units_;
  std::vector<Group> groups_;
  std::unique_ptr<Text> numerals_;  // the same text in the other readings
  std::unique_ptr<Text> leet_;
  // What it decodes to, worked out when it is asked for.
  mutable std::optional<ReferenceDecoded> decoded_;
  mutable std::unique_ptr<Text> decoded_text_;
};

const Text* Text::DecodedText() const {
  if (!decoded_.has_value()) {
    decoded_ = DecodeForReference(bytes_);
    const auto& sources = decoded_->sources;
    if (std::any_of(sources.begin(), sources.end(), [](const auto& s) { return s.encoded; })) {
      decoded_text_ = std::make_unique<Text>(decoded_->text, forms_);
    }
  }
  return decoded_text_.get();
}

std::vector<Occurrence> Text::Find(const Matcher& leaf, bool decoded_too) const {
  const LaneSet named = leaf.lanes & static_cast<LaneSet>(~LaneBit(Lane::kDecoded));
  const LaneSet lanes = named != 0 ? named : LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
  std::vector<Occurrence> found = FindPlain(leaf, lanes);
  if (!decoded_too && (leaf.lanes & LaneBit(Lane::kDecoded)) == 0) return found;
  const Text* const decoded = DecodedText();
  if (decoded == nullptr) return found;
  for (const Occurrence& occurrence : decoded->FindPlain(leaf, lanes)) {
    const auto first = decoded_->sources.begin() + static_cast<ptrdiff_t>(occurrence.start);
    const auto last = decoded_->sources.begin() + static_cast<ptrdiff_t>(occurrence.end);
    if (std::any_of(first, last, [](const auto& source) { return source.encoded; })) {
      found.push_back(At(first->start, (last - 1)->end, Lane::kDecoded));
    }
  }
  return found;
}

std::vector<Occurrence> Text::FindPlain(const Matcher& leaf, LaneSet lanes) const {
  if (leaf.kind == Matcher::Kind::kWords) return FindWords(leaf.words, lanes);
  if (leaf.kind == Matcher::Kind::kRegex) return FindRegex(leaf.regex, lanes);
  std::vector<Occurrence> found;
  for (const ReferenceDetected& match : FindDetected(leaf.detector, bytes_, /*granted=*/false)) {
    found.push_back(At(match.start, match.end, match.lane));
    found.back().detector = leaf.detector;
  }
  return found;
}

std::vector<Occurrence> Text::FindWords(const std::vector<std::string>& words,
                                        LaneSet lanes) const {
  std::vector<Occurrence> found;
  for (const std::string& written : words) {
    const Word word = *Word::Parse(written, lanes);
    FindWord(word, found);
    // Read otherwise, a word may be none.
    const auto find_in = [&](const Text& text, Reading reading) {
      const auto read = Word::Parse(written, lanes, reading);
      if (read.ok()) text.FindWord(*read, found);
    };
    if ((lanes & LaneBit(Lane::kDigits)) != 0) find_in(*numerals_, Reading::kNumerals);
    if ((lanes & LaneBit(Lane::kSkeleton)) != 0 && word.HasLeetForm()) {
      find_in(*leet_, Reading::kLeet);
    }
    for (const Lane lane : {Lane::kPinyin, Lane::kShape}) {
      if ((lanes & LaneBit(lane)) == 0) continue;
      for (const ReferenceSpan& span : FindDisguised(lane, word, forms_, bytes_)) {
        found.push_back(At(span.start, span.end, lane));
      }
    }
  }
  return found;
}

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

// Of the first character's copies the last that the word needs, of every other's the first. A word
// of one character, repeated or not, is the first of its copies that stand for themselves.
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
    const size_t count = word.runs.front().count;
    for (size_t copy = length == 1 ? 0 : head.size() - count; copy + count <= head.size(); ++copy) {
      const size_t first = head[copy];
      const size_t last = length == 1 ? head[copy + count - 1]
                                      : groups_[at + length - 1].copies[word.runs.back().count - 1];
      if (const std::optional<Lane> lane = LaneOf(word, first, last)) {
        found.push_back(At(units_[first].start, units_[last].end, *lane));
        break;
      }
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

// The control character that stands behind a backslash, itself or by its letter: \r is a carriage
// return. 'x' for the others, which the fold lane leaves alone.
char32_t ControlOf(char32_t letter) {
  if (letter < 0x20) return letter;
  constexpr std::string_view kLetters = "aftnrv";
  constexpr std::string_view kControls = "\a\f\t\n\r\v";
  const size_t place = letter < 0x80 ? kLetters.find(static_cast<char>(letter)) : kLetters.npos;
  return place == kLetters.npos ? U'x' : static_cast<char32_t>(kControls[place]);
}

// With `numerals`, those of the expression are digits too: 一 is [一1].
const RE2& CompiledRegex(const std::string& regex, bool folds, bool numerals) {
  static auto& cache = *new std::map<std::tuple<std::string, bool, bool>, std::unique_ptr<RE2>>;
  std::unique_ptr<RE2>& compiled = cache[{regex, folds, numerals}];
  if (compiled != nullptr) return *compiled;
  std::string pattern = folds ? "(?i)" : "";
  bool in_class = false;
  for (size_t at = 0; at < regex.size();) {
    const Decoded decoded = DecodeAt(regex, at);
    at += decoded.length;
    if (decoded.c == '\\' && at < regex.size()) {
      const Decoded escaped = DecodeAt(regex, at);
      at += escaped.length;
      const FoldEntry space = LookUpFold(ControlOf(escaped.c));
      if (folds && space.kind() == FoldEntry::Kind::kOne) {
        AppendUtf8(space.value(), pattern);
      } else {
        pattern += '\\';
        AppendUtf8(escaped.c, pattern);
      }
      continue;
    }
    if (decoded.c == '[') in_class = true;
    if (decoded.c == ']') in_class = false;
    if (folds && numerals && decoded.c >= 0x80 && LookUpNumeral(decoded.c).digits().size() == 1) {
      if (!in_class) pattern += '[';
      AppendUtf8(decoded.c, pattern);
      pattern += LookUpNumeral(decoded.c).digits();
      if (!in_class) pattern += ']';
      continue;
    }
    const FoldEntry entry = LookUpFold(decoded.c);
    const bool change =
        folds && (decoded.c >= 0x80 || decoded.c < 0x20) && entry.kind() == FoldEntry::Kind::kOne;
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
  for (const Lane lane : {Lane::kExact, Lane::kFold, Lane::kSkeleton, Lane::kDigits}) {
    if ((lanes & LaneBit(lane)) == 0) continue;
    const bool numerals = (lanes & LaneBit(Lane::kDigits)) != 0;
    FindRegexIn(lane, CompiledRegex(regex, lane != Lane::kExact, numerals),
                lane == Lane::kDigits ? *numerals_ : *this, found);
  }
  return found;
}

void Text::FindRegexIn(Lane lane, const RE2& expression, const Text& read,
                       std::vector<Occurrence>& found) const {
  const LaneBytes text = BytesOf(lane, bytes_, read.units_, read.groups_);
  const re2::StringPiece piece(text.bytes.data(), text.bytes.size());
  re2::StringPiece match;
  for (size_t from = 0; expression.Match(piece, from, piece.size(), RE2::UNANCHORED, &match, 1);) {
    const auto begin = static_cast<size_t>(match.data() - piece.data());
    from = begin + match.size();
    found.push_back(At(text.origins[begin].first, text.origins[from - 1].second, lane));
  }
}

bool Text::MatchesAll(const Matcher& regex, Lane lane) const {
  const LaneBytes text = BytesOf(lane, bytes_, units_, groups_);
  return !text.bytes.empty() && text.origins.front().first == 0 &&
         text.origins.back().second == bytes_.size() &&
         RE2::FullMatch(re2::StringPiece(text.bytes.data(), text.bytes.size()),
                        CompiledRegex(regex.regex, lane != Lane::kExact,
                                      (regex.lanes & LaneBit(Lane::kDigits)) != 0));
}

// The occurrences that complete the matcher, ordered by end.
std::vector<Occurrence> Complete(const Matcher& matcher, const Text& text) {
  std::vector<Occurrence> complete;
  switch (matcher.kind) {
    case Matcher::Kind::kWords:
    case Matcher::Kind::kRegex:
    case Matcher::Kind::kDetector:
      complete = text.Find(matcher);
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

// The lanes finer than skeleton, or that, in which some expression or word of the rule is all of
// the text.
void CollectLanes(const Matcher& matcher, const Text& text, size_t size, std::set<Lane>& lanes) {
  constexpr Lane kPlain[] = {Lane::kExact, Lane::kFold, Lane::kSkeleton};
  LaneSet plain = 0;
  for (const Lane lane : kPlain) {
    plain = static_cast<LaneSet>(plain | (matcher.lanes & LaneBit(lane)));
    if (matcher.kind == Matcher::Kind::kRegex && (matcher.lanes & LaneBit(lane)) != 0 &&
        text.MatchesAll(matcher, lane)) {
      lanes.insert(lane);
    }
  }
  for (const Occurrence& match : text.FindWords(matcher.words, plain)) {
    if (match.start == 0 && match.end == size) lanes.insert(match.lane);
  }
  for (const Matcher& child : matcher.children) CollectLanes(child, text, size, lanes);
}

void CollectDetectors(const Matcher& matcher, std::vector<Detector>& detectors) {
  if (matcher.kind == Matcher::Kind::kDetector) detectors.push_back(matcher.detector);
  for (const Matcher& child : matcher.children) CollectDetectors(child, detectors);
}

bool HasMoreThanWords(const Matcher& matcher) {
  constexpr LaneSet kWide =
      LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape) | LaneBit(Lane::kDecoded);
  return (matcher.kind != Matcher::Kind::kWords && matcher.kind != Matcher::Kind::kAny) ||
         (matcher.lanes & kWide) != 0 ||
         std::any_of(matcher.children.begin(), matcher.children.end(), HasMoreThanWords);
}

// Of a rule with more than words, several matchers or lanes may find the same bytes: what is told
// is the finest lane in which one of them is all of these bytes, and the detector that knows them.
void MakeFinest(const Rule& rule, std::string_view written, ReferenceForms forms,
                Finding& finding) {
  if (!HasMoreThanWords(rule.match)) return;
  std::set<Lane> lanes = {finding.lane};
  CollectLanes(rule.match, Text(written, forms), written.size(), lanes);
  finding.lane = *lanes.begin();
  std::vector<Detector> detectors;
  CollectDetectors(rule.match, detectors);
  for (const Detector detector : detectors) {
    if (finding.detector != Detector::kNone && finding.detector != detector) continue;
    for (const ReferenceDetected& match : FindDetected(detector, written, /*granted=*/true)) {
      if (match.start != 0 || match.end != written.size()) continue;
      finding.detector = detector;
      finding.lane = std::min(finding.lane, match.lane);
    }
  }
}

bool NamesDecoded(const Matcher& matcher) {
  return (matcher.lanes & LaneBit(Lane::kDecoded)) != 0 ||
         std::any_of(matcher.children.begin(), matcher.children.end(), NamesDecoded);
}

bool Excused(const Rule& rule, const Occurrence& occurrence, const Text& text) {
  if (!rule.except.has_value()) return false;
  Matcher words;
  words.kind = Matcher::Kind::kWords;
  words.words = rule.except->words;
  words.lanes = rule.except->lanes;
  const std::vector<Occurrence> contexts = text.Find(words, NamesDecoded(rule.match));
  const size_t within = rule.except->within;
  return std::any_of(contexts.begin(), contexts.end(), [&](const Occurrence& context) {
    return context.first <= occurrence.last + within && context.last + within >= occurrence.first;
  });
}

}  // namespace

std::vector<Finding> ReferenceScan(const std::vector<Rule>& rules, Direction direction,
                                   std::string_view bytes, ReferenceForms forms) {
  const Text text(bytes, forms);
  std::vector<Finding> findings;
  for (uint32_t number = 0; number < rules.size(); ++number) {
    const Rule& rule = rules[number];
    const RuleDirection one =
        direction == Direction::kPrompt ? RuleDirection::kPrompt : RuleDirection::kAnswer;
    if (rule.status == RuleStatus::kRetired ||
        (rule.direction != RuleDirection::kBoth && rule.direction != one)) {
      continue;
    }
    for (const Occurrence& occurrence : Complete(rule.match, text)) {
      if (Excused(rule, occurrence, text)) continue;
      findings.push_back(
          {number, occurrence.lane, occurrence.detector, occurrence.start, occurrence.end});
      MakeFinest(rule, bytes.substr(occurrence.start, occurrence.end - occurrence.start), forms,
                 findings.back());
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
