#include "audit/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "audit/concat.h"

namespace weir::audit {
namespace {

// SQLite's file format, section 4.1: a log is a head of 32 bytes and frames, each a head of 24
// bytes and a page. The log's salts stand from byte 16 of its head, 8 bytes; the first of them
// grows by one whenever the log begins anew.
constexpr off_t kPageBytes = 4'096;
constexpr uint32_t kLogMagic = 0x377F0682;  // or one more
constexpr size_t kSaltAt = 16;
constexpr uint32_t kRestartsMax = 1U << 20;  // between two looks; a log put back has a lower number

constexpr size_t kArchivesAtOnce = 256;

uint32_t BigEndian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

constexpr std::string_view kExamine =
    "keep the directory as it is for examination, look what `weir audit verify` says, and start "
    "again on a ledger that it accepts";

}  // namespace

StoreWatch::StoreWatch(StoreWatch&& other) noexcept {
  *this = std::move(other);
}

StoreWatch& StoreWatch::operator=(StoreWatch&& other) noexcept {
  std::swap(log_fd_, other.log_fd_);
  dir_ = std::move(other.dir_);
  database_ = std::move(other.database_);
  log_ = std::move(other.log_);
  shared_memory_ = std::move(other.shared_memory_);
  lock_ = std::move(other.lock_);
  checkpoint_ = std::move(other.checkpoint_);
  heads_ = other.heads_;
  archives_ = std::move(other.archives_);
  archive_dir_ = std::move(other.archive_dir_);
  next_archive_ = other.next_archive_;
  return *this;
}

StoreWatch::~StoreWatch() {
  if (log_fd_ >= 0) ::close(log_fd_);
}

absl::StatusOr<StoreWatch::Sight> StoreWatch::See(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    return absl::UnavailableError(
        Concat(path, " was deleted or moved away: put it back as it was"));
  }
  return Sight{.path = path,
               .device = found.st_dev,
               .inode = found.st_ino,
               .bytes = found.st_size,
               .changed_ns = int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec,
               .mode = found.st_mode};
}

