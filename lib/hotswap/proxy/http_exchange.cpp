// The second half of http_session: one request and its response on their way, and the tunnel after a 101.
#include "hotswap/proxy/http_session.hpp"

#include <cstdio>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t max_replay = 64 * 1024;
constexpr std::uint8_t max_attempts = 4;

}  // namespace

// --- connection ---

void http_session::route_request() {
  phase_ = phase::connecting;
  if (request_body_.error() == http1::body_error::too_large) {
    close_after_ = true;
    return fail(413, "the request body is too large", front_.count.bad_requests);
  }
  route_ = front_.enter();
  if (!route_) return fail(503, "no release is active", front_.count.no_release);
  if (auto* kept = front_.take_idle(*route_.get())) {
    up_ = kept;
    if (idempotent_ || kept->alive()) {
      kept->use(*this);
      return connected();
    }
    drop_upstream();
  }
  connect();
}

void http_session::connect() {
  ++attempts_;
  phase_ = phase::connecting;
  up_ = &upstream::open(front_, route_.get(), *this);
  if (up_->link().failed()) return connect_failed();
  if (up_->link().up()) return connected();
  wait(front_.options.timeouts.connect);
}

// Nothing was delivered. If the route has changed meanwhile, the next release gets the request.
void http_session::connect_failed() {
  drop_upstream();
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  if (!front_.state->routes.is_current(route_.get().get()) && attempts_ < max_attempts) {
    route_ = front_.enter();
    if (route_) {
      front_.count.retried.add();
      return connect();
    }
  }
  fail(503, "the release cannot be reached", front_.count.connect_failed);
}

void http_session::connected() {
  phase_ = phase::exchange;
  to_upstream_.clear();
  sent_before_ = to_upstream_.sent();
  if (!to_upstream_.send(shard_, up_->ch(), {replay_})) {
    if (!retry()) {
      route_->failures.fetch_add(1, std::memory_order_relaxed);
      fail(502, "the release closed the connection", front_.count.upstream_closed);
    }
    return;
  }
  if (!up_->reused()) replayable_ = false;
  wait(request_part_ == part::done ? front_.options.timeouts.response : front_.options.timeouts.stall);
}

// --- exchange ---

http_session::step http_session::exchange() {
  const auto a = pump_request();
  if (phase_ != phase::exchange) return step::progress;
  const auto b = pump_response();
  if (phase_ != phase::exchange) return step::progress;
  if (a == step::blocked && b == step::blocked) return step::blocked;
  // Some progress: the deadline moves on.
  wait(request_part_ == part::done && response_part_ == part::head ? front_.options.timeouts.response
                                                                   : front_.options.timeouts.stall);
  return step::progress;
}

http_session::step http_session::pump_request() {
  if (!to_upstream_.empty()) {
    if (!to_upstream_.flush(shard_, up_->ch()))
      return step::blocked;  // the reading side finds out what is wrong
    if (!to_upstream_.empty()) return step::blocked;
  }
  if (request_part_ == part::done) return step::blocked;
  std::span<char> bytes;
  const bool in_stash = !stash_.empty();
  if (in_stash) {
    bytes = {stash_.data(), stash_.size()};
  } else {
    const auto room = shard_.scratch().first(front_.options.buffer);
    const auto r = shard_.read(client_, room);
    if (r.status == io_status::again) return step::blocked;
    if (r.status != io_status::ok) {
      abort(&front_.count.client_aborted);
      return step::blocked;
    }
    bytes = room.first(r.bytes);
  }
  const auto taken = request_body_.take(bytes);
  if (request_body_.error() != http1::body_error::none) {
    drop_upstream();
    close_after_ = true;
    const bool large = request_body_.error() == http1::body_error::too_large;
    fail(large ? 413 : 400, http1::to_string(request_body_.error()), front_.count.bad_requests);
    return step::blocked;
  }
  if (request_body_.done()) request_part_ = part::done;
  const bool sent = send_request_data({bytes.data(), taken.data});
  stash({bytes.data() + taken.consumed, bytes.size() - taken.consumed}, in_stash);
  // A release that has closed may have answered before: the reading side finds out.
  return sent ? step::progress : step::blocked;
}

