// yaml-cpp throws on malformed input and on wrong types. Everything it can throw is caught in
// LoadDocument() and in Scalar(); the rest of the file only asks it questions that cannot fail.
#include "rules/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "rules/concat.h"

namespace weir::rules {
namespace {

// A rule pack of 100,000 words is about 2 MB; beyond this a file is a mistake.
constexpr size_t kYamlFileBytesMax = 64U << 20;

int LineOfNode(const YAML::Node& node, int fallback) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? fallback : mark.line + 1;
}

// yaml-cpp gives quoted scalars the tag "!": `"12"` is text, `12` may be a number.
bool IsQuoted(const YAML::Node& node) {
  return node.Tag() == "!";
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

struct YamlMap::State {
  YAML::Node node;  // a map when `present`
  bool present = false;
  int line = 0;
  std::string file;
  std::vector<Problem>* problems = nullptr;
  std::set<std::string, std::less<>> asked;

  // The value of `key`, or an undefined node. Reports a missing required key.
  YAML::Node Find(std::string_view key, Need need);
  void AddProblem(int at, std::string reason);
  // The text of a scalar that is not null; reports anything else.
  std::optional<std::string> Scalar(const YAML::Node& value, std::string_view key);
  std::shared_ptr<State> Child(const YAML::Node& value) const;
};

YAML::Node YamlMap::State::Find(std::string_view key, Need need) {
  asked.emplace(key);
  if (!present) return YAML::Node(YAML::NodeType::Undefined);
  for (const auto& entry : node) {
    if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
  }
  if (need == Need::kRequired) AddProblem(line, Concat("missing key \"", key, "\""));
  return YAML::Node(YAML::NodeType::Undefined);
}

void YamlMap::State::AddProblem(int at, std::string reason) {
  problems->push_back({file, at, std::move(reason)});
}

std::optional<std::string> YamlMap::State::Scalar(const YAML::Node& value, std::string_view key) {
  if (value.IsScalar()) return value.Scalar();
  AddProblem(LineOfNode(value, line),
             Concat("\"", key, "\" must be a single value, not ",
                    value.IsNull() ? "empty" : (value.IsMap() ? "a map" : "a list")));
  return std::nullopt;
}

std::shared_ptr<YamlMap::State> YamlMap::State::Child(const YAML::Node& value) const {
  auto child = std::make_shared<State>();
  child->file = file;
  child->problems = problems;
  child->line = line;
  if (value.IsDefined() && value.IsMap()) {
    child->node = value;
    child->present = true;
    child->line = LineOfNode(value, line);
  }
  return child;
}

YamlMap::YamlMap(std::shared_ptr<State> state) : state_(std::move(state)) {}

std::string YamlMap::String(std::string_view key, Need need, std::string_view fallback) {
  const YAML::Node value = state_->Find(key, need);
  if (!value.IsDefined()) return std::string(fallback);
  std::optional<std::string> text = state_->Scalar(value, key);
  if (!text.has_value()) return std::string(fallback);
  if (text->empty() && need == Need::kRequired) {
    AddProblem(LineOfNode(value, line()), Concat("\"", key, "\" must not be empty"));
  }
  return *std::move(text);
}

int64_t YamlMap::Integer(std::string_view key, Need need, int64_t min, int64_t max,
                         int64_t fallback) {
  const YAML::Node value = state_->Find(key, need);
  if (!value.IsDefined()) return fallback;
  const std::optional<std::string> text = state_->Scalar(value, key);
  if (!text.has_value()) return fallback;
  int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [parsed_to, error] = std::from_chars(text->data(), end, number);
  if (IsQuoted(value) || error != std::errc() || parsed_to != end || number < min || number > max) {
    AddProblem(LineOfNode(value, line()), Concat("\"", key, "\" must be a whole number from ", min,
                                                 " to ", max, ", not \"", *text, "\""));
    return fallback;
  }
  return number;
}

bool YamlMap::Bool(std::string_view key, Need need, bool fallback) {
  const YAML::Node value = state_->Find(key, need);
  if (!value.IsDefined()) return fallback;
  const std::optional<std::string> text = state_->Scalar(value, key);
  if (!text.has_value()) return fallback;
  if (!IsQuoted(value) && (*text == "true" || *text == "false")) return *text == "true";
  AddProblem(LineOfNode(value, line()),
             Concat("\"", key, "\" must be true or false, not \"", *text, "\""));
  return fallback;
}

std::string YamlMap::Choice(std::string_view key, Need need,
                            const std::vector<std::string_view>& choices,
                            std::string_view fallback) {
  const YAML::Node value = state_->Find(key, need);
  if (!value.IsDefined()) return std::string(fallback);
  const std::optional<std::string> text = state_->Scalar(value, key);
  if (!text.has_value()) return std::string(fallback);
  if (std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  AddProblem(LineOfNode(value, line()),
             Concat("\"", key, "\" must be one of ", Join(choices, ", "), ", not \"", *text, "\""));
  return std::string(fallback);
}

std::vector<YamlString> YamlMap::Strings(std::string_view key, Need need) {
  const YAML::Node value = state_->Find(key, need);
  std::vector<YamlString> strings;
  if (!value.IsDefined()) return strings;
  if (!value.IsSequence()) {
    AddProblem(LineOfNode(value, line()),
               Concat("\"", key, "\" must be a list: write [a, b] or one \"- a\" per line"));
    return strings;
  }
  for (const YAML::Node& item : value) {
    std::optional<std::string> text = state_->Scalar(item, key);
    if (!text.has_value()) continue;
    if (text->empty()) {
      AddProblem(LineOfNode(item, line()), Concat("\"", key, "\" must not hold an empty entry"));
      continue;
    }
    strings.push_back({*std::move(text), LineOfNode(item, line())});
  }
  if (need == Need::kRequired && value.size() == 0) {
    AddProblem(LineOfNode(value, line()), Concat("\"", key, "\" must not be empty"));
  }
  return strings;
}

std::vector<YamlMap> YamlMap::Maps(std::string_view key, Need need) {
  const YAML::Node value = state_->Find(key, need);
  std::vector<YamlMap> maps;
  if (!value.IsDefined()) return maps;
  if (!value.IsSequence()) {
    AddProblem(LineOfNode(value, line()),
               Concat("\"", key, "\" must be a list of maps, one \"- key: value\" each"));
    return maps;
  }
  for (const YAML::Node& item : value) {
    if (!item.IsMap()) {
      AddProblem(LineOfNode(item, line()),
                 Concat("each entry of \"", key, "\" must be a map of \"key: value\" lines"));
      continue;
    }
    maps.push_back(YamlMap(state_->Child(item)));
  }
  if (need == Need::kRequired && value.size() == 0) {
    AddProblem(LineOfNode(value, line()), Concat("\"", key, "\" must not be empty"));
  }
  return maps;
}

YamlMap YamlMap::Map(std::string_view key, Need need) {
  const YAML::Node value = state_->Find(key, need);
  if (value.IsDefined() && !value.IsMap()) {
    AddProblem(LineOfNode(value, line()),
               Concat("\"", key, "\" must be a map of \"key: value\" lines"));
  }
  return YamlMap(state_->Child(value));
}

bool YamlMap::present() const {
  return state_->present;
}

bool YamlMap::Has(std::string_view key) const {
  if (!present()) return false;
  for (const auto& entry : state_->node) {
    if (entry.first.IsScalar() && entry.first.Scalar() == key) return true;
  }
  return false;
}

std::vector<YamlString> YamlMap::Keys() const {
  std::vector<YamlString> keys;
  if (!present()) return keys;
  for (const auto& entry : state_->node) {
    if (entry.first.IsScalar()) {
      keys.push_back({entry.first.Scalar(), LineOfNode(entry.first, line())});
    }
  }
  return keys;
}

void YamlMap::Close() {
  if (!present()) return;
  std::set<std::string> seen;
  for (const auto& entry : state_->node) {
    const int at = LineOfNode(entry.first, line());
    if (!entry.first.IsScalar()) {
      AddProblem(at, "a key must be a plain word");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      AddProblem(at, Concat("duplicate key \"", key, "\""));
      continue;
    }
    if (state_->asked.contains(key)) continue;
    std::string_view nearest;
    size_t nearest_distance = 3;  // more than two edits away is another word, not a slip
    for (const std::string& known : state_->asked) {
      const size_t distance = EditDistance(key, known);
      if (distance < nearest_distance && distance < known.size()) {
        nearest = known;
        nearest_distance = distance;
      }
    }
    AddProblem(at, nearest.empty()
                       ? Concat("unknown key \"", key, "\"; known keys here are ",
                                Join(state_->asked, ", "))
                       : Concat("unknown key \"", key, "\"; did you mean \"", nearest, "\"?"));
  }
}

int YamlMap::line() const {
  return state_->line;
}

int YamlMap::LineOf(std::string_view key) const {
  if (present()) {
    for (const auto& entry : state_->node) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) {
        return LineOfNode(entry.first, line());
      }
    }
  }
  return line();
}

void YamlMap::AddProblem(int line, std::string reason) {
  state_->AddProblem(line, std::move(reason));
}

namespace {

// Takes what a document says and keeps nothing.
class Passed final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

// Whether anything follows the first document. YAML::LoadAll() would never end on a text such as a
// comma: it reads an empty document there, again and again.
bool HasSeveralDocuments(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Passed handler;
  return parser.HandleNextDocument(handler) && parser.HandleNextDocument(handler);
}

// The one place where what yaml-cpp throws is caught. An undefined node means a problem was added.
YAML::Node LoadDocument(const std::string& path, const std::string& text,
                        std::vector<Problem>& problems) {
  try {
    if (HasSeveralDocuments(text)) {
      problems.push_back({path, 0, "a file must hold one YAML document; remove the \"---\" lines"});
      return YAML::Node(YAML::NodeType::Undefined);
    }
    const YAML::Node document = YAML::Load(text);
    if (document.IsMap()) return document;
    problems.push_back({path, 0, "the file must be a map of \"key: value\" lines"});
  } catch (const YAML::Exception& error) {
    problems.push_back(
        {path, error.mark.is_null() ? 0 : error.mark.line + 1,
         Concat("not valid YAML: ", error.msg, " (column ", error.mark.column + 1, ")")});
  } catch (const std::exception& error) {
    problems.push_back({path, 0, Concat("cannot be read as YAML: ", error.what())});
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

}  // namespace

YamlFile::YamlFile(std::shared_ptr<YamlMap::State> root) : root_(std::move(root)) {}

YamlFile YamlFile::Read(const std::string& path, std::vector<Problem>& problems) {
  auto root = std::make_shared<YamlMap::State>();
  root->file = path;
  root->problems = &problems;
  root->line = 1;
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  // A directory opens but cannot be read; an empty file reads as nothing, which is no failure.
  if (stream.is_open() && stream.peek() != std::ifstream::traits_type::eof()) {
    content << stream.rdbuf();
  } else if (!stream.is_open() || stream.bad()) {
    problems.push_back({path, 0, "cannot be read; check that the file exists and is readable"});
    return YamlFile(std::move(root));
  }
  const std::string text = std::move(content).str();
  if (text.size() > kYamlFileBytesMax) {
    problems.push_back({path, 0, "larger than 64 MB; split it"});
    return YamlFile(std::move(root));
  }
  const YAML::Node document = LoadDocument(path, text, problems);
  if (document.IsDefined()) {
    root->node = document;
    root->present = true;
    root->line = LineOfNode(document, 1);
  }
  return YamlFile(std::move(root));
}

YamlMap YamlFile::root() const {
  return YamlMap(root_);
}

}  // namespace weir::rules
