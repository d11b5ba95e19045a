// One deployment's hands: carries out the orders that need time, each on the service's shard, and answers the
// machine. Belongs to the shard and is dismissed when it has reported.
#pragma once

#include "hotswap/release/state.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace osvm::hotswap::detail {

class deployment final : public actor {
 public:
  deployment(shard& on, service_state& s, release_spec spec, deploy_handler handler);
  ~deployment() override;

  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  void carry_out(const order& o);
  // The service ends: nothing more is wanted, nobody else is told.
  void cancel(const char* why);
  // Another who gets the report.
  void also(deploy_handler handler) { others_.push_back(std::move(handler)); }
  unsigned stages() const noexcept;
  const release_spec& spec() const noexcept { return spec_; }

 private:
  void start(std::uint64_t attempt);
  void started(std::uint64_t attempt, result<std::shared_ptr<lease>> r);
  void probe();
  void probed(const result<probe_report>& r);
  void warm();
  void warmed(const fetch_outcome& o);
  void route(const order& o);
  void watch(unsigned stage);
  void look_at_traffic();
  std::string judge_traffic();
  std::string judge_counts(std::uint64_t bad, std::uint64_t all, const char* when) const;
  void drain(std::uint64_t attempt);
  void drained(const result<drain_report>& r);
  void stop(std::uint64_t attempt);
  void end_tries() noexcept;
  void report();
  // Notes why it fails, for the report.
  void answer(input in, error_code code = {}, std::string why = {});
  std::chrono::nanoseconds lap();
  std::uint32_t share_of(unsigned stage) const;
  // Wraps a callback so that it is dropped once the deployment, or the step, is over.
  template <class F>
  auto later(F f);

  struct sample {
    time_point when;
    std::uint64_t all = 0, bad = 0;
  };

  service_state& service_;
  release_spec spec_;
  deploy_handler handler_;
  std::deque<deploy_handler> others_;
  shift_report report_;
  std::vector<endpoint> all_;  // of the new instance, all of them probed
  std::size_t probed_ = 0;
  address where_;
  std::shared_ptr<target> watched_;
  std::stop_source start_stop_;
  prober* prober_ = nullptr;
  fetch* warming_ = nullptr;
  timer timer_;
  time_point begun_, lap_, stage_until_;
  std::deque<sample> samples_;
  std::uint64_t step_ = 0;  // counts orders: an answer to an earlier one is void
  std::shared_ptr<deployment*> alive_;
};

}  // namespace osvm::hotswap::detail
