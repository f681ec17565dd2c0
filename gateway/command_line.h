// The command line of `weir`, as values: parsed here, run by main.cc and by RunTool().
//
// Exit codes of every command: 0 done, 1 the answer is no, 2 usage or environment. A usage error is
// one sentence on `err` and nothing on `out`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "audit/commands.h"
#include "audit/fleet_commands.h"
#include "gateway/content_tools.h"
#include "policy/authoring.h"

namespace weir::gateway {

inline constexpr int kExitDone = 0;
inline constexpr int kExitNo = 1;
inline constexpr int kExitUsage = 2;

enum class Verb : uint8_t {
  kServe,
  kScan,
  kRulesLint,
  kRulesTest,
  kRulesStats,
  kAuditContent,  // reveal, erase, hold, release
  kAuditQuery,
  kAuditReport,
  kAuditShow,
  kAuditVerify,
  kAuditProve,
  kAuditCheckpoint,
  kAuditExport,
};

struct CommandLine {
  Verb verb = Verb::kServe;

  std::string config_file;  // kServe
  bool check = false;

  policy::ScanOptions scan;        // kScan
  policy::AuthoringOptions rules;  // kRules...

  ContentTool content;  // kAuditContent

  audit::CommandOptions audit;  // kAudit...
  audit::Query query;
  std::string id;                                   // kAuditShow, kAuditProve
  audit::VerifyFiles verify;                        // kAuditVerify
  std::optional<audit::FleetCommandOptions> fleet;  // kAuditQuery, kAuditVerify: not the ledger's
  std::string out_file;                             // kAuditProve, kAuditExport
  int64_t old_size = -1;                            // kAuditCheckpoint
};

// A command to run, or the exit code when there is none: help and version were asked for and stand
// on `out`, or the usage was wrong and `err` says how.
std::variant<CommandLine, int> ParseCommandLine(int argc, const char* const* argv,
                                                std::ostream& out, std::ostream& err);

// Runs every command but `serve`.
int RunTool(const CommandLine& command, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace weir::gateway
