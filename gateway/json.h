// One strict reading of a JSON document, with the place of every value in its bytes.
//
// Stricter than RFC 8259, so that no other parser can read the same bytes differently: UTF-8
// without BOM, one document and nothing behind it, no duplicate keys (compared after unescaping,
// and without regard to ASCII case for the keys in `known_keys`), no lone surrogates, no NUL,
// numbers of at most 64 characters with a finite value, bounded depth and count. Every refusal is
// an InvalidArgument that names the byte offset, and never quotes the document.
//
// A Document keeps its own copy of nothing: the bytes given to Parse must outlive it. Views that it
// hands out stay valid when it is moved. Nodes are numbered in document order; node 0 is the root.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/types/span.h>

namespace weir::gateway {

struct JsonLimits {
  size_t depth_max = 64;
  size_t nodes_max = 200'000;
  size_t number_bytes_max = 64;
};

class JsonDocument {
 public:
  enum class Type : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  using Node = uint32_t;
  static constexpr Node kNone = UINT32_MAX;

  // An empty document: no node may be asked for.
  JsonDocument() = default;

  static absl::StatusOr<JsonDocument> Parse(std::string_view bytes, const JsonLimits& limits,
                                            absl::Span<const std::string_view> known_keys = {});
  // The same into this object, whose memory is used again. After a failure it is empty.
  absl::Status Read(std::string_view bytes, const JsonLimits& limits,
                    absl::Span<const std::string_view> known_keys = {});

  Type type(Node node) const { return entries_[node].type; }
  // First child of an array or object; next sibling. kNone at the end.
  Node FirstChild(Node node) const;
  Node Next(Node node) const { return entries_[node].next; }
  Node Parent(Node node) const { return entries_[node].parent; }
  // The position of a value among its siblings.
  uint32_t Index(Node node) const { return entries_[node].index; }
  // The member `key` of an object; kNone when absent or not an object (kNone included).
  Node Member(Node object, std::string_view key) const;
  // A member's key, unescaped; and its quoted bytes. Empty for what is not a member.
  std::string_view Key(Node node) const;
  std::string_view KeyBytes(Node node) const;
  // A string's value, unescaped (a view into the document or into storage of this object).
  std::string_view String(Node node) const;
  std::optional<int64_t> Integer(Node node) const;
  // The value's bytes in the document, a string's quotes included; Begin is its offset.
  std::string_view Bytes(Node node) const;
  size_t Begin(Node node) const { return entries_[node].begin; }
  // RFC 6901.
  std::string Pointer(Node node) const;
  size_t size() const { return entries_.size(); }

  // Whether `node` is there and of that type.
  bool Is(Node node, Type type) const { return node != kNone && entries_[node].type == type; }

 private:
  class Parser;

  struct Entry {
    uint32_t begin = 0, end = 0;  // in bytes_
    Node parent = kNone, next = kNone;
    uint32_t index = 0;
    uint32_t key_begin = 0, key_end = 0;  // in bytes_, with quotes; equal: not a member
    // Unescaped texts, in unescaped_ when the flag says so, else in bytes_. A container uses `text`
    // for its last child and `text_size` for the number of its children.
    uint32_t key = 0, key_size = 0;
    uint32_t text = 0, text_size = 0;
    Type type = Type::kNull;
    bool key_escaped = false;
    bool text_escaped = false;
  };

  std::vector<Entry> entries_;
  std::string_view bytes_;
  std::vector<char> unescaped_;  // not a string: a moved vector stays where it was
  std::vector<Node> scratch_;
};

// `"..."` with what JSON asks to be escaped; everything else as it is.
void AppendJsonString(std::string& out, std::string_view text);

// Replaces byte ranges of a document, in order, not overlapping.
struct Splice {
  size_t begin = 0;
  size_t end = 0;
  std::string bytes;
};
std::string ApplySplices(std::string_view bytes, absl::Span<const Splice> splices);

// JSON text that arrives in pieces (tool-call arguments), with its escapes undone: `text` is what
// is scanned, and RawOffset maps back to what may be released. An escape cut by a piece's end waits
// for the next piece. Text outside strings passes unchanged; what is not JSON at all passes
// unchanged too, so nothing can hide from the scan.
class JsonTextDecoder {
 public:
  // Appends the decoded text of `piece` to `text`.
  void Feed(std::string_view piece, std::string& text);
  // What waited for the rest of an escape, as it stands.
  void Finish(std::string& text);
  // Raw bytes that decoded offset `decoded` (<= all decoded so far) stands behind. Offsets must not
  // fall from one call to the next; the map behind them is dropped.
  uint64_t RawOffset(uint64_t decoded);
  // An object or array has been closed: only white space may follow; whether anything else did.
  bool complete() const { return complete_; }
  bool overrun() const { return overrun_; }

 private:
  // Decodes the escape at the beginning of `raw`. Returns its length, 0 when `raw` ends before it
  // is known what it is.
  size_t Escape(std::string_view raw, bool at_end, std::string& text);
  void Decode(std::string_view raw, bool at_end, std::string& text);
  void Structure(char c);

  std::string pending_;
  uint64_t raw_ = 0;
  uint64_t decoded_ = 0;
  bool in_string_ = false;
  bool complete_ = false;
  bool overrun_ = false;
  bool started_ = false;
  uint64_t depth_ = 0;
  struct Step {
    uint64_t decoded, raw;
  };
  std::vector<Step> steps_;  // behind each escape
};

// Writes JSON text with masks in it so that it stays JSON, whatever a mask covers. Called for
// consecutive raw ranges that cut no escape. Inside a string a mask replaces what it covers.
// Outside strings, digits become 9 (a number stays a number of the same length), punctuation and
// white space stay, and anything else is replaced. A mask that covers several strings stands in the
// first.
class JsonTextWriter {
 public:
  void Keep(std::string_view raw, std::string& out);
  void Replace(std::string_view raw, std::string_view replacement, std::string& out);

 private:
  bool in_string_ = false;
};

}  // namespace weir::gateway
