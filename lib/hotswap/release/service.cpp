#include "hotswap/io/complete.hpp"
#include "hotswap/release/deployment.hpp"
#include "hotswap/release/state.hpp"

#include <osvm/hotswap/release.hpp>

namespace osvm::hotswap {
namespace detail {

service_state::service_state(executor e, std::shared_ptr<proxy_state> f, std::shared_ptr<instance_source> s,
                             service_options o)
    : ex(std::move(e)), front(std::move(f)), source(std::move(s)), options_(std::move(o)), events_(ex) {
  if (auto made = shard::create(ex)) home = *made;
}

std::optional<std::string> service_state::active_version() const {
  std::lock_guard lock(mutex_);
  return active_version_;
}

void service_state::emit(const std::string& version, std::uint64_t attempt, release_state to,
                         std::string reason) {
  if (!options_.on_event) return;
  release_event e{version,
                  attempt,
                  to,
                  std::move(reason),
                  std::chrono::steady_clock::now(),
                  std::chrono::system_clock::now()};
  boost::asio::post(events_, [e = std::move(e), f = options_.on_event, ended = std::weak_ptr(ended_)] {
    if (ended.lock()) f(e);
  });
}

result<void> service_state::route(const instance_ptr& to) {
  if (!to) {
    front->unroute();
    set_active(nullptr);
    return {};
  }
  if (options_.before_shift) options_.before_shift(to->version);
  auto generation = front->shift({to->version, to->held->where()});
  if (!generation) return generation.error();
  if (options_.after_shift) options_.after_shift(to->version);
  to->generation = *generation;
  set_active(to);
  return {};
}

void service_state::set_active(instance_ptr a) {
  active_ = std::move(a);
  std::lock_guard lock(mutex_);
  active_version_ = active_ ? std::optional(active_->version) : std::nullopt;
}

void service_state::watch(const instance_ptr& i) {
  i->held->async_lost(on_home([i = std::weak_ptr(i)](service_state& s, std::string reason) {
    if (const auto instance = i.lock()) s.lost(instance, std::move(reason));
  }));
}

void service_state::lost(const instance_ptr& i, std::string reason) {
  if (i->lost) return;
  i->lost = true;
  i->lost_reason = std::move(reason);
  if (deployment_) deployment_->lost(i);
  if (i == active_ && !deployment_) retire_lost(i);
}

void service_state::discard(const instance_ptr& i) {
  source->async_stop(i->held, i->stop_deadline, [keep = source](const result<void>&) {});
}

void service_state::ended(deployment&) {
  deployment_ = nullptr;
  // A release that was lost while its successor failed.
  if (active_ && active_->lost) retire_lost(active_);
}

void service_state::retire_lost(instance_ptr i) {
  (void)route(nullptr);
  emit(i->version, i->attempt, release_state::retired, "the instance ended by itself: " + i->lost_reason);
  discard(i);
}

void service_state::deploy(release_spec spec, deploy_handler handler) {
  const auto refuse = [&](error e) { complete(ex, std::move(handler), result<shift_report>(std::move(e))); };
  const auto s = home.lock();
  if (!s)
    return refuse(error(osvm::errc::closed, "the service has ended, or found no descriptor to begin with"));
  if (auto ok = check(spec.probe); !ok) return refuse(ok.error());
  if (!usable_path(spec.warmup.path) || !usable_host(spec.warmup.host)) {
    return refuse(error(osvm::errc::invalid_argument, "warm-up path and host must be plain"));
  }
  if (spec.start_deadline.count() <= 0 || spec.bake.check.count() <= 0) {
    return refuse(
        error(osvm::errc::invalid_argument, "start_deadline and bake.check must be more than zero"));
  }
  auto keep = std::make_shared<deploy_handler>(std::move(handler));
  const bool posted = s->post([me = weak_from_this(), spec = std::move(spec), keep](shard& on) mutable {
    if (const auto self = me.lock()) self->begin_deploy(on, std::move(spec), std::move(*keep));
  });
  if (!posted) complete(ex, std::move(*keep), result<shift_report>(error(osvm::errc::closed, "deploy")));
}

void service_state::begin_deploy(shard& s, release_spec spec, deploy_handler handler) {
  if (deployment_ || stopping_) {
    const auto code = stopping_ ? osvm::errc::closed : osvm::errc::busy;
    return complete(ex, std::move(handler), result<shift_report>(error(code, "another deploy is under way")));
  }
  auto& d = s.adopt(std::make_unique<deployment>(s, *this, ++attempts_, std::move(spec), std::move(handler)));
  deployment_ = &d;
  d.begin();
}

void service_state::stop(std::chrono::nanoseconds deadline, stop_handler handler) {
  auto keep = std::make_shared<stop_handler>(std::move(handler));
  const auto s = home.lock();
  const bool posted = s && s->post([me = weak_from_this(), deadline, keep](shard&) {
    if (const auto self = me.lock()) self->begin_stop(deadline, std::move(*keep));
  });
  if (!posted) complete(ex, std::move(*keep), result<drain_report>(error(osvm::errc::closed, "stop")));
}

void service_state::begin_stop(std::chrono::nanoseconds deadline, stop_handler handler) {
  if (stopping_)
    return complete(ex, std::move(handler), result<drain_report>(error(osvm::errc::closed, "stop")));
  stopping_ = true;
  if (deployment_) deployment_->cancel("the service is being stopped");
  const auto last = active_;
  (void)route(nullptr);
  if (!last) return complete(ex, std::move(handler), result<drain_report>(drain_report{}));
  emit(last->version, last->attempt, release_state::draining, "the service is being stopped");
  auto keep = std::make_shared<stop_handler>(std::move(handler));
  front->drain(last->generation, deadline, on_home([last, keep](service_state& s, result<drain_report> r) {
                 s.source->async_stop(
                     last->held, last->stop_deadline,
                     s.on_home([last, keep, r = std::move(r)](service_state& t, result<void> stopped) {
                       t.emit(last->version, last->attempt, release_state::retired,
                              stopped ? std::string() : stopped.error().to_string());
                       complete(t.ex, std::move(*keep), result<drain_report>(r));
                     }));
               }));
}

// The handle is gone. The state lives on until its shard has ended the deploy and let go of the instances.
void service_state::abandon() noexcept {
  ended_.reset();
  const auto on = home.lock();
  if (!on) return;
  on->post([self = shared_from_this()](shard& s) {
    if (self->deployment_) self->deployment_->cancel("the service has ended");
    if (const auto last = self->active_; last && !self->stopping_) {
      (void)self->route(nullptr);
      self->discard(last);
    }
    s.close();
  });
}

}  // namespace detail

service::service(executor ex, const proxy& front, std::shared_ptr<instance_source> source,
                 service_options options)
    : state_(std::make_shared<detail::service_state>(std::move(ex), front.state(), std::move(source),
                                                     std::move(options))) {}
service::service(service&&) noexcept = default;

service& service::operator=(service&& o) noexcept {
  if (this != &o) {
    if (state_) state_->abandon();
    state_ = std::move(o.state_);
  }
  return *this;
}

service::~service() {
  if (state_) state_->abandon();
}

std::optional<std::string> service::active() const {
  return state_->active_version();
}
executor service::get_executor() const noexcept {
  return state_->ex;
}
executor service::executor_of(const state_ptr& state) noexcept {
  return state->ex;
}

void service::start_deploy(const state_ptr& state, release_spec spec, deploy_handler handler) {
  state->deploy(std::move(spec), std::move(handler));
}

void service::start_stop(const state_ptr& state, std::chrono::nanoseconds deadline, stop_handler handler) {
  state->stop(deadline, std::move(handler));
}

}  // namespace osvm::hotswap
