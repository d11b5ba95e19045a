#include "hotswap/proxy/http_session.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstdio>

namespace osvm::hotswap::detail {
namespace {

constexpr int steps_per_turn = 32;
constexpr std::size_t max_replay = 64 * 1024;
constexpr std::size_t keep_capacity = 1024;  // of the session's strings, between requests
constexpr std::uint8_t max_attempts = 4;
constexpr std::chrono::milliseconds linger_time{2'000};

http1::head_limits limits_of(const proxy_options& o) {
  return {o.limits.max_head, o.limits.max_fields, o.limits.max_target};
}

void shrink(std::string& s) {
  if (s.capacity() > keep_capacity) {
    s = std::string();
  } else {
    s.clear();
  }
}

// Upgrading to HTTP/2 in clear text would take the connection out of this parser's sight.
bool may_upgrade(const http1::request_head& r) {
  return r.upgrade && r.body == http1::body_kind::none && r.connection_fields == 1 &&
         !http1::iequals(r.upgrade_to, "h2c");
}

}  // namespace

// --- life
// ---------------------------------------------------------------------------------------------------------

void http_session::start(front& f, unique_fd client) {
  auto& s = f.home.adopt(std::make_unique<http_session>(f, std::move(client)));
  if (!f.home.watch(s.client_)) return s.leave();
  s.wait(f.options.timeouts.idle);
}

http_session::http_session(front& f, unique_fd client)
    : session(f.home), front_(f), client_(*this), timer_(*this) {
  client_.fd = std::move(client);
  if (std::holds_alternative<tcp_endpoint>(f.state->local)) set_no_delay(client_.fd.get());
  front_.count.active.add();
}

http_session::~http_session() {
  front_.count.active.sub();
}

void http_session::leave() noexcept {
  if (up_) drop_upstream();
  route_.reset();
  phase_ = phase::gone;
  shard_.dismiss(*this);
}

void http_session::abort(counter* why) noexcept {
  if (why) why->add();
  shard_.reset(client_);
  leave();
}

void http_session::drop_upstream(bool by_reset) noexcept {
  if (up_) up_->drop(by_reset);
  up_ = nullptr;
  to_upstream_.clear();
}

void http_session::wait(std::chrono::milliseconds t) {
  if (t.count() != 0) {
    shard_.arm_in(timer_, t);
  } else {
    timer_.cancel();
  }
}

// --- events
// -------------------------------------------------------------------------------------------------------

void http_session::on_io(channel&) {
  if (client_.broken && phase_ != phase::idle && phase_ != phase::head) {
    if (phase_ == phase::exchange || phase_ == phase::connecting) return abort(&front_.count.client_aborted);
    return abort(nullptr);
  }
  drive();
}

void http_session::on_upstream(bool connecting) {
  if (connecting && phase_ == phase::connecting) {
    if (up_->link().failed()) {
      connect_failed();
    } else if (up_->link().up()) {
      connected();
    }
  }
  drive();
}

void http_session::drive() {
  for (int i = 0; i < steps_per_turn; ++i) {
    if (advance() == step::blocked) {
      const auto up = to_upstream_.sent(), down = to_client_.sent();
      if (tunnel_) return;
      front_.count.bytes_to_release.add(up - sent_up_);
      front_.count.bytes_to_client.add(down - sent_down_);
      sent_up_ = up;
      sent_down_ = down;
      return;
    }
  }
  shard_.defer(*this);
}

http_session::step http_session::advance() {
  switch (phase_) {
    case phase::idle:
    case phase::head:
      return read_request();
    case phase::exchange:
      return exchange();
    case phase::flushing:
      if (!to_client_.flush(shard_, client_)) {
        abort(nullptr);
        return step::blocked;
      }
      if (!to_client_.empty()) return step::blocked;
      finish_flush();
      return step::progress;
    case phase::tunnel:
      run_tunnel();
      return step::blocked;
    case phase::lingering:
      return linger();
    case phase::connecting:
    case phase::gone:
      break;
  }
  return step::blocked;
}

void http_session::on_timer(timer&) {
  switch (phase_) {
    case phase::idle:
    case phase::lingering:
      return leave();
    case phase::head:
      fail(408, "the request head did not arrive in time", front_.count.client_timeouts);
      break;
    case phase::connecting:
      connect_failed();
      break;
    case phase::exchange:
      exchange_timed_out();
      break;
    case phase::flushing:
    case phase::tunnel:
      return abort(nullptr);
    case phase::gone:
      break;
  }
  drive();
}

void http_session::exchange_timed_out() {
  if (!to_client_.empty()) return abort(&front_.count.client_aborted);  // it does not read
  if (request_part_ != part::done && response_part_ == part::head && to_upstream_.empty()) {
    return fail(408, "the request body did not arrive in time", front_.count.client_timeouts);
  }
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  if (response_part_ == part::body) return abort(&front_.count.truncated);
  fail(504, "the release did not answer in time", front_.count.upstream_timeouts);
}

bool http_session::cut(const target& t) {
  if (!route_ || route_.get().get() != &t) return false;
  if ((phase_ == phase::connecting || phase_ == phase::exchange) && response_part_ == part::head &&
      to_client_.empty()) {
    drop_upstream();
    close_after_ = true;
    respond_own(503, "the release was stopped before it had answered");
    drive();
  } else {
    abort(nullptr);
  }
  return true;
}

// --- request head
// -------------------------------------------------------------------------------------------------

// Keeps bytes that are not taken yet; they may lie in the stash already, at its end.
void http_session::stash(std::string_view bytes, bool in_stash) {
  if (in_stash) {
    stash_.erase(0, stash_.size() - bytes.size());
  } else {
    stash_.assign(bytes);
  }
}

http_session::step http_session::read_request() {
  if (phase_ == phase::idle && !stash_.empty()) {  // pipelined
    phase_ = phase::head;
    wait(front_.options.timeouts.head);
    const auto s = take_request({stash_.data(), stash_.size()}, true);
    if (s == step::progress) return s;
  }
  const auto room = shard_.scratch().first(front_.options.buffer);
  const auto r = shard_.read(client_, room);
  if (r.status == io_status::again) return step::blocked;
  if (r.status != io_status::ok) {
    // Between requests this is how a connection ends; a part of a head is nobody's request.
    if (phase_ == phase::head) front_.count.client_aborted.add();
    leave();
    return step::blocked;
  }
  if (phase_ == phase::idle && stash_.empty()) return take_request(room.first(r.bytes), false);
  stash_.append(room.data(), r.bytes);
  return take_request({stash_.data(), stash_.size()}, true);
}

http_session::step http_session::take_request(std::span<char> bytes, bool in_stash) {
  std::string_view all(bytes.data(), bytes.size());
  auto found = request_scan_.scan(all, front_.options.limits.max_head);
  if (found.size == 2 &&
      !skipped_crlf_) {  // an empty line before a request is to be ignored (RFC 9112 2.2), once
    skipped_crlf_ = true;
    request_scan_.reset();
    all.remove_prefix(2);
    found = request_scan_.scan(all, front_.options.limits.max_head);
  }
  auto e = found.error;
  if (e == http1::head_error::none && found.size == 2) e = http1::head_error::bad_request_line;
  if (e == http1::head_error::none && found.size == 0) {
    if (phase_ == phase::idle && !all.empty()) {
      phase_ = phase::head;
      wait(front_.options.timeouts.head);
    }
    stash(all, in_stash);
    return step::progress;  // there may be more to read
  }
  const auto head = all.substr(0, found.size);
  if (e == http1::head_error::none) e = http1::parse_request(head, limits_of(front_.options), front_.request);
  if (e != http1::head_error::none) {
    close_after_ = true;
    head_request_ = client_minor_0_ = false;
    phase_ = phase::head;
    fail(http1::status_of(e), http1::to_string(e), front_.count.bad_requests);
    return step::progress;
  }
  front_.count.requests.add();
  begin_request();
  stash(all.substr(found.size), in_stash);
  route_request();
  return step::progress;
}

// Takes over from the parsed head what is needed later: its views end with this call.
void http_session::begin_request() {
  const auto& r = front_.request;
  close_after_ = r.close;
  client_minor_0_ = r.minor == 0;
  head_request_ = r.kind == http1::method_kind::head;
  idempotent_ = r.idempotent();
  upgrade_ = may_upgrade(r);
  chunked_request_ = r.body == http1::body_kind::chunked;
  request_body_.start(r.body, r.content_length, front_.options.limits.max_body,
                      front_.options.limits.max_fields);
  request_part_ = r.body == http1::body_kind::none ? part::done : part::body;
  response_part_ = part::head;
  attempts_ = 0;
  request_scan_.reset();
  response_scan_.reset();
  skipped_crlf_ = false;
  write_request(r, upgrade_, replay_);
  replayable_ = true;
}

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

// --- exchange
// -----------------------------------------------------------------------------------------------------

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
      e = http1::parse_response(all.substr(0, found.size), limits_of(front_.options), head_request_,
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
    case http1::body_kind::none:
      framing_ = out_framing::none;
      break;
    case http1::body_kind::length:
      framing_ = out_framing::length;
      break;
    default:
      framing_ = client_minor_0_ ? out_framing::close : out_framing::chunked;
      break;
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

// --- answers of our own
// -------------------------------------------------------------------------------------------

void http_session::fail(unsigned status, const char* text, counter& why) {
  why.add();
  if (phase_ != phase::head && response_part_ != part::head) return abort(nullptr);  // half a response is out
  respond_own(status, text);
}

void http_session::respond_own(unsigned status, const char* text) {
  if (phase_ == phase::head || request_part_ != part::done) close_after_ = true;
  drop_upstream();
  route_.reset();
  response_part_ = part::done;
  auto p = close_after_ ? persistence::close : persistence::implied;
  if (!close_after_ && client_minor_0_) p = persistence::keep_alive;
  write_own_response(status, text, head_request_, p, front_.head);
  if (!to_client_.send(shard_, client_, {front_.head})) return abort(nullptr);
  phase_ = phase::flushing;
  wait(front_.options.timeouts.stall);
}

void http_session::linger_on() {
  ::shutdown(client_.fd.get(), SHUT_WR);
  stash_ = std::string();
  phase_ = phase::lingering;
  wait(linger_time);
}

http_session::step http_session::linger() {
  const auto r = shard_.read(client_, shard_.scratch());
  if (r.status == io_status::ok) return step::progress;
  if (r.status != io_status::again) leave();
  return step::blocked;
}

// --- after 101
// ----------------------------------------------------------------------------------------------------

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
    case tunnel_state::open:
      break;
    case tunnel_state::more:
      shard_.defer(*this);
      break;
    case tunnel_state::finished:
      front_.count.answered.add();
      route_->responses.fetch_add(1, std::memory_order_relaxed);
      drop_upstream(false);
      leave();
      break;
    case tunnel_state::broken:
      abort(&front_.count.client_aborted);
      break;
  }
}

}  // namespace osvm::hotswap::detail
