// Whatever an upstream sends, a client gets whole events of strict JSON with nothing behind their
// end, no blocked word is in the text of one, and the transport's cuts change nothing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/dialect.h"
#include "gateway/json.h"
#include "gateway/sse.h"
#include "policy/judge.h"
#include "rules/check.h"
#include "tests/gateway/test_bundle.h"

namespace weir::gateway {
namespace {

constexpr std::string_view kRequest =
    R"({"model":"m","n":2,"stream":true,"stream_options":{"include_usage":true},)"
    R"("messages":[{"role":"user","content":"hi"}]})";

std::string Play(std::string_view stream, size_t piece_bytes) {
  static const auto request = DecodeRequest(Dialect::kOpenAiChat, kRequest, JsonLimits{});
  policy::Judge judge(TestBundle(), TestSubject(), rules::Direction::kAnswer);
  AnswerStream::Options options;
  options.head.id = "own";
  options.head.model = "m";
  AnswerStream answer(Dialect::kOpenAiChat, *request, judge, options);
  std::string out;
  absl::Status status;
  for (size_t at = 0; at < stream.size() && status.ok(); at += piece_bytes) {
    status = answer.Feed(stream.substr(at, piece_bytes), out);
  }
  if (status.ok()) status = answer.Finish(out);
  return out + (status.ok() ? answer.tail() : answer.Fail(ApiError()));
}

void CheckClientStream(std::string_view stream) {
  SseParser parser;
  bool ended = false;
  const absl::Status status = parser.Feed(stream, [&](const SseEvent& event) {
    WEIR_CHECK(!ended);
    ended = event.data == "[DONE]";
    if (ended) return absl::OkStatus();
    const auto document = JsonDocument::Parse(event.data, JsonLimits{});
    WEIR_CHECK(document.ok());
    if (document->Member(0, "error") != JsonDocument::kNone) ended = true;
    for (JsonDocument::Node node = 0; node < document->size(); ++node) {
      WEIR_CHECK(document->String(node).find("线上赌场") == std::string_view::npos);
    }
    return absl::OkStatus();
  });
  WEIR_CHECK(status.ok() && !parser.pending());
}

}  // namespace
}  // namespace weir::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const std::string whole = weir::gateway::Play(stream, size + 1);
  weir::gateway::CheckClientStream(whole);
  WEIR_CHECK(weir::gateway::Play(stream, 5) == whole);
  return 0;
}
