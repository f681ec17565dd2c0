// A witness (c2sp.org/tlog-witness): it remembers the last checkpoint of each of its logs that it
// cosigned, and cosigns another only if that extends the last. A log that rewrites its history or
// shows two people different ones finds no witness for it.
//
// What it cosigned is in the state file, synced to the disk, before the cosignature leaves
// AddCheckpoint(); a crash in between leaves a remembered checkpoint whose cosignature the log asks
// for again. One process holds the state file. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/checkpoint.h"
#include "audit/files.h"

namespace weir::audit {

struct WitnessOptions {
  std::string key_file;           // private key of type kCosignature
  std::vector<VerifierKey> logs;  // the logs that it witnesses; a log's origin is its key's name
  std::string state_file;         // made when absent: then nothing has been cosigned
  std::function<uint64_t()> now_s = {};  // seconds since 1970; empty: the clock
};

// An HTTP answer.
struct WitnessAnswer {
  int status = 200;
  std::string_view media_type = "text/plain; charset=utf-8";
  std::string body;
};

class Witness {
 public:
  static absl::StatusOr<std::unique_ptr<Witness>> Open(const WitnessOptions& options);
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  // POST /add-checkpoint: 200 with the cosignature; 400 malformed; 404 of a log that it does not
  // witness; 403 not signed by its log; 409 with the size that it has cosigned, when the proof
  // begins elsewhere; 422 when the proof does not hold; 500 when the state cannot be kept.
  WitnessAnswer AddCheckpoint(std::string_view body);
  // GET /<hexadecimal SHA-256 of the origin>/checkpoint: the last checkpoint cosigned, with the
  // cosignature; 404 when there is none.
  WitnessAnswer LatestCheckpoint(std::string_view origin_digest) const;

  std::string verifier_key() const { return key_.VerifierKey(); }

 private:
  struct Cosigned {
    Checkpoint checkpoint;
    std::string note;  // of the log, with this witness's line
  };

  Witness(SigningKey key, const WitnessOptions& options, FileLock lock)
      : options_(options), key_(std::move(key)), lock_(std::move(lock)) {}
  absl::Status ReadState();
  absl::Status Remember(Cosigned cosigned);
  const VerifierKey* LogOf(std::string_view origin) const;

  const WitnessOptions options_;
  const SigningKey key_;
  const FileLock lock_;
  std::map<std::string, Cosigned, std::less<>> cosigned_;  // by origin
};

}  // namespace weir::audit
