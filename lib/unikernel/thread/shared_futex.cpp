#include "unikernel/thread/shared_futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace osvm::unikernel {
namespace {

std::int64_t host_futex(std::uint32_t* word, int operation, std::uint32_t value, std::uint32_t value2,
                        std::uint32_t* second, std::uint32_t value3) noexcept {
  const long r =
      ::syscall(SYS_futex, word, operation, value, static_cast<std::uintptr_t>(value2), second, value3);
  return r < 0 ? -errno : r;
}

}  // namespace

std::int64_t wait_shared(const shared_futex_call& call, waiter& self, deadline until) {
  const int command = call.operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  if (command == FUTEX_WAIT_BITSET && call.value3 == 0) return -EINVAL;
  using result = waiter::word_result;
  switch (self.wait_word(call.word, call.value, until)) {
    case result::woken: return 0;
    case result::differs: return -EAGAIN;
    case result::timed_out: return -ETIMEDOUT;
    case result::interrupted: return -EINTR;
    case result::no_page: return -EFAULT;
    case result::unsupported: return -ENOSYS;
  }
  return -ENOSYS;
}

std::int64_t wake_shared(const shared_futex_call& c) {
  const int command = c.operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  switch (command) {
    case FUTEX_WAKE: return host_futex(c.word, FUTEX_WAKE, c.value, 0, nullptr, 0);
    case FUTEX_WAKE_BITSET:
      // Waiters have no bitsets here: some that did not ask are woken, none that did is forgotten.
      if (c.value3 == 0) return -EINVAL;
      return host_futex(c.word, FUTEX_WAKE, c.value3 == FUTEX_BITSET_MATCH_ANY ? c.value : INT_MAX, 0,
                        nullptr, 0);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_WAKE_OP:
      if (!c.second) return -EINVAL;
      return host_futex(c.word, command, c.value, c.value2, c.second, c.value3);
    default: return -ENOSYS;
  }
}

void mark_shared_owner_dead(std::uint32_t* word) noexcept {
  // Nobody but its owner releases the word, and that is dead: one atomic store says both. The bit that says
  // "there are waiters" is lost, and so all of them are woken.
  constexpr std::uint32_t bit = 30;
  static_assert(FUTEX_OWNER_DIED == 1U << bit);
  constexpr std::uint32_t set =
      (static_cast<std::uint32_t>(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT) << 28) | (bit << 12);
  (void)host_futex(word, FUTEX_WAKE_OP, INT_MAX, 0, word, set);
}

}  // namespace osvm::unikernel
