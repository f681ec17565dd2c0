#include "audit/verify.h"

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "audit/concat.h"
#include "audit/content.h"
#include "audit/index.h"
#include "audit/record.h"
#include "audit/tables.h"

namespace weir::audit {
namespace {

// Every step returns false once something is wrong; report_ then says what.
class Verification {
 public:
  Verification(const Database& db, const std::string& latest, const Quorum& quorum)
      : db_(db), latest_(latest), quorum_(quorum) {}

  VerifyReport Run();

 private:
  bool Prepare();
  bool CheckBatch(const Batch& batch);
  bool CheckRecord(uint64_t seq, const Batch& batch, std::string_view encoded, const Hash& stored);
  bool CheckContent(uint64_t seq, const std::string& digest);
  bool CheckNodes();
  bool CheckSegment();
  bool CheckMark();
  bool CheckCheckpoints();
  bool CheckEnd();

  // Steps a statement; false at its end and, with a report, when the store cannot be read.
  bool Next(Statement& statement);
  bool NextCheckpoint();
  bool Count(std::string_view table, uint64_t expected);
  bool Bad(uint64_t seq, std::string reason);
  bool Bad(std::string reason);

  const Database& db_;
  const std::string& latest_;
  const Quorum& quorum_;

  Statement batches_, node_, page_, mark_, checkpoints_, contents_;
  bool has_content_ = false;  // contents_ stands on one that is still to be checked
  std::vector<SegmentSpan> segments_;

