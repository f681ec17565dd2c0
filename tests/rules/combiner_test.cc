// any, all, near and except against their definition, written out: slow, and obviously right.
//
// What the matchers find alone is taken from the scanner (scanner_test and stream_test check that);
// this is about what becomes of it, whole and in a stream, and about how little a stream holds.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rules/scanner.h"
#include "tests/rules/rule_making.h"

namespace weir::rules {
namespace {

struct Place {  // in characters
  uint64_t start;
  uint64_t end;
  friend auto operator<=>(const Place&, const Place&) = default;
};
using Places = std::set<Place>;

uint64_t CharacterAt(std::string_view text, uint64_t offset) {
  return Characters(text.substr(0, offset)).size();
}

Places PlacesOf(const RuleSet& rules, std::string_view text) {
  Places places;
  for (const Finding& finding : ScanWhole(rules, text)) {
    places.insert({CharacterAt(text, finding.start), CharacterAt(text, finding.end)});
  }
  return places;
}

// A matcher with the rule set that finds what a leaf finds alone.
struct Node {
  Matcher matcher;
  std::shared_ptr<const RuleSet> alone;
  std::vector<Node> children;
};

Node MakeNode(const Matcher& matcher) {
  Node node{matcher, nullptr, {}};
  if (matcher.children.empty()) node.alone = CompileRules({MakeRule(matcher)});
  for (const Matcher& child : matcher.children) node.children.push_back(MakeNode(child));
  return node;
}

// The definition in combiner.h.
Places Occurrences(const Node& node, std::string_view text) {
  if (node.alone != nullptr) return PlacesOf(*node.alone, text);
  std::vector<Places> parts;
  Places all;
  for (const Node& child : node.children) {
    parts.push_back(Occurrences(child, text));
    all.insert(parts.back().begin(), parts.back().end());
  }
  if (node.matcher.kind == Matcher::Kind::kAny) return all;
  const bool near = node.matcher.kind == Matcher::Kind::kNear;
  const auto completes = [&](size_t part, const Place& place) {
    if (near && place.end - place.start > node.matcher.within) return false;
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool found =
          i == part || std::any_of(parts[i].begin(), parts[i].end(), [&](const Place& other) {
            return other.start <= place.start &&
                   (!near || std::max(other.end, place.end) - other.start <= node.matcher.within);
          });
      if (!found) return false;
    }
    return true;
  };
  Places places;
  for (size_t part = 0; part < parts.size(); ++part) {
    for (const Place& place : parts[part]) {
      if (completes(part, place)) places.insert(place);
    }
  }
  return places;
}

struct Case {
  Rule rule;
  Node node;
  std::shared_ptr<const RuleSet> exceptions;  // as words of a rule; null without
  std::shared_ptr<const RuleSet> rules;

  explicit Case(Rule with) : rule(std::move(with)), node(MakeNode(rule.match)) {
    rules = CompileRules({rule});
    if (rule.except.has_value()) exceptions = CompileRules({MakeRule(Words(rule.except->words))});
  }

  Places Expected(std::string_view text) const {
    Places places = Occurrences(node, text);
    if (exceptions == nullptr) return places;
    const uint64_t within = rule.except->within;
    const Places contexts = PlacesOf(*exceptions, text);
    std::erase_if(places, [&](const Place& place) {
      return std::any_of(contexts.begin(), contexts.end(), [&](const Place& context) {
        return context.start <= place.end + within && context.end + within >= place.start;
      });
    });
    return places;
  }
};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  template <typename T>
  const T& OneOf(const std::vector<T>& values) {
    return values[Below(values.size())];
  }

  Matcher Nest(const std::vector<Matcher>& leaves, int depth) {
    if (depth == 0 || (depth < 3 && Below(2) == 0)) return OneOf(leaves);
    std::vector<Matcher> children;
    for (size_t i = Below(2) + 2; i > 0; --i) children.push_back(Nest(leaves, depth - 1));
    const auto kind = OneOf<Matcher::Kind>(
        {Matcher::Kind::kAny, Matcher::Kind::kAll, Matcher::Kind::kNear, Matcher::Kind::kNear});
    return Combine(kind, std::move(children), static_cast<uint32_t>(Below(12) + 2));
  }

  Case RandomCase(const std::vector<Matcher>& leaves, const std::vector<std::string>& exceptions) {
    Rule rule = MakeRule(Nest(leaves, 3));
    if (Below(2) == 0) {
      rule = WithExcept(std::move(rule), exceptions, static_cast<uint32_t>(Below(5)));
    }
    return Case(std::move(rule));
  }

  std::string Text(const std::vector<std::string>& pieces, size_t most) {
    std::string text;
    for (size_t i = Below(most) + 1; i > 0; --i) text += OneOf(pieces);
    return text;
  }

 private:
  std::mt19937_64 random_;
};

std::string Show(const Matcher& matcher) {
  std::string text;
  for (const std::string& word : matcher.words) text += word + " ";
  text += matcher.regex + std::string(Name(matcher.detector));
  if (matcher.children.empty()) return text;
  text = matcher.kind == Matcher::Kind::kAny   ? "any("
         : matcher.kind == Matcher::Kind::kAll ? "all("
                                               : "near" + std::to_string(matcher.within) + "(";
  for (const Matcher& child : matcher.children) text += Show(child) + "; ";
  return text + ")";
}

std::string Show(const Case& made) {
  std::string text = Show(made.rule.match);
  if (made.rule.except.has_value()) {
    text += " except within " + std::to_string(made.rule.except->within) + ":";
    for (const std::string& word : made.rule.except->words) text += " " + word;
  }
  return text;
}

