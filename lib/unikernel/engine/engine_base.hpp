// The part of an engine that is the same wherever its guest runs: who waits for the end, for listeners, for
// events.
#pragma once

#include "unikernel/engine/ending.hpp"
#include "unikernel/engine/listening_board.hpp"

namespace osvm::unikernel {

class engine_base : public engine {
 public:
  executor get_executor() const noexcept override { return executor_; }
  void wait_async(wait_handler handler) override { ending_.wait_async(std::move(handler)); }
  result<exit_report> wait(std::chrono::nanoseconds timeout) override { return ending_.wait(timeout); }
  void listening_async(listener which, listening_handler handler) override {
    listeners_.listening_async(which, std::move(handler));
  }
  result<endpoint> wait_listening(listener which, std::chrono::nanoseconds timeout) override {
    return listeners_.wait(which, timeout);
  }
  std::vector<event> take_events(std::size_t most) override {
    return events_ ? events_->take(most) : std::vector<event>();
  }

 protected:
  explicit engine_base(executor ex) : executor_(std::move(ex)), ending_(executor_), listeners_(executor_) {}
  // Before the guest runs: makes the channel of events when the options ask for any.
  void open_events(const instance_options& options);

  executor executor_;
  std::shared_ptr<event_channel> events_;  // null: nobody asked for any
  ending ending_;
  listening_board listeners_;
};

}  // namespace osvm::unikernel
