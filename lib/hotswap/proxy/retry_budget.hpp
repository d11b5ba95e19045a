// How often may something be tried again? A share of what is asked at all, and a few more, so that a service
// which fails is not asked twice as much for it. Counted loosely: any thread may count at any time.
#pragma once

#include <atomic>
#include <cstdint>

namespace osvm::hotswap::detail {

class retry_budget {
 public:
  static constexpr std::int64_t unit = 1000;           // of one retry
  static constexpr std::int64_t at_most = 100 * unit;  // what may be saved up

  void asked(double share) noexcept {
    if (left_.load(std::memory_order_relaxed) < at_most) {
      left_.fetch_add(static_cast<std::int64_t>(share * unit), std::memory_order_relaxed);
    }
  }
  bool take() noexcept {
    if (left_.load(std::memory_order_relaxed) < unit) return false;
    left_.fetch_sub(unit, std::memory_order_relaxed);
    return true;
  }

 private:
  std::atomic<std::int64_t> left_{at_most / 2};
};

}  // namespace osvm::hotswap::detail
