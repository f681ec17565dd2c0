// The bodies of `weir audit query|show|verify|prove|checkpoint`, as functions over streams so that
// tests drive them as the command line does. Each returns the process's exit code: 0 done, 1 the
// answer is no (altered, not found), 2 usage or environment. `weir audit verify` shares nothing
// with the writer but record, merkle and checkpoint.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "audit/reader.h"

namespace weir::audit {

struct CommandOptions {
  std::string dir;
  bool json = false;  // JSON lines instead of text for people
};

int ShowQuery(const CommandOptions& options, const Query& query, std::ostream& out,
              std::ostream& err);
// `id` is a sequence number or an exchange id; shows every record of the exchange.
int ShowRecord(const CommandOptions& options, const std::string& id, std::ostream& out,
               std::ostream& err);
int VerifyLedger(const CommandOptions& options, const std::vector<std::string>& key_files,
                 std::ostream& out, std::ostream& err);
// With an evidence file: verifies it. Without: writes one for `id` to `out_file` (or `out`).
int ProveRecord(const CommandOptions& options, const std::string& id, const std::string& out_file,
                std::ostream& out, std::ostream& err);
// The latest checkpoint; with old_size >= 0 also the consistency proof from that size.
int ShowCheckpoint(const CommandOptions& options, int64_t old_size, std::ostream& out,
                   std::ostream& err);

}  // namespace weir::audit
