#pragma once

#include <pthread.h>

#include <csignal>

namespace osvm::unikernel {

// Threads of an instance take no signals of the embedder's; the mask is inherited at creation.
class all_signals_blocked {
 public:
  all_signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }
  ~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;

 private:
  sigset_t old_{};
};

}  // namespace osvm::unikernel
