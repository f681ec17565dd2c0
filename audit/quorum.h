// Whose signatures a checkpoint must carry to be believed: a quorum of named keys, never "any
// known key". Given as a list of keys, all of which must have signed, or as a policy file
// (c2sp.org/tlog-policy): one of its logs, and witnesses by its quorum line. Thread-compatible.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "audit/checkpoint.h"

namespace weir::audit {

class Quorum {
 public:
  // Nobody: opens nothing.
  Quorum() = default;
  // All of the keys. Implicit, because a list of keys reads as what it demands.
  Quorum(const std::vector<VerifierKey>& all);    // NOLINT(google-explicit-constructor)
  Quorum(std::initializer_list<VerifierKey> all)  // NOLINT(google-explicit-constructor)
      : Quorum(std::vector<VerifierKey>(all)) {}
  // The text of a policy file. The error names the line.
  static absl::StatusOr<Quorum> Parse(std::string_view policy);

  bool empty() const { return logs_.empty(); }
  const std::vector<VerifierKey>& logs() const { return logs_; }
  const std::vector<VerifierKey>& witnesses() const { return witnesses_; }

  // OK when the quorum signed; otherwise the reason. A line of a named key that does not verify
  // spoils the note, needed or not; lines of other keys mean nothing.
  absl::Status Check(const SignedNote& note) const;
  // The same without the witnesses' quorum: a log signs every checkpoint, witnesses only some.
  absl::Status CheckLog(const SignedNote& note) const;

 private:
  // A witness, or a group that is satisfied when so many of its members are.
  struct Node {
    std::optional<size_t> witness;
    uint64_t needed = 0;
    std::vector<size_t> members;  // earlier nodes
  };
  class PolicyParser;

  std::vector<VerifierKey> logs_;
  bool every_log_ = false;  // else one of them
  std::vector<VerifierKey> witnesses_;
  std::vector<Node> nodes_;     // in order of definition
  std::optional<size_t> root_;  // the node that must be satisfied; none: no witness is needed
};

// Parses a signed note and demands the quorum's signatures. The origin must be the name of a log
// of the quorum that signed.
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const Quorum& quorum);
// The same without the witnesses: for checkpoints that a later one, which has them, vouches for.
absl::StatusOr<Checkpoint> OpenLogCheckpoint(std::string_view note, const Quorum& quorum);

}  // namespace weir::audit
