#include "rules/decoded_text.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/check.h"
#include "rules/escape.h"
#include "rules/lane_text.h"

// Every decision looks at a candidate's own bytes from its first one on and answers "yes", "no" or
// "not yet"; "not yet" holds the candidate. So the cut of a stream can delay a decision and never
// change it.

namespace weir::rules {
namespace {

// Base64 needs as many letters in a row before it can decode to anything we accept.
constexpr size_t kRunMin = 8;
constexpr size_t kDecodedBytesMin = 8;

// A shorter line of base64 is not folded: what follows it is another text. Mail has 76 letters,
// keys 64, and 60 is what uuencode's heirs write.
constexpr size_t kFoldedLineMin = 60;

enum class ByteClass : uint8_t { kPlain, kMark, kLetter };  // kLetter: of a base64 alphabet

struct ByteTable {
  std::array<ByteClass, 256> classes{};
  std::array<int8_t, 256> values{};  // of base64; -1

  constexpr ByteTable() {
    values.fill(-1);
    int8_t next = 0;
    const auto add = [&](char first, char last) {
      for (char c = first; c <= last; ++c) values[static_cast<uint8_t>(c)] = next++;
    };
    add('A', 'Z');
    add('a', 'z');
    add('0', '9');
    values['+'] = values['-'] = 62;
    values['/'] = values['_'] = 63;
    for (size_t i = 0; i < 256; ++i) {
      if (values[i] >= 0) classes[i] = ByteClass::kLetter;
    }
    for (const char mark : kEscapeMarks) classes[static_cast<uint8_t>(mark)] = ByteClass::kMark;
  }
};
constexpr ByteTable kBytes;

ByteClass ClassOf(char c) {
  return kBytes.classes[static_cast<uint8_t>(c)];
}
bool IsLetter(char c) {
  return ClassOf(c) == ByteClass::kLetter;
}
bool PartsRun(char c) {
  return c == '/' || c == '+' || c == '-' || c == '_';
}

bool IsHan(char32_t c) {
  return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

// What base64 may stand for; narrower, because any letters decode to something.
bool IsBase64Text(char32_t c) {
  return IsText(c) && (c < 0x7F || c >= 0x2000) && (c < 0xE000 || c > 0xF8FF) && c < 0xE0000;
}

// Letters of a group of four that its first `bytes` bytes touch, and those they fill.
constexpr size_t LettersTouched(size_t bytes) {
  return (4 * bytes + 2) / 3;
}
constexpr size_t LettersFilled(size_t bytes) {
  return 4 * bytes / 3;
}

// A character touches two groups of letters at most.
constexpr size_t kLettersOfTwoGroups = 8;

// Byte k of the base64 that starts at the beginning of `view`.
int Base64Byte(std::string_view view, size_t k, bool last) {
  const size_t at = LettersFilled(k);
  for (size_t i = at; i < at + 2; ++i) {
    if (i >= view.size()) return last ? kEnd : kWait;
    if (!IsLetter(view[i])) return kEnd;
  }
  const int high = kBytes.values[static_cast<uint8_t>(view[at])];
  const int low = kBytes.values[static_cast<uint8_t>(view[at + 1])];
  const auto shift = static_cast<int>(2 * (k % 3));
  return ((high << (2 + shift)) | (low >> (4 - shift))) & 0xFF;
}

// The character whose first byte is byte `from`; `length` is in decoded bytes.
Candidate ReadBase64(std::string_view view, size_t from, bool last) {
  size_t bytes = 0;
  const Candidate read =
      ReadUtf8([&](size_t k) { return Base64Byte(view, from + k, last); }, bytes);
  return read.answer == Answer::kYes && !IsBase64Text(read.c) ? Candidate() : read;
}

// The end of a line that folds base64, amid the letters of one or two groups of four.
struct LineBreak {
  size_t at = 0;      // letters before it
  size_t length = 0;  // 0: there is none
};

// The one behind the first `groups` groups of `view`, which stand behind `line` letters of their
// line. It counts only between letters; where none has followed yet one may.
LineBreak FindLineBreak(std::string_view view, size_t groups, size_t line) {
  const size_t at = 4 * groups;
  if (line + at < kFoldedLineMin || view.size() <= at) return {};
  if (!std::all_of(view.begin(), view.begin() + static_cast<ptrdiff_t>(at), IsLetter)) return {};
  const std::string_view rest = view.substr(at);
  const size_t length = rest[0] == '\n' ? 1 : rest.starts_with("\r\n") || rest == "\r" ? 2 : 0;
  if (length == 0 || (rest.size() > length && !IsLetter(rest[length]))) return {};
  return {at, length};
}

// Whether a character whose first byte is `lead` may be base64's.
bool LeadsBase64Text(int lead) {
  return lead < 0x80 || (lead >= 0xE2 && lead != 0xEE && lead < 0xF4);
}

// Whether letters behind `view`, which is all letters, could make text of it: whether what is known
// of the next byte goes on with the bytes before it.
bool CouldBecomeText(std::string_view view) {
  const size_t full = view.size() * 6 / 8;
  const size_t known = view.size() * 6 % 8;  // bits of the next byte
  const int value = view.empty() ? 0 : kBytes.values[static_cast<uint8_t>(view.back())];
  const int high = known == 0 ? 0 : (value << (8 - known)) & 0xFF;
  for (int low = 0; low < (known == 0 ? 1 : 1 << (8 - known)); ++low) {
    const auto byte = [&](size_t k) {
      if (k < full) return Base64Byte(view, k, /*last=*/false);
      return k == full && known != 0 ? high | low : kWait;
    };
    for (size_t from = 0;;) {
      size_t bytes = 0;
      const Candidate read = ReadUtf8([&](size_t k) { return byte(from + k); }, bytes);
      if (read.answer == Answer::kNo) break;
      if (read.answer == Answer::kNotYet) {
        const int lead = byte(from);
        if (lead == kWait || LeadsBase64Text(lead)) return true;
        break;
      }
      if (!IsBase64Text(read.c)) break;
      from += read.length;
    }
  }
  return false;
}

// Whether base64 starts at the beginning of `view`.
Answer IsBase64(std::string_view view, bool last) {
  size_t bytes = 0;
  bool han = true;
  for (size_t characters = 1;; ++characters) {
    const Candidate read = ReadBase64(view, bytes, last);
    if (read.answer == Answer::kNotYet && !CouldBecomeText(view)) return Answer::kNo;
    if (read.answer != Answer::kYes) return read.answer;
    bytes += read.length;
    han = han && IsHan(read.c);
    if (bytes >= kDecodedBytesMin || (han && characters == 2)) return Answer::kYes;
  }
}

#if defined(__SSE2__)
// Bit i: byte i of the 16 lies in [first, last].
uint64_t InRange(__m128i bytes, char first, char last) {
  const __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
  const __m128i width = _mm_set1_epi8(static_cast<char>(last - first));
  return static_cast<uint64_t>(static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(shifted, width), shifted))));
}

