// Ctrl-C and its relatives as a callback instead of the end of the process.
#pragma once

#include <osvm/core/runtime.hpp>

#include <functional>
#include <memory>

namespace osvm::cli {

// While it lives, SIGINT, SIGTERM and SIGHUP call `on_signal` on `ex`'s threads. Thread-safe.
class interrupts final {
 public:
  interrupts(executor ex, std::function<void(int signal)> on_signal);
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  // No callback runs when it has returned, or later; signals are still taken and counted.
  void disarm();
  // The first signal that came, or 0.
  int received() const noexcept;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace osvm::cli
