// The second half of http_session: one request and its response on their way, and the tunnel after a 101.
#include "hotswap/proxy/http_session.hpp"

#include "hotswap/proxy/preamble.hpp"

#include <algorithm>
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
  if (!pool_) return fail(404, "no route is for this request", front_.count.unrouted);
  if (!extra_ || !extra_->look_into) return enter_route();
  phase_ = phase::collecting;
  wait(front_.options.timeouts.stall);
  if (expect_continue_ && !to_client_.send(shard_, client_, {"HTTP/1.1 100 Continue\r\n\r\n"})) {
    abort(&front_.count.client_aborted);
  }
}

// The rest of a body that is looked into before anything of it is passed on.
http_session::step http_session::collect() {
  if (!to_client_.flush(shard_, client_)) {
    abort(&front_.count.client_aborted);
    return step::blocked;
  }
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
  const auto& rules = *extra_->matched->options.rpc;
  const bool large = request_body_.error() == http1::body_error::too_large ||
                     extra_->body.size() + taken.data > rules.max_body;
  if (large || request_body_.error() != http1::body_error::none) {
    close_after_ = true;
    fail(large ? 413 : 400, large ? "the request body is too large" : http1::to_string(request_body_.error()),
         front_.count.bad_requests);
    return step::progress;
  }
  if (request_body_.done()) request_part_ = part::done;
  const std::string_view data(bytes.data(), taken.data);
  extra_->body.append(data);
  frame_request_data(data, replay_);
  stash({bytes.data() + taken.consumed, bytes.size() - taken.consumed}, in_stash);
  wait(front_.options.timeouts.stall);
  if (request_part_ == part::done) classify();
  return step::progress;
}

void http_session::classify() {
  const auto& rule = *extra_->matched;
  const auto found = read_rpc_methods(extra_->body, rule.options.rpc->max_batch);
  if (found.status == rpc_status::too_many) {
    return fail(413, "the batch is too long", front_.count.bad_requests);
  }
  if (found.status != rpc_status::ok) {
    return fail(400, "this is no JSON-RPC request", front_.count.bad_requests);
  }
  auto choice = rule.choose(found.names);
  if (front_.log()) {
    add_member(extra_->log, "rpc", found.names.front());
  }
  extra_->to = std::move(choice.to);
  pool_ = extra_->to.get();
  idempotent_ = choice.retry;
  extra_->body = std::string();
  enter_route(choice.limits);
}

bool http_session::admit(const std::vector<std::shared_ptr<limiter>>& more) {
  if (!extra_->admit(extra_->matched->limits, shard_.now())) return false;
  for (const auto& l : more) {
    if (!extra_->admit(l, shard_.now())) return false;
  }
  return true;
}

void http_session::enter_route(const std::vector<std::shared_ptr<limiter>>& more) {
  phase_ = phase::connecting;
  if (extra_ && !admit(more)) return fail(429, "over the limit", front_.count.limited);
  route_ = front_.enter(*pool_);
  if (!route_) return fail(503, "no release is active", front_.count.no_release);
  if (!route_->single()) pool_->budget.asked(pool_->options.retry_budget);
  choose(nullptr);
  reach();
}

void http_session::choose(const backend* avoid) {
  route_.go_to(route_->pick(pool_->options.balance, extra_ ? extra_->key : 0, front_.turn(), avoid));
}

void http_session::backend_failed(bool at_once) noexcept {
  if (!route_->single()) route_.at()->failed(pool_->options.ejection, shard_.now(), at_once);
}

