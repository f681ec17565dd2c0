#include "gateway/metrics.h"

#include <atomic>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "rules/check.h"

namespace weir::gateway {
namespace {

constexpr size_t kCellsPerLine = 8;

// One cache line of cells. A cell is a count, the bits of a double, or the two's complement of a
// signed sum, as its series says.
struct alignas(64) Line {
  std::atomic<uint64_t> cells[kCellsPerLine] = {};
};

enum class Kind : uint8_t { kCounter, kGauge, kHistogram };

std::string_view Name(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  WEIR_CHECK(false);
}

// Counter: one cell. Gauge: one cell, its signed sum. Histogram: one cell for each bucket, +Inf's
// included, then the sum of the observations.
struct Series {
  std::string labels;
  size_t first_cell = 0;
};

struct Family {
  std::string name;
  std::string help;
  Kind kind = Kind::kCounter;
  std::vector<double> bounds;
  std::vector<size_t> series;  // indices into State::series
};

bool IsMetricName(std::string_view name) {
  if (!name.starts_with("weir_")) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

// The shortest text that reads back as the same double, with the names that Prometheus gives to
// what is not finite.
std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

// Undone by every reader of the format; `quotes` for label values.
std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && quotes)) out += '\\';
    out += c;
  }
  return out;
}

// A line of its own. `extra` is one more label, already rendered.
void AppendSample(std::string& out, std::string_view name, std::string_view suffix,
                  std::string_view labels, std::string_view extra, std::string_view value) {
  out.append(name).append(suffix);
  if (!labels.empty() || !extra.empty()) {
    const std::string_view comma = labels.empty() || extra.empty() ? "" : ",";
    out.append("{").append(labels).append(comma).append(extra).append("}");
  }
  out.append(" ").append(value).append("\n");
}

}  // namespace

struct Metrics::State {
  // Constant once registration is over.
  std::vector<Family> families;
  std::vector<Series> series;
  std::vector<size_t> family_of;  // for each series
  size_t cells = 0;               // in use in each shard

  // Shared by all threads, but only Set() writes to them.
  std::vector<std::unique_ptr<std::atomic<double>>> set_values;  // for each series; null: no gauge

  // shards[i] is written by the thread that owns shard i, and read by Render().
  std::vector<std::vector<Line>> shards;

  std::atomic<uint64_t>& Cell(size_t shard, size_t cell) {
    WEIR_CHECK(shard < shards.size());
    return shards[shard][cell / kCellsPerLine].cells[cell % kCellsPerLine];
  }

  uint64_t SumOfCells(size_t cell) const {
    uint64_t sum = 0;
    for (const std::vector<Line>& lines : shards) {
      sum +=
          lines[cell / kCellsPerLine].cells[cell % kCellsPerLine].load(std::memory_order_relaxed);
    }
    return sum;
  }

  double SumOfDoubles(size_t cell) const {
    double sum = 0;
    for (const std::vector<Line>& lines : shards) {
      sum += std::bit_cast<double>(
          lines[cell / kCellsPerLine].cells[cell % kCellsPerLine].load(std::memory_order_relaxed));
    }
    return sum;
  }

  size_t FamilyIndex(Kind kind, std::string_view name, std::string_view help,
                     std::vector<double> bounds) {
    for (size_t i = 0; i < families.size(); ++i) {
      if (families[i].name != name) continue;
      WEIR_CHECK(families[i].kind == kind && families[i].bounds == bounds);
      return i;
    }
    WEIR_CHECK(IsMetricName(name));
    families.push_back({std::string(name), std::string(help), kind, std::move(bounds), {}});
    return families.size() - 1;
  }

  Id Register(Kind kind, std::string_view name, std::string_view labels, std::string_view help,
              std::vector<double> bounds) {
    for (size_t i = 1; i < bounds.size(); ++i) WEIR_CHECK(bounds[i - 1] < bounds[i]);
    const size_t family_index = FamilyIndex(kind, name, help, std::move(bounds));
    Family& family = families[family_index];
    for (const size_t index : family.series) {
      if (series[index].labels == labels) return static_cast<Id>(index);
    }
    const size_t index = series.size();
    family.series.push_back(index);
    family_of.push_back(family_index);
    series.push_back({std::string(labels), cells});
    set_values.push_back(kind == Kind::kGauge ? std::make_unique<std::atomic<double>>(0.0)
                                              : nullptr);
    cells += kind == Kind::kHistogram ? family.bounds.size() + 2 : 1;
    GrowShards();
    return static_cast<Id>(index);
  }

  // Atomics do not move, so that growing means to copy what was counted so far.
  void GrowShards() {
    const size_t lines = (cells + kCellsPerLine - 1) / kCellsPerLine;
    for (std::vector<Line>& shard : shards) {
      if (shard.size() == lines) continue;
      std::vector<Line> grown(lines);
      for (size_t i = 0; i < shard.size(); ++i) {
        for (size_t j = 0; j < kCellsPerLine; ++j) grown[i].cells[j] = shard[i].cells[j].load();
      }
      shard.swap(grown);
    }
  }

