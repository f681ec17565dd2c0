// The search index: for every 65,536 records (a segment), which of them carry which term.
//
// A term is a field and its value as the record spells them, `"app":"demo"`, by a 64-bit hash. The
// index only ever narrows a search: whoever uses it looks at the records it points to, so two
// values that share a hash cost time, never a wrong answer. It follows from the records alone and
// can be built anew from them. audit/FORMAT.md has the bytes. Internal. Pure, except SegmentReader.
#pragma once

#include <array>
#include <bitset>
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
// exchange, app, user, model, action, and the rule and category of each finding. One may come
// twice.
void ForEachTerm(std::string_view encoded,
                 absl::FunctionRef<void(std::string_view field_and_value)> see);

// Rows of the table index_pages.
struct IndexPage {
  int64_t id = 0;
  std::string bytes;
};
inline int64_t IndexPageId(uint64_t segment, uint64_t page) {
  return static_cast<int64_t>((segment << 20) | page);
}

// Collects the terms of one segment's records, in order.
class SegmentBuilder {
 public:
  void Add(uint64_t seq, std::string_view encoded);
  // The pages of `segment`, directory first, and an empty builder.
  std::vector<IndexPage> Finish(uint64_t segment);

 private:
  struct Entry {
    Term term;
    uint32_t offset;  // of the record in its segment
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries_;
};

// Which records of a segment carry a term: bit i is the segment's record i.
using Postings = std::bitset<kSegmentRecords>;

class SegmentReader {
 public:
  static absl::StatusOr<SegmentReader> Prepare(const Database& db);
  // Segments that are indexed: all from the first on.
  absl::StatusOr<uint64_t> Count();
  // Clears the bits of `postings` whose records lack the term; false when none is left.
  absl::StatusOr<bool> Narrow(uint64_t segment, Term term, Postings& postings);

 private:
  absl::StatusOr<std::string> Page(int64_t id);

  Statement last_page_;
  Statement page_;
};

}  // namespace weir::audit
