#include "tests/tidy_rules.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <memory>

#include <re2/re2.h>

namespace weir {
namespace {

// Who may include whom. An edge that is not here does not exist.
const std::map<std::string, std::vector<std::string>, std::less<>>& MayInclude() {
  static const auto* const kEdges =
      new std::map<std::string, std::vector<std::string>, std::less<>>{
          {"rules", {"rules/"}},
          {"audit", {"audit/"}},
          {"policy", {"policy/", "rules/"}},
          {"gateway",
           {"gateway/", "policy/", "audit/", "rules/status_macros.h", "rules/check.h",
            "rules/yaml_reader.h", "rules/rule.h"}},
      };
  return *kEdges;
}

constexpr Fence kFences[] = {
    {"boost/", "gateway/ audit/witness_server.cc tests/",
     "only gateway/ and a regulator's witness know the network"},
    {"hs.h", "rules/ tests/", "scan with rules/scanner.h"},
    {"hs/", "rules/ tests/", "scan with rules/scanner.h"},
    {"sqlite3.h", "audit/ tests/", "append with audit/ledger.h, read with audit/reader.h"},
    {"yaml-cpp/", "rules/yaml_reader.cc", "read YAML with rules/yaml_reader.h"},
    {"boost/beast.hpp", "", "include the one Beast header that is needed"},
    {"boost/asio.hpp", "", "include the one Asio header that is needed"},
    {"regex>", "", "use RE2: std::regex backtracks and overflows the stack"},
    {"iostream", "gateway/main.cc audit/verify_main.cc rules/tables/ tests/",
     "take a std::ostream& (<iosfwd>): only the program's main file prints"},
    {"cassert", "", "use WEIR_CHECK (rules/check.h), which holds in release builds too"},
    {"assert.h", "", "use WEIR_CHECK (rules/check.h), which holds in release builds too"},
};

constexpr Ban kBans[] = {
    {R"(\bstd::w?regex\b)", "", "RE2", "std::regex r;", "RE2 r(a);"},
    {R"(\bstd::(cout|cerr|clog)\b|\b(std::)?(f?printf|f?puts|putchar|perror)\s*\()",
     "gateway/main.cc audit/verify_main.cc rules/check.h rules/tables/ tests/",
     "a Status, a std::ostream& parameter or gateway's log: libraries never print",
     "std::cerr << 1;", "std::snprintf(buffer, 4, x);"},
    {R"(\b(u|nano)?sleep\s*\(|\bsleep_(for|until)\b)", "",
     "an injected clock, a deadline, or a condition to wait for", "std::this_thread::sleep_for(x);",
     "timer.expires_after(x);"},
    {R"(\b(ato[ilf]|atoll|strto(l|ll|ul|ull|d|f)|sto(i|l|ll|ul|ull|d|f)|sscanf)\s*\()", "tests/",
     "absl::SimpleAtoi or absl::SimpleAtod, and handle false", "int n = std::stoi(s);",
     "absl::SimpleAtoi(s, &n);"},
    {R"(\bs?rand\s*\()", "", "RAND_bytes for identifiers; in tests std::mt19937_64, seed printed",
     "std::srand(1);", "RAND_bytes(p, 16);"},
    {R"(\bstd::random_device\b)", "tests/", "RAND_bytes for identifiers", "std::random_device d;",
     "std::mt19937_64 random(seed);"},
    {R"(\busing\s+namespace\s+(std|absl|boost|weir|testing)\b(::[a-z]+)*\s*;)", "",
     "using-declarations of the names that are used", "using namespace std;",
     "using namespace std::chrono_literals;"},
    {R"(\bthrow\b)", "", "absl::Status: our code never throws", "throw 1;", "int thrown;"},
    {R"(\bcatch\s*\()", "rules/yaml_reader.cc gateway/command_line.cc gateway/server.cc tests/",
     "absl::Status; what a library throws is caught at its one seam", "} catch (...) {",
     "catcher(x);"},
    {R"(\bdelete\b\s*(\[\s*\])?\s*[A-Za-z_(*])", "tests/policy/allocations.cc",
     "std::unique_ptr, with a named deleter for what C hands out", "delete thing;",
     "Thing(const Thing&) = delete;"},
    {R"((^|[^_A-Za-z0-9.>])(std::)?(free|malloc|realloc)\s*\()", "tests/policy/allocations.cc",
     "std::vector, std::string, or std::unique_ptr with a named deleter", "free(p);",
     "pool.free(p);"},
    {R"((\.|->)detach\s*\()", "", "a std::thread that is kept and joined", "t.detach();",
     "t.join();"},
    {R"(\b(gmtime|localtime|mktime|strftime|ctime|asctime)(_r)?\s*\()", "",
     "absl::FormatTime with an absl::TimeZone", "gmtime_r(&t, &tm);", "absl::FormatTime(t);"},
    {R"((^|[^_A-Za-z0-9])assert\s*\()", "",
     "WEIR_CHECK (rules/check.h), which holds in release builds too", "assert(x);",
     "static_assert(x);"},
    {R"(\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\()", "", "absl::StrCat",
     "strcpy(a, b);", "std::snprintf(b, 4, c);"},
    {R"((^|[^_A-Za-z0-9.:>])(std::)?(system|popen)\s*\()", "tests/",
     "a function call: the product starts no other program", "system(x);",
     "std::error_code e(errno, std::system_category());"},
    {R"(\bvolatile\b)", "tests/", "std::atomic", "volatile int x;", "std::atomic<int> x;"},
    {R"(\bstd::endl\b)", "", "a plain line break", "out << std::endl;", "out << std::flush;"},
    {R"(\bstd::(auto_ptr|bind)\b)", "", "std::unique_ptr, or a lambda", "std::bind(f, 1);",
     "bind(f);"},
    {R"(^\s*#\s*if\s+0\b)", "", "nothing: code that is not wanted is deleted", "#if 0",
     "#if 01 > 1"},
    {R"(\bNULL\b)", "", "nullptr", "p = NULL;", "p = nullptr;"},
    {R"(\bgoto\b)", "", "a function that returns early", "goto fail;", "go_to(x);"},
    {R"(\blong long\b|\bunsigned long\b)", "rules/ tests/", "int64_t, uint64_t or size_t",
     "unsigned long n;", "uint64_t n;"},
    {R"((^|[^_A-Za-z0-9.>])(std::)?_?exit\s*\()", "gateway/main.cc rules/tables/ tests/",
     "a Status, or WEIR_CHECK", "exit(1);", "code.exit(x);"},
};

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix);
}
bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix);
}
bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
std::string_view Strip(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}
std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}
// A file taken apart: the same bytes with everything else blanked out, line breaks kept.
struct Views {
  std::string code;      // without comments and without what stands in quotes
  std::string comments;  // comments alone
};

