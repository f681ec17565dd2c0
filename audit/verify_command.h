// What `weir-verify` does, but for the witness, as a function over streams so that tests drive it
// as the command line does. It reads what a ledger's owner hands out, opens no network connection
// and writes nothing but the key that `keygen` makes. Returns the process's exit code: 0 verified,
// 1 altered, 2 cannot tell.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace weir::audit {

inline constexpr int kVerified = 0;
inline constexpr int kAltered = 1;
inline constexpr int kCannotTell = 2;

int RunVerify(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

// What `weir-verify --help` prints.
extern const char kVerifyUsage[];

}  // namespace weir::audit
