// The ledger's writer: the queue that callers see, and the one thread and connection behind it.
// ledger.cc holds the straight line of an append, reconcile.cc what Open does before it, erasure.cc
// what becomes of stored content. Internal.
#pragma once

#include <atomic>
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
#include "audit/ballast.h"
#include "audit/concat.h"
#include "audit/content.h"
#include "audit/files.h"
#include "audit/index.h"
#include "audit/ledger.h"
#include "audit/store.h"
#include "audit/tables.h"
#include "audit/watch.h"
#include "audit/word_indexer.h"

namespace weir::audit {

inline constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

class Ledger::Writer {
 public:
  static absl::StatusOr<std::unique_ptr<Writer>> Open(const LedgerOptions& options, Writer* before);

  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() = default;

  void Append(Record record, const Content& content, Done done);
  void Erase(std::string_view app, std::string_view user, const Access& access, Done done);
  void Hold(std::string_view app, std::string_view user, const Access& access, Done done);
  void Release(uint64_t hold, const Access& access, Done done);
  absl::Status AddCosignatures(std::string_view note, std::string_view lines);
  absl::Status Close();

  bool open() const { return open_.load(std::memory_order_acquire); }
  absl::Status status() const;
  bool closed() const;
  LedgerStats stats() const;
  std::string verifier_key() const;
  std::string last_checkpoint() const;

 private:
  using Clock = std::chrono::steady_clock;

  // What is asked of a subject's content. Whoever asks leaves it in the queue; the writer decides
  // what comes of it when its turn has come, with everything before it committed.
  enum class OrderKind : uint8_t { kErase, kHold, kRelease, kComplete };
  enum class Restriction : uint8_t { kAsItIs, kBegins, kEnds };
  struct Order {
    OrderKind kind = OrderKind::kErase;
    std::string app = {};
    std::string user = {};
    Access access = {};
    uint64_t hold = 0;         // kRelease: the hold's record; kComplete: the restriction's
    std::string subject = {};  // kErase, kComplete: whose keys, and those below which number
    int64_t keys_below = 0;
    // Decided:
    int64_t destroy_until = INT64_MIN;  // keys whose floors end on that day or before
    Restriction restriction = Restriction::kAsItIs;
    int64_t complete_on = INT64_MAX;  // kBegins: the first day on which some of it is destroyed
  };
  // The days on which the first and the last floor of a subject's keys end.
  struct Kept {
    int64_t first = 0;
    int64_t last = 0;
  };

  // A record that waits for its place.
  struct Pending {
    std::string body = {};  // its encoding without number and time
    RecordKind kind = RecordKind::kService;
    std::string exchange = {};
    std::unique_ptr<SealedContent> content = nullptr;  // few have one
    std::unique_ptr<Order> order = nullptr;            // then its body is written when decided
    std::unique_ptr<SegmentSpan> removed = nullptr;    // the segment whose removal it tells
    Done done;
  };

  // An erasure whose caller waits for old bytes to leave the log.
  struct Erased {
    Receipt receipt;
    Clock::time_point until;
    Done done;
  };

  explicit Writer(const LedgerOptions& options) : options_(options) {}
  std::string Path(std::string_view name) const { return Concat(options_.dir, "/", name); }

  // What Open does, in this order (reconcile.cc).
  absl::Status CheckPresence() const;
  absl::Status LetGo();
  absl::Status LoadKey();
  absl::Status OpenStore();
  absl::Status PrepareErasures();
  absl::Status OpenContent();
  absl::Status FinishErasures();
  absl::Status LoadWitnesses();
  absl::Status LoadTree();
  absl::Status CheckAgainst(const Writer& before) const;
  absl::Status ReadMark();
  absl::Status LoadArchives();
  absl::Status ReadTail();
  absl::Status ReadBatchAgain(const Batch& batch);
  absl::Status RecordRecovery();

