#include "gateway/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <absl/strings/ascii.h>
#include <absl/strings/charconv.h>
#include <absl/strings/str_cat.h>
#include <simdjson.h>

#include "gateway/json_escape.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr uint64_t kLowBits = 0x0101010101010101U;
constexpr uint64_t kHighBits = 0x8080808080808080U;

// High bits where `word` has a byte that ends the plain text of a JSON string: a quote, a backslash
// or a control character. Bytes behind the first such one may be marked wrongly.
uint64_t SpecialBytes(uint64_t word) {
  const uint64_t quote = word ^ (kLowBits * '"');
  const uint64_t backslash = word ^ (kLowBits * '\\');
  const uint64_t control = (word - kLowBits * 0x20) & ~word;
  return (((quote - kLowBits) & ~quote) | ((backslash - kLowBits) & ~backslash) | control) &
         kHighBits;
}

bool IsSpecial(char c) {
  return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
}

size_t FindSpecial(std::string_view text, size_t from) {
  while (from + sizeof(uint64_t) <= text.size()) {
    uint64_t word;
    std::memcpy(&word, text.data() + from, sizeof word);
    if (SpecialBytes(word) != 0) break;
    from += sizeof word;
  }
  while (from < text.size() && !IsSpecial(text[from])) ++from;
  return from;
}

// Only to say where; `bytes` is known to be invalid.
size_t FirstInvalidUtf8(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[at]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (at + size > bytes.size() || !simdjson::validate_utf8(bytes.data() + at, size)) break;
    at += size;
  }
  return at;
}

int CompareFolded(std::string_view a, std::string_view b) {
  const size_t shared = std::min(a.size(), b.size());
  for (size_t i = 0; i < shared; ++i) {
    const auto x =
        static_cast<unsigned char>(absl::ascii_tolower(static_cast<unsigned char>(a[i])));
    const auto y =
        static_cast<unsigned char>(absl::ascii_tolower(static_cast<unsigned char>(b[i])));
    if (x != y) return x < y ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace

// One pass over bytes that are known to be UTF-8. No recursion: an open container is remembered by
// its node, and its parent by the node's entry.
class JsonDocument::Parser {
 public:
  Parser(JsonDocument& document, const JsonLimits& limits,
         absl::Span<const std::string_view> known_keys)
      : doc_(document), bytes_(document.bytes_), limits_(limits), known_keys_(known_keys) {}

  absl::Status Run();

 private:
  static absl::Status Refuse(const std::string& reason, size_t at) {
    return absl::InvalidArgumentError(reason + " at byte " + std::to_string(at));
  }
  bool AtEnd() const { return at_ == bytes_.size(); }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(bytes_[at_])) ++at_;
  }

  absl::Status Key(Entry& entry);
  absl::Status Value(Entry& entry);
  absl::Status Literal(std::string_view word);
  absl::Status Number();
  // Reads a string; `*begin` and `*size` tell where its unescaped text stands.
  absl::Status String(uint32_t* begin, uint32_t* size, bool* escaped);
  absl::Status Unescape();
  // Ends every container that ends here and steps over the comma that follows.
  absl::Status CloseContainers(bool* document_ended);
  absl::Status CheckKeys(Node object);
  absl::Status ComparePair(Node earlier, Node later) const;

  JsonDocument& doc_;
  const std::string_view bytes_;
  const JsonLimits& limits_;
  const absl::Span<const std::string_view> known_keys_;
  size_t at_ = 0;
  size_t depth_ = 0;
  Node open_ = kNone;
};

