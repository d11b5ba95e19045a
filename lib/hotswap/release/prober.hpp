// A probe on a shard: attempts until enough in a row succeed or the deadline passes. No attempt overlaps
// another.
#pragma once

#include "hotswap/io/fetch.hpp"

#include <osvm/hotswap/probe.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

namespace osvm::hotswap::detail {

result<void> check(const probe_options& options);
// One attempt, and why it failed: empty when it did not. Not for custom and none.
fetch_request request_of(const probe_options& options, const address& where);
std::string judge_answer(const probe_options& options, const fetch_outcome& o);

class prober final : public actor {
 public:
  using done_function = std::function<void(result<probe_report>)>;
  // Calls `done` once, later, on the shard; not when it was dismissed before.
  static prober& start(shard& s, const endpoint& named, const address& where, probe_options options,
                       done_function done);
  prober(shard& s, const endpoint& named, const address& where, probe_options options, done_function done);

  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  void on_deferred() override { finish(report_); }
  // Ends it with errc::cancelled.
  void cancel();
  // Ends it without a word, and the attempt that is under way with it.
  void abandon() noexcept;

 private:
  void attempt();
  void ask();
  void attempted(const fetch_outcome& o);
  void judged(const std::string& failure);
  void finish(result<probe_report> r);

  endpoint named_;
  address where_;
  probe_options options_;
  done_function done_;
  timer next_, deadline_, asked_;
  fetch* running_ = nullptr;
  std::stop_source ask_stop_;
  std::shared_ptr<prober*> asking_;  // renewed with each question, so that a late answer finds nobody
  time_point begun_;
  unsigned successes_ = 0;
  probe_report report_;
};

}  // namespace osvm::hotswap::detail
