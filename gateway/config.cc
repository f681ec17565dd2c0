#include "gateway/config.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <set>
#include <thread>

#include <openssl/sha.h>

#include "gateway/address.h"
#include "rules/yaml_reader.h"

namespace weir::gateway {
namespace {

using rules::Need;
using rules::Problem;
using rules::YamlFile;
using rules::YamlMap;
using std::chrono::milliseconds;

constexpr size_t kNameBytesMax = 128;
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kGiB = int64_t{1} << 30;

std::string Quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// A problem of the value of `key`: "\"key\" must ...".
void Report(YamlMap& map, std::string_view key, const std::string& reason) {
  map.AddProblem(map.LineOf(key), Quoted(key) + " " + reason);
}

// Names go into records, metrics and URLs as they are.
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("._:/@+-").find(c) != std::string_view::npos;
         });
}

std::string ReadName(YamlMap& map, std::string_view key, Need need) {
  const std::string name = map.String(key, need);
  if (!name.empty() && !IsName(name)) {
    Report(map, key,
           "must be a name, at most 128 of the letters a-z and A-Z, digits and ._:/@+-, not " +
               Quoted(name));
  }
  return name;
}

// The value of the variable that `key` names. Not set and empty are the same mistake.
std::string ReadSecret(YamlMap& map, std::string_view key) {
  const std::string variable = map.String(key, Need::kOptional);
  if (variable.empty()) {
    if (map.Has(key)) {
      Report(map, key, "must name an environment variable");
    }
    return "";
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the process changes the environment.
  const char* value = std::getenv(variable.c_str());
  const std::string secret = value == nullptr ? "" : value;
  if (secret.empty()) {
    Report(map, key,
           "names the environment variable " + variable +
               ", which is not set or empty; set it to the key before starting weir");
    return "";
  }
  const bool sendable =
      std::all_of(secret.begin(), secret.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!sendable) {
    Report(map, key,
           "names the environment variable " + variable +
               ", which holds spaces, line ends or characters that are not ASCII; set it "
               "to the key alone");
  }
  return secret;
}

std::string ReadFilePath(YamlMap& map, std::string_view key, Need need) {
  const std::string path = map.String(key, need);
  if (!path.empty() && access(path.c_str(), R_OK) != 0) {
    Report(map, key, "must name a file that weir can read; " + Quoted(path) + " is none");
  }
  return path;
}

milliseconds ReadMs(YamlMap& map, std::string_view key, milliseconds fallback) {
  return milliseconds(map.Integer(key, Need::kOptional, 1, kHourMs, fallback.count()));
}

size_t ReadSize(YamlMap& map, std::string_view key, int64_t min, int64_t max, size_t fallback) {
  return static_cast<size_t>(
      map.Integer(key, Need::kOptional, min, max, static_cast<int64_t>(fallback)));
}

ListenAddress ReadListen(YamlMap& map, std::string_view fallback, Need need) {
  const std::string text = map.String("listen", need, fallback);
  std::optional<ListenAddress> address = ParseListenAddress(text);
  if (address.has_value()) return *std::move(address);
  // A required value that is missing or empty is reported by the reader.
  if (need == Need::kOptional || !text.empty()) {
    Report(map, "listen",
           "must be an IP address and a port, such as 127.0.0.1:8080, not " + Quoted(text));
  }
  return {};
}

void ReadTls(YamlMap& map, ListenAddress& listen) {
  YamlMap tls = map.Map("tls", Need::kOptional);
  if (!tls.present()) return;
  listen.tls_certificate_file = ReadFilePath(tls, "certificate_file", Need::kRequired);
  listen.tls_key_file = ReadFilePath(tls, "key_file", Need::kRequired);
  tls.Close();
}

bool SamePlace(const ListenAddress& a, const ListenAddress& b) {
  return a.port != 0 && a.port == b.port && a.host == b.host;
}

void ReadListeners(YamlMap& root, Config& config) {
  config.listen = ReadListen(root, "127.0.0.1:8080", Need::kOptional);
  ReadTls(root, config.listen);

  YamlMap admin = root.Map("admin", Need::kOptional);
  config.admin = ReadListen(admin, "127.0.0.1:8081", Need::kOptional);
  ReadTls(admin, config.admin);
  if (SamePlace(config.admin, config.listen)) {
    root.AddProblem(admin.present() ? admin.LineOf("listen") : root.LineOf("listen"),
                    "the admin plane has the address of \"listen\"; give it one of its own");
  }
  admin.Close();

  YamlMap demo = root.Map("demo_model", Need::kOptional);
  config.demo_model = demo.present();
  if (!config.demo_model) return;
  config.demo_listen = ReadListen(demo, "", Need::kRequired);
  const std::string& host = config.demo_listen.host;
  if (!host.empty() && !IsLoopback(host)) {
    Report(demo, "listen",
           "must be a loopback address such as 127.0.0.1:9001: the demonstration model serves this "
           "machine only");
  }
  if (SamePlace(config.demo_listen, config.listen) || SamePlace(config.demo_listen, config.admin)) {
    demo.AddProblem(demo.LineOf("listen"),
                    "the demonstration model has the address of another listener; give it one of "
                    "its own");
  }
  demo.Close();
}

void ReadProcess(YamlMap& root, Config& config) {
  config.threads = static_cast<int>(root.Integer("threads", Need::kOptional, 0, 1024, 0));
  if (config.threads == 0) {
    config.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  config.drain_timeout =
      std::chrono::seconds(root.Integer("drain_seconds", Need::kOptional, 0, 3600, 30));
}

void ReadLimits(YamlMap& root, Config& config) {
  YamlMap limits = root.Map("limits", Need::kOptional);
  HttpLimits& http = config.http;
  http.head_bytes_max = ReadSize(limits, "head_bytes_max", 1024, 1 << 20, http.head_bytes_max);
  http.header_fields_max = ReadSize(limits, "header_fields_max", 8, 1000, http.header_fields_max);
  http.request_line_bytes_max =
      ReadSize(limits, "request_line_bytes_max", 256, 1 << 20, http.request_line_bytes_max);
  http.body_bytes_max = ReadSize(limits, "body_bytes_max", 1024, kGiB, http.body_bytes_max);
  JsonLimits& json = config.json;
  json.depth_max = ReadSize(limits, "json_depth_max", 8, 512, json.depth_max);
  json.nodes_max = ReadSize(limits, "json_nodes_max", 100, 100'000'000, json.nodes_max);
  json.number_bytes_max =
      ReadSize(limits, "json_number_bytes_max", 20, 1024, json.number_bytes_max);
  config.upstream_event_bytes_max =
      ReadSize(limits, "upstream_event_bytes_max", 1024, kGiB, config.upstream_event_bytes_max);
  config.answer_bytes_max =
      ReadSize(limits, "answer_bytes_max", 1024, kGiB, config.answer_bytes_max);
  limits.Close();
}

void ReadTimeouts(YamlMap& root, Config& config) {
  YamlMap timeouts = root.Map("timeouts", Need::kOptional);
  HttpLimits& http = config.http;
  http.head_timeout = ReadMs(timeouts, "head_ms", http.head_timeout);
  http.body_timeout = ReadMs(timeouts, "body_ms", http.body_timeout);
  http.idle_timeout = ReadMs(timeouts, "idle_ms", http.idle_timeout);
  http.write_timeout = ReadMs(timeouts, "write_ms", http.write_timeout);
  timeouts.Close();
}

Upstream ReadUpstream(YamlMap& map) {
  Upstream upstream;
  upstream.name = ReadName(map, "name", Need::kRequired);
  upstream.dialect = map.Choice("dialect", Need::kRequired, {"openai"});
  const std::string url = map.String("base_url", Need::kRequired);
  if (!url.empty()) {
    const std::string wrong = ParseBaseUrl(url, upstream);
    // A URL with a user may hold a password, which is not to be repeated.
    const bool quotable = url.find('@') == std::string::npos;
    if (!wrong.empty()) {
      Report(map, "base_url", quotable ? wrong + ", not " + Quoted(url) : wrong);
    }
  }
  upstream.api_key = ReadSecret(map, "api_key_env");
  upstream.region = ReadName(map, "region", Need::kOptional);
  upstream.idle_connections_max =
      ReadSize(map, "idle_connections_max", 0, 100'000, upstream.idle_connections_max);
  YamlMap timeouts = map.Map("timeouts", Need::kOptional);
  upstream.connect_timeout = ReadMs(timeouts, "connect_ms", upstream.connect_timeout);
  upstream.first_byte_timeout = ReadMs(timeouts, "first_byte_ms", upstream.first_byte_timeout);
  upstream.between_bytes_timeout =
      ReadMs(timeouts, "between_bytes_ms", upstream.between_bytes_timeout);
  upstream.idle_timeout = ReadMs(timeouts, "idle_ms", upstream.idle_timeout);
  timeouts.Close();
  map.Close();
  return upstream;
}

// Reports a name that was taken by an earlier entry.
void TakeName(YamlMap& map, std::string_view key, const std::string& name,
              std::set<std::string>& taken) {
  if (name.empty() || taken.insert(name).second) return;
  Report(map, key, "must differ from entry to entry; " + Quoted(name) + " is taken");
}

void ReadUpstreams(YamlMap& root, Config& config) {
  std::set<std::string> taken;
  for (YamlMap& map : root.Maps("upstreams", Need::kRequired)) {
    config.upstreams.push_back(ReadUpstream(map));
    TakeName(map, "name", config.upstreams.back().name, taken);
  }
  YamlMap tls = root.Map("upstream_tls", Need::kOptional);
  config.upstream_ca_file = ReadFilePath(tls, "ca_file", Need::kOptional);
  tls.Close();
}

void ReadModels(YamlMap& root, Config& config) {
  std::set<std::string> taken;
  for (YamlMap& map : root.Maps("models", Need::kRequired)) {
    policy::Model model;
    model.line = map.line();
    model.name = ReadName(map, "name", Need::kRequired);
    TakeName(map, "name", model.name, taken);
    model.upstream = map.String("upstream", Need::kRequired);
    const bool known = config.FindUpstream(model.upstream) != nullptr;
    // Where there are no upstreams at all, that is the problem.
    if (!known && !model.upstream.empty() && !config.upstreams.empty()) {
      Report(map, "upstream",
             "must name one of the \"upstreams\"; " + Quoted(model.upstream) + " is none");
    }
    model.upstream_model = ReadName(map, "upstream_model", Need::kOptional);
    model.filing_no = map.String("filing_no", Need::kOptional);
    map.Close();
    config.bundle.models.push_back(std::move(model));
  }
}

std::optional<std::array<uint8_t, 32>> ParseDigest(std::string_view hex) {
  std::array<uint8_t, 32> digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* at = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, digest[i], 16);
    if (error != std::errc() || end != at + 2) return std::nullopt;
  }
  return digest;
}

// A secret's SHA-256, by the variable that holds the secret (`KIND_env`) or as it stands in the
// file
// (`KIND_sha256`).
void ReadSecretDigest(YamlMap& map, std::string_view whose, std::string_view kind,
                      std::array<uint8_t, 32>& digest) {
  const std::string env = std::string(kind) + "_env";
  const std::string sha256 = std::string(kind) + "_sha256";
  const std::string secret = ReadSecret(map, env);
  const std::string hex = map.String(sha256, Need::kOptional);
  if (map.Has(env) == map.Has(sha256)) {
    map.AddProblem(map.line(), std::string(whose) + " needs either " + Quoted(env) +
                                   ", the name of the environment variable that holds its " +
                                   std::string(kind) + ", or " + Quoted(sha256) + ", the " +
                                   std::string(kind) + "'s SHA-256");
    return;
  }
  if (map.Has(env)) {
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data());
    return;
  }
  const std::optional<std::array<uint8_t, 32>> parsed = ParseDigest(hex);
  if (!parsed.has_value()) {
    Report(map, sha256,
           "must be the 64 hexadecimal digits that `printf %s " +
               std::string(kind == "key" ? "KEY" : "TOKEN") + " | sha256sum` prints");
    return;
  }
  digest = *parsed;
}

