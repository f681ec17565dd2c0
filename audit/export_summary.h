// The page of an export that people read. Internal. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "audit/record_counts.h"

namespace weir::audit {

class ExportCounts {
 public:
  void Add(const Record& record);
  // A page without scripts or links, in Chinese and English. It is a reading aid: what is proved is
  // in the other files, and the page says so.
  std::string Html(std::string_view origin, std::string_view key) const;

 private:
  RecordCounts counts_;
  uint64_t first_seq_ = 0;
  uint64_t last_seq_ = 0;
  int64_t first_time_us_ = 0;
  int64_t last_time_us_ = 0;
};

}  // namespace weir::audit
