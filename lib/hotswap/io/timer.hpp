// Timers of one shard: a binary heap whose entries are moved lazily, so that pushing a deadline back (what a
// busy session does with every request) costs one store.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace osvm::hotswap::detail {

using time_point = std::chrono::steady_clock::time_point;

class actor;
class timer_queue;

// A deadline of an actor, which outlives it. Disarms itself when destroyed. Not thread-safe.
class timer {
 public:
  explicit timer(actor& owner) noexcept : owner_(&owner) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer() { cancel(); }
  bool armed() const noexcept { return queue_ != nullptr; }
  void cancel() noexcept;
  actor& owner() const noexcept { return *owner_; }

 private:
  friend class timer_queue;
  actor* owner_;
  timer_queue* queue_ = nullptr;
  std::size_t position_ = 0;
  time_point deadline_;
};

class timer_queue {
 public:
  timer_queue() = default;
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;
  ~timer_queue();
  // Arms `t`, or moves its deadline.
  void arm(timer& t, time_point deadline);
  void cancel(timer& t) noexcept;
  bool empty() const noexcept { return heap_.empty(); }
  // No timer is due before this; it may be earlier than the earliest deadline. Only when not empty.
  time_point earliest() const noexcept { return heap_.front().key; }
  // The next timer that is due, disarmed; null when there is none.
  timer* pop_due(time_point now);

 private:
  struct entry {
    time_point key;  // <= who->deadline_
    timer* who;
  };
  void place(std::size_t at, entry e) noexcept;
  void sift_up(std::size_t at) noexcept;
  void sift_down(std::size_t at) noexcept;
  std::vector<entry> heap_;
};

inline void timer::cancel() noexcept {
  if (queue_) queue_->cancel(*this);
}

}  // namespace osvm::hotswap::detail
