// What happened in a period, counted: for people in Chinese, for scripts as JSON.
// Thread-compatible.
#pragma once

#include <string>
#include <string_view>

#include "audit/record_counts.h"

namespace weir::audit {

class Report {
 public:
  void Add(const Record& record) { counts_.Add(record); }
  // `period` says what was asked for, in a line.
  std::string Text(std::string_view period) const;
  std::string Json() const;

 private:
  RecordCounts counts_;
};

}  // namespace weir::audit
