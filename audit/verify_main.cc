// weir-verify: checks what a Weir ledger's owner hands out, for people who trust nobody, and lets
// them witness the ledger.
#include <iostream>
#include <string>
#include <vector>

#include "audit/concat.h"
#include "audit/verify_command.h"
#include "audit/witness_server.h"

namespace weir::audit {
namespace {

int CannotServe(std::string_view sentence) {
  std::cerr << "weir-verify witness: " << sentence << "\n";
  return kCannotTell;
}

int ServeWitness(const std::vector<std::string>& arguments) {
  WitnessOptions options;
  std::string listen;
  for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--listen") {
      listen = value;
    } else if (arguments[i] == "--key") {
      options.key_file = value;
    } else if (arguments[i] == "--state") {
      options.state_file = value;
    } else if (arguments[i] == "--log") {
      absl::StatusOr<VerifierKey> log = VerifierKey::Parse(value);
      if (!log.ok()) return CannotServe(Concat("--log: ", log.status().message()));
      options.logs.push_back(*std::move(log));
    } else {
      listen.clear();
      break;
    }
  }
  if (arguments.size() % 2 == 0 || listen.empty() || options.key_file.empty() ||
      options.state_file.empty() || options.logs.empty()) {
    std::cerr << kVerifyUsage;
    return kCannotTell;
  }
  absl::StatusOr<std::unique_ptr<Witness>> witness = Witness::Open(options);
  if (!witness.ok()) return CannotServe(Concat(witness.status().message()));
  absl::StatusOr<std::unique_ptr<WitnessServer>> server = WitnessServer::Listen(**witness, listen);
  if (!server.ok()) return CannotServe(Concat(server.status().message()));
  std::cout << "witness " << (*witness)->verifier_key() << " listens on port " << (*server)->port()
            << "\n"
            << std::flush;
  (*server)->Run();
  return kVerified;
}

}  // namespace
}  // namespace weir::audit

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "witness" && arguments.size() > 2) {
    return weir::audit::ServeWitness(arguments);
  }
  return weir::audit::RunVerify(arguments, std::cout, std::cerr);
}
