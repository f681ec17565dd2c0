#include "policy/authoring.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <ostream>
#include <system_error>

#include "policy/coverage.h"
#include "policy/json_text.h"
#include "rules/rule_set.h"

namespace weir::policy {
namespace {

using rules::Problem;

constexpr int kDone = 0;
constexpr int kAnswerIsNo = 1;
constexpr int kEnvironment = 2;

struct LoadedRules {
  std::vector<rules::Pack> packs;             // as parsed
  std::shared_ptr<const rules::RuleSet> set;  // null when there are problems
  std::vector<Problem> problems;
};

LoadedRules LoadRules(const std::vector<std::string>& paths) {
  LoadedRules loaded;
  loaded.packs = rules::ParsePacks(paths, loaded.problems);
  if (loaded.problems.empty()) loaded.set = rules::RuleSet::Compile(loaded.packs, loaded.problems);
  return loaded;
}

// Whether every path is there to be read; says which is not. A path that is missing is not an
// answer about rules.
bool PathsExist(const std::vector<std::string>& paths, std::ostream& err) {
  if (paths.empty()) {
    err << "weir: no rules to read: name a pack file or a directory of packs\n";
    return false;
  }
  bool all = true;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) continue;
    err << "weir: cannot find " << path << ": name a pack file or a directory of packs\n";
    all = false;
  }
  return all;
}

size_t CharacterCount(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// Words so short that they stand inside harmless ones: one character anywhere, fewer than three in
// the lanes that find what merely sounds or looks alike.
void WarnOfShortWords(const rules::Pack& pack, const rules::Rule& rule,
                      const rules::Matcher& matcher, std::vector<Problem>& warnings) {
  const rules::LaneSet wide_lanes =
      rules::LaneBit(rules::Lane::kPinyin) | rules::LaneBit(rules::Lane::kShape);
  const bool wide = (matcher.lanes & wide_lanes) != 0;
  for (const std::string& word : matcher.words) {
    const size_t characters = CharacterCount(word);
    if (characters >= 3 || (characters == 2 && !wide)) continue;
    std::string reason = "rule " + rule.id + ": word \"" + word + "\" is so short that it will ";
    reason += characters < 2
                  ? "match inside harmless words: use a longer one, \"near\" or \"except\""
                  : "match much that only sounds or looks alike in lanes pinyin and "
                    "shape: leave those lanes out";
    warnings.push_back({pack.file, matcher.line, std::move(reason)});
  }
  for (const rules::Matcher& child : matcher.children) {
    WarnOfShortWords(pack, rule, child, warnings);
  }
}

void AppendProblems(const std::vector<Problem>& problems, std::string& json) {
  json += '[';
  for (const Problem& problem : problems) {
    if (json.back() != '[') json += ',';
    json += "{\"file\":";
    AppendJsonString(problem.file, json);
    json += ",\"line\":" + std::to_string(problem.line) + ",\"reason\":";
    AppendJsonString(problem.reason, json);
    json += '}';
  }
  json += ']';
}

void PrintProblems(const std::vector<Problem>& problems, std::string_view mark, std::ostream& err) {
  for (const Problem& problem : problems) {
    const Problem shown = {problem.file, problem.line, std::string(mark) + problem.reason};
    err << shown.ToString() << '\n';
  }
}

size_t RuleCount(const std::vector<rules::Pack>& packs) {
  size_t count = 0;
  for (const rules::Pack& pack : packs) count += pack.rules.size();
  return count;
}

std::string Counted(size_t count, std::string_view noun) {
  std::string text = std::to_string(count) + " ";
  text += noun;
  if (count != 1) text += 's';
  return text;
}

// The answer of a command whose rules do not load.
int SayProblems(const LoadedRules& loaded, bool json, std::ostream& out, std::ostream& err) {
  if (json) {
    std::string line = "{\"ok\":false,\"problems\":";
    AppendProblems(loaded.problems, line);
    out << line << "}\n";
  } else {
    PrintProblems(loaded.problems, "", err);
    err << "weir: " << Counted(loaded.problems.size(), "problem") << " to mend before these rules "
        << "can be used\n";
  }
  return kAnswerIsNo;
}

struct TestCounts {
  size_t rules = 0;
  size_t hits = 0;
  size_t misses = 0;
};

TestCounts CountTests(const rules::Pack& pack) {
  TestCounts counts;
  for (const rules::Rule& rule : pack.rules) {
    ++counts.rules;
    counts.hits += rule.hit_tests.size();
    counts.misses += rule.miss_tests.size();
  }
  return counts;
}

std::string_view Name(rules::RuleStats::Guarantee guarantee) {
  return guarantee == rules::RuleStats::Guarantee::kWhole ? "whole" : "completion";
}

struct CostName {
  std::string_view name;   // in JSON
  std::string_view label;  // for staff
  std::string_view meaning;
};

// By RuleStats::Cost.
constexpr CostName kCostNames[] = {
    {"words", "词语", "只有词语和检测器；多少都几乎不影响速度"},
    {"wide-lanes", "宽视图", "词语还要在 pinyin、shape 或 decoded 中查找"},
    {"fixed", "定字正则", "正则含有固定的字，只有文中出现这些字才细读"},
    {"loose", "松正则", "正则没有两个相连的固定字，许多文字都要细读"},
    {"unfiltered", "未预筛正则", "正则过于复杂，无法预筛，每段文字都要细读"},
    {"open", "开口正则", "几乎任何字都能开头，流式回答会一直被扣住若干字"}};
static_assert(std::size(kCostNames) == rules::kCostCount);

const CostName& NameOf(rules::RuleStats::Cost cost) {
  return kCostNames[static_cast<size_t>(cost)];
}

std::vector<std::string_view> LaneNames(rules::LaneSet lanes) {
  std::vector<std::string_view> names;
  for (int i = 0; i < rules::kLaneCount; ++i) {
    const auto lane = static_cast<rules::Lane>(i);
    if ((lanes & rules::LaneBit(lane)) != 0) names.push_back(rules::Name(lane));
  }
  return names;
}

std::string Joined(const std::vector<std::string_view>& names, std::string_view quote) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ',';
    text += quote;
    text += name;
    text += quote;
  }
  return text;
}

