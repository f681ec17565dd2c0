// What Open does before a record can be appended: it proves to itself that the store is the one
// whose last checkpoint was signed, finds what a crash left, and writes that down.
#include <algorithm>
#include <sstream>
#include <utility>

#include "audit/concat.h"
#include "audit/cosignatures.h"
#include "audit/quorum.h"
#include "audit/writer.h"

namespace weir::audit {
namespace {

absl::Status WithAdvice(const absl::Status& status, std::string_view advice) {
  return {status.code(), Concat(status.message(), "; ", advice)};
}

constexpr std::string_view kRestore =
    "do not write to this ledger; keep the directory as it is for examination and restore the "
    "ledger from a copy that `weir audit verify` accepts";

}  // namespace

absl::StatusOr<std::unique_ptr<Ledger::Writer>> Ledger::Writer::Open(const LedgerOptions& options,
                                                                     Writer* before) {
  std::unique_ptr<Writer> writer(new Writer(options));
  absl::Status present = before != nullptr ? writer->CheckPresence() : MakeDirectory(options.dir);
  if (present.ok() && before != nullptr) present = before->LetGo();
  if (!present.ok()) return present;
  absl::StatusOr<FileLock> lock = FileLock::Take(writer->Path("ledger.lock"));
  if (!lock.ok()) return lock.status();
  writer->lock_ = std::make_unique<FileLock>(*std::move(lock));
  writer->ballast_ = Ballast(options.dir, options.free_bytes_min);
  writer->ballast_.MakeRoom();
  for (const auto step : {&Writer::LoadKey, &Writer::OpenStore, &Writer::LoadTree}) {
    if (absl::Status status = ((*writer).*step)(); !status.ok()) return status;
  }
  if (before != nullptr) {
    if (absl::Status status = writer->CheckAgainst(*before); !status.ok()) return status;
  }
  for (const auto step :
       {&Writer::LoadArchives, &Writer::ReadTail, &Writer::OpenContent, &Writer::LoadWitnesses,
        &Writer::RecordRecovery, &Writer::FinishErasures}) {
    if (absl::Status status = ((*writer).*step)(); !status.ok()) return status;
  }
  writer->acknowledged_ = writer->tree_;
  absl::Status watched = writer->watch_.RememberLog(writer->db_.LogPages());
  if (watched.ok()) watched = writer->watch_.RememberCheckpoint();
  if (!watched.ok()) return watched;
  writer->ballast_.Tend();
  writer->NoteRoom();
  writer->open_ = true;
  writer->stats_.checkpoint_size = writer->checkpoint_size_;
  writer->thread_ = std::thread(&Writer::Run, writer.get());
  return writer;
}

// A store that is away may come back; what must not happen meanwhile is that another takes its
// place.
absl::Status Ledger::Writer::CheckPresence() const {
  for (const char* name : {"ledger.key", "ledger.db", "ledger.checkpoint"}) {
    if (FileExists(Path(name))) continue;
    return absl::UnavailableError(Concat(Path(name),
                                         " is missing: put back the ledger's folder, "
                                         "or mount the disk that it is on"));
  }
  return absl::OkStatus();
}

// What was deleted is not lost as long as it is held open; and of what stands in its place, SQLite
// might already destroy a part by opening it. So nothing is let go before all is where it was.
absl::Status Ledger::Writer::LetGo() {
  {
    const std::lock_guard lock(mu_);
    if (closing_) return absl::OkStatus();
  }
  if (absl::Status status = watch_.CheckIdentity(); !status.ok()) return status;
  Close().IgnoreError();  // why it closed is known
  return absl::OkStatus();
}

// The ledger that this one goes on from has told callers of records that no checkpoint covers yet.
absl::Status Ledger::Writer::CheckAgainst(const Writer& before) const {
  CompactRange acknowledged;
  {
    const std::lock_guard lock(before.mu_);
    acknowledged = before.acknowledged_;
  }
  if (verifier_key() != before.verifier_key()) {
    return absl::DataLossError(Concat(Path("ledger.key"),
                                      " is not the key that this ledger was "
                                      "signed with; put that back from its safe copy"));
  }
  if (acknowledged.size() > tree_.size()) {
    return absl::DataLossError(Concat("the ledger ends before record ", tree_.size(), " but ",
                                      acknowledged.size(), " were acknowledged: the last ",
                                      acknowledged.size() - tree_.size(),
                                      " are lost, or the store was rolled back; ", kRestore));
  }
  absl::StatusOr<Hash> root = RootAt(acknowledged.size(), tables_->Nodes(tree_.size()));
  if (!root.ok()) return WithAdvice(root.status(), kRestore);
  if (*root == acknowledged.Root()) return absl::OkStatus();
  return absl::DataLossError(Concat("the records before ", acknowledged.size(),
                                    " are not those that were acknowledged; ", kRestore));
}

// A ledger is created in an order that a crash cannot spoil: the key first, which nothing refers
// to yet; then the store; then the checkpoint file, which from then on must be there.
absl::Status Ledger::Writer::LoadKey() {
  const std::string path = Path("ledger.key");
  if (!FileExists(path)) {
    if (FileExists(Path("ledger.db")) || FileExists(Path("ledger.checkpoint"))) {
      return absl::FailedPreconditionError(Concat(
          path, " is missing though the ledger exists: put the key back from its safe copy"));
    }
    std::string lines;
    for (const SignatureAlgorithm algorithm :
         {SignatureAlgorithm::kEd25519, SignatureAlgorithm::kSm2}) {
      if (algorithm == SignatureAlgorithm::kSm2 && options_.suite != Suite::kSm) continue;
      absl::StatusOr<SigningKey> key = SigningKey::Generate(options_.origin, algorithm);
      if (!key.ok()) return key.status();
      lines += key->ToString() + "\n";
    }
    if (absl::Status status = WriteFileDurably(path, lines, 0400); !status.ok()) return status;
  }
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  // A second line is the SM2 key's.
  const size_t line_end = std::min(text->find('\n'), text->size());
  const std::string second = text->substr(std::min(line_end + 1, text->size()));
  absl::StatusOr<SigningKey> key = SigningKey::Parse(text->substr(0, line_end));
  if (!key.ok()) return absl::FailedPreconditionError(Concat(path, ": ", key.status().message()));
  key_ = std::make_unique<SigningKey>(*std::move(key));
  origin_ = key_->name();
  if (!second.empty()) {
    key = SigningKey::Parse(second);
    if (!key.ok()) return absl::FailedPreconditionError(Concat(path, ": ", key.status().message()));
    sm2_key_ = std::make_unique<SigningKey>(*std::move(key));
  }
  if ((sm2_key_ != nullptr) != (options_.suite == Suite::kSm)) {
    return absl::FailedPreconditionError(
        Concat("the ledger in ", options_.dir, " was made with the suite ",
               sm2_key_ ? "sm" : "international",
               ", which stays its own: set audit.suite to that, or name a new folder"));
  }
  const std::string public_path = Path("ledger.vkey");
  if (FileExists(public_path)) return absl::OkStatus();
  return WriteFileDurably(public_path, verifier_key() + "\n", 0444);
}

absl::Status Ledger::Writer::OpenStore() {
  const std::string path = Path("ledger.db");
  // SQLite takes the log that belongs to an empty store for a leftover, and deletes it.
  if (FileBytes(path).value_or(0) == 0 && FileExists(Path("ledger.checkpoint"))) {
    return absl::DataLossError(Concat(
        path, " is missing or empty though ledger.checkpoint says that there was one; ", kRestore));
  }
  absl::StatusOr<Database> db = Database::OpenWriter(path, options_.vfs);
  if (!db.ok()) return db.status();
  db_ = *std::move(db);
  absl::StatusOr<Tables> tables = Tables::Prepare(db_, options_.dir);
  absl::Status status = tables.status();
  if (tables.ok()) tables_ = std::make_unique<Tables>(*std::move(tables));
  status.Update(db_.Prepare("BEGIN IMMEDIATE", sql_.begin));
  status.Update(db_.Prepare("COMMIT", sql_.commit));
  status.Update(db_.Prepare("INSERT INTO batches VALUES(?1, ?2, ?3, ?4, ?5)", sql_.insert_batch));
  status.Update(db_.Prepare("INSERT INTO nodes VALUES(?1, ?2)", sql_.insert_node));
  status.Update(
      db_.Prepare("INSERT OR IGNORE INTO checkpoints VALUES(?1, ?2)", sql_.insert_checkpoint));
  status.Update(
      db_.Prepare("INSERT INTO segments VALUES(?1, ?2, ?3, ?4, ?5)", sql_.insert_segment));
  status.Update(
      db_.Prepare("INSERT OR REPLACE INTO cosignatures VALUES(?1, ?2)", sql_.set_cosignatures));
  status.Update(db_.Prepare("INSERT INTO index_pages VALUES(?1, ?2)", sql_.insert_page));
  status.Update(db_.Prepare("INSERT INTO archives VALUES(?1, ?2, ?3)", sql_.insert_archive));
  status.Update(db_.Prepare("INSERT INTO leaves VALUES(?1, ?2)", sql_.insert_leaves));
  status.Update(db_.Prepare("INSERT INTO removals VALUES(?1, ?2)", sql_.insert_removal));
  status.Update(db_.Prepare("DELETE FROM batches WHERE first_seq >= ?1 AND first_seq < ?2",
                            sql_.purge_batches));
  status.Update(
      db_.Prepare("DELETE FROM contents WHERE seq >= ?1 AND seq < ?2", sql_.purge_contents));
  status.Update(
      db_.Prepare("DELETE FROM index_pages WHERE id >= ?1 AND id < ?2", sql_.purge_pages));
  status.Update(db_.Prepare("INSERT OR REPLACE INTO marks VALUES('open', ?1)", sql_.set_mark));
  status.Update(db_.Prepare("INSERT INTO contents VALUES(?1, ?2, ?3)", sql_.insert_content));
  status.Update(
      db_.Prepare("INSERT INTO content_keys VALUES(?1, ?2, ?3, ?4, ?5)", sql_.insert_key));
  status.Update(PrepareErasures());
  // An empty write makes the log file, which is then watched with the others.
  status.Update(db_.Execute("BEGIN IMMEDIATE; COMMIT"));
  if (status.ok()) status = db_.RewriteLog();
  if (!status.ok()) return status;
  absl::StatusOr<StoreWatch> watch = StoreWatch::Begin(options_.dir);
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  if (options_.durability == Durability::kRelaxed) return db_.Execute("PRAGMA synchronous=NORMAL");
  return absl::OkStatus();
}

absl::Status Ledger::Writer::OpenContent() {
  absl::StatusOr<int64_t> last_key = ReadInt(db_, "SELECT coalesce(max(id), 0) FROM content_keys");
  if (!last_key.ok()) return last_key.status();
  const bool encrypts = options_.content == ContentMode::kEncrypted;
  if (!encrypts && *last_key == 0) return absl::OkStatus();
  const bool named = !options_.content_key_file.empty();
  const std::string path = named ? options_.content_key_file : Path("content.key");
  // A new key would leave the content that there is unreadable without a word; and what is named
  // may be a safe that is not open yet.
  absl::StatusOr<ContentKey> key = LoadKeyEncryptionKey(path, !named && *last_key == 0);
  if (key.ok()) {
    sealer_ = std::make_unique<ContentSealer>(options_.suite, *key, *last_key + 1);
    absl::StatusOr<std::unique_ptr<WordIndexer>> words =
        WordIndexer::Open(db_, Path("ledger.db"), options_.vfs, options_.suite, *key);
    if (!words.ok()) return words.status();
    words_ = *std::move(words);
    return absl::OkStatus();
  }
  // Without it, what is there can no longer be erased by name; but nothing more is added either.
  if (!encrypts) return absl::OkStatus();
  return WithAdvice(key.status(), "the key of the stored content must be there");
}

absl::Status Ledger::Writer::LoadWitnesses() {
  absl::StatusOr<std::vector<VerifierKey>> witnesses =
      AddWitnesses(options_.dir, options_.witnesses);
  if (!witnesses.ok()) return WithAdvice(witnesses.status(), kRestore);
  witnesses_ = *std::move(witnesses);
  absl::StatusOr<int64_t> size = ReadInt(db_, "SELECT coalesce(max(size), 0) FROM cosignatures");
  if (!size.ok()) return size.status();
  stats_.cosigned_size = static_cast<uint64_t>(*size);
  return absl::OkStatus();
}

// The last checkpoint, by the store and by the file beside it, must be a head of this very tree.
absl::Status Ledger::Writer::LoadTree() {
  absl::StatusOr<uint64_t> size = tables_->Size();
  if (!size.ok()) return size.status();
  const NodeReader nodes = tables_->Nodes(*size);
  absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(verifier_key());
  if (!keys.ok()) return keys.status();

  const auto check = [&](std::string_view note, std::string_view where) -> absl::Status {
    absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(note, *keys);
    if (!checkpoint.ok()) {
      return absl::DataLossError(
          Concat(where, ": ", checkpoint.status().message(), "; ", kRestore));
    }
    if (checkpoint->size > *size) {
      return absl::DataLossError(Concat("the ledger ends before record ", *size, " but ", where,
                                        " was signed over ", checkpoint->size,
                                        " records: the last ", checkpoint->size - *size,
                                        " are lost, or the store was rolled back; ", kRestore));
    }
    absl::StatusOr<Hash> root = RootAt(checkpoint->size, nodes);
    if (!root.ok()) return WithAdvice(root.status(), kRestore);
    if (*root != checkpoint->root) {
      return absl::DataLossError(Concat("the records before ", checkpoint->size,
                                        " are not those that ", where, " was signed over; ",
                                        kRestore));
    }
    if (checkpoint->size >= checkpoint_size_) {
      checkpoint_size_ = checkpoint->size;
      checkpoint_ = checkpoint->size > 0 ? std::string(note) : "";
    }
    return absl::OkStatus();
  };

  const std::string path = Path("ledger.checkpoint");
  if (FileExists(path)) {
    absl::StatusOr<std::string> note = ReadFile(path);
    if (!note.ok()) return note.status();
    if (absl::Status status = check(*note, path); !status.ok()) return status;
  } else if (*size > 0) {
    return absl::DataLossError(Concat(
        path,
        " is missing, without which a rolled-back store cannot be told from a whole one; put "
        "the last checkpoint that you know there (`weir audit checkpoint` prints the store's)"));
  }
  absl::StatusOr<Statement> last =
      db_.Prepare("SELECT note, size FROM checkpoints ORDER BY size DESC LIMIT 1");
  if (!last.ok()) return last.status();
  absl::StatusOr<bool> row = last->Step();
  if (!row.ok()) return row.status();
  if (*row) {
    if (absl::Status status = check(last->Bytes(0), "its last checkpoint"); !status.ok()) {
      return status;
    }
  }
  // A checkpoint is in the store before it is in the file.
  const uint64_t stored = *row ? last->Uint(1) : 0;
  if (stored < checkpoint_size_) {
    return absl::DataLossError(Concat(path, " was signed over ", checkpoint_size_,
                                      " records, the store's last checkpoint over ", stored,
                                      ": the store was rolled back; ", kRestore));
  }

  absl::StatusOr<std::vector<Hash>> roots = RootsAt(*size, nodes);
  if (!roots.ok()) return WithAdvice(roots.status(), kRestore);
  absl::StatusOr<CompactRange> tree = CompactRange::FromRoots(*size, *std::move(roots));
  if (!tree.ok()) return tree.status();
  tree_ = *std::move(tree);
  return absl::OkStatus();
}

// Where the last indexed segment ends, the store says which exchanges were open; only the records
// from there on are read.
absl::Status Ledger::Writer::ReadMark() {
  absl::StatusOr<Statement> read = db_.Prepare("SELECT value FROM marks WHERE name = 'open'");
  if (!read.ok()) return read.status();
  absl::StatusOr<bool> row = read->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::OkStatus();
  std::istringstream mark{std::string(read->Bytes(0))};
  uint64_t begin = 0;
  mark >> begin;
  absl::StatusOr<SegmentReader> reader = SegmentReader::Prepare(db_);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<std::vector<SegmentSpan>> segments = reader->List();
  if (!segments.ok()) return WithAdvice(segments.status(), kRestore);
  if (segments->empty() || begin != segments->back().end() || begin > tree_.size()) {
    return absl::DataLossError(Concat("the store's mark of open exchanges is damaged; ", kRestore));
  }
  segment_ = SegmentBuilder(segments->size(), begin);
  for (uint64_t seq = 0; mark >> seq;) {
    absl::StatusOr<std::string> encoded = tables_->Get(seq);
    absl::StatusOr<Record> record =
        encoded.ok() ? Decode(*encoded) : absl::StatusOr<Record>(encoded.status());
    if (!record.ok()) return WithAdvice(record.status(), kRestore);
    open_exchanges_[record->exchange] = seq;
  }
  last_time_us_ = segments->back().last_us;
  stats_.segments_closed = segments->size();
  return absl::OkStatus();
}

// Every archive must be there; what a crash left to delete is deleted later, in small pieces.
absl::Status Ledger::Writer::LoadArchives() {
  archiver_ = std::make_unique<Archiver>(options_.dir, key_->VerifierKey(), [this] {
    {
      const std::lock_guard lock(mu_);
      archive_ready_ = true;
    }
    wake_.notify_one();
  });
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT s.number, s.begin, s.count, s.first_us, s.last_us, a.bytes, r.seq,"
      " EXISTS(SELECT 1 FROM batches b WHERE b.first_seq >= s.begin"
      "        AND b.first_seq < s.begin + s.count)"
      " OR (r.seq IS NOT NULL AND"
      "     (EXISTS(SELECT 1 FROM contents c WHERE c.seq >= s.begin AND c.seq < s.begin + s.count)"
      "      OR EXISTS(SELECT 1 FROM index_pages p"
      "                WHERE p.id >= s.number << 20 AND p.id < (s.number + 1) << 20)))"
      " FROM segments s LEFT JOIN archives a USING(number) LEFT JOIN removals r USING(number)"
      " ORDER BY s.number");
  if (!select.ok()) return select.status();
  absl::StatusOr<bool> row = select->Step();
  bool missing = false;
  for (; row.ok() && *row; row = select->Step()) {
    const SegmentSpan span{.number = select->Uint(0),
                           .begin = select->Uint(1),
                           .count = select->Uint(2),
                           .first_us = select->Int(3),
                           .last_us = select->Int(4)};
    if (select->IsNull(5)) {
      missing = true;
      continue;
    }
    ++stats_.segments_archived;
    const bool removed = !select->IsNull(6);
    if (select->Int(7) != 0) purges_.push_back({span, removed, span.begin});
    const std::string path = ArchivePath(options_.dir, span.number);
    if (removed) {
      if (absl::Status status = RemoveFile(path); !status.ok()) return status;
      continue;
    }
    archived_.push_back(span);
    watch_.AddArchive(span.number, path);
    const std::optional<uint64_t> bytes = FileBytes(path);
    if (bytes != select->Uint(5)) {
      const std::string sentence =
          Concat(path, bytes.has_value() ? " has another length than was written" : " is missing",
                 ", and with it the records ", span.begin, " to ", span.end() - 1,
                 ": put it back from a copy");
      return bytes.has_value() ? absl::DataLossError(sentence) : absl::UnavailableError(sentence);
    }
  }
  if (missing) archiver_->Look();
  return row.status();
}

