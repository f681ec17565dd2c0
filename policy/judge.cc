#include "policy/judge.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "rules/check.h"
#include "rules/status_macros.h"

namespace weir::policy {
namespace {

// What replaces a match of `rule`, said as `matched` (empty: not known any more).
Mask MaskFor(const Profile& profile, const rules::Rule& rule, const rules::Finding& finding,
             std::string_view matched) {
  Mask mask = {finding.start, finding.end, profile.MaskTextFor(rule.category), {}};
  if (finding.detector != rules::Detector::kNone && !matched.empty()) {
    mask.partial = rules::Mask(finding.detector, matched);
  }
  return mask;
}

}  // namespace

Judge::Judge(const Bundle& bundle, const Subject& subject, rules::Direction direction)
    : bundle_(bundle), subject_(subject), direction_(direction) {
  // Decisions are looked up by the profile's place in the bundle.
  const Profile* first = bundle.profiles().data();
  WEIR_CHECK(std::less_equal<>()(first, subject.profile) &&
             std::less<>()(subject.profile, first + bundle.profiles().size()));
}

absl::StatusOr<std::vector<Edit>> Judge::JudgeText(std::string_view part, std::string_view text) {
  findings_.clear();
  WEIR_RETURN_IF_ERROR(rules::Scan(bundle_.rule_set(), direction_, text, findings_));
  return JudgeFindings(part, text, findings_);
}

std::vector<Edit> Judge::JudgeFindings(std::string_view part, std::string_view text,
                                       const std::vector<rules::Finding>& findings) {
  std::vector<Mask> masks;
  for (const rules::Finding& finding : findings) {
    if (Weigh(finding, part) != Action::kMask) continue;
    masks.push_back(MaskFor(*subject_.profile, RuleOf(finding), finding,
                            text.substr(finding.start, finding.end - finding.start)));
  }
  MergeMasks(masks);
  std::vector<Edit> edits;
  edits.reserve(masks.size());
  for (Mask& mask : masks) edits.push_back(ToEdit(std::move(mask)));
  return edits;
}

Inspection Judge::Open(std::string part) {
  return Inspection(*this, std::move(part), rules::StreamScan(bundle_.rule_set(), direction_));
}

std::string_view Judge::StandInText() const {
  const Profile& profile = *subject_.profile;
  if (verdict_.action == Action::kReplace) {
    return profile.StandInFor(verdict_.reasons.front().category);
  }
  return direction_ == rules::Direction::kPrompt ? profile.refusal_prompt : profile.refusal_answer;
}

Action Judge::Weigh(const rules::Finding& finding, std::string_view part) {
  const Decision decision = bundle_.Decide(*subject_.profile, finding.rule, direction_);
  verdict_.action = std::max(verdict_.action, decision.action);
  verdict_.review = verdict_.review || decision.review;
  ++verdict_.reasons_total;
  AddReason(finding, part, decision.action);
  return decision.action;
}

// Millions of findings in one text must not cost more than their scan: once the list is full of
// reasons as strong as the new one, nothing is done.
void Judge::AddReason(const rules::Finding& finding, std::string_view part, Action action) {
  std::vector<Reason>& reasons = verdict_.reasons;
  if (reasons.size() == kReasonsMax) {
    if (reasons.back().action >= action) return;
    reasons.pop_back();
  }
  const auto place = std::find_if(reasons.begin(), reasons.end(), [action](const Reason& reason) {
    return reason.action < action;
  });
  const rules::Rule& rule = RuleOf(finding);
  Reason reason;
  reason.rule = rule.id;
  reason.title = rule.title;
  reason.category = rule.category;
  reason.severity = rules::Name(rule.severity);
  reason.lane = rules::Name(finding.lane);
  reason.part = part;
  reason.start = finding.start;
  reason.end = finding.end;
  reason.action = action;
  reasons.insert(place, std::move(reason));
}

const rules::Rule& Judge::RuleOf(const rules::Finding& finding) const {
  return bundle_.rule_set().rule(finding.rule);
}

Inspection::Inspection(Judge& judge, std::string part, rules::StreamScan scan)
    : judge_(&judge), part_(std::move(part)), scan_(std::move(scan)) {}

absl::Status Inspection::Feed(std::string_view piece) {
  if (stopped()) return absl::OkStatus();
  findings_.clear();
  WEIR_RETURN_IF_ERROR(scan_.Feed(piece, findings_));
  if (!findings_.empty()) Weigh(piece);
  Release();
  Hold(piece);
  return absl::OkStatus();
}

absl::Status Inspection::Finish() {
  if (stopped()) return absl::OkStatus();
  findings_.clear();
  WEIR_RETURN_IF_ERROR(scan_.Finish(findings_));
  if (!findings_.empty()) Weigh("");
  Release();
  Hold("");
  return absl::OkStatus();
}

// Turns the findings that `piece` completed into reasons, masks and perhaps the end of the part.
void Inspection::Weigh(std::string_view piece) {
  for (const rules::Finding& finding : findings_) {
    const Action action = judge_->Weigh(finding, part_);
    action_ = std::max(action_, action);
    if (action >= Action::kReplace) stop_ = std::min(stop_, finding.start);
    if (action != Action::kMask) continue;
    Mask mask = MaskFor(*judge_->subject_.profile, judge_->RuleOf(finding), finding,
                        MatchedText(finding, piece));
    mask.start = std::max(mask.start, releasable_);
    if (mask.start < mask.end) masks_.push_back(std::move(mask));
  }
  MergeMasks(masks_);
}

// Only a detector's mask depends on what the match said; empty where that has been let go.
std::string Inspection::MatchedText(const rules::Finding& finding, std::string_view piece) const {
  if (finding.detector == rules::Detector::kNone || finding.start < held_start_) return {};
  std::string matched = held_.substr(std::min(finding.start - held_start_, held_.size()),
                                     finding.end - finding.start);
  const uint64_t piece_start = held_start_ + held_.size();
  const uint64_t from = std::max(finding.start, piece_start);
  if (from < finding.end) matched += piece.substr(from - piece_start, finding.end - from);
  return matched;
}

// What the scan lets go, less what stands after a match that stops the part, less a mask that the
// end of the rest would cut in two. Masks before that end are final.
void Inspection::Release() {
  uint64_t limit = std::min(scan_.releasable(), stop_);
  size_t final_masks = 0;
  while (final_masks < masks_.size() && masks_[final_masks].end <= limit) ++final_masks;
  if (final_masks < masks_.size()) limit = std::min(limit, masks_[final_masks].start);
  releasable_ = std::max(releasable_, limit);

  const auto begin = masks_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(final_masks);
  for (auto mask = begin; mask != end; ++mask) edits_.push_back(ToEdit(std::move(*mask)));
  masks_.erase(begin, end);
}

void Inspection::Hold(std::string_view piece) {
  if (stopped()) {
    held_ = {};
    masks_ = {};
    return;
  }
  const uint64_t piece_start = held_start_ + held_.size();
  const uint64_t keep = scan_.releasable();
  if (keep >= piece_start) {
    held_.assign(piece.substr(keep - piece_start));
  } else {
    held_.erase(0, keep - held_start_);
    held_.append(piece);
  }
  held_start_ = keep;
}

}  // namespace weir::policy
