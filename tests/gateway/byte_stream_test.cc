#include "gateway/byte_stream.h"

#include <sys/socket.h>

#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/run_task.h"
#include "tests/gateway/test_certificates.h"

namespace weir::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using StreamOr = absl::StatusOr<std::unique_ptr<ByteStream>>;

Clock::time_point In(milliseconds time) {
  return Clock::now() + time;
}

// A stream and the plain socket at its other end.
class Streams : public testing::Test {
 protected:
  Streams() : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}), peer_(io_) {
    peer_.connect(acceptor_.local_endpoint());
    StreamOr stream = RunTask(io_, Accept(acceptor_.accept(), nullptr, Clock::time_point::max()));
    stream_ = *std::move(stream);
  }

  absl::StatusOr<std::string> Read(size_t bytes_max = 100) {
    std::string text(bytes_max, '\0');
    const auto n = RunTask(io_, stream_->Read(absl::MakeSpan(text.data(), text.size())));
    if (!n.ok()) return n.status();
    return text.substr(0, *n);
  }
  void Send(std::string_view text) { asio::write(peer_, asio::buffer(text)); }
  // Makes the next read fail at the peer with a reset.
  void ResetByPeer() {
    peer_.set_option(asio::socket_base::linger(true, 0));
    peer_.close();
  }
  void RunFor(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  tcp::socket peer_;
  std::unique_ptr<ByteStream> stream_;
};

TEST_F(Streams, ReadsWhatArrives) {
  Send("hello");
  EXPECT_EQ(*Read(2), "he");
  EXPECT_EQ(*Read(), "llo");
  asio::post(io_, [this] { Send("later"); });
  EXPECT_EQ(*Read(), "later");
  peer_.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(*Read(), "");
  EXPECT_EQ(*Read(), "");
}

TEST_F(Streams, NamesItsPeer) {
  EXPECT_EQ(stream_->peer(), "127.0.0.1:" + std::to_string(peer_.local_endpoint().port()));
}

TEST_F(Streams, WritesBothParts) {
  ASSERT_TRUE(RunTask(io_, stream_->Write("one ", "two")).ok());
  ASSERT_TRUE(RunTask(io_, stream_->Write("", " three")).ok());
  ASSERT_TRUE(RunTask(io_, stream_->Write("", "")).ok());
  stream_->CloseWrite();
  std::string text;
  boost::system::error_code error;
  asio::read(peer_, asio::dynamic_buffer(text), error);
  EXPECT_EQ(text, "one two three");
  EXPECT_EQ(error, asio::error::eof);
}

TEST_F(Streams, WritesMoreThanTheSocketTakes) {
  const std::string first(3'000'000, 'a');
  const std::string second(3'000'000, 'b');
  std::string received;
  std::thread reader([&] {
    boost::system::error_code error;
    asio::read(peer_, asio::dynamic_buffer(received), error);
  });
  EXPECT_TRUE(RunTask(io_, stream_->Write(first, second)).ok());
  stream_->Close();
  reader.join();
  EXPECT_TRUE(received == first + second);
}