bool http_session::send_request_data(std::string_view data) {
  if (!chunked_request_) {
    if (replayable_) replay_.append(data);
    replayable_ = replayable_ && replay_.size() <= max_replay;
    return to_upstream_.send(shard_, up_->ch(), {data});
  }
  char size[24];
  const int n = data.empty() ? 0 : std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  const std::string_view head(size, static_cast<std::size_t>(n));
  const std::string_view tail = data.empty() ? "" : "\r\n";
  const std::string_view last = request_part_ == part::done ? "0\r\n\r\n" : "";
  if (replayable_) replay_.append(head).append(data).append(tail).append(last);
  replayable_ = replayable_ && replay_.size() <= max_replay;
  return to_upstream_.send(shard_, up_->ch(), {head, data, tail, last});
}

http_session::step http_session::pump_response() {
  if (!to_client_.empty()) {
    if (!to_client_.flush(shard_, client_)) {
      abort(&front_.count.client_aborted);
      return step::blocked;
    }
    if (!to_client_.empty()) return step::blocked;
  }
  const auto room = shard_.scratch().first(front_.options.buffer);
  const auto r = shard_.read(up_->ch(), room);
  if (r.status == io_status::again) return step::blocked;
  if (r.status != io_status::ok) return response_ended(r.status == io_status::error);
  return take_response(room.first(r.bytes));
}

http_session::step http_session::take_response(std::span<char> bytes) {
  replayable_ = false;
  if (response_part_ == part::body) return pass_body(bytes, {});
  if (upstream_stash_.empty()) return take_response_head(bytes);
  std::string all;
  all.swap(upstream_stash_);
  all.append(bytes.data(), bytes.size());
  return take_response_head({all.data(), all.size()});
}

http_session::step http_session::take_response_head(std::span<char> bytes) {
  for (;;) {  // once per interim response, and once for the real one
    const std::string_view all(bytes.data(), bytes.size());
    const auto found = response_scan_.scan(all, front_.options.limits.max_head);
    auto e = found.error;
    if (e == http1::head_error::none && found.size == 0) {
      upstream_stash_.assign(all);
      return step::progress;
    }
    if (e == http1::head_error::none) {
      e = http1::parse_response(all.substr(0, found.size), front_.head_limits(), head_request_,
                                front_.response);
    }
    if (e != http1::head_error::none) {
      invalid_response(http1::to_string(e));
      return step::blocked;
    }
    response_scan_.reset();
    bytes = bytes.subspan(found.size);
    if (!front_.response.interim()) break;
    if (!pass_interim()) return step::blocked;
    if (front_.response.status == 101) {
      become_tunnel({bytes.data(), bytes.size()});
      return step::progress;
    }
  }
  start_response();
  return pass_body(bytes, front_.head);
}

void http_session::invalid_response(const char* why) {
  drop_upstream();
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  fail(502, why, front_.count.upstream_invalid);
}

// 1xx: passed on, but for HTTP/1.0 clients, which do not know them.
bool http_session::pass_interim() {
  if (front_.response.status == 101 && (!upgrade_ || !front_.response.upgrade)) {
    invalid_response("the release switched protocols unasked");
    return false;
  }
  if (client_minor_0_) return true;
  write_interim(front_.response, front_.head);
  if (to_client_.send(shard_, client_, {front_.head})) return true;
  abort(&front_.count.client_aborted);
  return false;
}

void http_session::start_response() {
  const auto& r = front_.response;
  status_ = r.status;
  upstream_close_ = r.close;
  if (request_part_ != part::done) close_after_ = true;  // answered early: the rest of the body is not wanted
  response_body_.start(r.body, r.content_length, 0, front_.options.limits.max_fields);
  response_part_ = part::body;
  switch (r.body) {
    case http1::body_kind::none: framing_ = out_framing::none; break;
    case http1::body_kind::length: framing_ = out_framing::length; break;
    default: framing_ = client_minor_0_ ? out_framing::close : out_framing::chunked; break;
  }
  if (framing_ == out_framing::close) close_after_ = true;
  auto p = close_after_ ? persistence::close : persistence::implied;
  if (!close_after_ && client_minor_0_) p = persistence::keep_alive;
  write_response(r, framing_, p, front_.head);
}

