// The project's house rules: who may include whom, what is banned and what to use instead, how long
// things may get. To change a house rule, change its row in tidy_rules.cc.
//
// Every rule is a pure function over one file's text, and answers what is wrong in sentences that
// begin with "path:line: "; none where nothing is. tidy_test.cc has a planted fault for each.
#pragma once

#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct File {
  std::string path;  // from the source root, "rules/scanner.cc"
  std::string text;
  bool executable = false;
};

using Faults = std::vector<std::string>;

inline constexpr std::string_view kModules[] = {"rules", "policy", "audit", "gateway"};

inline constexpr int kLineCharactersMax = 100;
inline constexpr int kFileLinesMax = 800;
inline constexpr int kFunctionLinesMax = 72;

// Libraries that one part of the product alone may know.
struct Fence {
  std::string_view header;   // prefix of what stands between < and >
  std::string_view allowed;  // path prefixes, separated by spaces
  std::string_view instead;
};
std::span<const Fence> Fences();

// Text that may not stand in code (comments and string literals are not looked at).
struct Ban {
  std::string_view pattern;  // RE2
  std::string_view allowed;  // path prefixes where it may stand, separated by spaces
  std::string_view instead;
  std::string_view fault;     // a line that must be found
  std::string_view innocent;  // a line that must not
};
std::span<const Ban> Bans();

Faults CheckIncludes(const File& file);
Faults CheckBans(const File& file);
// `new` is for private constructors and for statics that are never destroyed.
Faults CheckNew(const File& file);
// RE2::Set::Match answers false when it runs out of memory: a filter that fails open.
Faults CheckSetMatch(const File& file);
Faults CheckComments(const File& file);
Faults CheckHeader(const File& file);
Faults CheckShape(const File& file);
// As clang-format leaves it, a function at namespace level ends with "}" in the first column.
Faults CheckFunctionLength(const File& file);
Faults CheckNames(const File& file);
// The repository runs anywhere: it names no package host, no path of one machine.
Faults CheckHosts(const File& file);
Faults CheckScript(const File& file);
// Every rule of a pack says itself what it must hit and what it must miss.
Faults CheckPack(const File& file);
// All of them that are for such a file.
Faults CheckFile(const File& file);

// Whether `path` begins with one of `prefixes`, which are separated by spaces.
bool StartsWithAny(std::string_view path, std::string_view prefixes);

// Debian's Abseil has a string_view of its own that std::string_view does not turn into, so the
// rules read and join text with the standard library alone.
template <class... Parts>
std::string Cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}
std::string Join(const std::vector<std::string>& parts, std::string_view between);

}  // namespace weir
