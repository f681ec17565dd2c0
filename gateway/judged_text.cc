#include "gateway/judged_text.h"

#include <algorithm>
#include <utility>

#include "gateway/json_escape.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr size_t kSegmentBytesMax = 64;
constexpr size_t kPointerBytesMax = 256;
constexpr std::string_view kCut = "…";

bool EndsCut(std::string_view pointer) {
  return pointer.size() >= kCut.size() && pointer.substr(pointer.size() - kCut.size()) == kCut;
}

}  // namespace

void AppendPointer(std::string& pointer, std::string_view key) {
  if (pointer.size() + kSegmentBytesMax > kPointerBytesMax) {
    if (!EndsCut(pointer)) pointer += kCut;
    return;
  }
  pointer += '/';
  size_t size = std::min(key.size(), kSegmentBytesMax);
  // Never inside a character.
  while (size < key.size() && size > 0 && (static_cast<unsigned char>(key[size]) & 0xC0U) == 0x80) {
    --size;
  }
  AppendEscapedPointer(key.substr(0, size), pointer);
  if (size < key.size()) pointer += kCut;
}

void AppendPointer(std::string& pointer, size_t index) {
  if (pointer.size() + kSegmentBytesMax > kPointerBytesMax) {
    if (!EndsCut(pointer)) pointer += kCut;
    return;
  }
  pointer += '/';
  pointer += std::to_string(index);
}

JudgedText::JudgedText(policy::Judge& judge, std::string pointer, bool json_text)
    : inspection_(judge.Open(std::move(pointer))), json_text_(json_text) {}

absl::Status JudgedText::Feed(std::string_view piece, std::string& out) {
  if (stopped()) return absl::OkStatus();
  held_ += piece;
  if (!json_text_) {
    WEIR_RETURN_IF_ERROR(inspection_.Feed(piece));
    Release(out);
    return absl::OkStatus();
  }
  decoded_.clear();
  decoder_.Feed(piece, decoded_);
  if (decoder_.overrun()) {
    return absl::InvalidArgumentError("the upstream's JSON text goes on behind its end");
  }
  if (finished_) {
    held_.clear();  // White space behind the end.
    return absl::OkStatus();
  }
  WEIR_RETURN_IF_ERROR(inspection_.Feed(decoded_));
  // Nothing can follow an object that was closed, so nothing needs to be held for it; clients take
  // a call's arguments as whole when the next call begins.
  if (decoder_.complete() && !stopped()) return Finish(out);
  Release(out);
  return absl::OkStatus();
}

absl::Status JudgedText::Finish(std::string& out) {
  if (finished_ || stopped()) return absl::OkStatus();
  finished_ = true;
  if (json_text_) {
    decoded_.clear();
    decoder_.Finish(decoded_);
    if (!decoded_.empty()) WEIR_RETURN_IF_ERROR(inspection_.Feed(decoded_));
  }
  WEIR_RETURN_IF_ERROR(inspection_.Finish());
  Release(out);
  return absl::OkStatus();
}

void JudgedText::Release(std::string& out) {
  const auto raw_offset = [this](uint64_t offset) {
    return json_text_ ? decoder_.RawOffset(offset) : offset;
  };
  const std::string_view held = held_;
  size_t at = 0;
  const auto keep = [&](size_t end) {
    if (json_text_) {
      writer_.Keep(held.substr(at, end - at), out);
    } else {
      out += held.substr(at, end - at);
    }
    at = end;
  };
  for (const policy::Edit& edit : inspection_.TakeEdits()) {
    altered_ = true;
    const auto start = static_cast<size_t>(raw_offset(edit.start) - released_);
    const auto end = static_cast<size_t>(raw_offset(edit.end) - released_);
    keep(start);
    if (json_text_) {
      writer_.Replace(held.substr(start, end - start), edit.replacement, out);
    } else {
      out += edit.replacement;
    }
    at = end;
  }
  keep(static_cast<size_t>(raw_offset(inspection_.releasable()) - released_));
  released_ += at;
  if (stopped() || at == held_.size()) {
    held_.clear();
  } else {
    held_.erase(0, at);
  }
}

void WholeTexts::Clear() {
  splices_.clear();
  stopped_ = false;
}

absl::Status WholeTexts::Text(const JsonDocument& document, JsonDocument::Node node,
                              std::string pointer, bool json_text) {
  const std::string_view text = document.String(node);
  if (text.empty()) return absl::OkStatus();
  text_bytes_ += text.size();
  JudgedText judged(judge_, std::move(pointer), json_text);
  std::string released;
  WEIR_RETURN_IF_ERROR(judged.Feed(text, released));
  WEIR_RETURN_IF_ERROR(judged.Finish(released));
  if (judged.stopped()) {
    stopped_ = true;
  } else if (judged.altered()) {
    Splice splice{document.Begin(node), document.Begin(node) + document.Bytes(node).size(), {}};
    AppendJsonString(splice.bytes, released);
    splices_.push_back(std::move(splice));
  }
  return absl::OkStatus();
}

absl::Status WholeTexts::Name(std::string_view text, std::string pointer) {
  text_bytes_ += text.size();
  policy::Inspection inspection = judge_.Open(std::move(pointer));
  WEIR_RETURN_IF_ERROR(inspection.Feed(text));
  WEIR_RETURN_IF_ERROR(inspection.Finish());
  if (inspection.action() >= policy::Action::kMask) stopped_ = true;
  return absl::OkStatus();
}

absl::Status WholeTexts::Tree(const JsonDocument& document, JsonDocument::Node node,
                              std::string pointer, absl::Span<const std::string_view> known_keys) {
  switch (document.type(node)) {
    case JsonDocument::Type::kString:
      return Text(document, node, std::move(pointer));
    case JsonDocument::Type::kArray:
    case JsonDocument::Type::kObject:
      break;
    default:
      return absl::OkStatus();
  }
  const bool object = document.type(node) == JsonDocument::Type::kObject;
  for (auto child = document.FirstChild(node); child != JsonDocument::kNone;
       child = document.Next(child)) {
    std::string below = pointer;
    if (object) {
      const std::string_view key = document.Key(child);
      AppendPointer(below, key);
      if (!std::binary_search(known_keys.begin(), known_keys.end(), key)) {
        WEIR_RETURN_IF_ERROR(Name(key, below + "#key"));
      }
    } else {
      AppendPointer(below, document.Index(child));
    }
    WEIR_RETURN_IF_ERROR(Tree(document, child, std::move(below), known_keys));
  }
  return absl::OkStatus();
}

}  // namespace weir::gateway
