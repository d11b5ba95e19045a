#include "hotswap/proxy/stream_session.hpp"

namespace osvm::hotswap::detail {

void stream_session::start(front& f, unique_fd client) {
  auto route = f.enter();
  if (!route) {
    f.count.refused.add();
    return;
  }
  auto& s = f.home.adopt(std::make_unique<stream_session>(f, std::move(client), std::move(route)));
  f.count.requests.add();
  if (!f.home.watch(s.client_)) return s.end(false);
  s.upstream_.start(f.home, s.route_->where);
  if (s.upstream_.failed()) return s.connect_failed();
  const auto& t = f.options.timeouts;
  const auto wait = s.upstream_.up() ? t.tunnel : t.connect;
  if (wait.count() != 0) f.home.arm_in(s.timer_, wait);
}

stream_session::stream_session(front& f, unique_fd client, passage route)
    : session(f.home), front_(f), route_(std::move(route)), client_(*this), upstream_(*this), timer_(*this) {
  client_.fd = std::move(client);
  if (std::holds_alternative<tcp_endpoint>(f.state->local)) set_no_delay(client_.fd.get());
  front_.count.active.add();
}

stream_session::~stream_session() {
  front_.count.active.sub();
}

void stream_session::on_io(channel& which) {
  if (!upstream_.up()) {
    if (&which != &upstream_.ch) {  // the client waits, or is gone
      if (client_.broken) end(false);
      return;
    }
    upstream_.on_io(shard_);
    if (upstream_.failed()) return connect_failed();
    if (!upstream_.up()) return;
  }
  move();
}

void stream_session::on_timer(timer& which) {
  if (upstream_.owns(which)) {
    upstream_.on_timer(shard_);
    if (upstream_.failed()) return connect_failed();
    if (upstream_.up()) move();
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

void stream_session::connect_failed() {
  front_.count.connect_failed.add();
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  shard_.reset(client_);
  shard_.dismiss(*this);
}

void stream_session::end(bool in_order) {
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
  if (route_.get().get() != &t) return false;
  shard_.reset(client_);
  shard_.reset(upstream_.ch);
  shard_.dismiss(*this);
  return true;
}

}  // namespace osvm::hotswap::detail
