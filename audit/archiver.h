// Makes archives of closed segments, on a thread and a connection of its own.
//
// The file is durable before anything refers to it: Take() gives what the writer then stores in one
// transaction, and only after that are the records' rows deleted. A crash in between leaves a file
// that nobody refers to and that is written again. A failure (a full disk, say) harms nothing but
// space: the records stay where they are, and another attempt is made a minute later.
//
// Internal to audit/. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/index.h"
#include "audit/merkle.h"

namespace weir::audit {

class Archiver {
 public:
  struct Finished {
    SegmentSpan span;
    Hash digest{};  // SHA-256 of the file
    uint64_t bytes = 0;
    std::vector<std::string> leaves;  // of each frame's records
  };

  // `public_key`: the log's, for the reader of an archive. `ready` runs on the archiver's thread
  // after each attempt, when there may be something to take and status() may have changed.
  Archiver(std::string dir, std::string public_key, std::function<void()> ready);
  Archiver(const Archiver&) = delete;  // owns a thread
  Archiver& operator=(const Archiver&) = delete;
  ~Archiver();

  // Says that segments may be there that have no archive.
  void Look();
  // While it rests it begins no archive.
  void Rest(bool rests);
  // The next archive; the one after it is begun when this one has been taken and stored.
  std::optional<Finished> Take();
  // OK, or why the last attempt failed.
  absl::Status status() const;

 private:
  void Run();
  absl::StatusOr<std::optional<Finished>> ArchiveNext(uint64_t from);
  bool closing() const;

  const std::string dir_;
  const std::string public_key_;
  const std::function<void()> ready_;

  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  bool look_ = false;
  bool rests_ = false;
  bool closing_ = false;
  std::optional<Finished> finished_;
  absl::Status status_;

  std::thread thread_;
};

}  // namespace weir::audit
