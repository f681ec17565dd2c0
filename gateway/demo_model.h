// The built-in demonstration model: an OpenAI-compatible upstream without network, account or
// chance.
//
// It answers POST /v1/chat/completions (JSON and streamed) and GET /v1/models on a loopback
// address, deterministically, so that the quickstart and the tests can show what Weir does with an
// answer. demo_script.h says which prompts are answered how: by quoting them, by scripted text (a
// promotion that turns into gambling, a telephone number), or, by a marker, with a slow stream, an
// error 429 or 500, a connection that dies in mid-stream, reasoning text and more. GET /last serves
// the body of the last request as it arrived: what the model saw.
#pragma once

#include <cstdint>
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
  // What GET /last serves; empty before the first request.
  std::string last_request() const;

 private:
  class State;
  explicit DemoModel(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace weir::gateway
