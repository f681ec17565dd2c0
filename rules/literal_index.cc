#include "rules/literal_index.h"

#include <algorithm>

namespace weir::rules {

// Inlined by force: the scan of every character passes here.
[[gnu::always_inline]] inline LiteralIndex::RawCharacter LiteralIndex::ReadRaw(
    std::string_view text, size_t at) {
  if (text.size() - at >= 4) {
    // Most are three bytes. A branch, which the processor foresees, and no sum of lengths to wait
    // for.
    uint32_t bytes = 0;
    std::memcpy(&bytes, text.data() + at, sizeof(bytes));
    if ((bytes & 0xC0C0F0U) == 0x8080E0U) return {bytes & 0xFFFFFFU, 3};
  }
  const auto lead = static_cast<unsigned char>(text[at]);
  const uint32_t length = lead < 0xC0 || lead == static_cast<unsigned char>(kLaneBreak) ? 1
                          : lead < 0xE0                                                 ? 2
                          : lead < 0xF0                                                 ? 3
                                                                                        : 4;
  uint32_t bytes = 0;
  if (text.size() - at >= sizeof(bytes)) {
    std::memcpy(&bytes, text.data() + at, sizeof(bytes));
    bytes &= 0xFFFFFFFFU >> (32 - 8 * length);
  } else {
    std::memcpy(&bytes, text.data() + at, length);
  }
  return {bytes, length};
}

LiteralIndex LiteralIndex::Build(const std::vector<std::string_view>& literals) {
  LiteralIndex index;
  index.strings_ = PrefixSet::Build(literals);
  index.first_characters_.assign(0x10000 / 64, 0);
  for (const std::string_view literal : literals) {
    const char32_t first = DecodeAt(literal, 0).c;
    if (first < 0x10000) index.first_characters_[first / 64] |= uint64_t{1} << (first % 64);
  }
  index.BuildStarts();
  return index;
}

void LiteralIndex::BuildStarts() {
  // 64 bits for each string keep false alarms near one in a hundred; 512 KB still fit in L2.
  size_t bits = size_t{1} << 12;
  while (bits < 64 * strings_.literal_count() && bits < size_t{1} << 22) bits *= 2;
  starts_shift_ = 32;
  for (size_t rest = bits; rest > 1; rest /= 2) --starts_shift_;
  for (Starts* const starts : {&pairs_, &whole_pairs_, &triples_})
    starts->bits.assign(bits / 64, 0);
  for (uint32_t i = 0; i < strings_.literal_count(); ++i) {
    const std::string_view whole = strings_.literal(i);
    const RawCharacter first = ReadRaw(whole, 0);
    if (first.length == whole.size()) {
      has_single_characters_ = true;
      continue;
    }
    const RawCharacter second = ReadRaw(whole, first.length);
    const uint32_t hash = PairHash(first.bytes, second.bytes);
    pairs_.Set(hash >> starts_shift_);
    if (first.length + second.length == whole.size()) {
      whole_pairs_.Set(hash >> starts_shift_);
    } else {
      const RawCharacter third = ReadRaw(whole, first.length + second.length);
      triples_.Set(PairHash(hash, third.bytes) >> starts_shift_);
    }
  }
}

// Whether a string may begin with a pair of characters that some string begins with, behind which
// the text goes on at `third`.
bool LiteralIndex::MayBeginAt(std::string_view lane, size_t third, uint32_t pair_hash) const {
  if (whole_pairs_.Has(pair_hash >> starts_shift_)) return true;
  return third < lane.size() &&
         triples_.Has(PairHash(pair_hash, ReadRaw(lane, third).bytes) >> starts_shift_);
}

void LiteralIndex::Scan(std::string_view lane, uint64_t offset, std::vector<Hit>& hits) const {
  if (lane.empty() || strings_.empty()) return;
  RawCharacter first = ReadRaw(lane, 0);
  for (size_t at = 0;;) {
    if (has_single_characters_) Follow(lane.substr(0, at + first.length), at, offset, hits);
    const size_t next = at + first.length;
    if (next >= lane.size()) return;
    const RawCharacter second = ReadRaw(lane, next);
    const uint32_t hash = PairHash(first.bytes, second.bytes);
    if (pairs_.Has(hash >> starts_shift_) && MayBeginAt(lane, next + second.length, hash)) {
      Follow(lane, at, offset, hits);
    }
    at = next;
    first = second;
  }
}

// Appends the strings of two and more characters that begin at `at`; of one, if that is all there
// is.
void LiteralIndex::Follow(std::string_view lane, size_t at, uint64_t offset,
                          std::vector<Hit>& hits) const {
  Decoded decoded = DecodeAt(lane, at);
  size_t end = at + decoded.length;
  PrefixSet::Path path = PrefixSet::Path().Then(decoded.c);
  const bool one = end >= lane.size();
  for (bool first = !one; decoded.c != kInvalidByte; first = false) {
    if (!first) {
      const PrefixSet::Prefix* const prefix = strings_.Find(path);
      if (prefix == nullptr) return;
      if (prefix->literal != PrefixSet::kNoLiteral &&
          strings_.literal(prefix->literal) == lane.substr(at, end - at)) {
        hits.push_back({prefix->literal, offset + end});
      }
      if (prefix->last == 0) return;
    }
    if (end >= lane.size()) return;
    decoded = DecodeAt(lane, end);
    end += decoded.length;
    path = path.Then(decoded.c);
  }
}

size_t LiteralIndex::memory_bytes() const {
  return strings_.memory_bytes() + 3 * pairs_.bits.size() * sizeof(uint64_t) +
         first_characters_.size() * sizeof(uint64_t);
}

}  // namespace weir::rules
