// Counters and histograms of the process, in Prometheus' text format 0.0.4.
//
// Every name starts with "weir_", uses base units, and has a bounded set of label values: rule ids,
// users and apps belong to the ledger, not here. Each thread adds to its own shard, so that an
// exchange never shares a cache line with another thread; Render() adds the shards up.
//
// Increment, Set, Add, Observe and Render are safe on any thread and never wait; registration is
// not, and comes before them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::gateway {

class Metrics {
 public:
  explicit Metrics(int shards);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  ~Metrics();

  // Labels are rendered, `direction="prompt",action="block"`; registered before threads start, the
  // same name and labels giving the same id. The help text of a name's first registration counts.
  using Id = uint32_t;
  Id Counter(std::string_view name, std::string_view labels, std::string_view help);
  Id Gauge(std::string_view name, std::string_view labels, std::string_view help);
  // Upper bounds in base units, ascending; +Inf is added.
  Id Histogram(std::string_view name, std::string_view labels, std::string_view help,
               std::vector<double> bounds);

  void Increment(int shard, Id id, uint64_t by = 1);
  void Set(Id gauge, double value);
  void Add(int shard, Id gauge, int64_t by);
  void Observe(int shard, Id histogram, double value);

  // Series of one name stand together under one HELP and TYPE line, in order of registration.
  std::string Render() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// `direction="prompt",action="block"` from its pairs, values escaped.
std::string Labels(
    std::initializer_list<std::pair<std::string_view, std::string_view>> names_and_values);

// What a scraper is told the format is.
inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace weir::gateway
