// A probe on a shard: attempts until enough in a row succeed or the deadline passes. No attempt overlaps
// another.
#pragma once

#include "hotswap/io/fetch.hpp"

#include <osvm/hotswap/probe.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace osvm::hotswap::detail {

result<void> check(const probe_options& options);

class prober final : public actor {
 public:
  using done_function = std::function<void(result<probe_report>)>;
  // Calls `done` once, later, on the shard; not when it was dismissed before.
  static prober& start(shard& s, const address& where, probe_options options, done_function done);
  prober(shard& s, const address& where, probe_options options, done_function done);

  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  // Ends it with errc::cancelled.
  void cancel();
  // Ends it without a word, and the attempt that is under way with it.
  void abandon() noexcept;

 private:
  void attempt();
  void attempted(const fetch_outcome& o);
  std::string judge(const fetch_outcome& o) const;
  void finish(result<probe_report> r);

  address where_;
  probe_options options_;
  done_function done_;
  timer next_, deadline_;
  fetch* running_ = nullptr;
  time_point begun_;
  unsigned successes_ = 0;
  probe_report report_;
};

}  // namespace osvm::hotswap::detail
