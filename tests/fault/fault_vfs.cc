#include "tests/fault/fault_vfs.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <random>
#include <sstream>
#include <utility>
#include <vector>

#include <sqlite3.h>

namespace weir::audit {
namespace {

constexpr size_t kSector = 512;

// A file as the disk holds it, and what was written to it since its last sync.
struct Disk {
  struct Change {
    bool truncate = false;
    size_t offset = 0;  // or the new length
    std::string bytes;
  };
  std::string synced;
  std::vector<Change> pending;
  bool exists = false;
};

void Apply(const Disk::Change& change, std::string& content) {
  if (change.truncate) {
    content.resize(change.offset);
    return;
  }
  if (content.size() < change.offset + change.bytes.size()) {
    content.resize(change.offset + change.bytes.size());
  }
  content.replace(change.offset, change.bytes.size(), change.bytes);
}

}  // namespace

class FaultVfs::State {
 public:
  explicit State(FaultPlan plan) : plan_(std::move(plan)), random_(plan_.seed) {}

  // Counts a call that changes a file: the error that it fails with, or SQLITE_OK.
  // `half` is set when it is to do half its work before it fails.
  int Enter(bool& half) {
    const std::lock_guard lock(mu_);
    const int64_t call = calls_++;
    if (call == plan_.cut_at) {
      for (const auto& [path, disk] : disks_) {
        if (disk.exists) photograph_[path] = AfterCut(disk);
      }
      if (plan_.at_cut) plan_.at_cut();
    }
    const bool fails =
        plan_.fail_at >= 0 && (call == plan_.fail_at || (plan_.persistent && call > plan_.fail_at));
    half = fails && plan_.error == SQLITE_OK;
    if (!fails) return SQLITE_OK;
    return half ? SQLITE_IOERR_WRITE : plan_.error;
  }

  void Opened(const std::string& path) {
    const std::lock_guard lock(mu_);
    Disk& disk = disks_[path];
    if (disk.exists) return;
    std::stringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    disk = Disk{.synced = content.str(), .pending = {}, .exists = true};
  }
  void Wrote(const std::string& path, size_t offset, const void* bytes, size_t count) {
    const std::lock_guard lock(mu_);
    disks_[path].pending.push_back(
        {.offset = offset, .bytes = std::string(static_cast<const char*>(bytes), count)});
  }
  void Truncated(const std::string& path, size_t length) {
    const std::lock_guard lock(mu_);
    disks_[path].pending.push_back({.truncate = true, .offset = length, .bytes = {}});
  }
  void Synced(const std::string& path) {
    const std::lock_guard lock(mu_);
    Disk& disk = disks_[path];
    for (const Disk::Change& change : disk.pending) Apply(change, disk.synced);
    disk.pending.clear();
  }
  void Deleted(const std::string& path) {
    const std::lock_guard lock(mu_);
    disks_[path] = Disk();
  }

  int64_t calls() const {
    const std::lock_guard lock(mu_);
    return calls_;
  }
  std::map<std::string, std::string> photograph() const {
    const std::lock_guard lock(mu_);
    return photograph_;
  }

 private:
  // Sectors that were not synced survive or not, in any combination.
  std::string AfterCut(const Disk& disk) {
    std::string content = disk.synced;
    const uint64_t survives_of_4 = random_() % 5;
    for (const Disk::Change& change : disk.pending) {
      if (change.truncate) {
        if (random_() % 4 < survives_of_4) Apply(change, content);
        continue;
      }
      for (size_t done = 0; done < change.bytes.size();) {
        const size_t offset = change.offset + done;
        const size_t count = std::min(kSector - offset % kSector, change.bytes.size() - done);
        if (random_() % 4 < survives_of_4) {
          Apply({.offset = offset, .bytes = change.bytes.substr(done, count)}, content);
        }
        done += count;
      }
    }
    return content;
  }

