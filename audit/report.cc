#include "audit/report.h"

#include <utility>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr std::pair<std::string_view, std::string_view> kChinese[] = {
    {"prompt", "提示词"}, {"answer", "回答"},      {"failure", "失败"},  {"interrupted", "中断"},
    {"service", "服务"},  {"access", "查阅"},      {"erased", "已删除"}, {"restricted", "限制处理"},
    {"hold", "保全"},     {"release", "解除保全"}, {"allow", "放行"},    {"flag", "标记"},
    {"mask", "遮盖"},     {"replace", "代答"},     {"block", "拦截"},
};

std::string InChinese(const std::string& word) {
  for (const auto& [from, to] : kChinese) {
    if (from == word) return Concat(to, " ", word);
  }
  return word;
}

void AppendTable(std::string_view title, const RecordCounts::Rows& rows, std::string& out) {
  if (rows.empty()) return;
  out += Concat("\n", title, "\n");
  for (const auto& [name, count] : rows) out += Concat("  ", count, "\t", InChinese(name), "\n");
}

}  // namespace

std::string Report::Text(std::string_view period) const {
  std::string out = Concat("审计报告\n期间：", period, "\n记录：", counts_.records, " 条\n");
  AppendTable("按风险类别（含该类命中的记录数）", MostFrequentFirst(counts_.categories), out);
  AppendTable("按处置", MostFrequentFirst(counts_.actions), out);
  AppendTable("按规则（命中的记录数）", MostFrequentFirst(counts_.rules), out);
  AppendTable("按日（北京时间）", RecordCounts::Rows(counts_.days.begin(), counts_.days.end()),
              out);
  AppendTable("按记录种类", MostFrequentFirst(counts_.kinds), out);
  AppendTable("按应用", MostFrequentFirst(counts_.apps), out);
  AppendTable("按模型", MostFrequentFirst(counts_.models), out);
  return out;
}

std::string Report::Json() const {
  std::string out = Concat("{\"records\":", counts_.records);
  for (const auto& [name, table] :
       {std::pair("categories", &counts_.categories), std::pair("actions", &counts_.actions),
        std::pair("rules", &counts_.rules), std::pair("days", &counts_.days),
        std::pair("kinds", &counts_.kinds), std::pair("apps", &counts_.apps),
        std::pair("models", &counts_.models)}) {
    out += Concat(",\"", name, "\":{");
    for (const auto& [key, count] : *table) {
      out += Concat(out.ends_with('{') ? "" : ",", JsonString(key), ":", count);
    }
    out += '}';
  }
  return out + "}\n";
}

}  // namespace weir::audit
