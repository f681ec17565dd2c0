// The search index: for every segment, which of its records carry which term.
//
// A segment is a run of records without gap: it is closed, and then never changes, when it holds
// 65,536 of them or when its period of time has passed, whichever comes first.
//
// A term is a field and its value as the record spells them, `"app":"demo"`, by a 64-bit hash. The
// index only ever narrows a search: whoever uses it looks at the records it points to, so two
// values that share a hash cost time, never a wrong answer. It follows from the records alone and
// can be built anew from them. audit/FORMAT.md has the bytes. Internal. Pure, except SegmentReader.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "audit/store.h"

namespace weir::audit {

inline constexpr uint64_t kSegmentRecords = 65'536;

using Term = uint64_t;
Term TermOf(std::string_view field_and_value);
// Calls `see` for the text of each term of an encoded record, in the record's order: kind,
// exchange, app, user, profile, region, model, action, and the rule and category of each finding.
// One may come twice.
void ForEachTerm(std::string_view encoded,
                 absl::FunctionRef<void(std::string_view field_and_value)> see);

// A row of the table segments: one that is closed.
struct SegmentSpan {
  uint64_t number = 0;  // from 0, without gaps
  uint64_t begin = 0;   // its first record
  uint64_t count = 0;   // 1 to kSegmentRecords
  int64_t first_us = 0;
  int64_t last_us = 0;
  uint64_t end() const { return begin + count; }
  friend bool operator==(const SegmentSpan&, const SegmentSpan&) = default;
};

// How the record of a segment's removal begins.
std::string RemovalOf(const SegmentSpan& span);

// Rows of the table index_pages.
struct IndexPage {
  int64_t id = 0;
  std::string bytes;
};
inline int64_t IndexPageId(uint64_t segment, uint64_t page) {
  return static_cast<int64_t>((segment << 20) | page);
}

// Pages of a segment with the times of its records, 4,096 in each.
inline constexpr uint64_t kTimePageRecords = 4'096;
inline int64_t TimePageId(uint64_t segment, uint64_t page) {
  return IndexPageId(segment, (uint64_t{1} << 19) | page);
}

// Collects the terms and times of one segment's records, in order.
class SegmentBuilder {
 public:
  // For segment `number`, whose first record is `begin`.
  explicit SegmentBuilder(uint64_t number = 0, uint64_t begin = 0)
      : span_{.number = number, .begin = begin} {}

  void Add(uint64_t seq, int64_t time_us, std::string_view encoded);
  // What was added so far.
  const SegmentSpan& span() const { return span_; }
  // The pages of the segment, directory first, and an empty builder for the next one. The pages
  // with times come last.
  std::vector<IndexPage> Finish();

 private:
  struct Entry {
    Term term;
    uint32_t offset;  // of the record in its segment
    bool operator==(const Entry&) const = default;
  };
  SegmentSpan span_;
  std::vector<Entry> entries_;
  std::vector<std::string> times_;
};

// A set of a segment's records: bit i is its record i, counted from its begin.
class Postings {
 public:
  void Add(uint64_t i) { words_[i / 64] |= uint64_t{1} << (i % 64); }
  void AddRange(uint64_t begin, uint64_t end);
  // From 8,192 bytes, bit i of which is bit i % 8, counted from the least, of byte i / 8.
  void AddBitmap(std::string_view bytes);
  void Union(const Postings& other);
  void Intersect(const Postings& other);
  bool Has(uint64_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  bool Any() const;
  // How many there are from `begin` to before `end`.
  uint64_t Count(uint64_t begin, uint64_t end) const;
  // One more than the last one below `end`; 0 when there is none.
  uint64_t EndBelow(uint64_t end) const;

 private:
  std::array<uint64_t, kSegmentRecords / 64> words_{};
};

class SegmentReader {
 public:
  static absl::StatusOr<SegmentReader> Prepare(const Database& db);
  // The closed segments, all of which are indexed, in order. kDataLoss if they leave a gap.
  absl::StatusOr<std::vector<SegmentSpan>> List();
  // The number of the segment's first record at or after that time, which is not behind its last.
  absl::StatusOr<uint64_t> FirstFrom(const SegmentSpan& segment, int64_t time_us);
  // Adds the records of the segment that carry the term.
  absl::Status Read(uint64_t segment, Term term, Postings& postings);

 private:
  absl::StatusOr<std::string> Page(int64_t id);

  Statement segments_;
  Statement page_;
};

}  // namespace weir::audit
