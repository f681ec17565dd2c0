// A ByteStream without a socket, for tests: what the peer sends is scripted in any cut, what is
// written is captured, and the Nth operation can be made to fail.
//
//   auto peer = std::make_shared<FakePeer>(executor);
//   peer->Feed("HTTP/1.1 200 OK\r\n");            // one Read returns at most one piece
//   peer->End();                                   // then 0; without it a Read waits
//   HttpClientStream stream(FakeStream::Make(peer), HttpLimits());
//   ... peer->output() ...
//
// Every operation suspends once, as on a real socket. One thread.
#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include <absl/functional/any_invocable.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "gateway/byte_stream.h"

namespace weir::gateway {

// The far end of a FakeStream, kept by the test.
class FakePeer {
 public:
  explicit FakePeer(Executor executor) : changed_(executor, Clock::time_point::max()) {}

  // The peer sends a piece, byte by byte when `bytes_in_piece` is 1, and so on.
  void Feed(std::string_view text, size_t bytes_in_piece = std::string_view::npos) {
    while (!text.empty()) {
      input_.emplace_back(text.substr(0, bytes_in_piece));
      text.remove_prefix(input_.back().size());
    }
    changed_.cancel();
  }
  // The peer closes in order, behind what it sent.
  void End() {
    ended_ = true;
    changed_.cancel();
  }
  // The peer is gone: pending and later operations fail, and a watcher is told.
  void Lose() {
    lost_ = true;
    changed_.cancel();
    if (auto watcher = std::exchange(watcher_, nullptr)) watcher();
  }
  // The operation (read or write) of this number, counted from 0, fails with `status`.
  void FailAt(int operation, absl::Status status = absl::UnavailableError("fake: lost")) {
    fail_at_ = operation;
    fail_with_ = std::move(status);
    fails_on_ = false;
  }
  // That operation and all that follow.
  void FailFrom(int operation, absl::Status status = absl::UnavailableError("fake: lost")) {
    FailAt(operation, std::move(status));
    fails_on_ = true;
  }
  // A Read that finds nothing fails with kDeadlineExceeded at once instead of waiting.
  void TimeOutWhenEmpty() { times_out_ = true; }
  // Called with what is written, after it was captured; may Feed an answer.
  void OnWrite(absl::AnyInvocable<void(std::string_view)> on_write) {
    on_write_ = std::move(on_write);
  }

  const std::string& output() const { return output_; }  // All that was written.
  int writes() const { return writes_; }
  int operations() const { return operations_; }
  bool closed() const { return closed_; }  // By our side, or the stream was destroyed.
  bool write_closed() const { return write_closed_; }
  bool watched() const { return watcher_ != nullptr; }
  size_t unread_pieces() const { return input_.size(); }

 private:
  friend class FakeStream;

  // OK, or why an operation that starts or goes on fails.
  absl::Status Failure() const {
    if (closed_) return absl::CancelledError("fake: closed here");
    if (lost_) return absl::UnavailableError("fake: lost");
    if (Clock::now() >= deadline_) return absl::DeadlineExceededError("fake: too late");
    return absl::OkStatus();
  }
  absl::Status Count() {
    const int operation = operations_++;
    const bool fails = operation == fail_at_ || (fails_on_ && operation > fail_at_);
    return fails ? fail_with_ : absl::OkStatus();
  }

  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> changed_;
  std::deque<std::string> input_;
  std::string output_;
  absl::AnyInvocable<void()> watcher_;
  absl::AnyInvocable<void(std::string_view)> on_write_;
  absl::Status fail_with_;
  Clock::time_point deadline_ = Clock::time_point::max();
  int fail_at_ = -1;
  bool fails_on_ = false;
  int operations_ = 0;
  int writes_ = 0;
  bool ended_ = false;
  bool lost_ = false;
  bool times_out_ = false;
  bool closed_ = false;
  bool write_closed_ = false;
};

class FakeStream final : public ByteStream {
 public:
  static std::unique_ptr<ByteStream> Make(std::shared_ptr<FakePeer> peer) {
    return std::make_unique<FakeStream>(std::move(peer));
  }
  explicit FakeStream(std::shared_ptr<FakePeer> peer) : peer_(std::move(peer)) {}
  ~FakeStream() override { Close(); }

  Task<absl::StatusOr<size_t>> Read(absl::Span<char> into) override {
    StopWatching();
    return ReadFrom(peer_, into);
  }
  Task<absl::Status> Write(std::string_view first, std::string_view second) override {
    return WriteTo(peer_, first, second);
  }
  void Close() override {
    if (peer_->closed_) return;
    peer_->closed_ = true;
    peer_->watcher_ = nullptr;
    peer_->changed_.cancel();
  }
  void CloseWrite() override { peer_->write_closed_ = true; }
  void SetDeadline(Clock::time_point deadline) override {
    peer_->deadline_ = deadline;
    // As late as the deadline, a waiting Read looks again.
    peer_->changed_.expires_at(deadline);
  }
  void WatchForLoss(absl::AnyInvocable<void()> lost) override {
    if (!peer_->closed_) peer_->watcher_ = std::move(lost);
  }
  void StopWatching() override { peer_->watcher_ = nullptr; }
  bool Idle() const override {
    return !peer_->closed_ && !peer_->lost_ && !peer_->ended_ && peer_->input_.empty();
  }
  std::string_view peer() const override { return "fake:1"; }

 private:
  static Task<absl::StatusOr<size_t>> ReadFrom(std::shared_ptr<FakePeer> peer,
                                               absl::Span<char> into) {
    co_await boost::asio::post(boost::asio::deferred);
    if (absl::Status failure = peer->Count(); !failure.ok()) co_return failure;
    for (;;) {
      if (absl::Status failure = peer->Failure(); !failure.ok()) co_return failure;
      if (!peer->input_.empty()) {
        std::string& piece = peer->input_.front();
        const size_t n = std::min(piece.size(), into.size());
        std::memcpy(into.data(), piece.data(), n);
        piece.erase(0, n);
        if (piece.empty()) peer->input_.pop_front();
        co_return n;
      }
      if (peer->ended_) co_return size_t{0};
      if (peer->times_out_) co_return absl::DeadlineExceededError("fake: nothing came");
      co_await peer->changed_.async_wait(boost::asio::as_tuple(boost::asio::deferred));
    }
  }
  static Task<absl::Status> WriteTo(std::shared_ptr<FakePeer> peer, std::string_view first,
                                    std::string_view second) {
    co_await boost::asio::post(boost::asio::deferred);
    if (absl::Status failure = peer->Count(); !failure.ok()) co_return failure;
    if (absl::Status failure = peer->Failure(); !failure.ok()) co_return failure;
    peer->writes_++;
    const size_t before = peer->output_.size();
    peer->output_.append(first).append(second);
    if (peer->on_write_) peer->on_write_(std::string_view(peer->output_).substr(before));
    co_return absl::OkStatus();
  }

  const std::shared_ptr<FakePeer> peer_;
};

}  // namespace weir::gateway
