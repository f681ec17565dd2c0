#include "gateway/http_parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace http = boost::beast::http;
using http::field;

constexpr size_t kExtensionBytesPerLineMax = 256;
constexpr size_t kExtensionBytesPerBodyMax = 4 << 10;
constexpr size_t kTrailerBytesMax = 4 << 10;
constexpr size_t kChunkSizeDigitsMax = 16;
constexpr char kStatusPayload[] = "weir/http-status";

std::string_view View(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

absl::Status Malformed(std::string reason) {
  return absl::InvalidArgumentError(reason);
}

absl::Status WithHttpStatus(absl::Status error, int http_status) {
  error.SetPayload(kStatusPayload, absl::Cord(absl::StrCat(http_status)));
  return error;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return absl::ascii_tolower(static_cast<unsigned char>(x)) == y;
         });
}

bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

bool IsTextOrTab(char c) {
  return (c >= 0x20 && c < 0x7f) || c == '\t';
}

std::string Hex(char c) {
  return absl::StrCat("0x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
}

// Fields that decide where a message ends, where it goes or who sent it: they must not come as a
// trailer, nor be declared hop-by-hop by a Connection field.
bool DecidesFramingOrRouting(std::string_view lower_name) {
  static constexpr std::string_view kNames[] = {
      "api-key",
      "authorization",
      "connection",
      "content-encoding",
      "content-length",
      "content-type",
      "cookie",
      "expect",
      "host",
      "keep-alive",
      "proxy-connection",
      "te",
      "trailer",
      "transfer-encoding",
      "upgrade",
      "x-api-key",
      "x-forwarded-for",
      "x-forwarded-host",
      "proxy-authorization",
  };
  return std::find(std::begin(kNames), std::end(kNames), lower_name) != std::end(kNames);
}

// *( ";" name [ "=" ( token / quoted-string ) ] ), of printable characters and tabs. White space
// around the parts, which the grammar tolerates, is not.
bool AreExtensions(std::string_view text) {
  const auto skip_token = [&text] {
    const auto end = std::find_if_not(text.begin(), text.end(), IsTokenCharacter);
    const auto size = static_cast<size_t>(end - text.begin());
    text.remove_prefix(size);
    return size > 0;
  };
  const auto skip_quoted = [&text] {
    for (size_t i = 1; i < text.size(); i++) {
      if (text[i] == '\\') {
        i++;
      } else if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  };
  while (!text.empty()) {
    if (text[0] != ';') return false;
    text.remove_prefix(1);
    if (!skip_token()) return false;
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    if (!(text.starts_with('"') ? skip_quoted() : skip_token())) return false;
  }
  return true;
}

// ---- What a request line and fields may say.

absl::Status CheckTarget(std::string_view target) {
  if (!target.starts_with('/')) {
    return Malformed("the request target does not begin with \"/\" (origin form is the only one)");
  }
  for (size_t i = 0; i < target.size(); i++) {
    const char c = target[i];
    if (c <= 0x20 || c >= 0x7f || std::strchr("\"#<>\\^`{|}", c) != nullptr) {
      return Malformed(
          absl::StrCat("the request target contains ", Hex(c), ", which must be percent-encoded"));
    }
    if (c != '%') continue;
    unsigned value = 0;
    const char* const digits = target.data() + i + 1;
    if (i + 2 >= target.size() ||
        std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      return Malformed("a \"%\" in the request target is not followed by two hexadecimal digits");
    }
    if (value < 0x20 || value == 0x7f) {
      return Malformed("the request target contains a percent-encoded control character");
    }
  }
  return absl::OkStatus();
}

// uri-host [ ":" port ], and not empty.
bool IsHost(std::string_view value) {
  std::string_view port;
  if (value.starts_with('[')) {
    const size_t close = value.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const std::string_view address = value.substr(1, close - 1);
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
      return false;
    port = value.substr(close + 1);
  } else {
    const std::string_view name = value.substr(0, value.find(':'));
    if (name.empty()) return false;
    for (const char c : name) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
          (c == '\0' || std::strchr("-._~%!$&'()*+;=", c) == nullptr)) {
        return false;
      }
    }
    port = value.substr(name.size());
  }
  return port.empty() || (port.size() <= 6 && port.front() == ':' &&
                          port.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

absl::Status FromBeast(const boost::system::error_code& error) {
  switch (static_cast<http::error>(error.value())) {
    case http::error::bad_method:
      return Malformed("the method is not a token followed by one space");
    case http::error::bad_target:
      return Malformed("the request target contains a character that is not allowed");
    case http::error::bad_version:
      return Malformed("the version is not HTTP/1.1 or HTTP/1.0");
    case http::error::bad_status:
      return Malformed("the status is not three digits followed by a space");
    case http::error::bad_reason:
      return Malformed("the reason phrase contains a character that is not allowed");
    case http::error::bad_field:
      return Malformed("a field name is not a token directly followed by a colon");
    case http::error::bad_value:
      return Malformed("a field value contains a character that is not allowed");
    case http::error::bad_content_length:
      return Malformed(
          "Content-Length is not one decimal number, or stands beside Transfer-Encoding");
    case http::error::multiple_content_length:
      return Malformed("Content-Length is repeated");
    case http::error::bad_transfer_encoding:
      return Malformed("Transfer-Encoding is repeated or stands beside Content-Length");
    default:
      return Malformed(absl::StrCat("the head is malformed: ", error.message()));
  }
}

// What the fields say about the message itself.
class FieldReader {
 public:
  FieldReader(Sender sender, HeaderFields& fields) : sender_(sender), fields_(fields) {}

  absl::Status Add(field known, std::string_view name, std::string_view value) {
    switch (known) {
      case field::host:
        if (!IsHost(value)) return Malformed("Host is not a host name with an optional port");
        WEIR_RETURN_IF_ERROR(Once(host_, "Host"));
        break;
      case field::content_length:
        WEIR_RETURN_IF_ERROR(Once(length_, "Content-Length"));
        WEIR_RETURN_IF_ERROR(ReadLength(value));
        break;
      case field::transfer_encoding:
        WEIR_RETURN_IF_ERROR(Once(chunks_, "Transfer-Encoding"));
        WEIR_RETURN_IF_ERROR(ReadTransferEncoding(value));
        break;
      case field::connection:
        WEIR_RETURN_IF_ERROR(ReadConnection(value));
        break;
      case field::upgrade:
        // An HTTP client that offers h2c goes on in HTTP/1.1 when nobody takes the offer; one that
        // wants a WebSocket would only wait.
        if (sender_ == Sender::kServer || !EqualsIgnoringCase(value, "h2c")) {
          return Malformed("Upgrade is not supported");
        }
        break;
      case field::expect:
        WEIR_RETURN_IF_ERROR(Once(expect_, "Expect"));
        expects_continue_ = EqualsIgnoringCase(value, "100-continue");
        if (!expects_continue_) {
          return WithHttpStatus(absl::UnimplementedError("Expect asks for more than 100-continue"),
                                417);
        }
        break;
      case field::content_encoding:
        WEIR_RETURN_IF_ERROR(Once(encoding_, "Content-Encoding"));
        if (!EqualsIgnoringCase(value, "identity")) {
          return WithHttpStatus(
              absl::UnimplementedError(
                  "Content-Encoding is not identity: a compressed body cannot be judged"),
              415);
        }
        break;
      case field::content_type:
        WEIR_RETURN_IF_ERROR(Once(type_, "Content-Type"));
        break;
      case field::authorization:
        WEIR_RETURN_IF_ERROR(Once(authorization_, "Authorization"));
        break;
      default:
        break;
    }
    const bool ascii = std::all_of(value.begin(), value.end(), IsTextOrTab);
    if (ascii) fields_.emplace_back(Lower(name), value);
    return absl::OkStatus();
  }

  absl::Status Finish(int version, Framing& framing) const {
    framing.http10 = version == 10;
    framing.keep_alive = framing.http10 ? keep_alive_ && !close_ : !close_;
    framing.expects_continue = expects_continue_ && !framing.http10;
    if (chunks_ && length_) return Malformed("Transfer-Encoding stands beside Content-Length");
    if (chunks_ && framing.http10) return Malformed("Transfer-Encoding in an HTTP/1.0 message");
    if (chunks_) {
      framing.end = BodyEnd::kChunks;
    } else if (body_bytes_ > 0) {
      framing.end = BodyEnd::kLength;
      framing.length = body_bytes_;
    }
    return absl::OkStatus();
  }

  bool has_host() const { return host_; }
  bool has_framing() const { return length_ || chunks_; }

 private:
  static absl::Status Once(bool& seen, const char* name) {
    if (seen) return Malformed(absl::StrCat(name, " is repeated"));
    seen = true;
    return absl::OkStatus();
  }

  absl::Status ReadLength(std::string_view value) {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), body_bytes_);
    if (error != std::errc() || end != value.data() + value.size()) {
      return Malformed("Content-Length is not one decimal number");
    }
    return absl::OkStatus();
  }

  absl::Status ReadTransferEncoding(std::string_view value) {
    if (EqualsIgnoringCase(value, "chunked")) return absl::OkStatus();
    const std::string lower = Lower(value);
    if (absl::EndsWith(lower, ",chunked") || absl::EndsWith(lower, ", chunked")) {
      return WithHttpStatus(
          absl::UnimplementedError("Transfer-Encoding names more than \"chunked\""), 501);
    }
    return Malformed("Transfer-Encoding is not exactly \"chunked\"");
  }

  absl::Status ReadConnection(std::string_view value) {
    while (!value.empty()) {
      const size_t comma = value.find(',');
      const std::string token = Lower(value.substr(0, comma));
      const absl::string_view option = absl::StripAsciiWhitespace(token);
      value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
      if (option == "close") {
        close_ = true;
      } else if (option == "keep-alive") {
        keep_alive_ = true;
      } else if (option != "te" && option != "upgrade" &&
                 DecidesFramingOrRouting({option.data(), option.size()})) {
        return Malformed("Connection names a field that decides framing, routing or identity");
      }
    }
    return absl::OkStatus();
  }

  const Sender sender_;
  HeaderFields& fields_;
  bool host_ = false;
  bool length_ = false;
  bool chunks_ = false;
  bool expect_ = false;
  bool encoding_ = false;
  bool type_ = false;
  bool authorization_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  uint64_t body_bytes_ = 0;
};

