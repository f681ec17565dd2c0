// What happened in a period, counted: for people in Chinese, for scripts as JSON.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "audit/record.h"

namespace weir::audit {

class Report {
 public:
  void Add(const Record& record);
  // `period` says what was asked for, in a line.
  std::string Text(std::string_view period) const;
  std::string Json() const;

 private:
  using Table = std::map<std::string, uint64_t>;

  uint64_t records_ = 0;
  // A record counts once for a category or a rule, however often that matched. Days are those of
  // China (UTC+8).
  Table days_, kinds_, actions_, categories_, rules_, apps_, models_;
};

}  // namespace weir::audit
