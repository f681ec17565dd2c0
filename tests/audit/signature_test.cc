#include "audit/signature.h"

#include <string>

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/quorum.h"

namespace weir::audit {
namespace {

std::string Hex(absl::string_view hex) {
  return absl::HexStringToBytes(hex);
}

// The example of GB/T 32918.5-2017, A.2: the recommended curve, the message "message digest".
const std::string kNumber = Hex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8");
const std::string kPoint =
    Hex("0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13");
// Its r and s in DER; both have their highest bit set, hence the zero before them.
const std::string kSignature =
    Hex("3046022100F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
        "022100B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA");

TEST(SignatureTest, Sm2IsThatOfTheStandard) {
  EXPECT_EQ(PublicKeyOf(SignatureAlgorithm::kSm2, kNumber).value(), kPoint);
  EXPECT_TRUE(SignatureVerifies(SignatureAlgorithm::kSm2, kPoint, "message digest", kSignature));
  EXPECT_FALSE(SignatureVerifies(SignatureAlgorithm::kSm2, kPoint, "message digesu", kSignature));
  for (size_t i = 0; i < kSignature.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string altered = kSignature;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      EXPECT_FALSE(SignatureVerifies(SignatureAlgorithm::kSm2, kPoint, "message digest", altered))
          << "byte " << i << " bit " << bit;
    }
  }
  EXPECT_FALSE(SignatureVerifies(SignatureAlgorithm::kSm2, kPoint, "message digest",
                                 kSignature + std::string(1, '\0')));
}

TEST(SignatureTest, WhatIsNoKeyIsRefused) {
  std::string off_the_curve = kPoint;
  off_the_curve.back() ^= 1;
  for (const std::string& point : {off_the_curve, std::string(65, '\0'), std::string()}) {
    EXPECT_FALSE(SignatureVerifies(SignatureAlgorithm::kSm2, point, "message digest", kSignature));
  }
  EXPECT_FALSE(PublicKeyOf(SignatureAlgorithm::kSm2, std::string(32, '\0')).ok());
  EXPECT_FALSE(PublicKeyOf(SignatureAlgorithm::kSm2, std::string(32, '\xFF')).ok());
}

class AlgorithmTest : public ::testing::TestWithParam<SignatureAlgorithm> {};

TEST_P(AlgorithmTest, KeysAndSignaturesOfNotes) {
  const SigningKey key = *SigningKey::Generate("weir.example/ledger", GetParam());
  EXPECT_EQ(SigningKey::Parse(key.ToString() + "\n")->VerifierKey(), key.VerifierKey());
  const Checkpoint checkpoint{.origin = "weir.example/ledger", .size = 7, .root = LeafHash("x")};
  const std::string note = key.Sign(checkpoint);
  const VerifierKey verifier = *VerifierKey::Parse(key.VerifierKey());
  EXPECT_EQ(OpenCheckpoint(note, {verifier})->Text(), checkpoint.Text());
  std::string another = note;
  another[another.find('7')] = '8';
  EXPECT_FALSE(OpenCheckpoint(another, {verifier}).ok());
  std::string cut = key.VerifierKey();
  cut.resize(cut.size() - 4);
  EXPECT_FALSE(VerifierKey::Parse(cut).ok());
}

INSTANTIATE_TEST_SUITE_P(Algorithms, AlgorithmTest,
                         ::testing::Values(SignatureAlgorithm::kEd25519, SignatureAlgorithm::kSm2));

TEST(SignatureTest, WitnessesSignAnotherMessage) {
  const SigningKey witness = *SigningKey::Generate("w", SignatureAlgorithm::kCosignature);
  const SigningKey log = *SigningKey::Generate("w", SignatureAlgorithm::kEd25519);
  EXPECT_EQ(witness.SignatureLine("text\n"), "");
  EXPECT_EQ(log.Cosign("text\n", 1), "");
  EXPECT_EQ(SigningKey::Parse(witness.ToString())->VerifierKey(), witness.VerifierKey());
}

// A note that both have signed is read with either key, and demands both when both are named.
TEST(SignatureTest, OneNoteCarriesBoth) {
  const SigningKey first = *SigningKey::Generate("log", SignatureAlgorithm::kEd25519);
  const SigningKey second = *SigningKey::Generate("log", SignatureAlgorithm::kSm2);
  const Checkpoint checkpoint{.origin = "log", .size = 7, .root = LeafHash("x")};
  const std::string one = first.Sign(checkpoint);
  const std::string both = one + second.SignatureLine(checkpoint.Text());
  const VerifierKey ed25519 = *VerifierKey::Parse(first.VerifierKey());
  const VerifierKey sm2 = *VerifierKey::Parse(second.VerifierKey());
  EXPECT_TRUE(OpenCheckpoint(both, {ed25519}).ok());
  EXPECT_TRUE(OpenCheckpoint(both, {sm2}).ok());
  EXPECT_TRUE(OpenCheckpoint(both, {ed25519, sm2}).ok());
  EXPECT_FALSE(OpenCheckpoint(one, {ed25519, sm2}).ok());
}

}  // namespace
}  // namespace weir::audit
