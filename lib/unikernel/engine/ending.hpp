// How a guest ended, and who waits for that: the same for every engine.
#pragma once

#include "unikernel/engine/engine.hpp"
#include "unikernel/events/channel.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

// Thread-safe. The embedder hears of the end after all that happened before it: events are drained first.
class ending final {
 public:
  explicit ending(executor ex) : executor_(std::move(ex)) {}

  // Before anything can end. May be null.
  void drain_first(std::shared_ptr<event_channel> events) { events_ = std::move(events); }
  // The first report wins; the guest may still run for a moment.
  void decide(exit_report report);
  // The report that was decided.
  std::optional<exit_report> decided() const;
  // Nothing of the guest runs any more, and a report was decided. Called once.
  void finish();
  // Blocks until finish().
  void wait_finished();

  void wait_async(engine::wait_handler handler);
  result<exit_report> wait(std::chrono::nanoseconds timeout);

 private:
  void complete(engine::wait_handler handler, exit_report report);

  executor executor_;
  std::shared_ptr<event_channel> events_;
  mutable std::mutex lock_;
  std::condition_variable changed_;
  std::optional<exit_report> report_;
  bool done_ = false;
  std::vector<engine::wait_handler> handlers_;
};

}  // namespace osvm::unikernel
