// A closed segment as one compressed file that can be verified alone.
//
// The file is zstd in the seekable format (a skippable frame at the end says where each frame
// begins; the one before holds a digest of the bytes before it), so `zstd -dc` prints it as text:
// the range and the hashes before it, the log's public key, the records one a line, the
// checkpoints. It is written once and never changed. The records stand in frames of 256, so that
// one of them is read without the rest. audit/FORMAT.md section 10 has the bytes. Needs no
// database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/merkle.h"

namespace weir::audit {

inline constexpr uint64_t kArchiveFrameRecords = 256;

// Collects the bytes of an archive; records come in order.
class ArchiveBuilder {
 public:
  // `roots`: of the perfect subtrees of the records before `begin`, largest first.
  ArchiveBuilder(uint64_t begin, uint64_t end, const std::vector<Hash>& roots,
                 std::string_view public_key);

  absl::Status Add(std::string_view encoded);
  // `checkpoints`: signed notes, the last over exactly the records before the segment's end.
  absl::StatusOr<std::string> Finish(const std::vector<std::string>& checkpoints);

 private:
  absl::Status PutFrame(std::string_view text);

  uint64_t in_frame_ = 0;
  std::string head_;
  std::string frame_;
  std::string file_;
  std::vector<std::pair<uint32_t, uint32_t>> frames_;  // compressed and plain bytes
};

// Reads an archive. Sizes that the file gives are believed only within what an archive can have.
// Movable, not thread-safe.
class Archive {
 public:
  // kNotFound when there is no such file, kDataLoss when it is none of ours.
  static absl::StatusOr<Archive> Open(const std::string& path);
  Archive(Archive&& other) noexcept;
  Archive& operator=(Archive&& other) noexcept;
  ~Archive();

  // Reads all of it: kDataLoss unless it is, byte for byte, what was written.
  absl::Status CheckBytes() const;

  uint64_t record_frames() const { return frames_.size() - 2; }
  // Frame 0 is the head, the last one the checkpoints, those between hold records, one a line.
  absl::StatusOr<std::string> Head() const { return Frame(0); }
  absl::StatusOr<std::string> Records(uint64_t frame) const { return Frame(frame + 1); }
  absl::StatusOr<std::string> Checkpoints() const { return Frame(frames_.size() - 1); }

 private:
  struct Place {
    uint64_t offset;
    uint32_t compressed;
    uint32_t plain;
  };
  explicit Archive(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  absl::Status ReadPlaces();
  absl::StatusOr<std::string> Read(uint64_t offset, uint64_t bytes) const;
  absl::StatusOr<std::string> Frame(size_t number) const;
  absl::Status Damaged(std::string_view what) const;

  std::string path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;  // of the frames
  std::vector<Place> frames_;
};

}  // namespace weir::audit