uint64_t Equals(__m128i bytes, char c) {
  return static_cast<uint64_t>(
      static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)))));
}

struct BlockMasks {
  uint64_t marks = 0;
  uint64_t letters = 0;
};

// A byte of Chinese text is above 0x7F, so one test settles most blocks of 16.
BlockMasks ClassifyBlock(const char* data) {
  BlockMasks masks;
  for (size_t i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i));
    if (_mm_movemask_epi8(bytes) == 0xFFFF) continue;
    masks.marks |=
        (Equals(bytes, '%') | Equals(bytes, '&') | Equals(bytes, '\\') | Equals(bytes, '='))
        << (16 * i);
    const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    masks.letters |= (InRange(lower, 'a', 'z') | InRange(bytes, '/', '9') | Equals(bytes, '+') |
                      Equals(bytes, '-') | Equals(bytes, '_'))
                     << (16 * i);
  }
  return masks;
}
#endif

// The next mark, or the beginning of a run of letters that is long enough for base64 or reaches
// the end of `view`. `view[at]` is not amid a run. view.size() when there is none.
size_t FindCandidate(std::string_view view, size_t at) {
  const size_t start = at;
#if defined(__SSE2__)
  // Bit i of `runs`: letters at i .. i+7, known for the first 57 bits of a block.
  constexpr size_t kKnown = 64 - kRunMin + 1;
  while (at + 64 <= view.size()) {
    const BlockMasks masks = ClassifyBlock(view.data() + at);
    uint64_t runs = masks.letters & (masks.letters >> 1U);
    runs &= runs >> 2U;
    runs &= runs >> 4U;
    const uint64_t found = (masks.marks | runs) & ((uint64_t{1} << kKnown) - 1);
    if (found != 0) return at + static_cast<size_t>(std::countr_zero(found));
    at += kKnown;
  }
#endif
  // A run that the last block cut is shorter than kRunMin.
  while (at > start && at < view.size() && IsLetter(view[at - 1]) && IsLetter(view[at])) ++at;
  while (at < view.size()) {
    const ByteClass kind = ClassOf(view[at]);
    if (kind == ByteClass::kMark) return at;
    if (kind == ByteClass::kPlain) {
      ++at;
      continue;
    }
    size_t end = at + 1;
    while (end < view.size() && IsLetter(view[end])) ++end;
    if (end == view.size() || end - at >= kRunMin) return at;
    at = end;
  }
  return view.size();
}