  void RenderSeries(const Family& family, const Series& one, size_t index, std::string& out) const {
    const uint64_t sum = SumOfCells(one.first_cell);
    switch (family.kind) {
      case Kind::kCounter:
        AppendSample(out, family.name, "", one.labels, "", std::to_string(sum));
        return;
      case Kind::kGauge: {
        const double added = static_cast<double>(std::bit_cast<int64_t>(sum));
        const double value = set_values[index]->load(std::memory_order_relaxed) + added;
        AppendSample(out, family.name, "", one.labels, "", Number(value));
        return;
      }
      case Kind::kHistogram:
        RenderHistogram(family, one, out);
        return;
    }
  }

  // The count is the sum of the buckets that were read, so that a scrape in the middle of an
  // Observe() never shows a count beside buckets that contradict it.
  void RenderHistogram(const Family& family, const Series& one, std::string& out) const {
    uint64_t count = 0;
    for (size_t i = 0; i <= family.bounds.size(); ++i) {
      count += SumOfCells(one.first_cell + i);
      const std::string bound = i < family.bounds.size() ? Number(family.bounds[i]) : "+Inf";
      AppendSample(out, family.name, "_bucket", one.labels, "le=\"" + bound + "\"",
                   std::to_string(count));
    }
    const double sum = SumOfDoubles(one.first_cell + family.bounds.size() + 1);
    AppendSample(out, family.name, "_sum", one.labels, "", Number(sum));
    AppendSample(out, family.name, "_count", one.labels, "", std::to_string(count));
  }
};

Metrics::Metrics(int shards) : state_(std::make_unique<State>()) {
  WEIR_CHECK(shards > 0);
  state_->shards.resize(static_cast<size_t>(shards));
}

Metrics::~Metrics() = default;

Metrics::Id Metrics::Counter(std::string_view name, std::string_view labels,
                             std::string_view help) {
  return state_->Register(Kind::kCounter, name, labels, help, {});
}

Metrics::Id Metrics::Gauge(std::string_view name, std::string_view labels, std::string_view help) {
  return state_->Register(Kind::kGauge, name, labels, help, {});
}

Metrics::Id Metrics::Histogram(std::string_view name, std::string_view labels,
                               std::string_view help, std::vector<double> bounds) {
  return state_->Register(Kind::kHistogram, name, labels, help, std::move(bounds));
}

void Metrics::Increment(int shard, Id id, uint64_t by) {
  std::atomic<uint64_t>& cell =
      state_->Cell(static_cast<size_t>(shard), state_->series[id].first_cell);
  cell.fetch_add(by, std::memory_order_relaxed);
}

void Metrics::Set(Id gauge, double value) {
  WEIR_CHECK(state_->set_values[gauge] != nullptr);
  state_->set_values[gauge]->store(value, std::memory_order_relaxed);
}

void Metrics::Add(int shard, Id gauge, int64_t by) {
  Increment(shard, gauge, std::bit_cast<uint64_t>(by));
}

void Metrics::Observe(int shard, Id histogram, double value) {
  const Series& series = state_->series[histogram];
  const std::vector<double>& bounds = state_->families[state_->family_of[histogram]].bounds;
  size_t bucket = 0;
  while (bucket < bounds.size() && value > bounds[bucket]) ++bucket;
  const size_t index = static_cast<size_t>(shard);
  state_->Cell(index, series.first_cell + bucket).fetch_add(1, std::memory_order_relaxed);

  std::atomic<uint64_t>& sum = state_->Cell(index, series.first_cell + bounds.size() + 1);
  uint64_t seen = sum.load(std::memory_order_relaxed);
  while (!sum.compare_exchange_weak(seen,
                                    std::bit_cast<uint64_t>(std::bit_cast<double>(seen) + value),
                                    std::memory_order_relaxed)) {
  }
}

std::string Metrics::Render() const {
  std::string out;
  for (const Family& family : state_->families) {
    out.append("# HELP ").append(family.name).append(" ").append(Escaped(family.help, false));
    out.append("\n# TYPE ").append(family.name).append(" ").append(Name(family.kind)).append("\n");
    for (const size_t index : family.series) {
      state_->RenderSeries(family, state_->series[index], index, out);
    }
  }
  return out;
}

std::string Labels(
    std::initializer_list<std::pair<std::string_view, std::string_view>> names_and_values) {
  std::string out;
  for (const auto& [name, value] : names_and_values) {
    if (!out.empty()) out += ',';
    out.append(name).append("=\"").append(Escaped(value, true)).append("\"");
  }
  return out;
}

}  // namespace weir::gateway
