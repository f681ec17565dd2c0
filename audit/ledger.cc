#include "audit/ledger.h"

#include <algorithm>
#include <utility>

#include <absl/time/civil_time.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include "audit/concat.h"
#include "audit/cosignatures.h"
#include "audit/quorum.h"
#include "audit/writer.h"

namespace weir::audit {
namespace {

using std::chrono::milliseconds;

// From a record's commit to the signing of a checkpoint that covers it; the promise is a second.
constexpr milliseconds kCheckpointDelay(900);
// How often the writer looks at all of its files and at the room on its disk, traffic or not; what
// happened to them is to be noticed within a second.
constexpr milliseconds kLookEvery(400);
// Pages of the write-ahead log (4 KiB each) after which they are moved into the database.
constexpr int kLogPagesMax = 4'096;
constexpr size_t kBatchBytesMax = 8U << 20;
// How long who asked for an erasure waits for readers to leave the log.
constexpr milliseconds kErasedWait(10'000);

// When the period that a time lies in is over.
int64_t PeriodEnd(SegmentPeriod period, int64_t time_us) {
  static const absl::TimeZone kChina = absl::FixedTimeZone(8 * 60 * 60);
  const absl::Time time = absl::FromUnixMicros(time_us);
  const absl::Time end = period == SegmentPeriod::kDay
                             ? absl::FromCivil(absl::ToCivilDay(time, kChina) + 1, kChina)
                             : absl::FromCivil(absl::ToCivilMonth(time, kChina) + 1, kChina);
  return absl::ToUnixMicros(end);
}

}  // namespace

// The life of a record: Queue -> Batch -> Encode -> Hash -> Commit -> Checkpoint -> Reply.
//
// Queue is Append(), on the caller's thread. A crash there leaves nothing: nobody was told. From
// TakeBatch() on, everything happens in this order on the writer's thread.
// NOLINTNEXTLINE(readability-function-size): the straight line
void Ledger::Writer::AppendBatch(std::vector<Pending>& batch) {
  if (ballast_.low()) RefuseBeginnings(batch);
  if (batch.empty()) return;

  // What was asked of stored content is decided now, and is a batch of its own.
  if (batch.front().order != nullptr) {
    if (absl::Status status = Decide(batch.front()); !status.ok()) {
      if (!absl::IsNotFound(status)) Shut(status);
      return batch.front().done(absl::IsNotFound(status) ? status : this->status());
    }
  }

  // Batch: places in the sequence. Time never falls, whatever the clock does. A crash up to Commit
  // leaves nothing either.
  const int64_t time_us = std::max(last_time_us_, NowUs());
  absl::Status status = SegmentIsOver(time_us) ? CloseSegment() : absl::OkStatus();
  last_time_us_ = time_us;
  const uint64_t first_seq = tree_.size();

  // Encode, and note what the search index will say; that is built behind the records.
  records_.clear();
  receipts_.clear();
  for (const Pending& pending : batch) {
    const uint64_t seq = first_seq + receipts_.size();
    const std::string_view encoded = AppendToBatch(seq, time_us, pending.body, records_);
    receipts_.push_back({.seq = seq, .time_us = time_us, .leaf = LeafHash(encoded)});
    segment_.Add(seq, time_us, encoded);
    NoteExchange(pending.kind, pending.exchange, seq);
  }

  // Hash: the tree moves on in memory. Should the commit fail, this tree is never used again.
  const auto collect_nodes = [this](int level, uint64_t index, const Hash& hash) {
    if (level == 0 || level % kTileHeight != 0) return;
    finished_nodes_.emplace_back(NodeId(level / kTileHeight, index), hash);
  };
  leaves_.clear();
  finished_nodes_.clear();
  for (const Receipt& receipt : receipts_) {
    leaves_ += AsBytes(receipt.leaf);
    tree_.Append(receipt.leaf, collect_nodes);
  }

  // Commit: one transaction, one fsync. A crash inside leaves all of the batch or nothing; what it
  // leaves is found at Open, beyond the last checkpoint, and recorded as recovered.
  const Clock::time_point begin = Clock::now();
  if (status.ok()) status = Commit(batch, first_seq, time_us);
  // The files may have been deleted meanwhile, and the fsync gone to nowhere.
  if (status.ok()) status = watch_.CheckIdentity();
  const Clock::time_point end = Clock::now();
  commit_time_ = end - begin;

  // Checkpoint: when one is due. A crash after Commit leaves durable records that nobody was told
  // of; a crash inside leaves a checkpoint that nobody saw, over records that are durable.
  if (status.ok()) {
    checkpoint_due_ = std::min(checkpoint_due_, end + kCheckpointDelay);
    if (end >= checkpoint_due_) status = SignCheckpoint();
  }
  status.ok() ? Acknowledge() : Shut(status);

  // Reply: from here on somebody relies on the records. Who asked for an erasure waits until the
  // log is empty.
  for (size_t i = 0; i < batch.size(); ++i) {
    if (status.ok() && batch[i].kind == RecordKind::kErased) {
      erased_.push_back({receipts_[i], end + kErasedWait, std::move(batch[i].done)});
    } else if (status.ok()) {
      batch[i].done(receipts_[i]);
    } else {
      batch[i].done(this->status());
    }
  }
}

void Ledger::Writer::Acknowledge() {
  const std::lock_guard lock(mu_);
  acknowledged_ = tree_;
}

absl::Status Ledger::Writer::Commit(const std::vector<Pending>& batch, uint64_t first_seq,
                                    int64_t time_us) {
  const uint64_t count = batch.size();
  if (absl::Status status = sql_.begin.Run(); !status.ok()) return status;
  sql_.insert_batch.Bind(1, first_seq);
  sql_.insert_batch.Bind(2, count);
  sql_.insert_batch.Bind(3, time_us);
  sql_.insert_batch.BindBlob(4, leaves_);
  sql_.insert_batch.BindBlob(5, records_);
  if (absl::Status status = sql_.insert_batch.Run(); !status.ok()) return status;
  for (const auto& [id, hash] : finished_nodes_) {
    sql_.insert_node.Bind(1, id);
    sql_.insert_node.BindBlob(2, AsBytes(hash));
    if (absl::Status status = sql_.insert_node.Run(); !status.ok()) return status;
  }
  if (absl::Status status = CommitContents(batch, first_seq); !status.ok()) return status;
  if (absl::Status status = sql_.commit.Run(); !status.ok()) return status;
  const std::lock_guard lock(mu_);
  stats_.size = first_seq + count;
  stats_.batches += 1;
  stats_.appended += count;
  return absl::OkStatus();
}

// Content, or what is to become of it, within the transaction of its records.
absl::Status Ledger::Writer::CommitContents(const std::vector<Pending>& batch, uint64_t first_seq) {
  if (sealer_ != nullptr) {
    for (const WrappedKey& key : sealer_->TakeNewKeys()) {
      sql_.insert_key.Bind(1, key.id);
      sql_.insert_key.BindBlob(2, key.subject);
      sql_.insert_key.Bind(3, key.day);
      sql_.insert_key.Bind(4, static_cast<int64_t>(key.floor));
      sql_.insert_key.BindBlob(5, key.wrapped);
      if (absl::Status status = sql_.insert_key.Run(); !status.ok()) return status;
    }
  }
  uint64_t seq = first_seq;
  for (const Pending& pending : batch) {
    const uint64_t at = seq++;
    if (pending.removed != nullptr) {
      sql_.insert_removal.Bind(1, pending.removed->number);
      sql_.insert_removal.Bind(2, at);
      if (absl::Status status = sql_.insert_removal.Run(); !status.ok()) return status;
    }
    if (pending.content != nullptr) {
      sql_.insert_content.Bind(1, at);
      sql_.insert_content.Bind(2, pending.content->key_id);
      sql_.insert_content.BindBlob(3, pending.content->bytes);
      if (absl::Status status = sql_.insert_content.Run(); !status.ok()) return status;
      words_->Note(at, pending.content->bytes.size());
    }
    if (pending.order != nullptr) {
      if (absl::Status status = CommitOrder(*pending.order, at); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// Empty when OpenSSL cannot sign.
std::string Ledger::Writer::SignedNote(const Checkpoint& checkpoint) const {
  const std::string note = key_->Sign(checkpoint);
  if (sm2_key_ == nullptr || note.empty()) return note;
  const std::string line = sm2_key_->SignatureLine(checkpoint.Text());
  return line.empty() ? "" : note + line;
}

// The checkpoint goes into the store first, with an fsync that also covers every batch before it
// (which in `relaxed` had none), then into the file beside it, and only then is it shown. So no
// checkpoint that anybody has seen can be ahead of the records.
absl::Status Ledger::Writer::SignCheckpoint() {
  const Checkpoint checkpoint{.origin = origin_, .size = tree_.size(), .root = tree_.Root()};
  const std::string note = SignedNote(checkpoint);
  if (note.empty()) return absl::InternalError("OpenSSL cannot sign a checkpoint");
  const bool relaxed = options_.durability == Durability::kRelaxed;
  if (relaxed) {
    if (absl::Status status = db_.Execute("PRAGMA synchronous=FULL"); !status.ok()) return status;
  }
  // Cosignatures that wait go along, so that they cost no fsync of their own.
  if (absl::Status status = sql_.begin.Run(); !status.ok()) return status;
  if (absl::Status status = WriteCosignatures(); !status.ok()) return status;
  if (checkpoint.size > 0) {
    sql_.insert_checkpoint.Bind(1, checkpoint.size);
    sql_.insert_checkpoint.BindText(2, note);
    if (absl::Status status = sql_.insert_checkpoint.Run(); !status.ok()) return status;
  }
  if (absl::Status status = sql_.commit.Run(); !status.ok()) return status;
  if (relaxed) {
    if (absl::Status status = db_.Execute("PRAGMA synchronous=NORMAL"); !status.ok()) return status;
  }
  absl::Status written = WriteFileDurably(Path("ledger.checkpoint"), note, 0600);
  if (written.ok()) written = watch_.RememberCheckpoint();
  if (!written.ok()) return written;
  checkpoint_size_ = checkpoint.size;
  checkpoint_due_ = Clock::time_point::max();
  const std::lock_guard lock(mu_);
  checkpoint_ = checkpoint.size > 0 ? note : "";
  stats_.checkpoint_size = checkpoint.size;
  stats_.checkpoint_time_us = NowUs();
  return absl::OkStatus();
}

absl::Status Ledger::Writer::WriteCosignatures() {
  std::map<uint64_t, std::string> cosignatures;
  {
    const std::lock_guard lock(mu_);
    cosignatures.swap(cosignatures_);
  }
  for (const auto& [size, lines] : cosignatures) {
    sql_.set_cosignatures.Bind(1, size);
    sql_.set_cosignatures.BindText(2, lines);
    if (absl::Status status = sql_.set_cosignatures.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// What the writer does between batches and when nothing comes.
absl::Status Ledger::Writer::TendStore() {
  if (Clock::now() >= checkpoint_due_) {
    if (absl::Status status = SignCheckpoint(); !status.ok()) return status;
  }
  if (SegmentIsOver(NowUs())) {
    if (absl::Status status = CloseSegment(); !status.ok()) return status;
  }
  // While somebody reads, the log cannot begin anew, and what was moved stays in it.
  if (db_.LogPages() < log_moved_) log_moved_ = 0;
  if (db_.LogPages() - log_moved_ > kLogPagesMax) {
    absl::Status status = db_.MoveLog();
    if (status.ok()) status = watch_.RememberDatabase();
    if (!status.ok()) return status;
    log_moved_ = db_.LogPages();
  }
  if (absl::Status status = TendArchives(); !status.ok()) return status;
  if (absl::Status status = CompleteErasures(); !status.ok()) return status;
  if (absl::Status status = TendWords(); !status.ok()) return status;
  // What stands in the word index of what was erased goes first.
  if (words_ == nullptr || !words_->erasing()) {
    if (absl::Status status = EmptyLog(/*last=*/false); !status.ok()) return status;
  }
  return watch_.RememberLog(db_.LogPages());
}

// Before anything is written: whether the files are what the writer left, and there is room.
absl::Status Ledger::Writer::CheckFiles() {
  const Clock::time_point now = Clock::now();
  if (now < look_at_) {
    ballast_.MakeRoom();
    return watch_.CheckUntouched();
  }
  look_at_ = now + kLookEvery;
  ballast_.Tend();
  NoteRoom();
  return watch_.Look();
}

void Ledger::Writer::NoteRoom() {
  // Archives take room before they give any.
  archiver_->Rest(ballast_.low());
  const std::lock_guard lock(mu_);
  low_ = ballast_.status();
  stats_.low = ballast_.low();
  stats_.free_bytes = ballast_.free_bytes();
  stats_.ballast_bytes = ballast_.bytes();
}

// While the disk is low, what room there is belongs to what was begun.
void Ledger::Writer::RefuseBeginnings(std::vector<Pending>& batch) {
  NoteRoom();
  std::erase_if(batch, [this](Pending& pending) {
    const bool stands_alone =
        (pending.kind == RecordKind::kAnswer || pending.kind == RecordKind::kFailure) &&
        !open_exchanges_.contains(pending.exchange);
    if (pending.kind != RecordKind::kPrompt && !stands_alone) return false;
    pending.done(ballast_.status());
    return true;
  });
}

bool Ledger::Writer::SegmentIsOver(int64_t time_us) {
  const SegmentSpan& segment = segment_.span();
  if (segment.count == 0) return false;
  if (!period_end_us_) period_end_us_ = PeriodEnd(options_.segment_period, segment.last_us);
  return segment.count == kSegmentRecords || time_us >= *period_end_us_;
}

// A segment ends under a checkpoint over exactly its end, so that it can be verified alone. Where
// the records go on behind it, which a crash may leave, the tree of that size is signed once more.
absl::Status Ledger::Writer::CheckpointOver(uint64_t size) {
  if (tree_.size() == size) {
    return checkpoint_size_ == size ? absl::OkStatus() : SignCheckpoint();
  }
  absl::StatusOr<Hash> root = RootAt(size, tables_->Nodes(tree_.size()));
  if (!root.ok()) return root.status();
  const std::string note = SignedNote({.origin = origin_, .size = size, .root = *root});
  if (note.empty()) return absl::InternalError("OpenSSL cannot sign a checkpoint");
  sql_.insert_checkpoint.Bind(1, size);
  sql_.insert_checkpoint.BindText(2, note);
  return sql_.insert_checkpoint.Run();
}

// One transaction for a segment's pages and the mark that says where Open may begin to read, with
// the exchanges that were open there. A crash before leaves the segment to be read and closed at
// Open.
absl::Status Ledger::Writer::CloseSegment() {
  const SegmentSpan span = segment_.span();
  if (absl::Status status = CheckpointOver(span.end()); !status.ok()) return status;
  std::string mark = Concat(span.end());
  std::vector<uint64_t> prompts;
  for (const auto& [exchange, seq] : open_exchanges_) prompts.push_back(seq);
  std::sort(prompts.begin(), prompts.end());
  for (const uint64_t seq : prompts) mark += Concat(" ", seq);

  if (absl::Status status = sql_.begin.Run(); !status.ok()) return status;
  sql_.insert_segment.Bind(1, span.number);
  sql_.insert_segment.Bind(2, span.begin);
  sql_.insert_segment.Bind(3, span.count);
  sql_.insert_segment.Bind(4, span.first_us);
  sql_.insert_segment.Bind(5, span.last_us);
  if (absl::Status status = sql_.insert_segment.Run(); !status.ok()) return status;
  period_end_us_.reset();
  for (const IndexPage& page : segment_.Finish()) {
    sql_.insert_page.Bind(1, page.id);
    sql_.insert_page.BindBlob(2, page.bytes);
    if (absl::Status status = sql_.insert_page.Run(); !status.ok()) return status;
  }
  sql_.set_mark.BindText(1, mark);
  if (absl::Status status = sql_.set_mark.Run(); !status.ok()) return status;
  if (absl::Status status = sql_.commit.Run(); !status.ok()) return status;
  if (words_ != nullptr) words_->EndSegment(span.end());
  archiver_->Look();
  const std::lock_guard lock(mu_);
  stats_.segments_closed = span.number + 1;
  return absl::OkStatus();
}

absl::Status Ledger::Writer::TendWords() {
  if (words_ == nullptr) return absl::OkStatus();
  const absl::Status tended = ballast_.low() ? words_->TendErased() : words_->Tend();
  if (!tended.ok()) return tended;
  log_is_tainted_ = log_is_tainted_ || words_->erasing();
  const std::lock_guard lock(mu_);
  stats_.unindexed_contents = words_->behind();
  return absl::OkStatus();
}

void Ledger::Writer::Run() {
  std::vector<Pending> batch;
  while (TakeBatch(batch)) {
    if (absl::Status status = CheckFiles(); !status.ok()) {
      Shut(status);
      for (Pending& pending : batch) pending.done(this->status());
      return;
    }
    // Where nobody waits for a commit, cosignatures need not wait for a checkpoint.
    absl::Status tended = batch.empty() ? WriteCosignatures() : absl::OkStatus();
    if (!batch.empty()) AppendBatch(batch);
    batch.clear();
    if (closed()) return;
    tended.Update(TendStore());
    if (!tended.ok()) return Shut(tended);
  }
  if (absl::Status status = Finish(); !status.ok()) Shut(status);
}

// Closing: everything that was queued has been committed.
absl::Status Ledger::Writer::Finish() {
  if (absl::Status status = CheckFiles(); !status.ok()) return status;
  if (absl::Status status = WriteCosignatures(); !status.ok()) return status;
  do {
    if (absl::Status status = TendWords(); !status.ok()) return status;
  } while (words_ != nullptr && words_->erasing());
  if (absl::Status status = EmptyLog(/*last=*/true); !status.ok()) return status;
  if (tree_.size() == checkpoint_size_) return absl::OkStatus();
  if (absl::Status status = SignCheckpoint(); !status.ok()) return status;
  return watch_.CheckIdentity();
}

// Waits until there is something to do; `batch` stays empty when only the store wants tending.
// False: the ledger is closing and nothing is queued.
bool Ledger::Writer::TakeBatch(std::vector<Pending>& batch) {
  std::unique_lock lock(mu_);
  const auto wait_for = [&](size_t length, Clock::time_point until) {
    wake_at_ = length;
    wake_.wait_until(lock, until,
                     [&] { return queue_.size() >= length || closing_ || archive_ready_; });
    wake_at_ = 0;
  };
  Clock::time_point tend = std::min(checkpoint_due_, look_at_);
  if (log_is_tainted_) tend = std::min(tend, empty_log_at_);
  if (complete_on_ == INT64_MIN) tend = Clock::now();
  const bool busy = !purges_.empty() || (words_ != nullptr && words_->erasing());
  if (queue_.empty() && !busy) wait_for(1, tend);
  archiver_spoke_ = std::exchange(archive_ready_, false) || archiver_spoke_;
  // Callers that were just answered are about to come back: as many as last time are worth a
  // fraction of a commit's time. A lone caller waits for nobody.
  const size_t expected = std::min(expected_, static_cast<size_t>(BatchRecordsMax()));
  if (!queue_.empty() && queue_.size() < expected && !closing_) {
    wait_for(expected, Clock::now() + std::min<Clock::duration>(commit_time_ / 2, milliseconds(1)));
  }
  size_t bytes = 0;
  while (!queue_.empty() && std::ssize(batch) < BatchRecordsMax() && bytes < kBatchBytesMax) {
    const Pending& front = queue_.front();
    if (front.order != nullptr && !batch.empty()) break;
    bytes += front.body.size() + (front.content ? front.content->bytes.size() : 0);
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (batch.back().order != nullptr) break;
  }
  if (!batch.empty()) expected_ = batch.size();
  return !batch.empty() || !closing_;
}

void Ledger::Writer::NoteExchange(RecordKind kind, const std::string& exchange, uint64_t seq) {
  if (exchange.empty()) return;
  if (kind == RecordKind::kPrompt) {
    open_exchanges_[exchange] = seq;
  } else {
    open_exchanges_.erase(exchange);
  }
}

// The first failure is the last thing that the store is told: what it holds now is unknown until
// Open has looked.
void Ledger::Writer::Shut(const absl::Status& reason) {
  std::deque<Pending> refused;
  absl::Status status;
  {
    const std::lock_guard lock(mu_);
    status_ = {
        absl::IsUnavailable(reason) ? absl::StatusCode::kUnavailable : absl::StatusCode::kDataLoss,
        Concat("the ledger closed itself: ", reason.message(),
               ". Nothing is recorded until it is opened again and reconciled with its last "
               "checkpoint.")};
    open_ = false;
    status = status_;
    refused.swap(queue_);
  }
  db_.KeepLogOnClose();
  for (Pending& pending : refused) pending.done(status);
  AnswerErased(Clock::time_point::max(), status);
}

// A batch ends where a segment does, so that the mark there is exact.
ptrdiff_t Ledger::Writer::BatchRecordsMax() const {
  const uint64_t room = kSegmentRecords - segment_.span().count;
  return static_cast<ptrdiff_t>(std::min(options_.batch_records_max, room));
}

int64_t Ledger::Writer::NowUs() const {
  return options_.now_us ? options_.now_us() : absl::GetCurrentTimeNanos() / 1'000;
}

void Ledger::Writer::Append(Record record, const Content& content, Done done) {
  Pending pending{.kind = record.kind, .done = std::move(done)};
  if (content.mode > options_.content) {
    return pending.done(absl::FailedPreconditionError(
        "content is to be kept in a way that the ledger was not opened for: raise audit.content"));
  }
  if (content.mode != ContentMode::kNone) record.content_bytes = content.text.size();
  if (content.mode == ContentMode::kDigest) {
    record.content_digest = ContentDigest(options_.suite, content.text);
  }
  pending.exchange = record.exchange;
  do {
    if (content.mode == ContentMode::kEncrypted) {
      absl::StatusOr<SealedContent> sealed =
          sealer_->Seal(record.app, record.user, Today(), content.floor, content.text);
      if (!sealed.ok()) return pending.done(sealed.status());
      record.content_digest = sealed->digest;
      pending.content = std::make_unique<SealedContent>(*std::move(sealed));
    }
    pending.body = EncodeBody(record);
  } while (!Enqueue(pending));
}

absl::Status Ledger::Writer::AddCosignatures(std::string_view note, std::string_view lines) {
  absl::StatusOr<VerifierKey> key = VerifierKey::Parse(key_->VerifierKey());
  if (!key.ok()) return key.status();
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(note, {*key});
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::Status status = CheckCosignatures(checkpoint->Text(), lines, witnesses_);
  if (!status.ok()) return status;
  const std::lock_guard lock(mu_);
  cosignatures_.insert_or_assign(checkpoint->size, std::string(lines));
  stats_.cosigned_size = std::max(stats_.cosigned_size, checkpoint->size);
  return absl::OkStatus();
}

bool Ledger::Writer::Enqueue(Pending& pending) {
  absl::Status refused;
  bool wake = false;
  {
    const std::lock_guard lock(mu_);
    if (!status_.ok()) {
      refused = status_;
    } else if (closing_) {
      refused = absl::FailedPreconditionError("the ledger is closed");
    } else if (queue_.size() >= options_.queue_records_max) {
      refused = absl::ResourceExhaustedError(Concat(
          queue_.size(), " records wait for the disk already; send less or give it a faster one"));
    } else if (pending.content != nullptr && pending.content->epoch != sealer_->epoch()) {
      return false;
    } else {
      // What is behind an erasure in the queue is under keys that it does not destroy.
      if (pending.order != nullptr && pending.order->kind == OrderKind::kErase) {
        pending.order->keys_below = sealer_->Forget(pending.order->subject);
      }
      queue_.push_back(std::move(pending));
      wake = queue_.size() == wake_at_;
    }
  }
  if (wake) wake_.notify_one();
  if (!refused.ok()) pending.done(refused);
  return true;
}

absl::Status Ledger::Writer::Close() {
  {
    const std::lock_guard lock(mu_);
    if (closing_) return absl::OkStatus();
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
  archiver_.reset();
  absl::Status status;
  {
    const std::lock_guard lock(mu_);
    status = status_;
    open_ = false;
    if (status_.ok()) status_ = absl::FailedPreconditionError("the ledger is closed");
  }
  words_.reset();
  sql_ = Statements();  // an open one would keep the connection, and the log, open
  tables_.reset();
  db_ = Database();
  lock_.reset();
  return status;
}

absl::Status Ledger::Writer::status() const {
  const std::lock_guard lock(mu_);
  return status_.ok() ? low_ : status_;
}

bool Ledger::Writer::closed() const {
  const std::lock_guard lock(mu_);
  return !status_.ok();
}

LedgerStats Ledger::Writer::stats() const {
  const std::lock_guard lock(mu_);
  LedgerStats stats = stats_;
  stats.open = open_;
  stats.queued = queue_.size();
  return stats;
}

std::string Ledger::Writer::verifier_key() const {
  return sm2_key_ ? Concat(key_->VerifierKey(), "\n", sm2_key_->VerifierKey())
                  : key_->VerifierKey();
}

std::string Ledger::Writer::last_checkpoint() const {
  const std::lock_guard lock(mu_);
  return checkpoint_;
}

Ledger::Ledger(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}

Ledger::~Ledger() {
  Close().IgnoreError();
}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const LedgerOptions& options, Ledger* before) {
  absl::StatusOr<std::unique_ptr<Writer>> writer =
      Writer::Open(options, before != nullptr ? before->writer_.get() : nullptr);
  if (!writer.ok()) return writer.status();
  return std::unique_ptr<Ledger>(new Ledger(*std::move(writer)));
}

void Ledger::Append(Record record, Done done) {
  writer_->Append(std::move(record), Content(), std::move(done));
}

void Ledger::Append(Record record, const Content& content, Done done) {
  writer_->Append(std::move(record), content, std::move(done));
}

void Ledger::Erase(std::string_view app, std::string_view user, const Access& access, Done done) {
  writer_->Erase(app, user, access, std::move(done));
}

void Ledger::Hold(std::string_view app, std::string_view user, const Access& access, Done done) {
  writer_->Hold(app, user, access, std::move(done));
}

void Ledger::Release(uint64_t hold, const Access& access, Done done) {
  writer_->Release(hold, access, std::move(done));
}

absl::Status Ledger::AddCosignatures(std::string_view note, std::string_view lines) {
  return writer_->AddCosignatures(note, lines);
}

absl::Status Ledger::Close() {
  return writer_->Close();
}
bool Ledger::open() const {
  return writer_->open();
}
absl::Status Ledger::status() const {
  return writer_->status();
}
LedgerStats Ledger::stats() const {
  return writer_->stats();
}
std::string Ledger::verifier_key() const {
  return writer_->verifier_key();
}
std::string Ledger::last_checkpoint() const {
  return writer_->last_checkpoint();
}

}  // namespace weir::audit
