#include "gateway/sse.h"

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

struct Owned {
  std::string event, data, id;
  friend bool operator==(const Owned&, const Owned&) = default;
};
void PrintTo(const Owned& event, std::ostream* out) {
  *out << "[" << event.event << "|" << event.data << "|" << event.id << "]";
}

std::vector<Owned> Events(const std::vector<std::string_view>& pieces) {
  SseParser parser;
  std::vector<Owned> events;
  for (const std::string_view piece : pieces) {
    const absl::Status status = parser.Feed(piece, [&](const SseEvent& event) {
      events.push_back({std::string(event.event), std::string(event.data), std::string(event.id)});
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  return events;
}

std::string WithEnds(std::string_view text, std::string_view end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += end;
    } else {
      out += c;
    }
  }
  return out;
}

struct Case {
  std::string name, stream;
  std::vector<Owned> events;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"one", "data: a\n\n", {{"", "a", ""}}},
      {"without the space", "data:a\n\n", {{"", "a", ""}}},
      {"only one space goes", "data:  a\n\n", {{"", " a", ""}}},
      {"several lines", "data: a\ndata\ndata:\ndata: b\n\n", {{"", "a\n\n\nb", ""}}},
      {"empty data is an event", "data:\n\n", {{"", "", ""}}},
      {"no data is none", "event: x\nid: 1\n\ndata: a\n\n", {{"", "a", "1"}}},
      {"comments", ": hi\ndata: a\n:\n:data: b\n\n", {{"", "a", ""}}},
      {"names and ids",
       "id: 7\nevent: e\ndata: a\n\ndata: b\n\n",
       {{"e", "a", "7"}, {"", "b", "7"}}},
      {"unknown fields",
       "retry: 5\nfoo: bar\nfoo\nDATA: x\n data: y\ndata: a\n\n",
       {{"", "a", ""}}},
      {"colon in the value", "data: {\"a\":1}\n\n", {{"", "{\"a\":1}", ""}}},
      {"mark at the beginning",
       "\xEF\xBB\xBF"
       "data: a\n\n",
       {{"", "a", ""}}},
      {"mark elsewhere is no mark",
       "data: a\n\n\xEF\xBB\xBF"
       "data: b\n\n",
       {{"", "a", ""}}},
      {"no blank line, no event", "data: a\n\ndata: b\n", {{"", "a", ""}}},
      {"many blank lines", "\n\n\ndata: a\n\n\n\n\ndata: b\n\n", {{"", "a", ""}, {"", "b", ""}}},
      {"characters of several bytes", "data: 线上😀\n\n", {{"", "线上😀", ""}}},
      {"invalid bytes are the reader's affair", "data: \xE7\xBA\n\n", {{"", "\xE7\xBA", ""}}},
  };
  return cases;
}

TEST(SseParser, EveryLineEndAndEveryCut) {
  for (const Case& test : Cases()) {
    for (const std::string_view end : {"\n", "\r\n", "\r"}) {
      SCOPED_TRACE(test.name);
      const std::string stream = WithEnds(test.stream, end);
      ASSERT_EQ(Events({stream}), test.events);
      std::vector<std::string_view> bytes;
      for (size_t i = 0; i < stream.size(); ++i)
        bytes.push_back(std::string_view(stream).substr(i, 1));
      ASSERT_EQ(Events(bytes), test.events);
      for (size_t cut = 0; cut <= stream.size(); ++cut) {
        for (size_t other = cut; other <= stream.size(); ++other) {
          const std::string_view view = stream;
          ASSERT_EQ(
              Events({view.substr(0, cut), view.substr(cut, other - cut), view.substr(other)}),
              test.events)
              << cut << " " << other;
        }
      }
    }
  }
}

TEST(SseParser, MixedLineEnds) {
  EXPECT_EQ(Events({"data: a\r\r\ndata: b\n\r\ndata: c\r\n\n"}),
            (std::vector<Owned>{{"", "a", ""}, {"", "b", ""}, {"", "c", ""}}));
}

TEST(SseParser, LimitsAnEvent) {
  const auto ignore = [](const SseEvent&) { return absl::OkStatus(); };
  {
    SseParser parser(16);
    EXPECT_TRUE(parser.Feed("data: 0123456789\n\n", ignore).ok());
    EXPECT_EQ(parser.Feed("data: 0123456789a\n\n", ignore).code(),
              absl::StatusCode::kResourceExhausted);
  }
  SseParser parser(16);
  EXPECT_TRUE(parser.Feed("data: 01234\n", ignore).ok());
  EXPECT_TRUE(parser.pending());
  EXPECT_EQ(parser.Feed("data: 0123456\n", ignore).code(), absl::StatusCode::kResourceExhausted);
  SseParser endless(16);
  absl::Status status;
  int fed = 0;
  for (; status.ok() && fed < 100; ++fed) status = endless.Feed("x", ignore);
  EXPECT_EQ(fed, 17);
}

TEST(SseParser, StopsAtTheFirstFailure) {
  SseParser parser;
  int seen = 0;
  const absl::Status status = parser.Feed("data: a\n\ndata: b\n\n", [&](const SseEvent&) {
    ++seen;
    return absl::InternalError("no");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(seen, 1);
}

TEST(SseParser, TellsWhatIsPending) {
  SseParser parser;
  const auto ignore = [](const SseEvent&) { return absl::OkStatus(); };
  EXPECT_FALSE(parser.pending());
  ASSERT_TRUE(parser.Feed("data: a\n\n", ignore).ok());
  EXPECT_FALSE(parser.pending());
  ASSERT_TRUE(parser.Feed("da", ignore).ok());
  EXPECT_TRUE(parser.pending());
}

TEST(Sse, Writes) {
  std::string out;
  AppendSseData(out, "{}");
  AppendSseData(out, "[DONE]");
  EXPECT_EQ(out, "data: {}\n\ndata: [DONE]\n\n");
}

}  // namespace
}  // namespace weir::gateway
