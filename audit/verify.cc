#include "audit/verify.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "audit/concat.h"
#include "audit/cosignatures.h"
#include "audit/digest.h"
#include "audit/files.h"
#include "audit/index.h"
#include "audit/record.h"
#include "audit/tables.h"
#include "audit/verify_content.h"
#include "audit/word_index.h"

namespace weir::audit {
namespace {

// Every step returns false once something is wrong; report_ then says what.
class Verification {
 public:
  Verification(const Database& db, const StoreDemands& demands)
      : db_(db), demands_(demands), content_(db) {}

  VerifyReport Run();

 private:
  bool Prepare();
  bool CheckBatch(const Batch& batch);
  bool CheckRecord(uint64_t seq, const Batch& batch, std::string_view encoded, const Hash& stored);
  bool CheckContent(const absl::Status& status);
  bool CheckNodes();
  bool CheckSegment();
  bool CheckArchive(const SegmentSpan& span);
  bool CheckRemoved(const SegmentHome& home);
  bool CheckRecords(uint64_t begin, uint64_t end);
  bool CheckMark();
  bool CheckCheckpoints();
  bool CheckCosignatures(const std::string& note, const Checkpoint& checkpoint);
  bool CheckSeen();
  bool CheckEnd();
  bool CheckLatest();
  bool CheckPages();

  // Steps a statement; false at its end and, with a report, when the store cannot be read.
  bool Next(Statement& statement);
  bool NextCheckpoint();
  bool Count(std::string_view table, uint64_t expected);
  bool Bad(uint64_t seq, std::string reason);
  bool Bad(std::string reason);

  const Database& db_;
  const StoreDemands& demands_;

  std::unique_ptr<Tables> tables_;
  Statement node_, page_, archive_, mark_, checkpoints_, cosignatures_;
  ContentVerification content_;
  std::vector<SegmentSpan> segments_;

