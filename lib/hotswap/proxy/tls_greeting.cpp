#include "hotswap/proxy/tls_greeting.hpp"

#include "hotswap/proxy/http2_session.hpp"
#include "hotswap/proxy/http_session.hpp"
#include "hotswap/proxy/preamble.hpp"
#include "hotswap/proxy/stream_session.hpp"

namespace osvm::hotswap::detail {

void tls_greeting::start(front& f, unique_fd client, const client_address& from) {
  auto& s = f.home.adopt(std::make_unique<tls_greeting>(f, std::move(client), from));
  auto tls = tls_layer::make(f.home, f.tls());
  if (!tls || !f.home.watch(s.client_)) return s.leave(f.count.refused);
  tls->attach(s.client_);
  s.tls_ = tls.get();
  s.client_.over = std::move(tls);
  if (const auto t = f.options.timeouts.head; t.count() != 0) f.home.arm_in(s.timer_, t);
}

tls_greeting::tls_greeting(front& f, unique_fd client, const client_address& from)
    : session(f.home),
      front_(f),
      client_(*this),
      timer_(*this),
      extra_(std::make_unique<session_extra>()),
      preamble_(f.options.accept_proxy) {
  client_.fd = std::move(client);
  extra_->client = from;
  extra_->client_text = from.text();
  extra_->secure = true;
  if (std::holds_alternative<tcp_endpoint>(f.state->local)) set_no_delay(client_.fd.get());
  front_.count.active.add();
}

tls_greeting::~tls_greeting() {
  front_.count.active.sub();
}

void tls_greeting::leave(counter& why) {
  why.add();
  shard_.dismiss(*this);
}

// The header comes before the handshake, in clear text.
bool tls_greeting::read_preamble() {
  switch (take_proxy_header(client_, *extra_)) {
    case proxy_header::status::partial: return false;
    case proxy_header::status::wrong: leave(front_.count.bad_requests); return false;
    case proxy_header::status::whole: break;
  }
  preamble_ = false;
  return true;
}

void tls_greeting::on_io(channel&) {
  if (preamble_ && !read_preamble()) return;
  handshake();
}

void tls_greeting::handshake() {
  switch (tls_->handshake()) {
    case net::tls_status::again: return;
    case net::tls_status::ok: return greeted();
    default: leave(front_.count.tls_failed);
  }
}

void tls_greeting::greeted() {
  front_.count.tls_handshakes.add();
  if (tls_->session().resumed()) front_.count.tls_resumed.add();
  timer_.cancel();
  if (front_.options.mode == proxy_mode::l4) {
    stream_session::take_over(front_, client_, std::move(extra_));
  } else if (tls_->session().protocol() == "h2") {
    http2_session::take_over(front_, client_, std::move(extra_));
  } else {
    http_session::take_over(front_, client_, std::move(extra_));
  }
  shard_.dismiss(*this);
}

void tls_greeting::on_timer(timer&) {
  leave(front_.count.tls_failed);
}

}  // namespace osvm::hotswap::detail