Views TakeApart(std::string_view text) {
  Views views{std::string(text), std::string(text)};
  enum class In { kCode, kLine, kBlock, kQuote } in = In::kCode;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (in == In::kCode && c == '/' && next == '/') in = In::kLine;
    if (in == In::kCode && c == '/' && next == '*') in = In::kBlock;
    if (in == In::kLine && c == '\n') in = In::kCode;
    const bool in_comment = in == In::kLine || in == In::kBlock;
    if (c != '\n') {
      if (in_comment || in == In::kQuote) views.code[i] = ' ';
      if (!in_comment) views.comments[i] = ' ';
    }
    if (in == In::kBlock && c == '*' && next == '/') {
      views.code[i + 1] = ' ';
      in = In::kCode;
      ++i;
    } else if (in == In::kQuote && c == '\\') {
      if (next != '\n') views.code[i + 1] = ' ';
      if (i + 1 < text.size()) views.comments[i + 1] = next == '\n' ? '\n' : ' ';
      ++i;
    } else if (in == In::kQuote && (c == quote || c == '\n')) {
      if (c != '\n') views.code[i] = c;
      in = In::kCode;
    } else if (in == In::kCode && c == '"' && i > 0 && text[i - 1] == 'R') {
      const size_t open = text.find('(', i);
      if (open == std::string_view::npos) continue;
      const std::string close = Cat(")", text.substr(i + 1, open - i - 1), "\"");
      const size_t end = std::min(text.find(close, open), text.size() - close.size());
      for (size_t k = i + 1; k < end + close.size() - 1; ++k) {
        if (text[k] != '\n') views.code[k] = views.comments[k] = ' ';
      }
      views.comments[i] = ' ';
      i = end + close.size() - 1;
      views.comments[i] = ' ';
    } else if (in == In::kCode && (c == '"' || c == '\'')) {
      const bool digit_separator =
          c == '\'' && i > 0 && std::isxdigit(static_cast<unsigned char>(text[i - 1])) != 0;
      if (!digit_separator) {
        in = In::kQuote;
        quote = c;
      }
    }
  }
  return views;
}

