#include "tests/rules/evasion_recall.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "rules/lane_text.h"
#include "rules/scanner.h"

namespace weir::rules {
namespace {

constexpr uint32_t kAnyRule = ~uint32_t{0};
constexpr LaneSet kEveryLane = (1U << kLaneCount) - 1;
constexpr LaneSet kBaseLanes = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);

// For the families that change letters and digits: the starter packs have few such words.
constexpr const char* kLatinWords[] = {
    "casino",      "online casino",  "free bonus",   "jackpot",       "roulette",
    "blackjack",   "baccarat",       "betting tips", "slot machine",  "texas holdem",
    "poker room",  "live dealer",    "sports odds",  "sign up bonus", "fake invoice",
    "stolen card", "carding",        "phishing kit", "money mule",    "crypto double",
    "loan shark",  "counterfeit id", "pk10计划",     "365体育投注",   "100元起投",
    "88元彩金",    "24小时提现",     "6合彩资料",    "app下载送彩金", "加v领红包",
    "vip投注通道", "usdt洗码",       "qq群开户",     "51牛牛"};

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "evasion: %s\n", why.c_str());
  std::abort();
}

std::shared_ptr<const RuleSet> Compile(std::vector<Rule> rules) {
  Pack pack;
  pack.name = "evasion";
  pack.file = "evasion";
  pack.rules = std::move(rules);
  std::vector<Problem> problems;
  auto compiled = RuleSet::Compile({std::move(pack)}, problems);
  for (const Problem& problem : problems) Die(problem.ToString());
  return compiled;
}

Rule RuleOf(Matcher match) {
  Rule rule;
  rule.id = "EVA-0001";
  rule.category = "A.1.h";
  rule.match = std::move(match);
  return rule;
}

Matcher WordsIn(std::vector<std::string> words, LaneSet lanes) {
  Matcher matcher;
  matcher.kind = Matcher::Kind::kWords;
  matcher.words = std::move(words);
  matcher.lanes = lanes;
  return matcher;
}

std::vector<Finding> ScanAll(const RuleSet& rules, const std::string& text) {
  std::vector<Finding> findings;
  const absl::Status status = Scan(rules, Direction::kPrompt, text, findings);
  if (!status.ok()) Die(std::string(status.message()));
  return findings;
}

std::vector<Pack> StarterPacks() {
  std::vector<Problem> problems;
  std::vector<Pack> packs = ParsePacks({std::string(WEIR_SOURCE_DIR) + "/rules/packs"}, problems);
  for (const Problem& problem : problems) Die(problem.ToString());
  return packs;
}

void CollectWords(const Matcher& matcher, std::set<std::string>& words) {
  words.insert(matcher.words.begin(), matcher.words.end());
  for (const Matcher& child : matcher.children) CollectWords(child, words);
}

std::vector<std::string> UnpackLines(const char* name) {
  const char* const folder = std::getenv("WEIR_DATA");
  std::vector<std::string> lines;
  if (folder == nullptr) return lines;
  FILE* const pipe = popen(("gzip -dc '" + std::string(folder) + "/" + name + "'").c_str(), "r");
  if (pipe == nullptr) Die("gzip cannot be run");
  std::string line;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) {
    if (c != '\n') {
      line.push_back(static_cast<char>(c));
    } else {
      lines.push_back(std::exchange(line, {}));
    }
  }
  if (pclose(pipe) != 0) Die(std::string(folder) + "/" + name + " cannot be read");
  return lines;
}

void AddLane(Matcher& matcher, Lane lane) {
  if (matcher.kind == Matcher::Kind::kWords) {
    matcher.lanes = static_cast<LaneSet>(matcher.lanes | LaneBit(lane));
  }
  for (Matcher& child : matcher.children) AddLane(child, lane);
}

}  // namespace

std::vector<std::string> StarterWords() {
  std::set<std::string> words(std::begin(kLatinWords), std::end(kLatinWords));
  for (const Pack& pack : StarterPacks()) {
    for (const Rule& rule : pack.rules) CollectWords(rule.match, words);
  }
  return {words.begin(), words.end()};
}

std::vector<std::string> LibraryWords(size_t count, uint64_t seed) {
  std::vector<std::string> words = UnpackLines("bench-words.txt.gz");
  std::mt19937_64 random(seed);
  std::shuffle(words.begin(), words.end(), random);
  words.resize(std::min(count, words.size()));
  return words;
}

std::vector<std::string> OrdinaryTexts() {
  std::vector<std::string> texts;
  for (const std::string& line : UnpackLines("tuning-benign.jsonl.gz")) {
    const size_t at = line.find("\"text\": \"");
    if (at != std::string::npos) texts.push_back(line.substr(at + 9));
  }
  return texts;
}

