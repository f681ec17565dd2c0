#include "policy/bundle.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "rules/check.h"

namespace weir::policy {
namespace {

using rules::Problem;

std::string Quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

using Sha256 = std::array<uint8_t, SHA256_DIGEST_LENGTH>;

Sha256 Digest(std::string_view bytes) {
  Sha256 digest;
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

std::string Hex(const Sha256& digest) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

// Fields as netstrings, lists with their length first: one meaning, one sequence of bytes.
class CanonicalBytes {
 public:
  void Add(std::string_view field) {
    bytes_ += std::to_string(field.size());
    bytes_ += ':';
    bytes_ += field;
  }
  void Add(size_t number) { Add(std::to_string(number)); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

void AddTexts(const std::vector<CategoryText>& texts, CanonicalBytes& canonical) {
  canonical.Add(texts.size());
  for (const CategoryText& text : texts) {
    canonical.Add(text.category);
    canonical.Add(text.text);
  }
}

void AddProfile(const Profile& profile, CanonicalBytes& canonical) {
  canonical.Add(profile.id);
  canonical.Add(profile.title);
  canonical.Add(Name(profile.audience));
  canonical.Add(Name(profile.exposure));
  canonical.Add(profile.region);
  canonical.Add(Name(profile.refusal_json));
  canonical.Add(Name(profile.refusal_stream));
  canonical.Add(profile.refusal_prompt);
  canonical.Add(profile.refusal_answer);
  canonical.Add(profile.actions.size());
  for (const ActionRule& rule : profile.actions) {
    canonical.Add(rule.category);
    canonical.Add(Name(rule.severity_min));
    canonical.Add(Name(rule.direction));
    canonical.Add(Name(rule.action));
    canonical.Add(rule.review ? "review" : "");
  }
  AddTexts(profile.stand_ins, canonical);
  AddTexts(profile.mask_texts, canonical);
  for (const ExceptionPolicy policy : profile.exceptions) canonical.Add(Name(policy));
  canonical.Add(profile.let_through.size());
  for (const std::string& kind : profile.let_through) canonical.Add(kind);
  canonical.Add(profile.content ? Name(*profile.content) : "");
}

// Pointers to the elements of `values`, sorted by what `key` says of them.
template <typename Value>
std::vector<const Value*> SortedBy(const std::vector<Value>& values, std::string Value::*key) {
  std::vector<const Value*> sorted;
  sorted.reserve(values.size());
  for (const Value& value : values) sorted.push_back(&value);
  std::sort(sorted.begin(), sorted.end(),
            [key](const Value* a, const Value* b) { return a->*key < b->*key; });
  return sorted;
}

std::string BundleDigest(const Bundle& bundle) {
  CanonicalBytes canonical;
  canonical.Add("weir-bundle-1");
  canonical.Add(bundle.rule_set().digest());
  canonical.Add(bundle.profiles().size());
  for (const Profile* profile : SortedBy(bundle.profiles(), &Profile::id)) {
    AddProfile(*profile, canonical);
  }
  canonical.Add(bundle.models().size());
  for (const Model* model : SortedBy(bundle.models(), &Model::name)) {
    canonical.Add(model->name);
    canonical.Add(model->upstream);
    canonical.Add(model->upstream_model);
    canonical.Add(model->filing_no);
  }
  canonical.Add(bundle.apps().size());
  for (const App* app : SortedBy(bundle.apps(), &App::id)) {
    canonical.Add(app->id);
    canonical.Add(app->profile);
    canonical.Add(Name(app->exposure));
  }
  return "sha256:" + Hex(Digest(canonical.bytes()));
}

void CheckModels(const BundleSources& sources, std::vector<Problem>& problems) {
  std::set<std::string_view> names;
  for (const Model& model : sources.models) {
    if (model.name.empty()) {
      problems.push_back({sources.file, model.line, "a model has no name: write one"});
    } else if (!names.insert(model.name).second) {
      problems.push_back(
          {sources.file, model.line,
           "model " + Quoted(model.name) + " is there twice: give one another name"});
    }
  }
}

void CheckApps(const BundleSources& sources, const Bundle& bundle, std::vector<Problem>& problems) {
  const Sha256 no_key = Digest("");
  std::set<std::string_view> ids;
  std::map<Sha256, std::string_view> keys;
  for (const App& app : sources.apps) {
    const auto report = [&](std::string reason) {
      problems.push_back(
          {sources.file, app.line, "app " + Quoted(app.id) + " " + std::move(reason)});
    };
    if (app.id.empty()) {
      problems.push_back({sources.file, app.line, "an app has no id: write one"});
    } else if (!ids.insert(app.id).second) {
      report("is there twice: give one another id");
    }
    if (app.key_sha256 == no_key) {
      report("has an empty key: set one of at least 32 random characters");
    } else if (const auto [owner, is_new] = keys.emplace(app.key_sha256, app.id); !is_new) {
      report("has the same key as app " + Quoted(owner->second) +
             ": give each app a key of its own");
    }
    const Profile* profile = bundle.FindProfile(app.profile);
    if (profile == nullptr) {
      std::string known;
      for (const Profile& other : bundle.profiles()) {
        known += (known.empty() ? "" : ", ") + other.id;
      }
      report("has profile " + Quoted(app.profile) + ", which no profile file defines: use one of " +
             known);
    } else if (app.exposure == Exposure::kPublic && profile->exposure == Exposure::kInternal) {
      report("is public but its profile " + Quoted(app.profile) +
             " is for internal use: give it a public profile or \"exposure: internal\"");
    }
  }
}

std::shared_ptr<const rules::RuleSet> CompilePacks(const BundleSources& sources,
                                                   std::vector<Problem>& problems) {
  const std::vector<std::string>& paths = sources.pack_paths;
  const size_t problems_before = problems.size();
  std::vector<rules::Pack> packs = rules::ParsePacks(paths, problems);
  if (problems.size() > problems_before) return nullptr;
  const bool empty = std::all_of(packs.begin(), packs.end(),
                                 [](const rules::Pack& pack) { return pack.rules.empty(); });
  if (empty) {
    problems.push_back({paths.empty() ? "" : paths.front(), 0,
                        "there is no rule to judge by: name at least one rule pack"});
    return nullptr;
  }
  return rules::RuleSet::Compile(std::move(packs), problems, sources.rule_cache);
}

}  // namespace

std::shared_ptr<const Bundle> Bundle::Load(const BundleSources& sources,
                                           std::vector<Problem>& problems) {
  const size_t problems_before = problems.size();
  const std::shared_ptr<Bundle> bundle(new Bundle);
  bundle->profiles_ = sources.profile_paths.empty()
                          ? std::vector<Profile>{BuiltInProfile()}
                          : ParseProfiles(sources.profile_paths, problems);
  bundle->models_ = sources.models;
  bundle->apps_ = sources.apps;
  CheckModels(sources, problems);
  CheckApps(sources, *bundle, problems);
  bundle->rule_set_ = CompilePacks(sources, problems);
  if (problems.size() > problems_before) return nullptr;
  WEIR_CHECK(bundle->rule_set_ != nullptr);

  const size_t rule_count = bundle->rule_set_->rule_count();
  for (const Profile& profile : bundle->profiles_) {
    for (const auto direction : {rules::Direction::kPrompt, rules::Direction::kAnswer}) {
      for (uint32_t rule = 0; rule < rule_count; ++rule) {
        bundle->decisions_.push_back(profile.Decide(bundle->rule_set_->rule(rule), direction));
      }
    }
  }
  bundle->digest_ = BundleDigest(*bundle);
  return bundle;
}

Decision Bundle::Decide(const Profile& profile, uint32_t rule, rules::Direction direction) const {
  const size_t profile_index = static_cast<size_t>(&profile - profiles_.data());
  const size_t table = profile_index * 2 + static_cast<size_t>(direction);
  return decisions_[table * rule_set_->rule_count() + rule];
}

const App* Bundle::FindApp(std::string_view key) const {
  const Sha256 digest = Digest(key);
  const App* found = nullptr;
  for (const App& app : apps_) {
    // Every app is looked at, whichever is the one, so that time tells nothing of the keys.
    if (CRYPTO_memcmp(app.key_sha256.data(), digest.data(), digest.size()) == 0) found = &app;
  }
  return found;
}

const Profile* Bundle::FindProfile(std::string_view id) const {
  const auto found = std::find_if(profiles_.begin(), profiles_.end(),
                                  [id](const Profile& profile) { return profile.id == id; });
  return found == profiles_.end() ? nullptr : &*found;
}

const Model* Bundle::FindModel(std::string_view name) const {
  const auto found = std::find_if(models_.begin(), models_.end(),
                                  [name](const Model& model) { return model.name == name; });
  return found == models_.end() ? nullptr : &*found;
}

}  // namespace weir::policy
