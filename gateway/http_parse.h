// HTTP/1.1 messages as bytes: what http.h promises about strictness, without a socket in sight.
//
// Pure functions over bytes that arrive in any cut; the answer does not depend on the cut. An error
// says what was wrong and carries the status that answers it (HttpStatusOf in http.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "gateway/http.h"

namespace weir::gateway {

// Where a body ends.
enum class BodyEnd : uint8_t { kNone, kLength, kChunks, kClose };

struct Framing {
  BodyEnd end = BodyEnd::kNone;
  uint64_t length = 0;  // for kLength, never 0
  bool http10 = false;
  bool keep_alive = true;
  bool expects_continue = false;
};

enum class Sender : uint8_t { kClient, kServer };

// Finds the end of a head, and refuses every byte that could be read in two ways before a parser
// sees it: CR without LF, LF without CR, folded lines, controls, and from clients anything but
// ASCII.
class HeadScanner {
 public:
  HeadScanner(Sender sender, size_t head_bytes_max, size_t first_line_bytes_max, size_t fields_max);

  // `bytes` begins with the head and holds all that arrived so far, at least what the last call
  // saw. The size of the head with its empty line, or 0 when more is needed.
  absl::StatusOr<size_t> Scan(std::string_view bytes);
  // For the next head.
  void Reset();

 private:
  absl::Status EndLine(size_t line_end);

  const Sender sender_;
  const size_t head_bytes_max_;
  const size_t first_line_bytes_max_;
  const size_t fields_max_;
  size_t scanned_ = 0;
  size_t line_begin_ = 0;
  size_t lines_ = 0;
};

// `head` is what HeadScanner delimited.
absl::Status ParseRequestHead(std::string_view head, HttpRequest& request, Framing& framing);
// Fields whose value is not ASCII are left out: nothing relays them.
absl::Status ParseResponseHead(std::string_view head, HttpResponseHead& response, Framing& framing);

// Takes chunk framing off a body. Extensions and trailers are dropped, within limits.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(uint64_t body_bytes_max) : body_bytes_left_(body_bytes_max) {}

  // Appends content to `into`. The number of bytes used: all of them unless the body ended.
  absl::StatusOr<size_t> Decode(std::string_view bytes, std::string& into);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t { kSize, kContent, kContentEnd, kTrailer, kDone };

  absl::Status BeginChunk(std::string_view line);
  absl::Status DropTrailer(std::string_view line);

  State state_ = State::kSize;
  uint64_t body_bytes_left_;
  uint64_t chunk_bytes_left_ = 0;
  size_t extension_bytes_ = 0;
  size_t trailer_bytes_ = 0;
  std::string line_;  // The part of a line that has arrived.
};

}  // namespace weir::gateway
