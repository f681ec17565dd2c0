#include "gateway/server.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "audit/fleet.h"
#include "gateway/admin.h"
#include "gateway/admin_desk.h"
#include "gateway/demo_model.h"
#include "gateway/exchange.h"
#include "gateway/http.h"
#include "gateway/live_ledger.h"
#include "gateway/log.h"
#include "gateway/witness_client.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using AsioError = boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr std::chrono::milliseconds kDrainTick{20};
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::chrono::seconds kSweepEvery{10};
constexpr std::chrono::seconds kFarewell{1};
constexpr std::chrono::seconds kRetiredCheckInterval{1};
constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::chrono::seconds kWitnessPatience{3};
constexpr size_t kAdminBodyBytesMax = 1 << 20;

// Coroutines do not throw; what would end one all the same is a failed allocation. The connection
// is dropped and the process goes on.
void LogLost(std::exception_ptr lost) {
  if (!lost) return;
  try {
    std::rethrow_exception(lost);
  } catch (const std::exception& failure) {
    LogError("connection.dropped", {{"reason", failure.what()}});
  }
}

// SO_REUSEPORT would let a second process share the port in silence, so the first listener is
// opened without it, to see whether the port is free.
absl::StatusOr<tcp::acceptor> Listen(asio::io_context& io, const ListenAddress& address,
                                     bool share_port) {
  const auto fail = [&](const AsioError& error) {
    const std::string where = fmt::format("{}:{}", address.host, address.port);
    if (error == asio::error::address_in_use) {
      return absl::UnavailableError(
          where + " is in use. Stop the program that listens there, or configure another port.");
    }
    return absl::UnavailableError(
        fmt::format("Cannot listen on {}: {}. Configure an address of this machine and a port that "
                    "this user may open.",
                    where, error.message()));
  };
  AsioError error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error || found.empty()) return fail(error ? error : asio::error::host_not_found);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (error) return fail(error);
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (share_port) {
    const int on = 1;
    ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  }
  acceptor.bind(endpoint, error);
  if (error) return fail(error);
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(error);
  return acceptor;
}

absl::StatusOr<std::unique_ptr<asio::ssl::context>> ServerTls(const ListenAddress& address) {
  if (address.tls_certificate_file.empty()) return std::unique_ptr<asio::ssl::context>();
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  AsioError error;
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                       asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1,
                   error);
  tls->use_certificate_chain_file(address.tls_certificate_file, error);
  if (!error) tls->use_private_key_file(address.tls_key_file, asio::ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(
        fmt::format("Cannot use the certificate {} with the key {}: {}.",
                    address.tls_certificate_file, address.tls_key_file, error.message()));
  }
  return tls;
}

absl::StatusOr<std::unique_ptr<asio::ssl::context>> ClientTls(const Config& config) {
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
  AsioError error;
  tls->set_verify_mode(asio::ssl::verify_peer, error);
  if (config.upstream_ca_file.empty()) {
    tls->set_default_verify_paths(error);
  } else {
    tls->load_verify_file(config.upstream_ca_file, error);
  }
  if (error) {
    return absl::InvalidArgumentError(
        fmt::format("Cannot read the certificates that upstreams are verified with ({}): {}.",
                    config.upstream_ca_file, error.message()));
  }
  return tls;
}

