// Keeps the word index behind the records: the writer's part of audit/word_index.h.
//
// The writer says which contents it has committed. A thread of the indexer's own reads them back,
// decrypts them and makes a part of them; the writer then stores the part in one transaction. So an
// append pays nothing but that transaction, for one content in 4,096, and no text waits in memory.
// A crash leaves contents without a part, which searches look at one by one until Open has them
// made.
//
// Contents that are erased leave word_erasures behind in their own transaction; each Tend() writes
// one part anew without them, and a part in the making that has one of them is thrown away. A crash
// leaves the rest to the next Tend().
//
// Everything but the constructor's thread belongs to the ledger's writer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/store.h"
#include "audit/word_index.h"

namespace weir::audit {

class WordIndexer {
 public:
  // On the writer's connection, which must outlive it; `path` and `vfs` are for one of its own.
  // Takes up the contents that have no part yet.
  static absl::StatusOr<std::unique_ptr<WordIndexer>> Open(const Database& db, std::string path,
                                                           std::string vfs, Suite suite,
                                                           const ContentKey& key_encryption_key);
  WordIndexer(const WordIndexer&) = delete;
  WordIndexer& operator=(const WordIndexer&) = delete;
  // Drops the part in the making.
  ~WordIndexer();

  // A content of so many sealed bytes was committed; in ascending order.
  void Note(uint64_t seq, size_t bytes);
  // A segment ends before this record; no part goes across.
  void EndSegment(uint64_t end);

  // Stores a part that is made, or destroys entries of erased contents: at most one transaction.
  absl::Status Tend();
  // The latter alone.
  absl::Status TendErased();
  // Whether entries of contents that were erased before the last Tend() may still be there: then it
  // has more to do at once.
  bool erasing() const { return erasing_; }
  // Contents that no part has yet.
  uint64_t behind() const { return behind_; }

 private:
  // Contents that become a part.
  struct Job {
    uint64_t number = 0;  // of the part
    uint64_t begin = 0;
    uint64_t end = 0;
    std::vector<uint64_t> seqs = {};
  };
  struct Made {
    WordPart part;
    std::vector<IndexPage> pages;
  };

  WordIndexer(std::string path, std::string vfs, const WordKey& key,
              const ContentKey& key_encryption_key)
      : path_(std::move(path)), vfs_(std::move(vfs)), key_(key), kek_(key_encryption_key) {}
  absl::Status TakeUp(const Database& db);
  void Commission();
  absl::Status DestroyErased(const std::vector<uint64_t>& erased);
  absl::Status Store(const Made& made);
  void DropUnmade(const std::vector<uint64_t>& erased);
  void Assign();

  void Run();
  absl::StatusOr<Made> Make(const Job& job, Database& db) const;

  const std::string path_;
  const std::string vfs_;
  const WordKey key_;
  const ContentKey kek_;
  WordTables tables_;
  Statement begin_, commit_;
  Job next_;  // what gathers
  size_t next_bytes_ = 0;
  std::deque<Job> jobs_;      // the first of them is being made
  uint64_t next_number_ = 0;  // of the next part
  uint64_t behind_ = 0;
  bool erasing_ = false;
  bool stale_ = false;  // the part in the making has a content that was erased

  mutable std::mutex mu_;
  // Guarded by mu_.
  std::condition_variable wake_;
  std::optional<Job> assigned_;
  std::optional<absl::StatusOr<Made>> made_;
  bool busy_ = false;
  bool closing_ = false;

  std::thread thread_;  // started with the first job
};

}  // namespace weir::audit
