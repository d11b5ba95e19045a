#include <osvm/net/websocket.hpp>

#include <osvm/core/text.hpp>

#include <openssl/rand.h>

#include <algorithm>

#include "net/connect.hpp"
#include "net/operation.hpp"
#include "net/response_reader.hpp"

namespace osvm::net {
namespace {

using kind = websocket_message::kind;

constexpr std::size_t max_head = 16 << 10;

// One open connection. Runs on its strand, but for what the mutex guards.
class connection final : public std::enable_shared_from_this<connection> {
 public:
  connection(executor strand, std::unique_ptr<stream> s, websocket_options o, std::string early)
      : strand_(std::move(strand)),
        stream_(std::move(s)),
        options_(std::move(o)),
        in_(websocket_role::client, options_.max_message),
        ticks_(strand_) {
    in_.feed(early);
  }
  const executor& strand() const noexcept { return strand_; }
  const std::shared_ptr<operation_set>& running() const noexcept { return running_; }

  result<> send(kind type, std::string_view data);
  void answer_ping(std::string data);
  void begin_close(std::uint16_t code, std::string_view reason, std::chrono::milliseconds timeout);
  void shut(error why);
  void keep_alive();
  asio::awaitable<result<websocket_message>> read(std::shared_ptr<watchdog> dog);

 private:
  asio::awaitable<result<websocket_message>> read_on();
  std::optional<result<websocket_message>> react(websocket_message m);
  asio::awaitable<void> write_all();
  std::pair<std::string, bool> take_queue();
  void kick();

  executor strand_;
  std::unique_ptr<stream> stream_;
  websocket_options options_;
  websocket_reader in_;
  asio::steady_timer ticks_;
  std::shared_ptr<operation_set> running_ = std::make_shared<operation_set>();
  bool reading_ = false, writing_ = false, peer_closed_ = false;
  unsigned silent_ticks_ = 0;
  std::optional<error> dead_;

  std::mutex mutex_;  // the rest
  std::string queue_;
  std::optional<std::string> pong_;  // of the latest ping; the earlier ones need none (RFC 6455, 5.5.3)
  bool said_goodbye_ = false, ended_ = false;
};

result<> connection::send(kind type, std::string_view data) {
  std::uint32_t mask = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&mask), sizeof mask) != 1)
    return error(osvm::errc::unsupported, "no randomness");
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || said_goodbye_) return error(osvm::errc::closed, "the WebSocket is closed");
    const bool control = type != kind::text && type != kind::binary;
    if (type == kind::ping && !queue_.empty()) return {};  // what waits already tells whether the peer lives
    if (!control && queue_.size() + data.size() > options_.max_queued)
      return error(errc::too_slow, "the server does not take what is sent");
    append_websocket_frame(queue_, type, data, mask);
    said_goodbye_ = type == kind::close;
  }
  asio::post(strand_, [self = shared_from_this()] { self->kick(); });
  return {};
}

// A server that asks without end and takes nothing costs one answer.
void connection::answer_ping(std::string data) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || said_goodbye_) return;
    pong_ = std::move(data);
  }
  kick();
}

// What is to be written now, and whether it ends with a goodbye.
std::pair<std::string, bool> connection::take_queue() {
  const std::lock_guard lock(mutex_);
  std::string now;
  std::uint32_t mask = 0;
  const auto pong = std::exchange(pong_, std::nullopt);
  if (pong && !said_goodbye_ && RAND_bytes(reinterpret_cast<unsigned char*>(&mask), sizeof mask) == 1)
    append_websocket_frame(now, kind::pong, *pong, mask);
  if (now.empty()) now.swap(queue_);
  return {std::move(now), said_goodbye_};
}

void connection::kick() {
  if (writing_ || dead_) return;
  writing_ = true;
  auto run = [self = shared_from_this()]() -> asio::awaitable<void> { co_await self->write_all(); };
  auto done = [self = shared_from_this()](std::exception_ptr failure) {
    self->writing_ = false;
    if (failure) self->shut(error(osvm::errc::closed, "out of memory"));
  };
  asio::co_spawn(strand_, std::move(run), std::move(done));
}

