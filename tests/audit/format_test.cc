// Holds audit/FORMAT.md to the code: every example on the page is read from it and made anew.
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/index.h"
#include "audit/reader.h"
#include "audit/record.h"

namespace weir::audit {
namespace {

// The examples by name: a line with "Example `name`", then the next fenced block.
std::map<std::string, std::vector<std::string>> ReadExamples() {
  std::map<std::string, std::vector<std::string>> examples;
  std::ifstream page(std::string(WEIR_SOURCE_DIR) + "/audit/FORMAT.md");
  std::string name;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (const size_t at = line.find("Example `"); at != std::string::npos) {
      const size_t begin = at + 9;
      name = line.substr(begin, line.find('`', begin) - begin);
    } else if (line == "```") {
      inside = !inside && !name.empty();
      if (!inside) name.clear();
    } else if (inside) {
      examples[name].push_back(line);
    }
  }
  return examples;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class FormatTest : public ::testing::Test {
 protected:
  // One line of an example; the page must have it.
  std::string Line(const std::string& name, size_t line = 0) {
    const auto found = examples_.find(name);
    if (found == examples_.end() || found->second.size() <= line) {
      ADD_FAILURE() << "FORMAT.md has no example " << name << " with a line " << line;
      return "";
    }
    return found->second[line];
  }

  std::map<std::string, std::vector<std::string>> examples_ = ReadExamples();
};

TEST_F(FormatTest, RecordsAreCanonical) {
  for (const char* name : {"record", "record-first"}) {
    const absl::StatusOr<Record> record = Decode(Line(name));
    ASSERT_TRUE(record.ok()) << name << ": " << record.status();
    EXPECT_EQ(Encode(*record), Line(name));
  }
}

TEST_F(FormatTest, HashesAreThoseOfTheRecords) {
  const Hash first = LeafHash(Line("record-first"));
  const Hash second = LeafHash(Line("record"));
  EXPECT_EQ(Line("hashes", 0), Base64(first));
  EXPECT_EQ(Line("hashes", 1), Base64(second));
  EXPECT_EQ(Line("hashes", 2), Base64(NodeHash(first, second)));
}

TEST_F(FormatTest, KeysAndCheckpointAreThoseOfTheExample) {
  const absl::StatusOr<SigningKey> key = SigningKey::Parse(Line("private-key"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(Line("public-key"), key->VerifierKey());
  const Checkpoint checkpoint{
      .origin = "weir.example/ledger",
      .size = 2,
      .root = NodeHash(LeafHash(Line("record-first")), LeafHash(Line("record")))};
  EXPECT_EQ(Joined(examples_["checkpoint"]), key->Sign(checkpoint));
}

TEST_F(FormatTest, TheSecondSignatureIsReadWithItsOwnKey) {
  const absl::StatusOr<VerifierKey> ed25519 = VerifierKey::Parse(Line("public-key"));
  const absl::StatusOr<VerifierKey> sm2 = VerifierKey::Parse(Line("sm2-public-key"));
  ASSERT_TRUE(ed25519.ok() && sm2.ok()) << ed25519.status() << sm2.status();
  const std::string note = Joined(examples_["checkpoint"]) + Joined(examples_["sm2-signature"]);
  EXPECT_TRUE(OpenCheckpoint(note, {*ed25519, *sm2}).ok());
  EXPECT_TRUE(OpenCheckpoint(note, {*ed25519}).ok());
  EXPECT_FALSE(OpenCheckpoint(Joined(examples_["checkpoint"]), {*sm2}).ok());
}

TEST_F(FormatTest, EvidenceIsThatOfTheRecord) {
  const Evidence evidence{.index = 1,
                          .encoded = Line("record"),
                          .proof = {LeafHash(Line("record-first"))},
                          .checkpoint = Joined(examples_["checkpoint"])};
  EXPECT_EQ(Joined(examples_["evidence"]) + evidence.checkpoint, EvidenceFile(evidence));
  const absl::StatusOr<VerifierKey> key = VerifierKey::Parse(Line("public-key"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_TRUE(VerifyEvidenceFile(EvidenceFile(evidence), {*key}).ok());
}

TEST_F(FormatTest, TermsHaveTheirNumbers) {
  char number[17];
  std::snprintf(number, sizeof number, "%016llx",
                static_cast<unsigned long long>(TermOf(Line("term", 0))));
  EXPECT_EQ(Line("term", 1), number);
}

}  // namespace
}  // namespace weir::audit