absl::Status Ledger::Writer::ReadTail() {
  if (absl::Status status = ReadMark(); !status.ok()) return status;
  const uint64_t size = tree_.size();
  stats_.size = size;
  recovered_from_ = checkpoint_size_;
  while (segment_.span().end() < size) {
    const uint64_t begin = segment_.span().begin;
    const uint64_t end = std::min(begin + kSegmentRecords, size);
    absl::Status status =
        tables_->Scan(begin, end, [this](const Batch& batch) { return ReadBatchAgain(batch); });
    if (status.ok() && segment_.span().end() != end) {
      status = absl::DataLossError(Concat("the batches before record ", end, " leave a gap"));
    }
    // A crash came between a segment's last record and its closing.
    if (status.ok() && end - begin == kSegmentRecords) status = CloseSegment();
    if (!status.ok()) return WithAdvice(status, kRestore);
  }
  return absl::OkStatus();
}

absl::Status Ledger::Writer::ReadBatchAgain(const Batch& batch) {
  absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
  if (!records.ok()) return records.status();
  absl::StatusOr<std::vector<Hash>> leaves = SplitLeaves(batch);
  if (!leaves.ok()) return leaves.status();
  uint64_t seq = batch.first_seq;
  for (const std::string_view encoded : *records) {
    absl::StatusOr<Record> record = Decode(encoded);
    if (!record.ok() || record->seq != seq || record->time_us < last_time_us_ ||
        LeafHash(encoded) != (*leaves)[seq - batch.first_seq]) {
      return absl::DataLossError(Concat("record ", seq, " was damaged or altered"));
    }
    last_time_us_ = record->time_us;
    segment_.Add(seq, record->time_us, encoded);
    NoteExchange(record->kind, record->exchange, seq);
    ++seq;
  }
  return absl::OkStatus();
}

