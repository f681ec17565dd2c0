// Any bytes, cut anywhere: a stream finds what the whole finds, releases nothing of a finding
// before it is found, and in the end everything. The first bytes of the input say where to cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/check.h"
#include "rules/detector.h"
#include "rules/rule_set.h"
#include "rules/scanner.h"
#include "tests/rules/finding_order.h"

namespace weir::rules {
namespace {

Matcher Leaf(Matcher::Kind kind, LaneSet lanes) {
  Matcher matcher;
  matcher.kind = kind;
  matcher.lanes = lanes;
  return matcher;
}

const RuleSet& Rules() {
  static const std::shared_ptr<const RuleSet> rules = [] {
    constexpr LaneSet kAll =
        LaneBit(Lane::kExact) | LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);
    std::vector<Problem> problems;
    std::vector<Pack> packs = ParsePacks({std::string(WEIR_SOURCE_DIR) + "/rules/packs"}, problems);
    WEIR_CHECK(problems.empty());
    Rule rule;
    rule.id = "FUZ-0010";
    rule.match.kind = Matcher::Kind::kAny;
    rule.match.children = {Leaf(Matcher::Kind::kWords, kAll), Leaf(Matcher::Kind::kRegex, kAll)};
    rule.match.children[0].words = {"a", "aab", "ass", "00", "天天彩", "哈哈", "赌场"};
    rule.match.children[1].regex = "[a-c]{2,4}|\\bx.{0,3}y\\b|赌.{0,2}场";
    rule.except = Exception{{"ba", "新闻"}, kAll, 3};
    packs.front().rules.push_back(rule);
    // Every lane, and detectors in what is decoded.
    constexpr auto kEvery = static_cast<LaneSet>((1U << kLaneCount) - 1);
    rule.id = "FUZ-0020";
    rule.match.children = {Leaf(Matcher::Kind::kWords, kEvery),
                           Leaf(Matcher::Kind::kDetector, kEvery),
                           Leaf(Matcher::Kind::kDetector, kEvery)};
    rule.match.children[0].words = {"线上赌场", "长生",  "天天票", "加v信",
                                    "森林会",   "100元", "casino"};
    rule.match.children[1].detector = Detector::kCnMobile;
    rule.match.children[2].detector = Detector::kEmail;
    rule.except->lanes = kEvery;
    packs.front().rules.push_back(rule);
    auto set = RuleSet::Compile(std::move(packs), problems);
    WEIR_CHECK(set != nullptr);
    return set;
  }();
  return *rules;
}

void CheckText(std::string_view text, std::string_view cuts) {
  std::vector<Finding> whole;
  WEIR_CHECK(Scan(Rules(), Direction::kPrompt, text, whole).ok());
  StreamScan scan(Rules(), Direction::kPrompt);
  std::vector<Finding> found;
  for (size_t from = 0, piece = 0; from <= text.size(); ++piece) {
    const uint64_t releasable = scan.releasable();
    const size_t before = found.size();
    const size_t size = cuts.empty() ? 1 : static_cast<unsigned char>(cuts[piece % cuts.size()]);
    const size_t bytes = std::min(size % 17 + 1, text.size() - from);
    const bool last = from == text.size();
    WEIR_CHECK((last ? scan.Finish(found) : scan.Feed(text.substr(from, bytes), found)).ok());
    WEIR_CHECK(scan.releasable() >= releasable && scan.releasable() <= scan.fed());
    for (size_t i = before; i < found.size(); ++i) WEIR_CHECK(found[i].start >= releasable);
    if (last) break;
    from += bytes;
  }
  WEIR_CHECK(scan.releasable() == text.size());
  std::sort(found.begin(), found.end(), ByPlace);
  std::sort(whole.begin(), whole.end(), ByPlace);
  WEIR_CHECK(found == whole);
}

}  // namespace
}  // namespace weir::rules

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cuts = std::min<size_t>(size, 4);
  weir::rules::CheckText(input.substr(cuts), input.substr(0, cuts));
  return 0;
}
