// The text that a reader would see after decoding what stands encoded in it.
//
// The `decoded` lane is the whole text with every encoded character replaced by the character, in
// place, so that a word half in plain and half in escapes is whole again: `赌&#21338;` is `赌博`.
//
//   DecodedText decoder;
//   DecodedChunk lane;
//   decoder.Feed(piece, lane);   // appends the lane text that is decided, with its map
//   decoder.Finish(lane);        // appends the rest
//
// What is decoded:
//
//   percent     %E8%B5%8C (valid UTF-8 only), %u8D4C, and %25E8 as often as four times over
//   entities    &#36172; &#x8d4c; and common names (named_entities.h): &amp; &lt; &nbsp; ...; the
//               `;` may be missing where browsers do not ask for it
//   escapes     \u8d4c (surrogate pairs too), \u{8d4c}, \x{8d4c}, \U00008d4c, \xe8\xb5\x8c,
//               \350\265\214
//   mail        =E8=B5=8C of quoted-printable, with soft line breaks in it; beyond ASCII only
//   base64      standard and URL-safe alphabet, padded or not. A run of the alphabet counts from
//               its beginning, or after a `/ + - _` in it, once eight decoded bytes (or two Han
//               characters) are valid UTF-8 without control characters; it is decoded as far as
//               that stays so, so junk behind the encoded text does not hide it. Lines of 60
//               letters and more, in groups of four, go on in the next line
//
// twice over (kDepth): base64 of escapes, percent-encoded base64, `&amp;#36172;`. Control
// characters other than tab and line ends are never decoded. Not decoded: base64 that starts amid
// other letters, encodings other than UTF-8, `+` for space, CSS's \8d4c, numbers without any mark.
//
// Streams. Lane text and map depend on the bytes fed, never on how they were cut. What could still
// become a character is held: at most kHeldBytesMax bytes of the source, because a candidate that
// has not decided by then is no candidate (an entity has at most 16 digits, base64 decides within
// 16 letters and is decoded as it comes, a line's end in it with the next character). Nothing else
// is held.
//
// Cost. Text without anything encoded is passed over at the speed of a vector compare; ask
// FindEncoded() first and the lane need not be built at all. No allocation but for the output.
//
// Thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "rules/escape.h"

namespace weir::rules {

// A stretch of lane text and the source bytes it came from; offsets count from the beginning of
// lane and source. A `same` run has one lane byte for one source byte. Any other run is one
// character, all of whose bytes came from all of the source range, or is empty (base64's padding).
struct DecodedRun {
  uint64_t text_start = 0;
  uint64_t text_end = 0;
  uint64_t source_start = 0;
  uint64_t source_end = 0;
  bool same = true;

  friend bool operator==(const DecodedRun&, const DecodedRun&) = default;
};

// Lane text with its map. The runs of a scan, in order, cover lane and source without a gap;
// neighbouring `same` runs of one chunk are one.
struct DecodedChunk {
  std::string text;
  std::vector<DecodedRun> runs;
};

// Where the first thing stands that is encoded; npos: the lane equals the text. What it decodes to
// may make an escape of what stands before it.
size_t FindEncoded(std::string_view text);

class DecodedText {
 public:
  static constexpr int kDepth = 2;
  static constexpr size_t kHeldBytesMax = kEscapeBytesMax * kEscapeBytesMax;

  void Feed(std::string_view piece, DecodedChunk& out);
  void Finish(DecodedChunk& out);

  // Source bytes before this are in the lane text handed out; those from here on are held. Never
  // more than kHeldBytesMax before what was fed.
  uint64_t decided() const;
  // Whether anything has been decoded since the beginning: until then lane and source are equal.
  bool changed() const { return changed_; }

 private:
  // One pass of decoding. Offsets of its runs count from the beginning of what it was fed.
  class Pass {
   public:
    void Feed(std::string_view piece, bool last, DecodedChunk& out);
    // Goes on behind `bytes` bytes that hold nothing. Only when idle.
    void PassOver(size_t bytes);
    bool idle() const { return held_.empty() && !in_run_ && !in_base64_; }
    uint64_t decided() const;
    uint64_t text_end() const { return text_end_; }

   private:
    size_t Consume(std::string_view view, bool last, DecodedChunk& out);
    size_t ConsumeRun(std::string_view view, size_t at, bool last, DecodedChunk& out);
    size_t ConsumeBase64(std::string_view view, size_t at, bool last, DecodedChunk& out);
    void EmitSame(std::string_view view, size_t from, size_t to, DecodedChunk& out);
    void EmitNothing(size_t from, size_t to, DecodedChunk& out);
    void EmitCharacter(char32_t c, uint64_t source_start, uint64_t source_end, DecodedChunk& out);

    std::string held_;         // fed, not decided
    uint64_t position_ = 0;    // of held_ in what was fed
    uint64_t text_end_ = 0;    // lane bytes handed out
    bool in_run_ = false;      // amid a run of the alphabet in which no candidate is open
    bool in_base64_ = false;   // amid base64, at the first letter of a group of four
    uint8_t group_done_ = 0;   // decoded bytes of that group that are handed out already
    size_t line_letters_ = 0;  // of base64, before that group in its line
  };

  void Take(std::string_view piece, bool last, DecodedChunk& out);
  void Compose(DecodedChunk& out);

  std::array<Pass, kDepth> passes_;
  std::deque<DecodedRun> inner_runs_;  // of the first pass, as far as the second may refer to them
  DecodedChunk inner_;                 // what the passes gave last; members to keep their memory
  DecodedChunk outer_;
  bool changed_ = false;
};

}  // namespace weir::rules
