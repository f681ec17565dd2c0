// HTTP/1.1, both sides, parsed into objects and written anew: bytes are never relayed.
//
// Parsing is Boost.Beast's, with the checks in front of it that a security gateway needs (bare CR
// or LF, obs-fold, space before the colon, any Transfer-Encoding but one `chunked`,
// Transfer-Encoding in HTTP/1.0 or beside Content-Length, Content-Length lists, zero or two Hosts,
// absolute-form targets, Upgrade, Expect other than 100-continue, a body on GET, non-ASCII header
// values, trailers that name framing or routing fields). Each refusal is an InvalidArgument whose
// message says what was wrong; the connection is then closed after the answer. The same parser
// reads upstreams.
//
// One connection carries one request at a time; pipelined bytes wait unread in the buffer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "gateway/byte_stream.h"

namespace weir::gateway {

struct HttpLimits {
  size_t head_bytes_max = 32 << 10;
  size_t header_fields_max = 100;
  size_t request_line_bytes_max = 8 << 10;
  size_t body_bytes_max = 4 << 20;
  std::chrono::milliseconds head_timeout{10'000};   // from the first byte of a request
  std::chrono::milliseconds body_timeout{60'000};   // for the whole body
  std::chrono::milliseconds idle_timeout{75'000};   // between requests
  std::chrono::milliseconds write_timeout{30'000};  // a peer that reads nothing for so long is gone
};

// Field names are lower-case, values trimmed. Order and duplicates are kept.
using HeaderFields = std::vector<std::pair<std::string, std::string>>;
// The only value of the field; empty when absent, and when repeated (whose value would it be?).
std::string_view Find(const HeaderFields& fields, std::string_view name);

struct HttpRequest {
  std::string method;
  std::string path;   // origin-form, without the query
  std::string query;  // without the "?"
  HeaderFields fields;
  std::string body;
  bool keep_alive = true;
};

struct HttpResponseHead {
  int status = 200;
  HeaderFields fields;
};

// The server's side of one connection.
class HttpServerStream {
 public:
  HttpServerStream(std::unique_ptr<ByteStream> stream, const HttpLimits& limits);

  // False when there is no further request: the peer closed or was lost before a first byte, the
  // idle timeout passed, or the last response announced the close. Errors: kInvalidArgument (400),
  // kOutOfRange (414, 431: head too large), kUnimplemented (415, 417, 501), kDeadlineExceeded
  // (408); after any of them only Respond and Close make sense. kUnavailable: the peer is gone, and
  // kCancelled: Close() was called; nobody is left to answer.
  Task<absl::StatusOr<bool>> ReadHead(HttpRequest& request);
  // kResourceExhausted (413) when longer than the limit; sends "100 Continue" first where asked
  // for.
  Task<absl::Status> ReadBody(HttpRequest& request);

  // A whole response, with exactly one Content-Length. `close` adds "connection: close" and makes
  // keep_alive() false; so does a request whose body was not read. After an unread body the rest of
  // it is taken from the socket for a moment, so that the peer gets to read the response.
  // Fields that frame the message (content-length, transfer-encoding, connection) are ours: they
  // are dropped from `head`. kInternal, with nothing written, when a field would break the head.
  Task<absl::Status> Respond(const HttpResponseHead& head, std::string_view body, bool close);

  // A response in pieces (chunked; to an HTTP/1.0 client until the close). Each Write is one chunk
  // and one write to the socket; a first piece known at the beginning goes with the head.
  Task<absl::Status> BeginBody(const HttpResponseHead& head, bool close,
                               std::string_view first_piece = {});
  Task<absl::Status> WriteBody(std::string_view piece);
  Task<absl::Status> EndBody(std::string_view last_piece = {});

  bool keep_alive() const;
  bool response_begun() const;  // since the last ReadHead
  ByteStream& stream();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The client's side of one connection, for one request after another.
class HttpClientStream {
 public:
  HttpClientStream(std::unique_ptr<ByteStream> stream, const HttpLimits& limits);
  HttpClientStream(HttpClientStream&&) noexcept;
  HttpClientStream& operator=(HttpClientStream&&) noexcept;
  ~HttpClientStream();

  // Writes "method target", `fields`, one Content-Length (none for a GET without body) and the
  // body. kInternal, with nothing written, when a field would break the head.
  Task<absl::Status> Send(std::string_view method, std::string_view target,
                          const HeaderFields& fields, std::string_view body);
  // kInvalidArgument and the like when the response is malformed: the connection is of no use then.
  Task<absl::StatusOr<HttpResponseHead>> ReadHead(Clock::time_point deadline);
  // Appends what has arrived, at least one byte; 0 at the end of the body. kUnavailable when the
  // peer closed in the middle of it.
  Task<absl::StatusOr<size_t>> ReadBody(std::string& into, Clock::time_point deadline);

  // The last response was read to its end, properly framed, and nothing follows it.
  bool reusable() const;
  bool response_begun() const;
  ByteStream& stream();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The HTTP status that answers an error of HttpServerStream::ReadHead or ReadBody: 400, 408, 413,
// 414, 415, 417, 431 or 501.
int HttpStatusOf(const absl::Status& error);

// "Bad Request" for 400.
std::string_view ReasonPhrase(int status);

}  // namespace weir::gateway