// Beast splits a head into its elements; FieldReader decides what they may say. Bodies never come
// here.
template <bool kIsRequest>
class HeadParser final : public http::basic_parser<kIsRequest> {
 public:
  using ErrorCode = boost::beast::error_code;
  using Text = boost::beast::string_view;

  explicit HeadParser(HeaderFields& into)
      : fields(kIsRequest ? Sender::kClient : Sender::kServer, into) {
    this->header_limit(UINT32_MAX);
    this->body_limit(boost::none);
  }

  absl::Status Parse(std::string_view head) {
    ErrorCode error;
    const size_t used = this->put(boost::asio::const_buffer(head.data(), head.size()), error);
    if (!refusal_.ok()) return refusal_;
    if (error) return FromBeast(error);
    if (used != head.size() || !this->is_header_done()) return Malformed("the head is malformed");
    return absl::OkStatus();
  }

  Text method;
  Text target;
  int status = 0;
  int version = 0;
  FieldReader fields;

 private:
  void on_request_impl(http::verb, Text method_text, Text target_text, int v, ErrorCode&) override {
    method = method_text;
    target = target_text;
    version = v;
  }
  void on_response_impl(int code, Text, int v, ErrorCode&) override {
    status = code;
    version = v;
  }
  void on_field_impl(field known, Text name, Text value, ErrorCode& error) override {
    refusal_ = fields.Add(known, View(name), View(value));
    if (!refusal_.ok()) error = http::error::bad_value;
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, ErrorCode&) override {}
  size_t on_body_impl(Text, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(uint64_t, Text, ErrorCode&) override {}
  size_t on_chunk_body_impl(uint64_t, Text, ErrorCode&) override { return 0; }
  void on_finish_impl(ErrorCode&) override {}

  absl::Status refusal_;
};

}  // namespace

