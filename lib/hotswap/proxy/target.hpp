// What is routed to, and the one atomic pointer that says which.
#pragma once

#include "hotswap/proxy/backend.hpp"
#include "hotswap/proxy/latency_counts.hpp"

#include <osvm/hotswap/stats.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

// One release as the proxy sees it. Immutable but for its counters.
struct target {
  std::string version;
  std::uint64_t generation = 0;
  std::vector<std::unique_ptr<backend>> backends;  // at least one

  in_flight inflight;
  std::atomic<std::uint64_t> requests{0}, responses{0}, errors_5xx{0}, failures{0};
  std::atomic<bool> routed{false};  // set by the router
  // Counted while somebody judges the release by them: null otherwise. Set once.
  std::atomic<latency_counts*> latencies{nullptr};
  void measure();

  release_stats stats() const;

  bool single() const noexcept { return backends.size() == 1; }
  // Where the next request goes. `key`: for consistent hashing; `turn`: anything that changes; `avoid`: tried
  // already, so only when no other is usable. When none is usable, the one that is least unusable.
  backend* pick(balance_policy how, std::uint64_t key, std::uint64_t turn,
                const backend* avoid) const noexcept;

 private:
  std::unique_ptr<latency_counts> owned_latencies_;
};

// The right to use a target: counts as in flight from construction to reset().
class passage {
 public:
  passage() noexcept = default;
  explicit passage(std::shared_ptr<target> t) noexcept : target_(std::move(t)) {}
  passage(passage&& o) noexcept : target_(std::move(o.target_)), at_(std::exchange(o.at_, nullptr)) {}
  passage& operator=(passage&& o) noexcept {
    reset();
    target_ = std::move(o.target_);
    at_ = std::exchange(o.at_, nullptr);
    return *this;
  }
  ~passage() { reset(); }
  void reset() noexcept {
    go_to(nullptr);
    if (target_) target_->inflight.left();
    target_.reset();
  }
  // Which of the target's backends it leads to; counted where there is a choice.
  void go_to(backend* b) noexcept {
    if (at_ && !target_->single()) at_->inflight.left();
    at_ = b;
    if (!at_ || target_->single()) return;
    at_->inflight.entered();
    at_->requests.fetch_add(1, std::memory_order_relaxed);
  }
  backend* at() const noexcept { return at_; }
  explicit operator bool() const noexcept { return target_ != nullptr; }
  target* operator->() const noexcept { return target_.get(); }
  const std::shared_ptr<target>& get() const noexcept { return target_; }

 private:
  std::shared_ptr<target> target_;
  backend* at_ = nullptr;
};

// What a thread keeps of a router, to make the common case a few loads and one increment.
struct route_cache {
  std::shared_ptr<target> main, canary;
  std::uint32_t turn = 0;
};

class router {
 public:
  // All traffic in ten thousandths.
  static constexpr std::uint32_t whole = 10'000;

  // Routes to `next` (null: to nothing), wholly. Returns what was routed to before.
  std::shared_ptr<target> shift(std::shared_ptr<target> next);
  // Gives `next` a share of the traffic beside what is routed to, which there is.
  void give_share(std::shared_ptr<target> next, std::uint32_t share);
  // A passage to what is routed to now; empty when that is nothing. `cache` belongs to the calling thread.
  passage enter(route_cache& cache);
  std::shared_ptr<target> find(std::uint64_t generation) const;
  std::uint64_t generation() const;
  // What is routed to, wholly or mostly, and what gets a share; null where there is none.
  std::shared_ptr<target> current() const;
  std::shared_ptr<target> sharing() const;
  std::uint64_t next_generation() noexcept { return ++generations_; }
  std::uint64_t shifts() const noexcept { return shifts_.load(); }

 private:
  void know(const std::shared_ptr<target>& t);
  passage enter(const std::atomic<target*>& now, const std::shared_ptr<target>& owner,
                std::shared_ptr<target>& cache);

  std::atomic<target*> current_{nullptr}, canary_{nullptr};
  std::atomic<std::uint32_t> share_{0};
  std::atomic<std::uint64_t> generations_{0}, shifts_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<target> owner_, canary_owner_;
  std::deque<std::shared_ptr<target>> known_;
};

}  // namespace osvm::hotswap::detail