  CompactRange tree_;
  std::vector<std::pair<int64_t, Hash>> finished_nodes_;
  int64_t last_time_us_ = 0;
  SegmentBuilder segment_;
  absl::flat_hash_map<std::string, uint64_t> open_exchanges_;
  absl::flat_hash_map<uint64_t, std::string> removals_;  // what records say was removed
  std::vector<SegmentHome> removed_;                     // segments that are gone
  uint64_t archives_ = 0;
  uint64_t leaf_rows_ = 0;
  uint64_t nodes_ = 0;
  uint64_t pages_ = 0;
  bool has_checkpoint_ = false;        // checkpoints_ stands on one that is still to be checked
  uint64_t last_checkpoint_size_ = 0;  // of the last that was good
  std::string last_note_;
  bool has_cosignatures_ = false;  // cosignatures_ stands on some that are still to be checked
  uint64_t witnessed_size_ = 0;    // of the last checkpoint with all of the quorum
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
  if (absl::Status schema = CheckSchema(db_); !schema.ok()) return Bad(Concat(schema.message()));
  absl::StatusOr<SegmentReader> segments = SegmentReader::Prepare(db_);
  if (!segments.ok()) return Bad(Concat(segments.status().message()));
  absl::StatusOr<std::vector<SegmentSpan>> list = segments->List();
  if (!list.ok()) return Bad(Concat(list.status().message()));
  segments_ = *std::move(list);
  absl::StatusOr<Tables> tables = Tables::Prepare(db_, demands_.dir);
  if (!tables.ok()) return Bad(Concat(tables.status().message()));
  tables_ = std::make_unique<Tables>(*std::move(tables));
  return prepare("SELECT digest, bytes FROM archives WHERE number = ?1", archive_) &&
         prepare("SELECT hash FROM nodes WHERE id = ?1", node_) &&
         prepare("SELECT page FROM index_pages WHERE id = ?1", page_) &&
         prepare("SELECT name, value FROM marks", mark_) &&
         prepare("SELECT size, note FROM checkpoints ORDER BY size", checkpoints_) &&
         prepare("SELECT size, lines FROM cosignatures ORDER BY size", cosignatures_);
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
  if (record->cause == "removed" && record->kind == RecordKind::kService) {
    removals_[seq] = record->detail;
  }
  if (!record->exchange.empty()) {
    if (record->kind == RecordKind::kPrompt) {
      open_exchanges_[record->exchange] = seq;
    } else {
      open_exchanges_.erase(record->exchange);
    }
  }
  if (!CheckContent(content_.See(*record))) return false;
  segment_.Add(seq, record->time_us, encoded);
  tree_.Append(leaf, [this](int level, uint64_t index, const Hash& hash) {
    if (level == 0 || level % kTileHeight != 0) return;
    finished_nodes_.emplace_back(NodeId(level / kTileHeight, index), hash);
  });
  report_.records = tree_.size();
  return true;
}

bool Verification::CheckContent(const absl::Status& status) {
  report_.contents = content_.contents();
  if (status.ok()) return true;
  const std::string reason = Concat(status.message());
  return content_.bad_seq() ? Bad(*content_.bad_seq(), reason) : Bad(reason);
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
    absl::StatusOr<Checkpoint> checkpoint = OpenLogCheckpoint(note, demands_.quorum);
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
    if (!CheckCosignatures(note, *checkpoint)) return false;
    last_checkpoint_size_ = tree_.size();
    last_note_ = note;
    ++report_.checkpoints;
    if (!NextCheckpoint()) return false;
  }
  if (!has_checkpoint_ || checkpoints_.Uint(0) > tree_.size()) return true;
  return Bad(
      Concat("a checkpoint says that it is over ", checkpoints_.Int(0), " records, out of order"));
}

bool Verification::CheckCosignatures(const std::string& note, const Checkpoint& checkpoint) {
  std::string cosigned = note;
  if (has_cosignatures_ && cosignatures_.Uint(0) == checkpoint.size) {
    const std::string lines(cosignatures_.Bytes(1));
    const absl::Status status =
        audit::CheckCosignatures(checkpoint.Text(), lines, demands_.witnesses);
    if (!status.ok()) {
      return Bad(Concat("the cosignatures of the checkpoint over ", checkpoint.size,
                        " records were altered: ", status.message()));
    }
    cosigned += lines;
    has_cosignatures_ = Next(cosignatures_);
    if (!report_.reason.empty()) return false;
  }
  const bool witnessed =
      !demands_.quorum.witnesses().empty() && OpenCheckpoint(cosigned, demands_.quorum).ok();
  if (witnessed) witnessed_size_ = checkpoint.size;
  return true;
}

bool Verification::CheckSeen() {
  if (!demands_.seen || demands_.seen->size != tree_.size() ||
      demands_.seen->root == tree_.Root()) {
    return true;
  }
  return Bad(0, Concat("the records before ", tree_.size(),
                       " are not those that the checkpoint seen elsewhere was signed over"));
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
    if (!CheckSeen()) return false;
  }
  return true;
}

bool Verification::CheckRecords(uint64_t begin, uint64_t end) {
  const absl::Status status = tables_->Scan(begin, end, [this](const Batch& batch) {
    return CheckBatch(batch) ? absl::OkStatus() : absl::CancelledError();
  });
  if (!report_.reason.empty()) return false;
  if (!status.ok()) return Bad(tree_.size(), Concat(status.message()));
  if (tree_.size() == end) return true;
  return Bad(tree_.size(), Concat("the records ", tree_.size(), " to ", end - 1, " are missing"));
}

// The file is compared whole: what is in it is looked at with the records.
bool Verification::CheckArchive(const SegmentSpan& span) {
  const std::string path = ArchivePath(demands_.dir, span.number);
  const absl::StatusOr<std::string> file = ReadFile(path);
  if (!file.ok()) {
    return Bad(span.begin, Concat("the archive of the records ", span.begin, " to ", span.end() - 1,
                                  " cannot be read: ", file.status().message()));
  }
  const Hash digest = Sha256(*file);
  archive_.Bind(1, span.number);
  const bool same =
      Next(archive_) && archive_.Bytes(0) == AsBytes(digest) && archive_.Uint(1) == file->size();
  archive_.Reset();
  if (same) return true;
  return Bad(span.begin, Concat(path, ", with the records ", span.begin, " to ", span.end() - 1,
                                ", is not the file that was written"));
}

