// The gateway's side of witnessing, against witnesses that answer as c2sp.org/tlog-witness says,
// fail, lie, or know better.
#include "gateway/witness_client.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/files.h"
#include "audit/quorum.h"
#include "audit/reader.h"
#include "audit/witness.h"
#include "gateway/http.h"
#include "tests/audit/scratch.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using audit::AppendAndWait;
using audit::ServiceRecord;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

// A witness behind a socket. `mood` decides what becomes of a request before it is one for the
// witness.
class Site {
 public:
  enum class Mood { kWilling, kDown, kLying, kKnowsBetter, kUnbelieving };

  Site(const std::string& dir, const std::string& name, const audit::VerifierKey& log) {
    EXPECT_TRUE(audit::MakeDirectory(dir).ok());
    const audit::SigningKey key =
        *audit::SigningKey::Generate(name, audit::SignatureAlgorithm::kCosignature);
    key_ = key.VerifierKey();
    std::ofstream(dir + "/key") << key.ToString();
    witness_ = *audit::Witness::Open(
        {.key_file = dir + "/key", .logs = {log}, .state_file = dir + "/state"});
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() {
    io_.stop();
    thread_.join();
  }

  audit::VerifierKey key() const { return *audit::VerifierKey::Parse(key_); }
  WitnessSite ForPlan() const {
    Upstream upstream;
    upstream.name = key().name();
    upstream.endpoint = {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()};
    upstream.host_field = "127.0.0.1";
    return {key(), upstream};
  }
  void Be(Mood mood) { mood_ = mood; }
  int requests() const { return requests_; }

 private:
  Task<void> Accept() {
    for (;;) {
      auto [error, socket] =
          co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable_t<Executor>{}));
      if (error) co_return;
      asio::co_spawn(io_, Serve(std::move(socket)), asio::detached);
    }
  }
  Task<void> Serve(tcp::socket socket) {
    auto stream = co_await gateway::Accept(std::move(socket), nullptr,
                                           Clock::now() + std::chrono::seconds(5));
    HttpServerStream http(*std::move(stream), HttpLimits());
    for (;;) {
      HttpRequest request;
      const absl::StatusOr<bool> received = co_await http.ReadHead(request);
      if (!received.ok() || !*received) break;
      if (const absl::Status read = co_await http.ReadBody(request); !read.ok()) break;
      ++requests_;
      if (mood_ == Mood::kDown) break;
      audit::WitnessAnswer answer = Answer(request);
      HttpResponseHead head;
      head.status = answer.status;
      head.fields = {{"content-type", std::string(answer.media_type)}};
      if (!(co_await http.Respond(head, answer.body, false)).ok()) break;
    }
    http.stream().Close();
  }
  audit::WitnessAnswer Answer(const HttpRequest& request) {
    if (request.path != "/add-checkpoint") return {.status = 404, .body = ""};
    if (mood_ == Mood::kKnowsBetter) return {.status = 409, .body = "1000000\n"};
    if (mood_ == Mood::kUnbelieving) return {.status = 422, .body = "no\n"};
    audit::WitnessAnswer answer = witness_->AddCheckpoint(request.body);
    if (mood_ == Mood::kLying && answer.status == 200) {
      answer.body[answer.body.size() - 10] ^= 1;
    }
    return answer;
  }

  std::string key_;
  std::unique_ptr<audit::Witness> witness_;
  std::atomic<Mood> mood_ = Mood::kWilling;
  std::atomic<int> requests_ = 0;
  asio::io_context io_{1};
  asio::basic_socket_acceptor<tcp, Executor> acceptor_{
      io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::thread thread_;
};

class WitnessClientTest : public ::testing::Test {
 protected:
  WitnessClientTest() {
    // The log's key must be there before its witnesses are.
    ledger_ = audit::Ledger::Open({.dir = scratch_.dir()}).value();
    log_ = ledger_->verifier_key();
    for (const char* name : {"a.example/w", "b.example/w"}) {
      sites_.push_back(std::make_unique<Site>(scratch_.dir() + "-" + name[0], name,
                                              *audit::VerifierKey::Parse(log_)));
      plan_.sites.push_back(sites_.back()->ForPlan());
    }
    plan_.quorum = 2;
    EXPECT_TRUE(ledger_->Close().ok());
    ledger_ = audit::Ledger::Open(
                  {.dir = scratch_.dir(), .witnesses = {sites_[0]->key(), sites_[1]->key()}})
                  .value();
  }
  ~WitnessClientTest() override { client_.reset(); }

