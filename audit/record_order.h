// What records that follow one another must be: whole, each in its place, none older than the one
// before. Internal. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::audit {

class RecordOrder {
 public:
  // Why `encoded` cannot be record number `seq` behind those asked about before, as a sentence for
  // people; empty when it can.
  std::string Wrong(uint64_t seq, std::string_view encoded);

 private:
  int64_t last_time_us_ = 0;
};

}  // namespace weir::audit
