// What the ledger's tables hold: records in batches with their leaf hashes, and the tree's nodes of
// every eighth level, which are the hashes of the C2SP tiles. Shared by the writer (at Open) and
// readers. Internal to audit/. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/merkle.h"
#include "audit/store.h"
#include "audit/tile_path.h"

namespace weir::audit {

// Key of the node that is hash `number` of tile level `level`, from level 1 up; the hashes of
// level 0 are the leaves and stand with their records.
inline int64_t NodeId(int level, uint64_t number) {
  return static_cast<int64_t>((static_cast<uint64_t>(level) << 56) | number);
}

// Appends one record to a batch's bytes: its length as two bytes, big end first, then its encoding
// (as in a C2SP entry bundle). Returns the encoding, a view into `batch` until that grows.
std::string_view AppendToBatch(uint64_t seq, int64_t time_us, std::string_view body,
                               std::string& batch);

// One row of the table batches, as it stands there; views live until the next row is read.
struct Batch {
  uint64_t first_seq = 0;
  uint64_t count = 0;
  int64_t time_us = 0;
  std::string_view leaves;
  std::string_view records;
};
// From a row of `SELECT * FROM batches`.
Batch ReadBatch(const Statement& row);
// The records' encodings; kDataLoss unless the bytes are exactly `count` records.
absl::StatusOr<std::vector<std::string_view>> SplitRecords(const Batch& batch);
absl::StatusOr<std::vector<Hash>> SplitLeaves(const Batch& batch);

class Tables {
 public:
  static absl::StatusOr<Tables> Prepare(const Database& db);

  // Records in the ledger.
  absl::StatusOr<uint64_t> Size();
  // One record's bytes; kNotFound beyond the end.
  absl::StatusOr<std::string> Get(uint64_t seq);
  // Calls `see` for the batches that hold the records from `begin` to before `end`, in order;
  // kDataLoss at a gap.
  absl::Status Scan(uint64_t begin, uint64_t end,
                    absl::FunctionRef<absl::Status(const Batch& batch)> see);

  // The hashes of a tile in the tree of `size` records: 256, or fewer at its right edge.
  absl::StatusOr<std::vector<Hash>> Tile(int level, uint64_t number, uint64_t size);
  // Hashes of complete subtrees of the tree of `size` records. Borrows this.
  NodeReader Nodes(uint64_t size);

 private:
  absl::StatusOr<Hash> Node(int level, uint64_t index, uint64_t size);

  Statement last_batch_;
  Statement batch_at_;  // the batch that holds a sequence number
  Statement batches_;   // the batches from one on
  Statement nodes_;     // a run of nodes
};

}  // namespace weir::audit
