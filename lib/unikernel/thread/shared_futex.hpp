// futex(2) on words in shared mappings of files: the host's own futexes, keyed by file and offset, so that
// host processes and other guests that map the file meet the guest's threads there. The kernel alone touches
// the words: their page may be gone.
#pragma once

#include "unikernel/thread/waiter.hpp"

#include <cstdint>

namespace osvm::unikernel {

struct shared_futex_call {
  int operation = 0;
  std::uint32_t value = 0, value2 = 0, value3 = 0;
  std::uint32_t* word = nullptr;
  std::uint32_t* second = nullptr;  // null: not in such a mapping
};

// FUTEX_WAIT and FUTEX_WAIT_BITSET, woken by any bitset. 0, -EAGAIN, -ETIMEDOUT, -EINTR, -EFAULT, -ENOSYS.
std::int64_t wait_shared(const shared_futex_call& call, waiter& self, deadline until);
// Every other operation. Both words must be shared where there are two.
std::int64_t wake_shared(const shared_futex_call& call);
// A dead thread held the robust futex `word`: marks it and wakes all who wait.
void mark_shared_owner_dead(std::uint32_t* word) noexcept;

}  // namespace osvm::unikernel
