// Deadlines on the monotonic clock, and durations and sizes as people write them.
#pragma once

#include <osvm/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace osvm {

using nanoseconds = std::chrono::nanoseconds;

// A point on CLOCK_MONOTONIC by which something must be done, or never. A value; made once at the edge and
// passed down, so that retries and sub-steps share one budget.
class deadline final {
 public:
  using clock = std::chrono::steady_clock;

  constexpr deadline() noexcept = default;  // never
  constexpr explicit deadline(clock::time_point at) noexcept : at_(at) {}
  static constexpr deadline never() noexcept { return {}; }
  // `wait` from `now`; a sum past the clock's range is never, a negative wait has already passed.
  static deadline after(nanoseconds wait, clock::time_point now = clock::now()) noexcept {
    return wait >= clock::time_point::max() - now ? never() : deadline(now + wait);
  }

  constexpr bool is_never() const noexcept { return at_ == clock::time_point::max(); }
  constexpr clock::time_point time() const noexcept { return at_; }
  bool passed(clock::time_point now = clock::now()) const noexcept { return !is_never() && now >= at_; }
  // Zero once passed; nanoseconds::max() for never.
  nanoseconds remaining(clock::time_point now = clock::now()) const noexcept {
    return is_never() ? nanoseconds::max() : std::max(nanoseconds::zero(), nanoseconds(at_ - now));
  }
  // The argument of poll(2): -1 for never, else milliseconds rounded up, so that poll never wakes too early.
  int poll_timeout(clock::time_point now = clock::now()) const noexcept;

  friend constexpr auto operator<=>(const deadline&, const deadline&) = default;

 private:
  clock::time_point at_ = clock::time_point::max();
};

// "250ms", "2s", "1m30s", "1.5h", "0": numbers with the units d h m s ms us ns, from big to small, each at
// most once, a fraction only in the last. Fails with errc::invalid_argument on anything else, a missing unit,
// a negative value or one past 292 years.
result<nanoseconds> parse_duration(std::string_view text);
// The shortest exact form that parse_duration() reads back: "1m30s", "250ms", "1.5ms" is "1ms500us", "0s".
std::string format_duration(nanoseconds d);

// "4096", "64MiB", "1.5GiB", "10MB": bytes with B, KiB MiB GiB TiB (or K M G T), kB MB GB TB. A fraction must
// come out as whole bytes. Fails with errc::invalid_argument.
result<std::uint64_t> parse_size(std::string_view text);
// The largest binary unit that divides it exactly: "64MiB", "1536KiB", "4097B", "0B".
std::string format_size(std::uint64_t bytes);

}  // namespace osvm
