#include "tests/fault/fault_vfs.h"

#include <errno.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <sstream>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include "audit/concat.h"
#include "audit/files.h"

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
  std::string synced = {};
  std::vector<Change> pending = {};
  size_t written = 0;  // of a file that is written from its beginning to its end

  void Sync();
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

void Disk::Sync() {
  for (const Change& change : pending) Apply(change, synced);
  pending.clear();
}

// The file's name in the ledger's directory.
std::string ShortName(const std::string& path) {
  const size_t segments = path.rfind("/segments");
  return path.substr((segments != std::string::npos ? segments : path.rfind('/')) + 1);
}

std::string Parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

class FaultVfs::State {
 public:
  explicit State(FaultPlan plan) : plan_(std::move(plan)), random_(plan_.seed) {}

  // Counts a call that changes a file: the error that it fails with, or SQLITE_OK.
  // `half` is set when it is to do half its work before it fails.
  int Enter(const char* what, const std::string& path, bool& half) {
    const std::lock_guard lock(mu_);
    return EnterLocked(what, path, half);
  }

  void Opened(const std::string& path) {
    const std::lock_guard lock(mu_);
    std::shared_ptr<Disk>& disk = live_[path];
    if (disk != nullptr) return;
    std::stringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    disk = std::make_shared<Disk>(Disk{.synced = content.str(), .pending = {}});
    lasting_[path] = disk;
  }
  void Wrote(const std::string& path, size_t offset, const void* bytes, size_t count) {
    const std::lock_guard lock(mu_);
    live_[path]->pending.push_back(
        {.offset = offset, .bytes = std::string(static_cast<const char*>(bytes), count)});
  }
  void Truncated(const std::string& path, size_t length) {
    const std::lock_guard lock(mu_);
    live_[path]->pending.push_back({.truncate = true, .offset = length, .bytes = {}});
  }
  void Synced(const std::string& path) {
    const std::lock_guard lock(mu_);
    live_[path]->Sync();
  }
  // Systems take for clean what failed to be synced, and never try again: nothing of it will last.
  void FailedToSync(const std::string& path) {
    const std::lock_guard lock(mu_);
    live_[path]->pending.clear();
  }
  void Deleted(const std::string& path) {
    const std::lock_guard lock(mu_);
    live_.erase(path);
    lasting_.erase(path);
  }

  // A call of audit/files.h: the errno that it fails with, or 0.
  int Before(FileCall call, const std::string& path, std::string_view detail) {
    static constexpr const char* kNames[] = {"make",           "create", "write",  "sync",
                                             "sync directory", "rename", "remove", "resize"};
    const std::lock_guard lock(mu_);
    bool half = false;
    const int error = EnterLocked(kNames[static_cast<size_t>(call)], path, half);
    if (error != SQLITE_OK) return error == SQLITE_FULL ? ENOSPC : EIO;
    Follow(call, path, std::string(detail));
    return 0;
  }

  void CutNow() {
    const std::lock_guard lock(mu_);
    TakePhotograph();
  }
  int64_t calls() const {
    const std::lock_guard lock(mu_);
    return std::ssize(names_);
  }
  std::vector<std::string> names() const {
    const std::lock_guard lock(mu_);
    return names_;
  }
  std::map<std::string, std::string> photograph() const {
    const std::lock_guard lock(mu_);
    return photograph_;
  }

 private:
  // A name that was given to a file or, with none, taken away; and another that went with it.
  struct NameChange {
    std::string path;
    std::shared_ptr<Disk> disk;
    std::string gone = {};
  };

  int EnterLocked(const char* what, const std::string& path, bool& half) {
    const int64_t call = std::ssize(names_);
    names_.push_back(Concat(what, " ", ShortName(path)));
    if (call == plan_.cut_at) {
      TakePhotograph();
      if (plan_.at_cut) plan_.at_cut();
    }
    const bool fails =
        plan_.fail_at >= 0 && (call == plan_.fail_at || (plan_.persistent && call > plan_.fail_at));
    half = fails && plan_.error == SQLITE_OK;
    if (!fails) return SQLITE_OK;
    if (half) return SQLITE_IOERR_WRITE;
    if (*what == 's' && (plan_.error == SQLITE_IOERR || plan_.error == SQLITE_FULL)) {
      return SQLITE_IOERR_FSYNC;
    }
    if (plan_.error != SQLITE_IOERR) return plan_.error;
    return *what == 't' ? SQLITE_IOERR_TRUNCATE : SQLITE_IOERR_WRITE;
  }

