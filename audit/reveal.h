// Content for a person's eyes: only with a name, a role and a reason, and never without a record.
#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "audit/ledger.h"
#include "audit/reader.h"

namespace weir::audit {

struct Access {
  std::string person;
  std::string role;
  std::string reason;
};

// Records the access durably, then decrypts. Waits for the disk: not for a thread that serves
// exchanges. kInvalidArgument when a field of `access` is empty; whatever keeps the access from
// being recorded keeps the content from being shown.
absl::StatusOr<std::string> Reveal(Ledger& ledger, Reader& reader, const Access& access,
                                   uint64_t seq, const std::string& key_file = {});

}  // namespace weir::audit