void AppendRuleStats(const rules::Rule& rule, const rules::RuleStats& stats, std::string& json) {
  json += "{\"rule\":";
  AppendJsonString(rule.id, json);
  json += ",\"status\":";
  AppendJsonString(rules::Name(rule.status), json);
  json += ",\"category\":";
  AppendJsonString(rule.category, json);
  json += ",\"severity\":";
  AppendJsonString(rules::Name(rule.severity), json);
  json += ",\"direction\":";
  AppendJsonString(rules::Name(rule.direction), json);
  json += ",\"guarantee\":";
  AppendJsonString(Name(stats.guarantee), json);
  json += ",\"width_characters_max\":" + std::to_string(stats.width_characters_max);
  json += ",\"lanes\":[" + Joined(LaneNames(stats.lanes), "\"") + "]";
  json += ",\"words\":" + std::to_string(stats.words);
  json += ",\"expressions\":" + std::to_string(stats.expressions) + ",\"cost\":";
  AppendJsonString(NameOf(stats.cost).name, json);
  json += '}';
}

void PrintRuleStats(const rules::RuleSet& set, std::ostream& out) {
  out << "规则\t状态\t类别\t级别\t方向\t流式保证\t宽度\t视图\t词数\t正则数\t开销\n";
  for (uint32_t i = 0; i < set.rule_count(); ++i) {
    const rules::Rule& rule = set.rule(i);
    const rules::RuleStats stats = set.stats(i);
    out << rule.id << '\t' << rules::Name(rule.status) << '\t' << rule.category << '\t'
        << rules::Name(rule.severity) << '\t' << rules::Name(rule.direction) << '\t'
        << Name(stats.guarantee) << '\t' << stats.width_characters_max << '\t'
        << Joined(LaneNames(stats.lanes), "") << '\t' << stats.words << '\t' << stats.expressions
        << '\t' << NameOf(stats.cost).label << '\n';
  }
  out << "\n流式保证：whole 命中的文字不会先放出；completion 凑齐条件的那一部分不会先放出。\n"
         "宽度：一次命中最多多少个字。\n开销，由低到高：\n";
  for (const CostName& cost : kCostNames) out << "  " << cost.label << "：" << cost.meaning << '\n';
  out << '\n';
  PrintCoverage(CoverageOf(set.packs()), out);
  constexpr size_t kKilobyte = 1024;
  out << '\n'
      << set.packs().size() << " 个规则包，" << set.rule_count() << " 条规则，编译后占内存 "
      << (set.memory_bytes() + kKilobyte - 1) / kKilobyte << " KB\n"
      << set.digest() << '\n';
}

