#include "audit/content.h"

#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/checkpoint.h"
#include "audit/files.h"
#include "audit/reader.h"
#include "audit/reveal.h"
#include "tests/audit/content_requests.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kText[] = "\xE8\xBA\xAB\xE4\xBB\xBD\xE8\xAF\x81 110101199003077715, call me";

LedgerOptions Encrypted(const Scratch& scratch) {
  return {.dir = scratch.dir(), .content = ContentMode::kEncrypted};
}

std::string AllBytes(const Scratch& scratch) {
  std::stringstream bytes;
  for (const fs::directory_entry& file : fs::directory_iterator(scratch.dir())) {
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
  }
  return bytes.str();
}

TEST(ContentTest, IsStoredEncryptedAndComesBack) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(Encrypted(scratch)).value();
  ASSERT_TRUE(AppendContent(*ledger, Of("u-1"), kText, ContentMode::kEncrypted).ok());
  ASSERT_TRUE(AppendContent(*ledger, Of("u-2"), "other", ContentMode::kEncrypted).ok());
  ASSERT_TRUE(AppendContent(*ledger, Of("u-1"), "", ContentMode::kEncrypted).ok());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Content(0).value(), kText);
  EXPECT_EQ(reader->Content(1).value(), "other");
  EXPECT_EQ(reader->Content(2).value(), "");
  EXPECT_THAT(reader->Get(0)->record.content_digest, StartsWith("sealed-sha256:"));
  EXPECT_EQ(reader->Get(0)->record.content_bytes, sizeof kText - 1);
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_EQ(reader->Verify({})->contents, 3);
  EXPECT_TRUE(reader->Verify({})->ok);
  EXPECT_EQ(AllBytes(scratch).find("110101199003077715"), std::string::npos);
  struct stat key {};
  ASSERT_EQ(::stat(scratch.Path("content.key").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0400U);
}

TEST(ContentTest, ModesKeepWhatTheySay) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(Encrypted(scratch)).value();
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), "abc", ContentMode::kNone).ok());
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), "abc", ContentMode::kDigest).ok());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Get(0)->record.content_digest, "");
  EXPECT_EQ(reader->Get(0)->record.content_bytes, 0);
  EXPECT_EQ(reader->Get(1)->record.content_digest,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(reader->Content(1).status().code(), absl::StatusCode::kNotFound);

  const Scratch plain;
  std::unique_ptr<Ledger> other = Ledger::Open({.dir = plain.dir()}).value();
  EXPECT_EQ(AppendContent(*other, Of("u"), "abc", ContentMode::kEncrypted).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(EraseAndWait(*other, "demo", "u").ok());
  EXPECT_FALSE(fs::exists(plain.Path("content.key")));
}

TEST(ContentTest, EveryRevealNeedsAReasonAndIsARecord) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(Encrypted(scratch)).value();
  ASSERT_TRUE(AppendContent(*ledger, Of("u"), kText, ContentMode::kEncrypted).ok());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(Reveal(*ledger, *reader, {.person = "li", .role = "auditor", .reason = ""}, 0)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*reader->Size(), 1);
  const absl::StatusOr<std::string> text =
      Reveal(*ledger, *reader, {.person = "li", .role = "auditor", .reason = "case 7"}, 0);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, kText);
  const Record access = reader->Get(1)->record;
  EXPECT_EQ(access.kind, RecordKind::kAccess);
  EXPECT_EQ(access.user, "li");
  EXPECT_EQ(access.cause, "auditor");
  EXPECT_THAT(access.detail, HasSubstr("record 0 was asked for: case 7"));
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_FALSE(
      Reveal(*ledger, *reader, {.person = "li", .role = "auditor", .reason = "late"}, 0).ok());
}

TEST(ContentTest, GoesOnAfterARestartAndNeverWithAnotherKey) {
  const Scratch scratch;
  for (int life = 0; life < 2; ++life) {
    std::unique_ptr<Ledger> ledger = Ledger::Open(Encrypted(scratch)).value();
    ASSERT_TRUE(
        AppendContent(*ledger, Of("u"), Concat("life ", life), ContentMode::kEncrypted).ok());
  }
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  uint64_t found = 0;
  for (uint64_t seq = 0; seq < *reader->Size(); ++seq) found += reader->Content(seq).ok() ? 1 : 0;
  EXPECT_EQ(found, 2);
  fs::remove(scratch.Path("content.key"));
  EXPECT_THAT(Ledger::Open(Encrypted(scratch)).status().message(), HasSubstr("content.key"));
}

class SuiteTest : public ::testing::TestWithParam<Suite> {};

