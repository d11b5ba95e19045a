#include "hotswap/release/deployment.hpp"

#include "hotswap/io/complete.hpp"
#include "hotswap/proxy/drain.hpp"

#include <cmath>

namespace osvm::hotswap::detail {

using kind = order::kind;

template <class F>
auto deployment::later(F f) {
  return service_.on_home(
      [me = std::weak_ptr(alive_), step = step_, f = std::move(f)](service_state&, auto... args) mutable {
        const auto p = me.lock();
        if (p && (*p)->step_ == step) f(**p, std::move(args)...);
      });
}

deployment::deployment(shard& on, service_state& s, release_spec spec, deploy_handler handler)
    : actor(on),
      service_(s),
      spec_(std::move(spec)),
      handler_(std::move(handler)),
      timer_(*this),
      alive_(std::make_shared<deployment*>(this)) {
  begun_ = lap_ = std::chrono::steady_clock::now();
  report_.version = spec_.version;
  report_.replaced = service_.version_of(service_.machine().active());
}

deployment::~deployment() {
  const auto end = [this](deploy_handler& h) {
    if (h) complete(service_.ex, std::move(h), result<shift_report>(error(osvm::errc::cancelled, "deploy")));
  };
  end(handler_);
  for (auto& h : others_) end(h);
}

std::chrono::nanoseconds deployment::lap() {
  const auto now = std::chrono::steady_clock::now();
  return now - std::exchange(lap_, now);
}

void deployment::answer(input in, error_code code, std::string why) {
  if (code) report_.code = code;
  service_.feed(in, std::move(why));
}

void deployment::carry_out(const order& o) {
  ++step_;
  switch (o.what) {
    case kind::start: return start(o.who);
    case kind::probe: return probe();
    case kind::warm: return warm();
    case kind::end_tries: return end_tries();
    case kind::save:
      return service_.save(later([](deployment& d, const result<void>& r) {
        if (r) return d.answer(input::saved);
        d.answer(input::not_saved, r.error().code, r.error().to_string());
      }));
    case kind::route: return route(o);
    case kind::watch: return watch(o.stage);
    case kind::drain: return drain(o.who);
    case kind::stop: return stop(o.who);
    case kind::report: return report();
    default: break;
  }
}

// --- starting ---

void deployment::start(std::uint64_t attempt) {
  shard_.arm(timer_, begun_ + spec_.start_deadline);
  // A lease that comes when nobody wants it any more must still be stopped, so this is bound to the service.
  service_.source->async_start(
      spec_, start_stop_.get_token(),
      service_.on_home([me = std::weak_ptr(alive_), step = step_, attempt, deadline = spec_.stop_deadline](
                           service_state& s, result<std::shared_ptr<lease>> r) {
        const auto p = me.lock();
        if (p && (*p)->step_ == step) return (*p)->started(attempt, std::move(r));
        if (!r || !*r) return;
        auto unwanted = std::make_shared<running_instance>();
        unwanted->held = std::move(*r);
        unwanted->stop_deadline = deadline;
        s.discard(unwanted);
      }));
}

void deployment::started(std::uint64_t attempt, result<std::shared_ptr<lease>> r) {
  report_.start = lap();
  timer_.cancel();
  if (!r) return answer(input::not_started, r.error().code, "it did not start: " + r.error().to_string());
  if (!*r) {
    return answer(input::not_started, osvm::errc::invalid_argument, "the source gave no lease");
  }
  auto i = std::make_shared<running_instance>();
  i->held = std::move(*r);
  i->version = spec_.version;
  i->attempt = attempt;
  i->stop_deadline = spec_.stop_deadline;
  all_ = i->held->also();
  all_.insert(all_.begin(), i->held->where());
  for (const auto& e : all_) {
    const auto where = to_address(e);
    if (where) continue;
    service_.discard(i);
    return answer(input::not_started, where.error().code, where.error().to_string());
  }
  where_ = *to_address(all_.front());
  service_.add_instance(i);
  answer(input::started);
}

// --- probing and warming ---

// One server after the other.
void deployment::probe() {
  const auto& which = all_[probed_];
  prober_ = &prober::start(shard_, which, *to_address(which), spec_.probe, [this](result<probe_report> r) {
    prober_ = nullptr;
    if (!r || ++probed_ == all_.size()) return probed(r);
    report_.probe_attempts += r->attempts;
    probe();
  });
}

void deployment::probed(const result<probe_report>& r) {
  report_.probe = lap();
  if (!r) return answer(input::unhealthy, r.error().code, "it did not get healthy: " + r.error().to_string());
  report_.probe_attempts += r->attempts;
  answer(input::healthy);
}

void deployment::warm() {
  if (report_.warmup_requests >= spec_.warmup.requests) {
    report_.warm = lap();
    return answer(input::warmed);
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
  std::string failure = o.failure;
  if (failure.empty() && (o.status < 200 || o.status >= 400)) {
    failure = "answered with status " + std::to_string(o.status);
  }
  if (failure.empty()) {
    ++report_.warmup_requests;
    return warm();
  }
  answer(input::not_warmed, errc::probe_failed,
         "warm-up request " + std::to_string(report_.warmup_requests + 1) + ": " + failure);
}

// --- route and watch ---

// Canary stages are followed by one with all traffic, be it without a bake window.
unsigned deployment::stages() const noexcept {
  if (spec_.canary.empty()) return spec_.bake.window.count() > 0 ? 1 : 0;
  return static_cast<unsigned>(spec_.canary.size()) + 1;
}

std::uint32_t deployment::share_of(unsigned stage) const {
  if (stage >= spec_.canary.size()) return router::whole;
  return static_cast<std::uint32_t>(std::lround(spec_.canary[stage].percent * 100));
}

void deployment::route(const order& o) {
  const auto i = service_.instance(o.who);
  const auto before = std::chrono::steady_clock::now();
  const auto share = share_of(o.stage);
  if (auto r = service_.route(i, share); !r) {
    return answer(input::not_routed, r.error().code, r.error().to_string());
  }
  report_.shift = std::chrono::steady_clock::now() - before;
  report_.generation = i->routed->generation;
  if (o.stage == 0) lap();
  watched_ = i->routed;
  answer(input::routed);
}

void deployment::watch(unsigned stage) {
  const bool last = stage >= spec_.canary.size();
  if (spec_.bake.max_p99.count() > 0) watched_->measure();
  stage_until_ = std::chrono::steady_clock::now() + (last ? spec_.bake.window : spec_.canary[stage].time);
  shard_.arm(timer_, std::min(std::chrono::steady_clock::now() +
                                  std::chrono::steady_clock::duration(spec_.bake.check),
                              stage_until_));
}

std::string deployment::judge_counts(std::uint64_t bad, std::uint64_t all, const char* when) const {
  if (all < spec_.bake.min_requests || all == 0) return {};
  if (static_cast<double>(bad) <= spec_.bake.max_error_rate * static_cast<double>(all)) return {};
  return std::to_string(bad) + " of " + std::to_string(all) + " requests failed " + when;
}

// Why the release is to go; empty: it may stay.
std::string deployment::judge_traffic() {
  const auto s = watched_->stats();
  const sample now{std::chrono::steady_clock::now(), s.responses + s.failures, s.errors_5xx + s.failures};
  if (auto why = judge_counts(now.bad, now.all, "after the shift"); !why.empty()) return why;
  while (samples_.size() > 1 && samples_[1].when + spec_.bake.span <= now.when) samples_.pop_front();
  if (!samples_.empty()) {
    const auto& then = samples_.front();
    auto why = judge_counts(now.bad - std::min(now.bad, then.bad), now.all - std::min(now.all, then.all),
                            "in the last moments");
    if (!why.empty()) return why;
  }
  samples_.push_back(now);
  const auto* times = watched_->latencies.load();
  if (!times || now.all < spec_.bake.min_requests) return {};
  const auto p99 = times->percentile(0.99);
  if (p99 <= spec_.bake.max_p99) return {};
  return "99 % of the requests took up to " +
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(p99).count()) +
         " ms, more than " + std::to_string(spec_.bake.max_p99.count()) + " ms";
}

void deployment::look_at_traffic() {
  if (auto why = judge_traffic(); !why.empty()) {
    report_.bake = lap();
    return answer(input::traffic_bad, errc::probe_failed, std::move(why));
  }
  const auto now = std::chrono::steady_clock::now();
  if (now >= stage_until_ && !service_.machine().held()) answer(input::stage_over);
  // Held, it is looked at all the same, and every while.
  if (service_.machine().where() != release_machine::phase::watching || timer_.armed()) return;
  const auto next = now + std::chrono::steady_clock::duration(spec_.bake.check);
  shard_.arm(timer_, stage_until_ > now ? std::min(next, stage_until_) : next);
}

void deployment::on_timer(timer&) {
  switch (service_.machine().where()) {
    case release_machine::phase::watching: return look_at_traffic();
    case release_machine::phase::starting:
      ++step_;
      start_stop_.request_stop();
      report_.start = lap();
      return answer(input::not_started, osvm::errc::timed_out, "it did not start within its deadline");
    default: return;
  }
}

// --- the release that leaves ---

void deployment::drain(std::uint64_t attempt) {
  if (attempt != service_.machine().next() && stages() != 0) report_.bake = lap();
  service_.front->drain(service_.instance(attempt)->routed, spec_.drain_deadline,
                        later([](deployment& d, const result<drain_report>& r) { d.drained(r); }));
}

void deployment::drained(const result<drain_report>& r) {
  report_.drain = lap();
  if (r) {
    report_.cut = r->cut;
    report_.drained = r->inflight - std::min(r->inflight, r->cut);
  }
  answer(input::drained);
}

void deployment::stop(std::uint64_t attempt) {
  const auto i = service_.take_instance(attempt);
  service_.source->async_stop(i->held, spec_.stop_deadline, later([i](deployment& d, const result<void>& r) {
                                d.report_.stop = d.lap();
                                if (!r) d.report_.stop_error = r.error().to_string();
                                d.answer(input::stopped);
                              }));
}

// --- end ---

void deployment::end_tries() noexcept {
  start_stop_.request_stop();
  timer_.cancel();
  if (prober_) prober_->abandon();
  if (warming_) shard_.dismiss(*warming_);
  prober_ = nullptr;
  warming_ = nullptr;
}

void deployment::report() {
  const auto& r = service_.machine().result_of();
  report_.state = r.state;
  report_.failed_at = r.failed_at;
  report_.reason = r.why;
  if (r.state == release_state::active) report_.code = {};
  if (r.state != release_state::active && !report_.code) {
    report_.code = make_error_code(errc::instance_lost);
  }
  report_.total = std::chrono::steady_clock::now() - begun_;
  alive_.reset();
  service_.ended(*this);
  shard_.dismiss(*this);
  complete(service_.ex, std::move(handler_), result<shift_report>(report_));
  for (auto& h : std::exchange(others_, {}))
    complete(service_.ex, std::move(h), result<shift_report>(report_));
}

void deployment::cancel(const char* why) {
  end_tries();
  alive_.reset();
  service_.ended(*this);
  shard_.dismiss(*this);
  complete(service_.ex, std::move(handler_), result<shift_report>(error(osvm::errc::cancelled, why)));
}

}  // namespace osvm::hotswap::detail