// Every connection costs two descriptors; the soft limit of most systems is far below the hard one.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// `running`: what a reload cannot change; null at the start.
absl::StatusOr<std::shared_ptr<const Snapshot>> LoadSnapshot(
    const std::string& file, const Config* running, std::vector<rules::Problem>& problems) {
  std::optional<Config> config = LoadConfig(file, problems);
  if (!config) {
    return absl::InvalidArgumentError(fmt::format("The configuration {} is not usable.", file));
  }
  const auto begun = std::chrono::steady_clock::now();
  std::shared_ptr<const policy::Bundle> bundle = policy::Bundle::Load(config->bundle, problems);
  if (bundle == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("The rules and profiles that {} names are not usable.", file));
  }
  CheckKeptContent((running != nullptr ? *running : *config).ledger, *bundle, problems);
  if (!problems.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("The profiles that {} names want more kept than its ledger keeps.", file));
  }
  const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  const rules::RuleSet& rule_set = bundle->rule_set();
  for (const std::string& problem : rule_set.cache_problems()) {
    LogError("rules.cache", {{"problem", problem}});
  }
  LogInfo("rules.loaded", {{"bundle", std::string(bundle->digest())},
                           {"rules", rule_set.rule_count()},
                           {"memory_bytes", rule_set.memory_bytes()},
                           {"milliseconds", taken.count()},
                           {"from_cache", rule_set.from_cache()}});
  return std::make_shared<const Snapshot>(
      Snapshot{std::make_shared<const Config>(*std::move(config)), std::move(bundle)});
}

}  // namespace

