// config/good and config/bad hold one configuration each. A bad one ends in its problems, one line
// each, "# LINE: reason", exactly as they are reported.
#include "gateway/config.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace weir::gateway {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kDemoKey[] = "demo-key-1";

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator("tests/gateway/config/" + folder)) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> WantedProblems(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> wanted;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ") && line.size() > 2 && line[2] >= '0' && line[2] <= '9') {
      wanted.push_back(line.substr(2));
    }
  }
  return wanted;
}

std::vector<std::string> Problems(const std::string& file) {
  std::vector<rules::Problem> problems;
  const std::optional<Config> config = LoadConfig(file, problems);
  EXPECT_EQ(config.has_value(), problems.empty());
  std::vector<std::string> found;
  for (const rules::Problem& problem : problems) {
    EXPECT_EQ(problem.file, file);
    found.push_back(std::to_string(problem.line) + ": " + problem.reason);
  }
  return found;
}

std::optional<Config> Load(const std::string& file) {
  std::vector<rules::Problem> problems;
  std::optional<Config> config = LoadConfig(file, problems);
  for (const rules::Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return config;
}

class ConfigTest : public testing::Test {
 protected:
  // Paths in the files are seen from the source tree, as operators start weir there.
  static void SetUpTestSuite() {
    fs::current_path(WEIR_SOURCE_DIR);
    ::setenv("WEIR_DEMO_KEY", kDemoKey, 1);
    ::setenv("QWEN_API_KEY", "sk-123", 1);
    ::setenv("WEIR_TOKEN_WANG", "a-token-of-staff", 1);
    ::setenv("WEIR_EMPTY_KEY", "", 1);
    ::setenv("WEIR_BROKEN_KEY", "a key\n", 1);
    ::unsetenv("WEIR_MISSING_KEY");
  }
};

TEST_F(ConfigTest, BadFilesAreRefusedWithAllTheirProblems) {
  const std::vector<std::string> files = FilesIn("bad");
  EXPECT_GE(files.size(), 25U);
  for (const std::string& file : files) {
    const std::vector<std::string> wanted = WantedProblems(file);
    EXPECT_FALSE(wanted.empty()) << file << " does not say what is wrong with it";
    EXPECT_EQ(Problems(file), wanted) << file;
  }
}

TEST_F(ConfigTest, GoodFilesLoad) {
  for (const std::string& file : FilesIn("good")) EXPECT_THAT(Problems(file), IsEmpty()) << file;
}

TEST_F(ConfigTest, TheExampleOfTheDesignLoadsAsItIs) {
  const std::optional<Config> loaded = Load("tests/gateway/config/good/design.yaml");
  ASSERT_TRUE(loaded.has_value());
  const Config& config = *loaded;
  EXPECT_EQ(config.listen.host, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 8080);
  EXPECT_EQ(config.admin.port, 8081);
  EXPECT_GE(config.threads, 1);
  ASSERT_EQ(config.upstreams.size(), 1U);
  const Upstream& upstream = config.upstreams[0];
  EXPECT_EQ(upstream.name, "qwen");
  EXPECT_EQ(upstream.dialect, "openai");
  EXPECT_EQ(upstream.endpoint.host, "127.0.0.1");
  EXPECT_EQ(upstream.endpoint.port, 9001);
  EXPECT_FALSE(upstream.endpoint.tls);
  EXPECT_EQ(upstream.base_path, "/v1");
  EXPECT_EQ(upstream.host_field, "127.0.0.1:9001");
  EXPECT_EQ(upstream.api_key, "sk-123");
  EXPECT_EQ(upstream.region, "cn");
  EXPECT_EQ(config.FindUpstream("qwen"), &upstream);
  EXPECT_EQ(config.FindUpstream("other"), nullptr);
  ASSERT_EQ(config.bundle.models.size(), 1U);
  EXPECT_EQ(config.bundle.models[0].name, "qwen-plus");
  EXPECT_EQ(config.bundle.models[0].upstream, "qwen");
  EXPECT_EQ(config.bundle.models[0].filing_no, "ZheJiang-Qwen-20230912");
  ASSERT_EQ(config.bundle.apps.size(), 1U);
  EXPECT_EQ(config.bundle.apps[0].id, "demo");
  EXPECT_EQ(config.bundle.apps[0].profile, "cn-public");
  EXPECT_EQ(config.bundle.apps[0].exposure, policy::Exposure::kPublic);
  // Where a bundle's problems about apps and models are shown to stand.
  EXPECT_EQ(config.bundle.file, "tests/gateway/config/good/design.yaml");
  EXPECT_GT(config.bundle.models[0].line, 0);
  EXPECT_GT(config.bundle.apps[0].line, config.bundle.models[0].line);
  std::array<uint8_t, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(kDemoKey), sizeof(kDemoKey) - 1, digest.data());
  EXPECT_EQ(config.bundle.apps[0].key_sha256, digest);
  EXPECT_THAT(config.bundle.pack_paths, ElementsAre("rules/packs"));
  EXPECT_THAT(config.bundle.profile_paths, ElementsAre("config/profiles"));
  EXPECT_EQ(config.ledger.dir, "var/audit");
  EXPECT_EQ(config.ledger.durability, audit::Durability::kStrict);
  EXPECT_EQ(config.ledger.content, audit::ContentMode::kEncrypted);
  EXPECT_FALSE(config.demo_model);
}

