#include "audit/merkle.h"

#include <bit>
#include <memory>
#include <string>
#include <utility>

#include <openssl/evp.h>

#include "audit/concat.h"

namespace weir::audit {
namespace {

// Domain separation of RFC 6962: a leaf can never be taken for a node.
constexpr uint8_t kLeafPrefix = 0x00;
constexpr uint8_t kNodePrefix = 0x01;

// The digest's context is reused: looking the algorithm up anew for each hash costs as much as
// hashing a record.
class Sha256 {
 public:
  Sha256() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {}
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(algorithm_);
  }

  Hash Digest(uint8_t prefix, const void* first, size_t first_bytes, const void* second,
              size_t second_bytes) {
    Hash hash{};
    unsigned int length = 0;
    const bool ok = EVP_DigestInit_ex2(context_, algorithm_, nullptr) == 1 &&
                    EVP_DigestUpdate(context_, &prefix, 1) == 1 &&
                    EVP_DigestUpdate(context_, first, first_bytes) == 1 &&
                    EVP_DigestUpdate(context_, second, second_bytes) == 1 &&
                    EVP_DigestFinal_ex(context_, hash.data(), &length) == 1;
    // A process without SHA-256 can neither record nor verify; a wrong hash would be worse.
    if (!ok || length != hash.size()) std::abort();
    return hash;
  }

 private:
  EVP_MD* const algorithm_;
  EVP_MD_CTX* const context_;
};

Sha256& ThreadSha256() {
  thread_local Sha256 sha256;
  return sha256;
}

// The largest power of two below n, for n > 1.
uint64_t Split(uint64_t n) {
  return std::bit_floor(n - 1);
}

// MTH(D[begin:end]) for a range that the recursions below can reach: its begin is a multiple of
// the power of two that covers it.
absl::StatusOr<Hash> RangeHash(uint64_t begin, uint64_t end, const NodeReader& read) {
  const uint64_t n = end - begin;
  if (std::has_single_bit(n)) {
    const int level = std::countr_zero(n);
    return read(level, begin >> level);
  }
  const uint64_t k = Split(n);
  absl::StatusOr<Hash> left = RangeHash(begin, begin + k, read);
  if (!left.ok()) return left;
  absl::StatusOr<Hash> right = RangeHash(begin + k, end, read);
  if (!right.ok()) return right;
  return NodeHash(*left, *right);
}

// Both proofs walk from the root down and list their hashes from the leaf up.
absl::Status AppendRange(uint64_t begin, uint64_t end, const NodeReader& read,
                         std::vector<Hash>& reversed) {
  absl::StatusOr<Hash> hash = RangeHash(begin, end, read);
  if (!hash.ok()) return hash.status();
  reversed.push_back(*hash);
  return absl::OkStatus();
}

absl::Status WrongLength(size_t got) {
  return absl::InvalidArgumentError(Concat("the proof has a wrong number of hashes: ", got));
}

}  // namespace

Hash LeafHash(std::string_view entry) {
  return ThreadSha256().Digest(kLeafPrefix, entry.data(), entry.size(), nullptr, 0);
}

Hash NodeHash(const Hash& left, const Hash& right) {
  return ThreadSha256().Digest(kNodePrefix, left.data(), left.size(), right.data(), right.size());
}

