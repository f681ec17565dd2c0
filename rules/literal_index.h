// A set of strings, found in a lane's text with one look, and the suffixes of a text that could
// still become one of them.
//
// The scan asks bit tables about each two and three neighbouring characters whether some string
// begins so (form_filter.h); where one does, the prefixes are followed from there. Its speed hardly
// depends on the number of strings, and building takes time in proportion to it. (README.md,
// Decisions, says why this is not Hyperscan's literal matcher.) A string that is found is compared
// in full; of two prefixes one may be taken for the other (prefix_set.h).
//
// Knows nothing of rules, lanes or originals. Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rules/form_filter.h"
#include "rules/lane_text.h"
#include "rules/prefix_set.h"

namespace weir::rules {

class LiteralIndex {
 public:
  // A place in the text: string number `literal` ends there.
  struct Hit {
    uint32_t literal;
    uint64_t end;  // lane offset
  };

  LiteralIndex() = default;
  LiteralIndex(LiteralIndex&&) noexcept = default;
  LiteralIndex& operator=(LiteralIndex&&) noexcept = default;

  // `literals` are UTF-8, not empty, sorted and distinct; their places are their numbers.
  static LiteralIndex Build(const std::vector<std::string_view>& literals);

  const PrefixSet& strings() const { return strings_; }

  // Appends every place in `lane` where a string stands, ordered by where it begins; `offset` is
  // the lane offset of the first byte.
  void Scan(std::string_view lane, uint64_t offset, std::vector<Hit>& hits) const;

  // Calls visit(start, prefix) for each suffix of `lane` that is a proper prefix of a string, the
  // shortest first. None reaches over a kLaneBreak.
  template <typename Visit>
  void ForEachTail(std::string_view lane, Visit visit) const;

  size_t memory_bytes() const;

 private:
  void Follow(std::string_view lane, size_t at, uint64_t offset, std::vector<Hit>& hits) const;

  PrefixSet strings_;
  FormFilter filter_;
  std::vector<uint64_t> first_characters_;  // bit c: some string begins with c (below U+10000)
};

template <typename Visit>
void LiteralIndex::ForEachTail(std::string_view lane, Visit visit) const {
  if (strings_.empty()) return;
  PrefixSet::Path path;
  size_t characters = 0;
  for (size_t end = lane.size(), start = 0; end > 0; end = start) {
    if (++characters > strings_.characters_max()) break;
    start = end - 1;
    if (lane[start] == kLaneBreak) break;
    while ((static_cast<unsigned char>(lane[start]) & 0xC0U) == 0x80U) --start;
    const char32_t c = DecodeAt(lane, start).c;
    path = path.Behind(c);
    if (c < 0x10000 && ((first_characters_[c / 64] >> (c % 64)) & 1U) == 0) continue;
    const PrefixSet::Prefix* const prefix = strings_.Find(path);
    if (prefix != nullptr && prefix->last != 0) visit(start, *prefix);
  }
}

}  // namespace weir::rules
