// futex(2) for guest threads: a table of waiters keyed by the address space and the address; there is no
// timeout or wake that depends on the guest behaving. Words in shared mappings of files are the host's
// futexes instead (shared_futex.hpp), so that other processes that map the file wake and are woken.
#pragma once

#include "unikernel/thread/waiter.hpp"

#include <array>
#include <cstdint>
#include <mutex>

namespace osvm::unikernel {

class address_space;

struct futex_key {
  const void* object = nullptr;  // address space, or the memory object that is shared
  std::uint64_t offset = 0;
  bool operator==(const futex_key&) const = default;
};

// Thread-safe. Waiters are intrusive: nodes live on the waiting thread's stack.
class futex_table final {
 public:
  // Blocks while the word at `va` equals `expected`. 0, -EAGAIN (value differs), -ETIMEDOUT, -EINTR, -EFAULT.
  std::int64_t wait(address_space& space, std::uint64_t va, std::uint32_t expected, std::uint32_t bitset,
                    waiter& self, deadline until);
  std::int64_t wake(futex_key key, std::uint32_t count, std::uint32_t bitset);
  // FUTEX_REQUEUE / CMP_REQUEUE: wakes `wake`, moves up to `move` to `to`. Returns how many of both.
  std::int64_t requeue(address_space& space, std::uint64_t from_va, std::uint64_t to_va,
                       std::uint32_t wake_count, std::uint32_t move_count, const std::uint32_t* expected);
  // FUTEX_WAKE_OP.
  std::int64_t wake_op(address_space& space, std::uint64_t va1, std::uint64_t va2, std::uint32_t wake1,
                       std::uint32_t wake2, std::uint32_t operation);

 private:
  struct node;
  struct bucket {
    std::mutex lock;
    node* head = nullptr;
    node* tail = nullptr;
    void push(node* n) noexcept;
    void remove(node* n) noexcept;
  };
  bucket& bucket_of(const futex_key& key) noexcept;
  std::int64_t wake_locked(bucket& b, futex_key key, std::uint32_t count, std::uint32_t bitset) noexcept;
  std::array<bucket, 64> buckets_;
};

}  // namespace osvm::unikernel
