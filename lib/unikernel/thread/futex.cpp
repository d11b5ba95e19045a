// Lock order: guest memory access (shared VMA lock), then bucket, then nothing. A waiter reads its word and
// enqueues under the bucket lock, and a waker changes the word before it takes that lock, so no wake is lost.
#include "unikernel/thread/futex.hpp"

#include "unikernel/memory/address_space.hpp"

#include <linux/futex.h>
#include <sys/mman.h>

#include <cerrno>
#include <functional>
#include <utility>

namespace osvm::unikernel {

struct futex_table::node {
  futex_key key;
  std::uint32_t bitset = 0;
  waiter* owner = nullptr;
  node* next = nullptr;
  node* previous = nullptr;
  bool queued = false;     // guarded by the lock of the bucket of `key`
  bucket* home = nullptr;  // where it is queued now; changed by requeue under both locks
};

void futex_table::bucket::push(node* n) noexcept {
  n->next = nullptr;
  n->previous = tail;
  (tail ? tail->next : head) = n;
  tail = n;
  n->queued = true;
  n->home = this;
}

void futex_table::bucket::remove(node* n) noexcept {
  (n->previous ? n->previous->next : head) = n->next;
  (n->next ? n->next->previous : tail) = n->previous;
  n->queued = false;
}

futex_table::bucket& futex_table::bucket_of(const futex_key& key) noexcept {
  const auto h = std::hash<std::uint64_t>{}((key.offset >> 2) * 0x9E3779B97F4A7C15ULL ^
                                            reinterpret_cast<std::uintptr_t>(key.object));
  return buckets_[(h >> 7) % buckets_.size()];
}

std::int64_t futex_table::wait(address_space& space, std::uint64_t va, std::uint32_t expected,
                               std::uint32_t bitset, waiter& self, deadline until) {
  if (bitset == 0) return -EINVAL;
  node n;
  n.key = {&space, va};
  n.bitset = bitset;
  n.owner = &self;
  {
    memory_access memory(space);
    const std::uint32_t* word = memory.word(va, PROT_READ);
    if (!word) return va % 4 ? -EINVAL : -EFAULT;
    bucket& b = bucket_of(n.key);
    const std::scoped_lock lock(b.lock);
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != expected) return -EAGAIN;
    b.push(&n);
  }
  while (true) {
    const wait_result r = self.park(until);
    // Requeue may have moved the node: take the lock of the bucket where it really is.
    bucket* home = __atomic_load_n(&n.home, __ATOMIC_ACQUIRE);
    std::unique_lock lock(home->lock);
    while (home != n.home) {
      lock.unlock();
      home = __atomic_load_n(&n.home, __ATOMIC_ACQUIRE);
      lock = std::unique_lock(home->lock);
    }
    if (!n.queued) return 0;                // woken, even when the deadline passed in the same moment
    if (r == wait_result::ready) continue;  // a token left over from an earlier wait
    home->remove(&n);
    return r == wait_result::timed_out ? -ETIMEDOUT : -EINTR;
  }
}

std::int64_t futex_table::wake_locked(bucket& b, futex_key key, std::uint32_t count,
                                      std::uint32_t bitset) noexcept {
  std::int64_t woken = 0;
  for (node* n = b.head; n && woken < static_cast<std::int64_t>(count);) {
    node* next = n->next;
    if (n->key == key && (n->bitset & bitset)) {
      waiter* owner = n->owner;
      b.remove(n);
      // The node may be gone as soon as the lock is; its owner lives as long as its thread, which cannot
      // leave wait() without this bucket's lock.
      owner->unpark();
      ++woken;
    }
    n = next;
  }
  return woken;
}

std::int64_t futex_table::wake(futex_key key, std::uint32_t count, std::uint32_t bitset) {
  if (bitset == 0) return -EINVAL;
  bucket& b = bucket_of(key);
  const std::scoped_lock lock(b.lock);
  return wake_locked(b, key, count, bitset);
}

