#include "hotswap/release/deployment.hpp"

#include "hotswap/io/complete.hpp"

namespace osvm::hotswap::detail {

template <class F>
auto deployment::later(F f) {
  return service_.on_home(
      [me = std::weak_ptr(alive_), f = std::move(f)](service_state&, auto... args) mutable {
        if (const auto p = me.lock()) f(**p, std::move(args)...);
      });
}

deployment::deployment(shard& on, service_state& s, std::uint64_t attempt, release_spec spec,
                       deploy_handler handler)
    : actor(on),
      service_(s),
      spec_(std::move(spec)),
      handler_(std::move(handler)),
      timer_(*this),
      attempt_(attempt),
      alive_(std::make_shared<deployment*>(this)) {
  begun_ = lap_ = std::chrono::steady_clock::now();
  report_.version = spec_.version;
  old_ = service_.active();
  if (old_) report_.replaced = old_->version;
}

deployment::~deployment() {
  if (handler_)
    complete(service_.ex, std::move(handler_), result<shift_report>(error(osvm::errc::cancelled, "deploy")));
}

std::chrono::nanoseconds deployment::lap() {
  const auto now = std::chrono::steady_clock::now();
  return now - std::exchange(lap_, now);
}

void deployment::enter(release_state s, std::string reason) {
  state_ = s;
  service_.emit(spec_.version, attempt_, s, std::move(reason));
}

// --- starting ---

void deployment::begin() {
  enter(release_state::starting);
  shard_.arm(timer_, begun_ + spec_.start_deadline);
  // A lease that comes when nobody wants it any more must still be stopped, so this is bound to the service.
  service_.source->async_start(spec_, start_stop_.get_token(),
                               service_.on_home([me = std::weak_ptr(alive_), deadline = spec_.stop_deadline](
                                                    service_state& s, result<std::shared_ptr<lease>> r) {
                                 const auto p = me.lock();
                                 if (p && (*p)->step_ == step::starting) return (*p)->started(std::move(r));
                                 if (!r || !*r) return;
                                 auto unwanted = std::make_shared<running_instance>();
                                 unwanted->held = std::move(*r);
                                 unwanted->stop_deadline = deadline;
                                 s.discard(unwanted);
                               }));
}

void deployment::started(result<std::shared_ptr<lease>> r) {
  report_.start = lap();
  timer_.cancel();
  if (!r) return fail(r.error().code, "it did not start: " + r.error().to_string());
  if (!*r) return fail(make_error_code(osvm::errc::invalid_argument), "the source gave no lease");
  next_ = std::make_shared<running_instance>();
  next_->held = std::move(*r);
  next_->version = spec_.version;
  next_->attempt = attempt_;
  next_->stop_deadline = spec_.stop_deadline;
  auto where = to_address(next_->held->where());
  if (!where) return fail(where.error().code, where.error().to_string());
  where_ = *where;
  service_.watch(next_);
  probe();
}

// --- probing and warming ---

void deployment::probe() {
  step_ = step::probing;
  enter(release_state::probing);
  prober_ = &prober::start(shard_, where_, spec_.probe, [this](result<probe_report> r) {
    prober_ = nullptr;
    probed(std::move(r));
  });
}

void deployment::probed(result<probe_report> r) {
  report_.probe = lap();
  if (!r) return fail(r.error().code, "it did not get healthy: " + r.error().to_string());
  report_.probe_attempts = r->attempts;
  step_ = step::warming;
  enter(release_state::warming);
  warm();
}

void deployment::warm() {
  if (report_.warmup_requests >= spec_.warmup.requests) {
    report_.warm = lap();
    return shift();
  }
  fetch_request r;
  r.where = where_;
  r.path = spec_.warmup.path;
  r.host = spec_.warmup.host;
  r.timeout = spec_.warmup.timeout;
  warming_ = &fetch::start(shard_, std::move(r), [this](const fetch_outcome& o) {
    warming_ = nullptr;
    warmed(o);
  });
}

void deployment::warmed(const fetch_outcome& o) {
  const std::string which = "warm-up request " + std::to_string(report_.warmup_requests + 1) + ": ";
  if (!o.failure.empty()) return fail(make_error_code(errc::probe_failed), which + o.failure);
  if (o.status < 200 || o.status >= 400) {
    return fail(make_error_code(errc::probe_failed),
                which + "answered with status " + std::to_string(o.status));
  }
  ++report_.warmup_requests;
  warm();
}

// --- shift and bake ---

void deployment::shift() {
  const auto before = std::chrono::steady_clock::now();
  if (auto r = service_.route(next_); !r) return fail(r.error().code, r.error().to_string());
  report_.shift = std::chrono::steady_clock::now() - before;
  report_.generation = next_->generation;
  lap();
  enter(release_state::active);
  if (spec_.bake.window.count() <= 0) return drain_old();
  step_ = step::baking;
  bake_until_ = lap_ + spec_.bake.window;
  shard_.arm(timer_, lap_ + spec_.bake.check);
}

void deployment::look_at_traffic() {
  const auto t = service_.front->routes.find(next_->generation);
  const auto s = t ? t->stats() : release_stats{};
  const auto judged = s.responses + s.failures;
  const auto bad = s.errors_5xx + s.failures;
  if (judged >= spec_.bake.min_requests &&
      static_cast<double>(bad) > spec_.bake.max_error_rate * static_cast<double>(judged)) {
    return fail(make_error_code(errc::probe_failed),
                std::to_string(bad) + " of " + std::to_string(judged) + " requests failed after the shift");
  }
  const auto now = std::chrono::steady_clock::now();
  if (now >= bake_until_) {
    report_.bake = lap();
    return drain_old();
  }
  shard_.arm(timer_, std::min(now + std::chrono::steady_clock::duration(spec_.bake.check), bake_until_));
}

void deployment::on_timer(timer&) {
  if (step_ == step::baking) return look_at_traffic();
  if (step_ != step::starting) return;
  start_stop_.request_stop();
  report_.start = lap();
  fail(make_error_code(osvm::errc::timed_out), "it did not start within its deadline");
}

// --- the release that leaves ---

void deployment::drain_old() {
  step_ = step::draining;
  if (!old_) return report();
  service_.emit(old_->version, old_->attempt, release_state::draining, "replaced by " + spec_.version);
  service_.front->drain(old_->generation, spec_.drain_deadline,
                        later([](deployment& d, result<drain_report> r) { d.drained(std::move(r)); }));
}

void deployment::drained(result<drain_report> r) {
  if (step_ != step::draining) return;
  report_.drain = lap();
  if (r) {
    report_.cut = r->cut;
    report_.drained = r->inflight - std::min(r->inflight, r->cut);
  }
  stop_old();
}

void deployment::stop_old() {
  step_ = step::stopping;
  service_.source->async_stop(old_->held, spec_.stop_deadline,
                              later([](deployment& d, const result<void>& r) { d.old_stopped(r); }));
}

void deployment::old_stopped(const result<void>& r) {
  if (!r) report_.stop_error = r.error().to_string();
  service_.emit(old_->version, old_->attempt, release_state::retired, report_.stop_error);
  old_.reset();
  if (step_ != step::stopping) return;  // the new release was lost meanwhile
  report_.stop = lap();
  report();
}

// --- failure ---

void deployment::lost(const instance_ptr& which) {
  if (which == old_) return;  // noted in it: there is no way back to it now
  if (which != next_ || step_ == step::undoing || step_ == step::removing || step_ == step::over) return;
  fail(make_error_code(errc::instance_lost), "the instance ended by itself: " + which->lost_reason);
}

void deployment::fail(error_code code, std::string reason) {
  report_.failed_at = state_;
  report_.code = code;
  report_.reason = std::move(reason);
  end_attempts();
  if (step_ == step::baking) report_.bake = lap();
  if (step_ == step::baking || step_ == step::draining || step_ == step::stopping) return roll_back();
  step_ = step::removing;
  report_.state = release_state::rejected;
  enter(release_state::rejected, report_.reason);
  if (!next_) return report();
  stop_new();
}

void deployment::end_attempts() noexcept {
  start_stop_.request_stop();
  timer_.cancel();
  if (prober_) prober_->abandon();
  if (warming_) shard_.dismiss(*warming_);
  prober_ = nullptr;
  warming_ = nullptr;
}

void deployment::roll_back() {
  // Once the old instance is being stopped it is too late: the service is left without a release.
  const bool stopping = step_ == step::stopping;
  const bool possible = old_ && !old_->lost && !stopping;
  step_ = step::undoing;
  (void)service_.route(possible ? old_ : nullptr);
  report_.state = possible ? release_state::rolled_back : release_state::retired;
  enter(report_.state, report_.reason);
  if (possible)
    service_.emit(old_->version, old_->attempt, release_state::active, "rolled back from " + spec_.version);
  if (!possible && old_ && !stopping) service_.discard(old_);
  service_.front->drain(next_->generation, spec_.drain_deadline,
                        later([](deployment& d, result<drain_report> r) { d.undo_drained(std::move(r)); }));
}

void deployment::undo_drained(result<drain_report> r) {
  report_.drain = lap();
  if (r) {
    report_.cut = r->cut;
    report_.drained = r->inflight - std::min(r->inflight, r->cut);
  }
  stop_new();
}

void deployment::stop_new() {
  step_ = step::removing;
  service_.source->async_stop(next_->held, spec_.stop_deadline,
                              later([](deployment& d, const result<void>& r) { d.new_stopped(r); }));
}

void deployment::new_stopped(const result<void>& r) {
  report_.stop = lap();
  if (!r) report_.stop_error = r.error().to_string();
  report();
}

// --- end ---

void deployment::report() {
  if (step_ == step::draining || step_ == step::stopping) report_.state = release_state::active;
  step_ = step::over;
  report_.total = std::chrono::steady_clock::now() - begun_;
  alive_.reset();
  service_.ended(*this);
  shard_.dismiss(*this);
  if (handler_) complete(service_.ex, std::move(handler_), result<shift_report>(report_));
}

void deployment::cancel(const char* why) {
  if (step_ == step::over) return;
  end_attempts();
  const bool routed = step_ == step::baking || step_ == step::draining;
  if (next_ && !routed && step_ != step::stopping && step_ != step::removing) service_.discard(next_);
  if (routed && old_) service_.discard(old_);
  step_ = step::over;
  alive_.reset();
  service_.ended(*this);
  shard_.dismiss(*this);
  if (handler_) {
    complete(service_.ex, std::move(handler_), result<shift_report>(error(osvm::errc::cancelled, why)));
  }
}

}  // namespace osvm::hotswap::detail