asio::awaitable<void> connection::write_all() {
  for (;;) {
    const auto [now, goodbye] = take_queue();
    if (now.empty()) {
      if (goodbye && (peer_closed_ || !reading_)) shut(error(osvm::errc::closed, "the WebSocket is closed"));
      co_return;
    }
    auto sent = co_await stream_->write(now);
    if (!sent) {
      shut(error(errc::connection_lost, "writing to the WebSocket"));
      co_return;
    }
  }
}

void connection::shut(error why) {
  if (dead_) return;
  dead_ = std::move(why);
  ticks_.cancel();
  stream_->close();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  queue_.clear();
  pong_.reset();
}

void connection::begin_close(std::uint16_t code, std::string_view reason, std::chrono::milliseconds timeout) {
  (void)send(kind::close, websocket_close_payload(code, reason));
  auto timer = std::make_shared<asio::steady_timer>(strand_, timeout);
  timer->async_wait([self = shared_from_this(), timer](error_code) {
    self->shut(error(osvm::errc::closed, "the WebSocket is closed"));
  });
}

void connection::keep_alive() {
  if (options_.ping_every.count() <= 0 || dead_) return;
  ticks_.expires_after(options_.ping_every);
  ticks_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    if (self->reading_ && ++self->silent_ticks_ > 2)
      return self->shut(error(osvm::errc::timed_out, "the WebSocket's server is silent"));
    (void)self->send(kind::ping, {});
    self->keep_alive();
  });
}

// What a message means; nothing when it was the protocol's own business.
std::optional<result<websocket_message>> connection::react(websocket_message m) {
  switch (m.type) {
    case kind::text:
    case kind::binary: return result<websocket_message>(std::move(m));
    case kind::ping: answer_ping(std::move(m.data)); return std::nullopt;
    case kind::pong: return std::nullopt;
    case kind::close: break;
  }
  peer_closed_ = true;
  const error why(errc::closed_by_peer,
                  std::to_string(m.code) + (m.data.empty() ? "" : " ") + printable(m.data));
  (void)send(kind::close, websocket_close_payload(m.code == 1005 ? 1000 : m.code, {}));
  asio::post(strand_, [self = shared_from_this()] { self->kick(); });  // also when nothing was queued
  return result<websocket_message>(why);
}

asio::awaitable<result<websocket_message>> connection::read_on() {
  std::vector<char> buffer(16 << 10);
  for (;;) {
    if (dead_) co_return *dead_;
    auto m = in_.next();
    if (!m) {
      (void)send(kind::close, websocket_close_payload(in_.failure_code(), m.error().context));
      peer_closed_ = true;
      co_return std::move(m).error();
    }
    if (*m) {
      if (auto out = react(std::move(**m))) co_return std::move(*out);
      continue;
    }
    auto n = co_await stream_->read_some(buffer);
    if (dead_) co_return *dead_;
    if (!n) {
      shut(error(errc::connection_lost, "the WebSocket's connection ended"));
      co_return *dead_;
    }
    silent_ticks_ = 0;
    in_.feed({buffer.data(), *n});
  }
}

asio::awaitable<result<websocket_message>> connection::read(std::shared_ptr<watchdog> dog) {
  if (reading_) co_return error(osvm::errc::busy, "one read at a time");
  dog->guard([self = shared_from_this()] {
    self->shut(error(osvm::errc::cancelled, "reading from the WebSocket was cancelled"));
  });
  reading_ = true;
  auto out = co_await read_on();
  reading_ = false;
  dog->guard(nullptr);
  co_return std::move(out);
}

std::string opening(const url& where, const websocket_options& o, const std::string& key) {
  std::string out = "GET " + where.target + " HTTP/1.1\r\nHost: " + where.authority() +
                    "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: " +
                    key + "\r\n";
  if (!o.user_agent.empty()) out += "User-Agent: " + o.user_agent + "\r\n";
  for (const auto& f : o.fields) out += f.name + ": " + f.value + "\r\n";
  return out + "\r\n";
}

bool mentions(const std::string* list, std::string_view word) {
  for (auto rest = list ? std::string_view(*list) : std::string_view(); !rest.empty();) {
    auto one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (same_word(one, word)) return true;
  }
  return false;
}

