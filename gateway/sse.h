// Server-sent events, parsed incrementally as WHATWG defines them and written as clients want them.
//
// Accepts LF, CRLF and CR, a BOM, comments, `id:`, unknown fields, any number of `data:` lines with
// or without the space, and any cut between pieces, inside a UTF-8 character too. An event is
// handed out only when its blank line has arrived; what follows the last blank line is not an
// event.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

namespace weir::gateway {

struct SseEvent {
  std::string_view event;  // empty: "message"
  std::string_view data;   // lines joined by "\n"
  std::string_view id;
};

class SseParser {
 public:
  explicit SseParser(size_t event_bytes_max = 1 << 20);

  // Calls `on_event` for each event that `piece` completes, in order; stops and returns the first
  // status that is not OK. kResourceExhausted: an event is longer than the limit.
  absl::Status Feed(std::string_view piece,
                    absl::FunctionRef<absl::Status(const SseEvent&)> on_event);
  // Whether bytes of an unfinished event are waiting.
  bool pending() const;

 private:
  absl::Status Line(std::string_view line,
                    absl::FunctionRef<absl::Status(const SseEvent&)> on_event);

  const size_t event_bytes_max_;
  std::string line_;
  std::string data_;
  std::string event_;
  std::string id_;
  bool has_data_ = false;
  bool skip_lf_ = false;
  bool first_line_ = true;
};

// "data: {...}\n\n". `data` is JSON: line ends in it, which would end the event, become spaces.
void AppendSseData(std::string& out, std::string_view data);

}  // namespace weir::gateway
