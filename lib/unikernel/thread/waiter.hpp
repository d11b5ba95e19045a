// The only place where a guest thread blocks in the host outside KVM_RUN. Every wait ends on its condition,
// on its deadline, or when the thread is interrupted (kill, signal).
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace osvm::unikernel {

using wait_clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC
using deadline = std::optional<wait_clock::time_point>;

enum class wait_result : std::uint8_t { ready, timed_out, interrupted };

// One per guest thread. wait_* and park are called by the owner, interrupt and unpark by anyone.
class waiter final {
 public:
  waiter();

  // Until `fd` has one of `events` (POLLIN...), an error or a hang-up.
  wait_result wait_fd(int fd, short events, deadline until);
  // Until the deadline (nullopt: until interrupted).
  wait_result sleep(deadline until);
  // Until unpark() (which may come first), as one token: used by futexes.
  // With `signals` false only the thread's end interrupts it.
  wait_result park(deadline until, bool signals = true);
  void unpark() noexcept;
  // Until a futex(2) wake on `word`, which host processes may share: `word` must be mapped, and the kernel
  // alone reads it. `differs`: it was not `expected`.
  enum class word_result : std::uint8_t { woken, differs, timed_out, interrupted, no_page, unsupported };
  word_result wait_word(const std::uint32_t* word, std::uint32_t expected, deadline until);

  // The thread is to end: ends the present wait and each later one, until clear_interrupt().
  void interrupt() noexcept { raise_flag(ended_flag); }
  void clear_interrupt() noexcept { flags_.fetch_and(~ended_flag, std::memory_order_seq_cst); }
  bool ended() const noexcept { return flags_.load(std::memory_order_acquire) & ended_flag; }
  // A signal is there for the thread: the same, until clear_signal().
  void signal() noexcept { raise_flag(signal_flag); }
  void clear_signal() noexcept { flags_.fetch_and(~signal_flag, std::memory_order_seq_cst); }
  // The thread is to stand still: the same, until clear_pause().
  void pause() noexcept {
    paused_.store(true, std::memory_order_seq_cst);
    raise_flag(pause_flag);
  }
  void clear_pause() noexcept { flags_.fetch_and(~pause_flag, std::memory_order_seq_cst); }
  // Since forget_pause() a pause has interrupted the thread, and nothing else has.
  bool only_paused() const noexcept {
    return paused_.load(std::memory_order_acquire) &&
           !(flags_.load(std::memory_order_acquire) & (ended_flag | signal_flag));
  }
  void forget_pause() noexcept { paused_.store(false, std::memory_order_release); }
  bool interrupted() const noexcept { return (flags_.load(std::memory_order_acquire) & ~attempt_flag) != 0; }
  // While an attempt lasts no wait begins: it returns `interrupted` at once, and end_attempt() tells of it.
  void begin_attempt() noexcept {
    would_wait_ = false;
    flags_.fetch_or(attempt_flag, std::memory_order_seq_cst);
  }
  bool end_attempt() noexcept {
    flags_.fetch_and(~attempt_flag, std::memory_order_seq_cst);
    return would_wait_;
  }
  // The earlier of `until` and the instance's wall-clock end applies to every wait.
  void set_limit(deadline limit) noexcept { limit_ = limit; }

 private:
  static constexpr std::uint32_t ended_flag = 1, signal_flag = 2, attempt_flag = 4, pause_flag = 8;
  void raise_flag(std::uint32_t flag) noexcept;
  deadline bounded(deadline until) const noexcept;
  bool stopped() noexcept;
  bool would_wait_ = false;  // the owner's
  unique_fd kick_;           // eventfd, created at the first wait_fd
  std::atomic<int> kick_fd_{-1};
  std::atomic<std::uint32_t> flags_{0};
  std::atomic<bool> paused_{false};
  std::atomic<std::uint32_t> token_{0};  // futex word: 1 = unparked or interrupted
  deadline limit_;
};

}  // namespace osvm::unikernel
