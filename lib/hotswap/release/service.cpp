#include "hotswap/io/complete.hpp"
#include "hotswap/proxy/drain.hpp"
#include "hotswap/release/deployment.hpp"
#include "hotswap/release/state.hpp"

#include <osvm/hotswap/release.hpp>

namespace osvm::hotswap {
namespace detail {

using kind = order::kind;

service_state::service_state(executor e, std::shared_ptr<pool> f, std::shared_ptr<instance_source> s,
                             service_options o)
    : ex(std::move(e)), front(std::move(f)), source(std::move(s)), options_(std::move(o)), events_(ex) {
  if (auto made = shard::create(ex)) home = *made;
  loaded_ = !options_.store;
}

service_status service_state::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::string service_state::version_of(std::uint64_t attempt) const {
  const auto it = known_.find(attempt);
  return it == known_.end() ? std::string() : it->second.version;
}

void service_state::publish() {
  service_status s;
  s.active = active_ ? active_->version : std::string();
  s.next = version_of(machine_.next());
  s.previous = version_of(machine_.to_save().previous);
  s.step = to_string(machine_.where());
  s.share = share_;
  s.paused = machine_.paused();
  s.deployments = machine_.to_save().attempts;
  std::lock_guard lock(mutex_);
  s.state = machine_.busy() ? status_.state : active_ ? release_state::active : release_state::retired;
  status_ = std::move(s);
}

void service_state::tell(std::uint64_t attempt, release_state to, std::string reason) {
  const auto version = version_of(attempt);
  if (attempt == machine_.next()) {
    std::lock_guard lock(mutex_);
    status_.state = to;
  }
  if (!options_.on_event) return;
  const auto next = version_of(machine_.next());
  if (to == release_state::draining && reason.empty() && !next.empty()) reason = "replaced by " + next;
  if (reason == "rolled back" && !next.empty()) reason += " from " + next;
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

// --- orders ---

// An order that may be answered at once is the last one of its batch.
bool service_state::feed(input in, std::string why) {
  if (!machine_.take(in, std::move(why))) return false;
  auto orders = std::exchange(machine_.orders(), {});
  publish();
  for (auto& o : orders) carry_out(o);
  publish();
  return true;
}

void service_state::carry_out(order& o) {
  switch (o.what) {
    case kind::tell: return tell(o.who, o.state, std::move(o.why));
    case kind::unroute: return unroute();
    case kind::go_back: return go_back(instance(o.who));
    case kind::discard:
      if (auto i = take_instance(o.who)) discard(i);
      return;
    default:
      if (deployment_) deployment_->carry_out(o);
  }
}

void service_state::unroute() {
  front->unroute();
  active_ = nullptr;
  share_ = 0;
}

result<void> service_state::route(const instance_ptr& to, std::uint32_t share) {
  const bool first = !to->routed;
  if (first) {
    OSVM_TRY(to->routed, front->introduce({to->version, to->held->where(), to->held->also()}));
    if (options_.before_shift) options_.before_shift(to->version);
  }
  // Without a release beside it there is nothing to share with.
  const bool whole = share >= router::whole || !active_;
  const auto done = whole ? front->route(to->routed) : front->give_share(to->routed, share);
  if (!done) return done;
  share_ = whole ? 100 : static_cast<double>(share) / 100;
  if (!whole) return {};
  if (options_.after_shift) options_.after_shift(to->version);
  active_ = to;
  return {};
}

void service_state::go_back(const instance_ptr& to) {
  if (options_.before_shift) options_.before_shift(to->version);
  (void)front->route(to->routed);
  if (options_.after_shift) options_.after_shift(to->version);
  active_ = to;
  share_ = 0;
}

void service_state::add_instance(const instance_ptr& i) {
  instances_[i->attempt] = i;
  i->held->async_lost(on_home([i = std::weak_ptr(i)](service_state& s, std::string reason) {
    if (const auto instance = i.lock()) s.lost(instance, std::move(reason));
  }));
}

instance_ptr service_state::instance(std::uint64_t attempt) const {
  const auto it = instances_.find(attempt);
  return it == instances_.end() ? nullptr : it->second;
}

instance_ptr service_state::take_instance(std::uint64_t attempt) {
  auto i = instance(attempt);
  instances_.erase(attempt);
  return i;
}

void service_state::lost(const instance_ptr& i, std::string reason) {
  if (instance(i->attempt) != i) return;  // it is being stopped
  feed(i->attempt == machine_.next() ? input::next_lost : input::old_lost, std::move(reason));
}

void service_state::discard(const instance_ptr& i) {
  source->async_stop(i->held, i->stop_deadline, [keep = source](const result<void>&) {});
}

// --- journal ---

void service_state::save(std::function<void(result<void>)> answer) {
  remember_only_named();
  if (!options_.store) return answer({});
  journal j{machine_.to_save(), {}};
  for (const auto id : {j.marks.active, j.marks.candidate, j.marks.leaving, j.marks.previous}) {
    if (const auto it = known_.find(id); it != known_.end()) {
      j.releases[id] = {it->second.version, it->second.artifact};
    }
  }
  boost::asio::post(blocking(), [store = options_.store, text = write_journal(j),
                                 answer = std::move(answer)]() mutable { answer(store->save(text)); });
}

void service_state::remember_only_named() {
  const auto& m = machine_.to_save();
  std::erase_if(known_, [&](const auto& k) {
    const auto id = k.first;
    return id != m.active && id != m.candidate && id != m.leaving && id != m.previous &&
           id != machine_.next() && id != machine_.old() && id != machine_.active();
  });
}

void service_state::load(std::function<void(result<void>)> then) {
  loading_ = true;
  boost::asio::post(
      blocking(),
      [store = options_.store,
       back = on_home([then = std::move(then)](service_state& s, result<std::optional<std::string>> text) {
         s.loading_ = false;
         then(s.loaded(text));
       })]() mutable { back(store->load()); });
}

// What the last process had under way ended with it.
result<void> service_state::loaded(const result<std::optional<std::string>>& text) {
  if (!text) return text.error();
  journal found;
  if (*text) {
    OSVM_TRY(found, read_journal(**text));
  }
  loaded_ = true;
  machine_ = release_machine(found.marks);
  for (const auto& [id, name] : found.releases) {
    auto& spec = known_[id];
    spec.version = name.version;
    spec.artifact = name.artifact;
  }
  const auto& m = found.marks;
  const char* why = "the process that ran it has ended";
  if (m.candidate != 0 && m.candidate != m.to_recover()) tell(m.candidate, release_state::rolled_back, why);
  if (m.leaving != 0) tell(m.leaving, release_state::retired, why);
  publish();
  return {};
}

// --- deploy, recover, roll back ---

result<void> service_state::check_spec(const release_spec& spec) const {
  const auto wrong = [](const char* what) { return error(osvm::errc::invalid_argument, what); };
  OSVM_CHECK(check(spec.probe));
  if (!usable_path(spec.warmup.path) || !usable_host(spec.warmup.host)) {
    return wrong("warm-up path and host must be plain");
  }
  if (spec.start_deadline.count() <= 0 || spec.bake.check.count() <= 0) {
    return wrong("start_deadline and bake.check must be more than zero");
  }
  double last = 0;
  for (const auto& stage : spec.canary) {
    if (!(stage.percent >= last + 0.01) || stage.percent > 99.99 || stage.time.count() < 0) {
      return wrong("canary stages must grow, from 0.01 to 99.99 per cent");
    }
    last = stage.percent;
  }
  if (spec.canary.size() > 16) return wrong("at most 16 canary stages");
  if (options_.store && (spec.version.size() > max_release_text || spec.artifact.size() > max_release_text)) {
    return wrong("version and artifact are journalled and must be at most 4096 bytes each");
  }
  return {};
}

void service_state::deploy(purpose why, release_spec spec, deploy_handler handler) {
  const auto refuse = [&](error e) { complete(ex, std::move(handler), result<shift_report>(std::move(e))); };
  const auto s = home.lock();
  if (!s)
    return refuse(error(osvm::errc::closed, "the service has ended, or found no descriptor to begin with"));
  if (auto ok = check_spec(spec); !ok) return refuse(ok.error());
  auto keep = std::make_shared<deploy_handler>(std::move(handler));
  const bool posted = s->post([me = weak_from_this(), why, spec = std::move(spec), keep](shard&) mutable {
    if (const auto self = me.lock()) self->begin_deploy(why, std::move(spec), std::move(*keep));
  });
  if (!posted) complete(ex, std::move(*keep), result<shift_report>(error(osvm::errc::closed, "deploy")));
}

void service_state::begin_deploy(purpose why, release_spec spec, deploy_handler handler) {
  if (loaded_ || stopping_ || loading_) return begin_loaded(why, std::move(spec), std::move(handler));
  auto keep = std::make_shared<std::pair<release_spec, deploy_handler>>(std::move(spec), std::move(handler));
  load([this, why, keep](const result<void>& r) {
    if (!r) return complete(ex, std::move(keep->second), result<shift_report>(r.error()));
    begin_loaded(why, std::move(keep->first), std::move(keep->second));
  });
}

void service_state::begin_loaded(purpose why, release_spec spec, deploy_handler handler) {
  const auto refuse = [&](osvm::errc code, const char* text) {
    complete(ex, std::move(handler), result<shift_report>(error(code, text)));
  };
  if (stopping_) return refuse(osvm::errc::closed, "the service is being stopped");
  if (why == purpose::rollback) return roll_back(std::move(spec), std::move(handler));
  if (deployment_ || loading_) return refuse(osvm::errc::busy, "another deploy is under way");
  if (why == purpose::deploy) return launch(std::move(spec), false, std::move(handler));
  if (active_) return refuse(osvm::errc::busy, "a release is active");
  const auto id = machine_.to_save().active;
  if (!known_.contains(id)) return refuse(osvm::errc::not_found, "no release was ever active");
  spec.version = known_[id].version;
  spec.artifact = known_[id].artifact;
  spec.canary.clear();
  spec.bake.window = {};
  launch(std::move(spec), true, std::move(handler));
}

void service_state::launch(release_spec spec, bool again, deploy_handler handler) {
  const auto s = home.lock();
  known_[machine_.to_save().attempts + 1] = spec;
  auto& d = s->adopt(std::make_unique<deployment>(*s, *this, std::move(spec), std::move(handler)));
  deployment_ = &d;
  machine_.plan(d.stages(), again);
  feed(input::deploy);
}

void service_state::roll_back(release_spec base, deploy_handler handler) {
  if (deployment_) {
    if (feed(input::rollback, "rolled back on request")) {
      // A roll-back that needs no waiting may have ended the deployment already.
      if (deployment_) return deployment_->also(std::move(handler));
      return complete(ex, std::move(handler),
                      result<shift_report>(error(osvm::errc::not_found, "the deployment has ended")));
    }
    return complete(
        ex, std::move(handler),
        result<shift_report>(error(osvm::errc::busy, "too late: the old release is being stopped")));
  }
  const auto it = known_.find(machine_.to_save().previous);
  if (it == known_.end()) {
    return complete(ex, std::move(handler),
                    result<shift_report>(error(osvm::errc::not_found, "there is no release before")));
  }
  base.version = it->second.version;
  base.artifact = it->second.artifact;
  base.source_data = it->second.source_data;
  launch(std::move(base), false, std::move(handler));
}

void service_state::ended(deployment&) {
  deployment_ = nullptr;
  if (!machine_.busy()) share_ = 0;
}

// --- commands ---

void service_state::command(service_command what, std::string why, command_handler handler) {
  auto keep = std::make_shared<command_handler>(std::move(handler));
  const auto s = home.lock();
  const bool posted = s && s->post([me = weak_from_this(), what, why = std::move(why), keep](shard&) mutable {
    const auto self = me.lock();
    if (!self) return;
    constexpr input inputs[] = {input::pause, input::resume, input::abort};
    if (why.empty()) why = "given up on request";
    if (self->feed(inputs[static_cast<unsigned>(what)], std::move(why))) {
      return complete(self->ex, std::move(*keep), result<void>());
    }
    complete(self->ex, std::move(*keep),
             result<void>(error(osvm::errc::invalid_argument,
                                "the service takes no such command now; look at its status")));
  });
  if (!posted) complete(ex, std::move(*keep), result<void>(error(osvm::errc::closed, "command")));
}

// --- stop ---

void service_state::stop(std::chrono::nanoseconds deadline, stop_handler handler) {
  auto keep = std::make_shared<stop_handler>(std::move(handler));
  const auto s = home.lock();
  const bool posted = s && s->post([me = weak_from_this(), deadline, keep](shard&) {
    if (const auto self = me.lock()) self->begin_stop(deadline, std::move(*keep));
  });
  if (!posted) complete(ex, std::move(*keep), result<drain_report>(error(osvm::errc::closed, "stop")));
}

// Everything but what is wholly routed to is stopped without waiting.
void service_state::give_up(const char* why) {
  if (deployment_) deployment_->cancel(why);
  for (const auto& [id, i] : std::exchange(instances_, {})) {
    if (i != active_) discard(i);
  }
}

void service_state::begin_stop(std::chrono::nanoseconds deadline, stop_handler handler) {
  if (stopping_)
    return complete(ex, std::move(handler), result<drain_report>(error(osvm::errc::closed, "stop")));
  stopping_ = true;
  const auto last = active_;
  give_up("the service is being stopped");
  unroute();
  machine_.forget();
  publish();
  if (!last) return complete(ex, std::move(handler), result<drain_report>(drain_report{}));
  tell(last->attempt, release_state::draining, "the service is being stopped");
  auto keep = std::make_shared<stop_handler>(std::move(handler));
  front->drain(last->routed, deadline, on_home([last, keep](service_state& s, result<drain_report> r) {
                 s.source->async_stop(
                     last->held, last->stop_deadline,
                     s.on_home([last, keep, r = std::move(r)](service_state& t, result<void> stopped) {
                       t.tell(last->attempt, release_state::retired,
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
    self->give_up("the service has ended");
    if (const auto last = self->active_; last && !self->stopping_) {
      self->unroute();
      self->discard(last);
    }
    s.close();
  });
}

}  // namespace detail

service::service(executor ex, const proxy& front, std::shared_ptr<instance_source> source,
                 service_options options)
    : state_(std::make_shared<detail::service_state>(std::move(ex), front.state()->main, std::move(source),
                                                     std::move(options))) {}
service::service(executor ex, std::shared_ptr<detail::pool> front, std::shared_ptr<instance_source> source,
                 service_options options)
    : state_(std::make_shared<detail::service_state>(std::move(ex), std::move(front), std::move(source),
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
  auto s = state_->status();
  return s.active.empty() ? std::nullopt : std::optional(std::move(s.active));
}
service_status service::status() const {
  return state_->status();
}
executor service::get_executor() const noexcept {
  return state_->ex;
}
executor service::executor_of(const state_ptr& state) noexcept {
  return state->ex;
}

void service::start_deploy(const state_ptr& state, release_spec spec, deploy_handler handler) {
  state->deploy(detail::service_state::purpose::deploy, std::move(spec), std::move(handler));
}
void service::start_recover(const state_ptr& state, release_spec base, deploy_handler handler) {
  state->deploy(detail::service_state::purpose::recover, std::move(base), std::move(handler));
}
void service::start_rollback(const state_ptr& state, release_spec base, deploy_handler handler) {
  state->deploy(detail::service_state::purpose::rollback, std::move(base), std::move(handler));
}
void service::start_command(const state_ptr& state, service_command what, std::string why,
                            command_handler handler) {
  state->command(what, std::move(why), std::move(handler));
}

void service::start_stop(const state_ptr& state, std::chrono::nanoseconds deadline, stop_handler handler) {
  state->stop(deadline, std::move(handler));
}

}  // namespace osvm::hotswap
