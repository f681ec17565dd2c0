#include "audit/record_counts.h"

#include <algorithm>
#include <set>

namespace weir::audit {
namespace {

constexpr int64_t kChinaUs = int64_t{8} * 3'600 * 1'000'000;

}  // namespace

void RecordCounts::Add(const Record& record) {
  ++records;
  ++days[FormatTime(record.time_us + kChinaUs).substr(0, 10)];
  ++kinds[std::string(Name(record.kind))];
  if (!record.action.empty()) ++actions[record.action];
  if (!record.app.empty()) ++apps[record.app];
  if (!record.model.empty()) ++models[record.model];
  std::set<std::string> rules_named;
  std::set<std::string> categories_named;
  for (const FindingEntry& finding : record.findings) {
    if (!finding.rule.empty()) rules_named.insert(finding.rule);
    if (!finding.category.empty()) categories_named.insert(finding.category);
  }
  for (const std::string& rule : rules_named) ++rules[rule];
  for (const std::string& category : categories_named) ++categories[category];
}

RecordCounts::Rows MostFrequentFirst(const RecordCounts::Table& table) {
  RecordCounts::Rows rows(table.begin(), table.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

}  // namespace weir::audit
