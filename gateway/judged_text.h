// Text of an answer on its way to the client: what may be released of it, with masks applied.
//
// Ownership: the policy::Judge must outlive both. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/types/span.h>

#include "gateway/json.h"
#include "policy/judge.h"

namespace weir::gateway {

// One text that arrives in pieces. With `json_text` the pieces are JSON (tool-call arguments): they
// are judged with their escapes undone, and what is released stays JSON.
class JudgedText {
 public:
  JudgedText(policy::Judge& judge, std::string pointer, bool json_text);

  // Judges `piece` and appends to `out` what may be released now. After stopped(), does nothing.
  // kInvalidArgument: JSON text that goes on behind its end.
  absl::Status Feed(std::string_view piece, std::string& out);
  // The text has ended. May be called again.
  absl::Status Finish(std::string& out);

  const std::string& pointer() const { return inspection_.part(); }
  // Replaced or blocked: nothing more of it is released.
  bool stopped() const { return inspection_.stopped(); }
  bool altered() const { return altered_ || stopped(); }
  bool holding() const { return !held_.empty(); }

 private:
  absl::Status Judge(std::string_view text, bool finish);
  void Release(std::string& out);

  policy::Inspection inspection_;
  bool json_text_;
  bool finished_ = false;
  bool altered_ = false;
  std::string held_;  // raw text that has not been released, from released_ on
  uint64_t released_ = 0;
  JsonTextDecoder decoder_;
  JsonTextWriter writer_;
  std::string decoded_;  // scratch, kept for its capacity
};

// Texts that are there whole: the strings of a JSON document that are not streamed. Collects the
// splices that masks ask for and whether anything asks for more.
class WholeTexts {
 public:
  explicit WholeTexts(policy::Judge& judge) : judge_(judge) {}

  // Forgets everything but text_bytes().
  void Clear();

  // A string; a mask is spliced in.
  absl::Status Text(const JsonDocument& document, JsonDocument::Node node, std::string pointer,
                    bool json_text = false);
  // A text that cannot be masked without breaking what it is for (a key, a name): a mask stops.
  absl::Status Name(std::string_view text, std::string pointer);
  // Every string below `node`, and every key that is not one of `known_keys`.
  absl::Status Tree(const JsonDocument& document, JsonDocument::Node node, std::string pointer,
                    absl::Span<const std::string_view> known_keys);

  bool stopped() const { return stopped_; }
  bool altered() const { return stopped_ || !splices_.empty(); }
  std::vector<Splice>& splices() { return splices_; }
  uint64_t text_bytes() const { return text_bytes_; }

 private:
  policy::Judge& judge_;
  std::vector<Splice> splices_;
  bool stopped_ = false;
  uint64_t text_bytes_ = 0;
};

// Appends "/" and a pointer's next segment; a long one is cut, so that hostile keys cost no memory.
void AppendPointer(std::string& pointer, std::string_view key);
void AppendPointer(std::string& pointer, size_t index);

}  // namespace weir::gateway
