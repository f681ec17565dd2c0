#include "audit/checkpoint.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/quorum.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

// The key pair of the examples in the documentation of Go's golang.org/x/mod/sumdb/note.
constexpr char kPrivate[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr char kPublic[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

Checkpoint SomeCheckpoint(uint64_t size = 123) {
  return {.origin = "PeterNeumann", .size = size, .root = LeafHash("x")};
}

TEST(CheckpointTest, KeysAreThoseOfTheNoteFormat) {
  const absl::StatusOr<SigningKey> key = SigningKey::Parse(kPrivate);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->VerifierKey(), kPublic);
  EXPECT_EQ(key->ToString(), kPrivate);
  EXPECT_EQ(key->name(), "PeterNeumann");
  EXPECT_TRUE(VerifierKey::Parse(kPublic).ok());
}

TEST(CheckpointTest, OpensWhatItSigned) {
  const absl::StatusOr<SigningKey> key = SigningKey::Generate("PeterNeumann");
  ASSERT_TRUE(key.ok()) << key.status();
  const std::string note = key->Sign(SomeCheckpoint());
  const absl::StatusOr<Checkpoint> opened =
      OpenCheckpoint(note, {*VerifierKey::Parse(key->VerifierKey())});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->Text(), SomeCheckpoint().Text());
  EXPECT_EQ(SigningKey::Parse(key->ToString() + "\n")->VerifierKey(), key->VerifierKey());
}

TEST(CheckpointTest, EverySingleBitChangeIsRefused) {
  const SigningKey key = *SigningKey::Parse(kPrivate);
  const std::vector<VerifierKey> keys = {*VerifierKey::Parse(kPublic)};
  const std::string note = key.Sign(SomeCheckpoint());
  ASSERT_TRUE(OpenCheckpoint(note, keys).ok());
  for (size_t i = 0; i < note.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string altered = note;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      EXPECT_FALSE(OpenCheckpoint(altered, keys).ok()) << "byte " << i << " bit " << bit;
    }
    EXPECT_FALSE(OpenCheckpoint(note.substr(0, i), keys).ok()) << "cut at " << i;
  }
}

// Any known key is not enough: each that was asked for must have signed.
TEST(CheckpointTest, DemandsEveryKey) {
  const SigningKey log = *SigningKey::Generate("PeterNeumann");
  const SigningKey witness = *SigningKey::Generate("witness");
  const VerifierKey log_key = *VerifierKey::Parse(log.VerifierKey());
  const VerifierKey witness_key = *VerifierKey::Parse(witness.VerifierKey());
  const std::string by_log = log.Sign(SomeCheckpoint());
  const std::string by_witness = witness.Sign(SomeCheckpoint());
  const std::string by_both = by_log + by_witness.substr(by_witness.rfind("\n\n") + 2);
  EXPECT_TRUE(OpenCheckpoint(by_both, {log_key, witness_key}).ok());
  EXPECT_TRUE(OpenCheckpoint(by_both, {log_key}).ok());
  EXPECT_THAT(OpenCheckpoint(by_log, {log_key, witness_key}).status().message(),
              HasSubstr("not signed by witness"));
  EXPECT_FALSE(OpenCheckpoint(by_log, {}).ok());
  // Who signs for one log cannot speak for another.
  EXPECT_THAT(OpenCheckpoint(by_witness, {witness_key}).status().message(),
              HasSubstr("another ledger"));
  // The same name with another key is another signer.
  const SigningKey impostor = *SigningKey::Generate("witness");
  const std::string forged = impostor.Sign(SomeCheckpoint());
  EXPECT_FALSE(OpenCheckpoint(forged, {witness_key}).ok());
}

TEST(CheckpointTest, RefusesTextThatIsNoCheckpoint) {
  const SigningKey key = *SigningKey::Parse(kPrivate);
  const std::vector<VerifierKey> keys = {*VerifierKey::Parse(kPublic)};
  for (const char* origin : {"", "two words", "a+b", "line\nbreak",
                             "non\xC2\xA0"
                             "breaking"}) {
    Checkpoint checkpoint = SomeCheckpoint();
    checkpoint.origin = origin;
    EXPECT_FALSE(OpenCheckpoint(key.Sign(checkpoint), keys).ok()) << origin;
    EXPECT_FALSE(SigningKey::Generate(origin).ok()) << origin;
  }
}

TEST(CheckpointTest, RefusesBadKeys) {
  for (const char* text :
       {"", "PeterNeumann", "PeterNeumann+c74f20a3", "PeterNeumann+c74f20a3+",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", kPrivate}) {
    EXPECT_FALSE(VerifierKey::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(SigningKey::Parse(kPublic).ok());
}

TEST(CheckpointTest, ReadsKeyFiles) {
  const absl::StatusOr<std::vector<VerifierKey>> keys =
      ParseVerifierKeys(Concat("# the log\n", kPublic, "\n\n", kPublic));
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->size(), 2);
  EXPECT_FALSE(ParseVerifierKeys("# nothing\n").ok());
  EXPECT_THAT(ParseVerifierKeys(Concat(kPublic, "\nnonsense\n")).status().message(),
              HasSubstr("line 2"));
}

}  // namespace
}  // namespace weir::audit