// What the reference says of defaults is what a file without those keys gets.
TEST_F(ConfigTest, TheReferenceNamesTheDefaults) {
  const std::optional<Config> loaded_reference = Load("config/weir.yaml");
  ASSERT_TRUE(loaded_reference.has_value());
  const Config& reference = *loaded_reference;
  const std::optional<Config> loaded_sparse = Load("tests/gateway/config/good/sparse.yaml");
  ASSERT_TRUE(loaded_sparse.has_value());
  const Config& sparse = *loaded_sparse;
  EXPECT_THAT(NeedsRestart(reference, sparse),
              ElementsAre(HasSubstr("audit changed")));  // the example keeps content encrypted
  EXPECT_EQ(sparse.ledger.content, audit::ContentMode::kDigest);
  const Upstream& a = reference.upstreams[0];
  const Upstream& b = sparse.upstreams[0];
  EXPECT_EQ(a.connect_timeout, b.connect_timeout);
  EXPECT_EQ(a.first_byte_timeout, b.first_byte_timeout);
  EXPECT_EQ(a.between_bytes_timeout, b.between_bytes_timeout);
  EXPECT_EQ(a.idle_timeout, b.idle_timeout);
  EXPECT_EQ(a.idle_connections_max, b.idle_connections_max);
  EXPECT_EQ(b.api_key, "");
  EXPECT_EQ(sparse.bundle.models[0].upstream_model, "");
  EXPECT_EQ(sparse.bundle.profile_paths, reference.bundle.profile_paths);
  EXPECT_EQ(sparse.bundle.rule_cache, "");
}

TEST_F(ConfigTest, TheDemonstrationLoads) {
  const std::optional<Config> loaded = Load("config/demo.yaml");
  ASSERT_TRUE(loaded.has_value());
  const Config& config = *loaded;
  EXPECT_TRUE(config.demo_model);
  EXPECT_EQ(config.demo_listen.port, config.upstreams[0].endpoint.port);
  EXPECT_EQ(config.bundle.models.size(), 2U);
}