absl::Status JsonDocument::Parser::Run() {
  for (bool document_ended = false; !document_ended;) {
    Entry entry;
    entry.parent = open_;
    SkipSpace();
    if (open_ != kNone && doc_.entries_[open_].type == Type::kObject) {
      WEIR_RETURN_IF_ERROR(Key(entry));
    }
    if (doc_.entries_.size() >= limits_.nodes_max) {
      return Refuse(absl::StrCat("more than ", limits_.nodes_max, " values"), at_);
    }
    WEIR_RETURN_IF_ERROR(Value(entry));
    const auto node = static_cast<Node>(doc_.entries_.size());
    if (open_ != kNone) {
      Entry& parent = doc_.entries_[open_];
      entry.index = parent.text_size++;
      if (entry.index > 0) doc_.entries_[parent.text].next = node;
      parent.text = node;
    }
    doc_.entries_.push_back(entry);
    if (entry.end == 0) {  // a container with something in it
      open_ = node;
      continue;
    }
    WEIR_RETURN_IF_ERROR(CloseContainers(&document_ended));
  }
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::Key(Entry& entry) {
  if (AtEnd() || bytes_[at_] != '"') return Refuse("a key in quotes is missing", at_);
  entry.key_begin = static_cast<uint32_t>(at_);
  WEIR_RETURN_IF_ERROR(String(&entry.key, &entry.key_size, &entry.key_escaped));
  entry.key_end = static_cast<uint32_t>(at_);
  SkipSpace();
  if (AtEnd() || bytes_[at_] != ':') return Refuse("a colon is missing", at_);
  ++at_;
  SkipSpace();
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::Value(Entry& entry) {
  if (AtEnd()) return Refuse("the document ends where a value is due", at_);
  entry.begin = static_cast<uint32_t>(at_);
  const char c = bytes_[at_];
  if (c == '{' || c == '[') {
    entry.type = c == '{' ? Type::kObject : Type::kArray;
    if (++depth_ > limits_.depth_max) {
      return Refuse(absl::StrCat("nested deeper than ", limits_.depth_max), at_);
    }
    ++at_;
    SkipSpace();
    if (AtEnd() || bytes_[at_] != (c == '{' ? '}' : ']')) return absl::OkStatus();
    ++at_;
    --depth_;
  } else if (c == '"') {
    entry.type = Type::kString;
    WEIR_RETURN_IF_ERROR(String(&entry.text, &entry.text_size, &entry.text_escaped));
  } else if (c == 't') {
    entry.type = Type::kTrue;
    WEIR_RETURN_IF_ERROR(Literal("true"));
  } else if (c == 'f') {
    entry.type = Type::kFalse;
    WEIR_RETURN_IF_ERROR(Literal("false"));
  } else if (c == 'n') {
    entry.type = Type::kNull;
    WEIR_RETURN_IF_ERROR(Literal("null"));
  } else {
    entry.type = Type::kNumber;
    WEIR_RETURN_IF_ERROR(Number());
  }
  entry.end = static_cast<uint32_t>(at_);
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::Literal(std::string_view word) {
  if (bytes_.substr(at_, word.size()) != word) return Refuse("not a value", at_);
  at_ += word.size();
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::Number() {
  const size_t begin = at_;
  const auto digits = [this] {
    const size_t from = at_;
    while (!AtEnd() && IsDigit(bytes_[at_])) ++at_;
    return at_ - from;
  };
  if (bytes_[at_] == '-') ++at_;
  const size_t integer = at_;
  const size_t integer_digits = digits();
  if (integer_digits == 0) return Refuse("not a value", begin);
  if (integer_digits > 1 && bytes_[integer] == '0')
    return Refuse("a number with a leading zero", begin);
  if (!AtEnd() && bytes_[at_] == '.') {
    ++at_;
    if (digits() == 0) return Refuse("a number without digits behind its point", begin);
  }
  const bool exponent = !AtEnd() && (bytes_[at_] == 'e' || bytes_[at_] == 'E');
  if (exponent) {
    ++at_;
    if (!AtEnd() && (bytes_[at_] == '+' || bytes_[at_] == '-')) ++at_;
    if (digits() == 0) return Refuse("a number without digits in its exponent", begin);
  }
  if (at_ - begin > limits_.number_bytes_max) {
    return Refuse(absl::StrCat("a number of more than ", limits_.number_bytes_max, " characters"),
                  begin);
  }
  // Without an exponent, that few digits are always finite. Parsers disagree about what is too
  // large (infinity, null, an error); what is too small is zero for all of them.
  if (exponent || limits_.number_bytes_max > std::numeric_limits<double>::max_exponent10) {
    double value = 0;
    const auto parsed = absl::from_chars(bytes_.data() + begin, bytes_.data() + at_, value);
    const bool too_large = parsed.ec == std::errc::result_out_of_range && std::abs(value) >= 1;
    if (too_large || !std::isfinite(value)) return Refuse("a number too large", begin);
  }
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::String(uint32_t* begin, uint32_t* size, bool* escaped) {
  const size_t quote = at_++;
  size_t end = FindSpecial(bytes_, at_);
  if (end < bytes_.size() && bytes_[end] == '"') {
    *begin = static_cast<uint32_t>(at_);
    *size = static_cast<uint32_t>(end - at_);
    at_ = end + 1;
    return absl::OkStatus();
  }
  const size_t first = doc_.unescaped_.size();
  for (;; end = FindSpecial(bytes_, at_)) {
    doc_.unescaped_.insert(doc_.unescaped_.end(), bytes_.data() + at_, bytes_.data() + end);
    at_ = end;
    if (AtEnd()) return Refuse("a string that does not end", quote);
    if (bytes_[at_] == '"') break;
    if (bytes_[at_] != '\\') return Refuse("a control character in a string", at_);
    WEIR_RETURN_IF_ERROR(Unescape());
  }
  ++at_;
  *begin = static_cast<uint32_t>(first);
  *size = static_cast<uint32_t>(doc_.unescaped_.size() - first);
  *escaped = true;
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::Unescape() {
  const std::string_view rest = bytes_.substr(at_ + 1);
  if (rest.empty()) return Refuse("a string that does not end", at_);
  if (rest[0] != 'u') {
    const char c = SimpleEscape(rest[0]);
    if (c == 0) return Refuse("an unknown escape", at_);
    doc_.unescaped_.push_back(c);
    at_ += 2;
    return absl::OkStatus();
  }
  const int unit = Hex4(rest.substr(1));
  if (unit < 0) return Refuse("an escape without four hex digits", at_);
  if (unit == 0) return Refuse("an escaped NUL", at_);
  auto code = static_cast<uint32_t>(unit);
  size_t size = 6;
  if (IsHighSurrogate(unit) && rest.substr(5, 2) == "\\u" && IsLowSurrogate(Hex4(rest.substr(7)))) {
    code = Combine(unit, Hex4(rest.substr(7)));
    size = 12;
  } else if (IsHighSurrogate(unit) || IsLowSurrogate(unit)) {
    return Refuse("half of a surrogate pair", at_);
  }
  char utf8[4];
  const size_t utf8_size = EncodeUtf8(code, utf8);
  doc_.unescaped_.insert(doc_.unescaped_.end(), utf8, utf8 + utf8_size);
  at_ += size;
  return absl::OkStatus();
}

absl::Status JsonDocument::Parser::CloseContainers(bool* document_ended) {
  for (;;) {
    SkipSpace();
    if (open_ == kNone) {
      *document_ended = true;
      return AtEnd() ? absl::OkStatus() : Refuse("something behind the document", at_);
    }
    Entry& container = doc_.entries_[open_];
    const char close = container.type == Type::kObject ? '}' : ']';
    if (AtEnd()) return Refuse("the document ends inside an object or array", at_);
    if (bytes_[at_] == ',') {
      ++at_;
      return absl::OkStatus();
    }
    if (bytes_[at_] != close) {
      return Refuse(absl::StrCat("neither a comma nor ", std::string(1, close)), at_);
    }
    container.end = static_cast<uint32_t>(++at_);
    if (container.type == Type::kObject) WEIR_RETURN_IF_ERROR(CheckKeys(open_));
    open_ = container.parent;
    --depth_;
  }
}

// Refuses two keys of one object that are the same, or that some parser takes for the same.
absl::Status JsonDocument::Parser::ComparePair(Node earlier, Node later) const {
  const std::string_view a = doc_.Key(earlier);
  const std::string_view b = doc_.Key(later);
  if (a.size() != b.size() || CompareFolded(a, b) != 0) return absl::OkStatus();
  const size_t at = std::max(doc_.entries_[earlier].key_begin, doc_.entries_[later].key_begin);
  const auto known = std::find_if(known_keys_.begin(), known_keys_.end(),
                                  [a](std::string_view key) { return CompareFolded(a, key) == 0; });
  if (known != known_keys_.end()) return Refuse("a second key " + std::string(*known), at);
  return a == b ? Refuse("a key that its object already has", at) : absl::OkStatus();
}

absl::Status JsonDocument::Parser::CheckKeys(Node object) {
  constexpr uint32_t kFew = 12;
  if (doc_.entries_[object].text_size <= kFew) {
    for (Node later = doc_.FirstChild(object); later != kNone; later = doc_.Next(later)) {
      for (Node earlier = object + 1; earlier != later; earlier = doc_.Next(earlier)) {
        WEIR_RETURN_IF_ERROR(ComparePair(earlier, later));
      }
    }
    return absl::OkStatus();
  }
  std::vector<Node>& members = doc_.scratch_;
  members.clear();
  for (Node node = object + 1; node != kNone; node = doc_.Next(node)) members.push_back(node);
  // Equal keys become neighbours, and so do those that differ by case alone.
  std::sort(members.begin(), members.end(), [this](Node x, Node y) {
    const int order = CompareFolded(doc_.Key(x), doc_.Key(y));
    return order != 0 ? order < 0 : doc_.Key(x) < doc_.Key(y);
  });
  for (size_t i = 1; i < members.size(); ++i) {
    WEIR_RETURN_IF_ERROR(ComparePair(members[i - 1], members[i]));
  }
  return absl::OkStatus();
}

absl::StatusOr<JsonDocument> JsonDocument::Parse(std::string_view bytes, const JsonLimits& limits,
                                                 absl::Span<const std::string_view> known_keys) {
  JsonDocument document;
  WEIR_RETURN_IF_ERROR(document.Read(bytes, limits, known_keys));
  return document;
}

absl::Status JsonDocument::Read(std::string_view bytes, const JsonLimits& limits,
                                absl::Span<const std::string_view> known_keys) {
  entries_.clear();
  unescaped_.clear();
  bytes_ = bytes;
  if (bytes.size() >= UINT32_MAX) return absl::InvalidArgumentError("a document of 4 GiB or more");
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") {
    return absl::InvalidArgumentError("a byte order mark at byte 0");
  }
  if (!simdjson::validate_utf8(bytes.data(), bytes.size())) {
    return absl::InvalidArgumentError(absl::StrCat("not UTF-8 at byte ", FirstInvalidUtf8(bytes)));
  }
  entries_.reserve(std::min<size_t>(32, limits.nodes_max));
  absl::Status status = Parser(*this, limits, known_keys).Run();
  if (!status.ok()) entries_.clear();
  return status;
}

JsonDocument::Node JsonDocument::FirstChild(Node node) const {
  const bool has_child = node + 1 < entries_.size() && entries_[node + 1].parent == node;
  return has_child ? node + 1 : kNone;
}

JsonDocument::Node JsonDocument::Member(Node object, std::string_view key) const {
  if (object == kNone || entries_[object].type != Type::kObject) return kNone;
  for (Node node = FirstChild(object); node != kNone; node = entries_[node].next) {
    if (Key(node) == key) return node;
  }
  return kNone;
}

std::string_view JsonDocument::Key(Node node) const {
  const Entry& entry = entries_[node];
  const char* from = entry.key_escaped ? unescaped_.data() : bytes_.data();
  return {from + entry.key, entry.key_size};
}

std::string_view JsonDocument::KeyBytes(Node node) const {
  const Entry& entry = entries_[node];
  return bytes_.substr(entry.key_begin, entry.key_end - entry.key_begin);
}

std::string_view JsonDocument::String(Node node) const {
  const Entry& entry = entries_[node];
  if (entry.type != Type::kString) return {};
  const char* from = entry.text_escaped ? unescaped_.data() : bytes_.data();
  return {from + entry.text, entry.text_size};
}

std::optional<int64_t> JsonDocument::Integer(Node node) const {
  int64_t value = 0;
  if (entries_[node].type != Type::kNumber) return {};
  const std::string_view bytes = Bytes(node);
  const auto parsed = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == bytes.data() + bytes.size();
  return whole ? std::optional(value) : std::nullopt;
}

std::string_view JsonDocument::Bytes(Node node) const {
  const Entry& entry = entries_[node];
  return bytes_.substr(entry.begin, entry.end - entry.begin);
}

std::string JsonDocument::Pointer(Node node) const {
  std::vector<Node> path;
  for (; entries_[node].parent != kNone; node = entries_[node].parent) path.push_back(node);
  std::string pointer;
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    pointer += '/';
    if (entries_[*step].key_begin == entries_[*step].key_end) {
      absl::StrAppend(&pointer, entries_[*step].index);
      continue;
    }
    AppendEscapedPointer(Key(*step), pointer);
  }
  return pointer;
}

void AppendEscapedPointer(std::string_view key, std::string& pointer) {
  for (const char c : key) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

// The inside of a JSON string.
void AppendEscapedJson(std::string_view text, std::string& out) {
  for (size_t at = 0;;) {
    const size_t special = FindSpecial(text, at);
    out.append(text, at, special - at);
    if (special == text.size()) return;
    at = special + 1;
    switch (const char c = text[special]) {
      case '"':
      case '\\':
        out += '\\';
        out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        constexpr char kHex[] = "0123456789abcdef";
        out += "\\u00";
        out += kHex[static_cast<unsigned char>(c) >> 4];
        out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
}

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  AppendEscapedJson(text, out);
  out += '"';
}

std::string ApplySplices(std::string_view bytes, absl::Span<const Splice> splices) {
  std::string out;
  out.reserve(bytes.size() + 64 * splices.size());
  size_t at = 0;
  for (const Splice& splice : splices) {
    out.append(bytes, at, splice.begin - at);
    out += splice.bytes;
    at = splice.end;
  }
  out.append(bytes, at);
  return out;
}

}  // namespace weir::gateway