void AppendRun(const DecodedRun& run, std::vector<DecodedRun>& runs) {
  if (run.same && !runs.empty() && runs.back().same && runs.back().source_end == run.source_start) {
    runs.back().text_end = run.text_end;
    runs.back().source_end = run.source_end;
    return;
  }
  runs.push_back(run);
}

}  // namespace

size_t FindEncoded(std::string_view text) {
  for (size_t at = 0;;) {
    at = FindCandidate(text, at);
    if (at == text.size()) return std::string_view::npos;
    if (ClassOf(text[at]) == ByteClass::kMark) {
      if (ReadEscape(text.substr(at), true).answer == Answer::kYes) return at;
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsLetter(text[end])) ++end;
    for (size_t start = at; start + kRunMin <= end; ++start) {
      if ((start == at || PartsRun(text[start - 1])) &&
          IsBase64(text.substr(start), true) == Answer::kYes) {
        return start;
      }
    }
    at = end;
  }
}

void DecodedText::Pass::Feed(std::string_view piece, bool last, DecodedChunk& out) {
  std::string joined;
  std::string_view view = piece;
  if (!held_.empty()) {
    joined = std::exchange(held_, std::string());
    joined += piece;
    view = joined;
  }
  const size_t consumed = Consume(view, last, out);
  position_ += consumed;
  held_.assign(view.substr(consumed));
  WEIR_CHECK(!last || held_.empty());
}

void DecodedText::Pass::PassOver(size_t bytes) {
  position_ += bytes;
  text_end_ += bytes;
}

uint64_t DecodedText::Pass::decided() const {
  return position_ + (in_base64_ ? LettersFilled(group_done_) : 0);
}

void DecodedText::Pass::EmitSame(std::string_view view, size_t from, size_t to, DecodedChunk& out) {
  if (from == to) return;
  out.text += view.substr(from, to - from);
  AppendRun({text_end_, text_end_ + (to - from), position_ + from, position_ + to, true}, out.runs);
  text_end_ += to - from;
}

void DecodedText::Pass::EmitNothing(size_t from, size_t to, DecodedChunk& out) {
  out.runs.push_back({text_end_, text_end_, position_ + from, position_ + to, false});
}

void DecodedText::Pass::EmitCharacter(char32_t c, uint64_t source_start, uint64_t source_end,
                                      DecodedChunk& out) {
  const size_t before = out.text.size();
  AppendUtf8(c, out.text);
  const uint64_t text_start = std::exchange(text_end_, text_end_ + (out.text.size() - before));
  out.runs.push_back({text_start, text_end_, source_start, source_end, false});
}