result<> check_answer(const http_response& r, const std::string& key) {
  if (r.status != 101) return error(errc::upgrade_refused, "the server answered " + std::to_string(r.status));
  const auto* accept = r.find("Sec-WebSocket-Accept");
  if (!mentions(r.find("Upgrade"), "websocket") || !mentions(r.find("Connection"), "upgrade") || !accept ||
      *accept != websocket_accept(key))
    return error(errc::upgrade_refused, "the server's handshake does not belong to ours");
  if (r.find("Sec-WebSocket-Extensions") || r.find("Sec-WebSocket-Protocol"))
    return error(errc::upgrade_refused, "the server wants extensions that were not offered");
  return {};
}

// The answer to the opening request; gives what came behind it.
asio::awaitable<result<std::string>> shake_hands(stream& s, url where, const websocket_options& o) {
  auto key = make_websocket_key();
  if (!key) co_return std::move(key).error();
  const auto text = opening(where, o, *key);
  auto sent = co_await s.write(text);
  if (!sent) co_return std::move(sent).error();
  std::string in;
  std::vector<char> buffer(4096);
  for (;;) {
    auto n = co_await s.read_some(buffer);
    if (!n) co_return std::move(n).error();
    in.append(buffer.data(), *n);
    auto head = read_head(in, max_head);
    if (!head) co_return std::move(head).error();
    if (!*head) continue;
    auto fine = check_answer((**head).response, *key);
    if (!fine) co_return std::move(fine).error();
    co_return in.substr((**head).size);
  }
}

bool breaks_lines(const http_field& f) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return f.name.empty() || f.name.find_first_of(": ") != std::string::npos ||
         std::ranges::any_of(f.name, control) || std::ranges::any_of(f.value, control);
}

asio::awaitable<result<std::shared_ptr<connection>>> open(executor strand, url where, websocket_options o,
                                                          std::shared_ptr<watchdog> dog) {
  if (std::ranges::any_of(o.fields, breaks_lines))
    co_return error(osvm::errc::invalid_argument, "a field that would break the request");
  auto s = co_await connect_stream(where, o.dial, dog);
  if (!s) co_return std::move(s).error();
  dog->guard([raw = s->get()] { raw->close(); });
  auto early = co_await shake_hands(**s, where, o);
  dog->guard(nullptr);
  if (!early) co_return dog->explain(std::move(early).error(), "WebSocket at " + where.origin());
  auto made = std::make_shared<connection>(strand, std::move(*s), std::move(o), std::move(*early));
  made->keep_alive();
  co_return made;
}

}  // namespace

struct websocket::impl {
  explicit impl(std::shared_ptr<connection> c) : at(std::move(c)) {}
  ~impl() {
    asio::post(at->strand(), [c = at] { c->shut(error(osvm::errc::closed, "the WebSocket is closed")); });
  }
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  std::shared_ptr<connection> at;
};

executor websocket::own_executor() const noexcept {
  return impl_->at->strand();
}

result<> websocket::send(std::string text) {
  return impl_->at->send(kind::text, text);
}

void websocket::close(std::uint16_t code, std::string reason, std::chrono::milliseconds timeout) {
  auto c = impl_->at;
  asio::post(c->strand(),
             [c, code, reason = std::move(reason), timeout] { c->begin_close(code, reason, timeout); });
}

void websocket::start_open(executor ex, url where, websocket_options options, open_handler handler) {
  const executor strand = asio::make_strand(ex);
  const auto until = deadline::after(options.timeout);
  auto body = [strand, where = std::move(where), options = std::move(options)](
                  std::shared_ptr<watchdog> dog) mutable -> asio::awaitable<result<websocket>> {
    auto made = co_await open(strand, std::move(where), std::move(options), dog);
    if (!made) co_return std::move(made).error();
    co_return websocket(std::make_shared<impl>(std::move(*made)));
  };
  run_operation<result<websocket>>(ex, strand, std::make_shared<operation_set>(), 1, until,
                                   std::move(handler), std::move(body));
}

void websocket::start_read(read_handler handler) {
  auto c = impl_->at;
  auto body = [c](std::shared_ptr<watchdog> dog) -> asio::awaitable<result<websocket_message>> {
    co_return co_await c->read(dog);
  };
  run_operation<result<websocket_message>>(c->strand(), c->strand(), c->running(), 2, deadline::never(),
                                           std::move(handler), std::move(body));
}

}  // namespace osvm::net
