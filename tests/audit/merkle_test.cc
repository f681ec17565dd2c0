#include "audit/merkle.h"

#include <bit>
#include <cstdio>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::audit {
namespace {

std::string Hex(const Hash& hash) {
  std::string text;
  for (const uint8_t byte : hash) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

// RFC 6962's definitions, word for word; slow.
Hash NaiveRoot(const std::vector<Hash>& leaves, size_t begin, size_t end) {
  if (begin == end) return EmptyRoot();
  if (end - begin == 1) return leaves[begin];
  const size_t k = std::bit_floor(end - begin - 1);
  return NodeHash(NaiveRoot(leaves, begin, begin + k), NaiveRoot(leaves, begin + k, end));
}

std::vector<Hash> NaivePath(const std::vector<Hash>& leaves, size_t m, size_t begin, size_t end) {
  if (end - begin == 1) return {};
  const size_t k = std::bit_floor(end - begin - 1);
  const bool left = m < k;
  std::vector<Hash> path =
      left ? NaivePath(leaves, m, begin, begin + k) : NaivePath(leaves, m - k, begin + k, end);
  path.push_back(left ? NaiveRoot(leaves, begin + k, end) : NaiveRoot(leaves, begin, begin + k));
  return path;
}

std::vector<Hash> NaiveSubproof(const std::vector<Hash>& leaves, size_t m, size_t begin, size_t end,
                                bool whole) {
  if (m == end - begin) {
    if (whole) return {};
    return {NaiveRoot(leaves, begin, end)};
  }
  const size_t k = std::bit_floor(end - begin - 1);
  const bool left = m <= k;
  std::vector<Hash> proof = left ? NaiveSubproof(leaves, m, begin, begin + k, whole)
                                 : NaiveSubproof(leaves, m - k, begin + k, end, false);
  proof.push_back(left ? NaiveRoot(leaves, begin + k, end) : NaiveRoot(leaves, begin, begin + k));
  return proof;
}

class TreeTest : public ::testing::Test {
 protected:
  static constexpr size_t kSize = 70;

  TreeTest() {
    CompactRange range;
    for (size_t i = 0; i < kSize; ++i) {
      leaves_.push_back(LeafHash("leaf " + std::to_string(i)));
      range.Append(leaves_.back(), [this](int level, uint64_t index, const Hash& hash) {
        const auto at = static_cast<size_t>(level);
        if (nodes_.size() <= at) nodes_.resize(at + 1);
        EXPECT_EQ(nodes_[at].size(), index);
        nodes_[at].push_back(hash);
      });
      roots_.push_back(range.Root());
    }
  }

  NodeReader Read() {
    return [this](int level, uint64_t index) -> absl::StatusOr<Hash> {
      const auto at = static_cast<size_t>(level);
      if (at >= nodes_.size() || index >= nodes_[at].size()) {
        return absl::NotFoundError("a proof asked for a subtree that is not complete");
      }
      return nodes_[at][index];
    };
  }

  std::vector<Hash> leaves_;
  std::vector<std::vector<Hash>> nodes_;
  std::vector<Hash> roots_;  // of the trees of size 1, 2, ...
};

TEST(MerkleTest, KnownAnswers) {
  EXPECT_EQ(Hex(EmptyRoot()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(LeafHash("")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  EXPECT_EQ(Hex(LeafHash("L123456")),
            "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
}

// The eight leaves that Certificate Transparency's implementations share, and their roots.
TEST(MerkleTest, RootsOfTheClassicLeaves) {
  const std::string leaves[] = {
      "",
      std::string(1, '\0'),
      "\x10",
      "\x20\x21",
      "\x30\x31",
      "\x40\x41\x42\x43",
      "\x50\x51\x52\x53\x54\x55\x56\x57",
      "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
  };
  const char* roots[] = {
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  };
  CompactRange range;
  for (size_t i = 0; i < 8; ++i) {
    range.Append(LeafHash(leaves[i]));
    EXPECT_EQ(Hex(range.Root()), roots[i]) << i + 1 << " leaves";
  }
}

TEST_F(TreeTest, RootsAreThoseOfTheDefinition) {
  for (size_t n = 1; n <= kSize; ++n) {
    EXPECT_EQ(roots_[n - 1], NaiveRoot(leaves_, 0, n)) << n;
    EXPECT_EQ(RootAt(n, Read()).value(), roots_[n - 1]) << n;
    EXPECT_EQ(CompactRange::FromRoots(n, RootsAt(n, Read()).value())->Root(), roots_[n - 1]) << n;
  }
}

TEST_F(TreeTest, EveryInclusionProofIsTheDefinitionsAndHolds) {
  for (size_t n = 1; n <= kSize; ++n) {
    for (size_t i = 0; i < n; ++i) {
      const absl::StatusOr<std::vector<Hash>> proof = InclusionProof(i, n, Read());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, NaivePath(leaves_, i, 0, n)) << i << " of " << n;
      ASSERT_TRUE(VerifyInclusion(i, n, leaves_[i], *proof, roots_[n - 1]).ok()) << i << "/" << n;
    }
  }
}

TEST_F(TreeTest, NoInclusionProofHoldsForAnythingElse) {
  for (const size_t n : {1UL, 2UL, 3UL, 7UL, 8UL, 9UL, 33UL, 70UL}) {
    for (size_t i = 0; i < n; ++i) {
      const std::vector<Hash> proof = InclusionProof(i, n, Read()).value();
      const Hash& root = roots_[n - 1];
      for (size_t other = 0; other < n + 2; ++other) {
        if (other == i) continue;
        EXPECT_FALSE(VerifyInclusion(other, n, leaves_[i], proof, root).ok());
      }
      EXPECT_FALSE(VerifyInclusion(i, n, leaves_[(i + 1) % kSize], proof, root).ok());
      EXPECT_FALSE(VerifyInclusion(i, n, leaves_[i], proof, roots_[n % kSize]).ok());
      std::vector<Hash> longer = proof;
      longer.push_back(leaves_[0]);
      EXPECT_FALSE(VerifyInclusion(i, n, leaves_[i], longer, root).ok());
      for (size_t k = 0; k < proof.size(); ++k) {
        std::vector<Hash> altered = proof;
        altered[k][k % 32] ^= 1;
        EXPECT_FALSE(VerifyInclusion(i, n, leaves_[i], altered, root).ok());
        altered = proof;
        altered.erase(altered.begin() + static_cast<ptrdiff_t>(k));
        EXPECT_FALSE(VerifyInclusion(i, n, leaves_[i], altered, root).ok());
      }
    }
  }
}

TEST_F(TreeTest, EveryConsistencyProofIsTheDefinitionsAndHolds) {
  for (size_t n = 1; n <= kSize; ++n) {
    for (size_t m = 1; m <= n; ++m) {
      const absl::StatusOr<std::vector<Hash>> proof = ConsistencyProof(m, n, Read());
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, NaiveSubproof(leaves_, m, 0, n, true)) << m << " to " << n;
      ASSERT_TRUE(VerifyConsistency(m, n, *proof, roots_[m - 1], roots_[n - 1]).ok())
          << m << " to " << n;
    }
  }
}

TEST_F(TreeTest, NoConsistencyProofHoldsForAnythingElse) {
  for (const size_t n : {2UL, 7UL, 8UL, 9UL, 33UL, 70UL}) {
    for (size_t m = 1; m < n; ++m) {
      const std::vector<Hash> proof = ConsistencyProof(m, n, Read()).value();
      const Hash& old_root = roots_[m - 1];
      const Hash& root = roots_[n - 1];
      EXPECT_FALSE(VerifyConsistency(m, n, proof, root, old_root).ok());
      EXPECT_FALSE(VerifyConsistency(m, n, {}, old_root, root).ok());
      EXPECT_FALSE(VerifyConsistency(n, m, proof, old_root, root).ok());
      std::vector<Hash> longer = proof;
      longer.push_back(leaves_[0]);
      EXPECT_FALSE(VerifyConsistency(m, n, longer, old_root, root).ok());
      for (size_t k = 0; k < proof.size(); ++k) {
        std::vector<Hash> altered = proof;
        altered[k][31 - k % 32] ^= 0x80;
        EXPECT_FALSE(VerifyConsistency(m, n, altered, old_root, root).ok());
      }
    }
  }
}

TEST_F(TreeTest, TheEmptyTreeProvesNothing) {
  EXPECT_FALSE(VerifyConsistency(0, 0, {}, EmptyRoot(), EmptyRoot()).ok());
  EXPECT_FALSE(VerifyInclusion(0, 0, leaves_[0], {}, leaves_[0]).ok());
  EXPECT_FALSE(InclusionProof(0, 0, Read()).ok());
  EXPECT_EQ(RootAt(0, Read()).value(), EmptyRoot());
}

}  // namespace
}  // namespace weir::audit
