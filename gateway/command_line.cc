#include "gateway/command_line.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <ostream>
#include <string_view>

#include <CLI/CLI.hpp>
#include <absl/time/time.h>

#include "policy/verdict.h"
#include "rules/check.h"

namespace weir::gateway {
namespace {

constexpr size_t kChunkBytesMax = 1U << 30;
constexpr uint64_t kQueryLimitMax = 100'000;

// RFC 3339 with its offset from UTC, or a day, which begins at 00:00 UTC.
bool ParseTime(const std::string& text, int64_t& time_us) {
  absl::Time time;
  std::string ignored;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &ignored) &&
      !absl::ParseTime("%Y-%m-%d", text, &time, &ignored)) {
    return false;
  }
  time_us = absl::ToUnixMicros(time);
  return true;
}

// An option that `take` reads. It returns what to write instead, empty when the value is good;
// CLI11 asks twice, to validate and to use the value.
void AddValue(CLI::App& command, const std::string& name, const std::string& help,
              const std::string& type, const std::function<std::string(const std::string&)>& take) {
  const auto use = [take](const CLI::results_t& values) { return take(values.front()).empty(); };
  command.add_option(name, use, help)->type_name(type)->check(take);
}

void AddTime(CLI::App& command, const std::string& name, const std::string& help,
             std::optional<int64_t>& into) {
  AddValue(command, name, help, "TIME", [&into](const std::string& text) -> std::string {
    int64_t time_us = 0;
    if (!ParseTime(text, time_us)) {
      return "write a time such as 2026-11-23T08:00:00+08:00, or a day such as 2026-11-23 (UTC)";
    }
    into = time_us;
    return "";
  });
}

// An option whose value is one of a few words.
template <class Value>
void AddChoice(CLI::App& command, const std::string& name, const std::string& help,
               const std::vector<std::pair<std::string, Value>>& choices,
               const std::function<void(Value)>& take) {
  AddValue(command, name, help, "WORD", [=](const std::string& text) {
    std::string words;
    for (const auto& [word, value] : choices) {
      if (word == text) {
        take(value);
        return std::string();
      }
      words += (words.empty() ? "" : ", ") + word;
    }
    return "write one of " + words;
  });
}

// An option whose value is a whole number; CLI11's own conversion lets a negative one wrap around.
template <class Integer>
void AddNumber(CLI::App& command, const std::string& name, const std::string& help, Integer min,
               Integer max, const std::function<void(Integer)>& take) {
  AddValue(command, name, help, "N", [=](const std::string& text) {
    Integer number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < min || number > max) {
      return "write a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    }
    take(number);
    return std::string();
  });
}

void AddServe(CLI::App& app, CommandLine& command) {
  CLI::App* serve = app.add_subcommand("serve", "Run the gateway");
  serve
      ->add_option("--config", command.config_file,
                   "The configuration (config/weir.yaml explains it)")
      ->type_name("FILE")
      ->required();
  serve->add_flag("--check", command.check,
                  "Load configuration and rules, print what would run, and exit");
  serve->callback([&] { command.verb = Verb::kServe; });
}

void AddScan(CLI::App& app, CommandLine& command) {
  CLI::App* scan = app.add_subcommand(
      "scan", "Judge JSON lines {\"id\",\"text\"} from standard input; JSON lines out");
  scan->add_option("--rules", command.scan.pack_paths, "Rule packs: files, or folders of *.yaml")
      ->type_name("PATH")
      ->required();
  AddChoice<rules::Direction>(
      *scan, "--direction", "prompt (default) or answer",
      {{"prompt", rules::Direction::kPrompt}, {"answer", rules::Direction::kAnswer}},
      [&command](rules::Direction direction) { command.scan.direction = direction; });
  AddNumber<size_t>(*scan, "--chunk", "Feed each text as a stream of pieces of so many bytes", 1,
                    kChunkBytesMax, [&command](size_t bytes) { command.scan.chunk_bytes = bytes; });
  scan->add_option("--profile", command.scan.profile,
                   "Decide actions by this profile; without it, by severity")
      ->type_name("ID");
  scan->add_option("--profiles", command.scan.profile_paths,
                   "Where the profile is looked for (default config/profiles)")
      ->type_name("PATH");
  scan->callback([&] {
    command.verb = Verb::kScan;
    if (!command.scan.profile.empty() && command.scan.profile_paths.empty()) {
      command.scan.profile_paths = {"config/profiles"};
    }
  });
}

