#include "tests/fuzz/rule_text.h"

#include <cstdlib>
#include <map>
#include <utility>

#include "rules/detector.h"

namespace weir::rules {
namespace {

// Larger inputs find nothing that small ones do not.
constexpr size_t kRulesBytesMax = 400;
constexpr size_t kTextBytesMax = 1000;
constexpr size_t kKeptSets = 64;

// Reads up to two hex digits.
LaneSet TakeLanes(std::string_view& line) {
  LaneSet lanes = 0;
  for (int i = 0; i < 2 && !line.empty(); ++i) {
    const char c = line.front();
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) break;
    lanes = static_cast<LaneSet>(lanes * 16 + (c <= '9' ? c - '0' : c - 'a' + 10));
    line.remove_prefix(1);
  }
  lanes &= (1U << kLaneCount) - 1;
  return lanes != 0 ? lanes : LaneBit(Lane::kSkeleton);
}

uint32_t TakeDigit(std::string_view& line) {
  if (line.empty() || line.front() < '0' || line.front() > '9') return 5;
  const auto digit = static_cast<uint32_t>(line.front() - '0');
  line.remove_prefix(1);
  return digit;
}

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> parts(1);
  for (const char c : list) {
    if (c == '|') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  std::erase(parts, "");
  return parts;
}

class Reader {
 public:
  std::vector<Rule> Read(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t end = std::min(bytes.find('\n'), bytes.size());
      Take(bytes.substr(0, end));
      bytes.remove_prefix(std::min(end + 1, bytes.size()));
    }
    EndRule();
    return std::move(rules_);
  }

 private:
  void Take(std::string_view line) {
    if (line.empty()) return;
    const char kind = line.front();
    line.remove_prefix(1);
    Matcher matcher;
    switch (kind) {
      case 'w':
        matcher.kind = Matcher::Kind::kWords;
        matcher.lanes = TakeLanes(line);
        matcher.words = Split(line);
        if (!matcher.words.empty()) Add(std::move(matcher));
        break;
      case 'r':
        matcher.kind = Matcher::Kind::kRegex;
        matcher.lanes = TakeLanes(line) &
                        static_cast<LaneSet>(~(LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape)));
        if (matcher.lanes == 0) matcher.lanes = LaneBit(Lane::kFold);
        matcher.regex = std::string(line);
        Add(std::move(matcher));
        break;
      case 'd': {
        const std::vector<std::string_view> names = DetectorNames();
        matcher.kind = Matcher::Kind::kDetector;
        matcher.detector = *DetectorFromName(
            names[line.empty() ? 0 : static_cast<unsigned char>(line.front()) % names.size()]);
        if (line.ends_with('~')) matcher.lanes = LaneBit(Lane::kDecoded);
        Add(std::move(matcher));
        break;
      }
      case 'n':
        if (open_.size() < 3) {
          matcher.kind = Matcher::Kind::kNear;
          matcher.within = TakeDigit(line) + 1;
          open_.push_back(std::move(matcher));
        }
        break;
      case 'a':
        if (open_.size() < 3) {
          matcher.kind = Matcher::Kind::kAll;
          open_.push_back(std::move(matcher));
        }
        break;
      case ')':
        Close();
        break;
      case 'x': {
        const uint32_t within = TakeDigit(line);
        LaneSet lanes = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
        if (line.starts_with('~')) {
          line.remove_prefix(1);
          lanes = TakeLanes(line);
        }
        exception_ = Exception{Split(line), lanes, within};
        if (exception_->words.empty()) exception_.reset();
        break;
      }
      case '/':
        EndRule();
        break;
      default:
        break;
    }
  }

  void Add(Matcher matcher) {
    (open_.empty() ? top_ : open_.back().children).push_back(std::move(matcher));
  }
  void Close() {
    if (open_.empty()) return;
    Matcher matcher = std::move(open_.back());
    open_.pop_back();
    // As in packs, all and near are of two matchers and more.
    if (matcher.children.size() > 1) Add(std::move(matcher));
  }
  void EndRule() {
    while (!open_.empty()) Close();
    if (top_.empty() || rules_.size() == 8) return;
    Rule rule;
    rule.id = "FUZ-0001";
    rule.category = "A.1.h";
    rule.match.kind = Matcher::Kind::kAny;
    rule.match.children = std::exchange(top_, {});
    if (rule.match.children.size() == 1) {
      Matcher only = std::move(rule.match.children.front());
      rule.match = std::move(only);
    }
    rule.except = std::exchange(exception_, std::nullopt);
    rules_.push_back(std::move(rule));
  }

  std::vector<Rule> rules_;
  std::vector<Matcher> top_;
  std::vector<Matcher> open_;
  std::optional<Exception> exception_;
};

std::shared_ptr<const RuleSet> CompileOrKept(const std::string& source,
                                             const std::vector<Rule>& rules) {
  static auto& kept = *new std::map<std::string, std::shared_ptr<const RuleSet>>;
  if (const auto found = kept.find(source); found != kept.end()) return found->second;
  Pack pack;
  pack.name = "fuzz";
  pack.file = "fuzz";
  pack.rules = rules;
  std::vector<Problem> problems;
  std::shared_ptr<const RuleSet> compiled;
  if (!rules.empty()) compiled = RuleSet::Compile({std::move(pack)}, problems);
  if (kept.size() >= kKeptSets) kept.clear();
  return kept[source] = std::move(compiled);
}

}  // namespace

FuzzInput ReadFuzzInput(std::string_view bytes) {
  FuzzInput input;
  const size_t end = bytes.find("\n=\n");
  if (end == std::string_view::npos || end > kRulesBytesMax) return input;
  const std::string_view source = bytes.substr(0, end);
  const std::string_view rest = bytes.substr(end + 3);
  input.cuts = rest.substr(0, 4);
  input.text = rest.substr(input.cuts.size()).substr(0, kTextBytesMax);
  input.rules = Reader().Read(source);
  input.compiled = CompileOrKept(std::string(source), input.rules);
  return input;
}

size_t PieceBytes(std::string_view cuts, size_t number) {
  if (cuts.empty()) return 1;
  return static_cast<unsigned char>(cuts[number % cuts.size()]) % 17U + 1;
}

}  // namespace weir::rules