TEST_F(ConfigTest, EverythingIsRead) {
  const std::optional<Config> loaded = Load("tests/gateway/config/good/everything.yaml");
  ASSERT_TRUE(loaded.has_value());
  const Config& config = *loaded;
  EXPECT_EQ(config.listen.host, "::1");
  EXPECT_EQ(config.listen.port, 0);
  EXPECT_EQ(config.listen.tls_certificate_file, "LICENSE");
  EXPECT_EQ(config.listen.tls_key_file, "CMakeLists.txt");
  EXPECT_EQ(config.admin.host, "127.0.0.1");
  EXPECT_EQ(config.admin.tls_key_file, "LICENSE");
  EXPECT_TRUE(config.demo_model);
  EXPECT_EQ(config.demo_listen.port, 9001);
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.drain_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.http.body_bytes_max, 2001U);
  EXPECT_EQ(config.http.head_bytes_max, 2002U);
  EXPECT_EQ(config.http.request_line_bytes_max, 2000U);
  EXPECT_EQ(config.http.header_fields_max, 11U);
  EXPECT_EQ(config.json.depth_max, 12U);
  EXPECT_EQ(config.json.nodes_max, 1013U);
  EXPECT_EQ(config.json.number_bytes_max, 24U);
  EXPECT_EQ(config.answer_bytes_max, 2005U);
  EXPECT_EQ(config.upstream_event_bytes_max, 2006U);
  EXPECT_EQ(config.http.head_timeout, std::chrono::milliseconds(1));
  EXPECT_EQ(config.http.body_timeout, std::chrono::milliseconds(2));
  EXPECT_EQ(config.http.idle_timeout, std::chrono::milliseconds(3));
  EXPECT_EQ(config.http.write_timeout, std::chrono::milliseconds(4));
  EXPECT_EQ(config.upstream_ca_file, "LICENSE");
  const Upstream& upstream = config.upstreams[0];
  EXPECT_EQ(upstream.endpoint.host, "api.example.com");
  EXPECT_EQ(upstream.endpoint.port, 443);
  EXPECT_TRUE(upstream.endpoint.tls);
  EXPECT_EQ(upstream.base_path, "");
  EXPECT_EQ(upstream.host_field, "api.example.com");
  EXPECT_EQ(upstream.connect_timeout, std::chrono::milliseconds(11));
  EXPECT_EQ(upstream.first_byte_timeout, std::chrono::milliseconds(12));
  EXPECT_EQ(upstream.between_bytes_timeout, std::chrono::milliseconds(13));
  EXPECT_EQ(upstream.idle_timeout, std::chrono::milliseconds(14));
  EXPECT_EQ(upstream.idle_connections_max, 0U);
  EXPECT_EQ(config.upstreams[1].endpoint.host, "::1");
  EXPECT_EQ(config.upstreams[1].endpoint.port, 9);
  EXPECT_EQ(config.upstreams[1].host_field, "[::1]:9");
  EXPECT_EQ(config.upstreams[1].base_path, "/a/b.c");
  EXPECT_EQ(config.bundle.models[0].upstream_model, "qwen-plus-2026");
  EXPECT_EQ(config.bundle.apps[0].key_sha256[0], 0x2b);
  EXPECT_EQ(config.bundle.apps[0].key_sha256[31], 0x5b);
  EXPECT_EQ(config.bundle.apps[0].exposure, policy::Exposure::kInternal);
  ASSERT_EQ(config.staff.size(), 2U);
  EXPECT_EQ(config.staff[0].id, "li.legal");
  EXPECT_EQ(config.staff[0].roles, (Roles{Role::kLegal, Role::kCompliance}));
  EXPECT_EQ(config.staff[1].roles, Roles{Role::kOperator});
  EXPECT_EQ(config.staff[1].token_sha256[0], 0x2b);
  EXPECT_THAT(config.bundle.profile_paths, ElementsAre("config/profiles/internal.yaml"));
  EXPECT_EQ(config.bundle.rule_cache, "kept");
}

