// Which Han characters look alike, worked out from what Unicode's Unihan database says of them and
// from what they are drawn of. Runs at build time.
//
// Alike are characters that have a part in common, the rarer the part the more (赌 睹 堵, 博 搏
// 膊), in the same place above all; whose parts are alike one by one (part_likeness.h); whose codes
// in input methods that go by the looks (kCangjie, kFourCornerCode) are nearly the same; that have
// one phonetic (kPhonetic) or radical (kRSUnicode); and whose numbers of strokes are close. Of two
// pairs that are equally alike the one of common characters counts for more: people write what an
// input method offers first. Characters that no common character set has (GB 2312, the table of
// 2013) are left out.
//
// The likeness is a weighted sum, in log-odds. Its weights were fitted, by logistic regression, to
// half of the pairs that a schoolbook tells apart against all other pairs, and rounded.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "rules/tables/part_likeness.h"

namespace weir::rules {

// No look-alikes beyond it can be had from an input method.
inline constexpr uint32_t kLookAlikeMax = 0xFFFF;

class Likeness {
 public:
  using Text = std::vector<uint32_t>;
  struct Pair {
    uint32_t a = 0;  // the smaller one
    uint32_t b = 0;
    bool close = false;  // hard to tell apart
  };
  struct Drawing {
    std::map<uint32_t, Text> parts;  // of each character that has any, as they are drawn
    std::vector<Text> same;          // parts that are one: any of a list
    std::vector<Text> near;          // parts that are nearly alike: any two of a list
  };

  // Reads lines of Unihan's files (kCangjie, kFourCornerCode, kTotalStrokes, kTGH, kGB0,
  // kRSUnicode, kPhonetic, kHanyuPinlu). False when they are not what they should be, said on
  // stderr.
  bool ReadUnihan(std::istream& in);

  // Every pair that looks alike, each once or more often. False when a character is part of itself,
  // said on stderr.
  bool Find(const Drawing& drawing, std::vector<Pair>& pairs) const;

 private:
  // How often a character is seen.
  enum class Use : uint8_t { kCommon, kKnown, kRare, kNone };
  struct Character {
    Use use = Use::kNone;
    int strokes = 0;
    std::vector<std::string> cangjie;
    std::string corners;
    std::vector<int> phonetics;
    int radical = 0;
    int beyond_radical = 0;    // strokes
    double times_in_text = 0;  // in a corpus of ordinary texts
    Text variants;
  };
  class Finder;

  void ReadField(Character& character, const std::string& field, std::istream& values) const;
  void FindVariants(std::vector<Pair>& pairs) const;

  std::map<uint32_t, Character> characters_;
};

}  // namespace weir::rules
