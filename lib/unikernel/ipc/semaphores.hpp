// System V semaphores of one instance: sets by key and id, what waits for them, and what is undone when a
// process ends. Keys and ids mean nothing to the host or to other guests.
#pragma once

#include "unikernel/ipc/wait_list.hpp"

#include <sys/sem.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace osvm::unikernel {

// Thread-safe. Calls return 0, a value, or -errno.
class semaphore_table final {
 public:
  static constexpr std::size_t max_sets = 128, max_per_set = 512, max_operations = 500, max_undo = 4096;
  static constexpr int max_value = 32767;

  std::int64_t get(key_t key, int count, int flags, std::int64_t now);
  // All operations or none; waits while they cannot be done.
  std::int64_t operate(int id, std::span<const sembuf> operations, int pid, waiter& who, deadline until);
  std::int64_t stat(int id, semid_ds& out) const;
  std::int64_t change(int id, const ipc_perm& wanted, std::int64_t now);
  std::int64_t remove(int id);
  bool any() const;
  // GETVAL, GETPID, GETNCNT and GETZCNT.
  std::int64_t ask(int id, int number, int command) const;
  std::int64_t set_value(int id, int number, int value, int pid, std::int64_t now);
  std::int64_t values(int id, std::vector<std::uint16_t>& out) const;
  std::int64_t set_values(int id, std::span<const std::uint16_t> all, int pid, std::int64_t now);
  // Undoes what the process asked to be undone (SEM_UNDO).
  void process_ended(int pid) noexcept;

 private:
  struct semaphore {
    int value = 0, last_pid = 0;
    unsigned wait_more = 0, wait_zero = 0;
  };
  struct set {
    semid_ds about{};
    std::vector<semaphore> all;
    bool removed = false;
    wait_list waiting;
  };
  using set_ptr = std::shared_ptr<set>;
  using undo_key = std::pair<int, int>;  // process, set

  set_ptr find(int id) const;
  // 0: done; -EAGAIN: `blocked` says at which operation.
  std::int64_t attempt(set& s, int id, std::span<const sembuf> operations, int pid, std::size_t& blocked);
  std::int64_t room_to_undo(int id, const set& s, std::span<const sembuf> operations, int pid);
  void forget_undo(int id, std::optional<std::size_t> number);

  mutable std::mutex lock_;
  std::map<int, set_ptr> sets_;
  std::map<undo_key, std::vector<int>> undo_;
  int next_id_ = 0;  // ids are not used again soon: a stale one is an error, not another set
};

}  // namespace osvm::unikernel