void AddRules(CLI::App& app, CommandLine& command) {
  CLI::App* rules = app.add_subcommand("rules", "Write and check rule packs");
  struct Tool {
    const char* name;
    const char* help;
    Verb verb;
  };
  for (const Tool& tool :
       {Tool{"lint", "Say everything that is wrong or doubtful, with file and line",
             Verb::kRulesLint},
        Tool{"test", "Run every rule's own hit and miss tests", Verb::kRulesTest},
        Tool{"stats", "Show what each rule costs and guarantees", Verb::kRulesStats}}) {
    CLI::App* one = rules->add_subcommand(tool.name, tool.help);
    one->add_option("--rules,PATH", command.rules.pack_paths,
                    "Rule packs: files, or folders of *.yaml (default rules/packs)")
        ->type_name("PATH");
    one->add_flag("--json", command.rules.json, "Write JSON for scripts");
    one->callback([&command, verb = tool.verb] {
      command.verb = verb;
      if (command.rules.pack_paths.empty()) command.rules.pack_paths = {"rules/packs"};
    });
  }
}

CLI::App* AddAuditTool(CLI::App& audit, CommandLine& command, Verb verb, const std::string& name,
                       const std::string& help) {
  CLI::App* tool = audit.add_subcommand(name, help);
  tool->add_option("--dir", command.audit.dir, "The ledger's folder (default var/audit)")
      ->type_name("DIR");
  tool->add_flag("--json", command.audit.json, "Write JSON lines for scripts");
  tool->callback([&command, verb] { command.verb = verb; });
  return tool;
}

void AddFleet(CLI::App& tool, CommandLine& command) {
  AddValue(tool, "--fleet",
           "Not this ledger but all that are shipped to this database, a libpq connection string",
           "DATABASE", [&command](const std::string& database) -> std::string {
             if (!command.fleet) command.fleet.emplace();
             command.fleet->database = database;
             return database.empty() ? "name the database, such as \"host=db.example dbname=weir\""
                                     : "";
           });
}

// What query, search and report have in common.
void AddQueryFilters(CLI::App& query, CommandLine& command) {
  audit::Query& wanted = command.query;
  AddTime(query, "--from", "Not before this time", wanted.from_us);
  AddTime(query, "--to", "Before this time", wanted.to_us);
  query.add_option("--exchange", wanted.exchange, "Of this exchange")->type_name("ID");
  query.add_option("--app", wanted.app, "Of this app")->type_name("ID");
  query.add_option("--user", wanted.user, "Of this user")->type_name("ID");
  query.add_option("--category", wanted.category, "With a finding of this category")
      ->type_name("CODE");
  query.add_option("--rule", wanted.rule, "With a finding of this rule")->type_name("ID");
  std::vector<std::pair<std::string, std::string>> actions;
  for (const policy::Action action :
       {policy::Action::kAllow, policy::Action::kFlag, policy::Action::kMask,
        policy::Action::kReplace, policy::Action::kBlock}) {
    actions.emplace_back(Name(action), Name(action));
  }
  AddChoice<std::string>(query, "--action", "allow, flag, mask, replace or block", actions,
                         [&wanted](const std::string& action) { wanted.action = action; });
  query.add_option("--model", wanted.model, "Of this model")->type_name("NAME");
  query.add_option("--profile", wanted.profile, "Under this profile")->type_name("ID");
  query.add_option("--region", wanted.region, "Of this region")->type_name("NAME");
  query
      .add_option("--content-key", wanted.content_key_file,
                  "Decrypt content with this key (default: content.key in the ledger's folder)")
      ->type_name("FILE");
}

void AddPaging(CLI::App& query, CommandLine& command) {
  audit::Query& wanted = command.query;
  AddNumber<uint64_t>(query, "--before", "Only records below this sequence number", 0,
                      std::numeric_limits<uint64_t>::max(),
                      [&wanted](uint64_t seq) { wanted.before_seq = seq; });
  AddNumber<uint64_t>(query, "--limit", "At most so many records (default 100)", 1, kQueryLimitMax,
                      [&wanted](uint64_t limit) { wanted.limit = limit; });
}

void AddKind(CLI::App& query, CommandLine& command) {
  std::vector<std::pair<std::string, audit::RecordKind>> kinds;
  for (int i = 0; i <= static_cast<int>(audit::kLastRecordKind); ++i) {
    const auto kind = static_cast<audit::RecordKind>(i);
    kinds.emplace_back(Name(kind), kind);
  }
  AddChoice<audit::RecordKind>(
      query, "--kind", "Of this kind: prompt, answer, failure, ...", kinds,
      [&command](audit::RecordKind kind) { command.query.kinds = {kind}; });
}

