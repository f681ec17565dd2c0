// The ledger's files beside the database: written durably, and locked. Internal to audit/.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace weir::audit {

// What the functions below are about to do to the disk.
enum class FileCall : uint8_t {
  kMakeDirectory,
  kCreate,
  kWrite,          // `detail`: the bytes
  kSync,           // of a file
  kSyncDirectory,  // makes the names in it last
  kRename,         // `detail`: the new name
  kRemove,
  kResize,
};
// What stands between them and the disk in tests; see tests/fault.
struct FileHook {
  // 0, or the errno with which the call fails instead of being made.
  std::function<int(FileCall call, const std::string& path, std::string_view detail)> before;
  // What FreeBytes says instead of the disk; empty: the disk.
  std::function<uint64_t()> free_bytes = {};
};
// `hook` stays the caller's, and must outlive its use; nullptr: none. Not while files are written.
void HookFiles(const FileHook* hook);

absl::Status MakeDirectory(const std::string& path);
bool FileExists(const std::string& path);
std::optional<uint64_t> FileBytes(const std::string& path);
// OK too when there is none.
absl::Status RemoveFile(const std::string& path);
absl::StatusOr<std::string> ReadFile(const std::string& path);
// Of the disk that `path` is on, for who is not the superuser.
std::optional<uint64_t> FreeBytes(const std::string& path);
// Makes the file as long, with blocks behind every byte of it. kUnavailable, and the file as it was
// or with some of what was asked, when the disk has no room.
absl::Status SetFileRoom(const std::string& path, uint64_t bytes);
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

}  // namespace weir::audit
