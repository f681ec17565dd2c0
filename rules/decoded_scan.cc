#include "rules/decoded_scan.h"

#include <algorithm>

#include "rules/status_macros.h"

namespace weir::rules {

void DecodedScan::Begin(const RuleSet::Compiled& compiled, Direction direction, bool whole) {
  compiled_ = &compiled;
  direction_ = compiled.decoded_directions & DecodedBit(DirectionBit(direction));
  whole_ = whole;
  if (direction_ != kNoDirection && !whole) decoder_ = DecodedText();
  read_ = lane_end_ = 0;
  undecoded_ = hold_ = undecided_ = kNowhere;
  runs_ = final_ = false;
}

void DecodedScan::Decode(const OriginalText& text, const TextScan& plain) {
  if (direction_ == kNoDirection) return;
  final_ = text.final;
  if (whole_) {
    DecodeWhole(text);
    return;
  }
  chunk_.text.clear();
  chunk_.runs.clear();
  decoder_.Feed(text.Between(read_, text.end()), chunk_);
  if (text.final) decoder_.Finish(chunk_);
  const bool decided = text.final || decoder_.decided() == text.end();
  undecoded_ = decided ? kNowhere : decoder_.decided();
  const bool changed = std::any_of(chunk_.runs.begin(), chunk_.runs.end(),
                                   [](const DecodedRun& run) { return !run.same; });
  if (!runs_ && (changed || !decided)) Start(text, plain);
  if (runs_) Take(chunk_);
  read_ = text.end();
  lane_end_ += chunk_.text.size();
  // What might have been encoded was not: the plain scan sees the same.
  if (runs_ && decided && changed_ == kNowhere) runs_ = false;
}

void DecodedScan::DecodeWhole(const OriginalText& text) {
  if (FindEncoded(text.bytes) == std::string_view::npos) return;
  decoder_ = DecodedText();
  chunk_.text.clear();
  chunk_.runs.clear();
  decoder_.Feed(text.bytes, chunk_);
  decoder_.Finish(chunk_);
  if (!decoder_.changed()) return;
  runs_ = true;
  scan_.Begin(*compiled_, direction_, /*whole=*/true);
  text_.clear();
  map_.clear();
  base_ = 0;
  shift_ = 0;
  Take(chunk_);
}

// The second scan begins where the plain one stands: before what is new in `text`.
void DecodedScan::Start(const OriginalText& text, const TextScan& plain) {
  runs_ = true;
  changed_ = kNowhere;
  scan_.GoOnFrom(plain, direction_);
  base_ = text.base;
  text_ = text.Between(text.base, read_);
  map_.assign(1, {base_, read_, base_, read_, true});
  shift_ = static_cast<int64_t>(read_ - lane_end_);
}

void DecodedScan::Take(const DecodedChunk& chunk) {
  text_ += chunk.text;
  for (DecodedRun run : chunk.runs) {
    run.text_start += static_cast<uint64_t>(shift_);
    run.text_end += static_cast<uint64_t>(shift_);
    if (!run.same) changed_ = run.text_end;
    if (run.same && !map_.empty() && map_.back().same &&
        map_.back().source_end == run.source_start) {
      map_.back().text_end = run.text_end;
      map_.back().source_end = run.source_end;
    } else {
      map_.push_back(run);
    }
  }
}

OriginalText DecodedScan::Decoded() const {
  return {text_, base_, final_};
}

absl::Status DecodedScan::Advance(const OriginalText& text, const TextScan& plain,
                                  Occurrences& occurrences) {
  hold_ = undecided_ = undecoded_;
  if (!runs_) return absl::OkStatus();
  original_ = &text;
  occurrences_ = &occurrences;
  WEIR_RETURN_IF_ERROR(scan_.Advance(Decoded(), *this));
  if (whole_ || final_) return absl::OkStatus();
  hold_ = SourceOf(scan_.hold());
  undecided_ = SourceOf(scan_.Undecided(Decoded()));
  if (AgreesAgain(text, plain)) {
    runs_ = false;
    hold_ = undecided_ = kNowhere;
  }
  return absl::OkStatus();
}

// Whether the plain scan will find from here on what the second one would: nothing is undecided in
// either, and all that they may look back at is the same.
bool DecodedScan::AgreesAgain(const OriginalText& text, const TextScan& plain) const {
  const uint64_t end = base_ + text_.size();
  return undecoded_ == kNowhere && end - changed_ > kLookBackBytes &&
         scan_.Undecided(Decoded()) == end && plain.Undecided(text) == text.end() &&
         scan_.ReadsOnLike(plain);
}

const DecodedRun& DecodedScan::RunAt(uint64_t offset) const {
  const auto behind =
      std::upper_bound(map_.begin(), map_.end(), offset,
                       [](uint64_t at, const DecodedRun& run) { return at < run.text_start; });
  return *(behind - 1);
}

uint64_t DecodedScan::SourceOf(uint64_t offset) const {
  if (offset == base_ + text_.size()) return undecoded_ == kNowhere ? read_ : undecoded_;
  const DecodedRun& run = RunAt(offset);
  return run.same ? run.source_start + (offset - run.text_start) : run.source_start;
}

bool DecodedScan::Locate(Span span, Span& source) const {
  source.start = SourceOf(span.start);
  const DecodedRun& last = RunAt(span.end - 1);
  source.end = last.same ? last.source_start + (span.end - last.text_start) : last.source_end;
  for (const DecodedRun* run = &RunAt(span.start); run <= &last; ++run) {
    if (!run->same && run->text_start != run->text_end) return true;
  }
  return false;
}

void DecodedScan::Add(const OriginalText& /*text*/, uint32_t leaf, Lane /*lane*/,
                      Detector /*detector*/, Span span) {
  Span source;
  // No detector: a mask that keeps part of a number cannot read it in these bytes.
  if (Locate(span, source)) {
    occurrences_->Add(*original_, leaf, Lane::kDecoded, Detector::kNone, source);
  }
}

void DecodedScan::AddException(const OriginalText& /*text*/, uint32_t exception, Span span) {
  Span source;
  if (Locate(span, source)) occurrences_->AddException(*original_, exception, source);
}

void DecodedScan::ListGrowing(bool each, std::vector<Growing>& growing) const {
  if (!runs_) return;
  const size_t before = growing.size();
  scan_.ListGrowing(Decoded(), each, growing);
  for (size_t i = before; i < growing.size(); ++i) {
    growing[i].start = SourceOf(growing[i].start);
    if (growing[i].end != Growing::kBehindText) growing[i].end = SourceOf(growing[i].end);
  }
}

uint64_t DecodedScan::ExceptionHold(uint32_t exception) const {
  if (!runs_ || !compiled_->exceptions[exception].decoded) return kNowhere;
  return std::min(undecoded_, SourceOf(scan_.ExceptionHold(Decoded(), exception)));
}

void DecodedScan::Forget() {
  if (!runs_) return;
  uint64_t keep = scan_.Undecided(Decoded());
  scan_.Forget();
  if (keep - base_ <= 2 * kLookBackBytes) return;
  keep -= kLookBackBytes;
  // To the beginning of a character; more than three such bytes in a row are none.
  for (int i = 0; i < 3; ++i) {
    if ((static_cast<unsigned char>(text_[static_cast<size_t>(keep - base_)]) & 0xC0U) != 0x80U) {
      break;
    }
    --keep;
  }
  text_.erase(0, static_cast<size_t>(keep - base_));
  base_ = keep;
  std::erase_if(map_, [&](const DecodedRun& run) { return run.text_end <= base_; });
}

}  // namespace weir::rules