int HttpStatusOf(const absl::Status& error) {
  if (const auto payload = error.GetPayload(kStatusPayload)) {
    int status = 0;
    if (absl::SimpleAtoi(std::string(*payload), &status)) return status;
  }
  switch (error.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kDeadlineExceeded:
      return 408;
    case absl::StatusCode::kResourceExhausted:
      return 413;
    case absl::StatusCode::kOutOfRange:
      return 431;
    case absl::StatusCode::kUnimplemented:
      return 501;
    default:
      return 400;
  }
}

HeadScanner::HeadScanner(Sender sender, size_t head_bytes_max, size_t first_line_bytes_max,
                         size_t fields_max)
    : sender_(sender),
      head_bytes_max_(head_bytes_max),
      first_line_bytes_max_(first_line_bytes_max),
      fields_max_(fields_max) {}

void HeadScanner::Reset() {
  scanned_ = 0;
  line_begin_ = 0;
  lines_ = 0;
}

absl::Status HeadScanner::EndLine(size_t line_end) {
  if (lines_ == 0 && line_end - line_begin_ > first_line_bytes_max_) {
    return WithHttpStatus(absl::OutOfRangeError(absl::StrCat("the first line is longer than ",
                                                             first_line_bytes_max_, " bytes")),
                          414);
  }
  if (lines_++ > fields_max_) {
    return absl::OutOfRangeError(absl::StrCat("the head has more than ", fields_max_, " fields"));
  }
  line_begin_ = line_end + 2;
  return absl::OkStatus();
}

