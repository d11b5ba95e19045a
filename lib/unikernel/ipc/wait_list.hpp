// Guest threads that wait until an object of the instance has changed: a FIFO, a semaphore set, a queue.
#pragma once

#include "unikernel/thread/waiter.hpp"

#include <mutex>
#include <vector>

namespace osvm::unikernel {

// Guarded by its owner's lock, which wait() gives up meanwhile; the owner must outlive all who wait.
class wait_list final {
 public:
  // `ready` says only that it is worth looking again; `timed_out` without a deadline, that the instance's
  // time is over.
  wait_result wait(std::unique_lock<std::mutex>& held, waiter& who, deadline until) {
    waiting_.push_back(&who);
    held.unlock();
    const wait_result r = who.park(until);
    held.lock();
    std::erase(waiting_, &who);
    return r;
  }
  void wake_all() noexcept {
    for (waiter* w : waiting_) w->unpark();
  }

 private:
  std::vector<waiter*> waiting_;
};

}  // namespace osvm::unikernel
