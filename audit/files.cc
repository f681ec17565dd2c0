#include "audit/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <system_error>

#include "audit/concat.h"

namespace weir::audit {
namespace {

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  return absl::UnavailableError(
      Concat("cannot ", what, " ", path, ": ", std::generic_category().message(error)));
}

std::atomic<const FileHook*> g_hook = nullptr;

// Whether the call may be made; errno says why not.
bool May(FileCall call, const std::string& path, std::string_view detail = {}) {
  const FileHook* const hook = g_hook.load(std::memory_order_acquire);
  if (hook == nullptr) return true;
  errno = hook->before(call, path, detail);
  return errno == 0;
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  const File dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.fd() < 0 || !May(FileCall::kSyncDirectory, path) || ::fsync(dir.fd()) != 0) {
    return Failed("sync", path, errno);
  }
  return absl::OkStatus();
}

absl::Status WriteAndSync(const std::string& path, std::string_view text, mode_t mode) {
  if (!May(FileCall::kCreate, path)) return Failed("create", path, errno);
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.fd() < 0) return Failed("create", path, errno);
  for (std::string_view rest = text; !rest.empty();) {
    if (!May(FileCall::kWrite, path, rest)) return Failed("write", path, errno);
    const ssize_t written = ::write(file.fd(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("write", path, errno);
    rest.remove_prefix(static_cast<size_t>(written));
  }
  if (!May(FileCall::kSync, path) || ::fsync(file.fd()) != 0) return Failed("sync", path, errno);
  return absl::OkStatus();
}

}  // namespace

void HookFiles(const FileHook* hook) {
  g_hook.store(hook, std::memory_order_release);
}

absl::Status MakeDirectory(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        Concat(path, " is no directory: name another place for the ledger"));
  }
  if (const std::string parent = Parent(path); parent != path) {
    if (absl::Status status = MakeDirectory(parent); !status.ok()) return status;
  }
  if (!May(FileCall::kMakeDirectory, path) ||
      (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)) {
    return Failed("create", path, errno);
  }
  return SyncDirectory(Parent(path));
}

bool FileExists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::optional<uint64_t> FileBytes(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return static_cast<uint64_t>(found.st_size);
}

absl::Status RemoveFile(const std::string& path) {
  if (May(FileCall::kRemove, path) && (::unlink(path.c_str()) == 0 || errno == ENOENT)) {
    return absl::OkStatus();
  }
  return Failed("remove", path, errno);
}

std::optional<uint64_t> FreeBytes(const std::string& path) {
  const FileHook* const hook = g_hook.load(std::memory_order_acquire);
  if (hook != nullptr && hook->free_bytes) return hook->free_bytes();
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0) return std::nullopt;
  return uint64_t{space.f_bavail} * space.f_frsize;
}

absl::Status SetFileRoom(const std::string& path, uint64_t bytes) {
  if (!May(FileCall::kResize, path)) return Failed("resize", path, errno);
  const File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.fd() < 0) return Failed("create", path, errno);
  const auto length = static_cast<off_t>(bytes);
  if (bytes < FileBytes(path).value_or(0) || bytes == 0) {
    return ::ftruncate(file.fd(), length) == 0 ? absl::OkStatus() : Failed("cut", path, errno);
  }
  const int error = ::posix_fallocate(file.fd(), 0, length);
  return error == 0 ? absl::OkStatus() : Failed("find room for", path, error);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || file.bad()) return Failed("read", path, errno);
  return text.str();
}

absl::Status WriteFileDurably(const std::string& path, std::string_view text, mode_t mode) {
  const std::string fresh = path + ".new";
  // One left behind by a crash may be read-only.
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) return Failed("replace", fresh, errno);
  absl::Status status = WriteAndSync(fresh, text, mode);
  if (status.ok() &&
      (!May(FileCall::kRename, fresh, path) || ::rename(fresh.c_str(), path.c_str()) != 0)) {
    status = Failed("replace", path, errno);
  }
  if (status.ok()) return SyncDirectory(Parent(path));
  ::unlink(fresh.c_str());  // a part of it would take room that the disk may not have
  return status;
}

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("create", path, errno);
  FileLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Failed("lock", path, errno);
  return absl::UnavailableError(
      Concat(path,
             " is held by another process: a ledger has one writer; stop the other gateway or give "
             "this one a directory of its own"));
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace weir::audit