absl::StatusOr<size_t> HeadScanner::Scan(std::string_view bytes) {
  const size_t last = std::min(bytes.size(), head_bytes_max_);
  size_t i = scanned_;
  for (; i < last; i++) {
    const char c = bytes[i];
    if (IsTextOrTab(c)) {
      if (i == line_begin_ && (c == ' ' || c == '\t')) {
        return Malformed("a line of the head begins with white space");
      }
    } else if (c == '\r') {
      if (i + 1 >= last) break;
      if (bytes[i + 1] != '\n') return Malformed("a CR in the head is not followed by LF");
      if (i == line_begin_) {
        if (lines_ == 0) return Malformed("the first line is empty");
        return i + 2;
      }
      WEIR_RETURN_IF_ERROR(EndLine(i));
      i++;
    } else if (c == '\n') {
      return Malformed("an LF in the head is not preceded by CR");
    } else if (static_cast<unsigned char>(c) < 0x80 || sender_ == Sender::kClient) {
      return Malformed(absl::StrCat("the head contains the byte ", Hex(c)));
    }
  }
  scanned_ = i;
  if (lines_ == 0 && bytes.size() > first_line_bytes_max_ + 1) return EndLine(bytes.size());
  if (bytes.size() >= head_bytes_max_) {
    return absl::OutOfRangeError(
        absl::StrCat("the head is longer than ", head_bytes_max_, " bytes"));
  }
  return 0;
}

absl::Status ParseRequestHead(std::string_view head, HttpRequest& request, Framing& framing) {
  HeadParser<true> parser(request.fields);
  WEIR_RETURN_IF_ERROR(parser.Parse(head));
  WEIR_RETURN_IF_ERROR(parser.fields.Finish(parser.version, framing));
  const std::string_view target = View(parser.target);
  WEIR_RETURN_IF_ERROR(CheckTarget(target));
  if (!parser.fields.has_host() && !framing.http10) return Malformed("Host is missing");
  const size_t question = target.find('?');
  request.method = View(parser.method);
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? "" : target.substr(question + 1);
  request.keep_alive = framing.keep_alive;
  const bool may_have_body = request.method != "GET" && request.method != "HEAD" &&
                             request.method != "OPTIONS" && request.method != "TRACE" &&
                             request.method != "CONNECT";
  if (framing.end != BodyEnd::kNone && !may_have_body) {
    return Malformed(absl::StrCat("a ", request.method, " request with a body"));
  }
  return absl::OkStatus();
}

