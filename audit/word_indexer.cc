#include "audit/word_indexer.h"

#include <algorithm>
#include <utility>

#include "audit/concat.h"
#include "audit/index.h"

namespace weir::audit {
namespace {

// One read transaction covers so many contents, so that the log can be emptied in between.
constexpr size_t kReadAtOnce = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<WordIndexer>> WordIndexer::Open(
    const Database& db, std::string path, std::string vfs, Suite suite,
    const ContentKey& key_encryption_key) {
  absl::StatusOr<WordKey> key = WordKey::Derive(suite, key_encryption_key);
  if (!key.ok()) return key.status();
  std::unique_ptr<WordIndexer> indexer(
      new WordIndexer(std::move(path), std::move(vfs), *key, key_encryption_key));
  absl::StatusOr<WordTables> tables = WordTables::Prepare(db, true);
  absl::StatusOr<Statement> begin = db.Prepare("BEGIN IMMEDIATE");
  absl::StatusOr<Statement> commit = db.Prepare("COMMIT");
  for (const absl::Status& status : {tables.status(), begin.status(), commit.status()}) {
    if (!status.ok()) return status;
  }
  indexer->tables_ = *std::move(tables);
  indexer->begin_ = *std::move(begin);
  indexer->commit_ = *std::move(commit);
  if (absl::Status status = indexer->TakeUp(db); !status.ok()) return status;
  return indexer;
}

absl::Status WordIndexer::TakeUp(const Database& db) {
  absl::StatusOr<int64_t> number =
      ReadInt(db, "SELECT coalesce(max(number), -1) + 1 FROM word_parts");
  if (!number.ok()) return number.status();
  next_number_ = static_cast<uint64_t>(*number);
  absl::StatusOr<uint64_t> end = tables_.End();
  if (!end.ok()) return end.status();
  next_.begin = *end;
  absl::StatusOr<SegmentReader> reader = SegmentReader::Prepare(db);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<std::vector<SegmentSpan>> segments = reader->List();
  if (!segments.ok()) return segments.status();
  absl::StatusOr<Statement> select =
      db.Prepare("SELECT seq, length(sealed) FROM contents WHERE seq >= ?1 ORDER BY seq");
  if (!select.ok()) return select.status();
  select->Bind(1, *end);
  auto segment = segments->begin();
  const auto end_segments_before = [&](uint64_t seq) {
    for (; segment != segments->end() && segment->end() <= seq; ++segment) {
      if (segment->end() > *end) EndSegment(segment->end());
    }
  };
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) {
    end_segments_before(select->Uint(0));
    Note(select->Uint(0), select->Uint(1));
  }
  end_segments_before(UINT64_MAX);
  return row.status();
}

WordIndexer::~WordIndexer() {
  {
    const std::lock_guard lock(mu_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WordIndexer::Note(uint64_t seq, size_t bytes) {
  next_.seqs.push_back(seq);
  next_bytes_ += bytes;
  ++behind_;
  if (next_.seqs.size() < kWordPartContents && next_bytes_ < kWordPartBytes) return;
  next_.end = seq + 1;
  Commission();
}

void WordIndexer::EndSegment(uint64_t end) {
  next_.end = end;
  Commission();
}

void WordIndexer::Commission() {
  const uint64_t end = next_.end;
  if (!next_.seqs.empty()) jobs_.push_back(std::move(next_));
  next_ = Job{.begin = end};
  next_bytes_ = 0;
}

absl::Status WordIndexer::TendErased() {
  absl::StatusOr<std::vector<uint64_t>> erased = tables_.Erased(kWordPartContents);
  if (!erased.ok()) return erased.status();
  erasing_ = !erased->empty();
  return erasing_ ? DestroyErased(*erased) : absl::OkStatus();
}

absl::Status WordIndexer::Tend() {
  if (absl::Status status = TendErased(); !status.ok() || erasing_) return status;

  std::optional<absl::StatusOr<Made>> made;
  {
    const std::lock_guard lock(mu_);
    made.swap(made_);
    if (made) busy_ = false;
  }
  // What could not be made, or has what was erased meanwhile, is made again.
  const bool usable = made && made->ok() && !stale_;
  if (made) stale_ = false;
  if (usable) {
    if (absl::Status status = Store(**made); !status.ok()) return status;
    behind_ -= jobs_.front().seqs.size();
    jobs_.pop_front();
  }
  Assign();
  return absl::OkStatus();
}

absl::Status WordIndexer::Store(const Made& made) {
  absl::Status status = begin_.Run();
  if (status.ok()) status = tables_.Insert(made.part, made.pages);
  if (status.ok()) status = commit_.Run();
  if (status.ok()) next_number_ = made.part.number + 1;
  return status;
}

void WordIndexer::Assign() {
  if (jobs_.empty()) return;
  {
    const std::lock_guard lock(mu_);
    if (busy_) return;
    busy_ = true;
    assigned_ = jobs_.front();
    assigned_->number = next_number_;
  }
  if (!thread_.joinable()) thread_ = std::thread(&WordIndexer::Run, this);
  wake_.notify_one();
}

// The part that the first of them stands in is written anew without any of them.
absl::Status WordIndexer::DestroyErased(const std::vector<uint64_t>& erased) {
  const uint64_t first = erased.front();
  absl::StatusOr<uint64_t> end = tables_.End();
  if (!end.ok()) return end.status();
  absl::StatusOr<std::vector<WordPart>> parts = tables_.Parts(first, first + 1);
  if (!parts.ok()) return parts.status();
  if (parts->empty()) {
    DropUnmade(erased);
    return tables_.ForgetErased(first, first < *end ? first + 1 : INT64_MAX);
  }
  const WordPart& part = parts->front();
  absl::StatusOr<WordKey> key = WordKey::Derive(part.suite, kek_);
  if (!key.ok()) return key.status();
  // A part that cannot be read is destroyed whole; its contents are then looked at one by one.
  std::vector<IndexPage> pages;
  absl::StatusOr<WordPartBuilder> left = tables_.Read(part, *key);
  if (left.ok()) left->Erase(erased);
  if (left.ok() && !left->empty()) {
    absl::StatusOr<std::vector<IndexPage>> finished = left->Finish(part, *key);
    if (!finished.ok()) return finished.status();
    pages = *std::move(finished);
  }
  absl::Status status = begin_.Run();
  if (status.ok()) status = tables_.Replace(part, pages);
  if (status.ok()) status = tables_.ForgetErased(part.begin, part.end);
  if (status.ok()) status = commit_.Run();
  return status;
}

void WordIndexer::DropUnmade(const std::vector<uint64_t>& erased) {
  const auto drop = [&](Job& job) {
    const auto is_erased = [&erased](uint64_t seq) {
      return std::binary_search(erased.begin(), erased.end(), seq);
    };
    const size_t before = job.seqs.size();
    std::erase_if(job.seqs, is_erased);
    behind_ -= before - job.seqs.size();
    return job.seqs.size() < before;
  };
  for (Job& job : jobs_) {
    const bool dropped = drop(job);
    if (dropped && &job == &jobs_.front()) {
      const std::lock_guard lock(mu_);
      stale_ = busy_;
    }
  }
  drop(next_);
}

void WordIndexer::Run() {
  Database db;
  bool open = false;
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [this] { return closing_ || assigned_; });
      if (closing_) return;
      job = *std::move(assigned_);
      assigned_.reset();
    }
    absl::Status status;
    if (!open) {
      absl::StatusOr<Database> opened = Database::OpenReader(path_, vfs_);
      status = opened.status();
      if (opened.ok()) db = *std::move(opened);
      open = status.ok();
    }
    absl::StatusOr<Made> made = status.ok() ? Make(job, db) : absl::StatusOr<Made>(status);
    const std::lock_guard lock(mu_);
    made_ = std::move(made);
  }
}

absl::StatusOr<WordIndexer::Made> WordIndexer::Make(const Job& job, Database& db) const {
  absl::StatusOr<Statement> select = db.Prepare(Concat(
      "SELECT c.seq, ", kContentColumns, " WHERE c.seq >= ?1 AND c.seq < ?2 ORDER BY c.seq"));
  if (!select.ok()) return select.status();
  WordPartBuilder builder;
  for (size_t i = 0; i < job.seqs.size(); i += kReadAtOnce) {
    const size_t behind = std::min(i + kReadAtOnce, job.seqs.size());
    select->Bind(1, job.seqs[i]);
    select->Bind(2, job.seqs[behind - 1] + 1);
    absl::StatusOr<bool> row = select->Step();
    for (; row.ok() && *row; row = select->Step()) {
      // What cannot be read is found by nobody.
      const absl::StatusOr<std::string> text = FoldedContentOf(*select, 1, kek_);
      if (!text.ok()) continue;
      absl::StatusOr<std::vector<WordToken>> tokens = key_.Tokens(GramsOf(*text));
      if (!tokens.ok()) return tokens.status();
      builder.Add(select->Uint(0), *tokens);
    }
    select->Reset();
    if (!row.ok()) return row.status();
    const std::lock_guard lock(mu_);
    if (closing_) return absl::CancelledError("the ledger is closing");
  }
  Made made{
      .part = {.number = job.number, .begin = job.begin, .end = job.end, .suite = key_.suite()},
      .pages = {}};
  absl::StatusOr<std::vector<IndexPage>> pages = builder.Finish(made.part, key_);
  if (!pages.ok()) return pages.status();
  made.pages = *std::move(pages);
  return made;
}

}  // namespace weir::audit