std::vector<std::string> LatinWords(size_t count, const std::vector<std::string>& texts) {
  std::map<std::string, size_t> counts;
  for (const std::string& text : texts) {
    std::string word;
    for (const char c : text + " ") {
      const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (small >= 'a' && small <= 'z') {
        word.push_back(small);
      } else if (const std::string whole = std::exchange(word, {});
                 whole.size() >= 3 && whole.size() <= 20) {
        ++counts[whole];
      }
    }
  }
  std::vector<std::pair<size_t, std::string>> order;
  for (const auto& [word, times] : counts) order.emplace_back(times, word);
  std::sort(order.rbegin(), order.rend());
  std::vector<std::string> words;
  for (const auto& [times, word] : order) {
    if (words.size() == count) break;
    words.push_back(word);
  }
  return words;
}

RecallRules::RecallRules(std::vector<std::string> words) : words_(std::move(words)) {
  std::vector<Rule> rules;
  for (const std::string& word : words_) rules.push_back(RuleOf(WordsIn({word}, kEveryLane)));
  for (const Detector detector : {Detector::kCnMobile, Detector::kCnIdCard}) {
    Matcher matcher;
    matcher.kind = Matcher::Kind::kDetector;
    matcher.detector = detector;
    rules.push_back(RuleOf(matcher));
  }
  rules_ = Compile(std::move(rules));
}

RecallRules::Sample RecallRules::Draw(Evader& evader, Family family) const {
  const bool numbers = family == Family::kNumerals || family == Family::kNumeralsAndMore;
  for (int attempt = 0; attempt < 100000; ++attempt) {
    Sample sample;
    if (numbers && evader.Below(4) != 0) {
      sample.word = evader.Below(2) == 0 ? evader.MobileNumber() : evader.IdCard();
      sample.rule = kAnyRule;
    } else {
      const size_t index = evader.Below(words_.size());
      sample.word = words_[index];
      sample.rule = static_cast<uint32_t>(index);
    }
    if (auto disguised = evader.Disguise(family, sample.word)) {
      sample.disguised = *std::move(disguised);
      return sample;
    }
  }
  Die("no word suits a family");
}

Recall RecallRules::Measure(Family family, size_t texts, uint64_t seed) const {
  Evader evader(seed);
  Recall recall;
  for (; recall.texts < texts; ++recall.texts) {
    const Sample sample = Draw(evader, family);
    const Hidden hidden = evader.Embed(sample.disguised);
    int finest = kLaneCount;
    for (const Finding& finding : ScanAll(*rules_, hidden.text)) {
      if (sample.rule != kAnyRule && finding.rule != sample.rule) continue;
      if (finding.start < hidden.start || finding.end > hidden.end) continue;
      finest = std::min(finest, static_cast<int>(finding.lane));
    }
    if (finest == kLaneCount) {
      recall.misses.push_back({sample.word, hidden.text});
      continue;
    }
    ++recall.found;
    ++recall.lanes[static_cast<size_t>(finest)];
  }
  return recall;
}

double FalseFindings(const std::vector<Rule>& rules, Lane lane,
                     const std::vector<std::string>& texts) {
  std::vector<Rule> widened = rules;
  for (Rule& rule : widened) AddLane(rule.match, lane);
  const auto without = Compile(rules);
  const auto with = Compile(widened);
  size_t added = 0;
  for (const std::string& text : texts) {
    if (!ScanAll(*with, text).empty() && ScanAll(*without, text).empty()) ++added;
  }
  return 1e4 * static_cast<double>(added) / static_cast<double>(texts.size());
}

double LeetFindings(const std::vector<std::string>& words, const std::vector<std::string>& texts,
                    size_t examples, std::vector<std::string>& found) {
  const auto skeleton_of = [](std::string_view text) {
    LaneText skeleton(Lane::kSkeleton);
    skeleton.Append(text, 0);
    return std::string(skeleton.From(0));
  };
  std::set<std::string> skeletons;
  for (const std::string& word : words) skeletons.insert(skeleton_of(word));
  const auto rules = Compile(RulesOfWords(words));
  size_t texts_found = 0;
  for (const std::string& text : texts) {
    bool leet = false;
    for (const Finding& finding : ScanAll(*rules, text)) {
      const std::string match = text.substr(finding.start, finding.end - finding.start);
      if (skeletons.contains(skeleton_of(match))) continue;
      leet = true;
      if (found.size() < examples) found.push_back(match);
    }
    texts_found += leet ? 1 : 0;
  }
  return 1e4 * static_cast<double>(texts_found) / static_cast<double>(texts.size());
}

std::vector<Rule> StarterRules() {
  std::vector<Rule> rules;
  for (Pack& pack : StarterPacks()) {
    for (Rule& rule : pack.rules) rules.push_back(std::move(rule));
  }
  return rules;
}

std::vector<Rule> RulesOfWords(std::vector<std::string> words) {
  return {RuleOf(WordsIn(std::move(words), kBaseLanes))};
}

}  // namespace weir::rules
