#include "gateway/metrics.h"

#include <cstdlib>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct Sample {
  std::map<std::string, std::string> labels;
  double value = 0;
};

// What a scraper understands of an exposition: families with their type and help, and samples.
struct Exposition {
  std::vector<std::string> names;  // in order of their TYPE lines
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> help;
  std::map<std::string, std::vector<Sample>> samples;
};

// name="value",...: with the escapes undone.
std::map<std::string, std::string> ParseLabels(std::string_view text) {
  std::map<std::string, std::string> labels;
  size_t at = 0;
  while (at < text.size()) {
    const size_t equals = text.find("=\"", at);
    if (equals == std::string_view::npos) {
      ADD_FAILURE() << "no label at: " << text.substr(at);
      return labels;
    }
    std::string& value = labels[std::string(text.substr(at, equals - at))];
    for (at = equals + 2; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] != '\\') {
        value += text[at];
      } else {
        ++at;
        value += text[at] == 'n' ? '\n' : text[at];
      }
    }
    ++at;
    if (at < text.size()) {
      EXPECT_EQ(text[at], ',');
      ++at;
    }
  }
  return labels;
}

double ParseValue(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  EXPECT_TRUE(!text.empty() && *end == '\0') << text;
  return value;
}

Exposition Parse(const std::string& text) {
  Exposition result;
  EXPECT_TRUE(text.empty() || text.back() == '\n');
  std::istringstream lines(text);
  for (std::string whole; std::getline(lines, whole);) {
    if (whole.starts_with("# ")) {
      std::istringstream words(whole.substr(2));
      std::string keyword, name, rest;
      words >> keyword >> name >> std::ws;
      std::getline(words, rest);
      if (keyword == "HELP") {
        EXPECT_TRUE(result.help.emplace(name, rest).second) << "two HELP: " << whole;
      } else {
        EXPECT_EQ(keyword, "TYPE");
        EXPECT_TRUE(result.types.emplace(name, rest).second) << "two TYPE: " << whole;
        result.names.push_back(name);
      }
      continue;
    }
    const std::string_view line = whole;
    const size_t space = line.rfind(' ');
    const std::string_view series = line.substr(0, space);
    const size_t brace = series.find('{');
    Sample sample;
    sample.value = ParseValue(std::string(line.substr(space + 1)));
    if (brace != std::string_view::npos) {
      EXPECT_EQ(series.back(), '}') << line;
      sample.labels = ParseLabels(series.substr(brace + 1, series.size() - brace - 2));
    }
    result.samples[std::string(series.substr(0, brace))].push_back(sample);
  }
  return result;
}

TEST(MetricsTest, ACounterIsTheSumOfItsShards) {
  Metrics metrics(3);
  const Metrics::Id id = metrics.Counter("weir_requests_total", "", "Requests.");
  metrics.Increment(0, id);
  metrics.Increment(1, id, 5);
  metrics.Increment(2, id, 10);
  EXPECT_EQ(metrics.Render(),
            "# HELP weir_requests_total Requests.\n"
            "# TYPE weir_requests_total counter\n"
            "weir_requests_total 16\n");
}

TEST(MetricsTest, SeriesOfOneNameStandTogetherUnderOneTypeLine) {
  Metrics metrics(1);
  const Metrics::Id block =
      metrics.Counter("weir_decisions_total", Labels({{"action", "block"}}), "Decisions.");
  const Metrics::Id open = metrics.Gauge("weir_connections", "", "Open connections.");
  const Metrics::Id mask =
      metrics.Counter("weir_decisions_total", Labels({{"action", "mask"}}), "Another help.");
  metrics.Increment(0, block, 2);
  metrics.Increment(0, mask, 3);
  metrics.Add(0, open, 1);

  const Exposition found = Parse(metrics.Render());
  EXPECT_THAT(found.names, ElementsAre("weir_decisions_total", "weir_connections"));
  EXPECT_EQ(found.help.at("weir_decisions_total"), "Decisions.");
  const std::vector<Sample>& decisions = found.samples.at("weir_decisions_total");
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(decisions[0].labels.at("action"), "block");
  EXPECT_EQ(decisions[0].value, 2);
  EXPECT_EQ(decisions[1].labels.at("action"), "mask");
  EXPECT_EQ(decisions[1].value, 3);
}

TEST(MetricsTest, TheSameNameAndLabelsGiveTheSameId) {
  Metrics metrics(1);
  const Metrics::Id first = metrics.Counter("weir_a_total", Labels({{"x", "1"}}), "A.");
  const Metrics::Id other = metrics.Counter("weir_a_total", Labels({{"x", "2"}}), "A.");
  EXPECT_NE(first, other);
  EXPECT_EQ(metrics.Counter("weir_a_total", Labels({{"x", "1"}}), "A."), first);
}

TEST(MetricsTest, RegistrationKeepsWhatWasCounted) {
  Metrics metrics(2);
  const Metrics::Id first = metrics.Counter("weir_first_total", "", "First.");
  metrics.Increment(1, first, 7);
  for (int i = 0; i < 100; ++i) {
    metrics.Counter("weir_more_total", Labels({{"i", std::to_string(i)}}), "More.");
  }
  metrics.Increment(1, first, 1);
  EXPECT_EQ(Parse(metrics.Render()).samples.at("weir_first_total")[0].value, 8);
}

