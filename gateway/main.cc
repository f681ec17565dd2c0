// The `weir` program: the command line, and for `serve` the process's signals handed to the server.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "gateway/command_line.h"
#include "gateway/config.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "policy/bundle.h"

namespace weir::gateway {
namespace {

void Print(const std::vector<rules::Problem>& problems) {
  for (const rules::Problem& problem : problems) std::cerr << problem.ToString() << "\n";
}

// A configuration that is not there is a mistake of the command, not of its content.
bool CanRead(const std::string& file) {
  if (access(file.c_str(), R_OK) == 0) return true;
  std::cerr << "weir serve: cannot read " << file
            << "; give --config a file that is there (config/weir.yaml is the reference).\n";
  return false;
}

std::string Address(const ListenAddress& listen) {
  const bool v6 = listen.host.find(':') != std::string::npos;
  const std::string scheme = listen.tls_certificate_file.empty() ? "http://" : "https://";
  return scheme + (v6 ? "[" + listen.host + "]" : listen.host) + ":" + std::to_string(listen.port);
}

void PrintPlan(const Config& config, const policy::Bundle& bundle) {
  std::ostream& out = std::cout;
  out << config.file << " is good. It would run:\n";
  out << "  apps connect to    " << Address(config.listen) << " (" << config.threads
      << (config.threads == 1 ? " thread)\n" : " threads)\n");
  out << "  admin plane        " << Address(config.admin) << "\n";
  if (config.demo_model) {
    out << "  demo model         " << Address(config.demo_listen) << "\n";
  }
  for (const policy::Model& model : bundle.models()) {
    const Upstream& upstream = *config.FindUpstream(model.upstream);
    out << "  model              " << model.name << " at " << upstream.name << " ("
        << (upstream.endpoint.tls ? "https://" : "http://") << upstream.host_field
        << upstream.base_path << ")\n";
  }
  for (const policy::App& app : bundle.apps()) {
    out << "  app                " << app.id << ", profile " << app.profile << ", "
        << Name(app.exposure) << "\n";
  }
  for (const rules::Pack& pack : bundle.rule_set().packs()) {
    out << "  rules              " << pack.name << " " << pack.version << " (" << pack.rules.size()
        << (pack.rules.size() == 1 ? " rule)\n" : " rules)\n");
  }
  out << "  ledger             " << config.ledger.dir << ", "
      << (config.ledger.durability == audit::Durability::kStrict ? "strict" : "relaxed") << "\n";
  out << "  bundle             " << bundle.digest() << "\n";
}

// Whether the configuration can be served: 2 when it is wrong itself, 1 when the rules and profiles
// that it names are.
int Check(const std::string& config_file) {
  if (!CanRead(config_file)) return kExitUsage;
  std::vector<rules::Problem> problems;
  const std::optional<Config> config = LoadConfig(config_file, problems);
  if (!config.has_value()) {
    Print(problems);
    return kExitUsage;
  }
  const std::shared_ptr<const policy::Bundle> bundle =
      policy::Bundle::Load(config->bundle, problems);
  if (bundle != nullptr) CheckKeptContent(config->ledger, *bundle, problems);
  if (!problems.empty()) {
    Print(problems);
    return kExitNo;
  }
  PrintPlan(*config, *bundle);
  return kExitDone;
}

// Hands the process's signals to the server. They are blocked in every thread and read by one of
// ours, so that no code runs inside a signal handler.
class Signals {
 public:
  // To be made before any other thread, so that all of them inherit the mask.
  Signals() {
    sigemptyset(&set_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, signal);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // Writing to a peer that has gone, or beyond a limit of the process, is an error of that write,
    // and nothing else.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    thread_ = std::thread([this] { Obey(); });
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() {
    over_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  // `server` must outlive this object.
  void HandTo(Server& server) { server_ = &server; }

 private:
  // The first SIGTERM or SIGINT drains. The second, or one while the server starts, ends the
  // process at once: what was recorded is durable all the same, and exchanges that were open are
  // closed as interrupted at the next start.
  void Obey() {
    bool draining = false;
    for (;;) {
      int signal = 0;
      sigwait(&set_, &signal);
      if (over_) return;
      Server* const server = server_;
      if (signal == SIGHUP) {
        if (server != nullptr) server->Reload();
      } else if (server == nullptr || draining) {
        _exit(128 + signal);
      } else {
        draining = true;
        server->Stop();
      }
    }
  }

  sigset_t set_{};
  std::atomic<bool> over_ = false;
  std::atomic<Server*> server_ = nullptr;
  std::thread thread_;
};

int Serve(const std::string& config_file) {
  if (!CanRead(config_file)) return kExitUsage;
  std::unique_ptr<Server> server;
  Signals signals;
  std::vector<rules::Problem> problems;
  absl::StatusOr<std::unique_ptr<Server>> started = Server::Start(config_file, problems);
  Print(problems);
  if (!started.ok()) {
    std::cerr << "weir serve: " << std::string(started.status().message()) << "\n";
    return kExitUsage;
  }
  server = *std::move(started);
  signals.HandTo(*server);
  LogInfo("gateway.ready", {{"port", server->port()},
                            {"admin_port", server->admin_port()},
                            {"bundle", server->bundle_digest()}});
  const absl::Status stopped = server->Wait();
  if (!stopped.ok()) {
    std::cerr << "weir serve: " << std::string(stopped.message()) << "\n";
    return kExitUsage;
  }
  return kExitDone;
}

int Main(int argc, const char* const* argv) {
  std::ios::sync_with_stdio(false);
  const std::variant<CommandLine, int> parsed = ParseCommandLine(argc, argv, std::cout, std::cerr);
  int exit_code = kExitDone;
  if (const int* const decided = std::get_if<int>(&parsed)) {
    exit_code = *decided;
  } else {
    const CommandLine& command = std::get<CommandLine>(parsed);
    if (command.verb != Verb::kServe) {
      exit_code = RunTool(command, std::cin, std::cout, std::cerr);
    } else {
      exit_code = command.check ? Check(command.config_file) : Serve(command.config_file);
    }
  }
  if (!std::cout.flush() && exit_code == kExitDone) {
    std::cerr << "weir: standard output could not be written; see that its disk is not full.\n";
    return kExitUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace weir::gateway

int main(int argc, char** argv) {
  return weir::gateway::Main(argc, argv);
}