  void Follow(FileCall call, const std::string& path, std::string detail) {
    switch (call) {
      case FileCall::kCreate:
        live_[path] = std::make_shared<Disk>();
        changes_.push_back({path, live_[path]});
        break;
      case FileCall::kWrite:
        live_[path]->pending.push_back({.offset = live_[path]->written, .bytes = detail});
        live_[path]->written += detail.size();
        break;
      case FileCall::kSync:
        live_[path]->Sync();
        break;
      case FileCall::kRename:
        live_[detail] = std::exchange(live_[path], nullptr);
        changes_.push_back({detail, live_[detail], path});
        break;
      case FileCall::kRemove:
        live_.erase(path);
        changes_.push_back({path, nullptr});
        break;
      case FileCall::kSyncDirectory:
        std::erase_if(changes_, [&](const NameChange& change) {
          if (Parent(change.path) != path) return false;
          Name(change, lasting_);
          return true;
        });
        break;
      case FileCall::kMakeDirectory:
      case FileCall::kResize:  // the ballast's, of which nothing is read
        break;
    }
  }

  using Directory = std::map<std::string, std::shared_ptr<Disk>>;
  static void Name(const NameChange& change, Directory& directory) {
    directory.erase(change.gone);
    if (change.disk == nullptr) {
      directory.erase(change.path);
    } else {
      directory[change.path] = change.disk;
    }
  }

  void TakePhotograph() {
    Directory left = lasting_;
    const uint64_t survives_of_4 = random_() % 5;
    for (const NameChange& change : changes_) {
      if (random_() % 4 < survives_of_4) Name(change, left);
    }
    for (const auto& [path, disk] : left) photograph_[ShortName(path)] = AfterCut(*disk);
  }

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
  std::vector<std::string> names_;  // of the calls
  Directory live_;                  // what the process sees
  Directory lasting_;               // the names that a power cut leaves for certain
  std::vector<NameChange> changes_;
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
  const int error = g_state->Enter("write", *Of(file)->path, half);
  if (error != SQLITE_OK && !half) return error;
  const int done = half ? count / 2 : count;
  const int code = Real(file).xWrite(Of(file)->real, bytes, done, offset);
  g_state->Wrote(*Of(file)->path, static_cast<size_t>(offset), bytes, static_cast<size_t>(done));
  return half ? error : code;
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  bool half = false;
  if (const int error = g_state->Enter("truncate", *Of(file)->path, half); error != SQLITE_OK) {
    return error;
  }
  g_state->Truncated(*Of(file)->path, static_cast<size_t>(size));
  return Real(file).xTruncate(Of(file)->real, size);
}
int Sync(sqlite3_file* file, int flags) {
  bool half = false;
  // A sync that fails half-way has synced: nobody can know.
  const int error = g_state->Enter("sync", *Of(file)->path, half);
  if (error != SQLITE_OK && !half) {
    g_state->FailedToSync(*Of(file)->path);
    return error;
  }
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
  const std::string path = name == nullptr ? "" : name;
  if (g_state->Enter("open", path, half) != SQLITE_OK) return SQLITE_CANTOPEN;
  Of(file)->real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(File));
  const int code = System()->xOpen(System(), name, Of(file)->real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  Of(file)->path = std::make_unique<std::string>(path).release();
  g_state->Opened(*Of(file)->path);
  file->pMethods = &kMethods;
  return SQLITE_OK;
}
int Delete(sqlite3_vfs*, const char* name, int sync_dir) {
  bool half = false;
  if (g_state->Enter("delete", name, half) != SQLITE_OK) return SQLITE_IOERR_DELETE;
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
  static const FileHook hook{
      .before = [](FileCall call, const std::string& path, std::string_view detail) {
        return g_state->Before(call, path, detail);
      }};
  HookFiles(&hook);
}

FaultVfs::~FaultVfs() {
  HookFiles(nullptr);
  sqlite3_vfs_unregister(&Vfs());
  g_state = nullptr;
}

int64_t FaultVfs::calls() const {
  return state_->calls();
}
std::vector<std::string> FaultVfs::names() const {
  return state_->names();
}
void FaultVfs::CutNow() {
  state_->CutNow();
}
void FaultVfs::Develop(const std::string& dir) const {
  namespace fs = std::filesystem;
  for (const auto& [name, content] : state_->photograph()) {
    const fs::path path = fs::path(dir) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }
}

}  // namespace weir::audit
