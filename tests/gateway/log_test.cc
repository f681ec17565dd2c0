#include "gateway/log.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/json.h"

namespace weir::gateway {
namespace {

// The one line that `write` logs; it must be a strict JSON object.
template <class Write>
std::string Logged(Write write) {
  testing::internal::CaptureStderr();
  write();
  std::string line = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(line.empty());
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  line.pop_back();
  const absl::StatusOr<JsonDocument> json = JsonDocument::Parse(line, JsonLimits());
  EXPECT_TRUE(json.ok()) << json.status() << line;
  return line;
}

TEST(LogTest, ALineIsOneObjectWithTimeLevelAndEvent) {
  const std::string line = Logged([] { LogInfo("bundle.loaded"); });
  EXPECT_THAT(line,
              testing::MatchesRegex(
                  "\\{\"ts\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z"
                  "\",\"level\":\"info\",\"event\":\"bundle.loaded\"\\}"));
}

TEST(LogTest, FieldsKeepTheirTypes) {
  const std::string line = Logged([] {
    LogError("bundle.kept", {{"reason", "a rule's own test failed"},
                             {"problems", size_t{3}},
                             {"delta", -1},
                             {"again", true}});
  });
  EXPECT_THAT(line, testing::HasSubstr("\"level\":\"error\",\"event\":\"bundle.kept\","
                                       "\"reason\":\"a rule's own test failed\",\"problems\":3,"
                                       "\"delta\":-1,\"again\":true}"));
}

TEST(LogTest, NothingInAValueForgesALine) {
  const std::string line = Logged([] {
    LogInfo("x", {{"path", "a\"}\n{\"ts\":\"0\",\"level\":\"info\"\x1b[31m\x7f{}%s"}});
  });
  EXPECT_THAT(line, testing::HasSubstr("a\\\"}\\n{\\\"ts\\\""));
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(LogTest, BytesThatAreNotUtf8AreReplaced) {
  const auto value_of = [](const std::string& bytes) {
    std::string line = Logged([&] { LogInfo("x", {{"v", bytes}}); });
    line.erase(0, line.find("\"v\":\"") + 5);
    line.resize(line.size() - 2);
    return line;
  };
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(value_of("河流🌊é"), "河流🌊é");
  EXPECT_EQ(value_of("a\xFF\x62"), "a" + mark + "b");
  EXPECT_EQ(value_of("\xE6\xB2"), mark + mark);                        // cut short
  EXPECT_EQ(value_of("\xC0\xAF"), mark + mark);                        // overlong
  EXPECT_EQ(value_of("\xED\xA0\x80"), mark + mark + mark);             // surrogate
  EXPECT_EQ(value_of("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // beyond U+10FFFF
  EXPECT_EQ(value_of("\x80"), mark);
}

}  // namespace
}  // namespace weir::gateway
