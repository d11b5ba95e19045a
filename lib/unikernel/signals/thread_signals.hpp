// What Linux keeps per thread about signals.
#pragma once

#include "unikernel/signals/pending.hpp"

#include <optional>

namespace osvm::unikernel {

// The owner reads `blocked` and `stack` freely; everything else, and each change, is under process_signals'
// lock.
struct thread_signals {
  signal_mask blocked = 0;
  // The mask from before a call that waits with one of its own (ppoll, rt_sigsuspend): what a handler's frame
  // restores. Used by the owner only.
  std::optional<signal_mask> saved;
  signal_mask waited_for = 0;  // by rt_sigtimedwait: these wake the thread although they are blocked
  alternate_stack stack;
  pending_signals pending;
};

}  // namespace osvm::unikernel
