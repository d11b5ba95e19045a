#include "hotswap/proxy/target.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t remembered = 64;

}  // namespace

release_stats target::stats() const {
  release_stats s;
  s.version = version;
  s.generation = generation;
  s.inflight = inflight.load();
  s.requests = requests.load();
  s.responses = responses.load();
  s.errors_5xx = errors_5xx.load();
  s.failures = failures.load();
  return s;
}

namespace {

std::uint64_t mixed(std::uint64_t x) noexcept {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// Load per weight, comparable without a division.
bool lighter(const backend& a, const backend& b) noexcept {
  const auto wa = std::max(1U, a.weight.load(std::memory_order_relaxed));
  const auto wb = std::max(1U, b.weight.load(std::memory_order_relaxed));
  return (a.inflight.load(std::memory_order_relaxed) + 1) * wb <
         (b.inflight.load(std::memory_order_relaxed) + 1) * wa;
}

// Rendezvous: each backend draws a number from the key, the highest one has it. A backend that leaves takes
// only its own keys with it.
double rendezvous(const backend& b, std::uint64_t key) noexcept {
  const auto drawn = static_cast<double>(mixed(b.hash ^ key) >> 11) + 1;
  const double uniform = drawn / 9007199254740993.0;
  return -std::log(uniform) / std::max(1U, b.weight.load(std::memory_order_relaxed));
}

// When none is usable: rather one that was only ejected, and that one whose time is over soonest.
bool less_unusable(const backend& a, const backend& b) noexcept {
  const auto rank = [](const backend& x) {
    return std::tuple(x.weight.load() == 0, x.down.load(), x.behind.load(), x.out_until.load());
  };
  return rank(a) < rank(b);
}

constexpr std::size_t most_backends = 256;

}  // namespace

backend* target::pick(balance_policy how, std::uint64_t key, std::uint64_t turn,
                      const backend* avoid) const noexcept {
  if (single()) return backends.front().get();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  std::array<backend*, most_backends> usable;
  std::size_t n = 0;
  backend* soonest = nullptr;
  for (const auto& b : backends) {
    if (b.get() == avoid) continue;
    if (b->usable(ns)) {
      usable[n++] = b.get();
    } else if (!soonest || less_unusable(*b, *soonest)) {
      soonest = b.get();
    }
  }
  if (n == 0) return soonest ? soonest : backends.front().get();
  if (n == 1) return usable[0];
  const auto draw = mixed(turn);
  if (how == balance_policy::random_two) {
    auto* a = usable[draw % n];
    auto* b = usable[(draw % n + 1 + (draw >> 32) % (n - 1)) % n];
    return lighter(*b, *a) ? b : a;
  }
  backend* best = usable[draw % n];  // ties are broken by turns
  if (how == balance_policy::least_connections) {
    for (std::size_t i = 0; i < n; ++i) {
      if (lighter(*usable[i], *best)) best = usable[i];
    }
    return best;
  }
  double least = rendezvous(*best, key);
  for (std::size_t i = 0; i < n; ++i) {
    if (const double r = rendezvous(*usable[i], key); r < least) {
      least = r;
      best = usable[i];
    }
  }
  return best;
}

void target::measure() {
  if (latencies.load()) return;
  owned_latencies_ = std::make_unique<latency_counts>();
  latencies.store(owned_latencies_.get());
}

void router::know(const std::shared_ptr<target>& t) {
  for (const auto& k : known_) {
    if (k == t) return;
  }
  known_.push_back(t);
  if (known_.size() > remembered && known_.front()->inflight.load() == 0) known_.pop_front();
}

std::shared_ptr<target> router::shift(std::shared_ptr<target> next) {
  std::lock_guard lock(mutex_);
  if (next) know(next);
  if (canary_owner_) canary_owner_->routed = false;
  if (owner_) owner_->routed = false;
  if (next) next->routed = true;
  auto before = std::exchange(owner_, std::move(next));
  current_.store(owner_.get());
  share_.store(0);
  canary_.store(nullptr);
  canary_owner_.reset();
  shifts_.fetch_add(1);
  return before;
}

void router::give_share(std::shared_ptr<target> next, std::uint32_t share) {
  std::lock_guard lock(mutex_);
  know(next);
  next->routed = true;
  canary_owner_ = std::move(next);
  canary_.store(canary_owner_.get());
  share_.store(share);
}

// The count is raised before the pointer is looked at again: whoever drains changed the pointer before it
// reads the count. So either this sees the change and goes to the new target, or the drain sees this.
passage router::enter(const std::atomic<target*>& now, const std::shared_ptr<target>& owner,
                      std::shared_ptr<target>& cache) {
  for (;;) {
    if (now.load() != cache.get()) {
      std::lock_guard lock(mutex_);
      cache = owner;
    }
    if (!cache) return {};
    cache->inflight.entered();
    passage p(cache);
    if (now.load() == cache.get()) {
      cache->requests.fetch_add(1, std::memory_order_relaxed);
      return p;
    }
  }
}

// A share is given out evenly: by turns that are a step of 0.618 of the whole apart.
passage router::enter(route_cache& cache) {
  if (const auto share = share_.load(std::memory_order_relaxed); share != 0) {
    cache.turn = (cache.turn + 6'181) % whole;
    if (cache.turn < share) {
      if (auto p = enter(canary_, canary_owner_, cache.canary)) return p;
    }
  }
  return enter(current_, owner_, cache.main);
}

std::shared_ptr<target> router::find(std::uint64_t generation) const {
  std::lock_guard lock(mutex_);
  for (const auto& t : known_) {
    if (t->generation == generation) return t;
  }
  return nullptr;
}

std::shared_ptr<target> router::current() const {
  std::lock_guard lock(mutex_);
  return owner_;
}
std::shared_ptr<target> router::sharing() const {
  std::lock_guard lock(mutex_);
  return canary_owner_;
}

std::uint64_t router::generation() const {
  std::lock_guard lock(mutex_);
  return owner_ ? owner_->generation : 0;
}

}  // namespace osvm::hotswap::detail
