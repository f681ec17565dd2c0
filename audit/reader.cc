#include "audit/reader.h"

#include <algorithm>
#include <utility>

#include "audit/concat.h"
#include "audit/content.h"
#include "audit/cosignatures.h"
#include "audit/files.h"
#include "audit/search.h"
#include "audit/store.h"
#include "audit/tables.h"
#include "audit/verify.h"

namespace weir::audit {
namespace {

// One read transaction: everything in it sees the ledger as it was when it began.
class Snapshot {
 public:
  explicit Snapshot(const Database& db) : db_(db), status_(db.Execute("BEGIN")) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    if (status_.ok()) db_.Execute("ROLLBACK").IgnoreError();
  }
  const absl::Status& status() const { return status_; }

 private:
  const Database& db_;
  const absl::Status status_;
};

}  // namespace

class Reader::Impl {
 public:
  static absl::StatusOr<std::unique_ptr<Impl>> Open(const std::string& dir);

  absl::StatusOr<QueryPage> Find(const Query& query);
  absl::StatusOr<CountResult> Count(const Query& query, const std::vector<int64_t>& edges_us);
  absl::StatusOr<Found> Get(uint64_t seq);
  absl::StatusOr<bool> IsRestricted(const Record& record);
  absl::StatusOr<std::string> Content(uint64_t seq, const std::string& key_file, Purpose purpose);
  absl::StatusOr<Evidence> Prove(uint64_t seq);
  absl::StatusOr<std::vector<Hash>> ProveConsistency(uint64_t old_size, uint64_t size);
  absl::StatusOr<std::string> LatestCheckpoint();
  absl::StatusOr<uint64_t> Size();
  absl::StatusOr<uint64_t> FirstFrom(int64_t time_us);
  absl::StatusOr<std::vector<std::string>> Checkpoints(uint64_t begin, uint64_t end);
  absl::StatusOr<uint64_t> SignedSize();
  absl::StatusOr<uint64_t> CosignedSize();
  absl::StatusOr<uint64_t> CheckpointedSize(uint64_t size);
  absl::Status Scan(uint64_t begin, uint64_t end,
                    const std::function<absl::Status(std::string_view encoded)>& see);
  absl::StatusOr<std::vector<Hash>> Tile(int level, uint64_t number, uint64_t width);
  absl::StatusOr<std::vector<Hash>> Roots(uint64_t size);
  absl::StatusOr<VerifyReport> Verify(const Quorum& quorum, const std::optional<Checkpoint>& seen);

 private:
  struct Head {
    uint64_t size = 0;  // 0: there is none
    std::string note;
  };
  static absl::StatusOr<Head> ReadHead(Statement& select);

  std::string dir_;
  Database db_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<Searcher> searcher_;
  Statement last_checkpoint_;  // with its cosignatures, where it has some
  Statement last_cosigned_;
  Statement restricted_;
};

absl::StatusOr<std::unique_ptr<Reader::Impl>> Reader::Impl::Open(const std::string& dir) {
  auto impl = std::make_unique<Impl>();
  impl->dir_ = dir;
  if (!FileExists(dir + "/ledger.db")) {
    return absl::UnavailableError(
        Concat("there is no ledger in ", dir,
               ", its ledger.db is missing; name the folder that audit.dir names in the "
               "configuration"));
  }
  absl::StatusOr<Database> db = Database::OpenReader(dir + "/ledger.db");
  if (!db.ok()) return db.status();
  impl->db_ = *std::move(db);
  absl::StatusOr<Tables> tables = Tables::Prepare(impl->db_, dir);
  if (!tables.ok()) return tables.status();
  impl->tables_ = std::make_unique<Tables>(*std::move(tables));
  absl::StatusOr<std::unique_ptr<Searcher>> searcher =
      Searcher::Prepare(impl->db_, *impl->tables_, dir);
  if (!searcher.ok()) return searcher.status();
  impl->searcher_ = *std::move(searcher);
  absl::Status status = impl->db_.Prepare(
      "SELECT c.size, c.note || coalesce(w.lines, '') FROM checkpoints c"
      " LEFT JOIN cosignatures w ON w.size = c.size ORDER BY c.size DESC LIMIT 1",
      impl->last_checkpoint_);
  status.Update(
      impl->db_.Prepare("SELECT c.size, c.note || w.lines FROM cosignatures w"
                        " JOIN checkpoints c ON c.size = w.size ORDER BY w.size DESC LIMIT 1",
                        impl->last_cosigned_));
  status.Update(impl->db_.Prepare(
      "SELECT 1 FROM restrictions WHERE app = ?1 AND user = ?2 AND seq > ?3", impl->restricted_));
  if (!status.ok()) return status;
  return impl;
}

