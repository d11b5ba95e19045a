#include "hotswap/proxy/upstream.hpp"

#include "hotswap/proxy/http_session.hpp"

#include <sys/socket.h>

namespace osvm::hotswap::detail {

upstream::upstream(front& f, std::shared_ptr<target> where, backend& at)
    : actor(f.home), front_(f), where_(std::move(where)), at_(at), link_(*this), idle_(*this) {}

upstream& upstream::open(front& f, std::shared_ptr<target> where, backend& at, http_session& user) {
  auto& u = f.home.adopt(std::make_unique<upstream>(f, std::move(where), at));
  u.user_ = &user;
  u.link_.start(f.home, u.at_.where);
  return u;
}

void upstream::on_io(channel&) {
  const bool was_up = link_.up();
  if (!was_up) link_.on_io(shard_);
  if (user_) {
    user_->on_upstream(!was_up);
  } else {  // an idle connection has nothing to say: it was closed, or breaks the protocol
    front_.forget(*this);
    shard_.dismiss(*this);
  }
}

void upstream::on_timer(timer& which) {
  if (link_.owns(which)) {
    link_.on_timer(shard_);
    if (user_ && link_.state() != link_state::retrying) user_->on_upstream(true);
  } else if (!user_) {
    front_.forget(*this);
    shard_.dismiss(*this);
  }
}

bool upstream::alive() noexcept {
  if (ch().peer_done || ch().broken) return false;
  char byte = 0;
  return ::recv(ch().fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

void upstream::use(http_session& user) noexcept {
  user_ = &user;
  reused_ = true;
}

void upstream::release() {
  user_ = nullptr;
  if (ch().peer_done || ch().broken) {
    shard_.dismiss(*this);
    return;
  }
  if (const auto t = front_.options.timeouts.upstream_idle; t.count() != 0) shard_.arm_in(idle_, t);
  front_.keep(*this);
}

void upstream::drop(bool by_reset) noexcept {
  user_ = nullptr;
  if (by_reset) shard_.reset(ch());
  shard_.dismiss(*this);
}

}  // namespace osvm::hotswap::detail
