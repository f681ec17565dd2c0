// Cosignatures on their way through a ledger: taken, kept, carried by evidence, exports and tiles,
// asked for by verifiers.
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/commands.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/quorum.h"
#include "audit/reader.h"
#include "audit/tiles.h"
#include "audit/verify_command.h"
#include "tests/audit/scratch.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kTime = 1'764'000'000;

class CosignaturesTest : public ::testing::Test {
 protected:
  CosignaturesTest() {
    options_.dir = scratch_.dir();
    options_.origin = "weir.example/ledger";
    for (const SigningKey& witness : witnesses_) {
      options_.witnesses.push_back(*VerifierKey::Parse(witness.VerifierKey()));
    }
  }

  // Some more records under a checkpoint, which `by` first witnesses cosign.
  void Grow(int records, size_t by) {
    std::unique_ptr<Ledger> ledger = Ledger::Open(options_).value();
    for (int i = 0; i < records; ++i) {
      ledger->Append(ServiceRecord("tick"), [](const absl::StatusOr<Receipt>&) {});
    }
    ASSERT_TRUE(ledger->Close().ok());
    if (by == 0) return;
    ledger = Ledger::Open(options_).value();
    const std::string note = ledger->last_checkpoint();
    ASSERT_TRUE(ledger->AddCosignatures(note, Lines(note, by)).ok());
    EXPECT_EQ(ledger->stats().cosigned_size, ledger->stats().checkpoint_size);
    ASSERT_TRUE(ledger->Close().ok());
  }
  std::string Lines(const std::string& note, size_t by) const {
    std::string lines;
    for (size_t i = 0; i < by; ++i) {
      lines += witnesses_[i].Cosign(SignedNote::Parse(note)->text, kTime);
    }
    return lines;
  }
  // A policy that asks for so many of the witnesses.
  std::string Policy(int needed) const {
    std::string text = Concat("log ", OneLine(scratch_.Path("ledger.vkey")), "\n");
    std::string names;
    for (size_t i = 0; i < witnesses_.size(); ++i) {
      text += Concat("witness w", i, " ", witnesses_[i].VerifierKey(), "\n");
      names += Concat(" w", i);
    }
    const std::string path = Concat(scratch_.dir(), "-policy", needed);
    std::ofstream(path) << text << "group g " << needed << names << "\nquorum g\n";
    return path;
  }
  int Verify(const VerifyFiles& files) {
    out_.str("");
    return VerifyLedger({.dir = scratch_.dir()}, files, out_, err_);
  }
  int VerifyProgram(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunVerify(arguments, out_, err_);
  }

  const Scratch scratch_{Scratch::Memory()};
  const std::vector<SigningKey> witnesses_ = {
      *SigningKey::Generate("witness.regulator.example/1", SignatureAlgorithm::kCosignature),
      *SigningKey::Generate("witness.auditor.example/weir", SignatureAlgorithm::kCosignature),
      *SigningKey::Generate("witness.third.example/weir", SignatureAlgorithm::kCosignature)};
  LedgerOptions options_;
  std::ostringstream out_, err_;
};

TEST_F(CosignaturesTest, EvidenceAndExportsAndTilesCarryThem) {
  Grow(100, 2);
  const std::string policy = Policy(2);
  const std::string evidence = scratch_.dir() + "-evidence";
  std::ostringstream out;
  ASSERT_EQ(ProveRecord({.dir = scratch_.dir()}, "17", evidence, out, out), 0) << out.str();
  EXPECT_EQ(VerifyProgram({"--policy", policy, evidence}), 0) << out_.str() << err_.str();
  EXPECT_EQ(VerifyProgram({"--policy", Policy(3), evidence}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("not cosigned by witness.third.example/weir"));

  ASSERT_TRUE(ExportLedger(scratch_.dir(), {}, {}, scratch_.dir() + "-export").ok());
  EXPECT_EQ(VerifyProgram({"--policy", policy, scratch_.dir() + "-export"}), 0) << out_.str();
  EXPECT_EQ(VerifyProgram({"--policy", Policy(3), scratch_.dir() + "-export"}), 1);

  ASSERT_TRUE(WriteTiles(scratch_.dir(), scratch_.dir() + "-tiles").ok());
  EXPECT_EQ(VerifyProgram({"--policy", policy, scratch_.dir() + "-tiles"}), 0) << out_.str();
  EXPECT_EQ(VerifyProgram({"--policy", Policy(3), scratch_.dir() + "-tiles"}), 1);

  EXPECT_EQ(Verify({.policy = policy}), 0) << out_.str();
  EXPECT_EQ(Verify({.policy = Policy(3)}), 1);
}

TEST_F(CosignaturesTest, WitnessesMayLag) {
  Grow(100, 3);
  Grow(50, 0);
  EXPECT_EQ(Verify({.policy = Policy(3)}), 0) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("The last 50 records are not yet under a checkpoint that the"));
  // What the witnesses vouch for is taken where it covers what is asked for.
  const std::unique_ptr<Reader> reader = Reader::Open(scratch_.dir()).value();
  const Quorum quorum = *Quorum::Parse(*ReadFile(Policy(3)));
  EXPECT_EQ(OpenCheckpoint(reader->Prove(17)->checkpoint, quorum)->size, 100);
  EXPECT_EQ(OpenLogCheckpoint(reader->Prove(120)->checkpoint, quorum)->size, 150);
  const ExportSummary summary = *ExportLedger(scratch_.dir(), {}, {}, scratch_.dir() + "-export");
  EXPECT_EQ(summary.end, 100);
  EXPECT_EQ(summary.left_out, 50);
  EXPECT_EQ(VerifyProgram({"--policy", Policy(3), scratch_.dir() + "-export"}), 0) << out_.str();
}

