// Reading a ledger, by another thread or another process than its writer, while it is written.
//
// A Reader has a connection of its own that never writes and never checkpoints (SQLite
// before 3.51.3 can lose committed rows when two connections do). What it returns is what was
// committed when the call began. Not thread-safe: one Reader per thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/quorum.h"
#include "audit/record.h"

namespace weir::audit {

// All given fields must match.
struct Query {
  std::optional<int64_t> from_us = {};  // inclusive
  std::optional<int64_t> to_us = {};    // exclusive
  std::string exchange = {}, app = {}, user = {}, profile = {}, region = {};
  std::string category = {}, rule = {}, action = {}, model = {};
  std::vector<RecordKind> kinds = {};  // one of them; empty: any
  // Stands in the stored content, spaces included, capitals and widths apart (audit/words.h).
  // Content that was erased or may not be shown is not found.
  std::string words = {};
  std::string content_key_file = {};        // for words; empty: content.key beside the ledger
  std::optional<uint64_t> before_seq = {};  // cursor: only records below it, newest first
  uint64_t limit = 100;
};

struct Found {
  Record record;
  std::string encoded;  // the leaf's bytes
};

// A search for words looks at a bounded number of contents, so its page may hold fewer records than
// asked for, or none, and have a next one all the same.
struct QueryPage {
  std::vector<Found> records;               // newest first
  std::optional<uint64_t> next_before_seq;  // absent: there are no more
};

struct CountResult {
  std::vector<uint64_t> counts;
  // A count by words that did not come to its end: the counts are of the records from here on. To
  // be asked again with this as `before_seq`, and added.
  std::optional<uint64_t> next_before_seq;
};

// Evidence that one record is in a tree with a signed head.
struct Evidence {
  uint64_t index = 0;
  std::string encoded;  // the record's bytes
  std::vector<Hash> proof;
  std::string checkpoint;  // signed note

  // c2sp.org/tlog-proof@v1 text.
  std::string ProofText() const;
};

// What content is wanted for.
enum class Purpose : uint8_t { kAny, kLegal };
// The role to which restricted content is shown.
inline constexpr std::string_view kLegalRole = "legal";

// What a verification found. `records` and `checkpoints` say how much was looked at.
struct VerifyReport {
  bool ok = false;
  uint64_t records = 0;
  uint64_t checkpoints = 0;
  uint64_t removed = 0;           // records that retention let go: their hashes alone are left
  uint64_t unsigned_records = 0;  // after the last checkpoint
  // After the last checkpoint with the quorum's witnesses, where the quorum has some.
  uint64_t unwitnessed_records = 0;
  uint64_t contents = 0;  // stored ciphertexts that fit their records and their keys
  std::optional<uint64_t> first_bad_seq;
  std::string reason;  // a sentence; names the place
};

class Reader {
 public:
  static absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& dir);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  absl::StatusOr<QueryPage> Find(const Query& query);
  // How many records match, whatever the limit: one number for each interval between two moments,
  // which are in ascending order; without moments one in all. Of closed segments the index is
  // believed, where two values whose terms share a number are one (audit/FORMAT.md section 6);
  // where words are asked for, every record is looked at.
  absl::StatusOr<CountResult> Count(const Query& query, const std::vector<int64_t>& edges_us = {});
  absl::StatusOr<Found> Get(uint64_t seq);
  // The stored content of a record, decrypted with content.key of the ledger's directory or the
  // given file. kNotFound: none is stored, or it was erased. kPermissionDenied: it is restricted,
  // and the purpose is no legal one. For a person's eyes go through Reveal() (audit/reveal.h),
  // which leaves a record.
  absl::StatusOr<std::string> Content(uint64_t seq, const std::string& key_file = {},
                                      Purpose purpose = Purpose::kAny);
  // Whether the record's content waits for its erasure: then it is not processed in any way, which
  // includes that a search by content does not find it.
  absl::StatusOr<bool> IsRestricted(const Record& record);
  // Under the latest signed checkpoint that covers the record, if possible one that witnesses
  // cosigned.
  absl::StatusOr<Evidence> Prove(uint64_t seq);
  absl::StatusOr<std::vector<Hash>> ProveConsistency(uint64_t old_size, uint64_t size);
  // With the cosignatures that it has by now.
  absl::StatusOr<std::string> LatestCheckpoint();
  absl::StatusOr<uint64_t> Size();
  // The number of the first record at or after that time; the size when there is none.
  absl::StatusOr<uint64_t> FirstFrom(int64_t time_us);
  // Every signed checkpoint over more than `begin` and at most `end` records, in order.
  absl::StatusOr<std::vector<std::string>> Checkpoints(uint64_t begin, uint64_t end);
  // Records under the latest signed checkpoint.
  absl::StatusOr<uint64_t> SignedSize();
  // Records under the latest checkpoint that witnesses cosigned; 0 when there is none.
  absl::StatusOr<uint64_t> CosignedSize();
  // The smallest checkpointed size that is at least `size`, of a cosigned checkpoint if there is
  // one; kNotFound beyond the last checkpoint.
  absl::StatusOr<uint64_t> CheckpointedSize(uint64_t size);
  // Calls `see` for the encoded records from `begin` to before `end`, in order.
  absl::Status Scan(uint64_t begin, uint64_t end,
                    const std::function<absl::Status(std::string_view encoded)>& see);
  // The first `width` hashes of a C2SP tile; kNotFound when the tree has not so many.
  absl::StatusOr<std::vector<Hash>> Tile(int level, uint64_t number, uint64_t width);
  // The roots of the perfect subtrees of the first `size` records, largest first.
  absl::StatusOr<std::vector<Hash>> Roots(uint64_t size);

  // Re-derives everything from the records: canonical bytes, sequence, order of time, every stored
  // tree node, every checkpoint's root, signature and consistency with the one before, index
  // entries, cosignatures. Demands the log's signature of `quorum` (without one, by the key stored
  // beside the ledger) on every checkpoint, and all of the quorum on one, which need not be the
  // last: witnesses lag. `seen` is a checkpoint known from elsewhere, which the ledger must reach
  // and be consistent with. Never fails for what it finds in the store: that is the report.
  absl::StatusOr<VerifyReport> Verify(const Quorum& quorum,
                                      const std::optional<Checkpoint>& seen = std::nullopt);

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// Verifies an evidence file without any ledger.
absl::Status VerifyEvidence(std::string_view proof_text, std::string_view encoded,
                            const Quorum& quorum);

// Every record of an exchange, oldest first; kNotFound when there is none.
absl::StatusOr<std::vector<Found>> FindExchange(Reader& reader, const std::string& exchange);

// An evidence file: the record on its first line, the tlog-proof behind it.
std::string EvidenceFile(const Evidence& evidence);
// As VerifyEvidence; returns the record that is proved.
absl::StatusOr<Record> VerifyEvidenceFile(std::string_view file, const Quorum& quorum);

}  // namespace weir::audit
