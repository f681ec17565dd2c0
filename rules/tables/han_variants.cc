#include "rules/tables/han_variants.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

#include <absl/strings/numbers.h>
#include <unicode/unistr.h>

namespace weir::rules {
namespace {

// Variant and character. First what Unihan has twice or otherwise; then radicals that are drawn
// like the character itself, which Unicode has as symbols: ⻢云 is 马云.
constexpr std::u32string_view kOwn =
    U"妳你牠它讐仇偺咱氷冰胷胸鰌鳅弌一弍二弎三扵于樻柜餧喂濵滨菑灾⺒巳⺜日⺝月⺠民⺧牛⺫目⺬示"
    U"⺶羊⻁虎"
    U"⻄西⻅见⻆角⻉贝⻋车⻑长⻓长⻔门⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄"
    U"⻪黾⻫齐⻬齐⻭齿"
    U"⻮齿⻯龙⻰龙⻱龟⻲龟";

// Of U+4E00; 0 when it is none.
char32_t CodePoint(std::string_view written) {
  uint32_t c = 0;
  return absl::SimpleHexAtoi({written.data() + 2, written.size() - 2}, &c) ? c : 0;
}

}  // namespace

bool HanVariants::ReadUnihan(std::istream& in) {
  static const std::map<std::string, Kind> kKinds = {{"kZVariant", Kind::kShape},
                                                     {"kSimplifiedVariant", Kind::kSimplified},
                                                     {"kTraditionalVariant", Kind::kSimplified},
                                                     {"kSemanticVariant", Kind::kSemantic},
                                                     {"kSpoofingVariant", Kind::kSpoofing}};
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string from;
    std::string name;
    if (line.empty() || line[0] == '#' || !(fields >> from >> name)) continue;
    const auto kind = kKinds.find(name);
    if (kind == kKinds.end()) continue;
    // Behind a `<` stands who says so.
    for (std::string to; fields >> to;) {
      const char32_t a = CodePoint(from);
      const char32_t b = CodePoint(std::string_view(to).substr(0, to.find('<')));
      if (a == 0 || b == 0) return false;
      Add(a, b, kind->second);
    }
  }
  return !variants_.empty();
}

bool HanVariants::LeaveAlone(const std::string& file) {
  std::ifstream in(file);
  if (!in.good()) return false;
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const icu::UnicodeString text = icu::UnicodeString::fromUTF8(bytes);
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    left_alone_.insert(static_cast<char32_t>(text.char32At(i)));
  }
  return true;
}

std::map<char32_t, char32_t> HanVariants::Resolve(
    const std::function<std::vector<char32_t>(char32_t)>& fold,
    const std::function<bool(char32_t)>& is_mainland) const {
  std::map<char32_t, char32_t> resolved;
  for (size_t i = 0; i < kOwn.size(); i += 2) resolved[kOwn[i]] = kOwn[i + 1];
  for (const auto& [c, kinds] : variants_) {
    if (is_mainland(c) || left_alone_.contains(c)) continue;
    const std::vector<char32_t> folded = fold(c);
    if (folded.size() != 1 || is_mainland(folded[0])) continue;
    for (const auto& [kind, others] : kinds) {
      std::set<char32_t> mainland;
      for (const char32_t other : others) {
        const std::vector<char32_t> to = fold(other);
        if (to.size() == 1 && is_mainland(to[0])) mainland.insert(to[0]);
      }
      if (mainland.empty()) continue;
      if (mainland.size() == 1) resolved.emplace(c, *mainland.begin());
      break;
    }
  }
  return resolved;
}

}  // namespace weir::rules