absl::StatusOr<QueryPage> Reader::Impl::Find(const Query& query) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  return searcher_->Find(query);
}

absl::StatusOr<CountResult> Reader::Impl::Count(const Query& query,
                                                const std::vector<int64_t>& edges_us) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  return searcher_->Count(query, edges_us);
}

absl::StatusOr<Found> Reader::Impl::Get(uint64_t seq) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  absl::StatusOr<std::string> encoded = tables_->Get(seq);
  if (!encoded.ok()) return encoded.status();
  absl::StatusOr<Record> record = Decode(*encoded);
  if (!record.ok()) {
    return absl::DataLossError(
        Concat("record ", seq, " is damaged (", record.status().message(), ")"));
  }
  return Found{*std::move(record), *std::move(encoded)};
}

absl::StatusOr<bool> Reader::Impl::IsRestricted(const Record& record) {
  restricted_.BindText(1, record.app);
  restricted_.BindText(2, record.user);
  restricted_.Bind(3, record.seq);
  absl::StatusOr<bool> row = restricted_.Step();
  restricted_.Reset();
  return row;
}

absl::StatusOr<std::string> Reader::Impl::Content(uint64_t seq, const std::string& key_file,
                                                  Purpose purpose) {
  absl::StatusOr<ContentKey> key_encryption_key =
      LoadKeyEncryptionKey(key_file.empty() ? dir_ + "/content.key" : key_file, false);
  if (!key_encryption_key.ok()) return key_encryption_key.status();
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  absl::StatusOr<std::string> encoded = tables_->Get(seq);
  if (!encoded.ok()) return encoded.status();
  absl::StatusOr<Record> record = Decode(*encoded);
  if (!record.ok()) return record.status();
  absl::StatusOr<bool> restricted = IsRestricted(*record);
  if (!restricted.ok()) return restricted.status();
  if (*restricted && purpose != Purpose::kLegal) {
    return absl::PermissionDeniedError(
        Concat("the content of record ", seq,
               " is to be erased and kept only because the law or a hold demands it: it is shown "
               "for legal purposes alone, to the role ",
               kLegalRole));
  }
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT k.id, k.subject, k.day, k.floor, k.wrapped, c.sealed FROM contents c"
      " JOIN content_keys k ON k.id = c.key_id WHERE c.seq = ?1");
  if (!select.ok()) return select.status();
  select->Bind(1, seq);
  absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  const std::optional<Suite> suite = SuiteOfSealed(record->content_digest);
  WrappedKey key;
  if (*row) {
    key = {.id = select->Int(0),
           .subject = std::string(select->Bytes(1)),
           .day = select->Int(2),
           .floor = static_cast<Floor>(select->Int(3)),
           .wrapped = std::string(select->Bytes(4))};
  }
  if (!suite || !*row || key.IsDestroyed()) {
    return absl::NotFoundError(Concat("record ", seq, " has no stored content, or it was erased"));
  }
  return Unseal(*suite, *key_encryption_key, key, select->Bytes(5));
}

absl::StatusOr<Reader::Impl::Head> Reader::Impl::ReadHead(Statement& select) {
  absl::StatusOr<bool> row = select.Step();
  Head head;
  if (row.ok() && *row) head = {select.Uint(0), std::string(select.Bytes(1))};
  select.Reset();
  if (!row.ok()) return row.status();
  return head;
}

absl::StatusOr<Evidence> Reader::Impl::Prove(uint64_t seq) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  Evidence evidence{.index = seq, .encoded = {}, .proof = {}, .checkpoint = {}};
  absl::StatusOr<std::string> encoded = tables_->Get(seq);
  if (!encoded.ok()) return encoded.status();
  evidence.encoded = *std::move(encoded);
  // Under one that witnesses vouch for, where there is such a one.
  absl::StatusOr<Head> head = ReadHead(last_cosigned_);
  if (head.ok() && head->size <= seq) head = ReadHead(last_checkpoint_);
  if (!head.ok()) return head.status();
  const uint64_t size = head->size;
  evidence.checkpoint = std::move(head->note);
  if (size <= seq) {
    return absl::FailedPreconditionError(
        Concat("record ", seq,
               " is not yet under a signed checkpoint: ask again in a second, or let the "
               "gateway start once if it was killed"));
  }
  absl::StatusOr<std::vector<Hash>> proof = InclusionProof(seq, size, tables_->Nodes(size));
  if (!proof.ok()) return proof.status();
  evidence.proof = *std::move(proof);
  return evidence;
}

