// The configuration file: config/weir.yaml is the documented reference.
//
// Every problem is reported at once, with file and line; unknown keys are problems. Values only.
// Relative paths are relative to the process's working directory. Secrets come from the environment
// variables that the file names; a variable that is not set is a problem of the line that names it.
// Of an app's key or a person's token only the SHA-256 is kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/ledger.h"
#include "gateway/address.h"
#include "gateway/http.h"
#include "gateway/json.h"
#include "gateway/staff.h"
#include "gateway/upstream.h"
#include "gateway/witness_client.h"
#include "policy/bundle.h"
#include "rules/rule.h"

namespace weir::gateway {

struct Config {
  std::string file;
  ListenAddress listen;
  ListenAddress admin;
  int threads = 0;  // as used: never 0 after Load
  HttpLimits http;
  JsonLimits json;
  size_t upstream_event_bytes_max = 1 << 20;
  size_t answer_bytes_max = 16 << 20;  // of a JSON answer, held whole while it is judged
  std::chrono::milliseconds drain_timeout{30'000};
  std::string upstream_ca_file;  // empty: the system's trust store
  bool demo_model = false;       // start the built-in demonstration model
  ListenAddress demo_listen;
  std::vector<Upstream> upstreams;
  policy::BundleSources bundle;
  std::vector<StaffMember> staff;
  audit::LedgerOptions ledger;  // with the keys of `witnesses`
  WitnessPlan witnesses;
  std::string fleet_database;  // where records are shipped to, for libpq; empty: nowhere

  const Upstream* FindUpstream(std::string_view name) const;
};

// Null when it found problems, which it appends in the order of their lines.
std::optional<Config> LoadConfig(const std::string& file, std::vector<rules::Problem>& problems);

// Whether every profile keeps what the ledger was opened for: it may keep less of judged text than
// audit.content says, never more. Problems are the profiles'.
void CheckKeptContent(const audit::LedgerOptions& ledger, const policy::Bundle& bundle,
                      std::vector<rules::Problem>& problems);
// What is kept of text that is judged under the profile.
audit::ContentMode KeptOf(const policy::Profile& profile, const audit::LedgerOptions& ledger);

// What a reload cannot change while the process runs: a sentence for each difference in listeners,
// threads, audit and limits. Upstreams, models, apps, staff and rules can.
std::vector<std::string> NeedsRestart(const Config& running, const Config& loaded);
// Puts into `loaded` what `running` has of all that, so that a reload changes nothing by halves.
void KeepWhatNeedsRestart(const Config& running, Config& loaded);

}  // namespace weir::gateway
