// Bytes of guest memory, counted against one budget by all address spaces of an instance.
#pragma once

#include <atomic>
#include <cstdint>

namespace osvm::unikernel {

// Thread-safe.
class memory_account final {
 public:
  explicit memory_account(std::uint64_t budget) noexcept : budget_(budget) {}

  std::uint64_t budget() const noexcept { return budget_; }
  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
  // False: it would not fit, and nothing was counted.
  bool charge(std::uint64_t size) noexcept {
    std::uint64_t now = bytes();
    do {
      if (size > budget_ || now > budget_ - size) return false;
    } while (!bytes_.compare_exchange_weak(now, now + size, std::memory_order_relaxed));
    std::uint64_t high = peak();
    while (high < now + size && !peak_.compare_exchange_weak(high, now + size, std::memory_order_relaxed)) {
    }
    return true;
  }
  void uncharge(std::uint64_t size) noexcept { bytes_.fetch_sub(size, std::memory_order_relaxed); }
  // A fault found the budget used up: the instance is to end.
  void exhaust() noexcept { exhausted_.store(true, std::memory_order_relaxed); }
  bool exhausted() const noexcept { return exhausted_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t budget_;
  std::atomic<std::uint64_t> bytes_{0}, peak_{0};
  std::atomic<bool> exhausted_{false};
};

}  // namespace osvm::unikernel