std::int64_t futex_table::requeue(address_space& space, std::uint64_t from_va, std::uint64_t to_va,
                                  std::uint32_t wake_count, std::uint32_t move_count,
                                  const std::uint32_t* expected) {
  const futex_key from{&space, from_va}, to{&space, to_va};
  memory_access memory(space);
  const std::uint32_t* word = memory.word(from_va, PROT_READ);
  if (!word || !memory.word(to_va, PROT_READ)) return (from_va | to_va) % 4 ? -EINVAL : -EFAULT;
  bucket& a = bucket_of(from);
  bucket& b = bucket_of(to);
  std::unique_lock first(&a < &b ? a.lock : b.lock);
  std::unique_lock second =
      &a == &b ? std::unique_lock<std::mutex>() : std::unique_lock(&a < &b ? b.lock : a.lock);
  if (expected && __atomic_load_n(word, __ATOMIC_SEQ_CST) != *expected) return -EAGAIN;
  std::int64_t done = wake_locked(a, from, wake_count, FUTEX_BITSET_MATCH_ANY);
  if (from == to) return done;
  std::uint32_t moved = 0;
  for (node* n = a.head; n && moved < move_count;) {
    node* next = n->next;
    if (n->key == from) {
      a.remove(n);
      n->key = to;
      b.push(n);
      ++moved;
    }
    n = next;
  }
  return done + moved;
}

namespace {

// FUTEX_WAKE_OP's encoded arithmetic on the second word. Returns the old value.
std::pair<bool, std::uint32_t> apply(std::uint32_t* word, std::uint32_t op) noexcept {
  std::uint32_t argument = (op >> 12) & 0xfff;
  if (op & (FUTEX_OP_OPARG_SHIFT << 28)) argument = 1U << (argument & 31);
  std::uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  std::uint32_t now = 0;
  do {
    switch ((op >> 28) & 7) {
      case FUTEX_OP_SET: now = argument; break;
      case FUTEX_OP_ADD: now = old + argument; break;
      case FUTEX_OP_OR: now = old | argument; break;
      case FUTEX_OP_ANDN: now = old & ~argument; break;
      case FUTEX_OP_XOR: now = old ^ argument; break;
      default: return {false, 0};
    }
  } while (!__atomic_compare_exchange_n(word, &old, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return {true, old};
}

// The comparison of FUTEX_WAKE_OP; nullopt-like false in `valid` for an unknown operator.
bool compare(std::uint32_t old, std::uint32_t op, bool& valid) noexcept {
  // The 12-bit comparison argument is signed.
  const auto argument = static_cast<std::int32_t>(op << 20) >> 20;
  const auto value = static_cast<std::int32_t>(old);
  valid = true;
  switch ((op >> 24) & 15) {
    case FUTEX_OP_CMP_EQ: return value == argument;
    case FUTEX_OP_CMP_NE: return value != argument;
    case FUTEX_OP_CMP_LT: return value < argument;
    case FUTEX_OP_CMP_LE: return value <= argument;
    case FUTEX_OP_CMP_GT: return value > argument;
    case FUTEX_OP_CMP_GE: return value >= argument;
    default: valid = false; return false;
  }
}

}  // namespace

std::int64_t futex_table::wake_op(address_space& space, std::uint64_t va1, std::uint64_t va2,
                                  std::uint32_t wake1, std::uint32_t wake2, std::uint32_t op) {
  const futex_key k1{&space, va1}, k2{&space, va2};
  memory_access memory(space);
  std::uint32_t* word = memory.word(va2, PROT_WRITE);
  if (!word || !memory.word(va1, PROT_READ)) return (va1 | va2) % 4 ? -EINVAL : -EFAULT;
  bucket& a = bucket_of(k1);
  bucket& b = bucket_of(k2);
  std::unique_lock first(&a < &b ? a.lock : b.lock);
  std::unique_lock second =
      &a == &b ? std::unique_lock<std::mutex>() : std::unique_lock(&a < &b ? b.lock : a.lock);
  bool valid = false;
  (void)compare(0, op, valid);
  if (!valid) return -ENOSYS;
  const auto [known, old] = apply(word, op);
  if (!known) return -ENOSYS;
  std::int64_t woken = wake_locked(a, k1, wake1, FUTEX_BITSET_MATCH_ANY);
  if (compare(old, op, valid)) woken += wake_locked(b, k2, wake2, FUTEX_BITSET_MATCH_ANY);
  return woken;
}

}  // namespace osvm::unikernel
