#include "tests/gateway/test_certificates.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace weir::gateway {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The shell script that makes an authority (ca) and the certificates that it signs.
constexpr char kScript[] = R"(set -e; cd "$0"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Test CA' \
  -keyout ca.key -out ca.pem
make() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout $1.key \
    -out $1.csr
  echo "subjectAltName=$2" > $1.ext
  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 -extfile $1.ext \
    -out $1.pem
}
make localhost DNS:localhost,IP:127.0.0.1 30
make other DNS:other.test 30
make expired DNS:localhost -1
)";

TestCertificates Make() {
  std::string folder = (fs::temp_directory_path() / "weir-certificates-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) std::abort();
  const fs::path at(folder);
  const std::string command =
      "sh -c '" +
      [] {
        std::string script = kScript;
        for (size_t i = 0; (i = script.find('\'', i)) != std::string::npos; i += 4) {
          script.replace(i, 1, "'\\''");
        }
        return script;
      }() +
      "' " + folder + " > " + folder + "/log 2>&1";
  if (std::system(command.c_str()) != 0) {
    std::cerr << "openssl could not make the test's certificates:\n" << ReadFile(at / "log");
    std::abort();
  }
  TestCertificates made = {ReadFile(at / "ca.pem"),        ReadFile(at / "localhost.pem"),
                           ReadFile(at / "localhost.key"), ReadFile(at / "other.pem"),
                           ReadFile(at / "other.key"),     ReadFile(at / "expired.pem"),
                           ReadFile(at / "expired.key")};
  fs::remove_all(at);
  return made;
}

}  // namespace

const TestCertificates& TestCertificates::Get() {
  static const TestCertificates made = Make();
  return made;
}

}  // namespace weir::gateway
