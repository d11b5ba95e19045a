// Per-thread timers that kick their own thread out of KVM_RUN: no handler, no other thread, no executor
// involved.
#pragma once

#include <chrono>
#include <ctime>

namespace osvm::unikernel {

// Owner of one POSIX timer on the creating thread. Used by that thread only.
class kick_timer final {
 public:
  // `clock`: CLOCK_THREAD_CPUTIME_ID or CLOCK_MONOTONIC. Unarmed. valid() is false when the host refused.
  kick_timer(clockid_t clock, int kick_signal) noexcept;
  ~kick_timer();
  kick_timer(const kick_timer&) = delete;
  kick_timer& operator=(const kick_timer&) = delete;

  bool valid() const noexcept { return valid_; }
  // Fires once after `after` of its clock, at least a microsecond.
  void arm(std::chrono::nanoseconds after) noexcept;

 private:
  timer_t id_{};
  bool valid_ = false;
};

}  // namespace osvm::unikernel