TEST_F(CosignaturesTest, OnlyValidLinesOfItsWitnessesAreTaken) {
  Grow(10, 0);
  const std::unique_ptr<Ledger> ledger = Ledger::Open(options_).value();
  const std::string note = ledger->last_checkpoint();
  EXPECT_FALSE(ledger->AddCosignatures(note, "").ok());
  EXPECT_FALSE(ledger->AddCosignatures(note, "nonsense\n").ok());
  const SigningKey stranger = *SigningKey::Generate("stranger", SignatureAlgorithm::kCosignature);
  EXPECT_FALSE(
      ledger->AddCosignatures(note, stranger.Cosign(SignedNote::Parse(note)->text, kTime)).ok());
  EXPECT_FALSE(ledger->AddCosignatures(note, witnesses_[0].Cosign("other\n", kTime)).ok());
  const SigningKey other = *SigningKey::Generate("weir.example/ledger");
  const std::string foreign =
      other.Sign({.origin = "weir.example/ledger", .size = 10, .root = LeafHash("x")});
  EXPECT_FALSE(ledger->AddCosignatures(foreign, Lines(foreign, 1)).ok());
  EXPECT_EQ(ledger->stats().cosigned_size, 0);
  EXPECT_TRUE(ledger->AddCosignatures(note, Lines(note, 1)).ok());
}

// A witness that the configuration no longer names keeps what it cosigned.
TEST_F(CosignaturesTest, WitnessesAreNeverForgotten) {
  Grow(10, 3);
  options_.witnesses.clear();
  Grow(10, 0);
  EXPECT_EQ(Verify({.policy = Policy(3)}), 0) << out_.str();
}

// At most 2 KB beside the record, at ten million records with three witnesses. A proof's length is
// the tree's height, so it need not be made from ten million records to be measured.
TEST_F(CosignaturesTest, EvidenceIsSmall) {
  Grow(10, 3);
  const std::unique_ptr<Reader> reader = Reader::Open(scratch_.dir()).value();
  Evidence evidence = reader->Prove(3).value();
  evidence.index = 9'999'999;
  evidence.proof.resize(24);  // 2^24 is more than ten million
  EXPECT_LE(evidence.ProofText().size(), 2'048);
}

TEST_F(CosignaturesTest, ConsistencyNamesWhatDiffers) {
  Grow(100, 0);
  const std::string keys = scratch_.Path("ledger.vkey");
  const std::string old = scratch_.dir() + "-old";
  std::ofstream(old) << *Reader::Open(scratch_.dir()).value()->LatestCheckpoint();
  Grow(77, 0);
  const auto print = [&](int64_t from) {
    std::ostringstream text;
    EXPECT_EQ(ShowCheckpoint({.dir = scratch_.dir()}, from, text, err_), 0);
    const std::string path = scratch_.dir() + "-new";
    std::ofstream(path) << text.str();
    return path;
  };
  EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, print(100)}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("the 177 records of weir.example/ledger begin with the 100"));
  EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, print(99)}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--from 100"));
  EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, print(-1)}), 2);
  EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, print(-1), old}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("rolled back"));

  ASSERT_TRUE(ExportLedger(scratch_.dir(), {}, {}, scratch_.dir() + "-export").ok());
  ASSERT_TRUE(WriteTiles(scratch_.dir(), scratch_.dir() + "-tiles").ok());
  for (const char* of : {"-export", "-tiles"}) {
    const std::string directory = scratch_.dir() + of;
    EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, directory}), 0) << err_.str();
    EXPECT_EQ(VerifyProgram({"--keys", keys, "--seen", old, directory}), 0) << err_.str();
  }
  EXPECT_EQ(Verify({.keys = {keys}, .seen = old}), 0) << out_.str();

  // The log's owner rewrites history with the log's own key.
  const SigningKey log = *SigningKey::Parse(*ReadFile(scratch_.Path("ledger.key")));
  std::ofstream(old) << log.Sign(
      {.origin = "weir.example/ledger", .size = 100, .root = LeafHash("another history")});
  EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, print(100)}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("before number 100"));
  for (const char* of : {"-export", "-tiles"}) {
    EXPECT_EQ(VerifyProgram({"consistency", "--keys", keys, old, scratch_.dir() + of}), 1);
    EXPECT_THAT(out_.str(), HasSubstr("seen elsewhere"));
  }
  EXPECT_EQ(Verify({.keys = {keys}, .seen = old}), 1);
  // A checkpoint over more than there is: what is shown is an older state.
  std::ofstream(old) << log.Sign(
      {.origin = "weir.example/ledger", .size = 500, .root = LeafHash("later")});
  for (const char* of : {"-export", "-tiles"}) {
    EXPECT_EQ(VerifyProgram({"--keys", keys, "--seen", old, scratch_.dir() + of}), 1);
  }
  EXPECT_EQ(Verify({.keys = {keys}, .seen = old}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("rolled back"));
}

}  // namespace
}  // namespace weir::audit
