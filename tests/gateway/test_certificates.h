// An authority and certificates by it, made once for each test program with the openssl command.
#pragma once

#include <string>

namespace weir::gateway {

struct TestCertificates {
  std::string authority_pem;
  std::string localhost_chain_pem;  // Names localhost and 127.0.0.1.
  std::string localhost_key_pem;
  std::string other_name_chain_pem;  // Names other.test alone.
  std::string other_name_key_pem;
  std::string expired_chain_pem;  // Names localhost; valid until yesterday.
  std::string expired_key_pem;

  // Ends the program when openssl cannot make them.
  static const TestCertificates& Get();
};

}  // namespace weir::gateway
