// weir-verify: checks what a Weir ledger's owner hands out, for people who trust nobody. It reads
// an export (a directory) or an evidence file, opens no network connection and writes nothing.
#include <sys/stat.h>

#include <iostream>
#include <string>
#include <vector>

#include "audit/concat.h"
#include "audit/export.h"
#include "audit/files.h"

namespace weir::audit {
namespace {

constexpr int kVerified = 0;
constexpr int kAltered = 1;
constexpr int kCannotTell = 2;

constexpr char kUsage[] =
    "usage: weir-verify [--keys FILE] EXPORT\n"
    "\n"
    "EXPORT is a directory written by `weir audit export`, or a file written by `weir audit "
    "prove`.\n"
    "FILE holds the public keys that must have signed, one a line, as the ledger's owner "
    "published\n"
    "them. Every one of them must have signed. Without FILE, an export is checked with the key "
    "that\n"
    "it names itself, which shows that it is whole but not whose it is.\n"
    "\n"
    "Exit code: 0 verified, 1 altered, 2 cannot tell.\n";

int CannotTell(const std::string& sentence) {
  std::cerr << "cannot tell: " << sentence << "\n";
  return kCannotTell;
}

int VerifyFile(const std::string& path, const std::vector<VerifierKey>& keys) {
  if (keys.empty()) {
    return CannotTell("an evidence file names no key; give the ledger's public key with --keys");
  }
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return CannotTell(Concat(text.status().message()));
  const absl::StatusOr<Record> record = VerifyEvidenceFile(*text, keys);
  if (!record.ok()) {
    std::cout << "ALTERED: " << Concat(record.status().message()) << "\n";
    return kAltered;
  }
  std::cout << "verified: record " << record->seq << " of " << FormatTime(record->time_us)
            << " is in the ledger " << keys.front().name() << ", unaltered.\n";
  return kVerified;
}

int VerifyDirectory(const std::string& path, const std::vector<VerifierKey>& keys) {
  const absl::StatusOr<VerifyReport> report = VerifyExport(path, keys);
  if (!report.ok()) return CannotTell(Concat(report.status().message()));
  std::cout << (report->ok ? "verified: " : "ALTERED: ") << report->reason << "\n";
  if (report->ok && keys.empty()) {
    std::cout << "Checked with the key that the export names itself: compare keys.txt with the key "
                 "that the ledger's owner published, or give that with --keys.\n";
  }
  return report->ok ? kVerified : kAltered;
}

int Run(const std::vector<std::string>& arguments) {
  std::vector<VerifierKey> keys;
  std::string path;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--help" || arguments[i] == "-h") {
      std::cout << kUsage;
      return kVerified;
    }
    if (arguments[i] == "--keys" && i + 1 < arguments.size() && keys.empty()) {
      const std::string& file = arguments[++i];
      const absl::StatusOr<std::string> text = ReadFile(file);
      if (!text.ok()) return CannotTell(Concat(text.status().message()));
      absl::StatusOr<std::vector<VerifierKey>> parsed = ParseVerifierKeys(*text);
      if (!parsed.ok()) return CannotTell(Concat(file, ": ", parsed.status().message()));
      keys = *std::move(parsed);
    } else if (path.empty() && !arguments[i].starts_with("-")) {
      path = arguments[i];
    } else {
      std::cerr << kUsage;
      return kCannotTell;
    }
  }
  struct stat found {};
  if (path.empty()) {
    std::cerr << kUsage;
    return kCannotTell;
  }
  if (::stat(path.c_str(), &found) != 0) return CannotTell(Concat("there is no ", path));
  return S_ISDIR(found.st_mode) ? VerifyDirectory(path, keys) : VerifyFile(path, keys);
}

}  // namespace
}  // namespace weir::audit

int main(int argc, char** argv) {
  return weir::audit::Run(std::vector<std::string>(argv + 1, argv + argc));
}