// Rules whose expressions cost more than their authors may think.
void WarnOfCosts(const LoadedRules& loaded, std::vector<Problem>& warnings) {
  if (loaded.set == nullptr) return;
  uint32_t number = 0;
  for (const rules::Pack& pack : loaded.packs) {
    for (const rules::Rule& rule : pack.rules) {
      const rules::RuleStats stats = loaded.set->stats(number++);
      if (stats.cost == rules::RuleStats::Cost::kOpen) {
        warnings.push_back({pack.file, rule.line,
                            "rule " + rule.id +
                                ": a regex can begin with nearly any character, so every stream is "
                                "held back for it, up to " +
                                std::to_string(stats.width_characters_max) +
                                " characters: begin it with the characters that matter"});
      } else if (stats.cost == rules::RuleStats::Cost::kUnfiltered) {
        warnings.push_back({pack.file, rule.line,
                            "rule " + rule.id +
                                ": a regex is too complex to be looked for together with the "
                                "others, so it is tried on every text: split it, or narrow its "
                                "repetitions"});
      }
    }
  }
}

}  // namespace

int LintRules(const AuthoringOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options.pack_paths, err)) return kEnvironment;
  const LoadedRules loaded = LoadRules(options.pack_paths);
  std::vector<Problem> warnings;
  for (const rules::Pack& pack : loaded.packs) {
    for (const rules::Rule& rule : pack.rules) WarnOfShortWords(pack, rule, rule.match, warnings);
  }
  WarnOfCosts(loaded, warnings);
  const bool ok = loaded.problems.empty();
  if (options.json) {
    std::string line = "{\"ok\":";
    line += ok ? "true" : "false";
    line += ",\"packs\":" + std::to_string(loaded.packs.size());
    line += ",\"rules\":" + std::to_string(RuleCount(loaded.packs)) + ",\"problems\":";
    AppendProblems(loaded.problems, line);
    line += ",\"warnings\":";
    AppendProblems(warnings, line);
    out << line << "}\n";
    return ok ? kDone : kAnswerIsNo;
  }
  PrintProblems(warnings, "warning: ", err);
  if (!ok) return SayProblems(loaded, false, out, err);
  out << "ok: " << Counted(loaded.packs.size(), "pack") << ", "
      << Counted(RuleCount(loaded.packs), "rule") << ", " << Counted(warnings.size(), "warning")
      << '\n';
  return kDone;
}

int TestRules(const AuthoringOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options.pack_paths, err)) return kEnvironment;
  const LoadedRules loaded = LoadRules(options.pack_paths);
  if (loaded.set == nullptr) return SayProblems(loaded, options.json, out, err);
  std::string json = "{\"ok\":true,\"packs\":[";
  for (const rules::Pack& pack : loaded.packs) {
    const TestCounts counts = CountTests(pack);
    if (options.json) {
      if (json.back() != '[') json += ',';
      json += "{\"pack\":";
      AppendJsonString(pack.name, json);
      json += ",\"rules\":" + std::to_string(counts.rules) +
              ",\"hit\":" + std::to_string(counts.hits) +
              ",\"miss\":" + std::to_string(counts.misses) + "}";
    } else {
      out << pack.name << ' ' << pack.version << ": " << Counted(counts.rules, "rule") << ", "
          << counts.hits << " hit and " << counts.misses << " miss tests came out as written\n";
    }
  }
  if (options.json) out << json << "]}\n";
  return kDone;
}

int ShowRuleStats(const AuthoringOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options.pack_paths, err)) return kEnvironment;
  const LoadedRules loaded = LoadRules(options.pack_paths);
  if (loaded.set == nullptr) return SayProblems(loaded, options.json, out, err);
  const rules::RuleSet& set = *loaded.set;
  if (!options.json) {
    PrintRuleStats(set, out);
    return kDone;
  }
  std::string json = "{\"digest\":";
  AppendJsonString(set.digest(), json);
  json += ",\"memory_bytes\":" + std::to_string(set.memory_bytes()) + ",\"rules\":[";
  for (uint32_t i = 0; i < set.rule_count(); ++i) {
    if (i > 0) json += ',';
    AppendRuleStats(set.rule(i), set.stats(i), json);
  }
  json += "],\"coverage\":";
  AppendCoverage(CoverageOf(set.packs()), json);
  out << json << "}\n";
  return kDone;
}

}  // namespace weir::policy