class Server::State {
 public:
  State(std::string config_file, std::shared_ptr<const Snapshot> snapshot)
      : config_file_(std::move(config_file)),
        config_(snapshot->config),
        metrics_(config_->threads),
        ids_(metrics_),
        reloads_(metrics_.Counter("weir_reloads_total", "result=\"loaded\"",
                                  "Reloads of configuration, rules and profiles.")),
        reloads_refused_(metrics_.Counter("weir_reloads_total", "result=\"refused\"", "")),
        rules_(metrics_.Gauge("weir_rules", "", "Rules of the bundle in force.")),
        rules_memory_(
            metrics_.Gauge("weir_rules_memory_bytes", "",
                           "Memory that the compiled rules of the bundle in force hold.")),
        ledger_open_(metrics_.Gauge("weir_ledger_open", "", "1 while decisions can be recorded.")),
        ledger_records_(metrics_.Gauge("weir_ledger_records", "", "Records in the ledger.")),
        ledger_queue_(metrics_.Gauge("weir_ledger_queue_records", "",
                                     "Records waiting to be "
                                     "committed.")),
        ledger_segments_(
            metrics_.Gauge("weir_ledger_segments", "state=\"closed\"",
                           "Segments of the ledger that are closed, and of them archived.")),
        ledger_archived_(
            metrics_.Gauge("weir_ledger_segments", "state=\"archived\"",
                           "Segments of the ledger that are closed, and of them archived.")),
        ledger_unwitnessed_(metrics_.Gauge("weir_ledger_unwitnessed_records", "",
                                           "Records that the quorum of witnesses has not cosigned "
                                           "yet; 0 without witnesses.")),
        witness_metrics_(metrics_, config_->witnesses),
        fleet_up_(metrics_.Gauge("weir_fleet_up", "",
                                 "1 while records are shipped to the fleet's database.")),
        fleet_waiting_(metrics_.Gauge("weir_fleet_waiting_records", "",
                                      "Signed records that the fleet's database lacks.")),
        fleet_lag_(metrics_.Gauge("weir_fleet_lag_seconds", "",
                                  "Age of the first record that the fleet's database lacks.")),
        ledger_unsigned_(metrics_.Gauge("weir_ledger_unsigned_records", "",
                                        "Records that no signed checkpoint covers yet.")),
        ledger_unindexed_(metrics_.Gauge("weir_ledger_unindexed_contents", "",
                                         "Contents that the word index does not have yet.")),
        ledger_low_(
            metrics_.Gauge("weir_ledger_disk_low", "",
                           "1 while the ledger's disk is so full that no exchange begins.")),
        ledger_free_(metrics_.Gauge("weir_ledger_disk_free_bytes", "",
                                    "Free bytes of the ledger's disk, without its ballast.")),
        ledger_ballast_(metrics_.Gauge("weir_ledger_ballast_bytes", "",
                                       "What is left of the ledger's ballast.")),
        snapshot_(std::move(snapshot)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  absl::Status Start();
  void Reload();
  void Stop();
  absl::Status Wait();

  uint16_t port() const { return port_; }
  uint16_t admin_port() const { return admin_port_; }
  std::string bundle_digest() const { return std::string(snapshot_.load()->bundle->digest()); }

 private:
  // What one thread owns. The io_context goes first at the end: it destroys the coroutines that are
  // left, which still refer to the pool and the workshop.
  struct Worker {
    explicit Worker(Dial dial, const HttpLimits& limits) : pool(std::move(dial), limits) {}
    UpstreamPool pool;
    std::unique_ptr<Workshop> workshop;
    asio::io_context io{1};
    std::optional<tcp::acceptor> acceptor;
    std::thread thread;
  };

  Task<void> Accept(Worker& worker);
  Task<void> Welcome(Worker& worker, tcp::socket socket);
  Task<void> Sweep(Worker& worker);
  Task<void> Drain(Worker& worker);
  Task<void> AcceptAdmin();
  Task<void> ServeAdmin(tcp::socket socket);
  Task<AdminResponse> AnswerAdmin(HttpServerStream& client, HttpRequest& request);
  void FollowLedger(std::string_view account);
  void CountLedger();
  void CountFleet();
  absl::Status OpenListeners();
  void ReloadNow();
  void CountRules();
  void FreeRetired();
  void RecordService(std::string detail);

  const std::string config_file_;
  const std::shared_ptr<const Config> config_;  // what the process was started with
  Metrics metrics_;
  const ExchangeMetrics ids_;
  const Metrics::Id reloads_;
  const Metrics::Id reloads_refused_;
  const Metrics::Id rules_;
  const Metrics::Id rules_memory_;
  const Metrics::Id ledger_open_;
  const Metrics::Id ledger_records_;
  const Metrics::Id ledger_queue_;
  std::string fleet_failure_;    // likewise
  std::string archive_failure_;  // that was logged last; the admin plane's thread's
  const Metrics::Id ledger_segments_;
  const Metrics::Id ledger_archived_;
  const Metrics::Id ledger_unwitnessed_;
  const WitnessMetrics witness_metrics_;
  const Metrics::Id fleet_up_;
  const Metrics::Id fleet_waiting_;
  const Metrics::Id fleet_lag_;
  const Metrics::Id ledger_unsigned_;
  const Metrics::Id ledger_unindexed_;
  const Metrics::Id ledger_low_;
  const Metrics::Id ledger_free_;
  const Metrics::Id ledger_ballast_;
  std::atomic<std::shared_ptr<const Snapshot>> snapshot_;

  std::unique_ptr<LiveLedger> ledger_;
  std::unique_ptr<audit::FleetShipper> fleet_;  // none unless configured
  std::unique_ptr<DemoModel> demo_model_;
  std::unique_ptr<asio::ssl::context> server_tls_;
  std::unique_ptr<asio::ssl::context> admin_tls_;
  std::unique_ptr<asio::ssl::context> client_tls_;
  std::vector<std::unique_ptr<Worker>> workers_;
  uint16_t port_ = 0;
  uint16_t admin_port_ = 0;

  asio::io_context admin_io_{1};
  std::optional<tcp::acceptor> admin_acceptor_;
  std::thread admin_thread_;
  std::unique_ptr<AdminDesk> desk_;
  std::unique_ptr<WitnessClient> witnesses_;

  std::atomic<bool> draining_ = false;
  std::mutex reload_mu_;
  std::condition_variable reload_wanted_cv_;
  bool reload_wanted_ = false;                            // guarded by reload_mu_
  bool reload_stopped_ = false;                           // guarded by reload_mu_
  std::vector<std::shared_ptr<const Snapshot>> retired_;  // of the reload thread
  std::thread reload_thread_;
};

absl::Status Server::State::Start() {
  RaiseDescriptorLimit();
  WEIR_ASSIGN_OR_RETURN(server_tls_, ServerTls(config_->listen));
  WEIR_ASSIGN_OR_RETURN(admin_tls_, ServerTls(config_->admin));
  WEIR_ASSIGN_OR_RETURN(client_tls_, ClientTls(*config_));
  if (config_->demo_model) {
    WEIR_ASSIGN_OR_RETURN(demo_model_, DemoModel::Start(config_->demo_listen));
  }
  WEIR_ASSIGN_OR_RETURN(ledger_, LiveLedger::Open(config_->ledger, metrics_));
  const LedgerSource ledger = [this] { return ledger_->current(); };
  WEIR_ASSIGN_OR_RETURN(desk_, AdminDesk::Open(ledger, config_->ledger.dir,
                                               [this] { return snapshot_.load()->config; }));
  if (!config_->witnesses.sites.empty()) {
    WEIR_ASSIGN_OR_RETURN(witnesses_,
                          WitnessClient::Start(config_->witnesses, ledger, config_->ledger.dir,
                                               MakeDial(*client_tls_), witness_metrics_));
  }
  if (!config_->fleet_database.empty()) {
    fleet_ = std::make_unique<audit::FleetShipper>(config_->ledger.dir, config_->fleet_database);
  }
  WEIR_RETURN_IF_ERROR(OpenListeners());
  RecordService(fmt::format("The gateway has started with bundle {}.", bundle_digest()));
  CountRules();

  for (const std::unique_ptr<Worker>& worker : workers_) {
    asio::co_spawn(worker->io, Accept(*worker), LogLost);
    asio::co_spawn(worker->io, Sweep(*worker), LogLost);
    worker->thread = std::thread([io = &worker->io] { io->run(); });
  }
  asio::co_spawn(admin_io_, AcceptAdmin(), LogLost);
  admin_thread_ = std::thread([this] { admin_io_.run(); });
  ledger_->Begin([this](std::string_view account) { FollowLedger(account); });
  reload_thread_ = std::thread([this] {
    std::unique_lock lock(reload_mu_);
    const auto called = [this] { return reload_wanted_ || reload_stopped_; };
    for (;;) {
      if (retired_.empty()) {
        reload_wanted_cv_.wait(lock, called);
      } else {
        reload_wanted_cv_.wait_for(lock, kRetiredCheckInterval, called);
      }
      if (reload_stopped_) return;
      const bool wanted = std::exchange(reload_wanted_, false);
      lock.unlock();
      if (wanted) ReloadNow();
      FreeRetired();
      lock.lock();
    }
  });
  return absl::OkStatus();
}

absl::Status Server::State::OpenListeners() {
  for (int i = 0; i < config_->threads; ++i) {
    auto worker = std::make_unique<Worker>(MakeDial(*client_tls_), config_->http);
    ListenAddress address = config_->listen;
    if (i == 0) {
      // Seen to be free without SO_REUSEPORT, then opened again to be shared by the threads.
      WEIR_ASSIGN_OR_RETURN(tcp::acceptor probe, Listen(worker->io, address, false));
      port_ = probe.local_endpoint().port();
    }
    address.port = port_;
    WEIR_ASSIGN_OR_RETURN(worker->acceptor, Listen(worker->io, address, true));
    worker->workshop =
        std::make_unique<Workshop>(Workshop{.shard = i,
                                            .executor = worker->io.get_executor(),
                                            .upstreams = worker->pool,
                                            .ledger = ledger_->current(),
                                            .metrics = metrics_,
                                            .ids = ids_,
                                            .current = [this] { return *snapshot_.load(); },
                                            .draining = draining_,
                                            .connections = {}});
    workers_.push_back(std::move(worker));
  }
  WEIR_ASSIGN_OR_RETURN(admin_acceptor_, Listen(admin_io_, config_->admin, false));
  admin_port_ = admin_acceptor_->local_endpoint().port();
  return absl::OkStatus();
}

Task<void> Server::State::Accept(Worker& worker) {
  for (;;) {
    auto [error, socket] = co_await worker.acceptor->async_accept(kTuple);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {
      // Out of descriptors, most likely: those that close make room.
      LogError("accept.failed", {{"reason", error.message()}});
      asio::steady_timer pause(worker.io, kAcceptRetry);
      co_await pause.async_wait(kTuple);
      continue;
    }
    asio::co_spawn(worker.io, Welcome(worker, std::move(socket)), LogLost);
  }
}

Task<void> Server::State::Welcome(Worker& worker, tcp::socket socket) {
  ++worker.workshop->handshakes;
  absl::StatusOr<std::unique_ptr<ByteStream>> stream = co_await gateway::Accept(
      std::move(socket), server_tls_.get(), Clock::now() + kHandshakeTimeout);
  --worker.workshop->handshakes;
  if (!stream.ok()) co_return;  // A port scan or a client without TLS: nothing was asked for.
  co_await ServeConnection(*worker.workshop, *std::move(stream));
}

// Upstream connections that idled too long are closed on a thread without traffic too.
Task<void> Server::State::Sweep(Worker& worker) {
  for (;;) {
    asio::steady_timer pause(worker.io, kSweepEvery);
    co_await pause.async_wait(kTuple);
    worker.pool.CloseExpired();
  }
}

// Ends a worker's connections: idle ones now, the others when their exchange is done or time is up.
Task<void> Server::State::Drain(Worker& worker) {
  // Connections that the kernel has accepted already are served once; closing the listener would
  // reset them.
  AsioError error;
  worker.acceptor->non_blocking(true, error);
  for (;;) {
    tcp::socket socket(worker.io);
    worker.acceptor->accept(socket, error);
    if (error) break;
    asio::co_spawn(worker.io, Welcome(worker, std::move(socket)), LogLost);
  }
  worker.acceptor->close(error);

  const Clock::time_point deadline = Clock::now() + config_->drain_timeout;
  Workshop& workshop = *worker.workshop;
  while (!workshop.connections.empty() || workshop.handshakes > 0) {
    const Clock::time_point now = Clock::now();
    const bool late = now >= deadline;
    for (Connection* connection : workshop.connections) {
      // Late: the exchange says so to its client and in its record; one that cannot is cut off.
      if (late && connection->abandon) connection->abandon();
      if (connection->idle || now >= deadline + kFarewell) connection->stream->Close();
    }
    asio::steady_timer tick(worker.io, kDrainTick);
    co_await tick.async_wait(kTuple);
  }
  worker.pool.CloseIdle();
  worker.io.stop();
}

Task<void> Server::State::AcceptAdmin() {
  for (;;) {
    auto [error, socket] = co_await admin_acceptor_->async_accept(kTuple);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {
      asio::steady_timer pause(admin_io_, kAcceptRetry);
      co_await pause.async_wait(kTuple);
      continue;
    }
    asio::co_spawn(admin_io_, ServeAdmin(std::move(socket)), LogLost);
  }
}

Task<void> Server::State::ServeAdmin(tcp::socket socket) {
  absl::StatusOr<std::unique_ptr<ByteStream>> stream = co_await gateway::Accept(
      std::move(socket), admin_tls_.get(), Clock::now() + kHandshakeTimeout);
  if (!stream.ok()) co_return;
  HttpLimits limits = config_->http;
  limits.body_bytes_max = std::min(limits.body_bytes_max, kAdminBodyBytesMax);
  HttpServerStream client(*std::move(stream), limits);
  for (;;) {
    HttpRequest request;
    const absl::StatusOr<bool> received = co_await client.ReadHead(request);
    if (!received.ok() || !*received) break;
    const AdminResponse response = co_await AnswerAdmin(client, request);
    const absl::Status sent = co_await client.Respond(response.head, response.body, false);
    if (!sent.ok() || !client.keep_alive()) break;
  }
  client.stream().Close();
}

Task<AdminResponse> Server::State::AnswerAdmin(HttpServerStream& client, HttpRequest& request) {
  if (!AdminDesk::Answers(request.path)) {
    CountLedger();
    co_return HandleAdmin(request,
                          {.draining = draining_.load(),
                           .ledger = ledger_->status(),
                           .bundle_digest = bundle_digest()},
                          metrics_);
  }
  std::optional<AdminResponse> refusal = desk_->Refuse(request);
  if (refusal) co_return *std::move(refusal);
  if (request.method != "GET") {
    const absl::Status read = co_await client.ReadBody(request);
    if (!read.ok()) co_return AdminProblem(HttpStatusOf(read), std::string(read.message()));
  }
  using Token = asio::use_awaitable_t<Executor>;
  co_return co_await asio::async_initiate<const Token, void(AdminResponse)>(
      [this](auto handler, HttpRequest moved) {
        // The desk calls back on a thread of its own; the connection goes on on the admin plane's.
        auto done = [executor = admin_io_.get_executor(),
                     handler = std::move(handler)](AdminResponse response) mutable {
          asio::post(executor,
                     [handler = std::move(handler), response = std::move(response)]() mutable {
                       std::move(handler)(std::move(response));
                     });
        };
        desk_->HandIn(std::move(moved), std::move(done));
      },
      Token{}, std::move(request));
}

// The ledger has closed itself and was opened again: whoever holds the closed one takes the new.
// Exchanges that are under way keep theirs, and fail.
void Server::State::FollowLedger(std::string_view account) {
  RecordService(fmt::format("The ledger was opened again by itself. {}", account));
  for (const std::unique_ptr<Worker>& worker : workers_) {
    asio::post(worker->io,
               [w = worker.get(), ledger = ledger_->current()] { w->workshop->ledger = ledger; });
  }
  if (fleet_ != nullptr) fleet_->LookAgain();
}

void Server::State::CountLedger() {
  const audit::LedgerStats stats = ledger_->current()->stats();
  metrics_.Set(ledger_open_, stats.open ? 1 : 0);
  metrics_.Set(ledger_records_, static_cast<double>(stats.size));
  metrics_.Set(ledger_queue_, static_cast<double>(stats.queued));
  metrics_.Set(ledger_segments_, static_cast<double>(stats.segments_closed));
  metrics_.Set(ledger_archived_, static_cast<double>(stats.segments_archived));
  if (std::exchange(archive_failure_, stats.archive_failure) != stats.archive_failure &&
      !stats.archive_failure.empty()) {
    LogError("ledger.archive_failed", {{"why", stats.archive_failure}});
  }
  metrics_.Set(ledger_unwitnessed_, config_->witnesses.sites.empty()
                                        ? 0
                                        : static_cast<double>(stats.size - stats.cosigned_size));
  metrics_.Set(ledger_unindexed_, static_cast<double>(stats.unindexed_contents));
  metrics_.Set(ledger_low_, stats.low ? 1 : 0);
  metrics_.Set(ledger_free_, static_cast<double>(stats.free_bytes));
  metrics_.Set(ledger_ballast_, static_cast<double>(stats.ballast_bytes));
  metrics_.Set(ledger_unsigned_, static_cast<double>(stats.size - stats.checkpoint_size));
  if (fleet_ != nullptr) CountFleet();
}

void Server::State::CountFleet() {
  const audit::FleetStats stats = fleet_->stats();
  metrics_.Set(fleet_up_, stats.status.ok() ? 1 : 0);
  metrics_.Set(fleet_waiting_, static_cast<double>(stats.waiting));
  const int64_t lag_us =
      stats.waits_from_us == 0 ? 0 : absl::ToUnixMicros(absl::Now()) - stats.waits_from_us;
  metrics_.Set(fleet_lag_, static_cast<double>(lag_us) / 1e6);
  std::string failure(stats.status.message());
  if (failure != fleet_failure_ && !failure.empty()) LogError("fleet.failed", {{"why", failure}});
  fleet_failure_ = std::move(failure);
}

void Server::State::Reload() {
  {
    const std::lock_guard lock(reload_mu_);
    reload_wanted_ = true;
  }
  reload_wanted_cv_.notify_one();
}

void Server::State::ReloadNow() {
  std::vector<rules::Problem> problems;
  absl::StatusOr<std::shared_ptr<const Snapshot>> loaded =
      LoadSnapshot(config_file_, config_.get(), problems);
  if (!loaded.ok()) {
    metrics_.Increment(0, reloads_refused_);
    for (const rules::Problem& problem : problems) {
      LogError("reload.problem", {{"problem", problem.ToString()}});
    }
    LogError("reload.refused", {{"reason", std::string(loaded.status().message())},
                                {"kept_bundle", bundle_digest()}});
    RecordService(fmt::format(
        "A reload was refused ({} problems; the first: {}). Bundle {} stays in force.",
        problems.size(), problems.empty() ? "none" : problems.front().ToString(), bundle_digest()));
    return;
  }
  for (const std::string& difference : NeedsRestart(*config_, *(*loaded)->config)) {
    LogError("reload.needs_restart", {{"difference", difference}});
  }
  auto config = std::make_shared<Config>(*(*loaded)->config);
  KeepWhatNeedsRestart(*config_, *config);
  retired_.push_back(snapshot_.exchange(
      std::make_shared<const Snapshot>(Snapshot{std::move(config), (*loaded)->bundle})));
  CountRules();
  metrics_.Increment(0, reloads_);
  LogInfo("reload.loaded", {{"bundle", bundle_digest()}});
  RecordService(fmt::format("Bundle {} is in force.", bundle_digest()));
}

void Server::State::CountRules() {
  const rules::RuleSet& rule_set = snapshot_.load()->bundle->rule_set();
  metrics_.Set(rules_, static_cast<double>(rule_set.rule_count()));
  metrics_.Set(rules_memory_, static_cast<double>(rule_set.memory_bytes()));
}

// Rules that no exchange uses any more. Freeing 100,000 words takes some milliseconds, which the
// thread of the last exchange would lose if it were the one to let go of them.
void Server::State::FreeRetired() {
  std::erase_if(retired_, [](const std::shared_ptr<const Snapshot>& snapshot) {
    return snapshot.use_count() == 1 && snapshot->bundle.use_count() == 1;
  });
}

// The gateway's own doings are records too. Nobody waits for them: when the ledger is closed, every
// exchange is refused anyway.
void Server::State::RecordService(std::string detail) {
  audit::Record record;
  record.kind = audit::RecordKind::kService;
  record.bundle = bundle_digest();
  record.detail = std::move(detail);
  ledger_->current()->Append(std::move(record), [](const absl::StatusOr<audit::Receipt>&) {});
}

void Server::State::Stop() {
  if (draining_.exchange(true)) return;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    asio::post(worker->io, [this, w = worker.get()] { asio::co_spawn(w->io, Drain(*w), LogLost); });
  }
}

