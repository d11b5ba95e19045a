// Signals that were sent and not taken yet: one set per thread and one per process.
#pragma once

#include "unikernel/signals/signal.hpp"

#include <vector>

namespace osvm::unikernel {

// Not thread-safe: process_signals' lock guards it.
class pending_signals final {
 public:
  signal_mask set() const noexcept { return set_; }
  // Standard signals are pending once; real-time ones queue. With `info` null the signal is pending without
  // details. True when an entry was queued (it counts against the limit).
  bool add(int signal, const siginfo_t* info);
  bool has(int signal) const noexcept { return set_ & signal_bit(signal); }
  // Takes the next of `wanted`: faults first, then the lowest number. 0: none. `queued` says if an entry was
  // freed.
  int take(signal_mask wanted, siginfo_t& out, bool& queued);
  // Forgets these; returns how many entries were freed.
  unsigned discard(signal_mask which);

 private:
  signal_mask set_ = 0;
  std::vector<siginfo_t> queue_;
};

}  // namespace osvm::unikernel
