#include "hotswap/gateway/backend_drain.hpp"
#include "hotswap/gateway/service_entry.hpp"
#include "hotswap/proxy/front.hpp"

#include <osvm/hotswap/gateway.hpp>

#include <sys/stat.h>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

namespace osvm::hotswap {

using detail::service_entry;
using entry_ptr = std::shared_ptr<service_entry>;

namespace {

struct listener {
  listener_config config;
  std::shared_ptr<detail::proxy_state> front;
  std::shared_ptr<const net::tls_server> renewed{};  // to be shown once the change is in force
};

constexpr std::chrono::milliseconds look_again{20};

bool same_time(const proxy_timeouts& a, const proxy_timeouts& b) {
  return a.head == b.head && a.idle == b.idle && a.tunnel == b.tunnel && a.stall == b.stall &&
         a.connect == b.connect && a.response == b.response && a.upstream_idle == b.upstream_idle;
}

// May go on with other routes?
bool same_options(const proxy_options& a, const proxy_options& b) {
  return a.mode == b.mode && a.max_connections == b.max_connections && a.forwarded == b.forwarded &&
         a.accept_proxy == b.accept_proxy && a.http2_clear_text == b.http2_clear_text &&
         a.tls.has_value() == b.tls.has_value() && same_time(a.timeouts, b.timeouts) &&
         a.limits.max_head == b.limits.max_head && a.limits.max_fields == b.limits.max_fields &&
         a.limits.max_target == b.limits.max_target && a.limits.max_body == b.limits.max_body;
}

bool limited(const route_limits& l) {
  return l.rate.per_second > 0 || l.per_client.per_second > 0 || l.concurrency != 0 ||
         l.per_client_concurrency != 0;
}

// The backend in the release that is routed to, and in one that gets a share.
std::vector<detail::backend_drain::place> places_of(const service_entry& s, const std::string& backend) {
  std::vector<detail::backend_drain::place> all;
  for (const auto& t : {s.pool()->routes.current(), s.pool()->routes.sharing()}) {
    if (!t) continue;
    for (const auto& b : t->backends) {
      if (b->name == backend) all.push_back({t, b.get()});
    }
  }
  return all;
}

error named(const std::string& what, const error& e) {
  return {e.code, what + ": " + e.context};
}

}  // namespace

struct gateway::impl : std::enable_shared_from_this<impl> {
  std::vector<executor> executors;
  gateway_config config;
  gateway_options options;
  std::vector<listener> listeners;
  std::vector<std::shared_ptr<detail::proxy_state>> leaving;  // listen no more
  std::map<std::string, entry_ptr> services;
  mutable std::mutex mutex;  // what is above; held for short

  ~impl() {
    for (const auto& l : listeners) l.front->abandon();
    for (const auto& l : leaving) l->abandon();
  }