bool IsCpp(std::string_view path) {
  return EndsWith(path, ".cc") || EndsWith(path, ".h") || EndsWith(path, ".c");
}

std::string_view TopFolder(std::string_view path) {
  return path.substr(0, path.find('/'));
}

bool InModule(std::string_view path) {
  return std::find(std::begin(kModules), std::end(kModules), TopFolder(path)) != std::end(kModules);
}

size_t Characters(std::string_view line) {
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string Fault(const File& file, size_t line, std::string_view what) {
  return Cat(file.path, ":", line, ": ", what);
}

}  // namespace

std::span<const Fence> Fences() {
  return kFences;
}

std::span<const Ban> Bans() {
  return kBans;
}

bool StartsWithAny(std::string_view path, std::string_view prefixes) {
  std::istringstream words{std::string(prefixes)};
  for (std::string prefix; words >> prefix;) {
    if (StartsWith(path, prefix)) return true;
  }
  return false;
}

std::string Join(const std::vector<std::string>& parts, std::string_view between) {
  std::string joined;
  for (const std::string& part : parts) joined += Cat(joined.empty() ? "" : between, part);
  return joined;
}

Faults CheckIncludes(const File& file) {
  Faults faults;
  static const RE2 kOurs(R"(^\s*#\s*include\s+"([^"]+)\")");
  static const RE2 kTheirs(R"(^\s*#\s*include\s+<([^>]+>))");
  const auto edges = MayInclude().find(TopFolder(file.path));
  size_t number = 0;
  for (const std::string& line : Lines(file.text)) {
    ++number;
    std::string header;
    if (edges != MayInclude().end() && RE2::PartialMatch(line, kOurs, &header)) {
      const auto& allowed = edges->second;
      const bool generated = EndsWith(header, ".inc");
      if (!generated &&
          std::none_of(allowed.begin(), allowed.end(),
                       [&](const std::string& prefix) { return StartsWith(header, prefix); })) {
        faults.push_back(Fault(file, number,
                               Cat(edges->first, "/ may not include ", header, "; it may include ",
                                   Join(allowed, ", "))));
      }
      if (header == "rules/status_macros.h" && EndsWith(file.path, ".h")) {
        faults.push_back(Fault(file, number, "macros leak through headers; include it in the .cc"));
      }
    }
    if (RE2::PartialMatch(line, kTheirs, &header)) {
      for (const Fence& fence : kFences) {
        if (StartsWith(header, fence.header) && !StartsWithAny(file.path, fence.allowed) &&
            (InModule(file.path) || fence.allowed.empty())) {
          faults.push_back(
              Fault(file, number, Cat("<", header, " is not for this file; ", fence.instead)));
        }
      }
    }
  }
  return faults;
}

Faults CheckBans(const File& file) {
  Faults faults;
  const Views views = TakeApart(file.text);
  const std::vector<std::string> lines = Lines(views.code);
  static const auto* const kCompiled = [] {
    auto* compiled = new std::vector<std::unique_ptr<RE2>>;
    for (const Ban& ban : kBans) compiled->push_back(std::make_unique<RE2>(ban.pattern));
    return compiled;
  }();
  for (size_t i = 0; i < std::size(kBans); ++i) {
    if (StartsWithAny(file.path, kBans[i].allowed)) continue;
    for (size_t line = 0; line < lines.size(); ++line) {
      if (!RE2::PartialMatch(lines[line], *(*kCompiled)[i])) continue;
      faults.push_back(Fault(
          file, line + 1, Cat("\"", Strip(lines[line]), "\" is banned; use ", kBans[i].instead)));
    }
  }
  return faults;
}

Faults CheckNew(const File& file) {
  Faults faults;
  static const RE2 kNew(R"((^|[^_A-Za-z0-9])new\s+[A-Za-z_(:])");
  static const RE2 kOwned(R"(_ptr<.*>|WrapUnique|\bstatic\b|Ptr\b)");
  const std::vector<std::string> lines = Lines(TakeApart(file.text).code);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!RE2::PartialMatch(lines[i], kNew)) continue;
    const std::string before = Cat(i > 1 ? lines[i - 2] : "", i > 0 ? lines[i - 1] : "");
    if (RE2::PartialMatch(Cat(before, lines[i]), kOwned)) continue;
    faults.push_back(Fault(file, i + 1, "a raw new; use std::make_unique"));
  }
  return faults;
}

