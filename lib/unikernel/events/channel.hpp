// The way of events from guest threads to the embedder: a ring, and a drain that is posted to the executor
// when the ring stops being empty. Owned by the engine; a posted drain keeps it alive.
#pragma once

#include "unikernel/events/ring.hpp"

#include <osvm/core/runtime.hpp>
#include <osvm/unikernel/event.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace osvm::unikernel {

// Thread-safe.
class event_channel final : public std::enable_shared_from_this<event_channel> {
 public:
  event_channel(executor ex, event_options options);

  bool wants_denials() const noexcept { return options_.denials; }
  bool wants_trace() const noexcept { return options_.trace; }

  // Guest threads. None waits or throws.
  void denial(std::string_view what, std::string_view rule) noexcept;
  void trace(int thread, std::uint32_t call, std::string_view text, std::int64_t result,
             std::chrono::steady_clock::time_point entered) noexcept;
  // One that another process has recorded.
  void forward(const event& e) noexcept;
  // Bytes that the guest wrote to descriptor `stream`: each line becomes an event; the rest waits for its
  // newline.
  void output(int stream, std::string_view bytes) noexcept;

  // Moves out up to `most` events, oldest first.
  std::vector<event> take(std::size_t most);
  // Hands everything that is there to the handler, if there is one. On return no earlier event is left in the
  // ring.
  void drain();
  // The guest is over: an unfinished line of output becomes an event too.
  void finish_output() noexcept;
  // No handler call begins after it has returned; one that runs in this very thread may go on.
  void close() noexcept;
  std::uint64_t dropped() const noexcept { return ring_.dropped(); }

 private:
  void push(event_record& record) noexcept;
  void schedule() noexcept;
  bool deliver(std::size_t most);  // false: nothing more is there

  executor executor_;
  const event_options options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  event_ring ring_;
  std::atomic<bool> scheduled_{false};
  std::mutex delivering_;  // one reader at a time, held while the handler runs
  std::atomic<std::thread::id> reader_{};
  std::atomic<bool> closed_{false};
  std::mutex line_lock_;  // held for a copy of a few bytes
  std::string lines_[2];  // unfinished lines of descriptors 1 and 2
};

}  // namespace osvm::unikernel