void ReadApps(YamlMap& root, Config& config) {
  std::set<std::string> taken;
  for (YamlMap& map : root.Maps("apps", Need::kRequired)) {
    policy::App app;
    app.line = map.line();
    app.id = ReadName(map, "id", Need::kRequired);
    TakeName(map, "id", app.id, taken);
    ReadSecretDigest(map, "an app", "key", app.key_sha256);
    app.profile = map.String("profile", Need::kRequired);
    const std::string exposure =
        map.Choice("exposure", Need::kOptional,
                   {Name(policy::Exposure::kPublic), Name(policy::Exposure::kInternal)},
                   Name(policy::Exposure::kPublic));
    app.exposure = exposure == Name(policy::Exposure::kInternal) ? policy::Exposure::kInternal
                                                                 : policy::Exposure::kPublic;
    map.Close();
    config.bundle.apps.push_back(std::move(app));
  }
}

void ReadStaff(YamlMap& root, Config& config) {
  std::vector<std::string_view> names;
  for (const Role role : kRoles) names.push_back(Name(role));
  std::set<std::string> taken;
  std::set<std::array<uint8_t, 32>> tokens;
  for (YamlMap& map : root.Maps("staff", Need::kOptional)) {
    StaffMember member;
    member.id = ReadName(map, "id", Need::kRequired);
    TakeName(map, "id", member.id, taken);
    for (const rules::YamlString& name : map.Strings("roles", Need::kRequired)) {
      const auto found = std::find(names.begin(), names.end(), name.value);
      if (found == names.end()) {
        map.AddProblem(name.line, "\"roles\" are auditor, compliance, operator and legal; " +
                                      Quoted(name.value) + " is none");
      } else {
        member.roles.Add(kRoles[found - names.begin()]);
      }
    }
    ReadSecretDigest(map, "a member of staff", "token", member.token_sha256);
    const bool known = member.token_sha256 != std::array<uint8_t, 32>{};
    if (known && !tokens.insert(member.token_sha256).second) {
      map.AddProblem(map.line(), "two members of staff have the same token; give each their own");
    }
    map.Close();
    config.staff.push_back(std::move(member));
  }
}

