// A profile: what one class of apps gets. One YAML file each in config/profiles; the reference with
// every key explained is config/profiles/cn-public.yaml.
//
// Values only. Thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/verdict.h"
#include "rules/rule.h"

namespace weir::policy {

enum class Audience : uint8_t { kAdult, kMinor };
enum class Exposure : uint8_t { kPublic, kInternal };

// How a refusal looks to the client (wire-formats: `error` is HTTP 400, `refusal` a completion with
// a stand-in answer and finish_reason "content_filter").
enum class RefusalStyle : uint8_t { kRefusal, kError };

// Causes for which nothing could be decided. Each has its own policy in every profile; all of them
// fail closed: kRefuse answers with the profile's refusal, kError with an error that names the
// cause. Both are recorded with the cause's name.
enum class Cause : uint8_t {
  kScanError,
  kBodyTooLarge,
  kCannotDecode,
  kAuditUnavailable,
  kUpstreamLost,
};
inline constexpr int kCauseCount = 5;
enum class ExceptionPolicy : uint8_t { kRefuse, kError };

// What is kept of judged text beside its record: nothing, its digest, or the text, encrypted.
enum class KeptContent : uint8_t { kNone, kDigest, kEncrypted };

std::string_view Name(Audience audience);
std::string_view Name(Exposure exposure);
std::string_view Name(RefusalStyle style);
std::string_view Name(Cause cause);
std::string_view Name(ExceptionPolicy policy);
std::string_view Name(KeptContent kept);

// Applies `action` to findings of `category` from `severity_min` up, the most specific match
// deciding: an exact category before its chapter ("A.1") before "*"; then the last written. A rule
// that a later one of the same category hides altogether is a problem of its file, so that the
// order of lines cannot weaken a profile unnoticed.
struct ActionRule {
  std::string category;
  rules::Severity severity_min = rules::Severity::kLow;
  rules::RuleDirection direction = rules::RuleDirection::kBoth;
  Action action = Action::kAllow;
  bool review = false;
};

// A text that depends on a finding's category: a stand-in answer (代答) or a mask.
struct CategoryText {
  std::string category;  // exact, chapter or "*"
  std::string text;
};

// What replaces a masked finding for which a profile writes no text of its own.
inline constexpr std::string_view kMaskText = "［已屏蔽］";

struct Profile {
  std::string id;
  std::string title;
  Audience audience = Audience::kAdult;
  Exposure exposure = Exposure::kPublic;
  std::string region;
  RefusalStyle refusal_json = RefusalStyle::kRefusal;
  RefusalStyle refusal_stream = RefusalStyle::kRefusal;
  std::string refusal_prompt;       // shown when the prompt was blocked
  std::string refusal_answer;       // shown when the answer was blocked
  std::vector<ActionRule> actions;  // the built-in table first, then as written
  std::vector<CategoryText> stand_ins;
  std::vector<CategoryText> mask_texts;
  std::array<ExceptionPolicy, kCauseCount> exceptions = {
      ExceptionPolicy::kRefuse, ExceptionPolicy::kError, ExceptionPolicy::kError,
      ExceptionPolicy::kError, ExceptionPolicy::kError};  // by Cause
  // Content that cannot be inspected and is nevertheless let through, by name: "image", "audio",
  // "file". Empty: refused with a clear error.
  std::vector<std::string> let_through;
  // Empty: as the gateway's configuration says for all.
  std::optional<KeptContent> content;
  int content_line = 0;  // in `file`
  std::string file;

  ExceptionPolicy exception(Cause cause) const { return exceptions[static_cast<size_t>(cause)]; }
  bool LetsThrough(std::string_view content_kind) const;
  // What to do with a finding of `rule`. A rule on trial is never more than flagged, whatever the
  // profile says of its category.
  Decision Decide(const rules::Rule& rule, rules::Direction direction) const;
  // The text of a stand-in answer for a category; the answer refusal when none is written.
  std::string_view StandInFor(std::string_view category) const;
  // What stands in the place of a masked finding of a category; kMaskText when none is written.
  std::string_view MaskTextFor(std::string_view category) const;
};

// The profile of who wrote none, id "built-in": low is flagged, medium masked, high and critical
// blocked (critical queued for review), personal information (A.4.f) masked whatever its severity.
// Its actions are also the ground on which every written profile stands.
Profile BuiltInProfile();

// Parses profile files (or directories of *.yaml); strict, all problems at once.
std::vector<Profile> ParseProfiles(const std::vector<std::string>& paths,
                                   std::vector<rules::Problem>& problems);

}  // namespace weir::policy
