// What is routed to, and the one atomic pointer that says which.
#pragma once

#include "hotswap/io/address.hpp"

#include <osvm/hotswap/stats.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

// One release as the proxy sees it. Immutable but for its counters.
struct target {
  std::string version;
  std::uint64_t generation = 0;
  address where;

  std::atomic<std::uint64_t> inflight{0};
  std::atomic<std::uint64_t> requests{0}, responses{0}, errors_5xx{0}, failures{0};

  release_stats stats() const;
  // Calls f when nothing is in flight, at once if that is so now. Possibly on another thread, more than once
  // or without need: f has to look.
  void when_idle(std::function<void()> f);
  void left() noexcept;

 private:
  std::atomic<bool> awaited_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> waiters_;
};

// The right to use a target: counts as in flight from construction to reset().
class passage {
 public:
  passage() noexcept = default;
  explicit passage(std::shared_ptr<target> t) noexcept : target_(std::move(t)) {}
  passage(passage&&) noexcept = default;
  passage& operator=(passage&& o) noexcept {
    reset();
    target_ = std::move(o.target_);
    return *this;
  }
  ~passage() { reset(); }
  void reset() noexcept {
    if (target_) target_->left();
    target_.reset();
  }
  explicit operator bool() const noexcept { return target_ != nullptr; }
  target* operator->() const noexcept { return target_.get(); }
  const std::shared_ptr<target>& get() const noexcept { return target_; }

 private:
  std::shared_ptr<target> target_;
};

class router {
 public:
  // Routes to `next` (null: to nothing). Returns what was routed to before.
  std::shared_ptr<target> shift(std::shared_ptr<target> next);
  // A passage to what is routed to now; empty when that is nothing. `cache` belongs to the calling thread and
  // makes the common case two loads and one increment.
  passage enter(std::shared_ptr<target>& cache);
  std::shared_ptr<target> find(std::uint64_t generation) const;
  std::uint64_t generation() const;
  bool is_current(const target* t) const noexcept { return current_.load() == t; }
  std::uint64_t next_generation() noexcept { return ++generations_; }
  std::uint64_t shifts() const noexcept { return shifts_.load(); }

 private:
  std::atomic<target*> current_{nullptr};
  std::atomic<std::uint64_t> generations_{0}, shifts_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<target> owner_;
  std::deque<std::shared_ptr<target>> known_;
};

}  // namespace osvm::hotswap::detail