TEST(MetricsTest, AGaugeGoesUpAndDown) {
  Metrics metrics(2);
  const Metrics::Id streams = metrics.Gauge("weir_active_streams", "", "Streams.");
  metrics.Add(0, streams, 3);
  metrics.Add(1, streams, -5);
  EXPECT_EQ(Parse(metrics.Render()).samples.at("weir_active_streams")[0].value, -2);

  const Metrics::Id loaded = metrics.Gauge("weir_bundle_load_timestamp_seconds", "", "Loaded.");
  metrics.Set(loaded, 1795392000.25);
  EXPECT_EQ(Parse(metrics.Render()).samples.at("weir_bundle_load_timestamp_seconds")[0].value,
            1795392000.25);
}

TEST(MetricsTest, HistogramBucketsAreCumulativeAndIncludeTheirBound) {
  Metrics metrics(2);
  const Metrics::Id id =
      metrics.Histogram("weir_scan_duration_seconds", Labels({{"direction", "prompt"}}), "Scan.",
                        {0.00001, 0.001, 1});
  metrics.Observe(0, id, 0.00001);
  metrics.Observe(0, id, 0.0005);
  metrics.Observe(1, id, 0.5);
  metrics.Observe(1, id, 2);

  const Exposition found = Parse(metrics.Render());
  EXPECT_EQ(found.types.at("weir_scan_duration_seconds"), "histogram");
  std::vector<std::pair<std::string, double>> buckets;
  for (const Sample& sample : found.samples.at("weir_scan_duration_seconds_bucket")) {
    EXPECT_EQ(sample.labels.at("direction"), "prompt");
    buckets.emplace_back(sample.labels.at("le"), sample.value);
  }
  EXPECT_THAT(buckets,
              ElementsAre(Pair("1e-05", 1), Pair("0.001", 2), Pair("1", 3), Pair("+Inf", 4)));
  EXPECT_EQ(found.samples.at("weir_scan_duration_seconds_count")[0].value, 4);
  EXPECT_DOUBLE_EQ(found.samples.at("weir_scan_duration_seconds_sum")[0].value, 2.50051);
}

TEST(MetricsTest, LabelValuesAndHelpAreEscaped) {
  Metrics metrics(1);
  const std::string hostile = "a\"b\\c\nd}e=\"f\",g 7";
  metrics.Counter("weir_odd_total", Labels({{"model", hostile}, {"说明", "赌博"}}),
                  "One\nline with a \\ in it.");
  const std::string text = metrics.Render();
  const Exposition found = Parse(text);
  EXPECT_EQ(found.help.at("weir_odd_total"), "One\\nline with a \\\\ in it.");
  EXPECT_THAT(found.samples.at("weir_odd_total")[0].labels,
              UnorderedElementsAre(Pair("model", hostile), Pair("说明", "赌博")));
  EXPECT_EQ(found.samples.at("weir_odd_total")[0].value, 0);
}

TEST(MetricsTest, ValuesThatAreNotFiniteHaveTheirNames) {
  Metrics metrics(1);
  const Metrics::Id id = metrics.Gauge("weir_limit", "", "Limit.");
  metrics.Set(id, std::numeric_limits<double>::infinity());
  EXPECT_THAT(metrics.Render(), ::testing::HasSubstr("weir_limit +Inf\n"));
  metrics.Set(id, -std::numeric_limits<double>::infinity());
  EXPECT_THAT(metrics.Render(), ::testing::HasSubstr("weir_limit -Inf\n"));
  metrics.Set(id, std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(metrics.Render(), ::testing::HasSubstr("weir_limit NaN\n"));
}

// Threads that share a shard lose nothing, and a scrape in between never contradicts itself.
TEST(MetricsTest, NothingIsLostWhenThreadsCountAndRenderAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 20'000;
  Metrics metrics(2);
  const Metrics::Id counter = metrics.Counter("weir_x_total", "", "X.");
  const Metrics::Id histogram = metrics.Histogram("weir_y_seconds", "", "Y.", {1, 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTimes; ++i) {
        metrics.Increment(t % 2, counter);
        metrics.Observe(t % 2, histogram, i % 4);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const Exposition seen = Parse(metrics.Render());
    EXPECT_EQ(seen.samples.at("weir_y_seconds_bucket").back().value,
              seen.samples.at("weir_y_seconds_count")[0].value);
  }
  for (std::thread& thread : threads) thread.join();

  const Exposition seen = Parse(metrics.Render());
  EXPECT_EQ(seen.samples.at("weir_x_total")[0].value, kThreads * kTimes);
  EXPECT_EQ(seen.samples.at("weir_y_seconds_count")[0].value, kThreads * kTimes);
  EXPECT_EQ(seen.samples.at("weir_y_seconds_sum")[0].value, kThreads * kTimes * 1.5);
}

}  // namespace
}  // namespace weir::gateway