TEST_F(ConfigTest, EverythingOfTheLedgerIsRead) {
  const std::optional<Config> loaded = Load("tests/gateway/config/good/everything.yaml");
  ASSERT_TRUE(loaded.has_value());
  const Config& config = *loaded;
  EXPECT_EQ(config.ledger.origin, "logs.example.com/weir");
  EXPECT_EQ(config.ledger.durability, audit::Durability::kRelaxed);
  EXPECT_EQ(config.ledger.queue_records_max, 101U);
  EXPECT_EQ(config.ledger.batch_records_max, 102U);
  EXPECT_EQ(config.ledger.free_bytes_min, 103U);
  EXPECT_EQ(config.ledger.segment_period, audit::SegmentPeriod::kDay);
  EXPECT_EQ(config.ledger.retention_days, 2'000U);
  EXPECT_EQ(config.ledger.content_key_file, "elsewhere.key");
  EXPECT_EQ(config.ledger.suite, audit::Suite::kSm);
  EXPECT_EQ(config.ledger.keep_days, 7);
  EXPECT_EQ(config.ledger.keep_transfer_days, 8);
  EXPECT_EQ(config.fleet_database, "host=db.example dbname=weir");
  EXPECT_EQ(config.ledger.content, audit::ContentMode::kNone);
  ASSERT_EQ(config.witnesses.sites.size(), 2U);
  EXPECT_EQ(config.witnesses.sites[0].key.name(), "witness.example/weir");
  EXPECT_EQ(config.witnesses.sites[0].upstream.base_path, "/w");
  EXPECT_EQ(config.witnesses.quorum, 1U);
  EXPECT_EQ(config.ledger.witnesses.size(), 2U);
}

// Every key of the reference, those in comments too, is one that the loader knows.
TEST_F(ConfigTest, TheReferenceWithItsCommentedKeysLoads) {
  std::ifstream in("config/weir.yaml");
  std::string text;
  for (std::string line; std::getline(in, line);) {
    const size_t at = line.find("# ");
    if (at != std::string::npos && line.find_first_not_of(' ') == at) {
      const size_t key = line.find_first_not_of("# -", at);
      const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", key);
      const bool is_key = end != std::string::npos && line[end] == ':' && end > key &&
                          (end + 1 == line.size() || line.find(' ', end + 2) == std::string::npos);
      if (is_key) line.erase(at, 2);
    }
    text += line + "\n";
  }
  for (const std::string name :
       {"tls.crt", "tls.key", "admin.crt", "admin.key", "upstream-ca.pem"}) {
    const std::string path = "/etc/weir/" + name;
    ASSERT_NE(text.find(path), std::string::npos) << name;
    text.replace(text.find(path), path.size(), "LICENSE");
  }
  // Of these two ways to name a secret the other one is commented out.
  for (const std::string both :
       {"    key_env: ", "    token_sha256: ", "  content_key_credential: "}) {
    const size_t at = text.find(both);
    ASSERT_NE(at, std::string::npos);
    text.erase(at, text.find('\n', at) + 1 - at);
  }
  const std::string file = testing::TempDir() + "/weir_reference.yaml";
  std::ofstream(file) << text;
  const std::optional<Config> loaded = Load(file);
  ASSERT_TRUE(loaded.has_value());
  const Config& config = *loaded;
  EXPECT_EQ(config.listen.tls_key_file, "LICENSE");
  EXPECT_EQ(config.admin.tls_key_file, "LICENSE");
  EXPECT_EQ(config.upstream_ca_file, "LICENSE");
  EXPECT_TRUE(config.demo_model);
  EXPECT_EQ(config.witnesses.sites.at(0).upstream.host_field, "witness.example");
  EXPECT_EQ(config.bundle.apps.at(0).key_sha256[0], 0x2b);
  EXPECT_EQ(Identify(config.staff, "Bearer a-token-of-staff"), &config.staff.at(0));
}

TEST_F(ConfigTest, AFileThatIsNotThereIsAProblem) {
  EXPECT_THAT(Problems("tests/gateway/config/none.yaml"),
              ElementsAre("0: cannot be read; check that the file exists and is readable"));
}

TEST_F(ConfigTest, AReloadSaysWhatItCannotChange) {
  const std::optional<Config> loaded_design = Load("tests/gateway/config/good/design.yaml");
  ASSERT_TRUE(loaded_design.has_value());
  const Config& design = *loaded_design;
  EXPECT_THAT(NeedsRestart(design, design), IsEmpty());
  Config other = design;
  other.upstreams[0].api_key = "new";
  other.bundle.apps[0].id = "new";
  EXPECT_THAT(NeedsRestart(design, other), IsEmpty());

  const std::optional<Config> loaded_everything = Load("tests/gateway/config/good/everything.yaml");
  ASSERT_TRUE(loaded_everything.has_value());
  const Config& everything = *loaded_everything;
  const auto sentence = [](const std::string& key) {
    return key + " changed in the file; restart weir for it to take effect";
  };
  EXPECT_THAT(NeedsRestart(design, everything),
              ElementsAre(sentence("listen"), sentence("admin"), sentence("demo_model"),
                          sentence("threads"), sentence("drain_seconds"), sentence("limits"),
                          sentence("timeouts"), sentence("upstream_tls"), sentence("audit")));
}

}  // namespace
}  // namespace weir::gateway