std::vector<std::string> ReadPaths(YamlMap& map, std::string_view key, Need need) {
  std::vector<std::string> paths;
  for (const rules::YamlString& path : map.Strings(key, need)) {
    if (access(path.value.c_str(), R_OK) != 0) {
      map.AddProblem(path.line, Quoted(key) + " must name files or folders that weir can read; " +
                                    Quoted(path.value) + " is none, seen from where weir runs");
    }
    paths.push_back(path.value);
  }
  return paths;
}

void ReadRules(YamlMap& root, Config& config) {
  config.bundle.file = config.file;
  YamlMap rules = root.Map("rules", Need::kRequired);
  if (rules.present()) config.bundle.pack_paths = ReadPaths(rules, "packs", Need::kRequired);
  config.bundle.rule_cache = rules.String("cache", Need::kOptional, "");
  rules.Close();
  config.bundle.profile_paths = ReadPaths(root, "profiles", Need::kOptional);
  if (!root.Has("profiles")) config.bundle.profile_paths = {"config/profiles"};
}

void ReadWitness(YamlMap& map, Config& config) {
  const std::string text = map.String("key", Need::kRequired);
  absl::StatusOr<audit::VerifierKey> key = audit::VerifierKey::Parse(text);
  if (!text.empty() && (!key.ok() || !key->is_witness())) {
    Report(map, "key",
           "must be the public key that the witness published, <name>+<8 hexadecimal digits>+"
           "<base64>, of the type for cosignatures (`weir-verify keygen` prints such a key)");
  }
  // A witness is asked for one signature; one that takes longer is asked again.
  Upstream upstream;
  upstream.connect_timeout = std::chrono::seconds(2);
  upstream.first_byte_timeout = std::chrono::seconds(5);
  upstream.between_bytes_timeout = std::chrono::seconds(2);
  upstream.idle_connections_max = 1;
  const std::string url = map.String("url", Need::kRequired);
  if (!url.empty()) {
    const std::string wrong = ParseBaseUrl(url, upstream);
    if (!wrong.empty()) Report(map, "url", wrong);
  }
  map.Close();
  if (!key.ok()) return;
  std::vector<audit::VerifierKey>& keys = config.ledger.witnesses;
  if (std::find(keys.begin(), keys.end(), *key) != keys.end()) {
    Report(map, "key", "stands here twice; a witness counts once");
  }
  keys.push_back(*key);
  upstream.name = key->name();
  config.witnesses.sites.push_back({*std::move(key), std::move(upstream)});
}

