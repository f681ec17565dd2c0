#include "rules/scanner.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <hs/hs.h>

#include "rules/compiled.h"
#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/status_macros.h"
#include "rules/word_index.h"

namespace weir::rules {
namespace {

// What an edge or an exception may look back at in text that has been released.
constexpr uint64_t kLookBackBytes = (kSeparatorRunMax + 2) * 4;

struct ScratchDeleter {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

// Hyperscan's working memory of this thread: one, grown to the greatest database seen.
absl::StatusOr<hs_scratch_t*> ScratchFor(const RuleSet::Compiled& compiled) {
  thread_local std::unique_ptr<hs_scratch_t, ScratchDeleter> scratch;
  thread_local uint64_t fits_serial = 0;
  if (compiled.words.database() == nullptr || fits_serial == compiled.serial) return scratch.get();
  hs_scratch_t* grown = scratch.release();
  const hs_error_t error = hs_alloc_scratch(compiled.words.database(), &grown);
  scratch.reset(grown);
  if (error != HS_SUCCESS) {
    return absl::ResourceExhaustedError("no memory for Hyperscan's scratch space");
  }
  fits_serial = compiled.serial;
  return scratch.get();
}

bool Earlier(const Finding& a, const Finding& b) {
  return std::tie(a.end, a.start, a.rule, a.lane) < std::tie(b.end, b.start, b.rule, b.lane);
}

// A hit whose word the text has not yet decided.
struct PendingHit {
  const WordUse* use;
  uint64_t head;
  uint64_t second;
  uint64_t hold;
};

// One scan, whole or in pieces: both are this, so that both find the same.
class Pass {
 public:
  void Begin(const RuleSet& rules, Direction direction) {
    compiled_ = &rules.compiled();
    direction_ = DirectionBit(direction);
    skeleton_.Clear();
    hits_.clear();
    pending_.clear();
    tail_skeleton_ = 0;
    scanned_ = 0;
    normalised_ = 0;
  }

  // `text` holds whole characters only and ends at the end of what has arrived.
  absl::Status Advance(const OriginalText& text, std::vector<Finding>& findings) {
    const size_t first_new = findings.size();
    skeleton_.Append(text.Between(normalised_, text.end()), normalised_);
    normalised_ = text.end();
    auto scratch = ScratchFor(*compiled_);
    if (!scratch.ok()) return scratch.status();
    hold_ = text.end();
    ConfirmPending(text, findings);
    WEIR_RETURN_IF_ERROR(FindWords(text, *scratch, findings));
    if (!text.final) {
      const WordIndex::Tail tail =
          compiled_->words.FindTail(skeleton_, tail_skeleton_, text, direction_);
      tail_skeleton_ = tail.skeleton;
      hold_ = std::min(hold_, tail.hold);
    }
    for (const PendingHit& hit : pending_) hold_ = std::min(hold_, hit.hold);
    const auto begin = findings.begin() + static_cast<ptrdiff_t>(first_new);
    std::sort(begin, findings.end(), Earlier);
    findings.erase(std::unique(begin, findings.end(),
                               [](const Finding& a, const Finding& b) {
                                 return a.rule == b.rule && a.start == b.start && a.end == b.end;
                               }),
                   findings.end());
    return absl::OkStatus();
  }

  void Forget() { skeleton_.Forget(tail_skeleton_); }
  uint64_t hold() const { return hold_; }

 private:
  absl::Status FindWords(const OriginalText& text, hs_scratch_t* scratch,
                         std::vector<Finding>& findings) {
    const WordIndex& words = compiled_->words;
    if (words.empty()) return absl::OkStatus();
    const uint64_t scanned_before = scanned_;
    scanned_ = skeleton_.end();
    if (skeleton_.end() == scanned_before) return absl::OkStatus();
    hits_.clear();
    WEIR_RETURN_IF_ERROR(
        words.Scan(skeleton_.From(tail_skeleton_), tail_skeleton_, scratch, hits_));
    for (const WordIndex::Hit& hit : hits_) {
      if (hit.end <= scanned_before) continue;
      const uint64_t start = hit.end - words.SkeletonBytes(hit.literal);
      const uint64_t head = skeleton_.Origin(start);
      const size_t first_bytes = DecodeAt(skeleton_.From(start), 0).length;
      const uint64_t second =
          start + first_bytes < hit.end ? skeleton_.Origin(start + first_bytes) : head;
      for (const WordUse& use : words.Uses(hit.literal)) {
        if ((use.directions & direction_) != 0) Decide({&use, head, second, head}, text, findings);
      }
    }
    return absl::OkStatus();
  }

