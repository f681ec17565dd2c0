// Content for a person's eyes: only with a name, a role and a reason, and never without a record.
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "audit/ledger.h"
#include "audit/reader.h"

namespace weir::audit {

// Records the access durably, then decrypts. Waits for the disk: not for a thread that serves
// exchanges. kInvalidArgument when a field of `access` is empty; whatever keeps the access from
// being recorded keeps the content from being shown. Restricted content is shown to kLegalRole
// alone (kPermissionDenied), and asking for it is recorded too.
absl::StatusOr<std::string> Reveal(Ledger& ledger, Reader& reader, const Access& access,
                                   uint64_t seq, const std::string& key_file = {});

}  // namespace weir::audit
