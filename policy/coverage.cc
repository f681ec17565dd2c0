#include "policy/coverage.h"

#include <algorithm>
#include <ostream>
#include <set>

#include "policy/json_text.h"
#include "rules/lane_text.h"

namespace weir::policy {
namespace {

struct Category {
  std::string_view code;
  std::string_view name;
};

// GB/T 45654-2025, Appendix A, A.1 and A.2.
constexpr Category kCategories[] = {{"A.1.a", "煽动颠覆国家政权、推翻社会主义制度"},
                                    {"A.1.b", "危害国家安全和利益、损害国家形象"},
                                    {"A.1.c", "煽动分裂国家、破坏国家统一和社会稳定"},
                                    {"A.1.d", "宣扬恐怖主义、极端主义"},
                                    {"A.1.e", "宣扬民族仇恨"},
                                    {"A.1.f", "宣扬暴力、淫秽色情"},
                                    {"A.1.g", "传播虚假有害信息"},
                                    {"A.1.h", "其他法律、行政法规禁止的内容"},
                                    {"A.2.a", "民族歧视内容"},
                                    {"A.2.b", "信仰歧视内容"},
                                    {"A.2.c", "国别歧视内容"},
                                    {"A.2.d", "地域歧视内容"},
                                    {"A.2.e", "性别歧视内容"},
                                    {"A.2.f", "年龄歧视内容"},
                                    {"A.2.g", "职业歧视内容"},
                                    {"A.2.h", "健康歧视内容"},
                                    {"A.2.i", "其他方面歧视内容"}};

size_t NeededFor(std::string_view code) {
  return code.starts_with("A.1.") ? 200 : 100;
}

std::string Folded(std::string_view word) {
  rules::LaneText lane(rules::Lane::kFold);
  lane.Append(word, 0);
  return std::string(lane.From(0));
}

// A text for each term of a matcher; those of two kinds begin differently.
void AddTerms(const rules::Matcher& matcher, const std::string& place,
              std::set<std::string>& terms) {
  switch (matcher.kind) {
    case rules::Matcher::Kind::kWords:
      for (const std::string& word : matcher.words) terms.insert('w' + Folded(word));
      break;
    case rules::Matcher::Kind::kRegex:
      terms.insert('r' + matcher.regex);
      break;
    case rules::Matcher::Kind::kDetector:
      break;
    case rules::Matcher::Kind::kAny:
      for (size_t i = 0; i < matcher.children.size(); ++i) {
        AddTerms(matcher.children[i], place + "." + std::to_string(i), terms);
      }
      break;
    case rules::Matcher::Kind::kAll:
    case rules::Matcher::Kind::kNear:
      terms.insert('c' + place);
      break;
  }
}

struct Terms {
  std::set<std::string> stable;
  std::set<std::string> trial;
};

}  // namespace

bool Coverage::complete() const {
  return missing() == 0 && std::all_of(categories.begin(), categories.end(),
                                       [](const CategoryCoverage& c) { return c.missing() == 0; });
}

Coverage CoverageOf(const std::vector<rules::Pack>& packs) {
  Coverage coverage;
  Terms of_category[std::size(kCategories)];
  std::set<std::string> all;
  for (const rules::Pack& pack : packs) {
    for (const rules::Rule& rule : pack.rules) {
      if (rule.status == rules::RuleStatus::kRetired) continue;
      const bool stable = rule.status == rules::RuleStatus::kStable;
      std::set<std::string> terms;
      AddTerms(rule.match, rule.id, terms);
      if (stable) all.insert(terms.begin(), terms.end());
      for (size_t i = 0; i < std::size(kCategories); ++i) {
        if (rule.category != kCategories[i].code) continue;
        (stable ? of_category[i].stable : of_category[i].trial).insert(terms.begin(), terms.end());
      }
    }
  }
  coverage.terms = all.size();
  for (size_t i = 0; i < std::size(kCategories); ++i) {
    const Terms& terms = of_category[i];
    const auto only_trial =
        std::count_if(terms.trial.begin(), terms.trial.end(),
                      [&](const std::string& term) { return !terms.stable.contains(term); });
    coverage.categories.push_back({kCategories[i].code, kCategories[i].name, terms.stable.size(),
                                   static_cast<size_t>(only_trial),
                                   NeededFor(kCategories[i].code)});
  }
  return coverage;
}

void PrintCoverage(const Coverage& coverage, std::ostream& out) {
  out << "关键词库对照 GB/T 45654-2025：总数宜不少于 " << kLibraryTermsNeeded
      << " 条，A.1 每类宜不少于 200 条，A.2 每类宜不少于 100 条\n"
         "代码\t词条\t试用\t应有\t还缺\t风险类别\n";
  for (const CategoryCoverage& category : coverage.categories) {
    out << category.code << '\t' << category.terms << '\t' << category.trial_terms << '\t'
        << category.needed << '\t' << category.missing() << '\t' << category.name << '\n';
  }
  out << "合计\t" << coverage.terms << "\t\t" << kLibraryTermsNeeded << '\t' << coverage.missing()
      << "\t（全部类别，去重）\n"
         "词条：折叠（大小写、全半角、繁简）后相同的词在一类中只计一条；一条正则、一组 all 或 near "
         "各计一条；\n检测器与 except 不计；试用规则的词条单列，停用规则不计。\n"
      << (coverage.complete() ? "结论：数量已达到标准的建议值。\n"
                              : "结论：数量未达到标准的建议值，见“还缺”一栏。\n");
}

void AppendCoverage(const Coverage& coverage, std::string& json) {
  json += "{\"standard\":\"GB/T 45654-2025\",\"terms\":" + std::to_string(coverage.terms) +
          ",\"needed\":" + std::to_string(kLibraryTermsNeeded) +
          ",\"missing\":" + std::to_string(coverage.missing()) + ",\"categories\":[";
  for (const CategoryCoverage& category : coverage.categories) {
    if (json.back() != '[') json += ',';
    json += "{\"code\":";
    AppendJsonString(category.code, json);
    json += ",\"name\":";
    AppendJsonString(category.name, json);
    json += ",\"terms\":" + std::to_string(category.terms) +
            ",\"trial_terms\":" + std::to_string(category.trial_terms) +
            ",\"needed\":" + std::to_string(category.needed) +
            ",\"missing\":" + std::to_string(category.missing()) + "}";
  }
  json += "]}";
}

}  // namespace weir::policy
