// Calls of the embedder on their way into a guest and back: what the guest's /dev/osvm reads and writes.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/call.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::unikernel {

// Thread-safe. Callers wait on it; the guest's threads wait on event().
class call_board final {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t max_waiting = 256, max_waiting_bytes = std::size_t{64} << 20;

  // Blocks for the answer. `used` tells the CPU time of the guest so far. Errors: timed_out, limit_exceeded
  // (the CPU time, or too many calls wait), invalid_argument, closed.
  result<call_answer> call(std::string_view function, std::string_view request, const call_options& options,
                           const std::function<std::chrono::nanoseconds()>& used);
  // The guest is another one now: calls that it has taken and not answered fail (errc::closed).
  void forget_taken();
  // The guest has ended: every call fails.
  void close();

  // An eventfd, readable while requests wait; empty with errno set: no descriptor.
  unique_fd event();
  // The next request as the guest reads it, if it is at most `room` bytes. 0 or more; -EAGAIN, -EMSGSIZE (the
  // request stays).
  std::int64_t take(std::size_t room, std::string& out);
  // What the guest wrote. Its size; -EINVAL. An answer that nobody waits for any more is dropped.
  std::int64_t answer(std::string_view bytes);

 private:
  struct request {
    std::uint64_t id = 0;
    std::string bytes;
  };
  struct waiting {
    std::optional<call_answer> answer;
    bool taken = false, lost = false;  // by the guest; and the guest is no more
  };
  result<std::uint64_t> post(std::string_view function, std::string_view request);
  void forget(std::uint64_t id);

  std::mutex lock_;
  std::condition_variable answered_;
  unique_fd event_;
  std::deque<request> requests_;
  std::size_t request_bytes_ = 0;
  std::map<std::uint64_t, waiting> calls_;
  std::uint64_t next_id_ = 1;
  bool closed_ = false;
};

// Whether the guest has come to where it waits for work: its first accept(2), its first wait for events while
// it listens, or its first read of a call. Thread-safe.
class readiness final {
 public:
  void listens() noexcept { listens_.store(true, std::memory_order_relaxed); }
  void reached() noexcept {
    if (!ready_.load(std::memory_order_relaxed)) mark();
  }
  void waits() noexcept {
    if (listens_.load(std::memory_order_relaxed)) reached();
  }
  void close() noexcept;
  // errc::timed_out, errc::closed.
  result<void> wait(std::chrono::nanoseconds timeout);

 private:
  void mark() noexcept;
  std::atomic<bool> listens_{false}, ready_{false};
  std::mutex lock_;
  std::condition_variable changed_;
  bool closed_ = false;
};

}  // namespace osvm::unikernel
