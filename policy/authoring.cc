#include "policy/authoring.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <system_error>

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
  json += ",\"expressions\":" + std::to_string(stats.expressions) + "}";
}

void PrintRuleStats(const rules::RuleSet& set, std::ostream& out) {
  out << "rule\tstatus\tcategory\tseverity\tdirection\tguarantee\twidth\tlanes\twords\t"
         "expressions\n";
  for (uint32_t i = 0; i < set.rule_count(); ++i) {
    const rules::Rule& rule = set.rule(i);
    const rules::RuleStats stats = set.stats(i);
    out << rule.id << '\t' << rules::Name(rule.status) << '\t' << rule.category << '\t'
        << rules::Name(rule.severity) << '\t' << rules::Name(rule.direction) << '\t'
        << Name(stats.guarantee) << '\t' << stats.width_characters_max << '\t'
        << Joined(LaneNames(stats.lanes), "") << '\t' << stats.words << '\t' << stats.expressions
        << '\n';
  }
  out << Counted(set.packs().size(), "pack") << ", " << Counted(set.rule_count(), "rule") << ", "
      << Counted(set.memory_bytes(), "byte") << " of memory\n"
      << set.digest() << '\n';
}

}  // namespace

int LintRules(const AuthoringOptions& options, std::ostream& out, std::ostream& err) {
  if (!PathsExist(options.pack_paths, err)) return kEnvironment;
  const LoadedRules loaded = LoadRules(options.pack_paths);
  std::vector<Problem> warnings;
  for (const rules::Pack& pack : loaded.packs) {
    for (const rules::Rule& rule : pack.rules) WarnOfShortWords(pack, rule, rule.match, warnings);
  }
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
  out << json << "]}\n";
  return kDone;
}

}  // namespace weir::policy
