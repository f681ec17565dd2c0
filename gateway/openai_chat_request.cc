// Requests of /v1/chat/completions: where their text is, and how it is edited in place.
#include <algorithm>
#include <iterator>
#include <utility>

#include <absl/strings/ascii.h>

#include "gateway/openai_chat.h"
#include "rules/check.h"
#include "rules/status_macros.h"

namespace weir::gateway::openai_chat {
namespace {

using Node = JsonDocument::Node;
using Type = JsonDocument::Type;
constexpr Node kNone = JsonDocument::kNone;

// The names that the API gives to fields, sorted. They say nothing, so they are not judged; and no
// object may hold two spellings of one.
// clang-format off
constexpr std::string_view kApiKeys[] = {
    "approximate", "arguments", "audio", "city", "content", "country", "custom", "data",
    "definition", "description", "detail", "file", "file_data", "file_id", "filename", "format",
    "frequency_penalty", "function", "function_call", "functions", "grammar", "id", "image_url",
    "include_obfuscation", "include_usage", "input", "input_audio", "json_schema", "logit_bias",
    "logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata", "modalities", "mode",
    "model", "n", "name", "parallel_tool_calls", "parameters", "prediction", "presence_penalty",
    "prompt_cache_key", "reasoning", "reasoning_content", "reasoning_effort", "refusal", "region",
    "response_format", "role", "safety_identifier", "schema", "search_context_size", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "strict", "syntax", "temperature",
    "text", "timezone", "tool_call_id", "tool_calls", "tool_choice", "tools", "top_logprobs",
    "top_p", "type", "url", "user", "user_location", "verbosity", "voice", "web_search_options"};
// clang-format on

// The vocabulary of JSON Schema: the keys of a tool's parameters that are not the client's words.
// clang-format off
constexpr std::string_view kSchemaKeys[] = {
    "$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const", "default",
    "definitions", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "items", "maxItems",
    "maxLength", "maximum", "minItems", "minLength", "minimum", "not", "nullable", "oneOf",
    "pattern", "properties", "required", "title"};
// clang-format on

template <size_t kSize>
constexpr bool IsSorted(const std::string_view (&keys)[kSize]) {
  for (size_t i = 1; i < kSize; ++i) {
    if (!(keys[i - 1] < keys[i])) return false;
  }
  return true;
}
static_assert(IsSorted(kApiKeys) && IsSorted(kSchemaKeys));

bool IsApiKey(std::string_view key) {
  return std::binary_search(std::begin(kApiKeys), std::end(kApiKeys), key);
}
bool IsKnownKey(std::string_view key) {
  return IsApiKey(key) || std::binary_search(std::begin(kSchemaKeys), std::end(kSchemaKeys), key);
}

// Strings that other fields or programs refer to: a mask in one would change what the request
// means.
bool IsProtocolKey(std::string_view key) {
  constexpr std::string_view kKeys[] = {"$ref", "detail", "file_id", "format",       "id",
                                        "name", "syntax", "type",    "tool_call_id", "url"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

// As the laxest of JSON libraries compares keys: without regard to ASCII case, with U+017F for "s"
// and U+212A for "k".
std::string FoldKey(std::string_view key) {
  std::string folded;
  for (size_t i = 0; i < key.size(); ++i) {
    if (key.substr(i, 2) == "\xC5\xBF") {
      folded += 's';
      i += 1;
    } else if (key.substr(i, 3) == "\xE2\x84\xAA") {
      folded += 'k';
      i += 2;
    } else {
      folded += absl::ascii_tolower(static_cast<unsigned char>(key[i]));
    }
  }
  return folded;
}

bool IsRole(std::string_view role) {
  return role == "system" || role == "developer" || role == "user" || role == "assistant" ||
         role == "tool" || role == "function";
}

absl::Status Refuse(std::string reason) {
  return absl::InvalidArgumentError(std::move(reason));
}

// Walks a request once and fills in what is known of it.
class RequestReader {
 public:
  explicit RequestReader(DecodedRequest& request)
      : request_(request), document_(request.document) {}

  absl::Status Read();

 private:
  absl::Status ReadOptions();
  absl::Status ReadStreamOptions();
  absl::Status ReadText(std::string_view key, std::string& value) const;
  absl::Status ReadFlag(Node object, std::string_view key, bool& value) const;
  absl::Status CheckSpelling(Node object) const;
  absl::Status ReadMessages(Node messages);
  absl::Status ReadMessage(Node message);
  absl::Status ReadContent(Node content);
  absl::Status ReadContentPart(Node part);
  void Opaque(std::string_view kind) { request_.opaque.push_back({std::string(kind), pointer_}); }
  // Makes parts of everything below `node` but `skip`.
  void Visit(Node node, Node skip = kNone);
  void VisitMember(Node node, Node skip = kNone);
  void AddText(Node node);
  // Ends a run of messages of one role.
  void Join();

  DecodedRequest& request_;
  const JsonDocument& document_;
  std::string pointer_;
  std::string joined_pointer_;  // of the first message of the run
  std::string_view joined_role_;
  std::vector<size_t> joined_;
  Node message_text_ = kNone;  // the string that belongs to the run, while it is visited
};

absl::Status RequestReader::Read() {
  if (document_.type(0) != Type::kObject) return Refuse("The request body must be a JSON object.");
  WEIR_RETURN_IF_ERROR(CheckSpelling(0));
  WEIR_RETURN_IF_ERROR(ReadOptions());
  const Node messages = document_.Member(0, "messages");
  if (!document_.Is(messages, Type::kArray) || document_.FirstChild(messages) == kNone) {
    return Refuse("`messages` must be an array with at least one message.");
  }
  for (Node node = document_.FirstChild(0); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    if (key == "model") continue;
    if (key == "messages") {
      pointer_ = "/messages";
      WEIR_RETURN_IF_ERROR(ReadMessages(node));
      pointer_.clear();
      continue;
    }
    VisitMember(node);
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadText(std::string_view key, std::string& value) const {
  const Node node = document_.Member(0, key);
  if (node == kNone || document_.type(node) == Type::kNull) return absl::OkStatus();
  if (document_.type(node) != Type::kString) {
    return Refuse("`" + std::string(key) + "` must be a string.");
  }
  value = document_.String(node);
  return absl::OkStatus();
}

absl::Status RequestReader::ReadFlag(Node object, std::string_view key, bool& value) const {
  const Node node = document_.Member(object, key);
  if (node == kNone || document_.type(node) == Type::kNull) return absl::OkStatus();
  value = document_.type(node) == Type::kTrue;
  if (value || document_.type(node) == Type::kFalse) return absl::OkStatus();
  return Refuse("`" + std::string(key) + "` must be true or false.");
}

absl::Status RequestReader::ReadOptions() {
  WEIR_RETURN_IF_ERROR(ReadText("model", request_.model));
  if (request_.model.empty()) return Refuse("`model` is missing: name the model to ask.");
  WEIR_RETURN_IF_ERROR(ReadText("safety_identifier", request_.user));
  std::string user;
  WEIR_RETURN_IF_ERROR(ReadText("user", user));
  if (request_.user.empty()) request_.user = std::move(user);
  WEIR_RETURN_IF_ERROR(ReadFlag(0, "stream", request_.stream));
  WEIR_RETURN_IF_ERROR(ReadStreamOptions());
  const Node n = document_.Member(0, "n");
  if (n != kNone && document_.type(n) != Type::kNull) {
    const std::optional<int64_t> choices = document_.Integer(n);
    if (!choices.has_value() || *choices < 1 || *choices > kChoicesMax) {
      return Refuse("`n` must be a whole number from 1 to " + std::to_string(kChoicesMax) + ".");
    }
    request_.choices = static_cast<int>(*choices);
  }
  if (AsksForAudio(request_)) request_.opaque.push_back({"audio", "/modalities"});
  return absl::OkStatus();
}

absl::Status RequestReader::ReadStreamOptions() {
  const Node options = document_.Member(0, "stream_options");
  if (options == kNone || document_.type(options) == Type::kNull) return absl::OkStatus();
  if (document_.type(options) != Type::kObject)
    return Refuse("`stream_options` must be an object.");
  WEIR_RETURN_IF_ERROR(CheckSpelling(options));
  return ReadFlag(options, "include_usage", request_.include_usage);
}

// A field that some parser would take for one of ours, and this one would not.
absl::Status RequestReader::CheckSpelling(Node object) const {
  for (Node node = document_.FirstChild(object); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    if (IsApiKey(key)) continue;
    const std::string folded = FoldKey(key);
    if (IsApiKey(folded))
      return Refuse("Write the field `" + folded + "` in exactly this spelling.");
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadMessages(Node messages) {
  for (Node message = document_.FirstChild(messages); message != kNone;
       message = document_.Next(message)) {
    const size_t length = pointer_.size();
    AppendPointer(pointer_, document_.Index(message));
    absl::Status status = ReadMessage(message);
    if (!status.ok()) {
      return Refuse("Message " + std::to_string(document_.Index(message)) + ": " +
                    std::string(status.message()));
    }
    pointer_.resize(length);
  }
  Join();
  return absl::OkStatus();
}

absl::Status RequestReader::ReadMessage(Node message) {
  if (document_.type(message) != Type::kObject) return Refuse("a message must be an object.");
  WEIR_RETURN_IF_ERROR(CheckSpelling(message));
  const Node role_node = document_.Member(message, "role");
  const std::string_view role = role_node == kNone ? "" : document_.String(role_node);
  if (!IsRole(role)) {
    return Refuse("`role` must be one of system, developer, user, assistant, tool and function.");
  }
  if (role != joined_role_) Join();
  if (joined_.empty()) joined_pointer_ = pointer_;
  joined_role_ = role;
  for (Node node = document_.FirstChild(message); node != kNone; node = document_.Next(node)) {
    const std::string_view key = document_.Key(node);
    if (key == "role") continue;
    if (key == "content") {
      const size_t length = pointer_.size();
      AppendPointer(pointer_, key);
      WEIR_RETURN_IF_ERROR(ReadContent(node));
      pointer_.resize(length);
      continue;
    }
    // Audio of an earlier answer, which the upstream keeps.
    if (key == "audio" && document_.type(node) == Type::kObject) {
      request_.opaque.push_back({"audio", pointer_ + "/audio"});
    }
    VisitMember(node);
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadContent(Node content) {
  switch (document_.type(content)) {
    case Type::kNull:
      return absl::OkStatus();
    case Type::kString:
      message_text_ = content;
      Visit(content);
      return absl::OkStatus();
    case Type::kArray:
      break;
    default:
      return Refuse("`content` must be a string, an array of parts or null.");
  }
  for (Node part = document_.FirstChild(content); part != kNone; part = document_.Next(part)) {
    const size_t length = pointer_.size();
    AppendPointer(pointer_, document_.Index(part));
    WEIR_RETURN_IF_ERROR(ReadContentPart(part));
    pointer_.resize(length);
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadContentPart(Node part) {
  const Node type_node = document_.Member(part, "type");
  const std::string_view type = type_node == kNone ? "" : document_.String(type_node);
  if (type.empty()) return Refuse("each part of `content` must be an object with a `type`.");
  WEIR_RETURN_IF_ERROR(CheckSpelling(part));
  Node data = kNone;  // Bytes of a file, not text.
  if (type == "text" || type == "refusal") {
    const Node text = document_.Member(part, type);
    if (!document_.Is(text, Type::kString)) {
      return Refuse("a part of type `" + std::string(type) + "` must have its text in `" +
                    std::string(type) + "`.");
    }
    message_text_ = text;
  } else if (type == "image_url") {
    Opaque("image");
    const Node url = document_.Member(document_.Member(part, "image_url"), "url");
    if (url != kNone && document_.String(url).substr(0, 5) == "data:") data = url;
  } else if (type == "input_audio") {
    Opaque("audio");
    data = document_.Member(document_.Member(part, "input_audio"), "data");
  } else if (type == "file") {
    Opaque("file");
    data = document_.Member(document_.Member(part, "file"), "file_data");
  } else {
    Opaque(type == "video_url" || type == "video" ? "video" : "other");
  }
  Visit(part, data);
  return absl::OkStatus();
}

void RequestReader::VisitMember(Node node, Node skip) {
  const size_t length = pointer_.size();
  const std::string_view key = document_.Key(node);
  AppendPointer(pointer_, key);
  if (!IsKnownKey(key)) {
    Part part;
    part.pointer = pointer_ + "#key";
    part.text = key;
    part.node = node;
    part.key = true;
    request_.parts.push_back(std::move(part));
  }
  Visit(node, skip);
  pointer_.resize(length);
}

void RequestReader::Visit(Node node, Node skip) {
  if (node == skip) return;
  switch (document_.type(node)) {
    case Type::kString:
      AddText(node);
      return;
    case Type::kObject:
      for (Node child = document_.FirstChild(node); child != kNone; child = document_.Next(child)) {
        VisitMember(child, skip);
      }
      return;
    case Type::kArray:
      for (Node child = document_.FirstChild(node); child != kNone; child = document_.Next(child)) {
        const size_t length = pointer_.size();
        AppendPointer(pointer_, document_.Index(child));
        Visit(child, skip);
        pointer_.resize(length);
      }
      return;
    default:
      return;
  }
}

void RequestReader::AddText(Node node) {
  const std::string_view text = document_.String(node);
  if (text.empty()) return;
  Part part;
  part.pointer = pointer_;
  part.node = node;
  const Node parent = document_.Parent(node);
  const std::string_view parent_key = parent == kNone ? "" : document_.Key(parent);
  part.json_text = document_.Key(node) == "arguments" &&
                   (parent_key == "function" || parent_key == "function_call");
  if (part.json_text) {
    JsonTextDecoder decoder;
    decoder.Feed(text, part.text);
    decoder.Finish(part.text);
  } else {
    part.text = text;
  }
  if (node == message_text_) joined_.push_back(request_.parts.size());
  request_.parts.push_back(std::move(part));
}

void RequestReader::Join() {
  if (joined_.size() > 1) {
    Part part;
    part.pointer = joined_pointer_ + "#joined";
    for (const size_t index : joined_) part.text += request_.parts[index].text;
    part.joined = std::move(joined_);
    request_.parts.push_back(std::move(part));
  }
  joined_.clear();
}

// Edits of one string, in order and apart: where two overlap, the first stands for both.
void MergeEdits(std::vector<policy::Edit>& edits) {
  std::sort(edits.begin(), edits.end(), [](const policy::Edit& a, const policy::Edit& b) {
    return a.start != b.start ? a.start < b.start : a.end > b.end;
  });
  size_t kept = 0;
  for (size_t i = 1; i < edits.size(); ++i) {
    if (edits[i].start < edits[kept].end) {
      edits[kept].end = std::max(edits[kept].end, edits[i].end);
    } else if (++kept != i) {
      edits[kept] = std::move(edits[i]);
    }
  }
  if (!edits.empty()) edits.resize(kept + 1);
}

std::string EditedText(std::string_view text, const std::vector<policy::Edit>& edits) {
  std::string out;
  size_t at = 0;
  for (const policy::Edit& edit : edits) {
    out += text.substr(at, edit.start - at);
    out += edit.replacement;
    at = edit.end;
  }
  out += text.substr(at);
  return out;
}

// `raw` is JSON text; the edits are of what it decodes to.
std::string EditedJsonText(std::string_view raw, const std::vector<policy::Edit>& edits) {
  JsonTextDecoder decoder;
  std::string decoded;
  decoder.Feed(raw, decoded);
  decoder.Finish(decoded);
  JsonTextWriter writer;
  std::string out;
  size_t at = 0;
  for (const policy::Edit& edit : edits) {
    const size_t start = decoder.RawOffset(edit.start);
    const size_t end = decoder.RawOffset(edit.end);
    writer.Keep(raw.substr(at, start - at), out);
    writer.Replace(raw.substr(start, end - start), edit.replacement, out);
    at = end;
  }
  writer.Keep(raw.substr(at), out);
  return out;
}

// Gives the edits of a joined part to the parts that it joins.
absl::Status SplitJoined(const DecodedRequest& request, const PartEdits& joined,
                         std::vector<std::vector<policy::Edit>>& edits) {
  for (const policy::Edit& edit : joined.edits) {
    uint64_t begin = 0;
    for (const size_t index : request.parts[joined.part].joined) {
      const uint64_t end = begin + request.parts[index].text.size();
      if (edit.start < end) {
        if (edit.end > end) {
          return absl::FailedPreconditionError(
              "text that must be masked stands over two parts of a message");
        }
        edits[index].push_back({edit.start - begin, edit.end - begin, edit.replacement});
        break;
      }
      begin = end;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DecodedRequest> DecodeRequest(std::string_view body, const JsonLimits& limits) {
  DecodedRequest request;
  const absl::Status parsed = request.document.Read(body, limits, kApiKeys);
  if (!parsed.ok()) {
    return Refuse(
        "The request body cannot be read as strict JSON: " + std::string(parsed.message()) + ".");
  }
  WEIR_RETURN_IF_ERROR(RequestReader(request).Read());
  return request;
}

absl::StatusOr<std::string> EncodeRequest(std::string_view body, const DecodedRequest& request,
                                          const std::vector<PartEdits>& edits,
                                          std::string_view upstream_model) {
  const JsonDocument& document = request.document;
  std::vector<std::vector<policy::Edit>> part_edits(request.parts.size());
  for (const PartEdits& given : edits) {
    WEIR_CHECK(given.part < request.parts.size());
    if (!request.parts[given.part].joined.empty()) {
      WEIR_RETURN_IF_ERROR(SplitJoined(request, given, part_edits));
      continue;
    }
    std::vector<policy::Edit>& target = part_edits[given.part];
    target.insert(target.end(), given.edits.begin(), given.edits.end());
  }
  std::vector<Splice> splices;
  const auto splice = [&](Node node, std::string_view text) {
    const size_t begin = document.Begin(node);
    Splice made{begin, begin + document.Bytes(node).size(), {}};
    AppendJsonString(made.bytes, text);
    splices.push_back(std::move(made));
  };
  for (size_t index = 0; index < part_edits.size(); ++index) {
    if (part_edits[index].empty()) continue;
    const Part& part = request.parts[index];
    if (part.key || IsProtocolKey(document.Key(part.node))) {
      return absl::FailedPreconditionError("text that must be masked stands in the field " +
                                           part.pointer + ", which cannot be changed");
    }
    MergeEdits(part_edits[index]);
    const std::string_view text = document.String(part.node);
    splice(part.node, part.json_text ? EditedJsonText(text, part_edits[index])
                                     : EditedText(text, part_edits[index]));
  }
  if (!upstream_model.empty() && upstream_model != request.model) {
    splice(document.Member(0, "model"), upstream_model);
  }
  std::sort(splices.begin(), splices.end(),
            [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
  return ApplySplices(body, splices);
}

bool OffersTool(const DecodedRequest& request, std::string_view name) {
  const JsonDocument& document = request.document;
  const auto is_named = [&](Node object) {
    const Node node = document.Member(object, "name");
    return node != kNone && document.String(node) == name;
  };
  for (const std::string_view list_key : {"tools", "functions"}) {
    const Node list = document.Member(0, list_key);
    if (!document.Is(list, Type::kArray)) continue;
    for (Node tool = document.FirstChild(list); tool != kNone; tool = document.Next(tool)) {
      if (is_named(tool) || is_named(document.Member(tool, "function")) ||
          is_named(document.Member(tool, "custom"))) {
        return true;
      }
    }
  }
  return false;
}

bool AsksForAudio(const DecodedRequest& request) {
  const JsonDocument& document = request.document;
  const Node modalities = document.Member(0, "modalities");
  if (!document.Is(modalities, Type::kArray)) return false;
  for (Node node = document.FirstChild(modalities); node != kNone; node = document.Next(node)) {
    if (document.String(node) == "audio") return true;
  }
  return false;
}

}  // namespace weir::gateway::openai_chat
