// A scan, whole or in pieces, is one Pass: text_scan.h looks for matches (Normalise -> Prefilter ->
// Confirm), in the text and, with decoded_scan.h, in what is encoded in it, and the combiner makes
// findings of them (Emit: all, near and exceptions).
//
// What a stream may release is computed after each piece: every engine says from which byte a
// match could still grow, and no findings begin before the least of these. In words: the longest
// suffix that could become one, exactly. In expressions: the earliest start of any place their
// programs are at. In detectors: the earliest
// candidate that more text decides. In parts of all and near:
// the same, as far as they could complete it. In undecided findings: where they begin.
#include "rules/scanner.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "rules/combiner.h"
#include "rules/decoded_scan.h"
#include "rules/fold_cursor.h"
#include "rules/lane_text.h"
#include "rules/status_macros.h"
#include "rules/text_scan.h"

namespace weir::rules {
namespace {

bool Earlier(const Finding& a, const Finding& b) {
  return std::tie(a.end, a.start, a.rule, a.lane, b.detector) <
         std::tie(b.end, b.start, b.rule, b.lane, a.detector);
}

bool SamePlace(const Finding& a, const Finding& b) {
  return a.rule == b.rule && a.start == b.start && a.end == b.end;
}

class Pass {
 public:
  // With `whole`, one Advance() brings the whole text.
  void Begin(const RuleSet& rules, Direction direction, bool whole);

  // `text` holds whole characters only and ends at the end of what has arrived.
  absl::Status Advance(const OriginalText& text, std::vector<Finding>& findings);

  // The byte from which text must be held back, and the one from which later calls need it.
  uint64_t hold() const { return hold_; }
  uint64_t keep() const { return keep_; }
  void Forget(const OriginalText& text, uint64_t offset) { combiner_.Forget(text, offset, keep_); }

 private:
  void Emit(const OriginalText& text, std::vector<Finding>& findings);

  bool whole_ = false;
  TextScan scan_;
  DecodedScan decoded_;
  Combiner combiner_;
  std::vector<Growing> growing_;
  uint64_t hold_ = 0;
  uint64_t keep_ = 0;
};

void Pass::Begin(const RuleSet& rules, Direction direction, bool whole) {
  whole_ = whole;
  scan_.Begin(rules.compiled(), DirectionBit(direction), whole);
  decoded_.Begin(rules.compiled(), direction, whole);
  combiner_.Begin(rules.compiled());
  hold_ = keep_ = 0;
}

absl::Status Pass::Advance(const OriginalText& text, std::vector<Finding>& findings) {
  decoded_.Decode(text, scan_);
  WEIR_RETURN_IF_ERROR(scan_.Advance(text, combiner_));
  WEIR_RETURN_IF_ERROR(decoded_.Advance(text, scan_, combiner_));
  Emit(text, findings);
  if (!whole_) {
    scan_.Forget();
    decoded_.Forget();
  }
  return absl::OkStatus();
}

void Pass::Emit(const OriginalText& text, std::vector<Finding>& findings) {
  const size_t first_new = findings.size();
  const auto exception_tail = [&](uint32_t exception) {
    return std::min(scan_.ExceptionHold(text, exception), decoded_.ExceptionHold(exception));
  };
  growing_.clear();
  hold_ = std::min(scan_.hold(), decoded_.hold());
  if (!whole_ && !text.final) {
    keep_ = std::min(scan_.Undecided(text), decoded_.Undecided());
    const bool each = combiner_.MayExcuse(text, keep_);
    if (each) hold_ = std::min(text.end(), decoded_.undecoded());
    scan_.ListGrowing(text, each, growing_);
    decoded_.ListGrowing(each, growing_);
  }
  hold_ = std::min(hold_, combiner_.Settle(text, growing_, exception_tail, findings));
  keep_ = std::min(keep_, hold_);
  const auto begin = findings.begin() + static_cast<ptrdiff_t>(first_new);
  std::sort(begin, findings.end(), Earlier);
  findings.erase(std::unique(begin, findings.end(), SamePlace), findings.end());
}

}  // namespace

absl::Status Scan(const RuleSet& rules, Direction direction, std::string_view text,
                  std::vector<Finding>& findings) {
  thread_local Pass pass;
  pass.Begin(rules, direction, /*whole=*/true);
  return pass.Advance({text, 0, /*final=*/true}, findings);
}

class StreamScan::State {
 public:
  State(const RuleSet& rules, Direction direction) {
    pass_.Begin(rules, direction, /*whole=*/false);
  }

  absl::Status Feed(std::string_view piece, std::vector<Finding>& findings) {
    text_.append(piece);
    return Advance(Utf8Prefix(text_), /*final=*/false, findings);
  }
  absl::Status Finish(std::vector<Finding>& findings) {
    return Advance(text_.size(), /*final=*/true, findings);
  }

  uint64_t releasable() const { return releasable_; }
  uint64_t fed() const { return base_ + text_.size(); }

 private:
  absl::Status Advance(size_t whole_bytes, bool final, std::vector<Finding>& findings) {
    const OriginalText text{std::string_view(text_).substr(0, whole_bytes), base_, final};
    WEIR_RETURN_IF_ERROR(pass_.Advance(text, findings));
    releasable_ = final ? fed() : std::max(releasable_, pass_.hold());
    const uint64_t keep = std::min(pass_.keep(), releasable_);
    // Moving what is kept to the front pays only when much is let go.
    if (!final && keep - base_ > 2 * kLookBackBytes) Trim(text, keep - kLookBackBytes);
    return absl::OkStatus();
  }

  void Trim(const OriginalText& text, uint64_t keep) {
    // To the beginning of a character; more than three such bytes in a row are none.
    for (int i = 0; i < 3; ++i) {
      if ((static_cast<unsigned char>(text_[static_cast<size_t>(keep - base_)]) & 0xC0U) != 0x80U) {
        break;
      }
      --keep;
    }
    pass_.Forget(text, keep);
    text_.erase(0, static_cast<size_t>(keep - base_));
    base_ = keep;
  }

  Pass pass_;
  std::string text_;   // what later pieces may need to look at
  uint64_t base_ = 0;  // of text_
  uint64_t releasable_ = 0;
};

StreamScan::StreamScan(const RuleSet& rules, Direction direction)
    : state_(std::make_unique<State>(rules, direction)) {}
StreamScan::StreamScan(StreamScan&&) noexcept = default;
StreamScan& StreamScan::operator=(StreamScan&&) noexcept = default;
StreamScan::~StreamScan() = default;

absl::Status StreamScan::Feed(std::string_view piece, std::vector<Finding>& findings) {
  return state_->Feed(piece, findings);
}
absl::Status StreamScan::Finish(std::vector<Finding>& findings) {
  return state_->Finish(findings);
}
uint64_t StreamScan::releasable() const {
  return state_->releasable();
}
uint64_t StreamScan::fed() const {
  return state_->fed();
}

}  // namespace weir::rules
