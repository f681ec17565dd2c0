// Notices what happens to a ledger's files behind its back.
//
// Writes to an open file go on without an error when the file was deleted, replaced or overwritten.
// So the files are looked at by their names: they must be those that the process has open
// (CheckIdentity, after every commit), and must hold what the writer left there (CheckUntouched,
// before it writes again, and every half second when nothing comes). Of the database that is its
// length and the time of its last change; of the log, which every commit changes, its head and the
// head of its last frame, whose checksum covers all frames before it.
//
// What is absent or in another's place is kUnavailable: put back, the ledger can go on. What was
// cut or overwritten is kDataLoss.
//
// Internal to audit/. Not thread-safe.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace weir::audit {

class StoreWatch {
 public:
  StoreWatch() = default;
  // The ledger in `dir`, which is open: its database, log, shared memory and lock.
  static absl::StatusOr<StoreWatch> Begin(const std::string& dir);
  StoreWatch(StoreWatch&& other) noexcept;
  StoreWatch& operator=(StoreWatch&& other) noexcept;
  ~StoreWatch();

  absl::Status CheckIdentity() const;
  // Everything that Remember... and Add... were told is as it was.
  absl::Status CheckUntouched() const;

  // The database is as the writer left it, after pages of the log were moved there.
  absl::Status RememberDatabase();
  // So is the log, with so many pages after the last commit. kDataLoss when what was remembered
  // before is no longer below them.
  absl::Status RememberLog(int pages);
  // A checkpoint was written to the file.
  absl::Status RememberCheckpoint();

  void AddArchive(uint64_t segment, const std::string& path);
  void ForgetArchive(uint64_t segment) { archives_.erase(segment); }
  // Twice a second: what CheckUntouched looks at, archives, and whether the disk can be written.
  // All archives when a name in their directory changed, otherwise some hundred at a time.
  absl::Status Look();

 private:
  // What a file looks like by its name.
  struct Sight {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
    off_t bytes = 0;
    int64_t changed_ns = 0;
    mode_t mode = 0;
  };
  // Heads of the log and of its last frame that is known.
  struct LogHeads {
    std::array<uint8_t, 32> log{};
    std::array<uint8_t, 24> frame{};
    int pages = 0;  // 0: the log is empty, and neither head means anything
    friend bool operator==(const LogHeads&, const LogHeads&) = default;
  };
  static absl::StatusOr<Sight> See(const std::string& path);
  static absl::Status CheckSame(const Sight& known, const Sight& seen);
  // Of one that is the same: whether it is as the writer left it.
  static absl::Status CheckLeft(const Sight& known, const Sight& seen);
  static absl::StatusOr<Sight> SeeOpen(const Sight& known);
  static absl::Status CheckUnchanged(const Sight& known);
  // The database; an error where it or one of the others that are open is not the same.
  absl::StatusOr<Sight> SeeDatabase() const;
  absl::StatusOr<LogHeads> ReadHeads(int pages) const;
  absl::Status LogIsAltered() const;
  absl::Status CheckWritable() const;
  absl::Status CheckArchives();

  std::string dir_;
  Sight database_;
  Sight log_;
  Sight shared_memory_;
  Sight lock_;
  Sight checkpoint_;  // no path before the first
  int log_fd_ = -1;
  LogHeads heads_;
  std::map<uint64_t, Sight> archives_;
  Sight archive_dir_;
  uint64_t next_archive_ = 0;  // to be looked at
};

}  // namespace weir::audit
