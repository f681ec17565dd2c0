#include "audit/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

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
  if (dir.fd() < 0 || ::fsync(dir.fd()) != 0) return Failed("sync", path, errno);
  return absl::OkStatus();
}

}  // namespace

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
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("create", path, errno);
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
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return Failed("remove", path, errno);
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
  {
    const File file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.fd() < 0) return Failed("create", fresh, errno);
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t written = ::write(file.fd(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Failed("write", fresh, errno);
      rest.remove_prefix(static_cast<size_t>(written));
    }
    if (::fsync(file.fd()) != 0) return Failed("sync", fresh, errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return Failed("replace", path, errno);
  return SyncDirectory(Parent(path));
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

absl::StatusOr<FileWatch> FileWatch::Begin(std::vector<std::string> paths) {
  FileWatch watch;
  for (std::string& path : paths) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return Failed("find", path, errno);
    watch.files_.push_back({std::move(path), found.st_dev, found.st_ino});
  }
  return watch;
}

absl::Status FileWatch::CheckIdentity() const {
  // The process holds the files open, so their inode numbers cannot be given to others.
  for (const Identity& file : files_) {
    struct stat found {};
    if (::stat(file.path.c_str(), &found) != 0) {
      return absl::UnavailableError(
          Concat(file.path,
                 " was deleted or moved away: put it back as it was; what was deleted "
                 "can be copied from /proc/",
                 ::getpid(), "/fd while this process runs"));
    }
    if (found.st_dev != file.device || found.st_ino != file.inode) {
      return absl::UnavailableError(
          Concat(file.path, " was replaced by another file: put it back as it was"));
    }
  }
  return absl::OkStatus();
}

absl::Status FileWatch::CheckSpace(uint64_t free_bytes_min) const {
  if (files_.empty()) return absl::OkStatus();
  struct statvfs space {};
  const std::string& path = files_.front().path;
  if (::statvfs(path.c_str(), &space) != 0) {
    if (absl::Status status = CheckIdentity(); !status.ok()) return status;
    return absl::UnavailableError(Concat("cannot tell the free space of the disk of ", path));
  }
  const uint64_t free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes < free_bytes_min) {
    return absl::UnavailableError(Concat("the disk of ", path, " has ", free_bytes,
                                         " bytes left, less than the ", free_bytes_min,
                                         " that are kept free"));
  }
  return absl::OkStatus();
}

}  // namespace weir::audit
