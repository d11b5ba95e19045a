#include "hotswap/io/timer.hpp"

namespace osvm::hotswap::detail {

timer_queue::~timer_queue() {
  for (auto& e : heap_) e.who->queue_ = nullptr;
}

void timer_queue::place(std::size_t at, entry e) noexcept {
  heap_[at] = e;
  e.who->position_ = at;
}

void timer_queue::sift_up(std::size_t at) noexcept {
  const entry moving = heap_[at];
  while (at > 0 && moving.key < heap_[(at - 1) / 2].key) {
    place(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  place(at, moving);
}

void timer_queue::sift_down(std::size_t at) noexcept {
  const entry moving = heap_[at];
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].key < heap_[child].key) ++child;
    if (!(heap_[child].key < moving.key)) break;
    place(at, heap_[child]);
    at = child;
  }
  place(at, moving);
}

void timer_queue::arm(timer& t, time_point deadline) {
  t.deadline_ = deadline;
  if (!t.queue_) {
    heap_.push_back({deadline, &t});
    t.queue_ = this;
    sift_up(heap_.size() - 1);
  } else if (deadline < heap_[t.position_].key) {
    heap_[t.position_].key = deadline;
    sift_up(t.position_);
  }
}

void timer_queue::cancel(timer& t) noexcept {
  const std::size_t at = t.position_;
  const entry last = heap_.back();
  heap_.pop_back();
  t.queue_ = nullptr;
  if (at == heap_.size()) return;
  place(at, last);
  sift_up(at);
  sift_down(last.who->position_);
}

timer* timer_queue::pop_due(time_point now) {
  while (!heap_.empty() && heap_.front().key <= now) {
    timer& t = *heap_.front().who;
    if (t.deadline_ > now) {  // was pushed back since
      heap_.front().key = t.deadline_;
      sift_down(0);
      continue;
    }
    cancel(t);
    return &t;
  }
  return nullptr;
}

}  // namespace osvm::hotswap::detail