  mutable std::mutex mu_;
  const FaultPlan plan_;
  std::mt19937_64 random_;
  int64_t calls_ = 0;
  std::map<std::string, Disk> disks_;
  std::map<std::string, std::string> photograph_;
};

namespace {

FaultVfs::State* g_state = nullptr;  // of the one registered instance; SQLite's tables hold no more

struct File {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real;  // behind this
};

File* Of(sqlite3_file* file) {
  return reinterpret_cast<File*>(file);
}
const sqlite3_io_methods& Real(sqlite3_file* file) {
  return *Of(file)->real->pMethods;
}
sqlite3_vfs* System() {
  return sqlite3_vfs_find(nullptr);
}

int Close(sqlite3_file* file) {
  const std::unique_ptr<std::string> path(std::exchange(Of(file)->path, nullptr));
  return Real(file).xClose(Of(file)->real);
}
int Read(sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
  return Real(file).xRead(Of(file)->real, bytes, count, offset);
}
int Write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  bool half = false;
  const int error = g_state->Enter(half);
  if (error != SQLITE_OK && !half) return error;
  const int done = half ? count / 2 : count;
  const int code = Real(file).xWrite(Of(file)->real, bytes, done, offset);
  g_state->Wrote(*Of(file)->path, static_cast<size_t>(offset), bytes, static_cast<size_t>(done));
  return half ? error : code;
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  bool half = false;
  if (const int error = g_state->Enter(half); error != SQLITE_OK) return error;
  g_state->Truncated(*Of(file)->path, static_cast<size_t>(size));
  return Real(file).xTruncate(Of(file)->real, size);
}
int Sync(sqlite3_file* file, int flags) {
  bool half = false;
  // A sync that fails half-way has synced: nobody can know.
  const int error = g_state->Enter(half);
  if (error != SQLITE_OK && !half) return error;
  const int code = Real(file).xSync(Of(file)->real, flags);
  if (code == SQLITE_OK) g_state->Synced(*Of(file)->path);
  return half ? SQLITE_IOERR_FSYNC : code;
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file).xFileSize(Of(file)->real, size);
}
int Lock(sqlite3_file* file, int level) {
  return Real(file).xLock(Of(file)->real, level);
}
int Unlock(sqlite3_file* file, int level) {
  return Real(file).xUnlock(Of(file)->real, level);
}
int CheckLock(sqlite3_file* file, int* held) {
  return Real(file).xCheckReservedLock(Of(file)->real, held);
}
int Control(sqlite3_file* file, int what, void* argument) {
  return Real(file).xFileControl(Of(file)->real, what, argument);
}
int SectorSize(sqlite3_file* file) {
  return Real(file).xSectorSize(Of(file)->real);
}
int Traits(sqlite3_file*) {
  return 0;
}  // nothing is atomic, nothing is kept in order
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return Real(file).xShmMap(Of(file)->real, page, size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file).xShmLock(Of(file)->real, offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) {
  Real(file).xShmBarrier(Of(file)->real);
}
int ShmUnmap(sqlite3_file* file, int remove) {
  return Real(file).xShmUnmap(Of(file)->real, remove);
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckLock,
    .xFileControl = Control,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = Traits,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  bool half = false;
  if (const int error = g_state->Enter(half); error != SQLITE_OK) return SQLITE_CANTOPEN;
  Of(file)->real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(File));
  const int code = System()->xOpen(System(), name, Of(file)->real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  Of(file)->path = std::make_unique<std::string>(name == nullptr ? "" : name).release();
  g_state->Opened(*Of(file)->path);
  file->pMethods = &kMethods;
  return SQLITE_OK;
}
int Delete(sqlite3_vfs*, const char* name, int sync_dir) {
  bool half = false;
  if (const int error = g_state->Enter(half); error != SQLITE_OK) return SQLITE_IOERR_DELETE;
  const int code = System()->xDelete(System(), name, sync_dir);
  if (code == SQLITE_OK) g_state->Deleted(name);
  return code;
}

sqlite3_vfs& Vfs() {
  static sqlite3_vfs vfs = *System();
  return vfs;
}

}  // namespace

FaultVfs::FaultVfs(const FaultPlan& plan) : state_(std::make_unique<State>(plan)) {
  g_state = state_.get();
  sqlite3_vfs& vfs = Vfs();
  vfs.pNext = nullptr;
  vfs.zName = Name();
  vfs.szOsFile = static_cast<int>(sizeof(File)) + System()->szOsFile;
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  sqlite3_vfs_register(&vfs, 0);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&Vfs());
  g_state = nullptr;
}

int64_t FaultVfs::calls() const {
  return state_->calls();
}
std::map<std::string, std::string> FaultVfs::photograph() const {
  return state_->photograph();
}

}  // namespace weir::audit
