// A bundle: rule packs, profiles, models and apps, loaded together, immutable, named by its digest.
//
// An exchange pins one bundle when it is identified and uses nothing else until its last record, so
// that a reload never changes the rules in the middle of an answer. Every record names the digest.
// A bundle is loaded whole or not at all.
//
// Immutable and thread-safe once built.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/profile.h"
#include "rules/rule.h"
#include "rules/rule_set.h"

namespace weir::policy {

struct Model {
  std::string name;            // as clients ask for it
  std::string upstream;        // name of the upstream that serves it
  std::string upstream_model;  // as the upstream calls it; empty: the same
  std::string filing_no;
  int line = 0;  // in BundleSources::file, for problems
};

struct App {
  std::string id;
  std::array<uint8_t, 32> key_sha256{};  // SHA-256 of the API key; the key itself is not kept
  std::string profile;
  Exposure exposure = Exposure::kPublic;
  int line = 0;  // in BundleSources::file, for problems
};

// What a bundle is made from.
struct BundleSources {
  std::vector<std::string> pack_paths;
  std::vector<std::string> profile_paths;  // empty: the built-in profile alone
  std::string rule_cache;  // folder (rules/database_cache.h); empty: nothing is kept
  std::vector<Model> models;
  std::vector<App> apps;
  std::string file = "configuration";  // where models and apps are written, for problems
};

// Who an exchange is judged for.
struct Subject {
  const App* app = nullptr;          // of the pinned bundle
  const Profile* profile = nullptr;  // of the pinned bundle
  std::string user;                  // as the app names its user; may be empty
};

class Bundle {
 public:
  // Null, and at least one new problem, when anything is wrong: packs that do not compile, rule
  // tests that fail, no rule at all, an app with an unknown profile, two apps with one key or id, a
  // public app with an internal profile, two models of one name.
  static std::shared_ptr<const Bundle> Load(const BundleSources& sources,
                                            std::vector<rules::Problem>& problems);

  // "sha256:" + 64 hex digits over everything that decides: rules, profiles, models and apps, but
  // not the apps' keys, which decide nothing and must not be guessable from a digest that clients
  // see. The order of files and entries does not change it.
  std::string_view digest() const { return digest_; }
  const rules::RuleSet& rule_set() const { return *rule_set_; }
  const std::vector<Profile>& profiles() const { return profiles_; }
  const std::vector<Model>& models() const { return models_; }
  const std::vector<App>& apps() const { return apps_; }

  // What `profile`, one of profiles(), makes of a finding of rule number `rule`.
  Decision Decide(const Profile& profile, uint32_t rule, rules::Direction direction) const;

  // Null when unknown. FindApp compares in constant time for each app.
  const App* FindApp(std::string_view key) const;
  const Profile* FindProfile(std::string_view id) const;
  const Model* FindModel(std::string_view name) const;

 private:
  Bundle() = default;

  std::string digest_;
  std::shared_ptr<const rules::RuleSet> rule_set_;
  std::vector<Profile> profiles_;
  std::vector<Model> models_;
  std::vector<App> apps_;
  std::vector<Decision> decisions_;  // by profile, direction, rule
};

}  // namespace weir::policy
