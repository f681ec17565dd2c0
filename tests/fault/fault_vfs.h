// A disk that fails, and that forgets what was not synced: an SQLite VFS over the system's own, and
// with it the files that the ledger writes itself (audit/files.h).
//
// Faults: the Nth call of the kinds that change files fails with a given error, once or from then
// on. Power loss: at the Nth such call the disk is photographed as a power cut may leave it: what
// was synced is there; of what was written since, each 512-byte sector is there or not; and of
// names that were made, changed or removed since their directory was synced, each is there or not.
//
// One instance at a time may be registered. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weir::audit {

struct FaultPlan {
  int64_t fail_at = -1;  // the call that fails, from 0; -1: none
  // SQLITE_IOERR_..., SQLITE_FULL; SQLITE_IOERR: what SQLite says of such a call that fails with
  // EIO; SQLITE_OK: the call does half its work. The ledger's own files
  // fail with ENOSPC for SQLITE_FULL, and with EIO for the others.
  int error = 0;
  bool persistent = false;            // every later call fails too
  int64_t cut_at = -1;                // the call at which the power goes; -1: never
  uint64_t seed = 0;                  // of what survives the cut
  std::function<void()> at_cut = {};  // runs at that moment, on the thread that made the call
};

class FaultVfs {
 public:
  explicit FaultVfs(const FaultPlan& plan);
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;
  ~FaultVfs();

  static const char* Name() { return "weir-fault"; }
  // Calls so far that could have failed.
  int64_t calls() const;
  // What each of them was about to do: "write ledger.db-wal", "sync segments/000000.zst.new".
  std::vector<std::string> names() const;
  // The power goes now.
  void CutNow();
  // Writes the ledger's files as the power cut left them into another directory for it; nothing
  // when it has not come.
  void Develop(const std::string& dir) const;

  class State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace weir::audit