// Writes down what a crash left, in records like any others, and signs a checkpoint over all.
absl::Status Ledger::Writer::RecordRecovery() {
  std::vector<Pending> batch;
  const auto add = [&batch](Record record) {
    batch.push_back({.body = EncodeBody(record),
                     .kind = record.kind,
                     .exchange = record.exchange,
                     .done = [](const absl::StatusOr<Receipt>&) {}});
  };
  if (tree_.size() > recovered_from_) {
    Record record;
    record.kind = RecordKind::kService;
    record.stage = "Open";
    record.cause = "recovered";
    record.detail = Concat("Found ", tree_.size() - recovered_from_,
                           " records after the last checkpoint, from number ", recovered_from_,
                           " on; they are kept.");
    add(std::move(record));
  }
  std::vector<uint64_t> prompts;
  for (const auto& [exchange, seq] : open_exchanges_) prompts.push_back(seq);
  std::sort(prompts.begin(), prompts.end());
  for (const uint64_t seq : prompts) {
    absl::StatusOr<std::string> encoded = tables_->Get(seq);
    if (!encoded.ok()) return encoded.status();
    absl::StatusOr<Record> record = Decode(*encoded);
    if (!record.ok()) return record.status();
    record->kind = RecordKind::kInterrupted;
    record->direction.clear();
    record->action.clear();
    record->review = false;
    record->findings.clear();
    record->findings_total = 0;
    record->content_digest.clear();
    record->content_bytes = 0;
    record->status = 0;
    record->duration_us = 0;
    record->cause = "crash";
    record->detail =
        Concat("The gateway stopped before the exchange of record ", seq, " had ended.");
    add(*std::move(record));
  }
  for (auto rest = batch.begin(); rest != batch.end();) {
    const auto count = std::min<ptrdiff_t>(batch.end() - rest, BatchRecordsMax());
    std::vector<Pending> part(std::make_move_iterator(rest), std::make_move_iterator(rest + count));
    ballast_.MakeRoom();
    AppendBatch(part);
    if (closed()) return status();
    if (absl::Status status = TendStore(); !status.ok()) return status;
    rest += count;
  }
  if (tree_.size() > checkpoint_size_ || !FileExists(Path("ledger.checkpoint"))) {
    return SignCheckpoint();
  }
  return absl::OkStatus();
}

}  // namespace weir::audit
