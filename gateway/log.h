// The process's own log: one JSON object per line on standard error, for operators.
//
// Only gateway/ logs, and never what a user or a model wrote: that belongs to the ledger. A line is
// {"ts","level","event", fields...}; `event` is a fixed word with dots ("bundle.kept"), everything
// that varies is a field, so that a line can be found and counted. Values are escaped and made
// valid UTF-8, so that nothing that stands in them can end or forge a line. Thread-safe; a line is
// written whole. Not for the path of an exchange: writing takes a lock.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir::gateway {

class LogField {
 public:
  LogField(std::string_view key, std::string_view text);
  LogField(std::string_view key, const char* text) : LogField(key, std::string_view(text)) {}
  LogField(std::string_view key, const std::string& text) : LogField(key, std::string_view(text)) {}
  template <std::integral Integer>
  LogField(std::string_view key, Integer number) : key_(key), json_(std::to_string(number)) {}
  LogField(std::string_view key, bool truth) : key_(key), json_(truth ? "true" : "false") {}

  std::string_view key() const { return key_; }
  std::string_view json() const { return json_; }

 private:
  std::string_view key_;  // Keys are literals.
  std::string json_;
};

void LogInfo(std::string_view event, std::initializer_list<LogField> fields = {});
void LogError(std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace weir::gateway