  void Start() {
    metrics_ = std::make_unique<Metrics>(1);
    ids_ = std::make_unique<WitnessMetrics>(*metrics_, plan_);
    client_ = WitnessClient::Start(
                  plan_, [this] { return Current(); }, scratch_.dir(), MakeDial(tls_), *ids_)
                  .value();
  }
  std::shared_ptr<audit::Ledger> Current() {
    const std::lock_guard lock(mu_);
    return ledger_;
  }
  void Append(int records) {
    for (int i = 0; i < records; ++i) ASSERT_TRUE(AppendAndWait(*ledger_, ServiceRecord("x")).ok());
  }
  void FinishAll() {
    client_->Finish(kPatience);
    const audit::LedgerStats stats = ledger_->stats();
    EXPECT_EQ(stats.cosigned_size, stats.size);
  }
  // Waits until so many requests of a witness have ended in `result`.
  void Await(const std::string& witness, const std::string& result, int count) {
    const std::string series =
        "weir_witness_requests_total{witness=\"" + witness + "\",result=\"" + result + "\"} ";
    const auto deadline = Clock::now() + kPatience;
    for (;;) {
      const std::string text = metrics_->Render();
      const size_t at = text.find(series);
      ASSERT_NE(at, std::string::npos) << text;
      if (std::stoi(text.substr(at + series.size())) >= count) return;
      ASSERT_LT(Clock::now(), deadline) << text;
      std::this_thread::yield();
    }
  }

  const audit::Scratch scratch_{audit::Scratch::Memory()};
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::mutex mu_;
  std::shared_ptr<audit::Ledger> ledger_;  // replaced under mu_ while the client runs
  std::string log_;
  std::vector<std::unique_ptr<Site>> sites_;
  WitnessPlan plan_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<WitnessMetrics> ids_;
  std::unique_ptr<WitnessClient> client_;
};

TEST_F(WitnessClientTest, CheckpointsGetTheirCosignatures) {
  Append(5);
  Start();
  FinishAll();
  Append(300);
  FinishAll();
  ASSERT_TRUE(ledger_->Close().ok());
  const std::unique_ptr<audit::Reader> reader = audit::Reader::Open(scratch_.dir()).value();
  const audit::Quorum quorum = {*audit::VerifierKey::Parse(log_), sites_[0]->key(),
                                sites_[1]->key()};
  EXPECT_TRUE(audit::OpenCheckpoint(*reader->LatestCheckpoint(), quorum).ok());
  EXPECT_TRUE(audit::VerifyEvidenceFile(EvidenceFile(*reader->Prove(7)), quorum).ok());
  const audit::VerifyReport report = *reader->Verify(quorum);
  EXPECT_TRUE(report.ok) << report.reason;
  EXPECT_EQ(report.unwitnessed_records, 0);
}

// A client that starts anew knows nothing: the witness tells it where to begin.
TEST_F(WitnessClientTest, BeginsWhereTheWitnessIs) {
  Append(5);
  Start();
  FinishAll();
  client_.reset();
  Append(40);
  Start();
  FinishAll();
}

TEST_F(WitnessClientTest, GoesOnWithALedgerThatWasOpenedAgain) {
  Append(5);
  Start();
  FinishAll();
  EXPECT_TRUE(ledger_->Close().ok());
  std::shared_ptr<audit::Ledger> again =
      audit::Ledger::Open(
          {.dir = scratch_.dir(), .witnesses = {sites_[0]->key(), sites_[1]->key()}}, ledger_.get())
          .value();
  {
    const std::lock_guard lock(mu_);
    ledger_ = std::move(again);
  }
  Append(5);
  FinishAll();
}

TEST_F(WitnessClientTest, ATroubledWitnessHoldsUpNobody) {
  sites_[1]->Be(Site::Mood::kDown);
  plan_.quorum = 1;
  Append(5);
  Start();
  FinishAll();
  Await("b.example/w", "failed", 1);
  Append(5);
  FinishAll();
  // And is asked again until it is back.
  sites_[1]->Be(Site::Mood::kWilling);
  Await("b.example/w", "cosigned", 1);
}

TEST_F(WitnessClientTest, WithoutTheQuorumNothingIsKept) {
  for (const Site::Mood mood : {Site::Mood::kDown, Site::Mood::kLying}) {
    sites_[1]->Be(mood);
    Append(5);
    Start();
    Await("b.example/w", "failed", 1);
    Await("a.example/w", "cosigned", 1);
    EXPECT_EQ(ledger_->stats().cosigned_size, 0);
    client_.reset();
  }
}

TEST_F(WitnessClientTest, ARollbackIsAnAlarm) {
  for (const Site::Mood mood : {Site::Mood::kKnowsBetter, Site::Mood::kUnbelieving}) {
    sites_[0]->Be(mood);
    Append(5);
    Start();
    Await("a.example/w", "refused", 1);
    EXPECT_EQ(ledger_->stats().cosigned_size, 0);
    client_.reset();
  }
}

}  // namespace
}  // namespace weir::gateway
