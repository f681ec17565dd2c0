// What the demonstration model says: pure functions from a request's body to the bytes of the reply
// and the way they are sent. demo_model.h serves them.
//
// The last message of the user decides. It may be an ordinary question (kTopics in demo_script.cc
// says which have an answer of their own; every other one is quoted), and may carry markers, words
// that begin with "demo:", anywhere and in any number:
//
//   demo:echo TEXT    answers TEXT, everything that follows the marker, and nothing else
//   demo:long=N       answers N characters of clean text
//   demo:reasoning    sends reasoning_content before the content
//   demo:refusal      sends the answer as `refusal`
//   demo:length       stops half way with finish_reason "length"
//   demo:filter       stops half way with finish_reason "content_filter"
//   demo:cut=N        streams N characters in each event (default 1; 0: all in one)
//   demo:bytes=N      writes N bytes at a time, whatever the events, inside characters too
//   demo:escape       writes every character that is not ASCII as \uXXXX
//   demo:slow=MS      pauses before each event (default 100)
//   demo:status=N     answers the error N, as a provider does (429, 500, ...)
//   demo:hang         never answers
//   demo:stall        sends half of the answer and then nothing more
//   demo:die          sends half of the answer and closes the connection
//   demo:no-done      ends a stream in order, but without finish_reason and "[DONE]"
//   demo:garbage      sends what is not JSON in the middle (of a stream), or instead of the answer
//
// A request that offers tools is answered by a call of the first one, with the question in its
// arguments; a request whose last message is a tool's result is answered in words. `n`, `logprobs`
// and `stream_options.include_usage` are honoured; a token is a character.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http.h"

namespace weir::gateway {

struct DemoReply {
  // How the reply ends after its last write.
  enum class End : uint8_t { kInOrder, kDrop, kHang };

  HttpResponseHead head;
  // The body in the pieces that are written one by one; of a reply that is not `chunked`, one
  // piece.
  std::vector<std::string> writes;
  bool chunked = false;
  std::chrono::milliseconds pause{0};  // before each write
  End end = End::kInOrder;
};

// The reply to POST /v1/chat/completions with this body.
DemoReply ReplyToChat(std::string_view body);

// The reply to GET /v1/models.
DemoReply ReplyWithModels();

// An error in the shape of OpenAI's API.
DemoReply ReplyWithError(int status, std::string_view message);

}  // namespace weir::gateway
