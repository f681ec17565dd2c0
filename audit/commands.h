// The bodies of `weir audit query|search|report|show|verify|prove|checkpoint`, as functions over
// streams so that tests drive them as the command line does. Each returns the process's exit code:
// 0 done, 1 the answer is no (altered, not found), 2 usage or environment. `weir audit verify`
// shares nothing with the writer but record, merkle and checkpoint.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "audit/reader.h"

namespace weir::audit {

struct CommandOptions {
  std::string dir = {};
  bool json = false;  // JSON lines instead of text for people
};

int ShowQuery(const CommandOptions& options, const Query& query, std::ostream& out,
              std::ostream& err);
// What happened to the records that match, counted (audit/report.h); the query's limit is not used.
int ShowReport(const CommandOptions& options, const Query& query, std::ostream& out,
               std::ostream& err);
// `id` is a sequence number or an exchange id; shows every record of the exchange.
int ShowRecord(const CommandOptions& options, const std::string& id, std::ostream& out,
               std::ostream& err);
// What `weir audit verify` asks for beyond the log's own key.
struct VerifyFiles {
  std::vector<std::string> keys = {};  // all keys in all files must have signed
  std::string policy = {};             // or as this C2SP policy says
  std::string seen = {};               // a checkpoint that the ledger must reach
};
int VerifyLedger(const CommandOptions& options, const VerifyFiles& files, std::ostream& out,
                 std::ostream& err);
// When `id` names an evidence file: verifies it against the ledger's key. Otherwise writes the
// evidence for that sequence number to `out_file` (or `out`).
int ProveRecord(const CommandOptions& options, const std::string& id, const std::string& out_file,
                std::ostream& out, std::ostream& err);
// The latest checkpoint; with old_size >= 0 behind the consistency proof from that size, as a
// witness takes it (c2sp.org/tlog-witness add-checkpoint).
int ShowCheckpoint(const CommandOptions& options, int64_t old_size, std::ostream& out,
                   std::ostream& err);
// A self-contained export of the records whose time is in [from_us, to_us) into the new directory
// `out_dir`; see audit/export.h.
int WriteExport(const CommandOptions& options, std::optional<int64_t> from_us,
                std::optional<int64_t> to_us, const std::string& out_dir, std::ostream& out,
                std::ostream& err);

}  // namespace weir::audit
