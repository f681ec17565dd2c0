// A text as one lane sees it, with the way back to the bytes it came from.
//
// Text may be appended in pieces, cut between characters only (Utf8Prefix() says where); the lane
// text and the map do not depend on the cuts. Steady state allocates nothing: buffers are kept.
//
// The skeleton lane is the fold lane without separators and with runs of one character collapsed
// to its first occurrence; digits are never collapsed, 1000 is not 10. More than kSeparatorRunMax
// dropped or repeated characters in a row end a word: a kLaneBreak byte is put there, which is
// part of no word and no character. Bytes that are not UTF-8 become kLaneBreak in every lane.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/lane_classes.h"
#include "rules/reading.h"
#include "rules/rule.h"

namespace weir::rules {

inline constexpr char kLaneBreak = '\xFF';

// The length of the longest prefix of `text` that does not end inside a character. What is left is
// at most three bytes that could still become one; other malformed bytes count as whole.
size_t Utf8Prefix(std::string_view text);

// Decodes the character at `text[at]`; a byte that begins no valid character comes back as
// kInvalidByte with length 1.
inline constexpr char32_t kInvalidByte = 0xFFFFFFFF;
struct Decoded {
  char32_t c;
  uint32_t length;
};
Decoded DecodeAt(std::string_view text, size_t at);
// The character that ends at `end`, which must be a boundary between characters and > 0.
Decoded DecodeBefore(std::string_view text, size_t end);

void AppendUtf8(char32_t c, std::string& out);

// As DecodeAt(), of a lane's text, which is UTF-8 but for breaks. Quick where characters have three
// bytes.
[[gnu::always_inline]] inline Decoded DecodeLane(std::string_view lane, size_t at) {
  if (lane.size() - at >= 3) {
    const auto byte = [&](size_t i) { return uint32_t{static_cast<unsigned char>(lane[at + i])}; };
    const uint32_t bytes = byte(0) | byte(1) << 8 | byte(2) << 16;
    if ((bytes & 0xC0C0F0U) == 0x8080E0U) {
      return {((bytes & 0x0FU) << 12) | ((bytes >> 2) & 0xFC0U) | ((bytes >> 16) & 0x3FU), 3};
    }
  }
  return DecodeAt(lane, at);
}

class LaneText {
 public:
  // kExact, kFold or kSkeleton. The exact lane differs from the text in its breaks only. With
  // another reading (reading.h), the skeleton of what that reads.
  explicit LaneText(Lane lane, Reading reading = Reading::kFold);

  // Copies what is in memory. Both must be of one lane and reading.
  LaneText& operator=(const LaneText& other);
  // Whether both go on alike from here, whatever comes.
  bool ReadsOnLike(const LaneText& other) const;

  void Clear();
  // `text` follows what was appended before; its first byte is byte `origin` of the original.
  void Append(std::string_view text, uint64_t origin);

  // Lane offsets count from the beginning of the scan. [begin(), end()) is in memory.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return begin_ + (size_ - dropped_bytes_); }
  std::string_view From(uint64_t offset) const {
    return {bytes_.get() + dropped_bytes_ + (offset - begin_), static_cast<size_t>(end() - offset)};
  }

  // Where the character that the lane byte belongs to begins in the original.
  uint64_t Origin(uint64_t offset) const;
  // The same, and how many of the lane characters before it, from the same original character, are
  // equal to it: ⑪ is read as 1 twice.
  struct Place {
    uint64_t origin = 0;
    uint32_t equals_before = 0;
  };
  Place PlaceOf(uint64_t offset) const;

  // Whether the original has more between the characters in [from, to) of the lane and the next one
  // than they are: what the skeleton drops, a repeat of one of them above all. True where nothing
  // follows, since it may still come. Also true of some that fold to more or fewer bytes.
  bool DropsBetween(uint64_t from, uint64_t to) const;
  // The ends of the skeleton's characters of which a repeat was dropped, in order, from begin() on
  // at the least.
  std::span<const uint64_t> repeated() const { return repeated_; }
  // The same as DropsBetween() and Origin() for places in order, quicker. Borrows the text, which
  // must not change.
  class Ascent {
   public:
    explicit Ascent(const LaneText& lane) : lane_(lane) {}
    // Goes on to `from`, which is not before where it is.
    void Seek(uint64_t from) {
      while (next_ < lane_.steps_.size() && lane_.steps_[next_].lane <= from) ++next_;
    }
    // Of a byte from there on, near it.
    uint64_t Origin(uint64_t offset) const {
      size_t next = next_;
      while (next < lane_.steps_.size() && lane_.steps_[next].lane <= offset) ++next;
      return offset + static_cast<uint64_t>(lane_.steps_[next - 1].shift);
    }
    bool DropsBefore(uint64_t to) const {
      return to >= lane_.end() || (next_ < lane_.steps_.size() && lane_.steps_[next_].lane <= to);
    }

   private:
    const LaneText& lane_;
    size_t next_ = 0;  // the first step behind
  };

  // Forgets lane text before `offset`.
  void Forget(uint64_t offset);

  size_t memory_bytes() const {
    return capacity_ + steps_.capacity() * sizeof(Step) + repeated_.capacity() * sizeof(uint64_t);
  }

 private:
  struct Step {  // from lane offset `lane` on, original = lane offset + shift
    uint64_t lane;
    int64_t shift;
  };

  void AppendExact(std::string_view text, uint64_t origin);
  void AppendFold(std::string_view text, uint64_t origin);
  void AppendSkeleton(std::string_view text, uint64_t origin);
  // Both go on from `at` over characters that need no other table, and say how far that went.
  // AppendBlocks() needs AVX2 and kBlockBytes of text.
  class BlockRun;
  size_t AppendBlocks(std::string_view text, size_t at, uint64_t origin);
  size_t AppendPlain(std::string_view text, size_t at, uint64_t origin);
  void KeepSteps(std::span<const Step> steps);
  void AppendAscii(char c, uint64_t origin);
  size_t AppendOther(std::string_view text, size_t at, uint64_t origin);
  void AppendCharacter(char32_t c, uint64_t origin);
  void AppendSignificant(char32_t c, uint64_t origin);
  void AppendSeparator();
  void Put(char32_t c, uint64_t origin);
  void PutBreak(uint64_t origin);
  void SetShift(uint64_t origin);
  void Reserve(size_t bytes);

  const Lane lane_;
  const Reading reading_;
  const LaneClasses& classes_;
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;           // bytes in use, forgotten ones included
  size_t dropped_bytes_ = 0;  // forgotten bytes still at the front
  uint64_t begin_ = 0;
  std::vector<Step> steps_;
  std::vector<uint64_t> repeated_;
  int64_t shift_ = 0;

  // Skeleton state between characters.
  char32_t last_ = 0;        // the last character put; 0 after a break and at the beginning
  uint32_t separators_ = 0;  // dropped since the last significant character
  uint32_t repeats_ = 0;     // of last_, dropped
};

}  // namespace weir::rules
