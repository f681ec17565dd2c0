// Profile files: YAML to values, all problems at once. The reference with every key explained is
// config/profiles/cn-public.yaml.
#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "policy/profile.h"
#include "rules/yaml_reader.h"

namespace weir::policy {
namespace {

using rules::Need;
using rules::Problem;
using rules::YamlMap;
using rules::YamlString;

// The value whose Name() is `name`; `last` is the greatest of the enumeration.
template <typename Enum>
std::optional<Enum> FromName(std::string_view name, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const Enum value = static_cast<Enum>(i);
    if (Name(value) == name) return value;
  }
  return std::nullopt;
}

// A key whose value is one of an enumeration's names; `fallback` after a problem too.
template <typename Enum>
Enum Choice(YamlMap& map, std::string_view key, Need need, Enum last, Enum fallback) {
  std::vector<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(last); ++i) names.push_back(Name(static_cast<Enum>(i)));
  return FromName(map.Choice(key, need, names, Name(fallback)), last).value_or(fallback);
}

std::string Quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// Required text that says something.
std::string Text(YamlMap& map, std::string_view key) {
  std::string text = map.String(key, Need::kRequired);
  if (!text.empty() && text.find_first_not_of(" \t\r\n") == std::string::npos) {
    map.AddProblem(map.LineOf(key), Quoted(key) + " is blank: write a text");
  }
  return text;
}