// Returns how much of `view` is decided; the rest is held.
size_t DecodedText::Pass::Consume(std::string_view view, bool last, DecodedChunk& out) {
  size_t at = 0;
  for (;;) {
    if (in_run_ || in_base64_) {
      const bool base64 = in_base64_;
      at = base64 ? ConsumeBase64(view, at, last, out) : ConsumeRun(view, at, last, out);
      // Still inside: the view ended there.
      if (base64 ? in_base64_ : in_run_) return at;
      if (in_run_ || in_base64_) continue;
    }
    const size_t candidate = FindCandidate(view, at);
    EmitSame(view, at, candidate, out);
    at = candidate;
    if (at == view.size()) return at;
    if (IsLetter(view[at])) {
      const Answer answer = IsBase64(view.substr(at), last);
      if (answer == Answer::kNotYet) return at;
      (answer == Answer::kYes ? in_base64_ : in_run_) = true;
      line_letters_ = 0;
      continue;
    }
    const Candidate read = ReadEscape(view.substr(at), last);
    if (read.answer == Answer::kNotYet) return at;
    if (read.answer == Answer::kYes) {
      EmitCharacter(read.c, position_ + at, position_ + at + read.length, out);
      at += read.length;
    } else {
      EmitSame(view, at, at + 1, out);
      ++at;
    }
  }
}

// From amid a run of letters to where base64 starts in it after all, or to its end.
size_t DecodedText::Pass::ConsumeRun(std::string_view view, size_t at, bool last,
                                     DecodedChunk& out) {
  const size_t from = at;
  for (; at < view.size() && IsLetter(view[at]); ++at) {
    // Looked at when the letter before is known to be behind us, so that a cut here is harmless.
    if (!PartsRun(view[at])) continue;
    const Answer answer = IsBase64(view.substr(at + 1), last);
    if (answer == Answer::kNo) continue;
    // Undecided, it is asked again as if the run began behind this letter.
    EmitSame(view, from, at + 1, out);
    in_run_ = false;
    in_base64_ = answer == Answer::kYes;
    line_letters_ = 0;
    return at + 1;
  }
  EmitSame(view, from, at, out);
  in_run_ = at == view.size() && !last;
  return at;
}

// From the first letter of a group, `group_done_` bytes of which are handed out, to the end of what
// decodes.
size_t DecodedText::Pass::ConsumeBase64(std::string_view view, size_t at, bool last,
                                        DecodedChunk& out) {
  for (;;) {
    const std::string_view rest = view.substr(at);
    // A character that begins with a group may begin behind the line's end, and any go on there.
    LineBreak fold;
    if (group_done_ == 0) fold = FindLineBreak(rest, 0, line_letters_);
    if (fold.length == 0) fold = FindLineBreak(rest, 1, line_letters_);
    std::string letters(rest.substr(0, fold.length == 0 ? kLettersOfTwoGroups : fold.at));
    if (fold.length != 0 && rest.size() > fold.at + fold.length) {
      letters += rest.substr(fold.at + fold.length, kLettersOfTwoGroups);
    }
    const Candidate read = ReadBase64(letters, group_done_, last);
    if (read.answer == Answer::kNotYet) return at;
    const size_t done = LettersTouched(group_done_);
    if (read.answer == Answer::kYes && fold.length != 0 && fold.at == 0) {
      EmitNothing(at, at + fold.length, out);
      at += fold.length;
      line_letters_ = 0;
      continue;
    }
    if (read.answer == Answer::kYes) {
      const size_t bytes = group_done_ + read.length;
      const bool folded = fold.length != 0 && LettersTouched(bytes) > fold.at;
      const size_t skipped = folded ? fold.length : 0;
      EmitCharacter(read.c, position_ + at + LettersFilled(group_done_),
                    position_ + at + LettersTouched(bytes) + skipped, out);
      const size_t groups = bytes / 3;
      at += 4 * groups + skipped;
      line_letters_ = (folded ? 0 : line_letters_) + 4 * groups - (folded ? fold.at : 0);
      group_done_ = static_cast<uint8_t>(bytes % 3);
      continue;
    }
    size_t end = done;
    while (group_done_ != 0 && end < 4 && end < rest.size() && rest[end] == '=') ++end;
    // Padding may yet arrive.
    if (group_done_ != 0 && end == rest.size() && end < 4 && !last) return at;
    if (end > done) EmitNothing(at + done, at + end, out);
    in_base64_ = false;
    group_done_ = 0;
    // Letters that did not decode are the rest of a plain run.
    in_run_ = end == done;
    return at + end;
  }
}

