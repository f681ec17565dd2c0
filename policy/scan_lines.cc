// `weir scan`: JSON lines in, JSON lines out. Read -> Scan -> Judge -> Write, a line at a time, so
// that a file of any size takes the memory of its longest line.
#include <algorithm>
#include <istream>
#include <memory>
#include <ostream>
#include <string_view>
#include <tuple>

#include <simdjson.h>

#include "policy/authoring.h"
#include "policy/bundle.h"
#include "policy/json_text.h"
#include "policy/judge.h"
#include "rules/status_macros.h"

namespace weir::policy {
namespace {

using simdjson::dom::element;

constexpr size_t kOutputBytes = size_t{1} << 16;
constexpr size_t kBadLinesShown = 20;

struct Line {
  std::string id;  // as JSON
  std::string_view text;
};

absl::Status Bad(const char* reason) {
  return absl::InvalidArgumentError(reason);
}

absl::Status ParseError(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return Bad("it is not valid UTF-8: convert the file to UTF-8");
    case simdjson::STRING_ERROR:
      return Bad("a string holds a lone surrogate or an unknown escape: write valid JSON strings");
    case simdjson::UNESCAPED_CHARS:
      return Bad("a string holds a control character that is not escaped: escape it");
    case simdjson::DEPTH_ERROR:
      return Bad("its objects or arrays are nested too deeply");
    default:
      return Bad("it is not a JSON object: write one object with \"id\" and \"text\" a line");
  }
}

absl::StatusOr<std::string> IdOf(const element& value) {
  std::string id;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    AppendJsonString(text, id);
  } else if (int64_t number = 0; value.get(number) == simdjson::SUCCESS) {
    id = std::to_string(number);
  } else if (uint64_t large = 0; value.get(large) == simdjson::SUCCESS) {
    id = std::to_string(large);
  } else {
    return Bad("\"id\" is neither a string nor a whole number");
  }
  return id;
}

// The result's text lives in `parser`, until its next use.
absl::StatusOr<Line> ParseLine(simdjson::dom::parser& parser, const std::string& json) {
  element root;
  if (const auto error = parser.parse(json).get(root); error) return ParseError(error);
  simdjson::dom::object object;
  if (root.get(object)) return ParseError(simdjson::INCORRECT_TYPE);
  Line line;
  int ids = 0;
  int texts = 0;
  for (const auto& [key, value] : object) {
    if (key == "id") {
      ++ids;
      WEIR_ASSIGN_OR_RETURN(line.id, IdOf(value));
    } else if (key == "text") {
      ++texts;
      if (value.get(line.text)) return Bad("\"text\" is not a string");
    }
  }
  if (ids != 1) return Bad(ids == 0 ? "\"id\" is missing" : "\"id\" is there twice");
  if (texts != 1) return Bad(texts == 0 ? "\"text\" is missing" : "\"text\" is there twice");
  return line;
}

absl::Status ScanText(const ScanOptions& options, const rules::RuleSet& rule_set,
                      std::string_view text, std::vector<rules::Finding>& findings) {
  findings.clear();
  if (options.chunk_bytes == 0) {
    WEIR_RETURN_IF_ERROR(rules::Scan(rule_set, options.direction, text, findings));
  } else {
    rules::StreamScan scan(rule_set, options.direction);
    for (size_t at = 0; at < text.size(); at += options.chunk_bytes) {
      WEIR_RETURN_IF_ERROR(scan.Feed(text.substr(at, options.chunk_bytes), findings));
    }
    WEIR_RETURN_IF_ERROR(scan.Finish(findings));
  }
  std::sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) {
    return std::tie(a.start, a.end, a.rule) < std::tie(b.start, b.end, b.rule);
  });
  return absl::OkStatus();
}

void AppendFinding(const rules::RuleSet& rule_set, const rules::Finding& finding,
                   std::string& out) {
  const rules::Rule& rule = rule_set.rule(finding.rule);
  out += "{\"rule\":";
  AppendJsonString(rule.id, out);
  out += ",\"category\":";
  AppendJsonString(rule.category, out);
  out += ",\"severity\":\"";
  out += rules::Name(rule.severity);
  out += "\",\"start\":" + std::to_string(finding.start);
  out += ",\"end\":" + std::to_string(finding.end);
  out += ",\"lane\":\"";
  out += rules::Name(finding.lane);
  out += "\"}";
}