void http_session::reach() {
  if (pool_->options.send_proxy != proxy_protocol::none) return connect();
  if (auto* kept = front_.take_idle(*route_.at())) {
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
  up_ = &upstream::open(front_, route_.get(), *route_.at(), *this);
  if (up_->link().failed()) return connect_failed();
  if (up_->link().up()) return connected();
  wait(front_.options.timeouts.connect);
}

// Nothing was delivered. If the route has changed meanwhile, the next release gets the request; else, another
// backend.
void http_session::connect_failed() {
  drop_upstream();
  backend_failed(true);
  if (route_->routed && !route_->single() && attempts_ <= pool_->options.retries && pool_->budget.take()) {
    front_.count.retried.add();
    choose(route_.at());
    return reach();
  }
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  if (!route_->routed && attempts_ < max_attempts) {
    route_ = front_.enter(*pool_);
    if (route_) {
      front_.count.retried.add();
      choose(nullptr);
      return connect();
    }
  }
  fail(503, "the release cannot be reached", front_.count.connect_failed);
}

void http_session::connected() {
  phase_ = phase::exchange;
  to_upstream_.clear();
  sent_before_ = to_upstream_.sent();
  std::string before;
  if (extra_ && !up_->reused() && pool_->options.send_proxy != proxy_protocol::none) {
    before = proxy_header_of(client_, *extra_, pool_->options.send_proxy);
  }
  if (!to_upstream_.send(shard_, up_->ch(), {before, replay_})) {
    if (!retry()) {
      route_->failures.fetch_add(1, std::memory_order_relaxed);
      backend_failed(false);
      fail(502, "the release closed the connection", front_.count.upstream_closed);
    }
    return;
  }
  if (!up_->reused() && (route_->single() || !idempotent_)) replayable_ = false;
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

void http_session::frame_request_data(std::string_view data, std::string& out) const {
  if (!chunked_request_) {
    out.append(data);
    return;
  }
  if (!data.empty()) {
    char size[24];
    const int n = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    out.append(size, static_cast<std::size_t>(n)).append(data).append("\r\n");
  }
  if (request_part_ == part::done) out.append("0\r\n\r\n");
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
  backend_failed(false);
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
    backend_failed(false);
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
    backend_failed(false);
    abort(&front_.count.truncated);
    return step::blocked;
  }
  if (retry()) return step::progress;
  drop_upstream();
  backend_failed(false);
  route_->failures.fetch_add(1, std::memory_order_relaxed);
  fail(502, "the release closed the connection before it had answered", front_.count.upstream_closed);
  return step::blocked;
}

// Sends the request again on a fresh connection, when nothing of it can have been executed: the connection
// ended before a byte of an answer, and either the request may be executed twice or no byte of it left. A
// kept-alive connection may just have been too old; else it goes to another backend, within the budget.
bool http_session::retry() {
  if (!up_ || !replayable_ || response_part_ != part::head || !upstream_stash_.empty()) return false;
  if (!idempotent_ && to_upstream_.sent() != sent_before_) return false;
  const bool elsewhere = !up_->reused();
  const auto* const last = route_.at();
  if (elsewhere) {
    if (route_->single() || attempts_ > pool_->options.retries || !pool_->budget.take()) return false;
    backend_failed(false);
  }
  drop_upstream();
  front_.count.retried.add();
  route_ = front_.enter(*pool_);
  if (!route_) {
    fail(503, "no release is active", front_.count.no_release);
    return true;
  }
  choose(elsewhere ? last : nullptr);
  connect();
  return true;
}

void http_session::finish_exchange() {
  front_.count.answered.add();
  route_->responses.fetch_add(1, std::memory_order_relaxed);
  if (status_ >= 500) route_->errors_5xx.fetch_add(1, std::memory_order_relaxed);
  if (auto* times = route_->latencies.load(std::memory_order_relaxed)) times->add(shard_.now() - asked_);
  if (!route_->single()) {
    if (status_ >= 502 && status_ <= 504) {
      backend_failed(false);
    } else {
      route_.at()->succeeded();
    }
  }
  const bool of_one_client = extra_ && pool_->options.send_proxy != proxy_protocol::none;
  if (request_part_ != part::done || upstream_close_ || of_one_client || !to_upstream_.empty()) {
    drop_upstream(false);
  } else {
    up_->release();
    up_ = nullptr;
  }
  end_request(status_, {});
  shrink(replay_);
  shrink(upstream_stash_);
  if (to_client_.empty()) return finish_flush();
  phase_ = phase::flushing;
  wait(front_.options.timeouts.stall);
}

// The request is over, one way or another: it counts no more, and is logged.
void http_session::end_request(unsigned status, std::string_view how) {
  if (extra_) {
    auto& x = *extra_;
    if (auto* log = front_.log(); log && !x.log.empty()) {
      access_entry e;
      e.request = x.log;
      e.status = status;
      if (pool_) e.service = pool_->options.name;
      if (route_) e.release = route_->version;
      if (route_ && route_.at()) e.backend = route_.at()->name;
      e.end = how;
      e.received = to_upstream_.sent() - std::min(to_upstream_.sent(), x.received_before);
      e.sent = to_client_.sent() - std::min(to_client_.sent(), x.sent_before);
      e.took = shard_.now() - asked_;
      e.attempts = attempts_;
      log->write(e);
    }
    pool_ = nullptr;
    route_.reset();
    return x.end_request();
  }
  route_.reset();
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
  status_ = 101;
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
      end_request(101, {});
      leave();
      break;
    case tunnel_state::broken: abort(&front_.count.client_aborted); break;
  }
}

}  // namespace osvm::hotswap::detail
