#include "audit/report.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr int64_t kChinaUs = int64_t{8} * 3'600 * 1'000'000;

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

using Rows = std::vector<std::pair<std::string, uint64_t>>;

Rows MostFrequentFirst(const std::map<std::string, uint64_t>& table) {
  Rows rows(table.begin(), table.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

void AppendTable(std::string_view title, const Rows& rows, std::string& out) {
  if (rows.empty()) return;
  out += Concat("\n", title, "\n");
  for (const auto& [name, count] : rows) out += Concat("  ", count, "\t", InChinese(name), "\n");
}

}  // namespace

void Report::Add(const Record& record) {
  ++records_;
  ++days_[FormatTime(record.time_us + kChinaUs).substr(0, 10)];
  ++kinds_[std::string(Name(record.kind))];
  if (!record.action.empty()) ++actions_[record.action];
  if (!record.app.empty()) ++apps_[record.app];
  if (!record.model.empty()) ++models_[record.model];
  std::set<std::string> rules;
  std::set<std::string> categories;
  for (const FindingEntry& finding : record.findings) {
    if (!finding.rule.empty()) rules.insert(finding.rule);
    if (!finding.category.empty()) categories.insert(finding.category);
  }
  for (const std::string& rule : rules) ++rules_[rule];
  for (const std::string& category : categories) ++categories_[category];
}

std::string Report::Text(std::string_view period) const {
  std::string out = Concat("审计报告\n期间：", period, "\n记录：", records_, " 条\n");
  AppendTable("按风险类别（含该类命中的记录数）", MostFrequentFirst(categories_), out);
  AppendTable("按处置", MostFrequentFirst(actions_), out);
  AppendTable("按规则（命中的记录数）", MostFrequentFirst(rules_), out);
  AppendTable("按日（北京时间）", Rows(days_.begin(), days_.end()), out);
  AppendTable("按记录种类", MostFrequentFirst(kinds_), out);
  AppendTable("按应用", MostFrequentFirst(apps_), out);
  AppendTable("按模型", MostFrequentFirst(models_), out);
  return out;
}

std::string Report::Json() const {
  std::string out = Concat("{\"records\":", records_);
  for (const auto& [name, table] :
       {std::pair("categories", &categories_), std::pair("actions", &actions_),
        std::pair("rules", &rules_), std::pair("days", &days_), std::pair("kinds", &kinds_),
        std::pair("apps", &apps_), std::pair("models", &models_)}) {
    out += Concat(",\"", name, "\":{");
    for (const auto& [key, count] : *table) {
      out += Concat(out.ends_with('{') ? "" : ",", JsonString(key), ":", count);
    }
    out += '}';
  }
  return out + "}\n";
}

}  // namespace weir::audit
