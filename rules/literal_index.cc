#include "rules/literal_index.h"

#include <array>

#include "rules/character_block.h"

namespace weir::rules {

LiteralIndex LiteralIndex::Build(const std::vector<std::string_view>& literals) {
  LiteralIndex index;
  index.strings_ = PrefixSet::Build(literals);
  FormFilter::Counts counts{};
  std::vector<std::array<Mark, FormFilter::kMarksMax>> firsts(literals.size());
  std::vector<size_t> sizes(literals.size());
  for (size_t i = 0; i < literals.size(); ++i) {
    for (size_t at = 0; at < literals[i].size() && sizes[i] < FormFilter::kMarksMax;) {
      const Decoded decoded = DecodeAt(literals[i], at);
      at += decoded.length;
      firsts[i][sizes[i]++] = MarkOf(decoded.c);
    }
    ++counts[sizes[i] - 1];
  }
  index.filter_ = FormFilter(counts);
  for (size_t i = 0; i < literals.size(); ++i) {
    index.filter_.Add(sizes[i], FormFilter::Hash(firsts[i].data(), sizes[i]));
  }
  index.first_characters_.assign(0x10000 / 64, 0);
  for (const std::string_view literal : literals) {
    const char32_t first = DecodeAt(literal, 0).c;
    if (first < 0x10000) index.first_characters_[first / 64] |= uint64_t{1} << (first % 64);
  }
  return index;
}

void LiteralIndex::Scan(std::string_view lane, uint64_t offset, std::vector<Hit>& hits) const {
  if (strings_.empty()) return;
  CharacterBlock block(lane);
  BlockMarks marks;
  PlaceSet starts;
  PlaceSet of_size;
  while (block.Read()) {
    MarkCharacters(block, marks);
    bool is_first = true;
    for (size_t size = 1; size <= FormFilter::kMarksMax; ++size) {
      if (!filter_.has(size)) continue;
      filter_.FindForms(size, marks, block.places(), is_first ? starts : of_size);
      if (!is_first) starts.Add(of_size, block.places());
      is_first = false;
    }
    starts.ForEach(block.places(),
                   [&](size_t place) { Follow(lane, block.offset(place), offset, hits); });
  }
}

// Appends the strings that begin at `at`.
void LiteralIndex::Follow(std::string_view lane, size_t at, uint64_t offset,
                          std::vector<Hit>& hits) const {
  PrefixSet::Path path;
  for (size_t end = at; end < lane.size();) {
    const Decoded decoded = DecodeLane(lane, end);
    if (decoded.c == kInvalidByte) return;
    end += decoded.length;
    path = path.Then(decoded.c);
    const PrefixSet::Prefix* const prefix = strings_.Find(path);
    if (prefix == nullptr) return;
    if (prefix->literal != PrefixSet::kNoLiteral &&
        strings_.literal(prefix->literal) == lane.substr(at, end - at)) {
      hits.push_back({prefix->literal, offset + end});
    }
    if (prefix->last == 0) return;
  }
}

size_t LiteralIndex::memory_bytes() const {
  return strings_.memory_bytes() + filter_.memory_bytes() +
         first_characters_.size() * sizeof(uint64_t);
}

}  // namespace weir::rules