void AddVerify(CLI::App& audit, CommandLine& command) {
  CLI::App* verify = AddAuditTool(
      audit, command, Verb::kAuditVerify, "verify",
      "Recompute everything from the records; exit 1 and say where if anything was altered");
  AddFleet(*verify, command);
  verify
      ->add_option("--keys", command.verify.keys,
                   "Demand signatures by all of these keys (default: the key beside the ledger)")
      ->type_name("FILE");
  verify
      ->add_option("--policy", command.verify.policy,
                   "Demand the log and the quorum of witnesses of this policy (C2SP tlog-policy)")
      ->type_name("FILE");
  verify
      ->add_option("--seen", command.verify.seen,
                   "Demand that the ledger extends this checkpoint, which was kept elsewhere")
      ->type_name("FILE");
}

void AddContentTools(CLI::App& audit, CommandLine& command) {
  using What = ContentTool::What;
  struct Tool {
    What what;
    const char* name;
    const char* help;
    const char* number;  // of which record; null: of an app's user
  };
  for (const Tool& tool :
       {Tool{What::kReveal, "reveal", "Show the stored content of a record, which is recorded",
             "The record's sequence number"},
        Tool{What::kErase, "erase",
             "Destroy the stored content of a user, or restrict it while it must be kept", nullptr},
        Tool{What::kHold, "hold", "Keep the stored content of a user from being erased", nullptr},
        Tool{What::kRelease, "release", "End a hold", "The number of the hold's record"}}) {
    CLI::App* one = audit.add_subcommand(tool.name, tool.help);
    ContentTool& content = command.content;
    one->add_option("--config", content.config_file, "The configuration of the gateway")
        ->type_name("FILE")
        ->required();
    one->add_option("--as", content.person, "Who asks: one of the configuration's staff")
        ->type_name("NAME")
        ->required();
    one->add_option("--reason", content.reason, "Why; stands in the record")
        ->type_name("TEXT")
        ->required();
    if (tool.number == nullptr) {
      one->add_option("--app", content.app, "The app")->type_name("ID")->required();
      one->add_option("--user", content.user, "Its user, as records name him; may be empty")
          ->type_name("ID")
          ->required();
    } else {
      one->add_option("N", content.number, tool.number)->required();
    }
    one->callback([&command, what = tool.what] {
      command.verb = Verb::kAuditContent;
      command.content.what = what;
    });
  }
}

void AddAudit(CLI::App& app, CommandLine& command) {
  command.audit.dir = "var/audit";
  CLI::App* audit = app.add_subcommand("audit", "Search, show, prove and verify the ledger");

  CLI::App* query =
      AddAuditTool(*audit, command, Verb::kAuditQuery, "query", "Find records, newest first");
  AddQueryFilters(*query, command);
  AddKind(*query, command);
  AddFleet(*query, command);
  AddValue(*query, "--fleet-before",
           "With --fleet: only records before this place, which the last page named", "PLACE",
           [&command](const std::string& place) -> std::string {
             if (!command.fleet) command.fleet.emplace();
             command.fleet->before = place;
             return "";
           });
  AddPaging(*query, command);
  query->add_option("--words", command.query.words, "With these words in the stored content")
      ->type_name("TEXT");

  CLI::App* search = AddAuditTool(*audit, command, Verb::kAuditQuery, "search",
                                  "Find records by words in their stored content, newest first");
  search->add_option("WORDS", command.query.words, "As they stand there, spaces included")
      ->required();
  AddQueryFilters(*search, command);
  AddKind(*search, command);
  AddPaging(*search, command);

  CLI::App* report =
      AddAuditTool(*audit, command, Verb::kAuditReport, "report",
                   "Count records by category, action, rule and day, for people in Chinese");
  AddQueryFilters(*report, command);
  AddKind(*report, command);
  report->add_option("--words", command.query.words, "With these words in the stored content")
      ->type_name("TEXT");

  AddAuditTool(*audit, command, Verb::kAuditShow, "show", "Show an exchange with all its records")
      ->add_option("ID", command.id, "A sequence number or an exchange id")
      ->required();

  AddVerify(*audit, command);

  CLI::App* prove = AddAuditTool(*audit, command, Verb::kAuditProve, "prove",
                                 "Write the evidence for a record, or verify evidence");
  prove->add_option("ID", command.id, "A sequence number, or an evidence file to verify")
      ->required();
  prove->add_option("--out", command.out_file, "Write to this file (default standard output)")
      ->type_name("FILE");

  CLI::App* checkpoint = AddAuditTool(*audit, command, Verb::kAuditCheckpoint, "checkpoint",
                                      "Show the latest signed checkpoint");
  AddNumber<int64_t>(*checkpoint, "--from", "With the consistency proof from this tree size", 0,
                     std::numeric_limits<int64_t>::max(),
                     [&command](int64_t size) { command.old_size = size; });

  AddContentTools(*audit, command);

  CLI::App* evidence = AddAuditTool(*audit, command, Verb::kAuditExport, "export",
                                    "Write records, checkpoints and keys for weir-verify");
  AddTime(*evidence, "--from", "Only records from this time on", command.query.from_us);
  AddTime(*evidence, "--to", "Only records before this time", command.query.to_us);
  evidence->add_option("--out", command.out_file, "Write into this directory, which must be new")
      ->required()
      ->type_name("DIR");
}

