// The events of a stream do not depend on how it was cut.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/sse.h"
#include "rules/check.h"

namespace weir::gateway {
namespace {

std::string Events(std::string_view stream, size_t piece_bytes) {
  SseParser parser(1 << 16);
  std::string events;
  for (size_t at = 0; at < stream.size(); at += piece_bytes) {
    const absl::Status status =
        parser.Feed(stream.substr(at, piece_bytes), [&](const SseEvent& event) {
          events += "[" + std::string(event.event) + "|" + std::string(event.data) + "|" +
                    std::string(event.id) + "]";
          return absl::OkStatus();
        });
    if (!status.ok()) return events + "failed";
  }
  return events;
}

}  // namespace
}  // namespace weir::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weir::gateway::Events;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const std::string whole = Events(stream, size + 1);
  for (const size_t piece_bytes : {1U, 2U, 3U, 7U})
    WEIR_CHECK(Events(stream, piece_bytes) == whole);
  return 0;
}
