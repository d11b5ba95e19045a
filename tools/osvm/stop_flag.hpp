// Ctrl-C for work that looks for it between two steps.
#pragma once

#include <atomic>

#include "interrupts.hpp"

namespace osvm::cli {

// While it lives, SIGINT, SIGTERM and SIGHUP only set a flag.
class stop_flag final {
 public:
  stop_flag() : signals_(loop_.get_executor(), [](int) {}) {}
  bool raised() const noexcept { return signals_.received() != 0; }
  // The shell's status of a process that the signal ended.
  int exit_status() const noexcept { return 128 + signals_.received(); }

 private:
  runtime loop_;
  interrupts signals_;
};

}  // namespace osvm::cli
