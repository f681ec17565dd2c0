#include "gateway/workshop.h"

#include <fmt/core.h>

#include <vector>

#include "policy/verdict.h"

namespace weir::gateway {

std::string_view Name(Stage stage) {
  static constexpr std::array<std::string_view, kStageCount> kNames = {
      "Receive", "Identify", "Decode", "JudgePrompt", "RecordPrompt",
      "Refuse",  "Forward",  "Relay",  "RecordAnswer"};
  return kNames[static_cast<size_t>(stage)];
}

ExchangeMetrics::ExchangeMetrics(Metrics& metrics) {
  static constexpr std::array<std::string_view, 6> kClasses = {"none", "1xx", "2xx",
                                                               "3xx",  "4xx", "5xx"};
  const std::vector<double> seconds = {10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3,
                                       5e-3,  10e-3, 25e-3, 100e-3, 1,      10,     60};
  active = metrics.Gauge("weir_active_exchanges", "", "Exchanges under way.");
  connections = metrics.Gauge("weir_connections", "", "Open client connections.");
  for (size_t i = 0; i < kClasses.size(); ++i) {
    responses[i] =
        metrics.Counter("weir_responses_total", fmt::format("status_class=\"{}\"", kClasses[i]),
                        "Responses to clients by status class; none: connection lost.");
  }
  for (size_t i = 0; i < prompt_decisions.size(); ++i) {
    const std::string_view action = policy::Name(static_cast<policy::Action>(i));
    static constexpr std::string_view kHelp = "Decisions by direction and action.";
    prompt_decisions[i] = metrics.Counter(
        "weir_decisions_total", fmt::format("direction=\"prompt\",action=\"{}\"", action), kHelp);
    answer_decisions[i] = metrics.Counter(
        "weir_decisions_total", fmt::format("direction=\"answer\",action=\"{}\"", action), kHelp);
  }
  for (size_t i = 0; i < failures.size(); ++i) {
    const std::string label = fmt::format("stage=\"{}\"", Name(static_cast<Stage>(i)));
    failures[i] = metrics.Counter("weir_exchange_failures_total", label,
                                  "Exchanges that ended by a failure, by stage.");
    stage_seconds[i] = metrics.Histogram("weir_stage_seconds", label,
                                         "Time an exchange spends in each stage.", seconds);
  }
  first_content_seconds =
      metrics.Histogram("weir_first_content_seconds", "",
                        "From the end of the request's head to the first event.", seconds);
  judged_bytes_prompt =
      metrics.Counter("weir_judged_bytes_total", "direction=\"prompt\"", "Bytes of text judged.");
  judged_bytes_answer =
      metrics.Counter("weir_judged_bytes_total", "direction=\"answer\"", "Bytes of text judged.");
}

}  // namespace weir::gateway
