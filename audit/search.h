// How records are found: what a query means, record by record, and the way through the segments
// that spares looking at most of them.
//
// Whether a record is found is decided by the record and, where words are asked for, its decrypted
// content; the indexes (audit/index.h, audit/word_index.h) only say where it is not worth looking.
// Counts of closed segments without words come from the index alone. One call looks at a bounded
// number of contents, so that none takes long; it says where it stopped. Internal to audit/reader.
// Not thread-safe; the caller holds a read transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "audit/index.h"
#include "audit/reader.h"
#include "audit/store.h"
#include "audit/tables.h"
#include "audit/word_index.h"

namespace weir::audit {

// A query in the words of the records: as the terms that those have which are found. The terms have
// passed through the records' own encoding, so that cut and repaired text is compared with the
// like.
class Filter {
 public:
  explicit Filter(const Query& query);

  // Any term of each group must be there.
  struct Group {
    std::vector<std::string> texts;
    std::vector<Term> terms;
  };
  const std::vector<Group>& groups() const { return groups_; }
  // Whether the encoded record is one that the query means, but for its time and words.
  bool Matches(std::string_view encoded) const;

 private:
  std::vector<Group> groups_;
};

class Searcher {
 public:
  // `tables` and `db` must outlive it; the ledger lies in `dir`.
  static absl::StatusOr<std::unique_ptr<Searcher>> Prepare(const Database& db, Tables& tables,
                                                           std::string dir);

  absl::StatusOr<QueryPage> Find(const Query& query);
  absl::StatusOr<CountResult> Count(const Query& query, const std::vector<int64_t>& edges_us);

 private:
  // What one call is about, and how far it has come.
  struct Search {
    Filter filter;
    std::string words = {};  // folded
    std::vector<Gram> grams = {};
    ContentKey key_encryption_key = {};
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t indexed = 0;  // records before it are in closed segments
    uint64_t contents_left = 0;
    uint64_t bytes_left = 0;
    bool Exhausted() const { return contents_left == 0 || bytes_left == 0; }
    // Called for each record that is found, newest first; false: enough.
    absl::FunctionRef<absl::StatusOr<bool>(uint64_t seq, std::string_view encoded)> see;
    bool enough = false;
    uint64_t looked_down_to = 0;  // everything from here to `end` has been looked at
  };

  Searcher(const Database& db, Tables& tables, std::string dir)
      : db_(db), tables_(tables), dir_(std::move(dir)) {}
  absl::Status Begin(const Query& query, const std::vector<SegmentSpan>& closed, Search& search);
  // The records of a segment that may be found.
  absl::StatusOr<Postings> Candidates(const SegmentSpan& segment, bool closed, Search& search);
  absl::Status NarrowByWords(const SegmentSpan& segment, const Search& search, Postings& postings);
  absl::Status WalkSegment(const SegmentSpan& segment, const Postings& postings, Search& search);
  absl::Status WalkContents(const SegmentSpan& segment, const Postings& postings, Search& search);
  absl::Status WalkBatches(uint64_t begin, uint64_t end, Search& search);
  // The number of the first record of `size` at or after that time; `size` when there is none.
  absl::StatusOr<uint64_t> FirstFrom(int64_t time_us, uint64_t size,
                                     const std::vector<SegmentSpan>& closed);
  absl::StatusOr<bool> HasWords(uint64_t seq, Search& search);
  // Segments that overlap the search, newest first, with the open one, which has no number.
  std::vector<SegmentSpan> SegmentsOf(const Search& search,
                                      const std::vector<SegmentSpan>& closed) const;

  const Database& db_;
  Tables& tables_;
  const std::string dir_;
  SegmentReader segments_;
  WordTables words_;
  Statement batch_at_;
  Statement content_at_;
  Statement contents_from_;
};

}  // namespace weir::audit