bool IsIdentifier(std::string_view id) {
  return id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

// "*", a chapter of GB/T 45654-2025 Appendix A ("A.1") or one of its codes ("A.1.h").
bool IsCategoryPattern(std::string_view category) {
  static constexpr std::array<char, 5> kLastLetters = {'h', 'i', 'e', 'g', 'b'};  // of A.1 to A.5
  if (category == "*") return true;
  if (category.size() != 3 && category.size() != 5) return false;
  if (!category.starts_with("A.") || category[2] < '1' || category[2] > '5') return false;
  if (category.size() == 3) return true;
  return category[3] == '.' && category[4] >= 'a' &&
         category[4] <= kLastLetters[static_cast<size_t>(category[2] - '1')];
}

std::string Category(YamlMap& map) {
  std::string category = map.String("category", Need::kRequired);
  if (!category.empty() && !IsCategoryPattern(category)) {
    map.AddProblem(map.LineOf("category"),
                   "category " + Quoted(category) +
                       " is not one of GB/T 45654-2025 Appendix A: write a code such as \"A.1.h\", "
                       "a chapter such as \"A.1\", or \"*\"");
  }
  return category;
}

// Whether `later` leaves nothing for `earlier` to decide.
bool Hides(const ActionRule& later, const ActionRule& earlier) {
  return later.category == earlier.category && later.severity_min <= earlier.severity_min &&
         (later.direction == rules::RuleDirection::kBoth || later.direction == earlier.direction);
}

void ParseActions(YamlMap& root, Profile& profile) {
  std::vector<std::pair<ActionRule, int>> written;
  for (YamlMap& map : root.Maps("actions", Need::kOptional)) {
    ActionRule rule;
    rule.category = Category(map);
    rule.severity_min = Choice(map, "severity_min", Need::kOptional, rules::Severity::kCritical,
                               rules::Severity::kLow);
    rule.direction = Choice(map, "direction", Need::kOptional, rules::RuleDirection::kBoth,
                            rules::RuleDirection::kBoth);
    rule.action = Choice(map, "action", Need::kRequired, Action::kBlock, Action::kBlock);
    rule.review = map.Bool("review", Need::kOptional);
    for (const auto& [earlier, line] : written) {
      if (rule.category.empty() || !Hides(rule, earlier)) continue;
      map.AddProblem(line, "this action never applies, because line " + std::to_string(map.line()) +
                               " says otherwise of all that it covers: put the line with the lower "
                               "\"severity_min\" first");
    }
    written.emplace_back(rule, map.line());
    map.Close();
  }
  for (auto& [rule, line] : written) profile.actions.push_back(std::move(rule));
}

std::vector<CategoryText> ParseTexts(YamlMap& root, std::string_view key) {
  std::vector<CategoryText> texts;
  std::set<std::string> seen;
  for (YamlMap& map : root.Maps(key, Need::kOptional)) {
    CategoryText text = {.category = Category(map), .text = Text(map, "text")};
    if (!text.category.empty() && !seen.insert(text.category).second) {
      map.AddProblem(map.line(), Quoted(key) + " has a second text for category " +
                                     Quoted(text.category) + ": keep one");
    }
    texts.push_back(std::move(text));
    map.Close();
  }
  return texts;
}

void ParseRefusal(YamlMap& root, Profile& profile) {
  YamlMap refusal = root.Map("refusal", Need::kRequired);
  if (!refusal.present()) return;
  profile.refusal_json =
      Choice(refusal, "json", Need::kOptional, RefusalStyle::kError, RefusalStyle::kRefusal);
  profile.refusal_stream =
      Choice(refusal, "stream", Need::kOptional, RefusalStyle::kError, RefusalStyle::kRefusal);
  profile.refusal_prompt = Text(refusal, "prompt");
  profile.refusal_answer = Text(refusal, "answer");
  refusal.Close();
}

void ParseExceptions(YamlMap& root, Profile& profile) {
  YamlMap exceptions = root.Map("exceptions", Need::kOptional);
  if (!exceptions.present()) return;
  for (int i = 0; i < kCauseCount; ++i) {
    ExceptionPolicy& policy = profile.exceptions[static_cast<size_t>(i)];
    policy = Choice(exceptions, Name(static_cast<Cause>(i)), Need::kOptional,
                    ExceptionPolicy::kError, policy);
  }
  exceptions.Close();
}

void ParseLetThrough(YamlMap& root, Profile& profile) {
  for (const YamlString& kind : root.Strings("let_through", Need::kOptional)) {
    if (kind.value != "image" && kind.value != "audio" && kind.value != "file") {
      root.AddProblem(kind.line, "\"let_through\" names " + Quoted(kind.value) +
                                     ": the kinds of content that cannot be inspected are "
                                     "\"image\", \"audio\" and \"file\"");
    }
    profile.let_through.push_back(kind.value);
  }
}

Profile ParseProfile(const std::string& path, std::vector<Problem>& problems) {
  Profile profile = BuiltInProfile();
  profile.file = path;
  const rules::YamlFile file = rules::YamlFile::Read(path, problems);
  YamlMap root = file.root();
  if (!root.present()) return profile;
  profile.id = root.String("id", Need::kRequired);
  if (!IsIdentifier(profile.id)) {
    root.AddProblem(root.LineOf("id"), "\"id\" is " + Quoted(profile.id) +
                                           ": use 1 to 64 of the characters a-z, 0-9, - and _");
  }
  profile.title = Text(root, "title");
  profile.audience = Choice(root, "audience", Need::kOptional, Audience::kMinor, Audience::kAdult);
  profile.exposure =
      Choice(root, "exposure", Need::kOptional, Exposure::kInternal, Exposure::kPublic);
  profile.region = root.String("region", Need::kRequired);
  if (!IsIdentifier(profile.region)) {
    root.AddProblem(root.LineOf("region"), "\"region\" is " + Quoted(profile.region) +
                                               ": use 1 to 64 of the characters a-z, 0-9, - and "
                                               "_, for example \"cn\"");
  }
  ParseRefusal(root, profile);
  ParseActions(root, profile);
  profile.stand_ins = ParseTexts(root, "stand_ins");
  std::vector<CategoryText> mask_texts = ParseTexts(root, "mask_texts");
  if (root.Has("mask_texts")) profile.mask_texts = std::move(mask_texts);
  ParseExceptions(root, profile);
  ParseLetThrough(root, profile);
  const KeptContent content =
      Choice(root, "content", Need::kOptional, KeptContent::kEncrypted, KeptContent::kNone);
  if (root.Has("content")) profile.content = content;
  profile.content_line = root.LineOf("content");
  root.Close();
  return profile;
}

// Every *.yaml of a directory in name order, or the path itself.
std::vector<std::string> FilesAt(const std::string& path, std::vector<Problem>& problems) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".yaml") files.push_back(entry->path().string());
  }
  if (error) {
    problems.push_back({path, 0, "cannot list the directory: " + error.message()});
  } else if (files.empty()) {
    problems.push_back({path, 0, "holds no profile: put at least one *.yaml file there"});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<Profile> ParseProfiles(const std::vector<std::string>& paths,
                                   std::vector<Problem>& problems) {
  std::vector<Profile> profiles;
  for (const std::string& path : paths) {
    for (const std::string& file : FilesAt(path, problems)) {
      const auto problems_before = static_cast<std::ptrdiff_t>(problems.size());
      Profile profile = ParseProfile(file, problems);
      std::stable_sort(problems.begin() + problems_before, problems.end(),
                       [](const Problem& a, const Problem& b) { return a.line < b.line; });
      const auto same = std::find_if(profiles.begin(), profiles.end(),
                                     [&](const Profile& other) { return other.id == profile.id; });
      if (!profile.id.empty() && same != profiles.end()) {
        problems.push_back({file, 0,
                            "profile " + Quoted(profile.id) + " is already in " + same->file +
                                ": give one of them another id"});
      }
      profiles.push_back(std::move(profile));
    }
  }
  return profiles;
}

}  // namespace weir::policy