Hash EmptyRoot() {
  return {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
          0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
          0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
}

absl::StatusOr<CompactRange> CompactRange::FromRoots(uint64_t size, std::vector<Hash> roots) {
  if (roots.size() != static_cast<size_t>(std::popcount(size))) {
    return absl::InvalidArgumentError(Concat("a tree of size ", size, " has ", std::popcount(size),
                                             " perfect subtrees, not ", roots.size()));
  }
  CompactRange range;
  range.size_ = size;
  range.roots_ = std::move(roots);
  return range;
}

void CompactRange::Append(
    const Hash& leaf,
    const std::function<void(int level, uint64_t index, const Hash& hash)>& node) {
  Hash hash = leaf;
  uint64_t index = size_;
  if (node) node(0, index, hash);
  for (int level = 0; (index & 1) == 1; ++level) {
    hash = NodeHash(roots_.back(), hash);
    roots_.pop_back();
    index >>= 1;
    if (node) node(level + 1, index, hash);
  }
  roots_.push_back(hash);
  ++size_;
}

Hash CompactRange::Root() const {
  if (roots_.empty()) return EmptyRoot();
  Hash root = roots_.back();
  for (size_t i = roots_.size() - 1; i > 0; --i) root = NodeHash(roots_[i - 1], root);
  return root;
}

absl::StatusOr<std::vector<Hash>> RootsAt(uint64_t size, const NodeReader& read) {
  std::vector<Hash> roots;
  for (uint64_t rest = size; rest > 0; rest -= std::bit_floor(rest)) {
    const int level = 63 - std::countl_zero(rest);
    // The last complete subtree of this level.
    absl::StatusOr<Hash> root = read(level, (size >> level) - 1);
    if (!root.ok()) return root.status();
    roots.push_back(*root);
  }
  return roots;
}

absl::StatusOr<Hash> RootAt(uint64_t size, const NodeReader& read) {
  if (size == 0) return EmptyRoot();
  return RangeHash(0, size, read);
}

absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size,
                                                 const NodeReader& read) {
  if (index >= size) {
    return absl::InvalidArgumentError(Concat("a tree of size ", size, " has no leaf ", index));
  }
  std::vector<Hash> reversed;
  uint64_t begin = 0;
  uint64_t end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + Split(end - begin);
    const bool left = index < middle;
    if (absl::Status status = left ? AppendRange(middle, end, read, reversed)
                                   : AppendRange(begin, middle, read, reversed);
        !status.ok()) {
      return status;
    }
    (left ? end : begin) = middle;
  }
  return std::vector<Hash>(reversed.rbegin(), reversed.rend());
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t size,
                                                   const NodeReader& read) {
  if (old_size > size) {
    return absl::InvalidArgumentError(
        Concat("a tree of size ", size, " has no earlier size ", old_size));
  }
  std::vector<Hash> reversed;
  if (old_size == 0 || old_size == size) return reversed;
  uint64_t begin = 0;
  uint64_t end = size;
  while (old_size != end) {
    const uint64_t middle = begin + Split(end - begin);
    const bool left = old_size <= middle;
    if (absl::Status status = left ? AppendRange(middle, end, read, reversed)
                                   : AppendRange(begin, middle, read, reversed);
        !status.ok()) {
      return status;
    }
    (left ? end : begin) = middle;
  }
  // The verifier knows the old root; only a subtree inside the old tree must be given to it.
  if (begin != 0) {
    if (absl::Status status = AppendRange(begin, end, read, reversed); !status.ok()) return status;
  }
  return std::vector<Hash>(reversed.rbegin(), reversed.rend());
}

absl::Status VerifyInclusion(uint64_t index, uint64_t size, const Hash& leaf,
                             absl::Span<const Hash> proof, const Hash& root) {
  if (index >= size) {
    return absl::InvalidArgumentError(Concat("a tree of size ", size, " has no leaf ", index));
  }
  uint64_t fn = index;
  uint64_t sn = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (sn == 0) return WrongLength(proof.size());
    if ((fn & 1) == 1 || fn == sn) {
      hash = NodeHash(sibling, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength(proof.size());
  if (hash != root) {
    return absl::InvalidArgumentError("the proof leads to another root than the checkpoint's");
  }
  return absl::OkStatus();
}

absl::Status VerifyConsistency(uint64_t old_size, uint64_t size, absl::Span<const Hash> proof,
                               const Hash& old_root, const Hash& root) {
  if (old_size > size) {
    return absl::InvalidArgumentError(Concat("the tree shrank from size ", old_size, " to ", size));
  }
  if (old_size == 0) {
    // Every tree is consistent with the empty one, and nothing can be proved about it.
    return absl::InvalidArgumentError("the empty tree needs no proof and has none");
  }
  if (old_size == size) {
    if (!proof.empty()) return WrongLength(proof.size());
    if (old_root != root) {
      return absl::InvalidArgumentError("two trees of the same size have different roots");
    }
    return absl::OkStatus();
  }
  if (proof.empty()) return WrongLength(0);

  uint64_t fn = old_size - 1;
  uint64_t sn = size - 1;
  while ((fn & 1) == 1) {
    fn >>= 1;
    sn >>= 1;
  }
  // When the old tree is perfect, its root begins the proof and is left out of it.
  const bool perfect = std::has_single_bit(old_size);
  Hash old_hash = perfect ? old_root : proof[0];
  Hash hash = old_hash;
  for (const Hash& sibling : proof.subspan(perfect ? 0 : 1)) {
    if (sn == 0) return WrongLength(proof.size());
    if ((fn & 1) == 1 || fn == sn) {
      old_hash = NodeHash(sibling, old_hash);
      hash = NodeHash(sibling, hash);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return WrongLength(proof.size());
  if (old_hash != old_root) {
    return absl::InvalidArgumentError("the proof does not lead to the old root");
  }
  if (hash != root) {
    return absl::InvalidArgumentError("the proof does not lead to the new root");
  }
  return absl::OkStatus();
}

}  // namespace weir::audit
