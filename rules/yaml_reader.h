// Strict reading of YAML files that people edit: packs, profiles, the configuration.
//
// yaml-cpp accepts duplicate keys, forgets which scalars were quoted and throws. This reader wraps
// it at one seam: nothing thrown escapes, every problem is collected with file and line, reading
// goes on after a problem so that an author sees all of them at once, and any key that nobody asked
// for is a problem when the map is closed.
//
//   YamlFile file = YamlFile::Read("packs/gambling.yaml", problems);
//   YamlMap root = file.root();
//   std::string name = root.String("pack", kRequired);
//   for (YamlMap rule : root.Maps("rules", kRequired)) { ... rule.Close(); }
//   root.Close();                                     // unknown keys are reported here
//
// Not thread-safe; a reader and what it hands out share `problems`, which must outlive them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace YAML {
class Node;
}

namespace weir::rules {

enum class Need : uint8_t { kOptional, kRequired };

struct YamlString {
  std::string value;
  int line = 0;
};

class YamlMap {
 public:
  // Scalars. A missing required key, or a value of another type, is a problem; the default comes
  // back. Units belong to the key's name, so `Duration` and the like do not exist.
  std::string String(std::string_view key, Need need, std::string_view fallback = "");
  int64_t Integer(std::string_view key, Need need, int64_t min, int64_t max, int64_t fallback = 0);
  bool Bool(std::string_view key, Need need, bool fallback = false);
  // One of `choices`; the problem lists them.
  std::string Choice(std::string_view key, Need need, const std::vector<std::string_view>& choices,
                     std::string_view fallback = "");
  // A list of strings. A single scalar is not a list.
  std::vector<YamlString> Strings(std::string_view key, Need need);
  std::vector<YamlMap> Maps(std::string_view key, Need need);
  // A nested map; absent optional maps come back empty, with present() false.
  YamlMap Map(std::string_view key, Need need);

  bool present() const;
  bool Has(std::string_view key) const;
  // The keys in file order, for maps whose keys are data.
  std::vector<YamlString> Keys() const;
  // Reports every key nobody asked for, with the nearest known key as a suggestion.
  void Close();

  int line() const;
  int LineOf(std::string_view key) const;
  void AddProblem(int line, std::string reason);

 private:
  friend class YamlFile;
  struct State;
  explicit YamlMap(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class YamlFile {
 public:
  // A file that cannot be read or parsed is one problem, and root() is then absent.
  static YamlFile Read(const std::string& path, std::vector<Problem>& problems);

  YamlMap root() const;

 private:
  explicit YamlFile(std::shared_ptr<YamlMap::State> root);
  std::shared_ptr<YamlMap::State> root_;
};

}  // namespace weir::rules
