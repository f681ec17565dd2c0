// A newer checkpoint with the proof that it extends an older tree: what a log sends to its
// witnesses (the body of c2sp.org/tlog-witness add-checkpoint), what `weir audit checkpoint --from`
// prints, and what `weir-verify consistency` reads. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/checkpoint.h"
#include "audit/merkle.h"

namespace weir::audit {

struct Extension {
  uint64_t old_size = 0;
  std::vector<Hash> proof;  // at most 63 hashes, as the specification has it
  std::string note;

  // "old <size>\n", the hashes in base64, one a line, an empty line, the note.
  std::string Text() const;
  static absl::StatusOr<Extension> Parse(std::string_view text);
};

// Whether the tree of `newer` is that of `older` with leaves added behind it. kInvalidArgument says
// what differs. The empty tree is extended by every other, without a proof.
absl::Status CheckExtends(const Checkpoint& older, const Checkpoint& newer,
                          const std::vector<Hash>& proof);

}  // namespace weir::audit
