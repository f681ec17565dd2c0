#include "audit/record_order.h"

#include "audit/concat.h"
#include "audit/record.h"

namespace weir::audit {

std::string RecordOrder::Wrong(uint64_t seq, std::string_view encoded) {
  const absl::StatusOr<Record> record = Decode(encoded);
  if (!record.ok()) return Concat("record ", seq, " was altered: ", record.status().message());
  if (record->seq != seq) {
    return Concat("record ", seq, " is missing or out of order: number ", record->seq,
                  " stands in its place");
  }
  if (record->time_us < last_time_us_) {
    return Concat("record ", seq, " was altered: its time is before that of the last");
  }
  last_time_us_ = record->time_us;
  return "";
}

}  // namespace weir::audit
