// One release on its way through its states. Each step ends in a callback on the service's shard, which
// begins the next; the deployment belongs to the shard and is dismissed when it has reported.
#pragma once

#include "hotswap/release/state.hpp"

#include <cstdint>

namespace osvm::hotswap::detail {

class deployment final : public actor {
 public:
  deployment(shard& on, service_state& s, std::uint64_t attempt, release_spec spec, deploy_handler handler);
  ~deployment() override;

  void begin();
  void on_io(channel&) override {}
  void on_timer(timer& which) override;
  // An instance has ended by itself.
  void lost(const instance_ptr& which);
  // Gives up; the new release stays active when it is already routed to.
  void cancel(const char* why);

 private:
  enum class step : std::uint8_t {
    starting,
    probing,
    warming,
    baking,
    draining,  // the release that left
    stopping,  // same
    undoing,   // after a roll-back, the new release drains
    removing,  // the new instance is being stopped
    over,
  };

  void started(result<std::shared_ptr<lease>> r);
  void probe();
  void probed(result<probe_report> r);
  void warm();
  void warmed(const fetch_outcome& o);
  void shift();
  void look_at_traffic();
  void drain_old();
  void drained(result<drain_report> r);
  void stop_old();
  void old_stopped(const result<void>& r);
  void fail(error_code code, std::string reason);
  void roll_back();
  void undo_drained(result<drain_report> r);
  void stop_new();
  void new_stopped(const result<void>& r);
  void end_attempts() noexcept;
  void report();
  void enter(release_state s, std::string reason = {});
  // What the step took, and the beginning of the next.
  std::chrono::nanoseconds lap();
  // Wraps a callback so that it is dropped once the deployment is over.
  template <class F>
  auto later(F f);

  service_state& service_;
  release_spec spec_;
  deploy_handler handler_;
  shift_report report_;
  step step_ = step::starting;
  release_state state_ = release_state::starting;
  instance_ptr next_, old_;
  address where_;
  std::stop_source start_stop_;
  prober* prober_ = nullptr;
  fetch* warming_ = nullptr;
  timer timer_;
  time_point begun_, lap_, bake_until_;
  std::uint64_t attempt_;
  std::shared_ptr<deployment*> alive_;
};

}  // namespace osvm::hotswap::detail