  using service_map = std::map<std::string, entry_ptr>;
  bool reloading = false;
  bool accepting = false, handing_over = false;
  struct change {
    gateway_config config;
    std::vector<listener> listeners;
    service_map services;
    std::atomic<std::size_t> awaited{1};
  };
  // With the lock held. `done` is called when the change is in force, with the lock not held.
  void carry_out(std::shared_ptr<change> c, std::function<void()> done);
  void put_in_force(change& c);
  result<service_map> make_services(const gateway_config& next);
  result<listener> open_listener(const listener_config& l);
  std::shared_ptr<detail::limiter> limits_of(const route_limits& l) const;
  void wait_for_clients(std::chrono::steady_clock::time_point until, std::function<void(std::uint64_t)> done);
  detail::routing routing_of(const listener_config& l, const service_map& all) const;
  entry_ptr find(const std::string& name) const {
    std::lock_guard lock(mutex);
    const auto it = services.find(name);
    return it == services.end() ? nullptr : it->second;
  }
};

void gateway::impl::carry_out(std::shared_ptr<change> c, std::function<void()> done) {
  auto begun = [self = shared_from_this(), c, done = std::move(done)] {
    if (c->awaited.fetch_sub(1) != 1) return;
    // Not on this stack: the caller may hold the lock.
    boost::asio::post(self->executors.front(), [self, c, done] {
      {
        std::lock_guard lock(self->mutex);
        self->put_in_force(*c);
      }
      if (done) done();
    });
  };
  for (const auto& [name, s] : c->services) {
    const auto it = services.find(name);
    if (it != services.end() && it->second == s) continue;
    // A pool takes a release only when somebody listens for it.
    for (const auto& l : c->listeners) s->pool()->attach(l.front);
    c->awaited.fetch_add(1);
    s->begin([begun](const result<shift_report>&) { begun(); });
  }
  begun();
}

// Old services drain after no route leads to them any more.
void gateway::impl::put_in_force(change& c) {
  for (auto& l : c.listeners) {
    l.front->use(routing_of(l.config, c.services));
    if (l.renewed) l.front->use(std::exchange(l.renewed, nullptr));
  }
  for (const auto& [name, s] : c.services) {
    const auto it = services.find(name);
    if (it != services.end() && it->second == s) s->become(c.config.services.at(name));
  }
  for (const auto& [name, s] : services) {
    const auto it = c.services.find(name);
    if (it == c.services.end() || it->second != s) s->leave();
  }
  for (const auto& l : listeners) {
    const bool stays = std::any_of(c.listeners.begin(), c.listeners.end(),
                                   [&](const listener& n) { return n.front == l.front; });
    if (stays) continue;
    l.front->stop_listening();
    leaving.push_back(l.front);
  }
  listeners = std::move(c.listeners);
  services = std::move(c.services);
  config = std::move(c.config);
  reloading = false;
}

// Services that go on are taken over; a service whose pool is another is a new one under the same name.
result<gateway::impl::service_map> gateway::impl::make_services(const gateway_config& next) {
  service_map made;
  for (const auto& [name, c] : next.services) {
    const auto it = services.find(name);
    if (it != services.end() && it->second->can_become(c)) {
      made[name] = it->second;
      continue;
    }
    auto on_event = [f = options.on_event, name = name](const release_event& e) {
      if (f) f(name, e);
    };
    // The journal is one service's: the one that goes has it until then.
    const std::string journal =
        next.state.empty() || it != services.end() ? "" : next.state + "/" + name + ".release";
    auto entry = service_entry::make(executors.front(), c, journal, std::move(on_event));
    if (!entry) return named("service " + name, entry.error());
    made[name] = std::move(*entry);
  }
  return made;
}

std::shared_ptr<detail::limiter> gateway::impl::limits_of(const route_limits& l) const {
  return limited(l) ? std::make_shared<detail::limiter>(l) : nullptr;
}

detail::routing gateway::impl::routing_of(const listener_config& l, const service_map& all) const {
  detail::routing out;
  out.plain = false;
  for (const auto& r : l.routes) {
    detail::rule one{r, all.at(r.service)->pool(), limits_of(r.limits), {}};
    if (r.rpc) {
      for (const auto& c : r.rpc->classes) {
        const auto& to = c.service.empty() ? r.service : c.service;
        one.lanes.push_back({c, all.at(to)->pool(), limits_of({.rate = c.rate})});
      }
    }
    out.rules.push_back(std::move(one));
  }
  return out;
}

result<listener> gateway::impl::open_listener(const listener_config& l) {
  auto o = l.options;
  o.access_log = options.access_log;
  auto front = std::make_shared<detail::proxy_state>(o);
  front->rich = true;
  unique_fd inherited;
  for (auto& i : options.inherited) {
    if (i.where == l.options.listen) inherited = std::move(i.socket);
  }
  const bool hold = options.hold && !accepting;
  if (auto ok = front->open(executors, std::move(inherited), hold); !ok) {
    return named("listener " + l.name, ok.error());
  }
  return listener{l, std::move(front)};
}

gateway::gateway(std::shared_ptr<impl> i) noexcept : impl_(std::move(i)) {}
gateway::gateway(gateway&&) noexcept = default;
gateway& gateway::operator=(gateway&&) noexcept = default;
gateway::~gateway() = default;

result<gateway> gateway::open(std::vector<executor> executors, gateway_config config,
                              gateway_options options) {
  if (executors.empty()) return error(osvm::errc::invalid_argument, "a gateway needs an executor");
  auto i = std::make_shared<impl>();
  i->executors = std::move(executors);
  i->options = std::move(options);
  if (!config.state.empty() && ::mkdir(config.state.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error("make the folder " + config.state);
  }
  OSVM_TRY(i->services, i->make_services(config));
  for (const auto& l : config.listeners) {
    OSVM_TRY(auto opened, i->open_listener(l));
    opened.front->use(i->routing_of(l, i->services));
    i->listeners.push_back(std::move(opened));
  }
  i->config = std::move(config);
  i->options.inherited.clear();
  i->accepting = !i->options.hold;
  return gateway(std::move(i));
}

void gateway::accept() {
  std::lock_guard lock(impl_->mutex);
  if (std::exchange(impl_->accepting, true)) return;
  for (const auto& l : impl_->listeners) l.front->begin_accepting();
}

void gateway::settle() {
  std::lock_guard lock(impl_->mutex);
  for (const auto& l : impl_->listeners) l.front->own_listener();
}

result<std::vector<inherited_listener>> gateway::hand_over() {
  auto& i = *impl_;
  std::lock_guard lock(i.mutex);
  if (i.reloading || i.handing_over) return error(osvm::errc::busy, "a reload or a hand-over is under way");
  std::vector<inherited_listener> all;
  for (const auto& l : i.listeners) {
    all.push_back({l.config.options.listen, l.front->listener()});
    if (!all.back().socket) return errno_error("duplicate the listener " + l.config.name);
  }
  for (auto it = i.services.begin(); it != i.services.end(); ++it) {
    auto ok = it->second->let_go();
    if (ok) continue;
    for (auto back = i.services.begin(); back != it; ++back) (void)back->second->take_back();
    return named("service " + it->first, ok.error());
  }
  i.handing_over = true;
  return all;
}

result<void> gateway::take_back() {
  std::lock_guard lock(impl_->mutex);
  impl_->handing_over = false;
  for (const auto& [name, s] : impl_->services) {
    if (auto ok = s->take_back(); !ok) return named("service " + name, ok.error());
  }
  return {};
}

// Services stay until the last client has gone, since its last request needs one.
void gateway::leave(std::chrono::nanoseconds deadline, std::function<void(std::uint64_t)> done) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  // Who is asked to leave comes back at once: not to a listener that has yet to stop.
  std::shared_ptr<void> deaf(nullptr, [i = impl_, until, done = std::move(done)](void*) {
    boost::asio::post(i->executors.front(), [i, until, done] {
      std::lock_guard lock(i->mutex);
      for (const auto& l : i->listeners) l.front->ask_to_leave();
      i->wait_for_clients(until, done);
    });
  });
  std::lock_guard lock(impl_->mutex);
  for (const auto& l : impl_->listeners) l.front->stop_accepting([deaf] {});
}

void gateway::impl::wait_for_clients(std::chrono::steady_clock::time_point until,
                                     std::function<void(std::uint64_t)> done) {
  auto timer = std::make_shared<boost::asio::steady_timer>(executors.front(), look_again);
  timer->async_wait([self = shared_from_this(), timer, until, done = std::move(done)](const auto&) mutable {
    std::unique_lock lock(self->mutex);
    std::uint64_t left = 0;
    for (const auto& l : self->listeners) left += l.front->stats().active;
    for (const auto& l : self->leaving) left += l->stats().active;
    const auto now = std::chrono::steady_clock::now();
    if (left != 0 && now < until) return self->wait_for_clients(until, std::move(done));
    lock.unlock();
    done(left);
  });
}

void gateway::begin(std::function<void(const std::string&, result<shift_report>)> done) {
  std::lock_guard lock(impl_->mutex);
  for (const auto& [name, s] : impl_->services) {
    s->begin([name = name, done](result<shift_report> r) { done(name, std::move(r)); });
  }
}

result<void> gateway::reload(gateway_config config, std::function<void()> done) {
  auto& i = *impl_;
  std::lock_guard lock(i.mutex);
  if (i.reloading) return error(osvm::errc::busy, "another reload is under way");
  if (config.state != i.config.state) {
    return error(osvm::errc::unsupported, "another `state` folder needs a restart");
  }
  std::vector<listener> next;
  for (const auto& l : config.listeners) {
    const auto it = std::find_if(i.listeners.begin(), i.listeners.end(), [&](const listener& old) {
      return old.config.options.listen == l.options.listen;
    });
    if (it == i.listeners.end()) continue;
    if (!same_options(it->config.options, l.options)) {
      return error(osvm::errc::unsupported,
                   "listener " + l.name + ": only its routes and certificates can change without a restart");
    }
    next.push_back({l, it->front});
    if (l.options.tls && l.options.tls != it->config.options.tls) {
      auto made = detail::make_tls(*l.options.tls, it->front->tls().get());
      if (!made) return named("listener " + l.name, made.error());
      next.back().renewed = std::move(*made);
    }
  }
  OSVM_TRY(auto services, i.make_services(config));
  for (const auto& l : config.listeners) {
    const bool stays = std::any_of(next.begin(), next.end(), [&](const listener& n) {
      return n.config.options.listen == l.options.listen;
    });
    if (stays) continue;
    auto opened = i.open_listener(l);
    if (!opened) {  // none of the new ones stays
      for (auto& n : next) {
        const bool old = std::any_of(i.listeners.begin(), i.listeners.end(),
                                     [&](const listener& o) { return o.front == n.front; });
        if (!old) n.front->abandon();
      }
      return opened.error();
    }
    next.push_back(std::move(*opened));
  }
  // From here on nothing can fail. New services serve before a route leads to them.
  auto change = std::make_shared<impl::change>();
  change->config = std::move(config);
  change->listeners = std::move(next);
  change->services = std::move(services);
  i.reloading = true;
  i.carry_out(std::move(change), std::move(done));
  return {};
}

void gateway::shift(const std::string& service, std::string version, const std::vector<endpoint>& backends,
                    handler done) {
  const auto s = impl_->find(service);
  if (!s) return std::move(done)(error(osvm::errc::not_found, "no service is called '" + service + "'"));
  if (backends.empty()) {
    return std::move(done)(error(osvm::errc::invalid_argument, "a release needs at least one backend"));
  }
  s->shift(std::move(version), backends, std::move(done));
}

void gateway::rollback(const std::string& service, handler done) {
  const auto s = impl_->find(service);
  if (!s) return std::move(done)(error(osvm::errc::not_found, "no service is called '" + service + "'"));
  s->rollback(std::move(done));
}

void gateway::command(const std::string& service, service_command what,
                      boost::asio::any_completion_handler<void(result<void>)> done) {
  const auto s = impl_->find(service);
  if (!s) return std::move(done)(error(osvm::errc::not_found, "no service is called '" + service + "'"));
  s->command(what, std::move(done));
}

result<void> gateway::set_weight(const std::string& service, const std::string& backend, unsigned weight) {
  const auto s = impl_->find(service);
  if (!s) return error(osvm::errc::not_found, "no service is called '" + service + "'");
  if (weight > 1'000'000) return error(osvm::errc::invalid_argument, "a weight is at most 1000000");
  const auto all = places_of(*s, backend);
  for (const auto& p : all) p.at->weight = weight;
  if (!all.empty()) return {};
  return error(osvm::errc::not_found, "service " + service + " has no backend '" + backend + "'");
}

void gateway::drain(const std::string& service, const std::string& backend, std::chrono::nanoseconds deadline,
                    std::function<void(result<std::uint64_t> left)> done) {
  if (auto ok = set_weight(service, backend, 0); !ok) return done(ok.error());
  const auto s = impl_->find(service);
  auto where = s ? places_of(*s, backend) : std::vector<detail::backend_drain::place>();
  std::make_shared<detail::backend_drain>(impl_->executors.front(), std::move(where),
                                          [done = std::move(done)](std::uint64_t left) { done(left); })
      ->begin(deadline);
}

std::map<std::string, service_report> gateway::services() const {
  std::lock_guard lock(impl_->mutex);
  std::map<std::string, service_report> out;
  for (const auto& [name, s] : impl_->services) out[name] = {s->status(), s->pool()->backends()};
  return out;
}

std::vector<listener_report> gateway::listeners() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<listener_report> out;
  for (const auto& l : impl_->listeners) out.push_back({l.config.name, l.front->local, l.front->stats()});
  return out;
}

void gateway::stop(std::chrono::nanoseconds deadline, std::function<void()> done) {
  std::lock_guard lock(impl_->mutex);
  for (const auto& l : impl_->listeners) l.front->stop_listening();
  auto left = std::make_shared<std::atomic<std::size_t>>(impl_->services.size());
  if (impl_->services.empty()) return done();
  for (const auto& [name, s] : impl_->services) {
    s->stop(deadline, [left, done] {
      if (left->fetch_sub(1) == 1) done();
    });
  }
}

}  // namespace osvm::hotswap