absl::StatusOr<std::vector<Hash>> Reader::Impl::ProveConsistency(uint64_t old_size, uint64_t size) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  absl::StatusOr<uint64_t> whole = tables_->Size();
  if (!whole.ok()) return whole.status();
  if (size > *whole) {
    return absl::InvalidArgumentError(
        Concat("the ledger has ", *whole, " records, there is no tree of size ", size));
  }
  return ConsistencyProof(old_size, size, tables_->Nodes(size));
}

absl::StatusOr<std::string> Reader::Impl::LatestCheckpoint() {
  absl::StatusOr<Head> head = ReadHead(last_checkpoint_);
  if (!head.ok()) return head.status();
  if (head->size == 0) return absl::NotFoundError("the ledger has no checkpoint yet");
  return std::move(head->note);
}

absl::StatusOr<uint64_t> Reader::Impl::Size() {
  return tables_->Size();
}

absl::StatusOr<uint64_t> Reader::Impl::FirstFrom(int64_t time_us) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  absl::StatusOr<uint64_t> size = tables_->Size();
  if (!size.ok()) return size.status();
  return tables_->FirstFrom(time_us, *size);
}

absl::StatusOr<std::vector<std::string>> Reader::Impl::Checkpoints(uint64_t begin, uint64_t end) {
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT c.note || coalesce(w.lines, '') FROM checkpoints c"
      " LEFT JOIN cosignatures w ON w.size = c.size"
      " WHERE c.size > ?1 AND c.size <= ?2 ORDER BY c.size");
  if (!select.ok()) return select.status();
  select->Bind(1, begin);
  select->Bind(2, end);
  std::vector<std::string> notes;
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) notes.emplace_back(select->Bytes(0));
  if (!row.ok()) return row.status();
  return notes;
}

absl::StatusOr<uint64_t> Reader::Impl::SignedSize() {
  absl::StatusOr<int64_t> size = ReadInt(db_, "SELECT coalesce(max(size), 0) FROM checkpoints");
  if (!size.ok()) return size.status();
  return static_cast<uint64_t>(*size);
}

absl::StatusOr<uint64_t> Reader::Impl::CosignedSize() {
  absl::StatusOr<Head> head = ReadHead(last_cosigned_);
  if (!head.ok()) return head.status();
  return head->size;
}

absl::StatusOr<uint64_t> Reader::Impl::CheckpointedSize(uint64_t size) {
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT coalesce((SELECT min(size) FROM cosignatures WHERE size >= ?1),"
      " (SELECT min(size) FROM checkpoints WHERE size >= ?1), 0)");
  if (!select.ok()) return select.status();
  select->Bind(1, size);
  absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row || select->Uint(0) == 0) {
    return absl::NotFoundError(Concat("no checkpoint covers ", size, " records yet"));
  }
  return select->Uint(0);
}

absl::Status Reader::Impl::Scan(uint64_t begin, uint64_t end,
                                const std::function<absl::Status(std::string_view encoded)>& see) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  return tables_->Scan(begin, end, [&](const Batch& batch) {
    absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
    absl::Status status = records.status();
    for (uint64_t i = 0; status.ok() && i < batch.count; ++i) {
      const uint64_t seq = batch.first_seq + i;
      if (seq >= begin && seq < end) status = see((*records)[i]);
    }
    return status;
  });
}

absl::StatusOr<std::vector<Hash>> Reader::Impl::Tile(int level, uint64_t number, uint64_t width) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  absl::StatusOr<uint64_t> size = tables_->Size();
  if (!size.ok()) return size.status();
  absl::StatusOr<std::vector<Hash>> hashes = tables_->Tile(level, number, *size);
  if (!hashes.ok()) return hashes.status();
  if (hashes->size() < width) {
    return absl::NotFoundError(Concat("a tree of ", *size, " records has no such tile yet"));
  }
  hashes->resize(width);
  return hashes;
}

absl::StatusOr<std::vector<Hash>> Reader::Impl::Roots(uint64_t size) {
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  return RootsAt(size, tables_->Nodes(size));
}