  void ConfirmPending(const OriginalText& text, std::vector<Finding>& findings) {
    std::vector<PendingHit> undecided = std::move(pending_);
    pending_.clear();
    for (const PendingHit& hit : undecided) Decide(hit, text, findings);
  }

  void Decide(PendingHit hit, const OriginalText& text, std::vector<Finding>& findings) {
    const WordIndex::Confirmed confirmed =
        WordIndex::Confirm(hit.use->word, text, hit.head, hit.second);
    if (confirmed.outcome == WordIndex::Outcome::kNeedMore) {
      hit.hold = confirmed.span.start;
      pending_.push_back(hit);
    } else if (confirmed.outcome == WordIndex::Outcome::kMatch) {
      findings.push_back({compiled_->leaves[hit.use->leaf].rule, confirmed.lane, Detector::kNone,
                          confirmed.span.start, confirmed.span.end});
    }
  }

  const RuleSet::Compiled* compiled_ = nullptr;
  DirectionSet direction_ = kNoDirection;
  LaneText skeleton_{Lane::kSkeleton};
  std::vector<WordIndex::Hit> hits_;
  std::vector<PendingHit> pending_;
  uint64_t tail_skeleton_ = 0;
  uint64_t scanned_ = 0;
  uint64_t normalised_ = 0;
  uint64_t hold_ = 0;
};

}  // namespace

absl::Status Scan(const RuleSet& rules, Direction direction, std::string_view text,
                  std::vector<Finding>& findings) {
  thread_local Pass pass;
  pass.Begin(rules, direction);
  return pass.Advance({text, 0, /*final=*/true}, findings);
}

class StreamScan::State {
 public:
  State(const RuleSet& rules, Direction direction) { pass.Begin(rules, direction); }

  absl::Status Advance(bool final, std::vector<Finding>& findings) {
    const size_t whole = final ? text.size() : Utf8Prefix(text);
    WEIR_RETURN_IF_ERROR(
        pass.Advance({std::string_view(text).substr(0, whole), base, final}, findings));
    releasable = std::max(releasable, final ? base + text.size() : pass.hold());
    pass.Forget();
    if (releasable - base > 4096 + kLookBackBytes) {
      uint64_t keep = releasable - kLookBackBytes;
      while ((static_cast<unsigned char>(text[static_cast<size_t>(keep - base)]) & 0xC0U) ==
             0x80U) {
        --keep;
      }
      text.erase(0, static_cast<size_t>(keep - base));
      base = keep;
    }
    return absl::OkStatus();
  }

  Pass pass;
  std::string text;   // what later pieces may need to look at
  uint64_t base = 0;  // of text
  uint64_t releasable = 0;
};

StreamScan::StreamScan(const RuleSet& rules, Direction direction)
    : state_(std::make_unique<State>(rules, direction)) {}
StreamScan::StreamScan(StreamScan&&) noexcept = default;
StreamScan& StreamScan::operator=(StreamScan&&) noexcept = default;
StreamScan::~StreamScan() = default;

absl::Status StreamScan::Feed(std::string_view piece, std::vector<Finding>& findings) {
  state_->text.append(piece);
  return state_->Advance(/*final=*/false, findings);
}

absl::Status StreamScan::Finish(std::vector<Finding>& findings) {
  return state_->Advance(/*final=*/true, findings);
}

uint64_t StreamScan::releasable() const {
  return state_->releasable;
}
uint64_t StreamScan::fed() const {
  return state_->base + state_->text.size();
}

}  // namespace weir::rules
