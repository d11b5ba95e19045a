#include "hotswap/proxy/target.hpp"

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

// Either the last leaver sees awaited_, or this sees that nothing is in flight: both are sequentially
// consistent.
void target::when_idle(std::function<void()> f) {
  {
    std::lock_guard lock(mutex_);
    waiters_.push_back(f);
  }
  awaited_.store(true);
  if (inflight.load() == 0) f();
}

void target::left() noexcept {
  if (inflight.fetch_sub(1) != 1 || !awaited_.load()) return;
  std::vector<std::function<void()>> waiters;
  {
    std::lock_guard lock(mutex_);
    waiters = waiters_;
  }
  for (const auto& f : waiters) f();
}

std::shared_ptr<target> router::shift(std::shared_ptr<target> next) {
  std::lock_guard lock(mutex_);
  if (next) {
    known_.push_back(next);
    if (known_.size() > remembered && known_.front()->inflight.load() == 0) known_.pop_front();
  }
  auto before = std::exchange(owner_, std::move(next));
  current_.store(owner_.get());
  shifts_.fetch_add(1);
  return before;
}

// The count is raised before the pointer is looked at again: whoever drains changed the pointer before it
// reads the count. So either this sees the change and goes to the new target, or the drain sees this.
passage router::enter(std::shared_ptr<target>& cache) {
  for (;;) {
    if (current_.load() != cache.get()) {
      std::lock_guard lock(mutex_);
      cache = owner_;
    }
    if (!cache) return {};
    cache->inflight.fetch_add(1);
    passage p(cache);
    if (current_.load() == cache.get()) {
      cache->requests.fetch_add(1, std::memory_order_relaxed);
      return p;
    }
  }
}

std::shared_ptr<target> router::find(std::uint64_t generation) const {
  std::lock_guard lock(mutex_);
  for (const auto& t : known_) {
    if (t->generation == generation) return t;
  }
  return nullptr;
}

std::uint64_t router::generation() const {
  std::lock_guard lock(mutex_);
  return owner_ ? owner_->generation : 0;
}

}  // namespace osvm::hotswap::detail
