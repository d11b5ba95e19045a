// One address that a release answers at, and what is known of its health. Immutable but for its counters,
// which any thread may read and write.
#pragma once

#include "hotswap/io/address.hpp"
#include "hotswap/proxy/in_flight.hpp"

#include <osvm/hotswap/pool.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace osvm::hotswap::detail {

struct backend {
  endpoint named;
  address where;
  std::string name;        // of the endpoint, as text
  std::uint64_t hash = 0;  // of the name: its place for consistent hashing

  in_flight inflight;
  std::atomic<std::uint64_t> requests{0}, failures{0}, ejections{0};
  std::atomic<std::uint32_t> weight{100};  // 0: gets nothing new
  std::atomic<std::uint32_t> failed_in_a_row{0};
  std::atomic<std::int64_t> out_until{0};  // ejected until then, nanoseconds of the steady clock
  std::atomic<bool> down{false};           // the active health check says so
  std::atomic<bool> behind{false};         // its number is too far behind the best one's

  bool usable(std::int64_t now) const noexcept {
    return weight.load(std::memory_order_relaxed) != 0 && !down.load(std::memory_order_relaxed) &&
           !behind.load(std::memory_order_relaxed) && out_until.load(std::memory_order_relaxed) <= now;
  }
  void succeeded() noexcept {
    if (failed_in_a_row.load(std::memory_order_relaxed) != 0) failed_in_a_row.store(0);
  }
  // `at_once`: it could not even be connected to, so one failure is enough.
  void failed(const ejection_options& o, std::chrono::steady_clock::time_point now, bool at_once) noexcept;
};

std::uint64_t hash_of(std::string_view text) noexcept;

}  // namespace osvm::hotswap::detail
