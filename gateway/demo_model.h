// The built-in demonstration model: an OpenAI-compatible upstream without network, account or chance.
//
// It answers POST /v1/chat/completions (JSON and streamed) and GET /v1/models on a loopback address,
// deterministically, so that the quickstart and the tests can show what Weir does with an answer:
// the answer quotes the prompt it saw, and prompts that contain a marker are answered with scripted
// text. demo_model.cc has the table of markers (text that gambles, personal information split over
// events, a slow stream, an error 429 or 500, an upstream that dies in mid-stream, n choices, tool
// calls, reasoning text).
#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "gateway/config.h"

namespace weir::gateway {

class DemoModel {
 public:
  // Listens (port 0: any free one) and serves on a thread of its own until destroyed.
  static absl::StatusOr<std::unique_ptr<DemoModel>> Start(const ListenAddress& listen);
  DemoModel(const DemoModel&) = delete;
  DemoModel& operator=(const DemoModel&) = delete;
  ~DemoModel();

  uint16_t port() const;
  // The body of the last request it received: what the model saw. GET /last serves it too.
  std::string last_request() const;

 private:
  class State;
  explicit DemoModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weir::gateway
