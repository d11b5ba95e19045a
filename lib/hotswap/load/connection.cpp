#include "hotswap/load/connection.hpp"

#include "hotswap/load/run.hpp"

#include <system_error>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t read_size = 32 * 1024;
constexpr std::size_t longest_message = std::size_t{1} << 20;

std::string reason_of(int e) {
  return std::generic_category().message(e);
}

}  // namespace

void load_lane::leaves() noexcept {
  sent_ = std::chrono::steady_clock::now();
  run_.sent();
}

void load_lane::finish(load_verdict v) {
  run_.done(*this, std::move(v));
}

load_connection::load_connection(shard& s, load_run& run)
    : actor(s), load_lane(run), link_(*this), timeout_(*this) {}

void load_connection::send(time_point due) {
  took(due);
  shard_.arm(timeout_, due + run_.options().timeout);
  if (phase_ == phase::idle) return connected();
  phase_ = phase::connecting;
  last_ = 0;
  run_.opened();
  link_.start(shard_, run_.where());
  shard_.defer(*this);
}

void load_connection::on_timer(timer& which) {
  if (link_.owns(which)) {
    link_.on_timer(shard_);
    return step();
  }
  if (busy())
    fail(load_class::timeout, phase_ <= phase::greeting ? "while connecting" : "without a complete answer");
}

void load_connection::close() {
  tls_ = nullptr;
  shard_.close(link_.ch);
  link_.ch.over.reset();
  out_.clear();
  messages_.reset();
  phase_ = phase::closed;
}

void load_connection::fail(load_class k, std::string text) {
  close();
  timeout_.cancel();
  finish({k, std::move(text)});
}

void load_connection::step() {
  switch (phase_) {
    case phase::closed: return;
    case phase::idle: return close();  // the peer has closed, or sends what nobody asked for
    case phase::connecting: return connecting();
    case phase::greeting: return greeting();
    case phase::sending: return send_more();
    case phase::head:
    case phase::body: return receive();
    case phase::talking:
    case phase::closing:
      if (!out_.flush(shard_, link_.ch)) return fail(load_class::write, reason_of(errno));
      return receive();
  }
}

void load_connection::connecting() {
  link_.on_io(shard_);
  if (link_.failed()) return fail(load_class::connect, reason_of(link_.error()));
  if (!link_.up()) return;
  if (!run_.connector()) return connected();
  auto tls = tls_layer::make(shard_, run_.connector(), run_.tls_name());
  if (!tls) return fail(load_class::connect, "TLS: out of memory");
  tls->attach(link_.ch);
  tls_ = tls.get();
  link_.ch.over = std::move(tls);
  phase_ = phase::greeting;
  greeting();
}

void load_connection::greeting() {
  switch (tls_->handshake()) {
    case net::tls_status::again: return;
    case net::tls_status::ok: return connected();
    default: return fail(load_class::connect, "TLS handshake: " + tls_->session().trouble());
  }
}

std::string load_connection::request_head() {
  const auto& r = answer_.request();
  const auto& o = run_.options();
  std::string t = r.method + " " + r.path + " HTTP/1.1\r\nHost: " + o.host + "\r\n";
  if (!o.nonce_header.empty()) t += o.nonce_header + ": " + answer_.nonce() + "\r\n";
  if (r.kind == load_kind::websocket) {
    const auto key = net::make_websocket_key();
    key_ = key ? *key : std::string();
    return t +
           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
           key_ + "\r\n\r\n";
  }
  if (!o.keep_alive) t += "Connection: close\r\n";
  if (r.kind == load_kind::events) t += "Accept: text/event-stream\r\n";
  if (!r.content_type.empty()) t += "Content-Type: " + r.content_type + "\r\n";
  if (answer_.body_size() != 0 || r.method == "POST")
    t += "Content-Length: " + std::to_string(answer_.body_size()) + "\r\n";
  return t + "\r\n";
}

void load_connection::connected() {
  answer_.begin(last_);
  scan_.reset();
  buffer_.clear();
  phase_ = phase::sending;
  leaves();
  std::string text = request_head();
  const auto room = shard_.scratch().first(read_size);
  const auto n = answer_.pull(room);
  if (!out_.send(shard_, link_.ch, {text, std::string_view(room.data(), n)}))
    return fail(load_class::write, reason_of(errno));
  send_more();
}

// A server may answer before it has everything: then the rest is not sent.
void load_connection::send_more() {
  for (;;) {
    if (!out_.flush(shard_, link_.ch)) return fail(load_class::write, reason_of(errno));
    if (!out_.empty()) return;
    const auto room = shard_.scratch().first(read_size);
    const auto n = answer_.pull(room);
    if (n == 0) break;
    if (!out_.send(shard_, link_.ch, {std::string_view(room.data(), n)}))
      return fail(load_class::write, reason_of(errno));
  }
  phase_ = phase::head;
  receive();
}

