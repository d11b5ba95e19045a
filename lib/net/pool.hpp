// Kept connections by origin.
#pragma once

#include "net/stream.hpp"

#include <osvm/core/clock.hpp>

#include <list>
#include <mutex>

namespace osvm::net {

// Thread-safe.
class connection_pool final {
 public:
  connection_pool(std::size_t most, nanoseconds idle) : most_(most), idle_(idle) {}

  // The connection used last, still open and silent; null when there is none.
  std::unique_ptr<stream> take(const std::string& origin) {
    for (;;) {
      auto found = pick(origin);
      if (!found || found->quiet()) return found;
    }
  }
  void give(const std::string& origin, std::unique_ptr<stream> s) {
    const std::lock_guard lock(mutex_);
    expire();
    if (most_ == 0) return;
    if (kept_.size() >= most_) kept_.pop_back();
    kept_.push_front({origin, deadline::after(idle_), std::move(s)});
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    kept_.clear();
    most_ = 0;
  }

 private:
  struct entry {
    std::string origin;
    deadline until;
    std::unique_ptr<stream> connection;
  };
  std::unique_ptr<stream> pick(const std::string& origin) {
    const std::lock_guard lock(mutex_);
    expire();
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
      if (at->origin != origin) continue;
      auto out = std::move(at->connection);
      kept_.erase(at);
      return out;
    }
    return nullptr;
  }
  void expire() {
    std::erase_if(kept_, [](const entry& e) { return e.until.passed(); });
  }
  std::mutex mutex_;
  std::list<entry> kept_;  // the newest first
  std::size_t most_;
  nanoseconds idle_;
};

}  // namespace osvm::net
