// How often records name what people ask for: kinds, actions, apps, rules. Internal.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "audit/record.h"

namespace weir::audit {

struct RecordCounts {
  using Table = std::map<std::string, uint64_t>;
  using Rows = std::vector<std::pair<std::string, uint64_t>>;

  // A record counts once for a category or a rule, however often that matched.
  void Add(const Record& record);

  uint64_t records = 0;
  Table days;  // of China (UTC+8), as 2026-11-23
  Table kinds, actions, categories, rules, apps, models;
};

// A table's rows, the most frequent first.
RecordCounts::Rows MostFrequentFirst(const RecordCounts::Table& table);

}  // namespace weir::audit
