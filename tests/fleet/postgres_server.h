// A PostgreSQL server of the test's own, on a socket in its own folder.
#pragma once

#include <string>

namespace weir::audit {

class PostgresServer {
 public:
  // Makes a cluster; root runs it as the user that the package made. Aborts when PostgreSQL 15 is
  // not installed.
  PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  void Start(const std::string& settings = {});
  // Without a checkpoint: as if the machine had lost power, but for what the kernel holds.
  void Kill();

  // For libpq.
  std::string database() const;

 private:
  void Run(const std::string& command) const;

  std::string folder_;
  std::string as_user_;
  bool running_ = false;
};

}  // namespace weir::audit
