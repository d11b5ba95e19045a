// Token buckets and concurrency limits of a route, shared by the shards. Only routes that have limits come
// here. Thread-safe.
#pragma once

#include "hotswap/proxy/client_address.hpp"

#include <osvm/hotswap/route.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace osvm::hotswap::detail {

class token_bucket {
 public:
  // Takes one token; false: there is none.
  bool take(const rate_limit& limit, std::chrono::steady_clock::time_point now) noexcept;
  bool full(const rate_limit& limit, std::chrono::steady_clock::time_point now) const noexcept;

 private:
  double tokens_ = -1;  // not used yet
  std::chrono::steady_clock::time_point then_{};
};

class limiter;

// A request that was let in; counts as in flight until reset().
class admission {
 public:
  admission() noexcept = default;
  admission(std::shared_ptr<limiter> of, const client_address& who) noexcept
      : of_(std::move(of)), who_(who), held_(true) {}
  admission(admission&& o) noexcept
      : of_(std::move(o.of_)), who_(o.who_), held_(std::exchange(o.held_, false)) {}
  admission& operator=(admission&& o) noexcept;
  ~admission() { reset(); }
  void reset() noexcept;
  explicit operator bool() const noexcept { return held_; }

 private:
  std::shared_ptr<limiter> of_;  // null: nothing is counted
  client_address who_;
  bool held_ = false;
};

class limiter : public std::enable_shared_from_this<limiter> {
 public:
  // Clients that are told apart; beyond that the longest idle of a few is forgotten.
  static constexpr std::size_t max_clients = 65'536;

  explicit limiter(const route_limits& limits) : limits_(limits) {}
  // Empty: a limit is reached.
  admission enter(const client_address& who, std::chrono::steady_clock::time_point now);
  std::size_t clients();  // that are told apart now
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
  const route_limits& limits() const noexcept { return limits_; }

 private:
  friend class admission;
  struct client {
    token_bucket bucket;
    unsigned inflight = 0;
    std::chrono::steady_clock::time_point last{};
  };
  struct hash {
    std::size_t operator()(const std::array<std::uint8_t, 16>& ip) const noexcept;
  };
  struct part {
    std::mutex mutex;
    std::unordered_map<std::array<std::uint8_t, 16>, client, hash> clients;
  };
  static constexpr std::size_t parts = 16;

  bool enter_client(const client_address& who, std::chrono::steady_clock::time_point now);
  void leave(const client_address& who) noexcept;
  bool per_client() const noexcept {
    return limits_.per_client.per_second > 0 || limits_.per_client_concurrency != 0;
  }
  static void make_room(part& p);
  part& part_of(const client_address& who) noexcept { return parts_[hash()(who.ip) % parts]; }

  const route_limits limits_;
  std::mutex mutex_;
  token_bucket all_;
  std::atomic<std::uint64_t> inflight_{0}, refused_{0};
  std::array<part, parts> parts_;
};

}  // namespace osvm::hotswap::detail
