// How long requests took, counted in buckets: 16 to each power of two of microseconds, so 6 % wide. Any
// thread may count, any thread may look.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace osvm::hotswap::detail {

class latency_counts {
 public:
  void add(std::chrono::nanoseconds took) noexcept {
    const auto us = took.count() < 0 ? 0 : static_cast<std::uint64_t>(took.count()) / 1000;
    counts_[index_of(us)].fetch_add(1, std::memory_order_relaxed);
  }
  // Upper bound of what a share of the requests stayed below; 0 when there were none.
  std::chrono::nanoseconds percentile(double share) const noexcept {
    std::uint64_t total = 0;
    for (const auto& c : counts_) total += c.load(std::memory_order_relaxed);
    if (total == 0) return {};
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i].load(std::memory_order_relaxed);
      if (seen > wanted || seen == total) return std::chrono::microseconds(upper_bound(i));
    }
    return {};
  }

 private:
  static constexpr unsigned sub = 4;  // bits
  static constexpr std::size_t per_power = 1u << sub;
  static constexpr std::size_t powers = 27;  // over two minutes is one bucket

  static std::size_t index_of(std::uint64_t us) noexcept {
    if (us < per_power) return us;
    const auto power = static_cast<std::size_t>(std::bit_width(us)) - sub - 1;
    if (power >= powers - 1) return powers * per_power - 1;
    return (power + 1) * per_power + (us >> power) - per_power;
  }
  static std::uint64_t upper_bound(std::size_t i) noexcept {
    if (i < per_power) return i + 1;
    const auto power = i / per_power - 1;
    return (per_power + i % per_power + 1) << power;
  }

  std::array<std::atomic<std::uint32_t>, powers * per_power> counts_{};
};

}  // namespace osvm::hotswap::detail
