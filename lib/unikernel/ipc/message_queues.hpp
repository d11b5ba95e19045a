// System V message queues of one instance, by key and id. Keys and ids mean nothing to the host or to other
// guests.
#pragma once

#include "unikernel/ipc/wait_list.hpp"

#include <sys/msg.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace osvm::unikernel {

// Thread-safe. Calls return 0, a value, or -errno.
class queue_table final {
 public:
  static constexpr std::size_t max_queues = 64, max_message = 8192, max_bytes = 16384;

  struct message {
    std::int64_t type = 0;
    std::string text;
    std::shared_ptr<void> charge;  // its bytes in the instance's memory
  };
  struct receive_options {
    std::size_t size = 0;
    std::int64_t type = 0;
    int flags = 0;
  };

  std::int64_t get(key_t key, int flags, std::int64_t now);
  std::int64_t send(int id, message m, int flags, int pid, waiter& who);
  std::int64_t receive(int id, const receive_options& wanted, int pid, waiter& who, message& out);
  std::int64_t stat(int id, msqid_ds& out) const;
  std::int64_t change(int id, const msqid_ds& wanted, std::int64_t now);
  std::int64_t remove(int id);
  bool any() const;

 private:
  struct queue {
    msqid_ds about{};
    std::deque<message> messages;
    bool removed = false;
    wait_list waiting;
  };
  using queue_ptr = std::shared_ptr<queue>;
  using position = std::deque<message>::iterator;
  queue_ptr find(int id) const;
  static position pick(queue& q, const receive_options& wanted);
  static void take(queue& q, position at, message& out, int pid);

  mutable std::mutex lock_;
  std::map<int, queue_ptr> queues_;
  int next_id_ = 0;  // ids are not used again soon: a stale one is an error, not another queue
};

}  // namespace osvm::unikernel
