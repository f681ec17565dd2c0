#include "rules/rule.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include <absl/strings/ascii.h>

#include "rules/concat.h"
#include "rules/detector.h"
#include "rules/expression.h"
#include "rules/word.h"
#include "rules/yaml_reader.h"

namespace weir::rules {
namespace {

constexpr std::array<std::string_view, 4> kSeverityNames = {"low", "medium", "high", "critical"};
constexpr std::array<std::string_view, 2> kDirectionNames = {"prompt", "answer"};
constexpr std::array<std::string_view, 3> kRuleDirectionNames = {"prompt", "answer", "both"};
constexpr std::array<std::string_view, 3> kStatusNames = {"trial", "stable", "retired"};
constexpr std::array<std::string_view, kLaneCount> kLaneNames = {
    "exact", "fold", "skeleton", "pinyin", "shape", "digits", "decoded"};

constexpr LaneSet kLanesDefault = LaneBit(Lane::kFold) | LaneBit(Lane::kSkeleton);

// Appendix A of GB/T 45654-2025: the last letter of each group.
constexpr std::array<char, 5> kCategoryLast = {'h', 'i', 'e', 'g', 'b'};

constexpr uint32_t kExceptWithinMax = 200;
constexpr uint32_t kNearWithinMax = 500;
constexpr int kMatcherDepthMax = 8;
constexpr size_t kTestBytesMax = 64U << 10;

template <size_t N>
std::vector<std::string_view> AsChoices(const std::array<std::string_view, N>& names) {
  return {names.begin(), names.end()};
}

template <typename Enum, size_t N>
std::optional<Enum> FromName(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

template <typename Enum, size_t N>
Enum ParseChoice(YamlMap& map, std::string_view key, Need need,
                 const std::array<std::string_view, N>& names, Enum fallback) {
  const std::string name = map.Choice(key, need, AsChoices(names), Name(fallback));
  return FromName<Enum>(names, name).value_or(fallback);
}

bool IsCategory(std::string_view text) {
  if (text.size() != 5 || !text.starts_with("A.") || text[3] != '.') return false;
  if (text[2] < '1' || text[2] > '5') return false;
  return text[4] >= 'a' && text[4] <= kCategoryLast[static_cast<size_t>(text[2] - '1')];
}

bool IsRuleId(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash < 2 || dash > 8 || text.size() - dash - 1 != 4) {
    return false;
  }
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(dash),
                     [](char c) { return c >= 'A' && c <= 'Z'; }) &&
         std::all_of(text.begin() + static_cast<ptrdiff_t>(dash) + 1, text.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

bool IsPackName(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// Three numbers with dots between.
bool IsSemanticVersion(std::string_view text) {
  int numbers = 0;
  for (size_t from = 0; from <= text.size(); ++numbers) {
    const size_t end = std::min(text.find('.', from), text.size());
    const std::string_view part = text.substr(from, end - from);
    if (part.empty() || part.size() > 6 ||
        !std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    from = end + 1;
  }
  return numbers == 3;
}

// Reads the packs of one call; what must be unique over all of them is kept here.
class PackParser {
 public:
  explicit PackParser(std::vector<Problem>& problems) : problems_(problems) {}

  void ParseFile(const std::string& path);
  std::vector<Pack> Take() { return std::move(packs_); }

 private:
  Rule ParseRule(YamlMap& map);
  Matcher ParseMatcher(YamlMap& map, int depth);
  void ParseLeaf(YamlMap& map, std::string_view kind, Matcher& matcher);
  void ParseNear(YamlMap& map, Matcher& matcher, int depth);
  void ParseChildren(YamlMap& map, std::string_view key, Matcher& matcher, int depth);
  Exception ParseException(YamlMap& map);
  LaneSet ParseLanes(YamlMap& map);
  void CheckWords(const std::vector<YamlString>& words, LaneSet lanes, const std::string& file,
                  std::vector<std::string>& accepted);
  std::vector<YamlString> ReadWordsFile(YamlMap& map, const std::string& name, std::string& path);
  std::vector<std::string> ParseTests(YamlMap& map, std::string_view key);

  std::vector<Problem>& problems_;
  std::vector<Pack> packs_;
  std::map<std::string, std::string> pack_files_;   // pack name -> file
  std::map<std::string, std::string> rule_places_;  // rule id -> "file:line"
  std::string file_;                                // being parsed
};

void PackParser::ParseFile(const std::string& path) {
  file_ = path;
  const YamlFile file = YamlFile::Read(path, problems_);
  YamlMap root = file.root();
  if (!root.present()) return;
  Pack pack;
  pack.file = path;
  pack.name = root.String("pack", Need::kRequired);
  pack.title = root.String("title", Need::kRequired);
  pack.version = root.String("version", Need::kRequired);
  pack.engine = static_cast<int>(root.Integer("engine", Need::kRequired, 1, 1000, 1));
  if (!pack.name.empty() && !IsPackName(pack.name)) {
    root.AddProblem(
        root.LineOf("pack"),
        Concat("\"", pack.name, "\" is no pack name; use small letters, digits and dashes"));
  }
  if (!pack.version.empty() && !IsSemanticVersion(pack.version)) {
    root.AddProblem(root.LineOf("version"), Concat("\"", pack.version,
                                                   "\" is no version; write three numbers "
                                                   "such as 1.2.0"));
  }
  if (pack.engine > kEngineVersion) {
    root.AddProblem(root.LineOf("engine"),
                    Concat("the pack needs rule language version ", pack.engine,
                           "; this build understands up to ", kEngineVersion));
  }
  const auto [place, is_new] = pack_files_.emplace(pack.name, path);
  if (!is_new && !pack.name.empty()) {
    root.AddProblem(root.LineOf("pack"),
                    Concat("pack \"", pack.name, "\" is already defined in ", place->second));
  }
  for (YamlMap rule : root.Maps("rules", Need::kRequired)) {
    pack.rules.push_back(ParseRule(rule));
  }
  root.Close();
  packs_.push_back(std::move(pack));
}

Rule PackParser::ParseRule(YamlMap& map) {
  Rule rule;
  rule.line = map.line();
  rule.id = map.String("id", Need::kRequired);
  if (!rule.id.empty()) {
    if (!IsRuleId(rule.id)) {
      map.AddProblem(map.LineOf("id"),
                     Concat("\"", rule.id,
                            "\" is no rule id; write capital letters, a dash and four "
                            "digits, such as GAM-0010"));
    }
    const auto [place, is_new] =
        rule_places_.emplace(rule.id, Concat(file_, ":", map.LineOf("id")));
    if (!is_new) {
      map.AddProblem(map.LineOf("id"),
                     Concat("rule id \"", rule.id, "\" is already used at ", place->second));
    }
  }
  rule.title = map.String("title", Need::kRequired);
  rule.category = map.String("category", Need::kRequired);
  if (!rule.category.empty() && !IsCategory(rule.category)) {
    map.AddProblem(map.LineOf("category"),
                   Concat("\"", rule.category,
                          "\" is no code of GB/T 45654-2025 Appendix A; they run from A.1.a "
                          "to A.5.b"));
  }
  rule.severity = ParseChoice(map, "severity", Need::kRequired, kSeverityNames, Severity::kMedium);
  rule.status = ParseChoice(map, "status", Need::kRequired, kStatusNames, RuleStatus::kStable);
  rule.direction =
      ParseChoice(map, "direction", Need::kRequired, kRuleDirectionNames, RuleDirection::kBoth);
  YamlMap match = map.Map("match", Need::kRequired);
  if (match.present()) rule.match = ParseMatcher(match, 0);
  YamlMap except = map.Map("except", Need::kOptional);
  if (except.present()) rule.except = ParseException(except);
  for (YamlString& basis : map.Strings("basis", Need::kRequired)) {
    rule.basis.push_back(std::move(basis.value));
  }
  rule.rationale = map.String("rationale", Need::kRequired);
  rule.false_positives = map.String("false_positives", Need::kRequired);
  YamlMap tests = map.Map("tests", Need::kRequired);
  rule.hit_tests = ParseTests(tests, "hit");
  rule.miss_tests = ParseTests(tests, "miss");
  tests.Close();
  map.Close();
  return rule;
}

std::vector<std::string> PackParser::ParseTests(YamlMap& map, std::string_view key) {
  std::vector<std::string> tests;
  for (YamlString& test : map.Strings(key, Need::kRequired)) {
    if (test.value.size() > kTestBytesMax) {
      map.AddProblem(test.line, "a test text may have at most 64 KB");
      continue;
    }
    tests.push_back(std::move(test.value));
  }
  return tests;
}

Matcher PackParser::ParseMatcher(YamlMap& map, int depth) {
  Matcher matcher;
  matcher.line = map.line();
  if (depth > kMatcherDepthMax) {
    map.AddProblem(map.line(),
                   Concat("any, all and near may be nested at most ", kMatcherDepthMax, " deep"));
    return matcher;
  }
  static constexpr std::array<std::string_view, 7> kKinds = {
      "words", "words_file", "regex", "detector", "any", "all", "near"};
  std::vector<std::string_view> named;
  for (const std::string_view kind : kKinds) {
    if (map.Has(kind)) named.push_back(kind);
  }
  if (named.size() != 1) {
    map.AddProblem(
        map.line(),
        Concat("a matcher needs exactly one of ", Join(kKinds, ", "),
               named.empty() ? std::string() : Concat("; this one has ", Join(named, " and "))));
    if (named.empty()) return matcher;
  }
  const std::string_view kind = named.front();
  if (kind == "any" || kind == "all") {
    matcher.kind = kind == "any" ? Matcher::Kind::kAny : Matcher::Kind::kAll;
    ParseChildren(map, kind, matcher, depth);
  } else if (kind == "near") {
    ParseNear(map, matcher, depth);
  } else {
    ParseLeaf(map, kind, matcher);
  }
  if (named.size() == 1) map.Close();  // else its keys were reported above
  return matcher;
}

void PackParser::ParseChildren(YamlMap& map, std::string_view key, Matcher& matcher, int depth) {
  for (YamlMap child : map.Maps(key, Need::kRequired)) {
    matcher.children.push_back(ParseMatcher(child, depth + 1));
  }
  if (matcher.kind != Matcher::Kind::kAny && matcher.children.size() == 1) {
    map.AddProblem(map.LineOf(key), Concat("\"", key,
                                           "\" needs at least two matchers; one alone always "
                                           "completes itself"));
  }
  if (matcher.children.size() > 64) {
    map.AddProblem(map.LineOf(key), Concat("\"", key, "\" may hold at most 64 matchers"));
  }
}

void PackParser::ParseNear(YamlMap& map, Matcher& matcher, int depth) {
  matcher.kind = Matcher::Kind::kNear;
  YamlMap near = map.Map("near", Need::kRequired);
  if (!near.present()) return;
  matcher.within =
      static_cast<uint32_t>(near.Integer("within", Need::kRequired, 1, kNearWithinMax, 1));
  ParseChildren(near, "of", matcher, depth);
  near.Close();
}

void PackParser::ParseLeaf(YamlMap& map, std::string_view kind, Matcher& matcher) {
  if (kind == "detector") {
    matcher.kind = Matcher::Kind::kDetector;
    const std::string name = map.String("detector", Need::kRequired);
    const std::optional<Detector> detector = DetectorFromName(name);
    if (detector.has_value()) {
      matcher.detector = *detector;
    } else {
      map.AddProblem(map.LineOf("detector"), Concat("unknown detector \"", name, "\"; there are ",
                                                    Join(DetectorNames(), ", ")));
    }
    // Detectors read numbers in every lane; what is encoded they read when told to.
    matcher.lanes = ParseLanes(map) & LaneBit(Lane::kDecoded);
    return;
  }
  matcher.lanes = ParseLanes(map);
  if (kind == "regex") {
    matcher.kind = Matcher::Kind::kRegex;
    matcher.regex = map.String("regex", Need::kRequired);
    const absl::StatusOr<Expression> expression = Expression::Parse(matcher.regex);
    const absl::Status status =
        expression.ok() ? expression->LanesWithin(matcher.lanes).status() : expression.status();
    if (!status.ok()) map.AddProblem(map.LineOf("regex"), std::string(status.message()));
    if ((matcher.lanes & (LaneBit(Lane::kPinyin) | LaneBit(Lane::kShape))) != 0) {
      map.AddProblem(map.LineOf("lanes"),
                     "lanes pinyin and shape tell how the characters of a word sound and look, "
                     "which an expression leaves open; name them for words");
    }
    return;
  }
  matcher.kind = Matcher::Kind::kWords;
  std::string file = file_;
  std::vector<YamlString> words;
  if (kind == "words") {
    words = map.Strings("words", Need::kRequired);
  } else {
    words = ReadWordsFile(map, map.String("words_file", Need::kRequired), file);
  }
  CheckWords(words, matcher.lanes, file, matcher.words);
}

Exception PackParser::ParseException(YamlMap& map) {
  Exception exception;
  exception.lanes = ParseLanes(map);
  exception.within =
      static_cast<uint32_t>(map.Integer("within", Need::kRequired, 0, kExceptWithinMax, 0));
  CheckWords(map.Strings("words", Need::kRequired), exception.lanes, file_, exception.words);
  map.Close();
  return exception;
}

LaneSet PackParser::ParseLanes(YamlMap& map) {
  if (!map.Has("lanes")) {
    map.Strings("lanes", Need::kOptional);  // a known key
    return kLanesDefault;
  }
  LaneSet lanes = 0;
  for (const YamlString& name : map.Strings("lanes", Need::kRequired)) {
    const std::optional<Lane> lane = FromName<Lane>(kLaneNames, name.value);
    if (!lane.has_value()) {
      map.AddProblem(name.line, Concat("unknown lane \"", name.value, "\"; lanes are ",
                                       Join(kLaneNames, ", ")));
    } else {
      lanes |= LaneBit(*lane);
    }
  }
  return lanes == 0 ? kLanesDefault : lanes;
}

void PackParser::CheckWords(const std::vector<YamlString>& words, LaneSet lanes,
                            const std::string& file, std::vector<std::string>& accepted) {
  std::set<std::string_view> seen;
  for (const YamlString& word : words) {
    if (!seen.insert(word.value).second) {
      problems_.push_back(
          {file, word.line, Concat("the word \"", word.value, "\" stands here twice")});
      continue;
    }
    const absl::StatusOr<Word> parsed = Word::Parse(word.value, lanes);
    if (!parsed.ok()) {
      problems_.push_back({file, word.line, std::string(parsed.status().message())});
      continue;
    }
    accepted.push_back(word.value);
  }
}

std::vector<YamlString> PackParser::ReadWordsFile(YamlMap& map, const std::string& name,
                                                  std::string& path) {
  std::vector<YamlString> words;
  if (name.empty()) return words;
  const int line = map.LineOf("words_file");
  const std::filesystem::path relative(name);
  // A pack is moved, signed and published with its folder: a list outside it would be left behind.
  if (relative.is_absolute() ||
      std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    map.AddProblem(line,
                   Concat("words file \"", name, "\" must stand in the pack's folder or below it"));
    return words;
  }
  path = (std::filesystem::path(file_).parent_path() / relative).string();
  std::ifstream stream(path, std::ios::binary);
  if (!stream.is_open() || std::filesystem::is_directory(path)) {
    map.AddProblem(line, Concat("words file \"", name, "\" cannot be read; looked for ", path));
    return words;
  }
  std::string text;
  for (int number = 1; std::getline(stream, text); ++number) {
    if (number == 1 && text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    absl::StripAsciiWhitespace(&text);
    if (text.empty() || text.front() == '#') continue;
    words.push_back({text, number});
  }
  if (words.empty()) map.AddProblem(line, Concat("words file \"", name, "\" has no words"));
  return words;
}

// The files that `path` names, in name order; a problem when there are none.
std::vector<std::string> PackFiles(const std::string& path, std::vector<Problem>& problems) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".yaml") files.push_back(entry->path().string());
  }
  if (error) {
    problems.push_back({path, 0, Concat("cannot be listed: ", error.message())});
  } else if (files.empty()) {
    problems.push_back({path, 0, "holds no *.yaml rule pack"});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string_view Name(Severity severity) {
  return kSeverityNames[static_cast<size_t>(severity)];
}
std::string_view Name(Direction direction) {
  return kDirectionNames[static_cast<size_t>(direction)];
}
std::string_view Name(RuleDirection direction) {
  return kRuleDirectionNames[static_cast<size_t>(direction)];
}
std::string_view Name(RuleStatus status) {
  return kStatusNames[static_cast<size_t>(status)];
}
std::string_view Name(Lane lane) {
  return kLaneNames[static_cast<size_t>(lane)];
}

std::optional<Severity> SeverityFromName(std::string_view name) {
  return FromName<Severity>(kSeverityNames, name);
}

std::string Problem::ToString() const {
  if (line == 0) return Concat(file, ": ", reason);
  return Concat(file, ":", line, ": ", reason);
}

std::vector<Pack> ParsePacks(const std::vector<std::string>& paths,
                             std::vector<Problem>& problems) {
  PackParser parser(problems);
  for (const std::string& path : paths) {
    for (const std::string& file : PackFiles(path, problems)) parser.ParseFile(file);
  }
  return parser.Take();
}

}  // namespace weir::rules