Faults CheckSetMatch(const File& file) {
  Faults faults;
  if (!Contains(file.text, "re2/set.h") && !Contains(file.text, "RE2::Set")) {
    return faults;
  }
  static const RE2 kTwoArguments(R"((\.|->)Match\([^(),]*,[^(),]*\))");
  const std::vector<std::string> lines = Lines(TakeApart(file.text).code);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (RE2::PartialMatch(lines[i], kTwoArguments)) {
      faults.push_back(Fault(file, i + 1,
                             "RE2::Set::Match without ErrorInfo takes \"out of memory\" for \"no "
                             "match\"; pass an ErrorInfo and look at its kind"));
    }
  }
  return faults;
}

Faults CheckComments(const File& file) {
  Faults faults;
  static const RE2 kOpenTask(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  static const RE2 kNamedTask(R"(\bTODO\(#\d+\))");
  static const RE2 kBanner(R"(^\s*//\s*[-=*#~/]{6,}|[-=*#~/]{8,}\s*$)");
  const std::vector<std::string> lines = Lines(TakeApart(file.text).comments);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (RE2::PartialMatch(lines[i], kOpenTask) && !RE2::PartialMatch(lines[i], kNamedTask)) {
      faults.push_back(Fault(file, i + 1, "an open task without an issue; write TODO(#123): ..."));
    }
    if (RE2::PartialMatch(lines[i], kBanner)) {
      faults.push_back(Fault(file, i + 1, "a banner; a sentence that says why is enough"));
    }
  }
  return faults;
}

Faults CheckHeader(const File& file) {
  Faults faults;
  if (!EndsWith(file.path, ".h")) return faults;
  if (!StartsWith(file.text, "// ")) {
    faults.push_back(Fault(file, 1,
                           "a header starts with a comment: what it guarantees, how it fails, "
                           "threads"));
  }
  if (!Contains(file.text, "\n#pragma once\n")) {
    faults.push_back(Fault(file, 1, "no #pragma once"));
  }
  return faults;
}

Faults CheckShape(const File& file) {
  Faults faults;
  const std::vector<std::string> lines = Lines(file.text);
  if (!file.text.empty() && file.text.back() != '\n') {
    faults.push_back(Fault(file, lines.size(), "the last line has no line break"));
  }
  if (lines.size() > kFileLinesMax) {
    faults.push_back(
        Fault(file, lines.size(),
              Cat("longer than ", kFileLinesMax, " lines; find the second thing that it does")));
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    if (Characters(lines[i]) > kLineCharactersMax && !Contains(lines[i], "R\"")) {
      faults.push_back(Fault(file, i + 1, Cat("longer than ", kLineCharactersMax)));
    }
    if (EndsWith(lines[i], " ") || Contains(lines[i], "\t") || Contains(lines[i], "\r")) {
      faults.push_back(Fault(file, i + 1, "trailing space, tab or CR"));
    }
  }
  return faults;
}

