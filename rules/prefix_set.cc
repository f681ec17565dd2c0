#include "rules/prefix_set.h"

#include <algorithm>
#include <utility>

namespace weir::rules {

PrefixSet PrefixSet::Build(const std::vector<std::string_view>& literals) {
  PrefixSet set;
  set.ends_.push_back(0);
  for (const std::string_view literal : literals) {
    set.bytes_ += literal;
    set.ends_.push_back(static_cast<uint32_t>(set.bytes_.size()));
  }
  for (uint32_t i = 0; i < literals.size(); ++i) set.AddPrefixes(i);
  return set;
}

void PrefixSet::AddPrefixes(uint32_t number) {
  const std::string_view whole = literal(number);
  Path path;
  size_t characters = 0;
  for (size_t at = 0; at < whole.size(); ++characters) {
    const Decoded decoded = DecodeAt(whole, at);
    at += decoded.length;
    path = path.Then(decoded.c);
    const auto [place, is_new] = prefixes_.try_emplace(path.hash_);
    Prefix& prefix = place->second;
    if (is_new) prefix.number = static_cast<uint32_t>(prefixes_.size() - 1);
    if (at == whole.size()) {
      prefix.literal = number;
    } else {
      if (prefix.last == 0) prefix.first = number;
      prefix.last = number + 1;
    }
  }
  characters_max_ = std::max(characters_max_, characters);
}

size_t PrefixSet::memory_bytes() const {
  return bytes_.capacity() + ends_.capacity() * sizeof(uint32_t) +
         prefixes_.capacity() * (sizeof(std::pair<uint64_t, Prefix>) + 1);
}

}  // namespace weir::rules
