// `weir audit reveal|erase|hold|release`: stored content, while no gateway runs.
//
// A ledger has one writer, and each of these writes a record before anything comes of it. So they
// open the ledger themselves, as the configuration says; where a gateway has it open they say what
// to ask of that one's admin plane instead. The person must stand under `staff` in the
// configuration, with a role that may ask for it.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace weir::gateway {

struct ContentTool {
  enum class What : uint8_t { kReveal, kErase, kHold, kRelease };
  What what = What::kReveal;
  std::string config_file = {};
  std::string person = {};
  std::string reason = {};
  std::string app = {};   // kErase, kHold
  std::string user = {};  // kErase, kHold
  uint64_t number = 0;    // kReveal: the record; kRelease: the hold's record
};

// Exit code 0 done; 1 the content is not there, may not be shown, or must be kept for a time; 2
// usage or environment.
int RunContentTool(const ContentTool& tool, std::ostream& out, std::ostream& err);

}  // namespace weir::gateway