absl::Status Server::State::Wait() {
  for (const std::unique_ptr<Worker>& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
  {
    const std::lock_guard lock(reload_mu_);
    reload_stopped_ = true;
  }
  reload_wanted_cv_.notify_one();
  if (reload_thread_.joinable()) reload_thread_.join();
  admin_io_.stop();
  if (admin_thread_.joinable()) admin_thread_.join();
  if (ledger_ != nullptr) ledger_->End();
  desk_.reset();
  fleet_.reset();
  if (ledger_ == nullptr) return absl::OkStatus();
  RecordService("The gateway has stopped in order.");
  // What was recorded last is to be witnessed too, before nobody can for a while.
  if (witnesses_ != nullptr) witnesses_->Finish(kWitnessPatience);
  witnesses_.reset();
  return ledger_->Close();
}

Server::State::~State() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->io.stop();
  const absl::Status closed = Wait();
  if (!closed.ok()) LogError("ledger.not_closed", {{"reason", std::string(closed.message())}});
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const std::string& config_file,
                                                      std::vector<rules::Problem>& problems) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const Snapshot> snapshot,
                        LoadSnapshot(config_file, nullptr, problems));
  auto state = std::make_unique<State>(config_file, std::move(snapshot));
  WEIR_RETURN_IF_ERROR(state->Start());
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::Reload() {
  state_->Reload();
}
void Server::Stop() {
  state_->Stop();
}
absl::Status Server::Wait() {
  return state_->Wait();
}
uint16_t Server::port() const {
  return state_->port();
}
uint16_t Server::admin_port() const {
  return state_->admin_port();
}
std::string Server::bundle_digest() const {
  return state_->bundle_digest();
}

}  // namespace weir::gateway
