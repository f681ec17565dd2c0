// An SQLite VFS over the system's own that fails, and that forgets what was not synced.
//
// Faults: the Nth call of the kinds that change files fails with a given error, once or from then
// on. Power loss: at the Nth such call the disk is photographed as a power cut may leave it: what
// was synced is there; of what was written since, each 512-byte sector is there or not.
//
// One instance at a time may be registered. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace weir::audit {

struct FaultPlan {
  int64_t fail_at = -1;     // the call that fails, from 0; -1: none
  int error = 0;            // SQLITE_IOERR_..., SQLITE_FULL; SQLITE_OK: the call does half its work
  bool persistent = false;  // every later call fails too
  int64_t cut_at = -1;      // the call at which the power goes; -1: never
  uint64_t seed = 0;        // of what survives the cut
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
  // Files by path as the power cut left them; empty when it has not come.
  std::map<std::string, std::string> photograph() const;

  class State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace weir::audit