TEST_F(Streams, ReadsEndAtTheDeadline) {
  stream_->SetDeadline(In(milliseconds(20)));
  const auto began = Clock::now();
  const auto read = Read();
  EXPECT_TRUE(absl::IsDeadlineExceeded(read.status()));
  EXPECT_THAT(std::string(read.status().message()),
              MatchesRegex("reading from 127.0.0.1:[0-9]+ took too long"));
  EXPECT_LT(Clock::now() - began, kDeadlineTick * 3);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Read().status()));
  // A new deadline is a new chance: a server still has an answer to write.
  stream_->SetDeadline(In(milliseconds(10'000)));
  Send("x");
  EXPECT_EQ(*Read(), "x");
}

TEST_F(Streams, WritesEndAtTheDeadline) {
  stream_->SetDeadline(In(milliseconds(20)));
  const std::string much(30'000'000, 'x');
  const absl::Status written = RunTask(io_, stream_->Write(much));
  EXPECT_TRUE(absl::IsDeadlineExceeded(written));
  EXPECT_THAT(std::string(written.message()), StartsWith("writing to 127.0.0.1:"));
}

TEST_F(Streams, ADeadlineMayMoveWhileWaiting) {
  stream_->SetDeadline(In(milliseconds(60'000)));
  asio::post(io_, [this] { stream_->SetDeadline(In(milliseconds(1))); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(Read().status()));
}

TEST_F(Streams, CloseEndsWhatIsUnderWay) {
  asio::post(io_, [this] { stream_->Close(); });
  const auto read = Read();
  EXPECT_TRUE(absl::IsCancelled(read.status()));
  stream_->Close();
  EXPECT_TRUE(absl::IsCancelled(Read().status()));
  EXPECT_TRUE(absl::IsCancelled(RunTask(io_, stream_->Write("x"))));
  EXPECT_FALSE(stream_->Idle());
}

TEST_F(Streams, CloseEndsAWaitingWrite) {
  asio::post(io_, [this] { asio::post(io_, [this] { stream_->Close(); }); });
  const std::string much(30'000'000, 'x');
  EXPECT_TRUE(absl::IsCancelled(RunTask(io_, stream_->Write(much))));
}

TEST_F(Streams, DestructionUnderAnOperationEndsIt) {
  asio::post(io_, [this] { stream_.reset(); });
  EXPECT_TRUE(absl::IsCancelled(Read().status()));
}

TEST_F(Streams, AContextMayEndUnderAnOperation) {
  auto io = std::make_unique<asio::io_context>(1);
  tcp::socket left(*io);
  tcp::acceptor acceptor(*io, {asio::ip::address_v4::loopback(), 0});
  left.connect(acceptor.local_endpoint());
  auto stream = *RunTask(*io, Accept(acceptor.accept(), nullptr, Clock::time_point::max()));
  stream->SetDeadline(In(milliseconds(60'000)));
  stream->WatchForLoss([] {});
  char byte;
  asio::co_spawn(io->get_executor(), stream->Read(absl::MakeSpan(&byte, 1)), asio::detached);
  io->restart();
  io->run_for(milliseconds(1));
  left.close();
  acceptor.close();
  stream.reset();
  io.reset();
}

TEST_F(Streams, AResetIsUnavailable) {
  ResetByPeer();
  const auto read = Read();
  EXPECT_TRUE(absl::IsUnavailable(read.status()));
  EXPECT_THAT(std::string(read.status().message()),
              MatchesRegex("reading from 127.0.0.1:[0-9]+: Connection reset by peer"));
  EXPECT_TRUE(absl::IsUnavailable(RunTask(io_, stream_->Write("x"))));  // And no SIGPIPE.
}

TEST_F(Streams, IdleIsOpenWithNothingUnread) {
  EXPECT_TRUE(stream_->Idle());
  Send("x");
  EXPECT_FALSE(stream_->Idle());
  EXPECT_EQ(*Read(), "x");
  EXPECT_TRUE(stream_->Idle());
  peer_.close();
  EXPECT_FALSE(stream_->Idle());
}

TEST_F(Streams, LossIsReportedOnce) {
  int lost = 0;
  stream_->WatchForLoss([&] { lost++; });
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_EQ(lost, 0);
  peer_.close();
  RunFor(2 * kDeadlineTick + milliseconds(100));
  EXPECT_EQ(lost, 1);
}

TEST_F(Streams, LossIsSeenBehindUnreadBytesWhichStay) {
  bool lost = false;
  stream_->WatchForLoss([&] { lost = true; });
  Send("pipelined");
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_FALSE(lost);
  peer_.close();
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_TRUE(lost);
  EXPECT_EQ(*Read(), "pipelined");
}

TEST_F(Streams, AResetIsALoss) {
  bool lost = false;
  stream_->WatchForLoss([&] { lost = true; });
  ResetByPeer();
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_TRUE(lost);
}

TEST_F(Streams, WatchingEndsWithReadStopAndClose) {
  bool lost = false;
  const auto watch = [&] { stream_->WatchForLoss([&] { lost = true; }); };
  watch();
  Send("x");
  EXPECT_EQ(*Read(), "x");
  watch();
  stream_->StopWatching();
  watch();
  stream_->Close();
  watch();
  peer_.close();
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_FALSE(lost);
}

TEST_F(Streams, ALossMayDestroyTheStream) {
  stream_->WatchForLoss([this] { stream_.reset(); });
  peer_.close();
  RunFor(kDeadlineTick + milliseconds(100));
  EXPECT_EQ(stream_, nullptr);
}

TEST_F(Streams, AContextWithNothingToDoEnds) {
  stream_->SetDeadline(In(milliseconds(60'000)));
  Send("x");
  EXPECT_EQ(*Read(), "x");
  io_.restart();
  const auto began = Clock::now();
  io_.run();  // The stream is open and has a deadline, but nobody waits on it.
  EXPECT_LT(Clock::now() - began, 2 * kDeadlineTick);
}

TEST_F(Streams, AFastPeerDoesNotStarveOthers) {
  std::thread writer([this] {
    boost::system::error_code error;
    const std::string block(1 << 20, 'x');
    while (!error) asio::write(peer_, asio::buffer(block), error);
  });
  bool others_had_a_turn = false;
  const auto reading = [](ByteStream& stream, bool& stop) -> Task<bool> {
    std::string into(512, '\0');
    // So small reads that the kernel always has more.
    for (int i = 0; i < 100'000 && !stop; i++) {
      const auto n = co_await stream.Read(absl::MakeSpan(into.data(), into.size()));
      if (!n.ok()) co_return false;
    }
    co_return stop;
  };
  asio::post(io_, [&] { asio::post(io_, [&] { others_had_a_turn = true; }); });
  EXPECT_TRUE(RunTask(io_, reading(*stream_, others_had_a_turn)));
  stream_->Close();
  writer.join();
}

// ---- Connecting.

class Connecting : public testing::Test {
 protected:
  Connecting()
      : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        client_tls_(asio::ssl::context::tls_client),
        server_tls_(asio::ssl::context::tls_server),
        dial_(MakeDial(client_tls_)) {
    const TestCertificates& certificates = TestCertificates::Get();
    server_tls_.use_certificate_chain(asio::buffer(certificates.localhost_chain_pem));
    server_tls_.use_private_key(asio::buffer(certificates.localhost_key_pem),
                                asio::ssl::context::pem);
    client_tls_.add_certificate_authority(asio::buffer(certificates.authority_pem));
  }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

  StreamOr Connect(const std::string& host, bool tls, milliseconds within = milliseconds(5'000)) {
    return RunTask(io_, dial_(Endpoint{host, port(), tls}, In(within)));
  }

  // Accepts one TLS connection and answers what it reads, in capitals.
  static Task<void> ServeTls(tcp::acceptor& acceptor, asio::ssl::context& tls,
                             absl::Status& result) {
    tcp::socket socket(acceptor.get_executor());
    co_await acceptor.async_accept(socket, asio::as_tuple(asio::deferred));
    StreamOr stream = co_await Accept(std::move(socket), &tls, In(milliseconds(5'000)));
    result = stream.status();
    if (!stream.ok()) co_return;
    std::string text(100'000, '\0');
    for (;;) {
      const auto n = co_await (*stream)->Read(absl::MakeSpan(text.data(), text.size()));
      if (!n.ok()) result = n.status();
      if (!n.ok() || *n == 0) co_return;
      for (char& c : text) c = static_cast<char>(std::toupper(c));
      result = co_await (*stream)->Write("<", std::string_view(text).substr(0, *n));
      if (!result.ok()) co_return;
    }
  }
  void StartTls() {
    asio::co_spawn(io_.get_executor(), ServeTls(acceptor_, server_tls_, served_), asio::detached);
  }

  // Until the server's coroutine has come to its end.
  void RunUntilServed() {
    io_.restart();
    io_.run_for(milliseconds(2'000));
  }

  absl::StatusOr<std::string> Read(ByteStream& stream) {
    std::string text(1'000, '\0');
    const auto n = RunTask(io_, stream.Read(absl::MakeSpan(text.data(), text.size())));
    if (!n.ok()) return n.status();
    return text.substr(0, *n);
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::ssl::context client_tls_;
  asio::ssl::context server_tls_;
  Dial dial_;
  absl::Status served_ = absl::UnknownError("nobody came");
};

TEST_F(Connecting, ToAnAddressAndToAName) {
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    const StreamOr stream = Connect(host, false);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->peer(), host + ":" + std::to_string(port()));
  }
}

TEST_F(Connecting, ARefusalNamesThePeer) {
  const std::string name = "127.0.0.1:" + std::to_string(port());
  const uint16_t refused = port();
  acceptor_.close();
  const StreamOr stream =
      RunTask(io_, dial_(Endpoint{"127.0.0.1", refused, false}, In(milliseconds(5'000))));
  EXPECT_TRUE(absl::IsUnavailable(stream.status()));
  EXPECT_EQ(stream.status().message(), "connecting to " + name + ": Connection refused");
}

TEST_F(Connecting, AnUnknownNameIsUnavailable) {
  const StreamOr stream = Connect("no-such-host.invalid", false);
  EXPECT_FALSE(stream.ok());
  EXPECT_THAT(std::string(stream.status().message()),
              StartsWith("looking up the address of no-such-host.invalid"));
}

TEST_F(Connecting, TlsCarriesBytesBothWays) {
  StartTls();
  StreamOr stream = Connect("localhost", true);
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(RunTask(io_, (*stream)->Write("hel", "lo")).ok());
  EXPECT_EQ(*Read(**stream), "<HELLO");
  EXPECT_TRUE((*stream)->Idle());  // Session tickets are no unread data.
  const std::string much(60'000, 'a');
  ASSERT_TRUE(RunTask(io_, (*stream)->Write(much, much)).ok());
  size_t received = 0;
  while (received < 120'000) received += Read(**stream)->size();
  (*stream)->Close();
  RunUntilServed();
}

TEST_F(Connecting, TlsWithAnAddressInTheCertificate) {
  StartTls();
  EXPECT_TRUE(Connect("127.0.0.1", true).ok());
}

TEST_F(Connecting, ACertificateForAnotherNameIsRefused) {
  server_tls_ = asio::ssl::context(asio::ssl::context::tls_server);
  const TestCertificates& certificates = TestCertificates::Get();
  server_tls_.use_certificate_chain(asio::buffer(certificates.other_name_chain_pem));
  server_tls_.use_private_key(asio::buffer(certificates.other_name_key_pem),
                              asio::ssl::context::pem);
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    StartTls();
    const StreamOr stream = Connect(host, true);
    EXPECT_TRUE(absl::IsUnavailable(stream.status()));
    EXPECT_THAT(std::string(stream.status().message()), HasSubstr("its certificate was refused: "));
    EXPECT_THAT(std::string(stream.status().message()), HasSubstr("mismatch"));
  }
}

TEST_F(Connecting, AnUntrustedChainIsRefused) {
  asio::ssl::context trusts_nobody(asio::ssl::context::tls_client);
  trusts_nobody.set_verify_mode(asio::ssl::verify_none);  // Which the dial does not ask.
  StartTls();
  const Dial dial = MakeDial(trusts_nobody);
  const StreamOr stream =
      RunTask(io_, dial(Endpoint{"localhost", port(), true}, In(milliseconds(5'000))));
  EXPECT_TRUE(absl::IsUnavailable(stream.status()));
  EXPECT_THAT(std::string(stream.status().message()),
              HasSubstr("its certificate was refused: unable to get local issuer certificate"));
}

TEST_F(Connecting, AnExpiredCertificateIsRefused) {
  server_tls_ = asio::ssl::context(asio::ssl::context::tls_server);
  const TestCertificates& certificates = TestCertificates::Get();
  server_tls_.use_certificate_chain(asio::buffer(certificates.expired_chain_pem));
  server_tls_.use_private_key(asio::buffer(certificates.expired_key_pem), asio::ssl::context::pem);
  StartTls();
  const StreamOr stream = Connect("localhost", true);
  EXPECT_THAT(std::string(stream.status().message()),
              HasSubstr("its certificate was refused: certificate has expired"));
}

TEST_F(Connecting, APeerThatSpeaksNoTlsIsSaidSo) {
  asio::co_spawn(
      io_.get_executor(),
      [](tcp::acceptor& acceptor) -> Task<void> {
        tcp::socket socket(acceptor.get_executor());
        co_await acceptor.async_accept(socket, asio::as_tuple(asio::deferred));
        co_await asio::async_write(socket,
                                   asio::buffer(std::string_view("HTTP/1.1 400 Bad\r\n\r\n")),
                                   asio::as_tuple(asio::deferred));
      }(acceptor_),
      asio::detached);
  const StreamOr stream = Connect("localhost", true);
  EXPECT_TRUE(absl::IsUnavailable(stream.status()));
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("TLS handshake with localhost:"));
}

TEST_F(Connecting, AHandshakeEndsAtItsDeadline) {
  // Nobody accepts: the kernel does, and nobody speaks.
  const StreamOr client = Connect("localhost", true, milliseconds(20));
  EXPECT_TRUE(absl::IsDeadlineExceeded(client.status()));
  tcp::socket silent(io_);
  silent.connect(acceptor_.local_endpoint());
  acceptor_.accept();
  const StreamOr server =
      RunTask(io_, Accept(acceptor_.accept(), &server_tls_, In(milliseconds(20))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(server.status()));
  EXPECT_THAT(std::string(server.status().message()), StartsWith("TLS handshake with 127.0.0.1:"));
}

TEST_F(Connecting, ATlsConnectionCutShortIsNoOrderlyEnd) {
  StartTls();
  StreamOr stream = Connect("localhost", true);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(RunTask(io_, (*stream)->Write("x")).ok());
  EXPECT_EQ(*Read(**stream), "<X");
  (*stream)->Close();  // In order: the server reads the end.
  RunUntilServed();
  EXPECT_TRUE(served_.ok()) << served_;

  served_ = absl::UnknownError("nobody came");
  StartTls();
  asio::ssl::context tls(asio::ssl::context::tls_client);
  asio::ssl::stream<tcp::socket> rude(io_, tls);
  rude.next_layer().connect(acceptor_.local_endpoint());
  std::thread handshake([&] { rude.handshake(asio::ssl::stream_base::client); });
  io_.restart();
  io_.run_for(milliseconds(300));
  handshake.join();
  rude.next_layer().shutdown(tcp::socket::shutdown_send);
  RunUntilServed();
  EXPECT_TRUE(absl::IsUnavailable(served_)) << served_;
  EXPECT_THAT(std::string(served_.message()), HasSubstr("without a TLS farewell"));
}

TEST(Threads, EachContextHasItsOwnClock) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; t++) {
    threads.emplace_back([] {
      asio::io_context io(1);
      tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
      for (int i = 0; i < 20; i++) {
        tcp::socket peer(io);
        peer.connect(acceptor.local_endpoint());
        auto stream = *RunTask(io, Accept(acceptor.accept(), nullptr, In(milliseconds(1'000))));
        asio::write(peer, asio::buffer("x", 1));
        char byte;
        EXPECT_TRUE(RunTask(io, stream->Read(absl::MakeSpan(&byte, 1))).ok());
        EXPECT_TRUE(RunTask(io, stream->Write("answer")).ok());
        stream->SetDeadline(In(milliseconds(1)));
        if (i == 0) {
          EXPECT_FALSE(RunTask(io, stream->Read(absl::MakeSpan(&byte, 1))).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace weir::gateway
