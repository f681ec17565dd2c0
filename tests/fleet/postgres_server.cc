#include "tests/fleet/postgres_server.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "audit/concat.h"

namespace weir::audit {
namespace {

constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin";

}  // namespace

PostgresServer::PostgresServer() {
  std::string pattern = (std::filesystem::temp_directory_path() / "weir-fleet-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  folder_ = pattern;
  if (::geteuid() == 0) {
    as_user_ = "setpriv --reuid=postgres --regid=postgres --clear-groups ";
    Run(Concat("chown postgres:postgres ", folder_));
  }
  Run(Concat("cd / && ", as_user_, kPrograms,
             "/initdb --auth=trust --username=weir --encoding=UTF8",
             " --no-locale --pgdata=", folder_, "/data"));
}

PostgresServer::~PostgresServer() {
  if (running_) Kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PostgresServer::Run(const std::string& command) const {
  const std::string log = folder_ + ".log";
  if (::system(Concat("( ", command, " ) >>", log, " 2>&1 </dev/null").c_str()) != 0) {
    std::cerr << "failed: " << command << "; " << log << " says why\n";
    std::abort();
  }
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
}

void PostgresServer::Start(const std::string& settings) {
  Run(Concat("cd / && ", as_user_, kPrograms, "/pg_ctl --wait --pgdata=", folder_,
             "/data --log=", folder_, "/log --options=\"-c listen_addresses= -k ", folder_, " ",
             settings, "\" start"));
  running_ = true;
}

void PostgresServer::Kill() {
  Run(Concat("cd / && ", as_user_, kPrograms, "/pg_ctl --wait --mode=immediate --pgdata=", folder_,
             "/data stop"));
  running_ = false;
}

std::string PostgresServer::database() const {
  return Concat("host=", folder_, " user=weir dbname=postgres");
}

}  // namespace weir::audit