// Of removed records the leaf hashes are left; the tree is the same.
bool Verification::CheckRemoved(const SegmentHome& home) {
  const SegmentSpan& span = home.span;
  absl::StatusOr<std::vector<Hash>> leaves = tables_->Leaves(span.begin, span.end());
  if (!leaves.ok()) return Bad(span.begin, Concat(leaves.status().message()));
  for (const Hash& leaf : *leaves) {
    tree_.Append(leaf, [this](int level, uint64_t index, const Hash& hash) {
      if (level == 0 || level % kTileHeight != 0) return;
      finished_nodes_.emplace_back(NodeId(level / kTileHeight, index), hash);
    });
    if (!CheckNodes()) return false;
    if (has_checkpoint_ && checkpoints_.Uint(0) <= tree_.size() && !CheckCheckpoints()) {
      return false;
    }
    if (!CheckSeen()) return false;
  }
  removed_.push_back(home);
  report_.removed += span.count;
  if (!CheckContent(content_.SeeRemoved(span.begin, span.end()))) return false;
  segment_ = SegmentBuilder(span.number + 1, span.end());
  if (span.last_us < last_time_us_ || span.first_us < last_time_us_) {
    return Bad(span.begin, Concat("what the store says of the time of the removed segment ",
                                  span.number, " was altered"));
  }
  last_time_us_ = span.last_us;
  // An index that names them would still tell about whom they were.
  absl::StatusOr<int64_t> pages = ReadInt(
      db_, Concat("SELECT count(*) FROM index_pages WHERE id >= ", IndexPageId(span.number, 0),
                  " AND id < ", IndexPageId(span.number + 1, 0)));
  if (!pages.ok()) return Bad(span.begin, Concat(pages.status().message()));
  pages_ += static_cast<uint64_t>(*pages);
  return true;
}

bool Verification::Count(std::string_view table, uint64_t expected) {
  absl::StatusOr<int64_t> rows = ReadInt(db_, Concat("SELECT count(*) FROM ", table));
  if (!rows.ok()) return Bad(Concat(rows.status().message()));
  if (static_cast<uint64_t>(*rows) == expected) return true;
  return Bad(Concat("the table ", table, " has ", *rows, " rows, the records give ", expected));
}

// ledger.checkpoint, and a checkpoint from elsewhere, must not know of more than the store.
bool Verification::CheckLatest() {
  if (demands_.latest.empty()) {
    if (tree_.size() == 0 && !demands_.seen) return true;
    return Bad(
        "ledger.checkpoint is missing, without which a rolled-back store cannot be told from "
        "a whole one");
  }
  absl::StatusOr<Checkpoint> latest = OpenLogCheckpoint(demands_.latest, demands_.quorum);
  if (!latest.ok()) return Bad(Concat("ledger.checkpoint: ", latest.status().message()));
  if (latest->size > last_checkpoint_size_) {
    return Bad(last_checkpoint_size_,
               Concat("the store was rolled back: ledger.checkpoint was signed over ", latest->size,
                      " records, the store's last checkpoint over ", last_checkpoint_size_));
  }
  if (latest->size == last_checkpoint_size_ && latest->size > 0 && demands_.latest != last_note_) {
    return Bad("ledger.checkpoint is not the store's last checkpoint");
  }
  if (demands_.seen && demands_.seen->origin != demands_.quorum.logs().front().name()) {
    return Bad(
        Concat("the checkpoint seen elsewhere is of another ledger, ", demands_.seen->origin));
  }
  if (demands_.seen && demands_.seen->size > tree_.size()) {
    return Bad(tree_.size(),
               Concat("the ledger was rolled back: it ends with ", tree_.size(),
                      " records though a checkpoint over ", demands_.seen->size, " was seen"));
  }
  if (!demands_.quorum.witnesses().empty() && witnessed_size_ == 0 && tree_.size() > 0) {
    return Bad("no checkpoint has the cosignatures that the quorum of witnesses asks for");
  }
  return true;
}