absl::Status ParseResponseHead(std::string_view head, HttpResponseHead& response,
                               Framing& framing) {
  HeadParser<false> parser(response.fields);
  WEIR_RETURN_IF_ERROR(parser.Parse(head));
  WEIR_RETURN_IF_ERROR(parser.fields.Finish(parser.version, framing));
  response.status = parser.status;
  if (response.status < 100 || response.status > 599) {
    return Malformed("the status is not between 100 and 599");
  }
  if (response.status < 200 || response.status == 204 || response.status == 304) {
    framing.end = BodyEnd::kNone;
    framing.length = 0;
  } else if (!parser.fields.has_framing()) {
    framing.end = BodyEnd::kClose;
    framing.keep_alive = false;
  }
  return absl::OkStatus();
}

absl::Status ChunkDecoder::BeginChunk(std::string_view line) {
  uint64_t size = 0;
  const size_t digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
  if (digits == 0 || digits > kChunkSizeDigitsMax) {
    return Malformed("a chunk size is not a hexadecimal number");
  }
  std::from_chars(line.data(), line.data() + digits, size, 16);
  const std::string_view extension = line.substr(digits);
  extension_bytes_ += extension.size();
  if (!AreExtensions(extension)) {
    return Malformed("a chunk size is followed by something that is not an extension");
  }
  if (extension.size() > kExtensionBytesPerLineMax ||
      extension_bytes_ > kExtensionBytesPerBodyMax) {
    return Malformed("the chunk extensions are too long");
  }
  if (size > body_bytes_left_) return absl::ResourceExhaustedError("the body is too long");
  body_bytes_left_ -= size;
  chunk_bytes_left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kContent;
  return absl::OkStatus();
}

absl::Status ChunkDecoder::DropTrailer(std::string_view line) {
  if (line.empty()) {
    state_ = State::kDone;
    return absl::OkStatus();
  }
  const size_t colon = line.find(':');
  const std::string name = Lower(line.substr(0, colon));
  if (colon == std::string_view::npos || name.empty() ||
      !std::all_of(name.begin(), name.end(), IsTokenCharacter)) {
    return Malformed("a trailer is not a field");
  }
  if (DecidesFramingOrRouting(name)) {
    return Malformed("a trailer names a field that decides framing, routing or identity");
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ChunkDecoder::Decode(std::string_view bytes, std::string& into) {
  const size_t all = bytes.size();
  while (!bytes.empty() && state_ != State::kDone) {
    if (state_ == State::kContent) {
      const size_t n = std::min<uint64_t>(chunk_bytes_left_, bytes.size());
      into.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      chunk_bytes_left_ -= n;
      if (chunk_bytes_left_ == 0) state_ = State::kContentEnd;
      continue;
    }
    const size_t line_feed = bytes.find('\n');
    const size_t n = line_feed == std::string_view::npos ? bytes.size() : line_feed + 1;
    line_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (state_ == State::kTrailer) trailer_bytes_ += n;
    if (line_.size() > kExtensionBytesPerLineMax + kChunkSizeDigitsMax + 2 &&
        state_ != State::kTrailer) {
      return Malformed("a line of the chunk framing is too long");
    }
    if (state_ == State::kContentEnd && line_ != std::string_view("\r\n").substr(0, line_.size())) {
      return Malformed("a chunk is longer than its size says");
    }
    if (trailer_bytes_ > kTrailerBytesMax) return Malformed("the trailers are too long");
    if (line_feed == std::string_view::npos) break;
    if (!absl::EndsWith(line_, "\r\n")) {
      return Malformed("an LF in the chunk framing is not preceded by CR");
    }
    const std::string_view line = std::string_view(line_).substr(0, line_.size() - 2);
    if (!std::all_of(line.begin(), line.end(), IsTextOrTab)) {
      return Malformed("the chunk framing contains a control character or a byte outside ASCII");
    }
    if (state_ == State::kContentEnd) {
      state_ = State::kSize;
    } else if (state_ == State::kSize) {
      WEIR_RETURN_IF_ERROR(BeginChunk(line));
    } else {
      WEIR_RETURN_IF_ERROR(DropTrailer(line));
    }
    line_.clear();
  }
  return all - bytes.size();
}

}  // namespace weir::gateway