namespace {

// Where byte `at` of the first pass's output came from. `run` holds it.
std::pair<uint64_t, uint64_t> SourceOf(const DecodedRun& run, uint64_t at) {
  if (!run.same) return {run.source_start, run.source_end};
  const uint64_t start = run.source_start + (at - run.text_start);
  return {start, start + 1};
}

}  // namespace

// Rewrites the second pass's runs, whose source is the first pass's text, to the source itself.
void DecodedText::Compose(DecodedChunk& out) {
  out.text += outer_.text;
  for (const DecodedRun& run : outer_.runs) {
    uint64_t at = run.source_start;
    DecodedRun whole{run.text_start, run.text_end, std::numeric_limits<uint64_t>::max(), 0, false};
    while (at < run.source_end) {
      // Padding gave no text, so no run refers to it; its source is told of on the way.
      for (; inner_runs_.front().text_end <= at; inner_runs_.pop_front()) {
        DecodedRun passed = inner_runs_.front();
        if (passed.text_start != passed.text_end) continue;
        if (!run.same && at != run.source_start) continue;
        passed.text_start = passed.text_end = run.text_start + (at - run.source_start);
        out.runs.push_back(passed);
      }
      const DecodedRun& inner = inner_runs_.front();
      const uint64_t end = std::min(run.source_end, inner.text_end);
      const uint64_t from = SourceOf(inner, at).first;
      const uint64_t to = SourceOf(inner, end - 1).second;
      if (run.same) {
        const uint64_t text = run.text_start + (at - run.source_start);
        AppendRun({text, text + (end - at), from, to, inner.same}, out.runs);
      } else {
        whole.source_start = std::min(whole.source_start, from);
        whole.source_end = std::max(whole.source_end, to);
      }
      at = end;
    }
    if (!run.same) out.runs.push_back(whole);
  }
  for (; !inner_runs_.empty() && inner_runs_.front().text_end <= passes_[1].decided();
       inner_runs_.pop_front()) {
    DecodedRun passed = inner_runs_.front();
    if (passed.text_start != passed.text_end) continue;
    passed.text_start = passed.text_end = passes_[1].text_end();
    out.runs.push_back(passed);
  }
}

void DecodedText::Feed(std::string_view piece, DecodedChunk& out) {
  Take(piece, false, out);
}

void DecodedText::Finish(DecodedChunk& out) {
  Take({}, true, out);
}

void DecodedText::Take(std::string_view piece, bool last, DecodedChunk& out) {
  Pass& first = passes_[0];
  Pass& second = passes_[1];
  if (first.idle() && second.idle() && !piece.empty() && !IsLetter(piece.back()) &&
      FindCandidate(piece, 0) == piece.size()) {
    const uint64_t text = second.text_end();
    const uint64_t source = first.decided();
    AppendRun({text, text + piece.size(), source, source + piece.size(), true}, out.runs);
    out.text += piece;
    first.PassOver(piece.size());
    second.PassOver(piece.size());
    return;
  }
  inner_.text.clear();
  inner_.runs.clear();
  outer_.text.clear();
  outer_.runs.clear();
  first.Feed(piece, last, inner_);
  inner_runs_.insert(inner_runs_.end(), inner_.runs.begin(), inner_.runs.end());
  second.Feed(inner_.text, last, outer_);
  const size_t runs_before = out.runs.size();
  Compose(out);
  for (size_t i = runs_before; i < out.runs.size(); ++i) changed_ = changed_ || !out.runs[i].same;
  WEIR_CHECK(first.decided() - decided() <= kHeldBytesMax);
}

uint64_t DecodedText::decided() const {
  const uint64_t at = passes_[1].decided();
  for (const DecodedRun& run : inner_runs_) {
    if (at < run.text_end) return SourceOf(run, at).first;
  }
  return passes_[0].decided();
}

}  // namespace weir::rules
