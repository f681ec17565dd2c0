// The part of a verification that looks at stored content: each ciphertext is the one that its
// record was written over, under the very key that it was sealed with; content or keys that are
// gone are explained by a record of their erasure; what is erased is gone; restrictions and holds
// are those that the records tell. Needs no key. Internal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "audit/content.h"
#include "audit/record.h"
#include "audit/store.h"

namespace weir::audit {

class ContentVerification {
 public:
  // Borrows the database, whose transaction must last as long.
  explicit ContentVerification(const Database& db) : db_(db) {}

  absl::Status Prepare();
  // Every record, in order. A status other than OK is a sentence for the report.
  absl::Status See(const Record& record);
  // In their place, records that were removed: of their content, rows may be left for a while.
  absl::Status SeeRemoved(uint64_t begin, uint64_t end);
  absl::Status End();

  uint64_t contents() const { return contents_; }               // good ones
  std::optional<uint64_t> bad_seq() const { return bad_seq_; }  // of the record that failed

 private:
  using Subject = std::pair<std::string, std::string>;  // app and user
  // Of one subject, as numbers of records.
  struct State {
    std::optional<uint64_t> stored;        // the oldest content that is there
    std::optional<uint64_t> missing;       // the oldest and the newest that are not, and of whose
    std::optional<uint64_t> last_missing;  // erasure nothing has been told yet
    std::optional<uint64_t> restricted;
  };

  absl::Status Bad(uint64_t seq, std::string reason);
  bool WasRemoved(uint64_t seq) const;
  absl::Status NextRow();
  absl::StatusOr<bool> SeeStored(const Record& record, Suite suite);
  absl::StatusOr<const WrappedKey*> KeyOf(int64_t id);
  absl::Status SeeErased(const Record& record);
  absl::Status CheckRestrictions();
  absl::Status CheckHolds();
  // Whether an index holds what its table does.
  absl::Status CheckIndex(const std::string& by_table, const std::string& by_index);

  const Database& db_;
  Statement rows_, key_;
  bool has_row_ = false;  // rows_ stands on one that is still to be checked
  WrappedKey last_key_;
  uint64_t contents_ = 0;
  std::optional<uint64_t> bad_seq_;
  absl::flat_hash_map<Subject, State> subjects_;
  std::map<uint64_t, Subject> holds_;
  std::map<uint64_t, uint64_t> removed_;  // runs of records: the first, and one more than the last
};

}  // namespace weir::audit
