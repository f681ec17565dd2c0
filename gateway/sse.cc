#include "gateway/sse.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "rules/status_macros.h"

namespace weir::gateway {

SseParser::SseParser(size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

absl::Status SseParser::Feed(std::string_view piece,
                             absl::FunctionRef<absl::Status(const SseEvent&)> on_event) {
  if (skip_lf_ && !piece.empty()) {
    skip_lf_ = false;
    if (piece.front() == '\n') piece.remove_prefix(1);
  }
  while (!piece.empty()) {
    // Most streams have no CR at all: look for it only up to the next LF.
    const size_t lf = piece.find('\n');
    const size_t cr = piece.substr(0, lf).find('\r');
    const size_t end = cr != std::string_view::npos ? cr : lf;
    const size_t line_bytes = end == std::string_view::npos ? piece.size() : end;
    if (line_.size() + line_bytes + data_.size() > event_bytes_max_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("an event of the upstream is longer than ", event_bytes_max_, " bytes"));
    }
    if (end == std::string_view::npos) {
      line_ += piece;
      return absl::OkStatus();
    }
    const std::string_view rest = piece.substr(0, end);
    piece.remove_prefix(end + 1);
    if (end == cr) {
      if (piece.empty()) {
        skip_lf_ = true;
      } else if (piece.front() == '\n') {
        piece.remove_prefix(1);
      }
    }
    if (line_.empty()) {
      WEIR_RETURN_IF_ERROR(Line(rest, on_event));
    } else {
      line_ += rest;
      absl::Status status = Line(line_, on_event);
      line_.clear();
      WEIR_RETURN_IF_ERROR(status);
    }
  }
  return absl::OkStatus();
}

absl::Status SseParser::Line(std::string_view line,
                             absl::FunctionRef<absl::Status(const SseEvent&)> on_event) {
  if (first_line_) {
    first_line_ = false;
    if (line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
  }
  if (line.empty()) {
    absl::Status status;
    if (has_data_) status = on_event(SseEvent{.event = event_, .data = data_, .id = id_});
    data_.clear();
    event_.clear();
    has_data_ = false;
    return status;
  }
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (field == "event") {
    event_ = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    id_ = value;
  }
  return absl::OkStatus();
}

bool SseParser::pending() const {
  return !line_.empty() || has_data_ || !event_.empty();
}

void AppendSseData(std::string& out, std::string_view data) {
  out += "data: ";
  const size_t begin = out.size();
  out += data;
  std::replace(out.begin() + static_cast<ptrdiff_t>(begin), out.end(), '\n', ' ');
  out += "\n\n";
}

}  // namespace weir::gateway
