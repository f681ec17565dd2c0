#include "audit/content.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/reader.h"
#include "audit/reveal.h"
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

absl::StatusOr<Receipt> AppendContent(Ledger& ledger, Record record, std::string_view content,
                                      ContentMode mode) {
  std::promise<absl::StatusOr<Receipt>> promise;
  ledger.Append(std::move(record), content, mode, [&promise](absl::StatusOr<Receipt> receipt) {
    promise.set_value(std::move(receipt));
  });
  return promise.get_future().get();
}

absl::Status EraseAndWait(Ledger& ledger, std::string_view app, std::string_view user) {
  std::promise<absl::Status> promise;
  ledger.Erase(
      app, user, "asked for by the user",
      [&promise](const absl::StatusOr<Receipt>& receipt) { promise.set_value(receipt.status()); });
  return promise.get_future().get();
}

Record Of(const std::string& user) {
  Record record = AnswerRecord("e");
  record.user = user;
  return record;
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

TEST(ContentTest, ErasureDestroysOneSubjectsContentAndNoProof) {
  const Scratch scratch;
  std::unique_ptr<Ledger> ledger = Ledger::Open(Encrypted(scratch)).value();
  for (const char* user : {"gone", "stays", "gone"}) {
    ASSERT_TRUE(AppendContent(*ledger, Of(user), kText, ContentMode::kEncrypted).ok());
  }
  ASSERT_TRUE(EraseAndWait(*ledger, "demo", "gone").ok());
  ASSERT_TRUE(AppendContent(*ledger, Of("gone"), "new", ContentMode::kEncrypted).ok());
  const std::unique_ptr<Reader> reader = Reader::Open(scratch.dir()).value();
  EXPECT_EQ(reader->Content(0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader->Content(1).value(), kText);
  EXPECT_EQ(reader->Content(2).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader->Get(3)->record.cause, "erased");
  EXPECT_EQ(reader->Content(4).value(), "new");
  ASSERT_TRUE(ledger->Close().ok());
  EXPECT_TRUE(reader->Verify({})->ok) << reader->Verify({})->reason;
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

TEST(ContentTest, ChangedCiphertextKeysAndBindingsAreRefused) {
  const ContentKey key_encryption_key{1, 2, 3};
  ContentSealer sealer(key_encryption_key, 1);
  const SealedContent sealed = *sealer.Seal("demo", "u", 20'000, kText);
  const WrappedKey key = sealer.TakeNewKeys().at(0);
  EXPECT_EQ(Unseal(key_encryption_key, key, sealed.bytes).value(), kText);
  for (size_t i = 0; i < sealed.bytes.size(); ++i) {
    std::string altered = sealed.bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(Unseal(key_encryption_key, key, altered).ok()) << i;
    EXPECT_FALSE(Unseal(key_encryption_key, key, sealed.bytes.substr(0, i)).ok()) << i;
  }
  for (size_t i = 0; i < key.wrapped.size(); ++i) {
    WrappedKey altered = key;
    altered.wrapped[i] = static_cast<char>(altered.wrapped[i] ^ 1);
    EXPECT_FALSE(Unseal(key_encryption_key, altered, sealed.bytes).ok()) << i;
  }
  WrappedKey moved = key;
  moved.day += 1;
  EXPECT_FALSE(Unseal(key_encryption_key, moved, sealed.bytes).ok());
  EXPECT_FALSE(Unseal(ContentKey{1, 2, 4}, key, sealed.bytes).ok());
  // Two users of one app, and one name spread differently, are different subjects.
  EXPECT_NE(SubjectTag(key_encryption_key, "a", "bc"), SubjectTag(key_encryption_key, "ab", "c"));
}

}  // namespace
}  // namespace weir::audit
