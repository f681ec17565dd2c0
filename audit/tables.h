// What the ledger holds: records in batches with their leaf hashes, and the tree's nodes of every
// eighth level, which are the hashes of the C2SP tiles. Records of closed segments stand in
// archives beside the database; when retention has let them go, their leaf hashes are left. Shared
// by the writer and readers. Internal to audit/. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/archive.h"
#include "audit/index.h"
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

// Records of one time that follow one another: a row of the table batches, or a part of one from an
// archive. Views live until the next is read.
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

// The file of an archive, in the ledger's directory.
std::string ArchivePath(const std::string& dir, uint64_t segment);

// Where the records of a closed segment are.
struct SegmentHome {
  SegmentSpan span;
  bool archived = false;
  std::optional<uint64_t> removed_by;  // the record that says so
};

class Tables {
 public:
  static absl::StatusOr<Tables> Prepare(const Database& db, const std::string& dir);

  // Records in the ledger, removed ones included.
  absl::StatusOr<uint64_t> Size();
  // One record's bytes; kNotFound beyond the end and when it was removed.
  absl::StatusOr<std::string> Get(uint64_t seq);
  // Calls `see` for the batches that hold the records from `begin` to before `end`, in order;
  // kDataLoss at a gap, kNotFound at removed records. `see` must not use this object.
  absl::Status Scan(uint64_t begin, uint64_t end,
                    absl::FunctionRef<absl::Status(const Batch& batch)> see);
  // The same from the last to the first, passing over removed records, as long as `see` returns
  // true.
  absl::Status ScanBackward(uint64_t begin, uint64_t end,
                            absl::FunctionRef<absl::StatusOr<bool>(const Batch& batch)> see);
  // The number of the first record of `size` at or after that time; `size` when there is none.
  absl::StatusOr<uint64_t> FirstFrom(int64_t time_us, uint64_t size);

  // The hashes of a tile in the tree of `size` records: 256, or fewer at its right edge.
  absl::StatusOr<std::vector<Hash>> Tile(int level, uint64_t number, uint64_t size);
  // Leaf hashes of the records from `begin` to before `end`.
  absl::StatusOr<std::vector<Hash>> Leaves(uint64_t begin, uint64_t end);
  // Hashes of complete subtrees of the tree of `size` records. Borrows this.
  NodeReader Nodes(uint64_t size);

  // The closed segment that begins last at or before a record; its own, or the last of all.
  absl::StatusOr<std::optional<SegmentHome>> HomeOf(uint64_t seq);

 private:
  // A frame of an archive as batches.
  struct Frame {
    uint64_t begin = 0;
    std::string records;
    std::string leaves;
    std::vector<Batch> batches;
  };

  absl::Status ScanStore(uint64_t begin, uint64_t end,
                         absl::FunctionRef<absl::Status(const Batch& batch)> see);
  absl::StatusOr<bool> ScanStoreBackward(
      uint64_t begin, uint64_t end,
      absl::FunctionRef<absl::StatusOr<bool>(const Batch& batch)> see);
  absl::StatusOr<const Frame*> FrameWith(const SegmentSpan& span, uint64_t seq);
  absl::StatusOr<std::string> ArchivedLeaves(uint64_t seq, uint64_t& first);
  // The run of records of one time around a record; a removed segment is one.
  struct Moment {
    uint64_t begin = 0;
    uint64_t end = 0;
    int64_t time_us = 0;
  };
  absl::StatusOr<Moment> MomentOf(uint64_t seq);
  absl::StatusOr<Hash> Node(int level, uint64_t index, uint64_t size);

  std::string dir_;
  Statement last_batch_;
  Statement last_segment_;
  Statement batch_at_;        // the batch that holds a sequence number
  Statement batches_;         // the batches from one on
  Statement batches_before_;  // newest first
  Statement nodes_;           // a run of nodes
  Statement home_;
  Statement leaves_;
  // The archive and the frame that were read last.
  uint64_t archive_number_ = 0;
  std::optional<Archive> archive_;
  Frame frame_;
};

}  // namespace weir::audit
