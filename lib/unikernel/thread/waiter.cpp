#include "unikernel/thread/waiter.hpp"

#include <linux/futex.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace osvm::unikernel {
namespace {

timespec to_timespec(std::chrono::nanoseconds d) noexcept {
  d = std::max(d, std::chrono::nanoseconds{0});
  return {static_cast<time_t>(d.count() / 1'000'000'000), static_cast<long>(d.count() % 1'000'000'000)};
}

bool passed(const deadline& until) noexcept {
  return until && wait_clock::now() >= *until;
}

}  // namespace

waiter::waiter() = default;

deadline waiter::bounded(deadline until) const noexcept {
  if (limit_ && (!until || *limit_ < *until)) return limit_;
  return until;
}

// Whether a wait must not go on.
bool waiter::stopped() noexcept {
  const std::uint32_t flags = flags_.load(std::memory_order_seq_cst);
  if (flags & attempt_flag) would_wait_ = true;
  return flags != 0;
}

wait_result waiter::wait_fd(int fd, short events, deadline until) {
  if (stopped()) return wait_result::interrupted;
  if (!kick_) {
    kick_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!kick_) return wait_result::interrupted;
    kick_fd_.store(kick_.get(), std::memory_order_seq_cst);
  }
  until = bounded(until);
  while (true) {
    if (stopped()) return wait_result::interrupted;
    pollfd fds[2] = {{.fd = kick_.get(), .events = POLLIN, .revents = 0},
                     {.fd = fd, .events = events, .revents = 0}};
    timespec left{};
    if (until) left = to_timespec(*until - wait_clock::now());
    const int n = ::ppoll(fds, 2, until ? &left : nullptr, nullptr);
    if (n < 0 && errno != EINTR) return wait_result::ready;  // the operation itself will report what is wrong
    if (fds[0].revents) {
      std::uint64_t value = 0;
      (void)!::read(kick_.get(), &value, sizeof value);
      continue;
    }
    if (n > 0 && fds[1].revents) return wait_result::ready;
    if (n == 0 || passed(until)) return wait_result::timed_out;
  }
}

wait_result waiter::sleep(deadline until) {
  while (true) {
    const wait_result r = park(until);
    // A stray unpark (from a futex wait that timed out in the same moment) is no reason to wake.
    if (r != wait_result::ready || passed(until)) return r;
  }
}

wait_result waiter::park(deadline until, bool signals) {
  until = bounded(until);
  const auto over = [&] { return signals ? stopped() : ended(); };
  while (true) {
    if (over()) return wait_result::interrupted;
    if (token_.exchange(0, std::memory_order_seq_cst)) {
      if (over()) return wait_result::interrupted;
      return wait_result::ready;
    }
    if (passed(until)) return wait_result::timed_out;
    timespec left{};
    if (until) left = to_timespec(*until - wait_clock::now());
    // atomic<uint32_t> is a plain 4-byte word for the kernel.
    (void)::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&token_), FUTEX_WAIT_PRIVATE, 0,
                    until ? &left : nullptr, nullptr, 0);
  }
}

waiter::word_result waiter::wait_word(const std::uint32_t* word, std::uint32_t expected, deadline until) {
  until = bounded(until);
  while (true) {
    if (flags_.load(std::memory_order_seq_cst)) return word_result::interrupted;
    futex_waitv both[2] = {};
    both[0].val = expected;
    both[0].uaddr = reinterpret_cast<std::uintptr_t>(word);
    both[0].flags = FUTEX_32;
    both[1].uaddr = reinterpret_cast<std::uintptr_t>(&token_);  // what raise_flag() wakes
    both[1].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
    timespec at{};
    if (until) at = to_timespec(until->time_since_epoch());
    const long r = ::syscall(SYS_futex_waitv, both, 2, 0, until ? &at : nullptr, CLOCK_MONOTONIC);
    if (r == 0) return word_result::woken;
    if (r > 0 || errno == EINTR) continue;
    if (errno == ETIMEDOUT) return word_result::timed_out;
    if (errno == EFAULT) return word_result::no_page;
    if (errno != EAGAIN) return word_result::unsupported;
    // One of the two words differs; a token left over from an earlier wait is no news.
    if (!token_.exchange(0, std::memory_order_seq_cst)) return word_result::differs;
  }
}

void waiter::unpark() noexcept {
  token_.store(1, std::memory_order_seq_cst);
  (void)::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&token_), FUTEX_WAKE_PRIVATE, 1, nullptr,
                  nullptr, 0);
}

void waiter::raise_flag(std::uint32_t flag) noexcept {
  flags_.fetch_or(flag, std::memory_order_seq_cst);
  unpark();
  if (const int fd = kick_fd_.load(std::memory_order_seq_cst); fd >= 0) {
    const std::uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
  }
}

}  // namespace osvm::unikernel
