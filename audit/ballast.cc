#include "audit/ballast.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "audit/concat.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

// What a commit may need: its batch in the log, and as much again for pages that it touches.
constexpr uint64_t kCommitBytes = uint64_t{16} << 20;
// A ballast that is smaller is given away in so many pieces.
constexpr uint64_t kPieces = 8;
constexpr uint64_t kBlock = 4'096;

}  // namespace

std::string Ballast::path() const {
  return dir_ + "/ledger.ballast";
}

// False when nothing is to be done: there is no mark, or the disk does not say.
bool Ballast::Look() {
  const std::optional<uint64_t> free = FreeBytes(dir_);
  if (!free.has_value()) return false;
  free_ = *free;
  if (mark_ == 0) {
    // One that an earlier start made is in nobody's way but the disk's.
    if (FileExists(path())) RemoveFile(path()).IgnoreError();
    return false;
  }
  bytes_ = FileBytes(path()).value_or(0);
  low_ = low_ || free_ < mark_;
  return true;
}

void Ballast::Resize(uint64_t bytes) {
  const absl::Status status = SetFileRoom(path(), bytes);
  failure_ = std::string(status.message());
  if (!status.ok()) return;
  free_ += bytes_;
  free_ -= std::min(free_, bytes);
  bytes_ = bytes;
}

void Ballast::MakeRoom() {
  if (!Look()) return;
  const uint64_t piece = std::min(kCommitBytes, mark_ / kPieces);
  if (free_ >= piece || bytes_ == 0) return;
  const uint64_t given = (piece - free_ + kBlock - 1) / kBlock * kBlock;
  Resize(bytes_ - std::min(bytes_, given));
}

void Ballast::Tend() {
  MakeRoom();
  if (mark_ == 0) return;
  // A file that was copied here may have holes; and the mark may have been another.
  if (!std::exchange(allocated_, true) && bytes_ > 0) Resize(std::min(bytes_, mark_));
  // A ledger that starts where there is room for both is not asked for the quarter more.
  const uint64_t enough = mark_ + mark_ / 4;
  const uint64_t left_free = low_ ? enough : mark_;
  if (bytes_ < mark_ && free_ >= mark_ - bytes_ + left_free) Resize(mark_);
  if (bytes_ < mark_) {
    low_ = true;
  } else if (free_ >= enough) {
    low_ = false;
  }
}

uint64_t Ballast::Missing() const {
  const uint64_t wanted = mark_ + mark_ / 4 + (mark_ - std::min(mark_, bytes_));
  return wanted - std::min(wanted, free_);
}

absl::Status Ballast::status() const {
  if (!low_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      Concat("the disk of ", dir_, " is nearly full: it has ", free_, " bytes left, and ", mark_,
             " are kept free besides a ballast of as many (audit.free_bytes_min)",
             failure_.empty() ? "" : "; ", failure_,
             ". Exchanges that were begun are ended, no other begins until ", Missing(),
             " more bytes are free: make room there"));
}

}  // namespace weir::audit
