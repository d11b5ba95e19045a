// How much is in flight somewhere, and who waits for that to be nothing. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace osvm::hotswap::detail {

class in_flight {
 public:
  void entered() noexcept { count_.fetch_add(1); }
  void left() noexcept {
    if (count_.fetch_sub(1) == 1 && awaited_.load()) tell();
  }
  std::uint64_t load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return count_.load(order);
  }
  void operator=(std::uint64_t n) noexcept { count_.store(n); }

  // Calls f once when nothing is in flight, at once if that is so now; possibly on another thread, and
  // something new may have begun by then: f has to look, and to ask again.
  void when_idle(std::function<void()> f) {
    {
      std::lock_guard lock(mutex_);
      waiters_.push_back(std::move(f));
      awaited_.store(true);
    }
    // Either the last leaver sees awaited_, or this sees that nothing is in flight: both are sequentially
    // consistent.
    if (count_.load() == 0) tell();
  }

 private:
  void tell() {
    std::vector<std::function<void()>> now;
    {
      std::lock_guard lock(mutex_);
      now.swap(waiters_);
      awaited_.store(false);
    }
    for (const auto& f : now) f();
  }

  std::atomic<std::uint64_t> count_{0};
  std::atomic<bool> awaited_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> waiters_;
};

}  // namespace osvm::hotswap::detail
