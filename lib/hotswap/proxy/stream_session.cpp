#include "hotswap/proxy/stream_session.hpp"

#include "hotswap/proxy/preamble.hpp"

namespace osvm::hotswap::detail {

void stream_session::start(front& f, unique_fd client, const client_address& from) {
  auto& s = f.home.adopt(std::make_unique<stream_session>(f, std::move(client), from));
  if (!s.preamble_) return s.begin();
  if (!f.home.watch(s.client_)) return s.end(false);
  if (const auto t = f.options.timeouts.head; t.count() != 0) f.home.arm_in(s.timer_, t);
}

void stream_session::take_over(front& f, channel& from, std::unique_ptr<session_extra> extra) {
  auto& s = f.home.adopt(std::make_unique<stream_session>(f, unique_fd(), client_address()));
  f.home.hand_over(from, s.client_);
  s.extra_ = std::move(extra);
  s.preamble_ = false;
  s.begin();
}

stream_session::stream_session(front& f, unique_fd client, const client_address& from)
    : session(f.home),
      front_(f),
      client_(*this),
      upstream_(*this),
      timer_(*this),
      pool_(f.state->main.get()),
      begun_(f.home.now()),
      preamble_(f.options.accept_proxy) {
  client_.fd = std::move(client);
  if (f.rich()) {
    extra_ = std::make_unique<session_extra>();
    extra_->client = from;
    extra_->client_text = from.text();
  }
  if (client_.fd && std::holds_alternative<tcp_endpoint>(f.state->local)) set_no_delay(client_.fd.get());
  front_.count.active.add();
}

stream_session::~stream_session() {
  front_.count.active.sub();
}

void stream_session::read_preamble() {
  switch (take_proxy_header(client_, *extra_)) {
    case proxy_header::status::partial: return;
    case proxy_header::status::wrong: return refuse(front_.count.bad_requests);
    case proxy_header::status::whole: break;
  }
  preamble_ = false;
  begin();
}

// Rules of an L4 listener have no conditions: the first one is it.
bool stream_session::admit() {
  auto& x = *extra_;
  x.rules = front_.rules();
  x.matched = x.rules->rules.empty() ? nullptr : &x.rules->rules.front();
  pool_ = x.matched ? x.matched->to.get() : nullptr;
  if (!pool_) return refuse(front_.count.unrouted), false;
  if (!x.admit(x.matched->limits, shard_.now())) return refuse(front_.count.limited), false;
  if (pool_->options.balance == balance_policy::consistent_hash) {
    x.key = hash_of({reinterpret_cast<const char*>(x.client.ip.data()), 16});
  }
  if (front_.log()) add_member(x.log, "client", x.client_text);
  return true;
}

void stream_session::refuse(counter& why) {
  why.add();
  shard_.dismiss(*this);
}

void stream_session::begin() {
  if (extra_ && !admit()) return;
  route_ = front_.enter(*pool_);
  if (!route_) return refuse(front_.count.refused);
  front_.count.requests.add();
  if (!client_.watcher && !front_.home.watch(client_)) return end(false);
  if (!route_->single()) pool_->budget.asked(pool_->options.retry_budget);
  route_.go_to(route_->pick(pool_->options.balance, extra_ ? extra_->key : 0, front_.turn(), nullptr));
  connect();
}

void stream_session::connect() {
  ++attempts_;
  upstream_.start(shard_, route_.at()->where);
  if (upstream_.failed()) return connect_failed();
  if (upstream_.up()) return connected();
  if (const auto t = front_.options.timeouts.connect; t.count() != 0) shard_.arm_in(timer_, t);
}

void stream_session::connected() {
  if (!route_->single()) route_.at()->succeeded();
  if (extra_ && pool_->options.send_proxy != proxy_protocol::none) {
    const auto header = proxy_header_of(client_, *extra_, pool_->options.send_proxy);
    if (!tunnel_.prime(shard_, client_, upstream_.ch, header, {})) return end(false);
  }
  move();
}

void stream_session::connecting() {
  upstream_.on_io(shard_);
  if (upstream_.failed()) return connect_failed();
  if (upstream_.up()) connected();
}

void stream_session::on_io(channel& which) {
  if (preamble_) return client_.broken ? refuse(front_.count.bad_requests) : read_preamble();
  if (upstream_.up()) return move();
  if (&which == &upstream_.ch) return connecting();
  if (client_.broken) end(false);  // the client waits, or is gone
}

void stream_session::on_timer(timer& which) {
  if (preamble_) return refuse(front_.count.client_timeouts);
  if (upstream_.owns(which)) {
    upstream_.on_timer(shard_);
    if (upstream_.failed()) return connect_failed();
    if (upstream_.up()) connected();
    return;
  }
  if (!upstream_.up()) return connect_failed();
  end(false);
}

void stream_session::account() noexcept {
  front_.count.bytes_to_release.add(tunnel_.to_upstream() - up_);
  front_.count.bytes_to_client.add(tunnel_.to_client() - down_);
  up_ = tunnel_.to_upstream();
  down_ = tunnel_.to_client();
}

void stream_session::move() {
  if (const auto t = front_.options.timeouts.tunnel; t.count() != 0) {
    shard_.arm_in(timer_, t);
  } else {
    timer_.cancel();
  }
  const auto state = tunnel_.run(shard_, client_, upstream_.ch, front_.options.buffer);
  account();
  switch (state) {
    case tunnel_state::open: break;
    case tunnel_state::more: shard_.defer(*this); break;
    case tunnel_state::finished: end(true); break;
    case tunnel_state::broken: end(false); break;
  }
}

// Nothing was delivered: another backend may have the connection.
void stream_session::connect_failed() {
  if (!route_->single()) {
    auto* const last = route_.at();
    last->failed(pool_->options.ejection, shard_.now(), true);
    if (attempts_ <= pool_->options.retries && pool_->budget.take()) {
      front_.count.retried.add();
      shard_.close(upstream_.ch);
      route_.go_to(route_->pick(pool_->options.balance, extra_ ? extra_->key : 0, front_.turn(), last));
      return connect();
    }
  }
  front_.count.connect_failed.add();
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  log("connect failed");
  shard_.reset(client_);
  shard_.dismiss(*this);
}

void stream_session::log(std::string_view how) {
  auto* log = front_.log();
  if (!log || !extra_ || extra_->log.empty()) return;
  access_entry e;
  e.request = extra_->log;
  e.service = pool_->options.name;
  e.release = route_->version;
  if (route_.at()) e.backend = route_.at()->name;
  e.end = how;
  e.received = up_;
  e.sent = down_;
  e.took = shard_.now() - begun_;
  e.attempts = attempts_;
  log->write(e);
}

void stream_session::end(bool in_order) {
  log(in_order ? "" : "aborted");
  if (in_order) {
    front_.count.answered.add();
    route_->responses.fetch_add(1, std::memory_order_relaxed);
  } else {
    front_.count.client_aborted.add();
    shard_.reset(client_);
    shard_.reset(upstream_.ch);
  }
  shard_.dismiss(*this);
}

bool stream_session::cut(const target& t) {
  if (!route_ || route_.get().get() != &t) return false;
  log("cut");
  shard_.reset(client_);
  shard_.reset(upstream_.ch);
  shard_.dismiss(*this);
  return true;
}

}  // namespace osvm::hotswap::detail