// The findings of a stream that is cut at random; none may begin in what was released before.
Places StreamPlaces(const RuleSet& rules, std::string_view text, Maker& maker) {
  StreamScan scan(rules, Direction::kPrompt);
  std::vector<Finding> findings;
  size_t seen = 0;
  uint64_t released = 0;
  const auto check = [&] {
    for (; seen < findings.size(); ++seen) {
      EXPECT_GE(findings[seen].start, released)
          << "released before it was found: " << Describe(findings[seen], text);
    }
    EXPECT_GE(scan.releasable(), released);
    released = scan.releasable();
  };
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    size = maker.Below(6) + 1;
    EXPECT_TRUE(scan.Feed(text.substr(at, size), findings).ok());
    check();
  }
  EXPECT_TRUE(scan.Finish(findings).ok());
  check();
  Places places;
  for (const Finding& finding : findings) {
    const bool is_new =
        places.insert({CharacterAt(text, finding.start), CharacterAt(text, finding.end)}).second;
    EXPECT_TRUE(is_new) << "found twice: " << Describe(finding, text);
  }
  return places;
}

TEST(CombinerTest, FindsWhatTheDefinitionSays) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Maker maker(seed);
  const std::vector<Matcher> leaves = {
      Words({"赌场"}),         Words({"场开户", "红包"}), Words({"开户"}),
      Words({"红", "aab"}),    Regex("赌.{0,4}户"),       Regex("加群|群{2,3}|[a-c]{2,3}"),
      Words({"加", "群红包"}), Regex("包.?加"),           Detect(Detector::kCnMobile)};
  const std::vector<std::string> pieces = {
      "赌", "场", "开", "户",   "红",   "包",   "加",   "群",   "a",    "aab", "13812345678",
      "的", " ",  "，", "赌场", "开户", "红包", "加群", "群群", "反对", "138"};
  for (int round = 0; round < 120 && !testing::Test::HasFailure(); ++round) {
    const Case made = maker.RandomCase(leaves, {"反对", "户红", "对"});
    SCOPED_TRACE(Show(made));
    for (int i = 0; i < 30 && !testing::Test::HasFailure(); ++i) {
      const std::string text = maker.Text(pieces, 24);
      SCOPED_TRACE(text);
      const Places expected = made.Expected(text);
      EXPECT_EQ(PlacesOf(*made.rules, text), expected);
      for (int cuts = 0; cuts < 4; ++cuts) {
        EXPECT_EQ(StreamPlaces(*made.rules, text, maker), expected);
      }
    }
  }
}

// The hold-back by definition: where the first finding begins that one continuation makes and
// another does not.
uint64_t HoldByDefinition(const Case& made, const std::string& text,
                          const std::vector<std::string>& endings) {
  const uint64_t end = CharacterAt(text, text.size());
  std::map<Place, size_t> counts;
  for (const std::string& ending : endings) {
    for (const Place& place : made.Expected(text + ending)) {
      if (place.start < end) ++counts[place];
    }
  }
  for (const auto& [place, count] : counts) {
    if (count < endings.size()) return place.start;
  }
  return end;
}

// Parts of two characters, each part with characters of its own, so that no text completes two at
// once and the next character decides.
TEST(CombinerTest, HoldsBackTheLeast) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Maker maker(seed);
  const std::vector<Matcher> leaves = {Words({"赌场"}), Words({"开户"}), Words({"红包", "加群"}),
                                       Regex("(微|薇)信"), Regex("[庚辛]壬")};
  const std::vector<std::string> exceptions = {"反对", "普法"};
  const std::vector<std::string> pieces = {"赌",   "场",   "开", "户", "红", "包",   "加",  "群",
                                           "微",   "信",   "庚", "壬", "反", "对",   "普",  "赌场",
                                           "开户", "红包", "的", "的", "。", "薇信", "反对"};
  for (int round = 0; round < 100 && !testing::Test::HasFailure(); ++round) {
    const Case made = maker.RandomCase(leaves, exceptions);
    SCOPED_TRACE(Show(made));
    std::vector<std::string> endings = {"的",   "场的", "户的", "包的", "群的",
                                        "信的", "壬的", "对的", "法的"};
    for (std::string before;
         made.rule.except.has_value() && before.size() <= 3 * size_t{made.rule.except->within};
         before += "的") {
      endings.push_back(before + "反对");
    }
    for (int i = 0; i < 20 && !testing::Test::HasFailure(); ++i) {
      const std::string text = maker.Text(pieces, 12);
      StreamScan scan(*made.rules, Direction::kPrompt);
      std::vector<Finding> findings;
      for (const std::string& c : Characters(text)) ASSERT_TRUE(scan.Feed(c, findings).ok());
      EXPECT_EQ(CharacterAt(text, scan.releasable()), HoldByDefinition(made, text, endings))
          << text << " of " << CharacterAt(text, text.size());
    }
  }
}

TEST(CombinerTest, MissingPartsHoldNothing) {
  const auto rules = CompileRules(
      {MakeRule(Combine(Matcher::Kind::kNear, {Words({"红包"}), Words({"加群"})}, 6))});
  StreamScan scan(*rules, Direction::kAnswer);
  std::vector<Finding> findings;
  const auto held_after = [&](std::string_view piece) {
    EXPECT_TRUE(scan.Feed(piece, findings).ok());
    return (scan.fed() - scan.releasable()) / 3;
  };
  EXPECT_EQ(held_after("加"), 0U);    // no other part is there
  EXPECT_EQ(held_after("群"), 0U);    // nor could it come before this one
  EXPECT_EQ(held_after("的红"), 1U);  // 红包 would complete it
  EXPECT_EQ(held_after("花"), 0U);
  EXPECT_EQ(held_after("红"), 0U);  // 加群的红花红包 would be seven characters
}

}  // namespace
}  // namespace weir::rules