absl::StatusOr<StoreWatch> StoreWatch::Begin(const std::string& dir) {
  StoreWatch watch;
  watch.dir_ = dir;
  for (const auto& [name, sight] :
       {std::pair("ledger.db", &watch.database_), std::pair("ledger.db-wal", &watch.log_),
        std::pair("ledger.db-shm", &watch.shared_memory_),
        std::pair("ledger.lock", &watch.lock_)}) {
    absl::StatusOr<Sight> seen = See(Concat(dir, "/", name));
    if (!seen.ok()) return seen.status();
    *sight = *std::move(seen);
  }
  // No lock of SQLite's is on the log, so that a descriptor of our own harms none when it is
  // closed.
  watch.log_fd_ = ::open(watch.log_.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (watch.log_fd_ < 0) return absl::UnavailableError(Concat("cannot open ", watch.log_.path));
  return watch;
}

absl::Status StoreWatch::CheckSame(const Sight& known, const Sight& seen) {
  if (seen.device == known.device && seen.inode == known.inode) return absl::OkStatus();
  return absl::UnavailableError(
      Concat(known.path, " was replaced by another file: put it back as it was"));
}

absl::Status StoreWatch::CheckLeft(const Sight& known, const Sight& seen) {
  if ((seen.mode & S_IWUSR) == 0 && (known.mode & S_IWUSR) != 0) {
    return absl::UnavailableError(
        Concat(known.path, " was made read-only: give its owner the right to write again"));
  }
  if (seen.bytes < known.bytes) {
    return absl::DataLossError(Concat(known.path, " was cut from ", known.bytes, " to ", seen.bytes,
                                      " bytes by another program; ", kExamine));
  }
  if (seen.bytes != known.bytes || seen.changed_ns != known.changed_ns) {
    return absl::DataLossError(Concat(
        known.path, " was overwritten by another program, perhaps with an older copy; ", kExamine));
  }
  return absl::OkStatus();
}

// The process holds the files open, so their inode numbers cannot be given to others.
absl::StatusOr<StoreWatch::Sight> StoreWatch::SeeOpen(const Sight& known) {
  absl::StatusOr<Sight> seen = See(known.path);
  if (!seen.ok()) {
    return absl::UnavailableError(Concat(seen.status().message(),
                                         "; what was deleted can be copied from /proc/", ::getpid(),
                                         "/fd while this process runs"));
  }
  if (absl::Status status = CheckSame(known, *seen); !status.ok()) return status;
  return seen;
}

absl::Status StoreWatch::CheckUnchanged(const Sight& known) {
  absl::StatusOr<Sight> seen = See(known.path);
  if (!seen.ok()) return seen.status();
  if (absl::Status status = CheckSame(known, *seen); !status.ok()) return status;
  return CheckLeft(known, *seen);
}

absl::StatusOr<StoreWatch::Sight> StoreWatch::SeeDatabase() const {
  absl::StatusOr<Sight> database = SeeOpen(database_);
  if (!database.ok()) return database.status();
  for (const Sight* sight : {&log_, &shared_memory_, &lock_}) {
    if (absl::Status status = SeeOpen(*sight).status(); !status.ok()) return status;
  }
  return database;
}

absl::Status StoreWatch::CheckIdentity() const {
  return SeeDatabase().status();
}

absl::StatusOr<StoreWatch::LogHeads> StoreWatch::ReadHeads(int pages) const {
  LogHeads heads{.pages = pages};
  if (pages == 0) return heads;
  const auto log_bytes = static_cast<off_t>(heads.log.size());
  const off_t frame_bytes = static_cast<off_t>(heads.frame.size()) + kPageBytes;
  const off_t last = log_bytes + (pages - 1) * frame_bytes;
  struct stat found {};
  if (::fstat(log_fd_, &found) != 0 || found.st_size < last + frame_bytes ||
      ::pread(log_fd_, heads.log.data(), heads.log.size(), 0) != std::ssize(heads.log) ||
      ::pread(log_fd_, heads.frame.data(), heads.frame.size(), last) != std::ssize(heads.frame) ||
      (BigEndian(heads.log.data()) | 1) != (kLogMagic | 1)) {
    return LogIsAltered();
  }
  return heads;
}

absl::Status StoreWatch::LogIsAltered() const {
  return absl::DataLossError(
      Concat(log_.path, " was cut or overwritten by another program; ", kExamine));
}

absl::Status StoreWatch::CheckUntouched() const {
  absl::StatusOr<Sight> database = SeeDatabase();
  if (!database.ok()) return database.status();
  if (absl::Status status = CheckLeft(database_, *database); !status.ok()) return status;
  absl::StatusOr<LogHeads> heads = ReadHeads(heads_.pages);
  if (!heads.ok()) return heads.status();
  return *heads == heads_ ? absl::OkStatus() : LogIsAltered();
}

absl::Status StoreWatch::RememberDatabase() {
  absl::StatusOr<Sight> seen = SeeOpen(database_);
  if (!seen.ok()) return seen.status();
  database_ = *std::move(seen);
  return absl::OkStatus();
}

absl::Status StoreWatch::RememberLog(int pages) {
  absl::StatusOr<LogHeads> heads = ReadHeads(pages);
  if (!heads.ok()) return heads.status();
  if (pages > 0 && heads_.pages > 0) {
    const uint8_t* const salts = heads->log.data() + kSaltAt;
    const uint32_t restarts = BigEndian(salts) - BigEndian(heads_.log.data() + kSaltAt);
    if (restarts > kRestartsMax) return LogIsAltered();
    // The frame that was the last one is still there: nobody took the log back to before it.
    if (restarts == 0) {
      absl::StatusOr<LogHeads> before = ReadHeads(heads_.pages);
      if (!before.ok()) return before.status();
      if (pages < heads_.pages || *before != heads_) return LogIsAltered();
    }
  }
  heads_ = *heads;
  return absl::OkStatus();
}

absl::Status StoreWatch::RememberCheckpoint() {
  absl::StatusOr<Sight> seen = See(dir_ + "/ledger.checkpoint");
  if (!seen.ok()) return seen.status();
  checkpoint_ = *std::move(seen);
  return absl::OkStatus();
}

void StoreWatch::AddArchive(uint64_t segment, const std::string& path) {
  if (absl::StatusOr<Sight> seen = See(path); seen.ok()) archives_[segment] = *std::move(seen);
}

absl::Status StoreWatch::CheckWritable() const {
  struct statvfs disk {};
  struct stat dir {};
  if (::statvfs(dir_.c_str(), &disk) != 0 || ::stat(dir_.c_str(), &dir) != 0) {
    return absl::UnavailableError(
        Concat(dir_, " was deleted or moved away: put it back as it was"));
  }
  if ((disk.f_flag & ST_RDONLY) != 0) {
    return absl::UnavailableError(
        Concat("the disk of ", dir_, " was made read-only: mount it for writing again"));
  }
  if ((dir.st_mode & S_IWUSR) == 0) {
    return absl::UnavailableError(
        Concat(dir_, " was made read-only: give its owner the right to write again"));
  }
  return absl::OkStatus();
}

absl::Status StoreWatch::CheckArchives() {
  if (archives_.empty()) return absl::OkStatus();
  absl::StatusOr<Sight> dir = See(dir_ + "/segments");
  if (!dir.ok()) return dir.status();
  const bool all = dir->inode != archive_dir_.inode || dir->changed_ns != archive_dir_.changed_ns;
  auto next = archives_.lower_bound(all ? 0 : next_archive_);
  const size_t count = all ? archives_.size() : std::min(kArchivesAtOnce, archives_.size());
  for (size_t i = 0; i < count; ++i) {
    if (next == archives_.end()) next = archives_.begin();
    if (absl::Status status = CheckUnchanged((next++)->second); !status.ok()) return status;
  }
  next_archive_ = next == archives_.end() ? 0 : next->first;
  archive_dir_ = *std::move(dir);
  return absl::OkStatus();
}

absl::Status StoreWatch::Look() {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  if (absl::Status status = CheckUntouched(); !status.ok()) return status;
  if (!checkpoint_.path.empty()) {
    if (absl::Status status = CheckUnchanged(checkpoint_); !status.ok()) return status;
  }
  return CheckArchives();
}

}  // namespace weir::audit
