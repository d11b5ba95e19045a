#include "hotswap/proxy/http_session.hpp"

#include "hotswap/proxy/http2_session.hpp"
#include "hotswap/proxy/preamble.hpp"

#include <utility>

namespace osvm::hotswap::detail {
namespace {

constexpr int steps_per_turn = 32;
constexpr std::chrono::milliseconds linger_time{2'000};

// Upgrading to HTTP/2 in clear text would take the connection out of this parser's sight.
bool may_upgrade(const http1::request_head& r) {
  return r.upgrade && r.body == http1::body_kind::none && r.connection_fields == 1 &&
         !http1::iequals(r.upgrade_to, "h2c");
}

}  // namespace

// --- life ---

void http_session::shrink(std::string& text) {
  constexpr std::size_t keep_capacity = 1024;  // between requests
  if (text.capacity() > keep_capacity) {
    text = std::string();
  } else {
    text.clear();
  }
}

void http_session::start(front& f, unique_fd client, const client_address& from) {
  auto& s = f.home.adopt(std::make_unique<http_session>(f, std::move(client), from));
  if (!f.home.watch(s.client_)) return s.leave();
  s.wait(f.options.accept_proxy ? f.options.timeouts.head : f.options.timeouts.idle);
}

void http_session::take_over(front& f, channel& from, std::unique_ptr<session_extra> extra) {
  auto& s = f.home.adopt(std::make_unique<http_session>(f, unique_fd(), client_address()));
  f.home.hand_over(from, s.client_);
  s.extra_ = std::move(extra);
  s.phase_ = phase::idle;
  s.wait(f.options.timeouts.idle);
  s.drive();  // bytes may lie in the layer, of which no event will tell
}

http_session& http_session::start_stream(front& f, std::unique_ptr<layer> over,
                                         std::unique_ptr<session_extra> extra) {
  auto& s = f.home.adopt(std::make_unique<http_session>(f, unique_fd(), client_address()));
  f.count.active.sub();
  s.counted_ = s.first_ = false;
  over->attach(s.client_);
  s.client_.over = std::move(over);
  s.extra_ = std::move(extra);
  s.phase_ = phase::idle;
  return s;
}

http_session::http_session(front& f, unique_fd client, const client_address& from)
    : session(f.home), front_(f), client_(*this), timer_(*this), pool_(f.state->main.get()) {
  client_.fd = std::move(client);
  if (f.rich()) {
    extra_ = std::make_unique<session_extra>();
    extra_->client = from;
    extra_->client_text = from.text();
    if (f.options.accept_proxy) phase_ = phase::preamble;
  }
  if (client_.fd && std::holds_alternative<tcp_endpoint>(f.state->local)) set_no_delay(client_.fd.get());
  front_.count.active.add();
}

http_session::~http_session() {
  if (counted_) front_.count.active.sub();
}

void http_session::leave() noexcept {
  if (up_) drop_upstream();
  end_request(response_part_ == part::head ? 0 : status_, "aborted");
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

// --- events ---

void http_session::on_io(channel&) {
  if (phase_ == phase::gone) return;
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
    case phase::preamble: return read_preamble();
    case phase::idle:
    case phase::head: return read_request();
    case phase::collecting: return collect();
    case phase::exchange: return exchange();
    case phase::flushing:
      if (!to_client_.flush(shard_, client_)) {
        abort(nullptr);
        return step::blocked;
      }
      if (!to_client_.empty()) return step::blocked;
      finish_flush();
      return step::progress;
    case phase::tunnel: run_tunnel(); return step::blocked;
    case phase::lingering: return linger();
    case phase::connecting:
    case phase::gone: break;
  }
  return step::blocked;
}

void http_session::on_timer(timer&) {
  switch (phase_) {
    case phase::preamble:
    case phase::idle:
    case phase::lingering: return leave();
    case phase::collecting:
      close_after_ = true;
      fail(408, "the request body did not arrive in time", front_.count.client_timeouts);
      break;
    case phase::head:
      fail(408, "the request head did not arrive in time", front_.count.client_timeouts);
      break;
    case phase::connecting: connect_failed(); break;
    case phase::exchange: exchange_timed_out(); break;
    case phase::flushing:
    case phase::tunnel: return abort(nullptr);
    case phase::gone: break;
  }
  drive();
}

void http_session::exchange_timed_out() {
  if (!to_client_.empty()) return abort(&front_.count.client_aborted);  // it does not read
  if (request_part_ != part::done && response_part_ == part::head && to_upstream_.empty()) {
    return fail(408, "the request body did not arrive in time", front_.count.client_timeouts);
  }
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  backend_failed(false);
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

// A response that has yet to begin can say so. An idle connection cannot be told by HTTP/1.1: its next
// request is served, and its answer says it; closing now might cross with that request.
void http_session::ask_to_leave() {
  if (phase_ == phase::collecting || phase_ == phase::connecting || phase_ == phase::exchange) {
    close_after_ = close_after_ || response_part_ == part::head;
  }
}

// --- PROXY header ---

// Looks before it takes, so that the bytes behind the header stay in the socket.
http_session::step http_session::read_preamble() {
  switch (take_proxy_header(client_, *extra_)) {
    case proxy_header::status::partial: return step::blocked;
    case proxy_header::status::wrong: leave(); return step::blocked;
    case proxy_header::status::whole: break;
  }
  become_idle();
  return step::progress;
}

// --- request head ---

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
  if (std::exchange(first_, false) && front_.options.http2_clear_text && is_http2({room.data(), r.bytes})) {
    return step::blocked;
  }
  if (phase_ == phase::idle && stash_.empty()) return take_request(room.first(r.bytes), false);
  stash_.append(room.data(), r.bytes);
  return take_request({stash_.data(), stash_.size()}, true);
}

// A client that knows that this is a server of HTTP/2 begins with what is no request of HTTP/1.
bool http_session::is_http2(std::string_view bytes) {
  if (!bytes.starts_with("PRI * HTTP/2.0\r\n")) return false;
  http2_session::take_over(front_, client_, std::move(extra_), bytes);
  leave();
  return true;
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
  if (e == http1::head_error::none) e = http1::parse_request(head, front_.head_limits(), front_.request);
  if (e != http1::head_error::none) {
    close_after_ = true;
    head_request_ = client_minor_0_ = false;
    phase_ = phase::head;
    fail(http1::status_of(e), http1::to_string(e), front_.count.bad_requests);
    return step::progress;
  }
  front_.count.requests.add();
  asked_ = shard_.now();
  begin_request();
  stash(all.substr(found.size), in_stash);
  route_request();
  return step::progress;
}

// Takes over from the parsed head what is needed later: its views end with this call.
void http_session::begin_request() {
  const auto& r = front_.request;
  close_after_ = r.close || front_.leaving();
  client_minor_0_ = r.minor == 0;
  head_request_ = r.kind == http1::method_kind::head;
  idempotent_ = r.idempotent();
  upgrade_ = may_upgrade(r);
  expect_continue_ = r.expect_continue;
  chunked_request_ = r.body == http1::body_kind::chunked;
  request_body_.start(r.body, r.content_length, front_.options.limits.max_body,
                      front_.options.limits.max_fields);
  request_part_ = r.body == http1::body_kind::none ? part::done : part::body;
  response_part_ = part::head;
  attempts_ = 0;
  request_scan_.reset();
  response_scan_.reset();
  skipped_crlf_ = false;
  replayable_ = true;
  if (!extra_) return write_request(r, upgrade_, nullptr, replay_);
  match_rule();
  const forwarding who{front_.options.forwarded, extra_->client_text,
                       extra_->client.known() && !extra_->client.v4(), extra_->secure ? "https" : "http"};
  write_request(r, upgrade_, who.mode == forwarded_mode::off ? nullptr : &who, replay_);
}

void http_session::match_rule() {
  const auto& r = front_.request;
  auto& x = *extra_;
  x.rules = front_.rules();
  x.matched = x.rules->find(r);
  x.to = x.matched ? x.matched->to : nullptr;
  pool_ = x.to.get();
  x.look_into =
      x.matched && !x.matched->lanes.empty() && r.method == "POST" && r.body != http1::body_kind::none;
  if (pool_ && pool_->options.balance == balance_policy::consistent_hash) {
    switch (pool_->options.key) {
      case hash_key::client: x.key = hash_of({reinterpret_cast<const char*>(x.client.ip.data()), 16}); break;
      case hash_key::path: x.key = hash_of(r.path); break;
      case hash_key::header: x.key = hash_of(r.find(pool_->options.hash_header)); break;
    }
  }
  if (!front_.log()) return;
  x.sent_before = to_client_.sent();
  x.received_before = to_upstream_.sent();
  add_member(x.log, "client", x.client_text);
  add_member(x.log, "method", r.method);
  add_member(x.log, "host", r.authority.empty() ? r.host : r.authority);
  add_member(x.log, "path", r.path);
}

// --- answers of our own ---

void http_session::fail(unsigned status, const char* text, counter& why) {
  why.add();
  if (phase_ != phase::head && response_part_ != part::head) return abort(nullptr);  // half a response is out
  respond_own(status, text);
}

void http_session::respond_own(unsigned status, const char* text) {
  if (phase_ == phase::head || request_part_ != part::done) close_after_ = true;
  drop_upstream();
  end_request(status, "own");
  response_part_ = part::done;
  auto p = close_after_ ? persistence::close : persistence::implied;
  if (!close_after_ && client_minor_0_) p = persistence::keep_alive;
  write_own_response(status, text, head_request_, p, front_.head);
  if (!to_client_.send(shard_, client_, {front_.head})) return abort(nullptr);
  phase_ = phase::flushing;
  wait(front_.options.timeouts.stall);
}

void http_session::linger_on() {
  shard_.finish(client_);
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

}  // namespace osvm::hotswap::detail