  CompactRange tree_;
  std::vector<std::pair<int64_t, Hash>> finished_nodes_;
  int64_t last_time_us_ = 0;
  SegmentBuilder segment_;
  absl::flat_hash_map<std::string, uint64_t> open_exchanges_;
  uint64_t nodes_ = 0;
  uint64_t pages_ = 0;
  bool has_checkpoint_ = false;        // checkpoints_ stands on one that is still to be checked
  uint64_t last_checkpoint_size_ = 0;  // of the last that was good
  std::string last_note_;
  VerifyReport report_;
};

bool Verification::Bad(std::string reason) {
  if (report_.reason.empty()) report_.reason = std::move(reason);
  return false;
}

bool Verification::Bad(uint64_t seq, std::string reason) {
  if (report_.reason.empty()) report_.first_bad_seq = seq;
  return Bad(std::move(reason));
}

bool Verification::Next(Statement& statement) {
  absl::StatusOr<bool> row = statement.Step();
  if (row.ok()) return *row;
  return Bad(tree_.size(), Concat("the store cannot be read at record ", tree_.size(), ": ",
                                  row.status().message()));
}

bool Verification::NextCheckpoint() {
  has_checkpoint_ = Next(checkpoints_);
  return report_.reason.empty();
}

bool Verification::Prepare() {
  const auto prepare = [this](std::string_view sql, Statement& statement) {
    absl::StatusOr<Statement> prepared = db_.Prepare(sql);
    if (!prepared.ok()) return Bad(Concat(prepared.status().message()));
    statement = *std::move(prepared);
    return true;
  };
  absl::StatusOr<SegmentReader> segments = SegmentReader::Prepare(db_);
  if (!segments.ok()) return Bad(Concat(segments.status().message()));
  absl::StatusOr<std::vector<SegmentSpan>> list = segments->List();
  if (!list.ok()) return Bad(Concat(list.status().message()));
  segments_ = *std::move(list);
  return prepare("SELECT * FROM batches ORDER BY first_seq", batches_) &&
         prepare("SELECT hash FROM nodes WHERE id = ?1", node_) &&
         prepare("SELECT page FROM index_pages WHERE id = ?1", page_) &&
         prepare("SELECT name, value FROM marks", mark_) &&
         prepare("SELECT seq, sealed FROM contents ORDER BY seq", contents_) &&
         prepare("SELECT size, note FROM checkpoints ORDER BY size", checkpoints_);
}

bool Verification::CheckRecord(uint64_t seq, const Batch& batch, std::string_view encoded,
                               const Hash& stored) {
  absl::StatusOr<Record> record = Decode(encoded);
  if (!record.ok()) {
    return Bad(seq, Concat("record ", seq, " was altered: ", record.status().message()));
  }
  const Hash leaf = LeafHash(encoded);
  if (leaf != stored) {
    return Bad(seq, Concat("record ", seq, " was altered: its bytes do not hash to its leaf"));
  }
  if (record->seq != seq) {
    return Bad(seq,
               Concat("record ", seq, " was altered: it says that it is number ", record->seq));
  }
  if (record->time_us != batch.time_us || record->time_us < last_time_us_) {
    return Bad(seq, Concat("record ", seq,
                           " was altered: its time is not its batch's, or earlier "
                           "than that of the record before"));
  }
  last_time_us_ = record->time_us;
  if (!record->exchange.empty()) {
    if (record->kind == RecordKind::kPrompt) {
      open_exchanges_[record->exchange] = seq;
    } else {
      open_exchanges_.erase(record->exchange);
    }
  }
  if (!CheckContent(seq, record->content_digest)) return false;
  segment_.Add(seq, record->time_us, encoded);
  tree_.Append(leaf, [this](int level, uint64_t index, const Hash& hash) {
    if (level == 0 || level % kTileHeight != 0) return;
    finished_nodes_.emplace_back(NodeId(level / kTileHeight, index), hash);
  });
  report_.records = tree_.size();
  return true;
}

// Content may have been erased; what is there must be what the record was written over.
bool Verification::CheckContent(uint64_t seq, const std::string& digest) {
  if (!has_content_ || contents_.Uint(0) > seq) return true;
  if (contents_.Uint(0) < seq || SealedDigest(contents_.Bytes(1)) != digest) {
    return Bad(seq, Concat("the stored content of record ", contents_.Int(0),
                           " was altered or is not its own"));
  }
  ++report_.contents;
  has_content_ = Next(contents_);
  return report_.reason.empty();
}

bool Verification::CheckNodes() {
  for (const auto& [id, hash] : finished_nodes_) {
    node_.Bind(1, id);
    const bool same = Next(node_) && node_.Bytes(0) == AsBytes(hash);
    node_.Reset();
    if (!same) {
      const uint64_t first = tree_.size() - (tree_.size() & -tree_.size());
      return Bad(first, Concat("the tree's node ", id, " over the records before ", tree_.size(),
                               " was altered or is missing"));
    }
    ++nodes_;
  }
  finished_nodes_.clear();
  return true;
}

// What stands about a closed segment, and its index, when its last record has been seen.
bool Verification::CheckSegment() {
  const SegmentSpan span = segment_.span();
  if (span != segments_[span.number]) {
    return Bad(span.begin, Concat("what the store says of segment ", span.number, ", from record ",
                                  span.begin, " on, was altered"));
  }
  for (const IndexPage& page : segment_.Finish()) {
    page_.Bind(1, page.id);
    const bool same = Next(page_) && page_.Bytes(0) == page.bytes;
    page_.Reset();
    if (!same) {
      return Bad(span.begin, Concat("the search index of the records ", span.begin, " to ",
                                    span.end() - 1, " was altered at its page ", page.id));
    }
    ++pages_;
  }
  return span.number + 1 < segments_.size() || CheckMark();
}

// The mark tells Open which exchanges were open where the index ends.
bool Verification::CheckMark() {
  std::string expected = Concat(segments_.back().end());
  std::vector<uint64_t> prompts;
  for (const auto& [exchange, seq] : open_exchanges_) prompts.push_back(seq);
  std::sort(prompts.begin(), prompts.end());
  for (const uint64_t seq : prompts) expected += Concat(" ", seq);
  const bool same = Next(mark_) && mark_.Bytes(0) == "open" && mark_.Bytes(1) == expected;
  if (same) return true;
  return Bad(segments_.back().end(), Concat("the mark of the exchanges open before record ",
                                            segments_.back().end(), " was altered or is missing"));
}

// Checks the checkpoints over exactly the records so far.
bool Verification::CheckCheckpoints() {
  while (has_checkpoint_ && checkpoints_.Uint(0) == tree_.size()) {
    const std::string note(checkpoints_.Bytes(1));
    absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(note, quorum_);
    if (!checkpoint.ok()) {
      return Bad(last_checkpoint_size_, Concat("the checkpoint over ", tree_.size(),
                                               " records: ", checkpoint.status().message()));
    }
    if (checkpoint->size != tree_.size() || checkpoint->root != tree_.Root()) {
      return Bad(last_checkpoint_size_,
                 Concat("the checkpoint over ", tree_.size(),
                        " records does not fit them: it, or "
                        "one of the records ",
                        last_checkpoint_size_, " to ",
                        tree_.size() - std::min<uint64_t>(tree_.size(), 1), ", was altered"));
    }
    last_checkpoint_size_ = tree_.size();
    last_note_ = note;
    ++report_.checkpoints;
    if (!NextCheckpoint()) return false;
  }
  if (!has_checkpoint_ || checkpoints_.Uint(0) > tree_.size()) return true;
  return Bad(
      Concat("a checkpoint says that it is over ", checkpoints_.Int(0), " records, out of order"));
}

bool Verification::CheckBatch(const Batch& batch) {
  const uint64_t first = tree_.size();
  if (batch.first_seq != first) {
    return Bad(first,
               Concat("record ", first, " is missing: the next one stored is ", batch.first_seq));
  }
  absl::StatusOr<std::vector<std::string_view>> records = SplitRecords(batch);
  if (!records.ok()) return Bad(first, Concat(records.status().message()));
  absl::StatusOr<std::vector<Hash>> leaves = SplitLeaves(batch);
  if (!leaves.ok()) return Bad(first, Concat(leaves.status().message()));
  for (size_t i = 0; i < records->size(); ++i) {
    if (!CheckRecord(first + i, batch, (*records)[i], (*leaves)[i]) || !CheckNodes()) return false;
    const uint64_t size = tree_.size();
    const uint64_t number = segment_.span().number;
    if (number < segments_.size() && segments_[number].end() == size && !CheckSegment()) {
      return false;
    }
    if (has_checkpoint_ && checkpoints_.Uint(0) <= size && !CheckCheckpoints()) return false;
  }
  return true;
}

bool Verification::Count(std::string_view table, uint64_t expected) {
  absl::StatusOr<int64_t> rows = ReadInt(db_, Concat("SELECT count(*) FROM ", table));
  if (!rows.ok()) return Bad(Concat(rows.status().message()));
  if (static_cast<uint64_t>(*rows) == expected) return true;
  return Bad(Concat("the table ", table, " has ", *rows, " rows, the records give ", expected));
}

// Whatever is stored and was not come upon on the way is too much, or what it speaks of is missing.
bool Verification::CheckEnd() {
  if (has_checkpoint_) {
    return Bad(tree_.size(), Concat("records are missing from number ", tree_.size(),
                                    " on: a checkpoint was signed over ", checkpoints_.Int(0)));
  }
  if (has_content_) {
    return Bad(Concat("content is stored for record ", contents_.Int(0), ", which there is not"));
  }
  if (latest_.empty()) {
    if (tree_.size() == 0) return Count("nodes", 0);
    return Bad(
        "ledger.checkpoint is missing, without which a rolled-back store cannot be told from "
        "a whole one");
  }
  absl::StatusOr<Checkpoint> latest = OpenCheckpoint(latest_, quorum_);
  if (!latest.ok()) return Bad(Concat("ledger.checkpoint: ", latest.status().message()));
  if (latest->size > last_checkpoint_size_) {
    return Bad(last_checkpoint_size_,
               Concat("the store was rolled back: ledger.checkpoint was signed over ", latest->size,
                      " records, the store's last checkpoint over ", last_checkpoint_size_));
  }
  if (latest->size == last_checkpoint_size_ && latest->size > 0 && latest_ != last_note_) {
    return Bad("ledger.checkpoint is not the store's last checkpoint");
  }
  if (segment_.span().number != segments_.size()) {
    return Bad(tree_.size(), Concat("the store speaks of segment ", segments_.size() - 1,
                                    ", whose records end at ", segments_.back().end(),
                                    ", but there are only ", tree_.size()));
  }
  return Count("nodes", nodes_) && Count("index_pages", pages_) &&
         Count("marks", segments_.empty() ? 0 : 1);
}

VerifyReport Verification::Run() {
  if (!Prepare() || !NextCheckpoint()) return report_;
  has_content_ = Next(contents_);
  if (!report_.reason.empty() || !CheckCheckpoints()) return report_;
  while (Next(batches_)) {
    if (!CheckBatch(ReadBatch(batches_))) return report_;
  }
  if (!report_.reason.empty() || !CheckEnd()) return report_;
  report_.unsigned_records = tree_.size() - last_checkpoint_size_;
  report_.ok = true;
  report_.reason = Concat("All ", report_.records, " records and ", report_.checkpoints,
                          " checkpoints are as they were signed.");
  return report_;
}

}  // namespace

VerifyReport VerifyStore(const Database& db, const std::string& latest, const Quorum& quorum) {
  return Verification(db, latest, quorum).Run();
}

}  // namespace weir::audit
