// RFC 6962 section 2.1 trees over SHA-256: roots, inclusion proofs, consistency proofs. Pure
// functions; thread-safe. Verified against the RFC's known answers (audit/FORMAT.md).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/types/span.h>

namespace weir::audit {

using Hash = std::array<uint8_t, 32>;

Hash LeafHash(std::string_view entry);
Hash NodeHash(const Hash& left, const Hash& right);
Hash EmptyRoot();

// The roots of the perfect subtrees of a growing tree: all that appending needs to keep.
class CompactRange {
 public:
  CompactRange() = default;
  // From the roots of the perfect subtrees of a tree of `size`, largest first.
  static absl::StatusOr<CompactRange> FromRoots(uint64_t size, std::vector<Hash> roots);

  // Calls `node(level, index, hash)` for every subtree that this leaf completes, the leaf itself
  // (level 0) first.
  void Append(const Hash& leaf,
              const std::function<void(int level, uint64_t index, const Hash& hash)>& node = {});

  uint64_t size() const { return size_; }
  const std::vector<Hash>& roots() const { return roots_; }
  Hash Root() const;

 private:
  uint64_t size_ = 0;
  std::vector<Hash> roots_;
};

// Reads the hash of a complete subtree: level 0 are leaves.
using NodeReader = std::function<absl::StatusOr<Hash>(int level, uint64_t index)>;

// The roots of a tree's perfect subtrees, largest first: what CompactRange::FromRoots takes.
absl::StatusOr<std::vector<Hash>> RootsAt(uint64_t size, const NodeReader& read);
absl::StatusOr<Hash> RootAt(uint64_t size, const NodeReader& read);
absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size,
                                                 const NodeReader& read);
absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t size,
                                                   const NodeReader& read);

// OK when the proof holds; kInvalidArgument with the reason otherwise (RFC 9162 2.1.3.2, 2.1.4.2).
absl::Status VerifyInclusion(uint64_t index, uint64_t size, const Hash& leaf,
                             absl::Span<const Hash> proof, const Hash& root);
absl::Status VerifyConsistency(uint64_t old_size, uint64_t size, absl::Span<const Hash> proof,
                               const Hash& old_root, const Hash& root);

}  // namespace weir::audit