void load_connection::receive() {
  const auto room = shard_.scratch().first(read_size);
  while (busy()) {
    const auto r = shard_.read(link_.ch, room);
    if (r.status == io_status::again) return;
    if (r.status == io_status::error) {
      const int e = errno;
      return fail(phase_ == phase::head ? load_class::read : load_class::truncated, reason_of(e));
    }
    if (r.status == io_status::eof) return ended();
    if (!take(room.first(r.bytes))) return;
  }
}

void load_connection::ended() {
  if (phase_ == phase::body && body_.finish()) {
    close_ = true;
    return judge();
  }
  // Who has said that it closes may close.
  if (phase_ == phase::closing) return judge();
  if (phase_ == phase::head) return fail(load_class::read, "closed without an answer");
  fail(load_class::truncated, "the answer ended early");
}

// False when the request is over.
bool load_connection::take(std::span<char> bytes) {
  if (phase_ == phase::talking || phase_ == phase::closing)
    return take_messages({bytes.data(), bytes.size()});
  if (phase_ == phase::head) {
    buffer_.append(bytes.data(), bytes.size());
    bytes = {buffer_.data(), buffer_.size()};
    if (!take_head(bytes)) return phase_ == phase::head;
    if (answer_.status() == 101) return upgraded(bytes);
  }
  return take_body(bytes);
}

bool load_connection::take_body(std::span<char> bytes) {
  const auto taken = body_.take(bytes);
  answer_.data({bytes.data(), taken.data});
  if (body_.error() != http1::body_error::none) {
    fail(load_class::read, http1::to_string(body_.error()));
    return false;
  }
  if (!body_.done() && !answer_.enough()) return true;
  if (!body_.done() || taken.consumed < bytes.size()) close_ = true;
  judge();
  return false;
}

bool load_connection::take_head(std::span<char>& bytes) {
  auto& head = run_.head();
  const http1::head_limits limits{.max_head = run_.options().max_head};
  const bool websocket = answer_.request().kind == load_kind::websocket;
  for (;;) {
    const std::string_view all(bytes.data(), bytes.size());
    const auto found = scan_.scan(all, limits.max_head);
    auto e = found.error;
    if (e == http1::head_error::none && found.size == 0) {
      buffer_.assign(std::string(all));
      return false;
    }
    const bool to_head = answer_.request().method == "HEAD";
    if (e == http1::head_error::none)
      e = http1::parse_response(all.substr(0, found.size), limits, to_head, head);
    if (e == http1::head_error::none && head.status == 101 && !websocket)
      e = http1::head_error::bad_status_line;
    if (e != http1::head_error::none) {
      fail(load_class::read, http1::to_string(e));
      return false;
    }
    scan_.reset();
    bytes = bytes.subspan(found.size);
    if (!head.interim() || head.status == 101) break;
  }
  phase_ = phase::body;
  close_ = head.close || !run_.options().keep_alive;
  const auto value = [&](const std::string& name) {
    return name.empty() ? std::string_view() : head.find(name);
  };
  answer_.head(head.status, value(run_.nonce_name()), value(run_.version_name()));
  if (head.status == 101 && head.find("sec-websocket-accept") != net::websocket_accept(key_)) {
    fail(load_class::wrong_content, "not the WebSocket handshake's answer");
    return false;
  }
  body_.start(head.body, head.content_length, run_.options().max_body, limits.max_fields);
  return true;
}

// --- WebSocket ---

bool load_connection::upgraded(std::span<char> rest) {
  phase_ = phase::talking;
  close_ = true;
  messages_.emplace(net::websocket_role::client, longest_message);
  if (!say(net::websocket_message::kind::text, answer_.message())) return false;
  return take_messages({rest.data(), rest.size()});
}

bool load_connection::say(net::websocket_message::kind type, std::string_view data) {
  std::string frame;
  // What is sent is this client's own text: no proxy can be made to see a request in it.
  net::append_websocket_frame(frame, type, data, static_cast<std::uint32_t>(run_.next_nonce()));
  if (out_.send(shard_, link_.ch, {frame})) return true;
  fail(load_class::write, reason_of(errno));
  return false;
}

bool load_connection::take_messages(std::string_view bytes) {
  using kind = net::websocket_message::kind;
  messages_->feed(bytes);
  for (;;) {
    auto next = messages_->next();
    if (!next) {
      fail(load_class::wrong_content, next.error().to_string());
      return false;
    }
    if (!*next) return true;
    const auto& m = **next;
    if (m.type == kind::ping && !say(kind::pong, m.data)) return false;
    if (m.type == kind::close) {
      judge();
      return false;
    }
    if (m.type == kind::ping || m.type == kind::pong || phase_ == phase::closing) continue;
    if (answer_.replied(m.data)) {
      if (!say(kind::text, answer_.message())) return false;
      continue;
    }
    phase_ = phase::closing;
    if (!say(kind::close, net::websocket_close_payload(1000, {}))) return false;
  }
}

// The answer is complete.
void load_connection::judge() {
  auto verdict = answer_.judge();
  if (verdict.k == load_class::answered) last_ = answer_.place();
  phase_ = phase::idle;
  if (close_) close();
  timeout_.cancel();
  finish(std::move(verdict));
}

}  // namespace osvm::hotswap::detail
