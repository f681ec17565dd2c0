// The ledger's writer: the queue that callers see, and the one thread and connection behind it.
// ledger.cc holds the straight line of an append, reconcile.cc what Open does before it. Internal.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "audit/archiver.h"
#include "audit/concat.h"
#include "audit/content.h"
#include "audit/files.h"
#include "audit/index.h"
#include "audit/ledger.h"
#include "audit/store.h"
#include "audit/tables.h"

namespace weir::audit {

class Ledger::Writer {
 public:
  static absl::StatusOr<std::unique_ptr<Writer>> Open(const LedgerOptions& options);

  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() = default;

  void Append(Record record, std::string_view content, ContentMode mode, Done done);
  void Erase(std::string_view app, std::string_view user, std::string_view reason, Done done);
  absl::Status AddCosignatures(std::string_view note, std::string_view lines);
  absl::Status Close();

  absl::Status status() const;
  LedgerStats stats() const;
  std::string verifier_key() const { return key_->VerifierKey(); }
  std::string last_checkpoint() const;

 private:
  using Clock = std::chrono::steady_clock;

  // What few records bring along.
  struct Attachment {
    SealedContent content;               // none when it has no bytes
    std::optional<SegmentSpan> removed;  // its archive goes
    std::string erase_subject;           // whose keys are destroyed
    int64_t erase_keys_below = 0;
  };

  // A record that waits for its place.
  struct Pending {
    std::string body;  // its encoding without number and time
    RecordKind kind = RecordKind::kService;
    std::string exchange;
    std::unique_ptr<Attachment> attachment;
    Done done;
  };

  explicit Writer(const LedgerOptions& options) : options_(options) {}
  std::string Path(std::string_view name) const { return Concat(options_.dir, "/", name); }

  // What Open does, in this order (reconcile.cc).
  absl::Status LoadKey();
  absl::Status OpenStore();
  absl::Status OpenContent();
  absl::Status PrepareStatements();
  absl::Status LoadWitnesses();
  absl::Status LoadTree();
  absl::Status ReadMark();
  absl::Status LoadArchives();
  absl::Status ReadTail();
  absl::Status ReadBatchAgain(const Batch& batch);
  absl::Status RecordRecovery();

  // The writer thread (ledger.cc).
  void Run();
  bool TakeBatch(std::vector<Pending>& batch);
  void AppendBatch(std::vector<Pending>& batch);
  absl::Status Commit(const std::vector<Pending>& batch, uint64_t first_seq, int64_t time_us);
  absl::Status CommitAttachments(const std::vector<Pending>& batch, uint64_t first_seq);
  void Enqueue(Pending pending);
  absl::Status SignCheckpoint();
  absl::Status WriteCosignatures();
  absl::Status TendStore();
  bool SegmentIsOver(int64_t time_us) const;
  absl::Status CloseSegment();
  absl::Status CheckpointOver(uint64_t size);
  absl::Status TendArchives();
  absl::Status StoreArchive(const Archiver::Finished& finished);
  absl::Status PurgeSlice();
  absl::Status RemoveSegment(SegmentSpan span);
  void NoteExchange(RecordKind kind, const std::string& exchange, uint64_t seq);
  void Shut(const absl::Status& reason);
  ptrdiff_t BatchRecordsMax() const;
  int64_t NowUs() const;

  // Constant after Open.
  const LedgerOptions options_;
  std::unique_ptr<SigningKey> key_;
  std::string origin_;
  std::vector<VerifierKey> witnesses_;     // that the ledger ever had
  std::unique_ptr<ContentSealer> sealer_;  // thread-safe; none unless content is encrypted

  // Owned by the thread that writes: Open's, then the writer's, then Close's.
  std::unique_ptr<FileLock> lock_;
  Database db_;
  std::unique_ptr<Tables> tables_;
  struct Statements {
    Statement begin, commit, insert_batch, insert_node, insert_checkpoint, set_cosignatures,
        insert_segment, insert_page, set_mark, insert_archive, insert_leaves, insert_removal,
        purge_batches, purge_contents, purge_pages, insert_content, insert_key, delete_keys;
  };
  Statements sql_;
  bool erased_ = false;  // keys were deleted and may still stand in the log
  FileWatch watch_;
  CompactRange tree_;
  std::vector<std::pair<int64_t, Hash>> finished_nodes_;  // to be stored with the batch
  int64_t last_time_us_ = 0;
  uint64_t checkpoint_size_ = 0;
  uint64_t recovered_from_ = 0;  // the records from here on were found beyond the last checkpoint
  absl::flat_hash_map<std::string, uint64_t> open_exchanges_;  // to the number of its prompt
  SegmentBuilder segment_;            // the records behind the last closed segment
  std::deque<SegmentSpan> archived_;  // and not removed, oldest first
  // Rows that are left of a segment whose records are archived; of a removed one, all its rows.
  struct Purge {
    SegmentSpan span;
    bool removed = false;
    uint64_t next = 0;  // rows before this record are gone
  };
  std::deque<Purge> purges_;
  std::string records_;  // the batch being encoded
  std::string leaves_;
  std::vector<Receipt> receipts_;
  Clock::time_point checkpoint_due_ = Clock::time_point::max();
  Clock::duration commit_time_{};  // what the last commit took
  size_t expected_ = 0;            // records of the last batch

  std::unique_ptr<Archiver> archiver_;  // thread-safe

  std::thread thread_;

  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  std::deque<Pending> queue_;
  size_t wake_at_ = 0;  // the queue's length that the writer waits for; 0: it does not wait
  bool closing_ = false;
  bool archive_ready_ = false;  // the archiver has one to hand over
  absl::Status status_;
  LedgerStats stats_;
  std::string checkpoint_;                        // signed note
  std::map<uint64_t, std::string> cosignatures_;  // lines to be stored, by their checkpoint's size
};

}  // namespace weir::audit