// Scans, judges and writes one line after the other.
class LineScan {
 public:
  LineScan(const ScanOptions& options, const Bundle& bundle, const Profile& profile)
      : options_(options), bundle_(bundle) {
    subject_.profile = &profile;
  }

  absl::Status Take(const std::string& json, std::string& out) {
    WEIR_ASSIGN_OR_RETURN(const Line line, ParseLine(parser_, json));
    const rules::RuleSet& rule_set = bundle_.rule_set();
    WEIR_RETURN_IF_ERROR(ScanText(options_, rule_set, line.text, findings_));
    Judge judge(bundle_, subject_, options_.direction);
    const std::vector<Edit> edits = judge.JudgeFindings("", line.text, findings_);
    out += "{\"id\":" + line.id + ",\"action\":\"";
    out += Name(judge.verdict().action);
    out += "\",\"text\":";
    AppendJsonString(edits.empty() ? line.text : ApplyEdits(line.text, edits), out);
    out += ",\"findings\":[";
    for (const rules::Finding& finding : findings_) {
      if (out.back() != '[') out += ',';
      AppendFinding(rule_set, finding, out);
    }
    out += "]}\n";
    return absl::OkStatus();
  }

 private:
  const ScanOptions& options_;
  const Bundle& bundle_;
  Subject subject_;
  simdjson::dom::parser parser_;
  std::vector<rules::Finding> findings_;
};

const Profile* ChooseProfile(const ScanOptions& options, const Bundle& bundle, std::ostream& err) {
  if (options.profile.empty() && bundle.profiles().size() == 1) return &bundle.profiles().front();
  if (const Profile* profile = bundle.FindProfile(options.profile)) return profile;
  std::string known;
  for (const Profile& profile : bundle.profiles()) {
    known += (known.empty() ? "" : ", ") + profile.id;
  }
  if (options.profile.empty()) {
    err << "weir: there is more than one profile: choose one of " << known << '\n';
  } else {
    err << "weir: there is no profile \"" << options.profile << "\": choose one of " << known
        << '\n';
  }
  return nullptr;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

bool Flush(std::string& output, std::ostream& out) {
  out << output;
  output.clear();
  return out.good();
}

}  // namespace

int ScanLines(const ScanOptions& options, std::istream& in, std::ostream& out, std::ostream& err) {
  std::vector<rules::Problem> problems;
  BundleSources sources;
  sources.pack_paths = options.pack_paths;
  sources.profile_paths = options.profile_paths;
  const std::shared_ptr<const Bundle> bundle = Bundle::Load(sources, problems);
  for (const rules::Problem& problem : problems) err << problem.ToString() << '\n';
  if (bundle == nullptr) return 2;
  const Profile* profile = ChooseProfile(options, *bundle, err);
  if (profile == nullptr) return 2;

  LineScan scan(options, *bundle, *profile);
  std::string line;
  std::string output;
  size_t number = 0;
  size_t bad = 0;
  while (std::getline(in, line)) {
    ++number;
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (IsBlank(line)) continue;
    const absl::Status taken = scan.Take(line, output);
    if (!taken.ok() && ++bad <= kBadLinesShown) {
      err << "weir: line " << number << ": " << taken.message() << '\n';
    }
    if (output.size() >= kOutputBytes && !Flush(output, out)) break;
  }
  const bool written = Flush(output, out) && out.flush().good();
  if (in.bad()) err << "weir: the input could not be read to its end: check the file\n";
  if (!written) err << "weir: the output could not be written: check the disk or the pipe\n";
  if (bad > kBadLinesShown) err << "weir: and " << bad - kBadLinesShown << " more bad lines\n";
  return bad == 0 && written && !in.bad() ? 0 : 2;
}

}  // namespace weir::policy