TEST_P(SuiteTest, ChangedCiphertextKeysAndBindingsAreRefused) {
  const Suite suite = GetParam();
  const ContentKey key_encryption_key{1, 2, 3};
  ContentSealer sealer(suite, key_encryption_key, 1);
  const SealedContent sealed = *sealer.Seal("demo", "u", 20'000, Floor::kLog, kText);
  const WrappedKey key = sealer.TakeNewKeys().at(0);
  EXPECT_EQ(Unseal(suite, key_encryption_key, key, sealed.bytes).value(), kText);
  EXPECT_TRUE(IsSealedUnder(suite, sealed.bytes, key));
  for (size_t i = 0; i < sealed.bytes.size(); ++i) {
    std::string altered = sealed.bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(Unseal(suite, key_encryption_key, key, altered).ok()) << i;
    EXPECT_FALSE(Unseal(suite, key_encryption_key, key, sealed.bytes.substr(0, i)).ok()) << i;
  }
  for (size_t i = 0; i < key.wrapped.size(); ++i) {
    WrappedKey altered = key;
    altered.wrapped[i] = static_cast<char>(altered.wrapped[i] ^ 1);
    EXPECT_FALSE(Unseal(suite, key_encryption_key, altered, sealed.bytes).ok()) << i;
    EXPECT_FALSE(IsSealedUnder(suite, sealed.bytes, altered)) << i;
  }
  WrappedKey moved = key;
  moved.day += 1;
  EXPECT_FALSE(IsSealedUnder(suite, sealed.bytes, moved));
  EXPECT_FALSE(Unseal(suite, key_encryption_key, moved, sealed.bytes).ok());
  moved = key;
  moved.floor = Floor::kTransfer;
  EXPECT_FALSE(IsSealedUnder(suite, sealed.bytes, moved));
  EXPECT_FALSE(Unseal(suite, ContentKey{1, 2, 4}, key, sealed.bytes).ok());
  // Two users of one app, and one name spread differently, are different subjects.
  EXPECT_NE(SubjectTag(suite, key_encryption_key, "a", "bc"),
            SubjectTag(suite, key_encryption_key, "ab", "c"));
}

TEST_P(SuiteTest, KeepsWholeLedgers) {
  const Scratch scratch;
  LedgerOptions options = Encrypted(scratch);
  options.suite = GetParam();
  for (int life = 0; life < 2; ++life) {
    std::unique_ptr<Ledger> ledger = Ledger::Open(options).value();
    ASSERT_TRUE(AppendContent(*ledger, Of("u"), kText, ContentMode::kEncrypted).ok());
    ASSERT_TRUE(AppendContent(*ledger, Of("u"), kText, ContentMode::kDigest).ok());
    ASSERT_TRUE(ledger->Close().ok());
  }
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Content(0).value(), kText);
  EXPECT_TRUE(reader->Verify({})->ok) << reader->Verify({})->reason;
  EXPECT_EQ(reader->Verify({})->contents, 2);
  const bool sm = GetParam() == Suite::kSm;
  EXPECT_THAT(reader->Get(0)->record.content_digest,
              StartsWith(sm ? "sealed-sm3:" : "sealed-sha256:"));
  EXPECT_THAT(reader->Get(1)->record.content_digest, StartsWith(sm ? "sm3:" : "sha256:"));
  // Each key that signs demands its own line.
  const std::vector<VerifierKey> keys = *ParseVerifierKeys(*ReadFile(scratch.Path("ledger.vkey")));
  ASSERT_EQ(keys.size(), sm ? 2 : 1);
  const std::string note = reader->LatestCheckpoint().value();
  for (const VerifierKey& key : keys) EXPECT_TRUE(OpenCheckpoint(note, {key}).ok());
  options.suite = sm ? Suite::kInternational : Suite::kSm;
  EXPECT_THAT(Ledger::Open(options).status().message(), HasSubstr("audit.suite"));
}

INSTANTIATE_TEST_SUITE_P(Suites, SuiteTest, ::testing::Values(Suite::kInternational, Suite::kSm));

// The examples of GB/T 32905 (SM3) and of GB/T 32907 (SM4, as one block of CBC under a zero nonce
// that holds the plaintext); the HMAC was computed with OpenSSL's command line.
TEST(SuiteVectorsTest, AreThoseOfTheStandards) {
  const auto hex = [](const std::string& bytes) { return absl::BytesToHexString(bytes); };
  EXPECT_EQ(hex(Digest(Suite::kSm, "abc")),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
  std::string abcd;
  for (int i = 0; i < 16; ++i) abcd += "abcd";
  EXPECT_EQ(hex(Digest(Suite::kSm, abcd)),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
  EXPECT_EQ(hex(Mac(Suite::kSm, "0123456789abcdef", "abc")),
            "7f121eb91c94ccf54bf5d4e639f4e96eaa77bb2f0f52f875fc7c17ca0688278c");
  EXPECT_EQ(hex(Digest(Suite::kInternational, "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The example of GB/T 32907: under the key 0123456789abcdeffedcba9876543210 the block of the same
// bytes encrypts to 681edf34d206965e86b3e94f536e4246. CBC adds the nonce to what it decrypts, so a
// nonce that is the block added to a padded text makes the example a ciphertext of that text.
TEST(SuiteVectorsTest, Sm4IsThatOfTheStandard) {
  const std::string block = absl::HexStringToBytes("0123456789abcdeffedcba9876543210");
  const std::string ciphertext = absl::HexStringToBytes("681edf34d206965e86b3e94f536e4246");
  const std::string authenticates = "0123456789abcdef";
  ContentKey key{};
  std::memcpy(key.data(), authenticates.data(), 16);
  std::memcpy(key.data() + 16, block.data(), 16);
  std::string nonce = "hello" + std::string(11, '\x0B');
  for (size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<char>(nonce[i] ^ block[i]);
  const std::string bits = std::string(7, '\0') + '\x28';  // of "bound"
  const std::string sealed =
      nonce + ciphertext + Mac(Suite::kSm, authenticates, "bound" + nonce + ciphertext + bits);
  EXPECT_EQ(Decrypt(Suite::kSm, key, "bound", sealed), "hello");
  EXPECT_EQ(Decrypt(Suite::kSm, key, "bounds", sealed), std::nullopt);
}

}  // namespace
}  // namespace weir::audit
