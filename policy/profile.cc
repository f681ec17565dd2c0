#include "policy/profile.h"

#include <algorithm>

namespace weir::policy {
namespace {

// How closely `pattern` names `category`: 2 exactly, 1 as its chapter, 0 as "*", -1 not at all.
int Closeness(std::string_view pattern, std::string_view category) {
  if (pattern == category) return 2;
  if (pattern == "*") return 0;
  const bool chapter = category.size() > pattern.size() && category.starts_with(pattern) &&
                       category[pattern.size()] == '.';
  return chapter ? 1 : -1;
}

bool Applies(rules::RuleDirection written, rules::Direction direction) {
  switch (written) {
    case rules::RuleDirection::kPrompt:
      return direction == rules::Direction::kPrompt;
    case rules::RuleDirection::kAnswer:
      return direction == rules::Direction::kAnswer;
    case rules::RuleDirection::kBoth:
      return true;
  }
  return true;
}

std::string_view TextFor(const std::vector<CategoryText>& texts, std::string_view category,
                         std::string_view otherwise) {
  int closest = -1;
  std::string_view found = otherwise;
  for (const CategoryText& text : texts) {
    const int closeness = Closeness(text.category, category);
    if (closeness <= closest) continue;
    closest = closeness;
    found = text.text;
  }
  return found;
}

}  // namespace

std::string_view Name(Audience audience) {
  static constexpr std::array<std::string_view, 2> kNames = {"adult", "minor"};
  return kNames[static_cast<size_t>(audience)];
}

std::string_view Name(Exposure exposure) {
  static constexpr std::array<std::string_view, 2> kNames = {"public", "internal"};
  return kNames[static_cast<size_t>(exposure)];
}

std::string_view Name(RefusalStyle style) {
  static constexpr std::array<std::string_view, 2> kNames = {"refusal", "error"};
  return kNames[static_cast<size_t>(style)];
}

std::string_view Name(Cause cause) {
  static constexpr std::array<std::string_view, kCauseCount> kNames = {
      "scan_error", "body_too_large", "cannot_decode", "audit_unavailable", "upstream_lost"};
  return kNames[static_cast<size_t>(cause)];
}

std::string_view Name(ExceptionPolicy policy) {
  static constexpr std::array<std::string_view, 2> kNames = {"refuse", "error"};
  return kNames[static_cast<size_t>(policy)];
}

std::string_view Name(KeptContent kept) {
  constexpr std::array<std::string_view, 3> kNames = {"none", "digest", "encrypted"};
  return kNames[static_cast<size_t>(kept)];
}

bool Profile::LetsThrough(std::string_view content_kind) const {
  return std::find(let_through.begin(), let_through.end(), content_kind) != let_through.end();
}

Decision Profile::Decide(const rules::Rule& rule, rules::Direction direction) const {
  int closest = -1;
  // What nobody wrote a word about is blocked; the built-in table leaves nothing out, so that only
  // a profile made without it gets here.
  Decision decision = {.action = Action::kBlock, .review = true};
  for (const ActionRule& written : actions) {
    if (rule.severity < written.severity_min || !Applies(written.direction, direction)) continue;
    const int closeness = Closeness(written.category, rule.category);
    if (closeness < 0 || closeness < closest) continue;
    closest = closeness;
    decision = {.action = written.action, .review = written.review};
  }
  if (rule.status == rules::RuleStatus::kTrial) {
    decision.action = std::min(decision.action, Action::kFlag);
  }
  return decision;
}

std::string_view Profile::StandInFor(std::string_view category) const {
  return TextFor(stand_ins, category, refusal_answer);
}

std::string_view Profile::MaskTextFor(std::string_view category) const {
  return TextFor(mask_texts, category, kMaskText);
}

Profile BuiltInProfile() {
  using rules::RuleDirection;
  using rules::Severity;
  Profile profile;
  profile.id = "built-in";
  profile.title = "内置处置表";
  profile.refusal_prompt = "抱歉，您的问题涉及不宜讨论的内容，我无法回答。";
  profile.refusal_answer = "抱歉，这一回答涉及不宜展示的内容，已停止输出。";
  profile.actions = {
      {"*", Severity::kLow, RuleDirection::kBoth, Action::kFlag, false},
      {"*", Severity::kMedium, RuleDirection::kBoth, Action::kMask, false},
      {"*", Severity::kHigh, RuleDirection::kBoth, Action::kBlock, false},
      {"*", Severity::kCritical, RuleDirection::kBoth, Action::kBlock, true},
      {"A.4.f", Severity::kLow, RuleDirection::kBoth, Action::kMask, false},
  };
  profile.mask_texts = {{"A.4.f", "［个人信息］"}};
  return profile;
}

}  // namespace weir::policy