absl::StatusOr<VerifyReport> Reader::Impl::Verify(const Quorum& given,
                                                  const std::optional<Checkpoint>& seen) {
  VerifyReport report;
  Quorum quorum = given;
  if (quorum.empty()) {
    if (!FileExists(dir_ + "/ledger.vkey")) {
      report.reason = "ledger.vkey is missing";
      return report;
    }
    const absl::StatusOr<std::string> text = ReadFile(dir_ + "/ledger.vkey");
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(*text);
    if (!keys.ok()) {
      report.reason = Concat("ledger.vkey was altered: ", keys.status().message());
      return report;
    }
    std::string canonical;
    for (const VerifierKey& key : *keys) canonical += key.ToString() + "\n";
    if (canonical != *text) {
      report.reason = "ledger.vkey was altered: it is not as it was written";
      return report;
    }
    quorum = *keys;
  }
  // Before the snapshot: a checkpoint is in the store before it is in the file.
  std::string latest;
  if (const std::string path = dir_ + "/ledger.checkpoint"; FileExists(path)) {
    absl::StatusOr<std::string> text = ReadFile(path);
    if (!text.ok()) return text.status();
    latest = *std::move(text);
  }
  absl::StatusOr<std::vector<VerifierKey>> witnesses = ReadWitnesses(dir_);
  if (absl::IsDataLoss(witnesses.status())) {
    report.reason = Concat(witnesses.status().message());
    return report;
  }
  if (!witnesses.ok()) return witnesses.status();
  const Snapshot snapshot(db_);
  if (!snapshot.status().ok()) return snapshot.status();
  return VerifyStore(
      db_,
      {.dir = dir_, .latest = latest, .quorum = quorum, .witnesses = *witnesses, .seen = seen});
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

absl::StatusOr<std::unique_ptr<Reader>> Reader::Open(const std::string& dir) {
  absl::StatusOr<std::unique_ptr<Impl>> impl = Impl::Open(dir);
  if (!impl.ok()) return impl.status();
  return std::unique_ptr<Reader>(new Reader(*std::move(impl)));
}

absl::StatusOr<QueryPage> Reader::Find(const Query& query) {
  return impl_->Find(query);
}
absl::StatusOr<CountResult> Reader::Count(const Query& query,
                                          const std::vector<int64_t>& edges_us) {
  return impl_->Count(query, edges_us);
}
absl::StatusOr<Found> Reader::Get(uint64_t seq) {
  return impl_->Get(seq);
}
absl::StatusOr<std::string> Reader::Content(uint64_t seq, const std::string& key_file,
                                            Purpose purpose) {
  return impl_->Content(seq, key_file, purpose);
}
absl::StatusOr<bool> Reader::IsRestricted(const Record& record) {
  return impl_->IsRestricted(record);
}
absl::StatusOr<Evidence> Reader::Prove(uint64_t seq) {
  return impl_->Prove(seq);
}
absl::StatusOr<std::vector<Hash>> Reader::ProveConsistency(uint64_t old_size, uint64_t size) {
  return impl_->ProveConsistency(old_size, size);
}
absl::StatusOr<std::string> Reader::LatestCheckpoint() {
  return impl_->LatestCheckpoint();
}
absl::StatusOr<uint64_t> Reader::Size() {
  return impl_->Size();
}
absl::StatusOr<uint64_t> Reader::FirstFrom(int64_t time_us) {
  return impl_->FirstFrom(time_us);
}
absl::StatusOr<std::vector<std::string>> Reader::Checkpoints(uint64_t begin, uint64_t end) {
  return impl_->Checkpoints(begin, end);
}
absl::StatusOr<uint64_t> Reader::SignedSize() {
  return impl_->SignedSize();
}
absl::StatusOr<uint64_t> Reader::CosignedSize() {
  return impl_->CosignedSize();
}
absl::StatusOr<uint64_t> Reader::CheckpointedSize(uint64_t size) {
  return impl_->CheckpointedSize(size);
}
absl::Status Reader::Scan(uint64_t begin, uint64_t end,
                          const std::function<absl::Status(std::string_view encoded)>& see) {
  return impl_->Scan(begin, end, see);
}
absl::StatusOr<std::vector<Hash>> Reader::Tile(int level, uint64_t number, uint64_t width) {
  return impl_->Tile(level, number, width);
}
absl::StatusOr<std::vector<Hash>> Reader::Roots(uint64_t size) {
  return impl_->Roots(size);
}
absl::StatusOr<VerifyReport> Reader::Verify(const Quorum& quorum,
                                            const std::optional<Checkpoint>& seen) {
  return impl_->Verify(quorum, seen);
}

absl::StatusOr<std::vector<Found>> FindExchange(Reader& reader, const std::string& exchange) {
  Query query;
  query.exchange = exchange;
  std::vector<Found> records;
  do {
    absl::StatusOr<QueryPage> page = reader.Find(query);
    if (!page.ok()) return page.status();
    std::move(page->records.begin(), page->records.end(), std::back_inserter(records));
    query.before_seq = page->next_before_seq;
  } while (query.before_seq);
  if (records.empty()) {
    return absl::NotFoundError(Concat("the ledger has no record of an exchange ", exchange));
  }
  std::reverse(records.begin(), records.end());
  return records;
}

}  // namespace weir::audit