// What the command line named: "weir rules lint", or as far as it went.
struct Named {
  std::string name = "weir";
  const CLI::App* app = nullptr;
};

Named NamedCommand(const CLI::App& app) {
  Named named{"weir", &app};
  while (!named.app->get_subcommands().empty()) {
    named.app = named.app->get_subcommands().front();
    named.name += " " + named.app->get_name();
  }
  return named;
}

// "lint, test, stats": what may follow a command; empty when nothing has to.
std::string Continuations(const CLI::App& app) {
  std::string names;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; })) {
    names += (names.empty() ? "" : ", ") + one->get_name();
  }
  return names;
}

bool IsFolder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

// One sentence of a library's message, however many lines that has.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
}

int RunFleetTool(const CommandLine& command, std::ostream& out, std::ostream& err) {
  audit::FleetCommandOptions options = *command.fleet;
  options.json = command.audit.json;
  if (options.database.empty()) {
    err << "weir audit: --fleet-before needs --fleet with the database.\n";
    return kExitUsage;
  }
  if (command.verb == Verb::kAuditQuery) {
    return audit::ShowFleetQuery(options, command.query, out, err);
  }
  if (!command.verify.policy.empty() || !command.verify.seen.empty()) {
    err << "weir audit: --policy and --seen are for one ledger; with --fleet give --keys.\n";
    return kExitUsage;
  }
  return audit::VerifyFleet(options, command.verify.keys, out, err);
}

}  // namespace

std::variant<CommandLine, int> ParseCommandLine(int argc, const char* const* argv,
                                                std::ostream& out, std::ostream& err) {
  CommandLine command;
  CLI::App app(
      "Weir judges what applications and generative models say to each other, and records "
      "every judgement",
      "weir");
  app.set_version_flag("--version", "weir " WEIR_VERSION);
  AddServe(app, command);
  AddScan(app, command);
  AddRules(app, command);
  AddAudit(app, command);
  std::string wrong;
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked, out, err);
    return kExitDone;
  } catch (const std::exception& error) {
    wrong = OneLine(error.what());
  }
  const Named named = NamedCommand(app);
  const std::string continuations = Continuations(*named.app);
  if (wrong.empty() && !continuations.empty()) wrong = "name one of " + continuations;
  if (wrong.empty()) return command;
  err << named.name << ": " << wrong << "; see `" << named.name << " --help`.\n";
  return kExitUsage;
}

int RunTool(const CommandLine& command, std::istream& in, std::ostream& out, std::ostream& err) {
  if (command.fleet) return RunFleetTool(command, out, err);
  if (command.verb >= Verb::kAuditQuery && !IsFolder(command.audit.dir)) {
    err << "weir audit: there is no folder " << command.audit.dir
        << "; give --dir the folder of the ledger.\n";
    return kExitUsage;
  }
  switch (command.verb) {
    case Verb::kServe:
      break;
    case Verb::kScan:
      return policy::ScanLines(command.scan, in, out, err);
    case Verb::kRulesLint:
      return policy::LintRules(command.rules, out, err);
    case Verb::kRulesTest:
      return policy::TestRules(command.rules, out, err);
    case Verb::kRulesStats:
      return policy::ShowRuleStats(command.rules, out, err);
    case Verb::kAuditContent:
      return RunContentTool(command.content, out, err);
    case Verb::kAuditQuery:
      return audit::ShowQuery(command.audit, command.query, out, err);
    case Verb::kAuditReport:
      return audit::ShowReport(command.audit, command.query, out, err);
    case Verb::kAuditShow:
      return audit::ShowRecord(command.audit, command.id, out, err);
    case Verb::kAuditVerify:
      return audit::VerifyLedger(command.audit, command.verify, out, err);
    case Verb::kAuditProve:
      return audit::ProveRecord(command.audit, command.id, command.out_file, out, err);
    case Verb::kAuditCheckpoint:
      return audit::ShowCheckpoint(command.audit, command.old_size, out, err);
    case Verb::kAuditExport:
      return audit::WriteExport(command.audit, command.query.from_us, command.query.to_us,
                                command.out_file, out, err);
  }
  WEIR_CHECK(false);
}

}  // namespace weir::gateway
