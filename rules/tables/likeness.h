// Which Han characters look alike, worked out from what Unicode's Unihan database says of them and
// from the parts they are made of. Runs at build time.
//
// Alike are characters whose parts are mostly the same (赌 睹 堵, 博 搏 膊), by strokes, whose
// codes in input methods that go by the looks (kCangjie, kFourCornerCode) are nearly the same, and
// whose numbers of strokes are close. Of two pairs that are equally alike the one of common
// characters counts for more: people write what an input method offers first. Characters that no
// common character set has (GB 2312, the table of 2013) are left out.
//
// A character that another one is made of looks like it when little is added (采 彩).
//
// The likeness is a weighted sum. Its weights were fitted, by logistic regression, to pairs that
// schoolbooks tell apart against pairs drawn at random, and rounded.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <vector>

namespace weir::rules {

class Likeness {
 public:
  using Text = std::vector<uint32_t>;
  struct Pair {
    uint32_t a = 0;  // the smaller one
    uint32_t b = 0;
    bool close = false;  // hard to tell apart
  };

  // Reads lines of Unihan's files (kCangjie, kFourCornerCode, kTotalStrokes, kTGH, kGB0). False
  // when they are not what they should be, said on stderr.
  bool ReadUnihan(std::istream& in);

  // Every pair that looks alike, each once or more often. `elements`: what each character that has
  // parts is made of, down to the last.
  std::vector<Pair> Find(const std::map<uint32_t, Text>& elements) const;

 private:
  // How often a character is seen.
  enum class Use : uint8_t { kCommon, kKnown, kRare, kNone };
  struct Character {
    uint32_t c = 0;
    Use use = Use::kNone;
    int strokes = 0;
    std::vector<std::string> cangjie;
    std::string corners;
    Text variants;
    bool parted = false;
    Text elements;
    int element_strokes = 0;
    uint64_t element_bits = 0;  // of a hash of each
  };

  int StrokesOf(uint32_t c) const;
  int SharedStrokes(const Character& a, const Character& b) const;
  int Score(const Character& a, const Character& b) const;
  void FindVariants(std::vector<Pair>& pairs) const;
  static bool IsPartOf(const Character& part, const Character& whole);

  std::map<uint32_t, Character> characters_;
};

}  // namespace weir::rules
