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

uint32_t LiteralIndex::Key(char32_t c) {
  std::string bytes;
  AppendUtf8(c, bytes);
  return ReadRaw(bytes, 0).bytes;
}

LiteralIndex LiteralIndex::Build(const std::vector<std::string_view>& literals) {
  LiteralIndex index;
  index.ends_.push_back(0);
  for (const std::string_view literal : literals) {
    index.bytes_ += literal;
    index.ends_.push_back(static_cast<uint32_t>(index.bytes_.size()));
  }
  index.first_characters_.assign(0x10000 / 64, 0);
  for (uint32_t i = 0; i < literals.size(); ++i) index.AddPrefixes(i);
  index.BuildStarts();
  return index;
}

void LiteralIndex::AddPrefixes(uint32_t number) {
  const std::string_view whole = literal(number);
  const char32_t first = DecodeAt(whole, 0).c;
  if (first < 0x10000) first_characters_[first / 64] |= uint64_t{1} << (first % 64);
  Path path = Root();
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
  has_single_characters_ = has_single_characters_ || characters == 1;
  characters_max_ = std::max(characters_max_, characters);
}

void LiteralIndex::BuildStarts() {
  // 64 bits for each string keep false alarms near one in a hundred; 512 KB still fit in L2.
  size_t bits = size_t{1} << 12;
  while (bits < 64 * literal_count() && bits < size_t{1} << 22) bits *= 2;
  starts_shift_ = 32;
  for (size_t rest = bits; rest > 1; rest /= 2) --starts_shift_;
  for (Starts* const starts : {&pairs_, &whole_pairs_, &triples_, &triples_again_})
    starts->bits.assign(bits / 64, 0);
  for (uint32_t i = 0; i < literal_count(); ++i) {
    const std::string_view whole = literal(i);
    const RawCharacter first = ReadRaw(whole, 0);
    if (first.length == whole.size()) continue;
    const RawCharacter second = ReadRaw(whole, first.length);
    const uint32_t hash = PairHash(first.bytes, second.bytes);
    pairs_.Set(hash >> starts_shift_);
    if (first.length + second.length == whole.size()) {
      whole_pairs_.Set(hash >> starts_shift_);
      has_pairs_ = true;
    } else {
      const RawCharacter third = ReadRaw(whole, first.length + second.length);
      const uint32_t triple = PairHash(hash, third.bytes);
      triples_.Set(triple >> starts_shift_);
      triples_again_.Set(Again(triple, third.bytes));
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
  if (lane.empty() || prefixes_.empty()) return;
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
  Path path = Root().Then(decoded.c);
  const bool one = end >= lane.size();
  for (bool first = !one; decoded.c != kInvalidByte; first = false) {
    if (!first) {
      const Prefix* const prefix = Find(path);
      if (prefix == nullptr) return;
      if (prefix->literal != kNoLiteral && literal(prefix->literal) == lane.substr(at, end - at)) {
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
  return bytes_.capacity() + ends_.capacity() * sizeof(uint32_t) +
         4 * pairs_.bits.size() * sizeof(uint64_t) +
         prefixes_.capacity() * (sizeof(std::pair<uint64_t, Prefix>) + 1) +
         first_characters_.size() * sizeof(uint64_t);
}

}  // namespace weir::rules
