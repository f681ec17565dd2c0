// What a witness answers, and that it never signs two histories, whatever is asked in whatever
// order and whenever it is killed.
#include "audit/witness.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"
#include "audit/consistency.h"
#include "audit/digest.h"
#include "audit/quorum.h"
#include "tests/audit/scratch.h"
#include "tests/seed.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

constexpr char kOrigin[] = "weir.example/ledger";

// A tree of which every size can be signed and proved.
class History {
 public:
  History(const std::string& name, uint64_t leaves) {
    for (uint64_t i = 0; i < leaves; ++i) leaves_.push_back(LeafHash(Concat(name, i)));
  }
  // The first `same` leaves are those of another history.
  History(const History& other, uint64_t same, const std::string& name) : History(name, 0) {
    leaves_ = other.leaves_;
    for (uint64_t i = same; i < leaves_.size(); ++i) leaves_[i] = LeafHash(Concat(name, i));
  }
  Hash Root(uint64_t size) const { return RootAt(size, Nodes()).value(); }
  std::vector<Hash> Proof(uint64_t old_size, uint64_t size) const {
    return ConsistencyProof(old_size, size, Nodes()).value();
  }

 private:
  NodeReader Nodes() const {
    return [this](int level, uint64_t index) -> absl::StatusOr<Hash> {
      CompactRange range;
      for (uint64_t i = index << level; i < (index + 1) << level; ++i) range.Append(leaves_.at(i));
      return range.Root();
    };
  }
  std::vector<Hash> leaves_;
};

class WitnessTest : public ::testing::Test {
 protected:
  WitnessTest() {
    EXPECT_TRUE(MakeDirectory(scratch_.dir()).ok());
    const SigningKey key =
        *SigningKey::Generate("witness.example/w", SignatureAlgorithm::kCosignature);
    key_ = key.VerifierKey();
    options_ = {.key_file = scratch_.Path("witness.key"),
                .logs = {*VerifierKey::Parse(log_.VerifierKey())},
                .state_file = scratch_.Path("state"),
                .now_s = [] { return 1'764'000'000; }};
    std::ofstream(options_.key_file) << key.ToString() << "\n";
    witness_ = Witness::Open(options_).value();
  }

  std::string Note(const History& history, uint64_t size) const {
    return log_.Sign({.origin = kOrigin, .size = size, .root = history.Root(size)});
  }
  WitnessAnswer Add(const History& history, uint64_t old_size, uint64_t size) {
    return witness_->AddCheckpoint(Extension{
        .old_size = old_size, .proof = history.Proof(old_size, size), .note = Note(history, size)}
                                       .Text());
  }
  Quorum Both() const { return {options_.logs[0], *VerifierKey::Parse(key_)}; }

  const Scratch scratch_{Scratch::Memory()};
  const SigningKey log_ = *SigningKey::Generate(kOrigin);
  const History history_{"a", 100};
  std::string key_;
  WitnessOptions options_;
  std::unique_ptr<Witness> witness_;
};

TEST_F(WitnessTest, AnswersAsTheSpecificationSays) {
  const auto status = [&](const std::string& body) { return witness_->AddCheckpoint(body).status; };
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("old x\n\n" + Note(history_, 3)), 400);
  EXPECT_EQ(status("old 00\n\n" + Note(history_, 3)), 400);
  EXPECT_EQ(status("old 0\n\nno note\n"), 400);
  EXPECT_EQ(status("old 4\n\n" + Note(history_, 3)), 400);
  const SigningKey stranger = *SigningKey::Generate("stranger.example/ledger");
  const Checkpoint foreign{
      .origin = "stranger.example/ledger", .size = 3, .root = history_.Root(3)};
  EXPECT_EQ(status("old 0\n\n" + stranger.Sign(foreign)), 404);
  const SigningKey impostor = *SigningKey::Generate(kOrigin);
  const Checkpoint forged{.origin = kOrigin, .size = 3, .root = history_.Root(3)};
  EXPECT_EQ(status("old 0\n\n" + impostor.Sign(forged)), 403);
  // From nothing there is nothing to prove.
  EXPECT_EQ(status(Concat("old 0\n", Base64(history_.Root(3)), "\n\n", Note(history_, 3))), 422);
  EXPECT_EQ(Add(history_, 3, 5).status, 409);

  const WitnessAnswer first = Add(history_, 0, 3);
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_TRUE(OpenCheckpoint(Note(history_, 3) + first.body, Both()).ok());

  const WitnessAnswer conflict = Add(history_, 0, 5);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.body, "3\n");
  EXPECT_EQ(conflict.media_type, "text/x.tlog.size");
  EXPECT_EQ(Add(history_, 3, 5).status, 200);
  EXPECT_EQ(Add(history_, 3, 5).status, 409);
  // The same once more, after an answer that was lost.
  EXPECT_EQ(Add(history_, 5, 5).status, 200);
  EXPECT_EQ(status("old 5\n\n" + Note(history_, 9)), 422);
}

TEST_F(WitnessTest, RefusesForksAndRollbacks) {
  ASSERT_EQ(Add(history_, 0, 40).status, 200);
  for (const uint64_t same : {uint64_t{0}, uint64_t{17}, uint64_t{39}}) {
    const History fork(history_, same, "b");
    for (const uint64_t size : {40, 41, 64, 100}) {
      const WitnessAnswer answer = Add(fork, 40, size);
      EXPECT_EQ(answer.status, 422) << size;
    }
  }
  EXPECT_EQ(Add(history_, 0, 39).status, 409);
  EXPECT_EQ(Add(history_, 39, 39).status, 409);
  EXPECT_EQ(Add(History(history_, 40, "b"), 40, 50).status, 200);
}