void ReadWitnesses(YamlMap& audit, Config& config) {
  for (YamlMap& map : audit.Maps("witnesses", Need::kOptional)) ReadWitness(map, config);
  const size_t count = config.witnesses.sites.size();
  config.witnesses.quorum = ReadSize(audit, "quorum", 1, 100, count);
  if (config.witnesses.quorum > count) {
    Report(audit, "quorum", "must be at most the number of \"witnesses\"");
  }
}

// Where the key of stored content stands, under which algorithms, and for how long it is kept from
// being erased.
void ReadContent(YamlMap& audit, audit::LedgerOptions& ledger) {
  ledger.suite =
      audit.Choice("suite", Need::kOptional, {"international", "sm"}, "international") == "sm"
          ? audit::Suite::kSm
          : audit::Suite::kInternational;
  ledger.content_key_file = audit.String("content_key_file", Need::kOptional);
  const std::string credential = audit.String("content_key_credential", Need::kOptional);
  if (!credential.empty()) {
    const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (!ledger.content_key_file.empty()) {
      Report(audit, "content_key_credential", "and \"content_key_file\" exclude each other");
    } else if (credential.find('/') != std::string::npos) {
      Report(audit, "content_key_credential", "must be the name of a credential, without folders");
    } else if (folder == nullptr) {
      Report(audit, "content_key_credential",
             "needs systemd to hand it over: name it in LoadCredential= of the unit");
    } else {
      ledger.content_key_file = std::string(folder) + "/" + credential;
    }
  }
  ledger.keep_days = static_cast<int64_t>(
      ReadSize(audit, "erasure_floor_days", 0, 100'000, static_cast<size_t>(ledger.keep_days)));
  ledger.keep_transfer_days =
      static_cast<int64_t>(ReadSize(audit, "erasure_floor_transfer_days", 0, 100'000,
                                    static_cast<size_t>(ledger.keep_transfer_days)));
}

void ReadAudit(YamlMap& root, Config& config) {
  YamlMap audit = root.Map("audit", Need::kOptional);
  audit::LedgerOptions& ledger = config.ledger;
  ledger.dir = audit.String("dir", Need::kOptional, "var/audit");
  if (ledger.dir.empty()) {
    Report(audit, "dir", "must name the folder that holds the ledger");
  }
  ledger.origin = audit.String("origin", Need::kOptional, ledger.origin);
  ledger.durability =
      audit.Choice("durability", Need::kOptional, {"strict", "relaxed"}, "strict") == "relaxed"
          ? audit::Durability::kRelaxed
          : audit::Durability::kStrict;
  const std::string content =
      audit.Choice("content", Need::kOptional, {"none", "digest", "encrypted"}, "digest");
  ledger.content = content == "none"        ? audit::ContentMode::kNone
                   : content == "encrypted" ? audit::ContentMode::kEncrypted
                                            : audit::ContentMode::kDigest;
  ReadContent(audit, ledger);
  ledger.queue_records_max =
      ReadSize(audit, "queue_records_max", 1, 100'000'000, ledger.queue_records_max);
  ledger.batch_records_max =
      ReadSize(audit, "batch_records_max", 1, 1'000'000, ledger.batch_records_max);
  ledger.segment_period =
      audit.Choice("segment_period", Need::kOptional, {"month", "day"}, "month") == "day"
          ? audit::SegmentPeriod::kDay
          : audit::SegmentPeriod::kMonth;
  ledger.retention_days =
      static_cast<uint32_t>(ReadSize(audit, "retention_days", 0, 100'000, ledger.retention_days));
  if (ledger.retention_days > 0 && ledger.retention_days < audit::kRetentionDaysMin) {
    Report(audit, "retention_days",
           "must be 0 (for ever) or at least " + std::to_string(audit::kRetentionDaysMin) +
               ": records of personal information that was handed on are kept for three years");
  }
  ledger.free_bytes_min = ReadSize(audit, "free_bytes_min", 0, 1024 * kGiB, 64U << 20);
  ReadWitnesses(audit, config);
  YamlMap fleet = audit.Map("fleet", Need::kOptional);
  config.fleet_database = fleet.String("database", Need::kOptional);
  if (fleet.Has("database_env")) config.fleet_database = ReadSecret(fleet, "database_env");
  if (fleet.present() && fleet.Has("database") == fleet.Has("database_env")) {
    fleet.AddProblem(fleet.line(),
                     "fleet needs either \"database\", a libpq connection string, or "
                     "\"database_env\", the environment variable that holds it");
  }
  fleet.Close();
  audit.Close();
}

bool SamePlan(const WitnessPlan& a, const WitnessPlan& b) {
  return a.quorum == b.quorum &&
         std::equal(a.sites.begin(), a.sites.end(), b.sites.begin(), b.sites.end(),
                    [](const WitnessSite& x, const WitnessSite& y) {
                      return x.key.ToString() == y.key.ToString() &&
                             x.upstream.endpoint.tls == y.upstream.endpoint.tls &&
                             x.upstream.host_field == y.upstream.host_field &&
                             x.upstream.base_path == y.upstream.base_path;
                    });
}

}  // namespace

const Upstream* Config::FindUpstream(std::string_view name) const {
  for (const Upstream& upstream : upstreams) {
    if (upstream.name == name) return &upstream;
  }
  return nullptr;
}

std::optional<Config> LoadConfig(const std::string& file, std::vector<Problem>& problems) {
  std::vector<Problem> found;
  const YamlFile yaml = YamlFile::Read(file, found);
  YamlMap root = yaml.root();
  Config config;
  config.file = file;
  if (root.present()) {
    ReadListeners(root, config);
    ReadProcess(root, config);
    ReadLimits(root, config);
    ReadTimeouts(root, config);
    ReadUpstreams(root, config);
    ReadModels(root, config);
    ReadApps(root, config);
    ReadStaff(root, config);
    ReadRules(root, config);
    ReadAudit(root, config);
    root.Close();
  }
  if (found.empty()) return config;
  std::stable_sort(found.begin(), found.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  problems.insert(problems.end(), found.begin(), found.end());
  return std::nullopt;
}

audit::ContentMode KeptOf(const policy::Profile& profile, const audit::LedgerOptions& ledger) {
  if (!profile.content) return ledger.content;
  switch (*profile.content) {
    case policy::KeptContent::kEncrypted:
      return audit::ContentMode::kEncrypted;
    case policy::KeptContent::kDigest:
      return audit::ContentMode::kDigest;
    case policy::KeptContent::kNone:
      break;
  }
  return audit::ContentMode::kNone;
}

void CheckKeptContent(const audit::LedgerOptions& ledger, const policy::Bundle& bundle,
                      std::vector<Problem>& problems) {
  for (const policy::Profile& profile : bundle.profiles()) {
    if (KeptOf(profile, ledger) <= ledger.content) continue;
    problems.push_back({profile.file, profile.content_line,
                        "\"content\" is more than the ledger was opened for: raise audit.content "
                        "in the configuration to " +
                            Quoted(Name(*profile.content)) + ", and restart weir if it runs"});
  }
}

std::vector<std::string> NeedsRestart(const Config& running, const Config& loaded) {
  std::vector<std::string> differences;
  const auto compare = [&](bool same, std::string_view what) {
    if (same) return;
    differences.push_back(std::string(what) +
                          " changed in the file; restart weir for it to take effect");
  };
  const auto http = [](const HttpLimits& a) {
    return std::tie(a.head_bytes_max, a.header_fields_max, a.request_line_bytes_max,
                    a.body_bytes_max);
  };
  const auto timeouts = [](const HttpLimits& a) {
    return std::tie(a.head_timeout, a.body_timeout, a.idle_timeout, a.write_timeout);
  };
  const auto json = [](const JsonLimits& a) {
    return std::tie(a.depth_max, a.nodes_max, a.number_bytes_max);
  };
  const auto ledger = [](const audit::LedgerOptions& a) {
    return std::tie(a.dir, a.origin, a.durability, a.queue_records_max, a.batch_records_max,
                    a.free_bytes_min, a.content, a.segment_period, a.retention_days, a.suite,
                    a.content_key_file, a.keep_days, a.keep_transfer_days);
  };
  compare(running.listen == loaded.listen, "listen");
  compare(running.admin == loaded.admin, "admin");
  compare(running.demo_model == loaded.demo_model && running.demo_listen == loaded.demo_listen,
          "demo_model");
  compare(running.threads == loaded.threads, "threads");
  compare(running.drain_timeout == loaded.drain_timeout, "drain_seconds");
  compare(http(running.http) == http(loaded.http) && json(running.json) == json(loaded.json) &&
              running.upstream_event_bytes_max == loaded.upstream_event_bytes_max &&
              running.answer_bytes_max == loaded.answer_bytes_max,
          "limits");
  compare(timeouts(running.http) == timeouts(loaded.http), "timeouts");
  compare(running.upstream_ca_file == loaded.upstream_ca_file, "upstream_tls");
  compare(ledger(running.ledger) == ledger(loaded.ledger) &&
              SamePlan(running.witnesses, loaded.witnesses) &&
              running.fleet_database == loaded.fleet_database,
          "audit");
  return differences;
}

void KeepWhatNeedsRestart(const Config& running, Config& loaded) {
  loaded.listen = running.listen;
  loaded.admin = running.admin;
  loaded.demo_model = running.demo_model;
  loaded.demo_listen = running.demo_listen;
  loaded.threads = running.threads;
  loaded.drain_timeout = running.drain_timeout;
  loaded.http = running.http;
  loaded.json = running.json;
  loaded.upstream_event_bytes_max = running.upstream_event_bytes_max;
  loaded.answer_bytes_max = running.answer_bytes_max;
  loaded.upstream_ca_file = running.upstream_ca_file;
  loaded.ledger = running.ledger;
  loaded.witnesses = running.witnesses;
  loaded.fleet_database = running.fleet_database;
}

}  // namespace weir::gateway
