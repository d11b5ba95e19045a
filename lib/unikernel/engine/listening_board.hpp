// Which granted ports a guest listens on, and who waits for that: the same for every engine.
#pragma once

#include "unikernel/engine/engine.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace osvm::unikernel {

// Thread-safe.
class listening_board final {
 public:
  explicit listening_board(executor ex) : executor_(std::move(ex)) {}

  // Before the guest runs.
  void grant(std::span<const listener> all);
  // The guest listens; embedders reach it at `where`.
  void ready(const listener& which, endpoint where);
  // The guest has ended. Returns the endpoints that were ready: nothing answers there any more.
  std::vector<endpoint> close();

  void listening_async(listener which, engine::listening_handler handler);
  result<endpoint> wait(listener which, std::chrono::nanoseconds timeout);

 private:
  struct state {
    std::optional<endpoint> where;
    std::vector<engine::listening_handler> handlers;
  };
  void complete(engine::listening_handler handler, result<endpoint> with);

  executor executor_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::map<std::pair<int, std::uint32_t>, state> listeners_;
  bool over_ = false;
};

}  // namespace osvm::unikernel
