#include "gateway/log.h"

#include <memory>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "gateway/json.h"

namespace weir::gateway {
namespace {

// Length of the well-formed UTF-8 sequence that `text` begins with; 0 when it begins with none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  // The second byte excludes overlong forms, surrogates, and what lies beyond U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// Paths and messages of the system are bytes; a log line is UTF-8.
std::string ValidUtf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    out += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

// spdlog carries the finished line to the sink and nothing else: its own formatting does not
// escape.
spdlog::logger& Logger() {
  static spdlog::logger logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%v");
    spdlog::logger made("weir", std::move(sink));
    made.flush_on(spdlog::level::info);
    return made;
  }();
  return logger;
}

void Log(spdlog::level::level_enum level, std::string_view name, std::string_view event,
         std::initializer_list<LogField> fields) {
  std::string line = "{\"ts\":\"";
  line += absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  line.append("\",\"level\":\"").append(name).append("\",\"event\":");
  AppendJsonString(line, event);
  for (const LogField& field : fields) {
    line += ',';
    AppendJsonString(line, field.key());
    line.append(":").append(field.json());
  }
  line += '}';
  Logger().log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

LogField::LogField(std::string_view key, std::string_view text) : key_(key) {
  AppendJsonString(json_, ValidUtf8(text));
}

void LogInfo(std::string_view event, std::initializer_list<LogField> fields) {
  Log(spdlog::level::info, "info", event, fields);
}

void LogError(std::string_view event, std::initializer_list<LogField> fields) {
  Log(spdlog::level::err, "error", event, fields);
}

}  // namespace weir::gateway
