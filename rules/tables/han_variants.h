// Which character the mainland writes for a variant that nobody there writes: 黒 and 愽 for 黑 and
// 博, from Unihan and from a table of our own. Input of generate_fold, beside OpenCC's
// dictionaries, which know the traditional characters and the Japanese ones.
//
// Unihan's variants are many and some lead astray, so one counts only where it is a character
// outside GB 2312 that leads, folded, to exactly one inside; of several kinds of variant the
// surest decides. Characters that the shape lane composes others of keep their own form: 尃 is a
// variant of 敷, and what remains of 搏 without its 扌.
#pragma once

#include <functional>
#include <istream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace weir::rules {

class HanVariants {
 public:
  // Unihan_Variants.txt. False when it holds none, or something else.
  bool ReadUnihan(std::istream& in);
  // Every character in `file`, a table of parts, is left alone. False when it cannot be read.
  bool LeaveAlone(const std::string& file);

  // From variant to mainland character. `fold` is what is known of a character without these,
  // `is_mainland` whether GB 2312 has it.
  std::map<char32_t, char32_t> Resolve(const std::function<std::vector<char32_t>(char32_t)>& fold,
                                       const std::function<bool(char32_t)>& is_mainland) const;

 private:
  // The kinds of variant, the surest first.
  enum class Kind { kShape, kSimplified, kSemantic, kSpoofing };
  void Add(char32_t a, char32_t b, Kind kind) {
    variants_[a][kind].insert(b);
    variants_[b][kind].insert(a);
  }

  std::map<char32_t, std::map<Kind, std::set<char32_t>>> variants_;
  std::set<char32_t> left_alone_;
};

}  // namespace weir::rules
