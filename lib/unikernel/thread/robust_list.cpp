#include "unikernel/thread/robust_list.hpp"

#include "unikernel/memory/address_space.hpp"
#include "unikernel/thread/futex.hpp"
#include "unikernel/thread/shared_futex.hpp"

#include <linux/futex.h>
#include <sys/mman.h>

namespace osvm::unikernel {
namespace {

struct list_head {
  std::uint64_t next;
  std::int64_t futex_offset;
  std::uint64_t pending;  // being taken or released when the thread died
};

void release_one(address_space& space, futex_table& futexes, std::uint64_t va, int tid) {
  bool wake = false;
  {
    memory_access memory(space);
    if (std::uint32_t* shared = memory.shared_word(va, PROT_WRITE)) {
      std::uint32_t owner = 0;
      if (memory.read(va, owner) && (owner & FUTEX_TID_MASK) == static_cast<std::uint32_t>(tid))
        mark_shared_owner_dead(shared);
      return;
    }
    std::uint32_t* word = memory.word(va, PROT_WRITE);
    if (!word) return;
    std::uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    do {
      if ((value & FUTEX_TID_MASK) != static_cast<std::uint32_t>(tid)) return;
    } while (!__atomic_compare_exchange_n(word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    wake = value & FUTEX_WAITERS;
  }
  if (wake) (void)futexes.wake({&space, va}, 1, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

void release_robust_list(address_space& space, futex_table& futexes, std::uint64_t head, int tid) {
  constexpr unsigned max_entries = 2048;                // ROBUST_LIST_LIMIT
  constexpr std::uint64_t pointer = ~std::uint64_t{1};  // bit 0 marks a priority-inheriting futex
  list_head h{};
  if (!head || !memory_access(space).read(head, h)) return;
  std::uint64_t entry = h.next & pointer;
  for (unsigned i = 0; i < max_entries && entry != head; ++i) {
    std::uint64_t next = 0;
    // Read before the futex is released: its new owner may reuse the entry.
    if (!memory_access(space).read(entry, next)) return;
    if (entry != (h.pending & pointer))
      release_one(space, futexes, entry + static_cast<std::uint64_t>(h.futex_offset), tid);
    entry = next & pointer;
  }
  if (h.pending & pointer)
    release_one(space, futexes, (h.pending & pointer) + static_cast<std::uint64_t>(h.futex_offset), tid);
}

}  // namespace osvm::unikernel
