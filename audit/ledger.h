// A tamper-evident, append-only ledger of compliance decisions.
//
// Append() is durable: once its callback runs with a Receipt, the record survives a crash of the
// process and of the machine (durability `strict`) and is covered by every later checkpoint.
// Records are committed in batches by one writer thread that owns the only connection that writes;
// callers never wait for the disk on their own thread. A checkpoint is signed at most a second
// after a record, and at Close().
//
// If a write's outcome is unknown (a failed fsync, say), the store was deleted or swapped under the
// process, or the disk is full, the ledger closes itself: this and all later appends fail with
// kDataLoss until Open() has reconciled the store with its last checkpoint. Losing service is
// recoverable; signing two histories is not.
//
// Open() closes every exchange that a crash left open with a record of kind `interrupted`.
//
// Closed segments become compressed archives that verify alone; what retention lets go is removed
// with a record that says so, and the tree is left as it was.
//
// Files, in LedgerOptions::dir: ledger.db (SQLite, WAL), ledger.key (private key, mode 0400),
// ledger.vkey (public), ledger.checkpoint (the last checkpoint once more, so that a rolled-back
// ledger.db is noticed), ledger.lock, segments/ (archives). audit/FORMAT.md specifies them.
// Thread-safe, except Open and Close.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/record.h"

namespace weir::audit {

enum class Durability : uint8_t {
  kStrict,   // one fsync for each batch before any of its receipts
  kRelaxed,  // survives a crash of the process; a crash of the machine may lose the last moments
};

// What becomes of the judged text itself.
enum class ContentMode : uint8_t {
  kNone,       // nothing is kept
  kDigest,     // its digest, in the record
  kEncrypted,  // the text, encrypted, beside the tree; the ciphertext's digest in the record
};

// How much time one segment of the ledger may cover; days and months are those of China (UTC+8).
enum class SegmentPeriod : uint8_t { kDay, kMonth };

// Three years: Network Data Security Regulation, article 12.
inline constexpr uint32_t kRetentionDaysMin = 1'096;

struct LedgerOptions {
  std::string dir;
  // Origin of the log in its checkpoints, a schema-less URL; used when the ledger is created.
  std::string origin = "weir.invalid/ledger";
  Durability durability = Durability::kStrict;
  uint64_t queue_records_max = 65'536;  // beyond it Append fails with kResourceExhausted
  uint64_t batch_records_max = 1'024;
  uint64_t free_bytes_min = 64U << 20;  // below it the ledger closes itself before ENOSPC would
  // The most that Append may be asked to keep. With kEncrypted, Open needs the key-encryption key,
  // and creates it with the ledger.
  ContentMode content = ContentMode::kNone;
  std::string content_key_file = {};  // empty: content.key in `dir`
  SegmentPeriod segment_period = SegmentPeriod::kMonth;
  // Closed segments whose last record is older are removed, with a record that says so; 0: never,
  // otherwise at least kRetentionDaysMin.
  uint32_t retention_days = 0;
  std::vector<VerifierKey> witnesses = {};  // whose cosignatures AddCosignatures takes
  std::string vfs = {};                     // SQLite VFS by name; empty: the default
  std::function<int64_t()> now_us = {};     // microseconds since the epoch; empty: the clock
};

struct Receipt {
  uint64_t seq = 0;
  int64_t time_us = 0;
  Hash leaf{};
};

// Counters since Open, for metrics.
struct LedgerStats {
  uint64_t size = 0;  // records in the ledger
  uint64_t queued = 0;
  uint64_t batches = 0;
  uint64_t appended = 0;
  uint64_t checkpoint_size = 0;  // tree size of the last signed checkpoint
  int64_t checkpoint_time_us = 0;
  uint64_t segments_closed = 0;    // in all
  uint64_t segments_archived = 0;  // of them, removed ones included
  std::string archive_failure;     // why the last attempt to archive one failed; empty: it did not
  uint64_t cosigned_size = 0;      // of the last checkpoint with witnesses' cosignatures
  bool open = false;
};

class Ledger {
 public:
  // Creates the directory, the key and the store when they are absent. Fails with a sentence that
  // says what to do: kDataLoss when the store contradicts its last checkpoint, kUnavailable when
  // another process has it open.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const LedgerOptions& options);

  Ledger(const Ledger&) = delete;  // There is one writer.
  Ledger& operator=(const Ledger&) = delete;
  // Closes as Close() does, ignoring its result.
  ~Ledger();

  // `done` runs exactly once, on the writer thread, or on the caller's before Append returns when
  // the queue is full or the ledger closed. It must not block and must not call the ledger.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Receipt>)>;
  void Append(Record record, Done done);
  // The same with the text that was judged. Sets the record's digest and length; the ciphertext is
  // committed with the record. Refuses (kFailedPrecondition) a mode beyond LedgerOptions::content.
  void Append(Record record, std::string_view content, ContentMode mode, Done done);

  // Destroys the keys of all content stored so far for an app's user, in one transaction with a
  // record that says so. Proofs stay valid; nobody can read the content again.
  void Erase(std::string_view app, std::string_view user, std::string_view reason, Done done);

  // Keeps witnesses' lines on the checkpoint that `note` is, in place of earlier ones on it: from
  // then on evidence, exports and tiles carry them. kInvalidArgument, and nothing kept, unless this
  // ledger signed the checkpoint and every line is a valid one of its witnesses. Waits for no disk;
  // a crash may lose lines that were given in the last second.
  absl::Status AddCosignatures(std::string_view note, std::string_view lines);

  // Commits what is queued, signs a final checkpoint, closes the store. Idempotent.
  absl::Status Close();

  // OK while records can be appended; otherwise the reason it closed, as a sentence.
  absl::Status status() const;
  LedgerStats stats() const;
  std::string verifier_key() const;
  std::string last_checkpoint() const;  // the signed note; empty before the first record

 private:
  class Writer;
  explicit Ledger(std::unique_ptr<Writer> writer);
  const std::unique_ptr<Writer> writer_;
};

}  // namespace weir::audit
