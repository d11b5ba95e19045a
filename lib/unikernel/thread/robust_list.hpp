// What the kernel does with a dead thread's robust futexes (man 2 set_robust_list).
#pragma once

#include <cstdint>

namespace osvm::unikernel {

class address_space;
class futex_table;

// Walks the list at `head` (guest memory: bounded, every pointer checked), marks each futex that `tid` holds
// as FUTEX_OWNER_DIED and wakes one waiter of it.
void release_robust_list(address_space& space, futex_table& futexes, std::uint64_t head, int tid);

}  // namespace osvm::unikernel