  // The writer thread (ledger.cc).
  void Run();
  absl::Status Finish();
  bool TakeBatch(std::vector<Pending>& batch);
  void AppendBatch(std::vector<Pending>& batch);
  void Acknowledge();
  absl::Status Commit(const std::vector<Pending>& batch, uint64_t first_seq, int64_t time_us);
  absl::Status CommitContents(const std::vector<Pending>& batch, uint64_t first_seq);
  // False: the content was sealed under a key that is about to go; seal it again.
  bool Enqueue(Pending& pending);
  std::string SignedNote(const Checkpoint& checkpoint) const;
  absl::Status SignCheckpoint();
  absl::Status WriteCosignatures();
  absl::Status TendStore();
  absl::Status TendWords();
  absl::Status CheckFiles();
  void NoteRoom();
  void RefuseBeginnings(std::vector<Pending>& batch);
  bool SegmentIsOver(int64_t time_us);
  absl::Status CloseSegment();
  absl::Status CheckpointOver(uint64_t size);
  absl::Status TendArchives();
  absl::Status StoreArchive(const Archiver::Finished& finished);
  absl::Status PurgeSlice();
  absl::Status RemoveSegment(SegmentSpan span);
  // Whether it has a record of a subject on whom there is a hold.
  absl::StatusOr<bool> IsHeld(const SegmentSpan& span);
  void NoteExchange(RecordKind kind, const std::string& exchange, uint64_t seq);
  void Shut(const absl::Status& reason);
  ptrdiff_t BatchRecordsMax() const;
  int64_t NowUs() const;

  // What becomes of stored content (erasure.cc). All but the first run on the writer's thread.
  void Ask(Order order, Done done);
  absl::Status Decide(Pending& pending);
  absl::Status DecideErasure(Order& order, Record& record);
  absl::Status DecideCompletion(Order& order, Record& record);
  absl::Status DecideRelease(Order& order, Record& record);
  absl::StatusOr<std::optional<uint64_t>> HoldOn(const Order& order);
  // Nothing when the subject has no key.
  absl::StatusOr<std::optional<Kept>> KeptOf(const Order& order);
  absl::Status CommitOrder(const Order& order, uint64_t seq);
  absl::Status CompleteErasures();
  absl::Status EmptyLog(bool last);
  void AnswerErased(Clock::time_point now, const absl::Status& status);
  int64_t Today() const;

  // Constant after Open.
  const LedgerOptions options_;
  std::unique_ptr<SigningKey> key_;
  std::unique_ptr<SigningKey> sm2_key_;  // in the suite `sm` alone
  std::string origin_;
  std::vector<VerifierKey> witnesses_;     // that the ledger ever had
  std::unique_ptr<ContentSealer> sealer_;  // thread-safe; none when content was never encrypted

  // Owned by the thread that writes: Open's, then the writer's, then Close's.
  std::unique_ptr<FileLock> lock_;
  Database db_;
  std::unique_ptr<Tables> tables_;
  struct Statements {
    Statement begin, commit, insert_batch, insert_node, insert_checkpoint, set_cosignatures,
        insert_segment, insert_page, set_mark, insert_archive, insert_leaves, insert_removal,
        purge_batches, purge_contents, purge_pages, insert_content, insert_key, delete_contents,
        destroy_keys, kept, hold_on, find_hold, insert_hold, delete_hold, restrict, lift;
  };
  Statements sql_;
  int log_moved_ = 0;            // pages of the log that were moved into the database
  bool log_is_tainted_ = false;  // what was destroyed may still stand in the log
  Clock::time_point empty_log_at_{};
  std::vector<Erased> erased_;
  int64_t complete_on_ = INT64_MIN;     // the day on which a restricted subject's floors may end
  std::unique_ptr<WordIndexer> words_;  // where there is a sealer
  StoreWatch watch_;
  Ballast ballast_;
  Clock::time_point look_at_{};  // at the files and the disk
  CompactRange tree_;
  std::vector<std::pair<int64_t, Hash>> finished_nodes_;  // to be stored with the batch
  int64_t last_time_us_ = 0;
  uint64_t checkpoint_size_ = 0;
  uint64_t recovered_from_ = 0;  // the records from here on were found beyond the last checkpoint
  absl::flat_hash_map<std::string, uint64_t> open_exchanges_;  // to the number of its prompt
  std::optional<int64_t> period_end_us_;  // of the open segment, once it was asked for
  SegmentBuilder segment_;                // the records behind the last closed segment
  bool archiver_spoke_ = false;           // it has one to hand over, or says why not
  std::deque<SegmentSpan> archived_;      // and not removed, oldest first
  bool removal_is_held_ = false;          // of the first of them, until a hold is released
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

  std::atomic<bool> open_ = false;  // written under mu_
  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  std::deque<Pending> queue_;
  size_t wake_at_ = 0;  // the queue's length that the writer waits for; 0: it does not wait
  bool closing_ = false;
  bool archive_ready_ = false;  // the archiver has tried to make one since the last TakeBatch()
  absl::Status status_;         // why it closed
  absl::Status low_;            // why it takes only what ends an exchange
  LedgerStats stats_;
  CompactRange acknowledged_;                     // the tree over what somebody may rely on
  std::string checkpoint_;                        // signed note
  std::map<uint64_t, std::string> cosignatures_;  // lines to be stored, by their checkpoint's size
};

}  // namespace weir::audit
