// Something that takes one due request at a time: a connection, or a stream of one.
#pragma once

#include "hotswap/io/timer.hpp"
#include "hotswap/load/answer.hpp"

namespace osvm::hotswap::detail {

class load_lane {
 public:
  explicit load_lane(load_run& run) : answer_(run), run_(run) {}
  // Takes a request that was due then, and tells the run once how it ended.
  virtual void send(time_point due) = 0;

  time_point due() const noexcept { return due_; }
  time_point sent() const noexcept { return sent_; }
  const load_answer& answer() const noexcept { return answer_; }

 protected:
  ~load_lane() = default;
  void took(time_point due) noexcept { due_ = due; }
  // The first byte leaves now.
  void leaves() noexcept;
  void finish(load_verdict v);

  load_answer answer_;
  load_run& run_;

 private:
  time_point due_, sent_;
};

}  // namespace osvm::hotswap::detail
