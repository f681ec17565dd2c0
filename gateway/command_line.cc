#include "gateway/command_line.h"

#include <algorithm>
#include <array>
#include <ostream>
#include <string_view>

#include <CLI/CLI.hpp>
#include <absl/time/time.h>

#include "rules/check.h"

namespace weir::gateway {
namespace {

constexpr uint64_t kChunkBytesMax = 1U << 30;
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

CLI::Option* AddTime(CLI::App& command, const std::string& name, const std::string& help,
                     std::optional<int64_t>& into) {
  const auto parse = [&into, name](const CLI::results_t& values) {
    int64_t time_us = 0;
    if (!ParseTime(values.front(), time_us)) {
      throw CLI::ValidationError(name,
                                 "write a time such as 2026-11-23T08:00:00+08:00, or a day "
                                 "such as 2026-11-23 (UTC)");
    }
    into = time_us;
    return true;
  };
  return command.add_option(name, parse, help)->type_name("TIME");
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
  const std::map<std::string, rules::Direction> directions = {
      {"prompt", rules::Direction::kPrompt}, {"answer", rules::Direction::kAnswer}};
  scan->add_option("--direction", command.scan.direction, "prompt (default) or answer")
      ->type_name("DIRECTION")
      ->transform(CLI::Transformer(directions).description(""))
      ->check(CLI::IsMember(directions).description(""));
  scan->add_option("--chunk", command.scan.chunk_bytes,
                   "Feed each text as a stream of pieces of so many bytes")
      ->type_name("BYTES")
      ->check(CLI::Range(uint64_t{1}, kChunkBytesMax).description(""));
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
  rules->require_subcommand(1);
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
  query.add_option("--action", wanted.action, "allow, flag, mask, replace or block")
      ->type_name("ACTION")
      ->check(CLI::IsMember({"allow", "flag", "mask", "replace", "block"}).description(""));
  query.add_option("--model", wanted.model, "Of this model")->type_name("NAME");
  query.add_option("--before", wanted.before_seq, "Only records below this sequence number")
      ->type_name("SEQ");
  query.add_option("--limit", wanted.limit, "At most so many records (default 100)")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, kQueryLimitMax).description(""));
}

void AddKind(CLI::App& query, CommandLine& command) {
  std::map<std::string, audit::RecordKind> kinds;
  std::string names;
  for (const audit::RecordKind kind :
       {audit::RecordKind::kPrompt, audit::RecordKind::kAnswer, audit::RecordKind::kFailure,
        audit::RecordKind::kInterrupted, audit::RecordKind::kService, audit::RecordKind::kAccess}) {
    const std::string name(Name(kind));
    kinds[name] = kind;
    names += (names.empty() ? "" : ", ") + name;
  }
  const auto parse = [&command, kinds, names](const CLI::results_t& values) {
    const auto found = kinds.find(values.front());
    if (found == kinds.end()) throw CLI::ValidationError("--kind", "write one of " + names);
    command.query.kind = found->second;
    return true;
  };
  query.add_option("--kind", parse, names)->type_name("KIND");
}

void AddAudit(CLI::App& app, CommandLine& command) {
  command.audit.dir = "var/audit";
  CLI::App* audit = app.add_subcommand("audit", "Search, show, prove and verify the ledger");
  audit->require_subcommand(1);

  CLI::App* query =
      AddAuditTool(*audit, command, Verb::kAuditQuery, "query", "Find records, newest first");
  AddQueryFilters(*query, command);
  AddKind(*query, command);

  AddAuditTool(*audit, command, Verb::kAuditShow, "show", "Show an exchange with all its records")
      ->add_option("ID", command.id, "A sequence number or an exchange id")
      ->required();

  AddAuditTool(
      *audit, command, Verb::kAuditVerify, "verify",
      "Recompute everything from the records; exit 1 and say where if anything was altered")
      ->add_option("--keys", command.key_files,
                   "Demand signatures by these keys (default: the key beside the ledger)")
      ->type_name("FILE");

  CLI::App* prove = AddAuditTool(*audit, command, Verb::kAuditProve, "prove",
                                 "Write the evidence for a record, or verify evidence");
  prove->add_option("ID", command.id, "A sequence number, or an evidence file to verify")
      ->required();
  prove->add_option("--out", command.out_file, "Write to this file (default standard output)")
      ->type_name("FILE");

  AddAuditTool(*audit, command, Verb::kAuditCheckpoint, "checkpoint",
               "Show the latest signed checkpoint")
      ->add_option("--from", command.old_size, "With the consistency proof from this tree size")
      ->type_name("SIZE")
      ->check(CLI::NonNegativeNumber.description(""));
}

// "weir rules lint", as far as the command line named a command.
std::string NameOfCommand(const CLI::App& app) {
  std::string name = "weir";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return name;
}

// One sentence of a library's message, however many lines that has.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
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
  app.require_subcommand(1);
  AddServe(app, command);
  AddScan(app, command);
  AddRules(app, command);
  AddAudit(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked, out, err);
    return kExitDone;
  } catch (const std::exception& wrong) {
    const std::string name = NameOfCommand(app);
    err << name << ": " << OneLine(wrong.what()) << "; see `" << name << " --help`.\n";
    return kExitUsage;
  }
  return command;
}

int RunTool(const CommandLine& command, std::istream& in, std::ostream& out, std::ostream& err) {
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
    case Verb::kAuditQuery:
      return audit::ShowQuery(command.audit, command.query, out, err);
    case Verb::kAuditShow:
      return audit::ShowRecord(command.audit, command.id, out, err);
    case Verb::kAuditVerify:
      return audit::VerifyLedger(command.audit, command.key_files, out, err);
    case Verb::kAuditProve:
      return audit::ProveRecord(command.audit, command.id, command.out_file, out, err);
    case Verb::kAuditCheckpoint:
      return audit::ShowCheckpoint(command.audit, command.old_size, out, err);
  }
  WEIR_CHECK(false);
}

}  // namespace weir::gateway
