// A tamper-evident, append-only ledger of compliance decisions.
//
// Append() is durable: once its callback runs with a Receipt, the record survives a crash of the
// process and of the machine (durability `strict`) and is covered by every later checkpoint.
// Records are committed in batches by one writer thread that owns the only connection that writes;
// callers never wait for the disk on their own thread. A checkpoint is signed at most a second
// after a record, and at Close().
//
// A ledger that fails closes itself: this and all later appends fail, with a code that says what
// helps, until Open() has reconciled the store with its last checkpoint. Losing service is
// recoverable; signing two histories is not.
//   kUnavailable        Every acknowledged record is where it was, and Open() may succeed without a
//                       person, once what the sentence names has passed: a full disk, a write that
//                       was refused, a store that was moved away or made read-only.
//   kDataLoss           A person has to look: nobody knows what the disk holds (a failed fsync), or
//                       it holds what was never written (cut, rolled back, altered).
//   kResourceExhausted  It is open, but takes only what ends an exchange, and goes on by itself:
//                       the disk is nearly full, see LedgerOptions::free_bytes_min.
// A store that was deleted, swapped, cut or made read-only is noticed within a second, traffic or
// not.
//
// Open() closes every exchange that a crash left open with a record of kind `interrupted`, and
// completes erasures.
//
// Closed segments become compressed archives that verify alone; what retention lets go is removed
// with a record that says so, and the tree is left as it was.
//
// Files, in LedgerOptions::dir: ledger.db (SQLite, WAL), ledger.key (private key, mode 0400),
// ledger.vkey (public), ledger.checkpoint (the last checkpoint once more, so that a rolled-back
// ledger.db is noticed), ledger.lock, ledger.ballast (room), segments/ (archives). audit/FORMAT.md
// specifies them. Thread-safe, except Open and Close.
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
#include "audit/content.h"
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

// A judged text, for Append.
struct Content {
  std::string_view text;
  ContentMode mode = ContentMode::kNone;
  Floor floor = Floor::kLog;
};

// Who asks for content to be shown, destroyed or kept, in which role and why. All of it stands in
// the record, and none of it may be empty.
struct Access {
  std::string person;
  std::string role;
  std::string reason;
};

struct LedgerOptions {
  std::string dir;
  // Origin of the log in its checkpoints, a schema-less URL; used when the ledger is created.
  std::string origin = "weir.invalid/ledger";
  Durability durability = Durability::kStrict;
  uint64_t queue_records_max = 65'536;  // beyond it Append fails with kResourceExhausted
  uint64_t batch_records_max = 1'024;
  // The low-water mark of the ledger's disk, and the size of a file, ledger.ballast, whose room
  // nobody else can take. Below the mark no exchange begins (Append of a prompt, or of a failure
  // that stands alone, fails with kResourceExhausted) while those that were begun are ended, out
  // of the ballast when nothing else is left; this ends when the ballast is whole again and a
  // quarter more than the mark is free. 0: no mark and no ballast.
  uint64_t free_bytes_min = 0;
  // The most that Append may be asked to keep. With kEncrypted, Open needs the key-encryption key.
  ContentMode content = ContentMode::kNone;
  // Where that key stands; a file that is named must be there. Empty: content.key in `dir`, made
  // when there is no content yet.
  std::string content_key_file = {};
  // Algorithms of content, and whether checkpoints carry an SM2 signature beside Ed25519's. A
  // ledger keeps the suite that it was made with.
  Suite suite = Suite::kInternational;
  // Days before which an erasure does not destroy content, by Floor. The defaults are six months
  // and three years, whichever months and years they are.
  int64_t keep_days = 184;
  int64_t keep_transfer_days = 1'096;
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
  uint64_t segments_closed = 0;     // in all
  uint64_t segments_archived = 0;   // of them, removed ones included
  std::string archive_failure;      // why the last attempt to archive one failed; empty: it did not
  uint64_t cosigned_size = 0;       // of the last checkpoint with witnesses' cosignatures
  uint64_t unindexed_contents = 0;  // stored contents that searches for words look at one by one
  uint64_t free_bytes = 0;          // of its disk, without the ballast; 0: nobody asked
  uint64_t ballast_bytes = 0;       // what is left of it
  bool low = false;                 // the disk is nearly full: exchanges may end, not begin
  bool open = false;
};

// Whether a ledger's status, or that of Open, means that opening it again is of no use before a
// person has done what the sentence says.
inline bool NeedsPerson(const absl::Status& status) {
  return !status.ok() && !absl::IsUnavailable(status) && !absl::IsResourceExhausted(status);
}

class Ledger {
 public:
  // Creates the directory, the key and the store when they are absent. Fails with a sentence that
  // says what to do: kDataLoss when the store contradicts its last checkpoint, kUnavailable when
  // another process has it open or there is no room.
  //
  // With `before`, a ledger of the same options that has closed itself, nothing is created, what is
  // absent is kUnavailable, and kDataLoss is also whatever does not hold all that `before`
  // acknowledged. Its files are let go when they are where they were: what was deleted can until
  // then be copied from where the kernel keeps it.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const LedgerOptions& options,
                                                      Ledger* before = nullptr);

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
  void Append(Record record, const Content& content, Done done);

  // What a person asks of all content that was appended so far for an app's user. The receipt's
  // record says what came of it; `done` is refused with kInvalidArgument when `access` has a gap.
  //
  // Erase destroys keys and ciphertext in one transaction with a record of kind `erased`, and calls
  // back once their bytes are in no file of the store (kUnavailable when a reader keeps the log
  // from being emptied for long: the erasure is then carried out, the bytes go when the reader
  // does). Where a hold or a floor demands that some of it be kept, the record's kind is
  // `restricted`: from then on the content is only shown for legal purposes (audit/reveal.h), and
  // is destroyed, with an `erased` record, when the last hold and floor have ended. Proofs stay
  // valid throughout. A crash leaves an erasure either not begun, or completed by Open.
  void Erase(std::string_view app, std::string_view user, const Access& access, Done done);
  // From the receipt on nothing of the subject is destroyed, until Release of that very record.
  void Hold(std::string_view app, std::string_view user, const Access& access, Done done);
  // kNotFound when record `hold` is no hold that lasts.
  void Release(uint64_t hold, const Access& access, Done done);

  // Keeps witnesses' lines on the checkpoint that `note` is, in place of earlier ones on it: from
  // then on evidence, exports and tiles carry them. kInvalidArgument, and nothing kept, unless this
  // ledger signed the checkpoint and every line is a valid one of its witnesses. Waits for no disk;
  // a crash may lose lines that were given in the last second.
  absl::Status AddCosignatures(std::string_view note, std::string_view lines);

  // Commits what is queued, signs a final checkpoint, closes the store. Idempotent.
  absl::Status Close();

  // Whether records can be appended. Takes no lock.
  bool open() const;
  // OK while everything can be appended; otherwise the reason why not, as a sentence.
  absl::Status status() const;
  LedgerStats stats() const;
  std::string verifier_key() const;     // one line for each key that signs
  std::string last_checkpoint() const;  // the signed note; empty before the first record

 private:
  class Writer;
  explicit Ledger(std::unique_ptr<Writer> writer);
  const std::unique_ptr<Writer> writer_;
};

}  // namespace weir::audit
