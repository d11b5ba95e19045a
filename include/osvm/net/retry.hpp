// When to try again, how fast, and when to stop trying: three small clocks that are told the time. Not
// thread-safe; no timers of their own.
#pragma once

#include <osvm/core/clock.hpp>

#include <chrono>
#include <cstdint>

namespace osvm::net {

// Growing pauses between attempts: each up to twice the one before, at random between half and all of that,
// so that clients that failed together do not come back together.
class backoff final {
 public:
  backoff(nanoseconds first, nanoseconds most) noexcept : next_(first), most_(most) {}
  // `random` is any value, uniformly distributed.
  nanoseconds next(std::uint32_t random) noexcept {
    const auto whole = std::min(next_, most_);
    next_ = std::min(whole * 2, most_);
    return whole / 2 + nanoseconds((whole / 2).count() / 0xffff * (random & 0xffff));
  }

 private:
  nanoseconds next_, most_;
};

// A token bucket.
class rate_limiter final {
 public:
  // `per_second` 0: no limit. `burst` calls may go at once.
  rate_limiter(double per_second, unsigned burst) noexcept
      : gap_(per_second > 0 ? nanoseconds(static_cast<std::int64_t>(1e9 / per_second)) : nanoseconds(0)),
        burst_(burst ? burst : 1) {}
  // Takes a place and says how long to wait for it; a wait above `most` takes none and gives
  // nanoseconds::max().
  nanoseconds reserve(deadline::clock::time_point now, nanoseconds most) noexcept {
    if (gap_.count() == 0) return nanoseconds(0);
    const auto earliest = now - gap_ * (burst_ - 1);
    const auto place = std::max(next_, earliest);
    const auto wait = std::max(nanoseconds(0), nanoseconds(place - now));
    if (wait > most) return nanoseconds::max();
    next_ = place + gap_;
    return wait;
  }

 private:
  nanoseconds gap_;
  std::int64_t burst_;
  deadline::clock::time_point next_{};
};

// Stops calls to a server that fails, and lets one at a time find out whether it is back.
class circuit_breaker final {
 public:
  enum class state {
    closed,  // calls go through
    open,    // calls fail at once
    trial,   // one call is finding out
  };
  // `failures` in a row open it (0: never) for `pause`.
  circuit_breaker(unsigned failures, nanoseconds pause) noexcept : limit_(failures), pause_(pause) {}
  // Whether a call may go now. Each call that was let through must be followed by exactly one of the others.
  bool allow(deadline::clock::time_point now) noexcept {
    if (state_ == state::closed) return true;
    if (state_ == state::trial || now < until_) return false;
    state_ = state::trial;
    return true;
  }
  void succeeded() noexcept {
    failures_ = 0;
    state_ = state::closed;
  }
  void failed(deadline::clock::time_point now) noexcept {
    ++failures_;
    if (limit_ == 0 || (state_ == state::closed && failures_ < limit_)) return;
    state_ = state::open;
    until_ = now + pause_;
  }
  // The call ended without telling anything about the server.
  void withdrawn() noexcept {
    if (state_ == state::trial) state_ = state::open;
  }
  state current() const noexcept { return state_; }

 private:
  unsigned limit_, failures_ = 0;
  nanoseconds pause_;
  state state_ = state::closed;
  deadline::clock::time_point until_{};
};

}  // namespace osvm::net
