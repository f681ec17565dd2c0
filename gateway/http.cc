#include "gateway/http.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include "gateway/http_parse.h"
#include "rules/status_macros.h"

// Every message is built whole in a buffer before the first suspension: what a caller passes by
// reference is not touched afterwards, except bodies, which the interface asks to keep alive.

namespace weir::gateway {
namespace {

constexpr size_t kReadBytesMin = 4 << 10;
constexpr size_t kReadBytesForBody = 16 << 10;
// What is written under one deadline: a peer that takes less in write_timeout is gone.
constexpr size_t kWriteSliceBytes = 64 << 10;
constexpr size_t kResponseHeadBytesMax = 64 << 10;
constexpr size_t kResponseFieldsMax = 256;
constexpr int kInterimResponsesMax = 8;
// After a refusal: how long and how much of what the peer still sends is thrown away.
constexpr std::chrono::milliseconds kDrainTimeout{1'000};
constexpr size_t kDrainBytesMax = 1 << 20;

// Bytes that were read and not yet used.
class Inbox {
 public:
  std::string_view unread() const { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  void Consume(size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Space to read at least `bytes_min` into, behind what is unread.
  absl::Span<char> Room(size_t bytes_min) {
    if (capacity_ - end_ < bytes_min) MakeRoom(bytes_min);
    return {bytes_.get() + end_, capacity_ - end_};
  }
  void Filled(size_t n) { end_ += n; }
  // A connection that waits for its next request holds little memory.
  void Shrink() {
    if (!empty() || capacity_ <= kReadBytesMin) return;
    bytes_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  void MakeRoom(size_t bytes_min) {
    const size_t unread_bytes = end_ - begin_;
    if (capacity_ >= unread_bytes + bytes_min) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, unread_bytes);
      begin_ = 0;
      end_ = unread_bytes;
      return;
    }
    size_t capacity = std::max(capacity_, kReadBytesMin);
    while (capacity < unread_bytes + bytes_min) capacity *= 2;
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    if (unread_bytes > 0) std::memcpy(grown.get(), bytes_.get() + begin_, unread_bytes);
    bytes_ = std::move(grown);
    capacity_ = capacity;
    begin_ = 0;
    end_ = unread_bytes;
  }

  std::unique_ptr<char[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

Task<absl::Status> Return(absl::Status status) {
  co_return status;
}

// Everything of both, giving the peer `timeout` for each slice.
Task<absl::Status> WriteSlices(ByteStream& stream, std::string_view first, std::string_view second,
                               std::chrono::milliseconds timeout) {
  do {
    const std::string_view slice = second.substr(0, kWriteSliceBytes);
    stream.SetDeadline(Clock::now() + timeout);
    WEIR_CO_RETURN_IF_ERROR(co_await stream.Write(first, slice));
    first = {};
    second.remove_prefix(slice.size());
  } while (!second.empty());
  co_return absl::OkStatus();
}

// Reads up to `bytes_max` behind what `into` holds. 0 when the peer closed.
Task<absl::StatusOr<size_t>> ReadBehind(ByteStream& stream, std::string& into, size_t bytes_max) {
  const size_t before = into.size();
  into.resize(before + bytes_max);
  const absl::StatusOr<size_t> n =
      co_await stream.Read(absl::Span<char>(into.data() + before, bytes_max));
  into.resize(before + (n.ok() ? *n : 0));
  co_return n;
}

bool IsFraming(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" ||
         name == "keep-alive" || name == "upgrade" || name == "trailer";
}

// False when a name or a value would end the field, and so forge another.
bool AppendFields(const HeaderFields& fields, std::string& out) {
  for (const auto& [name, value] : fields) {
    if (IsFraming(name)) continue;
    const auto breaks = [](char c) {
      return static_cast<unsigned char>(c) < 0x20 ? c != '\t' : c == 0x7f;
    };
    if (name.empty() || std::any_of(value.begin(), value.end(), breaks) ||
        name.find_first_of(": \t\r\n") != std::string::npos ||
        std::any_of(name.begin(), name.end(), breaks)) {
      return false;
    }
    absl::StrAppend(&out, name, ": ", value, "\r\n");
  }
  return true;
}

absl::Status BrokenField() {
  return absl::InternalError("a header field with a control character was not written");
}

void AppendDate(std::string& out) {
  thread_local absl::Time formatted_for = absl::InfinitePast();
  thread_local std::string field;
  const absl::Time now = absl::FromTimeT(absl::ToTimeT(absl::Now()));
  if (now != formatted_for) {
    field = absl::FormatTime("date: %a, %d %b %Y %H:%M:%S GMT\r\n", now, absl::UTCTimeZone());
    formatted_for = now;
  }
  out.append(field);
}

void AppendChunk(std::string_view piece, std::string& out) {
  if (piece.empty()) return;  // An empty chunk would be the end.
  absl::StrAppend(&out, absl::Hex(piece.size()), "\r\n");
  out.append(piece).append("\r\n");
}

}  // namespace

std::string_view Find(const HeaderFields& fields, std::string_view name) {
  std::string_view found;
  bool seen = false;
  for (const auto& [field_name, value] : fields) {
    if (field_name != name) continue;
    if (seen) return {};
    seen = true;
    found = value;
  }
  return found;
}

std::string_view ReasonPhrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {424, "Failed Dependency"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {451, "Unavailable For Legal Reasons"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {529, "Overloaded"},
  };
  for (const auto& [known, phrase] : kPhrases) {
    if (known == status) return phrase;
  }
  return "Status";
}

// ---- The server's side.

struct HttpServerStream::State {
  State(std::unique_ptr<ByteStream> byte_stream, const HttpLimits& http_limits)
      : stream(std::move(byte_stream)),
        limits(http_limits),
        scanner(Sender::kClient, limits.head_bytes_max, limits.request_line_bytes_max,
                limits.header_fields_max) {}

  absl::Status Refuse(absl::Status why) {
    keep_alive = false;
    body_unread = true;  // Whatever follows cannot be trusted to be the next request.
    return why;
  }
  // Why `what` of a request does not arrive, from a read that failed or found the end.
  absl::Status Interrupted(const absl::StatusOr<size_t>& read, const char* what) {
    const std::string peer(stream->peer());
    if (read.ok()) {
      return Refuse(absl::UnavailableError(
          absl::StrCat(peer, " closed the connection in the middle of a request's ", what)));
    }
    if (!absl::IsDeadlineExceeded(read.status())) return Refuse(read.status());
    return Refuse(absl::DeadlineExceededError(
        absl::StrCat(peer, " did not send the whole ", what, " of its request in time")));
  }
  bool AppendHead(const HttpResponseHead& head, bool close);

  static Task<absl::Status> WriteOut(std::shared_ptr<State> s, std::string_view body, bool last);
  Task<void> Drain();

  const std::unique_ptr<ByteStream> stream;
  const HttpLimits limits;
  Inbox inbox;
  HeadScanner scanner;
  std::string out;
  Framing framing;  // of the request at hand
  bool is_head_request = false;
  bool body_unread = false;
  bool keep_alive = true;
  bool begun = false;
  bool in_chunks = false;
};

// The status line and the fields; framing and the empty line are the caller's.
bool HttpServerStream::State::AppendHead(const HttpResponseHead& head, bool close) {
  out.clear();
  const std::string_view reason = ReasonPhrase(head.status);
  absl::StrAppend(&out, "HTTP/1.1 ", head.status, " ");
  out.append(reason).append("\r\n");
  if (!AppendFields(head.fields, out)) return false;
  begun = true;
  if (close || body_unread) keep_alive = false;
  if (Find(head.fields, "date").empty()) AppendDate(out);
  if (!keep_alive) {
    out.append("connection: close\r\n");
  } else if (framing.http10) {
    out.append("connection: keep-alive\r\n");
  }
  return true;
}

// Throws away what a refused peer still sends: closing over unread bytes would reset the
// connection, and the peer would see the reset instead of the response.
Task<void> HttpServerStream::State::Drain() {
  stream->CloseWrite();
  stream->SetDeadline(Clock::now() + kDrainTimeout);
  inbox.Consume(inbox.unread().size());
  for (size_t drained = 0; drained < kDrainBytesMax;) {
    const absl::StatusOr<size_t> n = co_await stream->Read(inbox.Room(kReadBytesForBody));
    if (!n.ok() || *n == 0) break;
    drained += *n;
  }
}

// Writes `out` and the body. The state is shared by the coroutine for as long as it is suspended.
Task<absl::Status> HttpServerStream::State::WriteOut(std::shared_ptr<State> s,
                                                     std::string_view body, bool last) {
  const absl::Status written =
      co_await WriteSlices(*s->stream, s->out, body, s->limits.write_timeout);
  if (!written.ok()) s->keep_alive = false;
  if (last && s->body_unread && written.ok()) co_await s->Drain();
  co_return written;
}

HttpServerStream::HttpServerStream(std::unique_ptr<ByteStream> stream, const HttpLimits& limits)
    : state_(std::make_shared<State>(std::move(stream), limits)) {}

namespace {

// True when the inbox holds a whole head, whose size is then in `head_bytes`.
absl::StatusOr<bool> FindHead(Inbox& inbox, HeadScanner& scanner, bool& may_skip_blank,
                              size_t& head_bytes) {
  // Some clients send a line break behind a body; one is not taken for a request.
  if (may_skip_blank && inbox.unread().starts_with("\r\n")) {
    inbox.Consume(2);
    may_skip_blank = false;
  }
  if (inbox.empty() || (may_skip_blank && inbox.unread() == "\r")) return false;
  WEIR_ASSIGN_OR_RETURN(head_bytes, scanner.Scan(inbox.unread()));
  return head_bytes > 0;
}

}  // namespace

Task<absl::StatusOr<bool>> HttpServerStream::ReadHead(HttpRequest& request) {
  const std::shared_ptr<State> s = state_;
  s->begun = false;
  request = HttpRequest();
  if (!s->keep_alive) co_return false;
  s->framing = Framing();
  s->scanner.Reset();
  s->inbox.Shrink();
  if (s->out.capacity() > kReadBytesMin) std::string().swap(s->out);
  bool may_skip_blank = true;
  bool waiting_for_first_byte = s->inbox.empty();
  s->stream->SetDeadline(
      Clock::now() + (waiting_for_first_byte ? s->limits.idle_timeout : s->limits.head_timeout));
  size_t head_bytes = 0;
  for (;;) {
    const absl::StatusOr<bool> found = FindHead(s->inbox, s->scanner, may_skip_blank, head_bytes);
    if (!found.ok()) co_return s->Refuse(found.status());
    if (*found) break;
    const absl::StatusOr<size_t> n = co_await s->stream->Read(s->inbox.Room(1));
    if (!n.ok() || *n == 0) {
      if (!s->inbox.empty() || absl::IsCancelled(n.status())) co_return s->Interrupted(n, "head");
      s->keep_alive = false;
      co_return false;
    }
    s->inbox.Filled(*n);
    if (std::exchange(waiting_for_first_byte, false)) {
      s->stream->SetDeadline(Clock::now() + s->limits.head_timeout);
    }
  }
  const absl::Status parsed =
      ParseRequestHead(s->inbox.unread().substr(0, head_bytes), request, s->framing);
  s->inbox.Consume(head_bytes);
  if (!parsed.ok()) co_return s->Refuse(parsed);
  s->is_head_request = request.method == "HEAD";
  s->keep_alive = s->framing.keep_alive;
  s->body_unread = s->framing.end != BodyEnd::kNone;
  co_return true;
}

Task<absl::Status> HttpServerStream::ReadBody(HttpRequest& request) {
  const std::shared_ptr<State> s = state_;
  if (!s->body_unread) co_return absl::OkStatus();
  const auto too_long = [&s] {
    return absl::ResourceExhaustedError(
        absl::StrCat("the body is longer than ", s->limits.body_bytes_max, " bytes"));
  };
  if (s->framing.end == BodyEnd::kLength && s->framing.length > s->limits.body_bytes_max) {
    co_return s->Refuse(too_long());
  }
  if (s->framing.expects_continue && s->inbox.empty()) {
    WEIR_CO_RETURN_IF_ERROR(co_await WriteSlices(*s->stream, "HTTP/1.1 100 Continue\r\n\r\n", {},
                                                 s->limits.write_timeout));
  }
  s->stream->SetDeadline(Clock::now() + s->limits.body_timeout);
  std::optional<ChunkDecoder> chunks;
  if (s->framing.end == BodyEnd::kChunks) chunks.emplace(s->limits.body_bytes_max);
  for (;;) {
    if (chunks) {
      const absl::StatusOr<size_t> used = chunks->Decode(s->inbox.unread(), request.body);
      if (absl::IsResourceExhausted(used.status())) co_return s->Refuse(too_long());
      if (!used.ok()) co_return s->Refuse(used.status());
      s->inbox.Consume(*used);
      if (chunks->done()) break;
    } else {
      const size_t n = std::min(s->framing.length - request.body.size(), s->inbox.unread().size());
      request.body.append(s->inbox.unread().substr(0, n));
      s->inbox.Consume(n);
      if (request.body.size() == s->framing.length) break;
    }
    absl::StatusOr<size_t> n = 0;
    if (chunks) {
      n = co_await s->stream->Read(s->inbox.Room(kReadBytesForBody));
      if (n.ok()) s->inbox.Filled(*n);
    } else {
      // Straight to its place, and never beyond this request's end. Memory grows with what came,
      // not with what was announced.
      const size_t step = std::min(s->framing.length - request.body.size(),
                                   std::max(request.body.size(), kReadBytesForBody));
      n = co_await ReadBehind(*s->stream, request.body, step);
    }
    if (!n.ok() || *n == 0) co_return s->Interrupted(n, "body");
  }
  s->body_unread = false;
  co_return absl::OkStatus();
}

Task<absl::Status> HttpServerStream::Respond(const HttpResponseHead& head, std::string_view body,
                                             bool close) {
  State& s = *state_;
  if (!s.AppendHead(head, close)) return Return(BrokenField());
  const bool may_have_body = head.status >= 200 && head.status != 204 && head.status != 304;
  if (may_have_body) absl::StrAppend(&s.out, "content-length: ", body.size(), "\r\n");
  s.out.append("\r\n");
  if (!may_have_body || s.is_head_request) body = {};
  return State::WriteOut(state_, body, true);
}

Task<absl::Status> HttpServerStream::BeginBody(const HttpResponseHead& head, bool close,
                                               std::string_view first_piece) {
  State& s = *state_;
  s.in_chunks = !s.framing.http10;
  if (!s.AppendHead(head, close || s.framing.http10)) return Return(BrokenField());
  s.out.append(s.in_chunks ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
  if (s.is_head_request) return State::WriteOut(state_, {}, false);
  if (!s.in_chunks) return State::WriteOut(state_, first_piece, false);
  AppendChunk(first_piece, s.out);
  return State::WriteOut(state_, {}, false);
}

Task<absl::Status> HttpServerStream::WriteBody(std::string_view piece) {
  State& s = *state_;
  if (piece.empty() || s.is_head_request) return Return(absl::OkStatus());
  s.out.clear();
  if (!s.in_chunks) return State::WriteOut(state_, piece, false);
  AppendChunk(piece, s.out);
  return State::WriteOut(state_, {}, false);
}

Task<absl::Status> HttpServerStream::EndBody(std::string_view last_piece) {
  State& s = *state_;
  s.out.clear();
  if (s.is_head_request) return State::WriteOut(state_, {}, true);
  if (!s.in_chunks) return State::WriteOut(state_, last_piece, true);
  AppendChunk(last_piece, s.out);
  s.out.append("0\r\n\r\n");
  return State::WriteOut(state_, {}, true);
}

bool HttpServerStream::keep_alive() const {
  return state_->keep_alive;
}
bool HttpServerStream::response_begun() const {
  return state_->begun;
}
ByteStream& HttpServerStream::stream() {
  return *state_->stream;
}

// ---- The client's side.

struct HttpClientStream::State {
  State(std::unique_ptr<ByteStream> byte_stream, const HttpLimits& http_limits)
      : stream(std::move(byte_stream)),
        limits(http_limits),
        scanner(Sender::kServer, kResponseHeadBytesMax, limits.request_line_bytes_max,
                kResponseFieldsMax) {}

  std::string Peer() const { return std::string(stream->peer()); }

  static Task<absl::Status> WriteOut(std::shared_ptr<State> s, std::string_view body) {
    co_return co_await WriteSlices(*s->stream, s->out, body, s->limits.write_timeout);
  }
  Task<absl::StatusOr<HttpResponseHead>> ReadOneHead();

  const std::unique_ptr<ByteStream> stream;
  const HttpLimits limits;
  Inbox inbox;
  HeadScanner scanner;
  std::string out;
  Framing framing;  // of the response at hand
  uint64_t body_bytes_left = 0;
  std::optional<ChunkDecoder> chunks;
  bool begun = false;
  bool ended = false;
};

HttpClientStream::HttpClientStream(std::unique_ptr<ByteStream> stream, const HttpLimits& limits)
    : state_(std::make_shared<State>(std::move(stream), limits)) {}
HttpClientStream::HttpClientStream(HttpClientStream&&) noexcept = default;
HttpClientStream& HttpClientStream::operator=(HttpClientStream&&) noexcept = default;
HttpClientStream::~HttpClientStream() = default;

Task<absl::Status> HttpClientStream::Send(std::string_view method, std::string_view target,
                                          const HeaderFields& fields, std::string_view body) {
  State& s = *state_;
  s.begun = false;
  s.ended = false;
  s.framing = Framing();
  s.out.clear();
  s.out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  const bool broken_line = std::count_if(s.out.begin(), s.out.end(), [](char c) {
                             return c <= 0x20 || c >= 0x7f;
                           }) != 4;  // two spaces, CR, LF
  if (broken_line || !AppendFields(fields, s.out)) return Return(BrokenField());
  if (!body.empty() || method != "GET") {
    absl::StrAppend(&s.out, "content-length: ", body.size(), "\r\n");
  }
  s.out.append("\r\n");
  return State::WriteOut(state_, body);
}

Task<absl::StatusOr<HttpResponseHead>> HttpClientStream::State::ReadOneHead() {
  scanner.Reset();
  size_t head_bytes = 0;
  for (;;) {
    if (!inbox.empty()) {
      begun = true;
      WEIR_CO_ASSIGN_OR_RETURN(head_bytes, scanner.Scan(inbox.unread()));
      if (head_bytes > 0) break;
    }
    const absl::StatusOr<size_t> n = co_await stream->Read(inbox.Room(kReadBytesMin));
    if (!n.ok()) co_return n.status();
    if (*n == 0) {
      co_return absl::UnavailableError(
          absl::StrCat(Peer(), " closed the connection before the response's head was complete"));
    }
    inbox.Filled(*n);
  }
  HttpResponseHead head;
  framing = Framing();
  WEIR_CO_RETURN_IF_ERROR(ParseResponseHead(inbox.unread().substr(0, head_bytes), head, framing));
  inbox.Consume(head_bytes);
  co_return head;
}

Task<absl::StatusOr<HttpResponseHead>> HttpClientStream::ReadHead(Clock::time_point deadline) {
  const std::shared_ptr<State> s = state_;
  s->stream->SetDeadline(deadline);
  for (int i = 0; i < kInterimResponsesMax; i++) {
    WEIR_CO_ASSIGN_OR_RETURN(HttpResponseHead head, co_await s->ReadOneHead());
    if (head.status == 101) {
      co_return absl::InvalidArgumentError(
          "the response switches protocols, which nobody asked for");
    }
    if (head.status < 200) continue;
    s->ended = s->framing.end == BodyEnd::kNone;
    s->body_bytes_left = s->framing.length;
    s->chunks.reset();
    if (s->framing.end == BodyEnd::kChunks) s->chunks.emplace(UINT64_MAX);
    co_return head;
  }
  co_return absl::InvalidArgumentError("the response does not begin after many interim ones");
}

Task<absl::StatusOr<size_t>> HttpClientStream::ReadBody(std::string& into,
                                                        Clock::time_point deadline) {
  const std::shared_ptr<State> s = state_;
  const size_t before = into.size();
  s->stream->SetDeadline(deadline);
  while (!s->ended) {
    if (s->chunks) {
      WEIR_CO_ASSIGN_OR_RETURN(const size_t used, s->chunks->Decode(s->inbox.unread(), into));
      s->inbox.Consume(used);
      s->ended = s->chunks->done();
    } else if (!s->inbox.empty()) {
      const bool by_length = s->framing.end == BodyEnd::kLength;
      const std::string_view unread = s->inbox.unread();
      const size_t n =
          by_length ? std::min<uint64_t>(s->body_bytes_left, unread.size()) : unread.size();
      into.append(unread.substr(0, n));
      s->inbox.Consume(n);
      if (by_length) s->body_bytes_left -= n;
      s->ended = by_length && s->body_bytes_left == 0;
    }
    if (s->ended || into.size() > before) break;
    const absl::StatusOr<size_t> n = co_await s->stream->Read(s->inbox.Room(kReadBytesForBody));
    if (!n.ok()) co_return n.status();
    s->inbox.Filled(*n);
    if (*n > 0) continue;
    if (s->framing.end != BodyEnd::kClose) {
      co_return absl::UnavailableError(
          absl::StrCat(s->Peer(), " closed the connection in the middle of the response's body"));
    }
    s->ended = true;
  }
  co_return into.size() - before;
}

bool HttpClientStream::reusable() const {
  return state_->begun && state_->ended && state_->framing.keep_alive && !state_->framing.http10 &&
         state_->inbox.empty();
}
bool HttpClientStream::response_begun() const {
  return state_->begun;
}
ByteStream& HttpClientStream::stream() {
  return *state_->stream;
}

}  // namespace weir::gateway