// What it answered with a signature is in the state file, whenever the process dies.
TEST_F(WitnessTest, RemembersAcrossRestarts) {
  ASSERT_EQ(Add(history_, 0, 40).status, 200);
  witness_.reset();
  witness_ = Witness::Open(options_).value();
  EXPECT_EQ(Add(history_, 0, 50).body, "40\n");
  EXPECT_EQ(Add(history_, 40, 50).status, 200);
  EXPECT_FALSE(Witness::Open(options_).ok()) << "two witnesses on one state";
  const WitnessAnswer latest = witness_->LatestCheckpoint(Sha256Hex(kOrigin));
  EXPECT_EQ(OpenCheckpoint(latest.body, Both())->size, 50);
  EXPECT_EQ(witness_->LatestCheckpoint("00").status, 404);
}

TEST_F(WitnessTest, RefusesADamagedState) {
  ASSERT_EQ(Add(history_, 0, 40).status, 200);
  witness_.reset();
  const std::string state = ReadFile(options_.state_file).value();
  for (size_t i = 0; i < state.size(); ++i) {
    std::string damaged = state;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    std::ofstream(options_.state_file, std::ios::binary) << damaged;
    const absl::StatusOr<std::unique_ptr<Witness>> opened = Witness::Open(options_);
    ASSERT_FALSE(opened.ok()) << "byte " << i;
    EXPECT_THAT(opened.status().message(), HasSubstr("damaged"));
  }
}

TEST_F(WitnessTest, NeedsItsOwnKindOfKeys) {
  witness_.reset();
  WitnessOptions options = options_;
  options.logs.clear();
  EXPECT_FALSE(Witness::Open(options).ok());
  options.logs = {*VerifierKey::Parse(key_)};
  EXPECT_FALSE(Witness::Open(options).ok());
  options = options_;
  options.key_file = scratch_.Path("log.key");
  std::ofstream(options.key_file) << log_.ToString();
  EXPECT_THAT(Witness::Open(options).status().message(), HasSubstr("keygen"));
}

// Whatever is asked: of all checkpoints that were ever cosigned, each extends the one before.
TEST_F(WitnessTest, SignsOneHistoryOnly) {
  std::mt19937_64 random(Seed());
  std::vector<History> histories = {history_};
  for (int i = 0; i < 4; ++i) histories.emplace_back(history_, random() % 100, Concat("f", i));
  uint64_t last_size = 0;
  const History* last = nullptr;
  int accepted = 0;
  for (int i = 0; i < 3'000; ++i) {
    const History& history = histories[random() % histories.size()];
    const uint64_t size =
        random() % 2 == 0 ? random() % 101 : std::min<uint64_t>(100, last_size + random() % 4);
    const uint64_t old_size = random() % 2 == 0 ? std::min(last_size, size) : random() % (size + 1);
    if (Add(history, old_size, size).status != 200) continue;
    ++accepted;
    ASSERT_GE(size, last_size);
    if (last != nullptr) {
      ASSERT_EQ(history.Root(last_size), last->Root(last_size));
    }
    last = &history;
    last_size = size;
    if (last_size == 100) {
      witness_.reset();
      std::remove(options_.state_file.c_str());
      witness_ = Witness::Open(options_).value();
      last_size = 0;
      last = nullptr;
    }
  }
  EXPECT_GT(accepted, 50);
}

TEST(ExtensionTest, ReadsWhatItWrites) {
  const Extension extension{.old_size = 7, .proof = {LeafHash("a"), LeafHash("b")}, .note = "x\n"};
  const std::string text = extension.Text();
  EXPECT_EQ(Extension::Parse(text)->Text(), text);
  for (const std::string& bad :
       {std::string(), std::string("old 7"), std::string("old 7\n"), "new" + text.substr(3),
        "old +7" + text.substr(5), "old 07" + text.substr(5), text.substr(0, 20) + "\n\n"}) {
    EXPECT_FALSE(Extension::Parse(bad).ok()) << bad;
  }
  Extension long_one = extension;
  long_one.proof.assign(64, LeafHash("a"));
  EXPECT_FALSE(Extension::Parse(long_one.Text()).ok());
}

TEST(ExtensionTest, NamesWhatDiffers) {
  const History history("a", 20);
  const History fork(history, 5, "b");
  const auto checkpoint = [](const History& of, uint64_t size) {
    return Checkpoint{.origin = kOrigin, .size = size, .root = of.Root(size)};
  };
  EXPECT_TRUE(
      CheckExtends(checkpoint(history, 7), checkpoint(history, 20), history.Proof(7, 20)).ok());
  EXPECT_TRUE(CheckExtends(checkpoint(history, 7), checkpoint(history, 7), {}).ok());
  EXPECT_TRUE(CheckExtends(checkpoint(history, 0), checkpoint(history, 7), {}).ok());
  const auto says = [](const absl::Status& status) { return Concat(status.message()); };
  EXPECT_THAT(says(CheckExtends(checkpoint(history, 7), checkpoint(fork, 20), fork.Proof(7, 20))),
              HasSubstr("a record before number 7"));
  EXPECT_THAT(says(CheckExtends(checkpoint(history, 7), checkpoint(fork, 7), {})),
              HasSubstr("two histories"));
  EXPECT_THAT(says(CheckExtends(checkpoint(history, 8), checkpoint(history, 7), {})),
              HasSubstr("rolled back"));
  Checkpoint other = checkpoint(history, 20);
  other.origin = "other.example/ledger";
  EXPECT_THAT(says(CheckExtends(checkpoint(history, 7), other, {})),
              HasSubstr("different ledgers"));
}

}  // namespace
}  // namespace weir::audit
