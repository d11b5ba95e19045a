// A bounded queue of connected descriptors whose receiving end is itself a descriptor: pollable, and free to
// be passed to another process. It is what stands behind a guest's listening vsock socket.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/hybrid.hpp>

#include <cstdint>
#include <memory>

namespace osvm::vsock {

struct queued_fd {
  unique_fd fd;
  std::uint32_t host_port = 0;
};

// Producer side. push() and has_room() by one thread at a time; the receiving end by any number of threads.
// Destroying it lets the receiver drain what is queued and then see errc::closed.
class fd_queue final {
 public:
  // `backlog` >= 1: how many descriptors may wait.
  static result<fd_queue> create(unsigned backlog);

  // The end that becomes readable (POLLIN) while something waits. Owned by the queue until take_receiver().
  int receiver() const noexcept { return receiver_.get(); }
  // A duplicate to keep beyond the queue's life; it shares the queue.
  unique_fd duplicate_receiver() const noexcept { return receiver_.duplicate(); }

  bool has_room() const noexcept;
  // False, and the descriptor is closed, when `backlog` wait already or the host refuses to hold more.
  bool push(queued_fd item) noexcept;

  // The next one. Never blocks: system_error EAGAIN when none waits, errc::closed when the producer is gone.
  static result<queued_fd> take(int receiver_fd);

 private:
  fd_queue(unique_fd sender, unique_fd receiver, unsigned backlog) noexcept
      : sender_(std::move(sender)), receiver_(std::move(receiver)), backlog_(backlog) {}
  unique_fd sender_;
  unique_fd receiver_;
  unsigned backlog_;
};

// A sink that accepts requests into `queue` while it has room and refuses the others.
port_sink queue_sink(std::shared_ptr<fd_queue> queue);

}  // namespace osvm::vsock
