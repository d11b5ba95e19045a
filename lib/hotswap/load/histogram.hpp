// Latencies in logarithmic buckets with 128 steps per doubling: below 1 % error from a nanosecond to
// centuries.
#pragma once

#include <osvm/hotswap/load_client.hpp>

#include <bit>
#include <cstdint>
#include <vector>

namespace osvm::hotswap::detail {

class histogram {
 public:
  void add(std::chrono::nanoseconds latency) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, latency.count()));
    ++buckets_[index(ns)];
    min_ = count_ == 0 ? ns : std::min(min_, ns);
    max_ = std::max(max_, ns);
    ++count_;
  }

  latency_summary summary() const {
    latency_summary s;
    s.count = count_;
    s.min = std::chrono::nanoseconds(min_);
    s.p50 = below(0.5);
    s.p90 = below(0.9);
    s.p99 = below(0.99);
    s.p999 = below(0.999);
    s.max = std::chrono::nanoseconds(max_);
    s.steps = coarse();
    return s;
  }

 private:
  static constexpr unsigned step_bits = 7;
  static constexpr std::size_t per_shown = 32;  // buckets in one step of a summary
  static constexpr std::uint64_t steps = std::uint64_t{1} << step_bits;

  static std::size_t index(std::uint64_t ns) noexcept {
    if (ns < steps) return static_cast<std::size_t>(ns);
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - step_bits;
    return static_cast<std::size_t>(((shift + 1) << step_bits) + (ns >> shift) - steps);
  }
  // Upper end of a bucket.
  static std::uint64_t upper(std::size_t i) noexcept {
    if (i < steps) return i;
    const auto shift = static_cast<unsigned>(i >> step_bits) - 1;
    return (((i & (steps - 1)) + steps + 1) << shift) - 1;
  }

  std::chrono::nanoseconds below(double share) const {
    if (count_ == 0) return std::chrono::nanoseconds(0);
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_) + 0.999999);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return std::chrono::nanoseconds(std::min(upper(i), max_));
    }
    return std::chrono::nanoseconds(max_);
  }

  std::vector<latency_summary::step> coarse() const {
    std::vector<latency_summary::step> out;
    for (std::size_t i = 0; i < buckets_.size(); i += per_shown) {
      std::uint64_t n = 0;
      for (std::size_t k = i; k < i + per_shown; ++k) n += buckets_[k];
      if (n != 0) out.push_back({std::chrono::nanoseconds(upper(i + per_shown - 1)), n});
    }
    return out;
  }

  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>((64 - step_bits + 1) * steps);
  std::uint64_t count_ = 0, min_ = 0, max_ = 0;
};

}  // namespace osvm::hotswap::detail
