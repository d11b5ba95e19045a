// What ends an operation from outside its coroutine: its deadline, or the client that is destroyed.
#pragma once

#include <osvm/core/clock.hpp>

#include "net/stream.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <functional>
#include <memory>

namespace osvm::net {

// Lives as long as its operation; everything happens on the operation's strand.
class watchdog final : public std::enable_shared_from_this<watchdog> {
 public:
  enum class verdict { running, timed_out, cancelled };

  watchdog(const executor& strand, deadline until) : until_(until), timer_(strand) {}

  void start() {
    if (until_.is_never()) return;
    timer_.expires_at(until_.time());
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->end(verdict::timed_out);
    });
  }
  // Ends the operation: what it waits for now, and what it would wait for next.
  void end(verdict why) {
    if (verdict_ != verdict::running || stopped_) return;
    verdict_ = why;
    timer_.cancel();
    if (abort_) abort_();
  }
  // The operation is over.
  void stop() {
    stopped_ = true;
    abort_ = nullptr;
    timer_.cancel();
  }
  // What to do to the thing that is being waited for; replaces the last one.
  void guard(std::function<void()> abort) {
    abort_ = std::move(abort);
    if (ended() && abort_) abort_();
  }
  bool ended() const noexcept { return verdict_ != verdict::running; }
  deadline until() const noexcept { return until_; }
  // The operation's error as its caller shall see it.
  error explain(error e, const std::string& what) const {
    if (verdict_ == verdict::timed_out) return {osvm::errc::timed_out, what + " took too long"};
    if (verdict_ == verdict::cancelled || e.code == asio::error::operation_aborted)
      return {osvm::errc::cancelled, what + " was cancelled"};
    if (e.code == asio::error::eof || e.code == asio::error::connection_reset ||
        e.code == asio::error::broken_pipe)
      return {errc::connection_lost, what};
    e.context = what + (e.context.empty() ? "" : ": " + e.context);
    return e;
  }

 private:
  deadline until_;
  asio::steady_timer timer_;
  std::function<void()> abort_;
  verdict verdict_ = verdict::running;
  bool stopped_ = false;
};

}  // namespace osvm::net