http_session::step http_session::pass_body(std::span<char> bytes, std::string_view head) {
  const auto taken = response_body_.take(bytes);
  if (response_body_.error() != http1::body_error::none) {
    route_->failures.fetch_add(1, std::memory_order_relaxed);
    abort(&front_.count.truncated);
    return step::blocked;
  }
  const bool done = response_body_.done();
  if (done) response_part_ = part::done;
  if (taken.consumed < bytes.size()) upstream_close_ = true;  // more than was asked for: never reuse that
  const std::string_view data(bytes.data(), taken.data);
  char size[24];
  std::string_view chunk_head, chunk_tail, last;
  if (framing_ == out_framing::chunked) {
    if (!data.empty()) {
      chunk_head = {size, static_cast<std::size_t>(std::snprintf(size, sizeof size, "%zx\r\n", data.size()))};
      chunk_tail = "\r\n";
    }
    if (done) last = "0\r\n\r\n";
  }
  if (!to_client_.send(shard_, client_, {head, chunk_head, data, chunk_tail, last})) {
    abort(&front_.count.client_aborted);
    return step::blocked;
  }
  if (done) finish_exchange();
  return step::progress;
}

// The release's connection gives nothing more.
http_session::step http_session::response_ended(bool by_error) {
  if (response_part_ == part::body) {
    if (!by_error && response_body_.finish()) {
      upstream_close_ = true;
      return pass_body({}, {});
    }
    route_->failures.fetch_add(1, std::memory_order_relaxed);
    abort(&front_.count.truncated);
    return step::blocked;
  }
  if (retry()) return step::progress;
  drop_upstream();
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  fail(502, "the release closed the connection before it had answered", front_.count.upstream_closed);
  return step::blocked;
}

// Sends the request again on a fresh connection, when nothing of it can have been executed: a kept-alive
// connection ended before a byte of an answer, and either the request may be executed twice or no byte of it
// left.
bool http_session::retry() {
  if (!up_ || !up_->reused() || !replayable_ || response_part_ != part::head || !upstream_stash_.empty())
    return false;
  if (!idempotent_ && to_upstream_.sent() != sent_before_) return false;
  drop_upstream();
  front_.count.retried.add();
  route_ = front_.enter();
  if (!route_) {
    fail(503, "no release is active", front_.count.no_release);
    return true;
  }
  connect();
  return true;
}

void http_session::finish_exchange() {
  front_.count.answered.add();
  route_->responses.fetch_add(1, std::memory_order_relaxed);
  if (status_ >= 500) route_->errors_5xx.fetch_add(1, std::memory_order_relaxed);
  if (request_part_ != part::done || upstream_close_ || !to_upstream_.empty()) {
    drop_upstream(false);
  } else {
    up_->release();
    up_ = nullptr;
  }
  route_.reset();
  shrink(replay_);
  shrink(upstream_stash_);
  if (to_client_.empty()) return finish_flush();
  phase_ = phase::flushing;
  wait(front_.options.timeouts.stall);
}

void http_session::finish_flush() {
  if (!close_after_) return become_idle();
  // Unread input would turn close() into a reset, which may overtake the response.
  if (request_part_ != part::done || !stash_.empty() || client_.readable) return linger_on();
  leave();
}

void http_session::become_idle() {
  phase_ = phase::idle;
  if (stash_.empty()) shrink(stash_);
  wait(front_.options.timeouts.idle);
}

// --- after 101 ---

void http_session::become_tunnel(std::string_view upstream_bytes) {
  front_.count.upgraded.add();
  response_part_ = part::done;
  phase_ = phase::tunnel;
  tunnel_ = std::make_unique<tunnel>(std::move(to_upstream_), std::move(to_client_));
  if (!tunnel_->prime(shard_, client_, up_->ch(), stash_, upstream_bytes)) {
    return abort(&front_.count.client_aborted);
  }
  stash_ = std::string();
}

void http_session::run_tunnel() {
  wait(front_.options.timeouts.tunnel);
  const auto state = tunnel_->run(shard_, client_, up_->ch(), front_.options.buffer);
  front_.count.bytes_to_release.add(tunnel_->to_upstream() - sent_up_);
  front_.count.bytes_to_client.add(tunnel_->to_client() - sent_down_);
  sent_up_ = tunnel_->to_upstream();
  sent_down_ = tunnel_->to_client();
  switch (state) {
    case tunnel_state::open: break;
    case tunnel_state::more: shard_.defer(*this); break;
    case tunnel_state::finished:
      front_.count.answered.add();
      route_->responses.fetch_add(1, std::memory_order_relaxed);
      drop_upstream(false);
      leave();
      break;
    case tunnel_state::broken: abort(&front_.count.client_aborted); break;
  }
}

}  // namespace osvm::hotswap::detail
