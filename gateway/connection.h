// What plain and TLS streams share: a socket, its deadline, and who waits on it. Only for the .cc
// files of byte_stream.h.
//
// How a byte moves. A read or a write first tries the system call; only when the kernel has nothing
// does the coroutine suspend in Asio's reactor. What a suspended coroutine touches (Connection) is
// shared by the stream and the coroutine, so destroying a stream under an operation closes the
// socket and the operation ends on its own with kCancelled.
//
// Deadlines need no timer for each operation: a connection with a suspended operation, or one that
// is watched, hangs in the list of its thread's Ticker, which walks the list every kDeadlineTick
// and cancels what is late. The timer runs only while the list is not empty, so an io_context with
// nothing to do still comes to its end.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/intrusive/list_hook.hpp>

#include "gateway/byte_stream.h"

namespace weir::gateway {

inline constexpr auto kAwait = boost::asio::as_tuple(boost::asio::deferred);

// What was being done, for errors.
inline constexpr char kReading[] = "reading from";
inline constexpr char kWriting[] = "writing to";

class Ticker;
using TickerHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Connection : public TickerHook, public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket connected, std::string peer_name);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // Held across a suspension: the deadline counts meanwhile.
  class Suspended {
   public:
    explicit Suspended(Connection& connection);
    Suspended(const Suspended&) = delete;
    Suspended& operator=(const Suspended&) = delete;
    ~Suspended();

   private:
    Connection& connection_;
  };

  // OK when an operation may start or go on.
  absl::Status Check(const char* doing) const;
  absl::Status Lost(const char* doing, const std::string& reason) const;
  absl::Status Lost(const char* doing, int error) const;

  // True when other connections should have a turn first.
  bool TurnIsOver();

  void SetDeadline(Clock::time_point deadline);
  void Watch(absl::AnyInvocable<void()> lost);
  void StopWatching();
  void Close();
  bool closed() const { return closed_; }

  // Whether the kernel holds nothing from the peer, not even its end.
  bool NothingToRead();

  boost::asio::ip::tcp::socket socket;
  const std::string peer;

 private:
  friend class Ticker;

  // What the protocol says before the socket closes, if the socket takes it at once.
  virtual void SayGoodbye() {}

  void Link();
  void UnlinkIfUnused();
  void Expire(Clock::time_point now);
  void ReportLoss();

  Ticker& ticker_;
  Clock::time_point deadline_ = Clock::time_point::max();
  absl::AnyInvocable<void()> lost_;
  int suspended_ = 0;
  int operations_in_turn_ = 0;
  bool closed_ = false;
  bool expired_ = false;
};

// Lets other connections of the thread have a turn.
Task<void> Yield();

// Suspends until the socket may be read or written, the deadline passes or Close() is called; the
// caller tries again and learns which.
Task<void> WaitFor(std::shared_ptr<Connection> connection,
                   boost::asio::ip::tcp::socket::wait_type what);

// What both kinds of stream do in the same way.
template <class C>
class SocketStream : public ByteStream {
 public:
  explicit SocketStream(std::shared_ptr<C> connection) : connection_(std::move(connection)) {}
  ~SocketStream() override { connection_->Close(); }

  void Close() override { connection_->Close(); }
  void SetDeadline(Clock::time_point deadline) override { connection_->SetDeadline(deadline); }
  void WatchForLoss(absl::AnyInvocable<void()> lost) override {
    connection_->Watch(std::move(lost));
  }
  void StopWatching() override { connection_->StopWatching(); }
  std::string_view peer() const override { return connection_->peer; }

 protected:
  const std::shared_ptr<C> connection_;
};

}  // namespace weir::gateway
