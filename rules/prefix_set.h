// A set of strings and all that they begin with, followed one character at a time.
//
// Prefixes are kept as hashes: of two with one hash one may be taken for the other, so what a
// caller finds it must compare in full. Building takes time in proportion to the strings.
//
// Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "rules/lane_text.h"

namespace weir::rules {

class PrefixSet {
 public:
  // The beginning of some string, or all of it.
  struct Prefix {
    uint32_t first = 0;  // the strings of which it is a proper prefix are [first, last)
    uint32_t last = 0;
    uint32_t literal = kNoLiteral;  // the string that it is itself
    uint32_t number = 0;            // from 0, for what a caller knows of each prefix
  };
  static constexpr uint32_t kNoLiteral = 0xFFFFFFFF;

  // A string being followed one character at a time, to the right or to the left:
  // H(c1 c2 ...) = Mix(c1) + kBase * H(c2 ...).
  class Path {
   public:
    Path() = default;  // of nothing
    Path Then(char32_t c) const { return {hash_ + Mix(c) * power_, power_ * kBase}; }
    Path Behind(char32_t c) const { return {hash_ * kBase + Mix(c), power_ * kBase}; }

   private:
    friend class PrefixSet;
    Path(uint64_t hash, uint64_t power) : hash_(hash), power_(power) {}
    uint64_t hash_ = 0;
    uint64_t power_ = 1;
  };

  PrefixSet() = default;
  PrefixSet(PrefixSet&&) noexcept = default;
  PrefixSet& operator=(PrefixSet&&) noexcept = default;

  // `literals` are UTF-8, not empty, sorted and distinct; their places are their numbers.
  static PrefixSet Build(const std::vector<std::string_view>& literals);

  bool empty() const { return prefixes_.empty(); }
  size_t literal_count() const { return ends_.empty() ? 0 : ends_.size() - 1; }
  std::string_view literal(uint32_t number) const {
    return std::string_view(bytes_).substr(ends_[number], ends_[number + 1] - ends_[number]);
  }
  // Makes literal() quick, some time later.
  void Prefetch(uint32_t number) const { __builtin_prefetch(&ends_[number]); }
  size_t prefix_count() const { return prefixes_.size(); }
  // Of the longest string.
  size_t characters_max() const { return characters_max_; }

  // Null when no string begins so.
  const Prefix* Find(const Path& path) const {
    const auto found = prefixes_.find(path.hash_);
    return found == prefixes_.end() ? nullptr : &found->second;
  }

  size_t memory_bytes() const;

 private:
  static constexpr uint64_t kBase = 0x9E3779B97F4A7C15U;
  static uint64_t Mix(char32_t c) {
    uint64_t x = c + 0x632BE59BD9B4E019U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
  }

  void AddPrefixes(uint32_t number);

  std::string bytes_;           // the strings
  std::vector<uint32_t> ends_;  // in bytes_: of string i - 1, which is where string i begins
  absl::flat_hash_map<uint64_t, Prefix> prefixes_;
  size_t characters_max_ = 0;
};

}  // namespace weir::rules
