// The ledger's files beside the database: written durably, locked, and known again. Internal to
// audit/.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace weir::audit {

absl::Status MakeDirectory(const std::string& path);
bool FileExists(const std::string& path);
std::optional<uint64_t> FileBytes(const std::string& path);
// OK too when there is none.
absl::Status RemoveFile(const std::string& path);
absl::StatusOr<std::string> ReadFile(const std::string& path);
// After OK the file holds `text` and survives a crash of the machine; a crash before leaves the
// file as it was.
absl::Status WriteFileDurably(const std::string& path, std::string_view text, mode_t mode);

// Held until destroyed; the kernel frees it when the process dies.
class FileLock {
 public:
  // kUnavailable when another process (or this one) holds it.
  static absl::StatusOr<FileLock> Take(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

// Notices that files were deleted or replaced under the process, which writes to an open file
// never report, and that the disk is about to be full.
class FileWatch {
 public:
  FileWatch() = default;
  static absl::StatusOr<FileWatch> Begin(std::vector<std::string> paths);
  absl::Status CheckIdentity() const;
  absl::Status CheckSpace(uint64_t free_bytes_min) const;

 private:
  struct Identity {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
  };
  std::vector<Identity> files_;
};

}  // namespace weir::audit