Faults CheckFunctionLength(const File& file) {
  Faults faults;
  static const RE2 kNotAFunction(R"(^(namespace|class|struct|enum|union|template)\b)");
  const std::vector<std::string> lines = Lines(TakeApart(file.text).code);
  const std::vector<std::string> raw = Lines(file.text);
  size_t begin = 0;
  bool candidate = false;  // `begin` is where a function's head may begin
  bool open = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.empty()) continue;
    if (!open && line[0] != ' ' && line[0] != '}' && line[0] != '#') {
      candidate = !RE2::PartialMatch(line, kNotAFunction);
      begin = i;
    }
    open = open || (candidate && EndsWith(Strip(line), ") {"));
    if (!open || line[0] != '}') continue;
    const size_t length = i - begin + 1;
    const bool driver =
        begin > 0 && Contains(raw[begin - 1], "NOLINTNEXTLINE(readability-function-size)");
    if (length > kFunctionLinesMax && !driver) {
      faults.push_back(Fault(file, begin + 1,
                             Cat("a function of ", length, " lines; at most ", kFunctionLinesMax,
                                 " (NOLINTNEXTLINE(readability-function-size) is for straight-line "
                                 "drivers)")));
    }
    open = candidate = false;
  }
  return faults;
}

Faults CheckNames(const File& file) {
  Faults faults;
  static const RE2 kVague(R"((^|[/_.-])(utils?|common|core|helpers?|managers?|misc)([/_.-]|$))");
  std::string found;
  if (RE2::PartialMatch(file.path, kVague)) {
    faults.push_back(Fault(file, 1, "the name says nothing; name it for what it does"));
  }
  return faults;
}

Faults CheckHosts(const File& file) {
  Faults faults;
  static const RE2 kHosts(
      R"((?i)npmjs\.(org|com)|npmmirror\.|\bdeb\.debian\.org|\bpypi\.org|\bghcr\.io|\bgcr\.io|)"
      R"(\bquay\.io|\bdocker\.io|\bproxy\.golang\.org|nodesource\.|"resolved"\s*:|/work/[a-z.])");
  if (StartsWith(file.path, "tests/tidy_")) return faults;
  size_t number = 0;
  for (const std::string& line : Lines(file.text)) {
    ++number;
    if (RE2::PartialMatch(line, kHosts)) {
      faults.push_back(Fault(file, number,
                             "names a package host or a machine's path; use the ordinary clients "
                             "as they are configured, and paths from the repository's root"));
    }
  }
  return faults;
}

Faults CheckScript(const File& file) {
  Faults faults;
  if (StartsWith(file.text, "#!") && !file.executable) {
    faults.push_back(Fault(file, 1, "a script that cannot be run; chmod +x it"));
  }
  if (StartsWith(file.text, "#!/bin/bash") && !Contains(file.text, "\nset -")) {
    faults.push_back(Fault(file, 1, "a script that goes on after an error; set -euo pipefail"));
  }
  return faults;
}

Faults CheckPack(const File& file) {
  Faults faults;
  static const RE2 kId(R"(^\s*- id:\s*(\S+))");
  if (!StartsWith(file.path, "rules/packs/") || !EndsWith(file.path, ".yaml")) {
    return faults;
  }
  std::string rule;
  size_t rule_line = 0;
  bool hit = false;
  bool miss = false;
  const auto close = [&] {
    if (!rule.empty() && !(hit && miss)) {
      faults.push_back(
          Fault(file, rule_line, Cat(rule, " needs at least one hit and one miss test")));
    }
    hit = miss = false;
  };
  size_t number = 0;
  for (const std::string& line : Lines(file.text)) {
    ++number;
    std::string id;
    if (RE2::PartialMatch(line, kId, &id)) {
      close();
      rule = id;
      rule_line = number;
    }
    const std::string_view stripped = Strip(line);
    hit = hit || StartsWith(stripped, "hit:");
    miss = miss || StartsWith(stripped, "miss:");
  }
  close();
  return faults;
}

Faults CheckFile(const File& file) {
  Faults all;
  std::vector<Faults (*)(const File&)> checks = {CheckNames, CheckHosts, CheckScript, CheckPack};
  if (IsCpp(file.path)) {
    checks.insert(checks.end(), {CheckIncludes, CheckBans, CheckNew, CheckSetMatch, CheckComments,
                                 CheckHeader, CheckShape, CheckFunctionLength});
  }
  for (const auto check : checks) {
    const Faults faults = check(file);
    all.insert(all.end(), faults.begin(), faults.end());
  }
  return all;
}

}  // namespace weir
