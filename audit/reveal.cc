#include "audit/reveal.h"

#include <future>
#include <utility>

#include "audit/concat.h"

namespace weir::audit {

absl::StatusOr<std::string> Reveal(Ledger& ledger, Reader& reader, const Access& access,
                                   uint64_t seq, const std::string& key_file) {
  if (access.person.empty() || access.role.empty() || access.reason.empty()) {
    return absl::InvalidArgumentError(
        "content is shown only to a named person in a role and for a reason: give all three");
  }
  Record record;
  record.kind = RecordKind::kAccess;
  record.stage = "Reveal";
  record.user = access.person;
  record.cause = access.role;
  record.detail = Concat("The content of record ", seq, " was asked for: ", access.reason);
  std::promise<absl::Status> promise;
  std::future<absl::Status> recorded = promise.get_future();
  ledger.Append(std::move(record), [&promise](const absl::StatusOr<Receipt>& receipt) {
    promise.set_value(receipt.status());
  });
  if (absl::Status status = recorded.get(); !status.ok()) return status;
  return reader.Content(seq, key_file, access.role == kLegalRole ? Purpose::kLegal : Purpose::kAny);
}

}  // namespace weir::audit