// What a lookup by key does not come upon: pages that do not hang together, a NULL that reads as 0.
bool Verification::CheckPages() {
  absl::StatusOr<Statement> check = db_.Prepare("PRAGMA quick_check(1)");
  if (!check.ok()) return Bad(Concat(check.status().message()));
  const bool answered = Next(*check);
  if (answered && check->Bytes(0) == "ok") return true;
  return Bad(Concat("the store is damaged: ", answered ? check->Bytes(0) : "no answer"));
}

// Whatever is stored and was not come upon on the way is too much, or what it speaks of is missing.
bool Verification::CheckEnd() {
  if (has_checkpoint_) {
    return Bad(tree_.size(), Concat("records are missing from number ", tree_.size(),
                                    " on: a checkpoint was signed over ", checkpoints_.Int(0)));
  }
  if (!CheckContent(content_.End())) return false;
  if (has_cosignatures_) {
    return Bad(Concat("cosignatures are stored for a checkpoint over ", cosignatures_.Int(0),
                      " records, which there is not"));
  }
  if (!CheckLatest()) return false;
  if (segment_.span().number != segments_.size()) {
    return Bad(tree_.size(), Concat("the store speaks of segment ", segments_.size() - 1,
                                    ", whose records end at ", segments_.back().end(),
                                    ", but there are only ", tree_.size()));
  }
  for (const SegmentHome& home : removed_) {
    const auto record = removals_.find(*home.removed_by);
    if (record != removals_.end() && record->second.starts_with(RemovalOf(home.span))) continue;
    // The record may have been removed with its own segment. Since they go in order, whatever
    // proves that a later one was to go proves it of this one.
    if (std::any_of(removed_.begin(), removed_.end(), [&home](const SegmentHome& later) {
          return later.span.number > home.span.number && later.span.begin <= *home.removed_by &&
                 *home.removed_by < later.span.end();
        })) {
      continue;
    }
    return Bad(home.span.begin, Concat("the records ", home.span.begin, " to ", home.span.end() - 1,
                                       " are gone and no record says that they were removed"));
  }
  if (const absl::Status words = CheckWordIndex(db_); !words.ok()) {
    return Bad(Concat(words.message()));
  }
  return Count("archives", archives_) && Count("leaves", leaf_rows_) &&
         Count("removals", removed_.size()) && Count("nodes", nodes_) &&
         Count("index_pages", pages_) && Count("marks", segments_.empty() ? 0 : 1);
}

VerifyReport Verification::Run() {
  if (!Prepare() || !NextCheckpoint()) return report_;
  if (!CheckContent(content_.Prepare())) return report_;
  has_cosignatures_ = Next(cosignatures_);
  if (!report_.reason.empty() || !CheckCheckpoints() || !CheckSeen()) return report_;
  for (const SegmentSpan& span : segments_) {
    const absl::StatusOr<std::optional<SegmentHome>> home = tables_->HomeOf(span.begin);
    if (!home.ok()) Bad(span.begin, Concat(home.status().message()));
    if (!home.ok()) return report_;
    const bool archived = (*home)->archived;
    const bool removed = (*home)->removed_by.has_value();
    if (archived) ++archives_;
    if (archived) leaf_rows_ += (span.count + kArchiveFrameRecords - 1) / kArchiveFrameRecords;
    if (archived && !removed && !CheckArchive(span)) return report_;
    if (removed ? !CheckRemoved(**home) : !CheckRecords(span.begin, span.end())) return report_;
  }
  const absl::StatusOr<uint64_t> size = tables_->Size();
  if (!size.ok()) Bad(tree_.size(), Concat(size.status().message()));
  if (!size.ok() || !CheckRecords(tree_.size(), *size)) return report_;
  if (!report_.reason.empty() || !CheckEnd() || !CheckPages()) return report_;
  report_.unsigned_records = tree_.size() - last_checkpoint_size_;
  if (!demands_.quorum.witnesses().empty()) {
    report_.unwitnessed_records = tree_.size() - witnessed_size_;
  }
  report_.ok = true;
  report_.reason = Concat("All ", report_.records, " records and ", report_.checkpoints,
                          " checkpoints are as they were signed.");
  return report_;
}

}  // namespace

VerifyReport VerifyStore(const Database& db, const StoreDemands& demands) {
  return Verification(db, demands).Run();
}

}  // namespace weir::audit
