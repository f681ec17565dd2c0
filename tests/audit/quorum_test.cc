// Whose signatures are enough: policy files, cosignatures, and what spoils a note.
#include "audit/quorum.h"

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/concat.h"

namespace weir::audit {
namespace {

using ::testing::HasSubstr;

constexpr char kOrigin[] = "weir.example/ledger";
constexpr uint64_t kTime = 1'764'000'000;

class QuorumTest : public ::testing::Test {
 protected:
  static SigningKey Witness(const std::string& name) {
    return *SigningKey::Generate(name, SignatureAlgorithm::kCosignature);
  }
  // The log's note with the cosignatures of those witnesses.
  std::string Cosigned(const std::set<std::string>& names) const {
    std::string note = log_.Sign(checkpoint_);
    for (const auto& [name, key] : witnesses_) {
      if (names.contains(name)) note += key.Cosign(checkpoint_.Text(), kTime);
    }
    return note;
  }
  std::string Lines() const {
    std::string lines = Concat("log ", log_.VerifierKey(), " https://weir.example/\n");
    for (const auto& [name, key] : witnesses_) {
      lines += Concat("\twitness  ", name, " ", key.VerifierKey(), "\n");
    }
    return lines;
  }

  const SigningKey log_ = *SigningKey::Generate(kOrigin);
  const Checkpoint checkpoint_{.origin = kOrigin, .size = 7, .root = LeafHash("x")};
  const std::map<std::string, SigningKey> witnesses_ = {
      {"a", Witness("a.example/w")}, {"b", Witness("b.example/w")}, {"c", Witness("c.example/w")}};
};

TEST_F(QuorumTest, CosignaturesVerify) {
  const SigningKey& witness = witnesses_.at("a");
  EXPECT_EQ(VerifierKey::Parse(witness.VerifierKey())->ToString(), witness.VerifierKey());
  const Quorum both = {*VerifierKey::Parse(log_.VerifierKey()),
                       *VerifierKey::Parse(witness.VerifierKey())};
  const std::string note = Cosigned({"a"});
  ASSERT_TRUE(OpenCheckpoint(note, both).ok()) << OpenCheckpoint(note, both).status();
  EXPECT_THAT(OpenCheckpoint(Cosigned({}), both).status().message(), HasSubstr("a.example/w"));
  EXPECT_TRUE(OpenLogCheckpoint(Cosigned({}), both).ok());
  // A key signs as what it is.
  EXPECT_EQ(witness.Sign(checkpoint_), "");
  EXPECT_EQ(log_.Cosign(checkpoint_.Text(), kTime), "");
  for (size_t i = 0; i < note.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string altered = note;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      EXPECT_FALSE(OpenCheckpoint(altered, both).ok()) << "byte " << i << " bit " << bit;
    }
  }
}

// Every policy against every set of witnesses.
TEST_F(QuorumTest, PolicyDecides) {
  using Names = std::set<std::string>;
  struct Case {
    const char* rule;
    bool (*enough)(const Names& names);
  };
  const Case cases[] = {
      {"quorum none", [](const Names&) { return true; }},
      {"quorum b", [](const Names& names) { return names.contains("b"); }},
      {"group g all a b c\nquorum g", [](const Names& names) { return names.size() == 3; }},
      {"group g any a b c\nquorum g", [](const Names& names) { return !names.empty(); }},
      {"group g 2 a b c\nquorum g", [](const Names& names) { return names.size() >= 2; }},
      {"group x any a b\ngroup g all x c\nquorum g",
       [](const Names& names) {
         return names.contains("c") && (names.contains("a") || names.contains("b"));
       }},
  };
  for (const Case& one : cases) {
    const absl::StatusOr<Quorum> quorum = Quorum::Parse(Concat(Lines(), "# who\n", one.rule));
    ASSERT_TRUE(quorum.ok()) << one.rule << ": " << quorum.status();
    for (const Names& names : {Names{}, Names{"a"}, Names{"b"}, Names{"c"}, Names{"a", "b"},
                               Names{"a", "c"}, Names{"b", "c"}, Names{"a", "b", "c"}}) {
      EXPECT_EQ(OpenCheckpoint(Cosigned(names), *quorum).ok(), one.enough(names))
          << one.rule << " with " << names.size();
    }
  }
}

// A named witness's line that does not verify spoils the note though enough others signed; a
// stranger's means nothing.
TEST_F(QuorumTest, ForgedLinesSpoil) {
  const Quorum quorum = *Quorum::Parse(Concat(Lines(), "group g any a b c\nquorum g"));
  const Checkpoint other{.origin = kOrigin, .size = 8, .root = LeafHash("y")};
  const std::string forged = witnesses_.at("c").Cosign(other.Text(), kTime);
  EXPECT_THAT(OpenCheckpoint(Cosigned({"a", "b"}) + forged, quorum).status().message(),
              HasSubstr("c.example/w"));
  const std::string stranger = Witness("d.example/w").Cosign(other.Text(), kTime);
  EXPECT_TRUE(OpenCheckpoint(Cosigned({"a", "b"}) + stranger, quorum).ok());
  // Enough witnesses do not make up for the log.
  const std::string note = Cosigned({"a", "b", "c"});
  const size_t lines = note.find("\n\n") + 2;
  const std::string without_log = note.substr(0, lines) + note.substr(note.find('\n', lines) + 1);
  EXPECT_FALSE(OpenCheckpoint(without_log, quorum).ok());
}

TEST_F(QuorumTest, AnyOfSeveralLogs) {
  const SigningKey second = *SigningKey::Generate("second.example/ledger");
  const Quorum quorum =
      *Quorum::Parse(Concat(Lines(), "log ", second.VerifierKey(), "\nquorum none"));
  EXPECT_TRUE(OpenCheckpoint(log_.Sign(checkpoint_), quorum).ok());
  Checkpoint other = checkpoint_;
  other.origin = "second.example/ledger";
  EXPECT_TRUE(OpenCheckpoint(second.Sign(other), quorum).ok());
  // Each speaks for its own ledger.
  EXPECT_FALSE(OpenCheckpoint(second.Sign(checkpoint_), quorum).ok());
}

TEST_F(QuorumTest, RefusesBadPolicies) {
  const std::string log = Concat("log ", log_.VerifierKey());
  const std::string a = Concat("witness a ", witnesses_.at("a").VerifierKey());
  const struct {
    std::string text;
    const char* says;
  } cases[] = {
      {"", "quorum"},
      {"quorum none\n", "log"},
      {log, "quorum"},
      {Concat(log, "\nquorum a"), "line 2: a is no witness"},
      {Concat(log, "\nquorum none\nquorum none"), "line 3"},
      {Concat(log, "\n", log, "\nquorum none"), "line 2: the key stands in the policy twice"},
      {Concat(log, "\n", a, "\nwitness b ", witnesses_.at("a").VerifierKey(), "\nquorum a"),
       "line 3"},
      {Concat(log, "\nwitness a ", log_.VerifierKey(), "\nquorum a"), "no witness's"},
      {Concat("log ", witnesses_.at("a").VerifierKey(), "\nquorum none"), "no log's"},
      {Concat(log, "\n", a, "\ngroup g 2 a\nquorum g"), "line 3"},
      {Concat(log, "\n", a, "\ngroup g 0 a\nquorum g"), "line 3"},
      {Concat(log, "\n", a, "\ngroup g all\nquorum g"), "line 3"},
      {Concat(log, "\n", a, "\ngroup g all a a\nquorum g"), "a member already"},
      {Concat(log, "\n", a, "\ngroup g all a\ngroup h all a\nquorum g"), "a member already"},
      {Concat(log, "\n", a, "\ngroup a all a\nquorum a"), "line 3"},
      {Concat(log, "\n", a, "\ngroup none all a\nquorum a"), "line 3"},
      {Concat(log, "\ngroup g all g\nquorum g"), "line 2"},
      {Concat(log, "\nwitnes a\nquorum none"), "line 2"},
      {Concat(log, "\r\nquorum none"), "line 1"},
      {Concat(log, " https://x more\nquorum none"), "line 1"},
  };
  for (const auto& one : cases) {
    const absl::StatusOr<Quorum> quorum = Quorum::Parse(one.text);
    ASSERT_FALSE(quorum.ok()) << one.text;
    EXPECT_THAT(quorum.status().message(), HasSubstr(one.says)) << one.text;
  }
}

}  // namespace
}  // namespace weir::audit
