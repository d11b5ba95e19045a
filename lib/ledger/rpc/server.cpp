#include <osvm/ledger/rpc_server.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_map>

#include "forward.hpp"
#include "http.hpp"
#include "ws_session.hpp"

namespace osvm::ledger {
namespace {

using clock = deadline::clock;

struct connection {
  unique_fd fd;
  std::string in, out;
  std::size_t sent = 0;
  bool closing = false, ended = false, continued = false;
  std::uint32_t events = 0;
  clock::time_point last = clock::now();
  std::uint64_t serial = 0;           // tells it from earlier users of its descriptor
  std::size_t forwarded = 0;          // bytes of the upstream's answers in `waiting` and `out`
  std::optional<rpc_plan> waiting{};  // for answers of the upstream; nothing else is answered meanwhile
  bool closes_then = false;
  std::unique_ptr<ws_session> ws{};  // once it is a WebSocket
  bool pinged = false;
};

bool is_release(std::string_view text) {
  return text.size() <= 64 && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// Where an answer of the upstream belongs.
struct ticket {
  int fd = -1;
  std::uint64_t serial = 0;
  std::size_t part = 0;
};

}  // namespace

struct rpc_server::impl {
  impl(rpc_service& s, unique_fd l, rpc_server_options o)
      : service(s), listener(std::move(l)), options(std::move(o)) {
    if (!options.release.empty()) release = "x-osvm-release: " + options.release + "\r\n";
  }

  rpc_service& service;
  unique_fd listener, epoll;
  const rpc_server_options options;
  std::string release;  // a header field, or empty
  rpc_server_stats stats;
  std::unordered_map<int, connection> connections;
  std::unordered_map<std::uint64_t, ticket> tickets;
  std::unordered_map<std::uint64_t, int> sockets;  // WebSockets: serial -> descriptor
  std::uint64_t next_serial = 1, next_ticket = 1;
  std::size_t forwarded = 0;         // bytes of the upstream's answers in all connections
  std::vector<std::uint64_t> again;  // WebSockets that have more to handle
  std::optional<ledger_feed> feed;   // from the first WebSocket on
  bool accepting = false, leaving = false;
  clock::time_point refreshed = clock::now(), swept = clock::now();

  result<> watch(int fd, std::uint32_t events, int operation) {
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    if (::epoll_ctl(epoll.get(), operation, fd, &e) != 0) return errno_error("epoll_ctl");
    return {};
  }
  void update(connection& c);
  void accept_all();
  void drop(int fd) {
    if (const auto at = connections.find(fd); at != connections.end()) {
      sockets.erase(at->second.serial);
      forwarded -= at->second.forwarded;
      connections.erase(at);
    }
    listen_again();
  }
  void listen_again() {
    if (!accepting && connections.size() < options.max_connections &&
        watch(listener.get(), EPOLLIN, EPOLL_CTL_ADD))
      accepting = true;
  }
  bool read(connection& c);
  bool flush(connection& c);
  bool answer_requests(connection& c);
  bool answer_one(connection& c);
  void refuse(connection& c, int status);
  void answer_post(connection& c, std::string_view body, bool keep_alive);
  void open_socket(connection& c, std::string_view key);
  void take_upstream();
  void deliver(connection& c);
  std::string hold(connection& c, const rpc_plan::part& p, std::string text);
  void serve_again();
  bool pump(connection& c);
  void serve_socket(connection& c, std::uint32_t events);
  void tell_sockets();
  void say_goodbye();
  void leave();
  void sweep(clock::time_point now);
  void serve(int fd, std::uint32_t events);
  void housekeeping();
  int wait_ms() const;
};

void rpc_server::impl::update(connection& c) {
  // While an answer waits to be taken, nothing more is read: a slow client holds one answer, not many.
  // A WebSocket is read also then, as its session bounds what it holds; not before what came is handled, nor
  // once it is given up: a client that only sends must not look alive.
  const std::uint32_t out = c.out.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT);
  const bool reads = c.ws && !c.ws->closing() && !c.ws->unread();
  const std::uint32_t in = reads ? static_cast<std::uint32_t>(EPOLLIN) : 0U;
  const std::uint32_t wanted = c.ws ? in | out : c.waiting ? out : c.out.empty() ? EPOLLIN : EPOLLOUT;
  if (wanted == c.events) return;
  if (watch(c.fd.get(), wanted, EPOLL_CTL_MOD)) c.events = wanted;
}

void rpc_server::impl::accept_all() {
  while (connections.size() < options.max_connections) {
    unique_fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EMFILE || errno == ENFILE) break;  // wait until a connection ends
      return;
    }
    ++stats.accepted;
    const int n = fd.get();
    connection c;
    c.fd = std::move(fd);
    c.events = EPOLLIN;
    c.serial = next_serial++;
    if (watch(n, EPOLLIN, EPOLL_CTL_ADD)) connections.emplace(n, std::move(c));
  }
  (void)::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, listener.get(), nullptr);
  accepting = false;
}

// False when the connection is gone.
bool rpc_server::impl::read(connection& c) {
  char buffer[16384];
  const std::size_t most = options.max_head + service.options().max_body;
  while (c.in.size() <= most) {
    const auto n = ::recv(c.fd.get(), buffer, sizeof buffer, 0);
    if (n > 0) {
      c.in.append(buffer, static_cast<std::size_t>(n));
      c.last = clock::now();
      // Not filled: nothing is left, most likely. What comes later is told by the next epoll_wait.
      if (static_cast<std::size_t>(n) < sizeof buffer) return true;
      continue;
    }
    if (n == 0) return c.ended = true;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
  return true;
}

bool rpc_server::impl::flush(connection& c) {
  while (c.sent < c.out.size()) {
    const auto n = ::send(c.fd.get(), c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    c.sent += static_cast<std::size_t>(n);
    c.last = clock::now();
  }
  c.out.clear();
  if (c.out.capacity() > (1 << 20)) c.out.shrink_to_fit();
  c.sent = 0;
  if (!c.waiting) forwarded -= std::exchange(c.forwarded, 0);
  return !c.closing;
}

void rpc_server::impl::refuse(connection& c, int status) {
  ++stats.refused;
  c.closing = true;
  c.in.clear();
  c.out += http::response(status, "text/plain", "", false, release);
}

// Answers the next whole request in the buffer; false when there is none.
bool rpc_server::impl::answer_one(connection& c) {
  if (c.waiting || c.ws) return false;
  http::head head;
  switch (http::parse_head(c.in, options.max_head, service.options().max_body, head)) {
    case http::verdict::more: return false;
    case http::verdict::malformed: return refuse(c, 400), false;
    case http::verdict::no_length: return refuse(c, 411), false;
    case http::verdict::too_large: return refuse(c, 413), false;
    case http::verdict::ok: break;
  }
  if (c.in.size() < head.size + head.body) {
    if (head.expects_continue && !c.continued) {
      c.continued = true;
      c.out += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    return false;
  }
  ++stats.requests;
  c.continued = false;
  const std::string_view body(c.in.data() + head.size, head.body);
  switch (head.method) {
    case http::head::kind::post: answer_post(c, body, head.keep_alive); break;
    case http::head::kind::websocket: open_socket(c, head.websocket_key); break;
    case http::head::kind::health:
      c.out += http::response(200, "text/plain", "ok", head.keep_alive, release);
      break;
    case http::head::kind::options: c.out += http::response(204, "", "", head.keep_alive, release); break;
    case http::head::kind::other:
      c.out += http::response(405, "text/plain", "", head.keep_alive, release);
      break;
  }
  c.closing = !head.keep_alive && !c.waiting;
  c.in.erase(0, head.size + head.body);
  return !c.closing;
}

void rpc_server::impl::answer_post(connection& c, std::string_view body, bool keep_alive) {
  constexpr const char* type = "application/json; charset=utf-8";
  c.waiting = plan_forwarding(service.parts(), body);
  if (!c.waiting) {
    c.out += http::response(200, type, service.handle(body), keep_alive, release);
    return;
  }
  c.closes_then = !keep_alive;
  auto& upstream = *service.options().upstream;
  for (std::size_t i = 0; i < c.waiting->parts.size(); ++i) {
    const auto& p = c.waiting->parts[i];
    if (p.request.empty() || !p.answer.empty()) continue;
    tickets.emplace(next_ticket, ticket{c.fd.get(), c.serial, i});
    upstream.call(next_ticket++, p.request);
  }
}

// All parts are there.
void rpc_server::impl::deliver(connection& c) {
  c.out += http::response_head(200, "application/json; charset=utf-8", c.waiting->answer_size(),
                               !c.closes_then, release);
  c.waiting->append_answer(c.out);
  c.closing = c.closes_then;
  c.waiting.reset();
  c.last = clock::now();
  serve(c.fd.get(), EPOLLOUT);
}

// The answer of the upstream, or an error in its place where there is no room for it.
std::string rpc_server::impl::hold(connection& c, const rpc_plan::part& p, std::string text) {
  if (c.forwarded + text.size() > options.max_forwarded)
    return upstream_failure(p, "its answers to this request are too large together");
  if (forwarded + text.size() > options.max_forwarded_of_all)
    return upstream_failure(p, "too many of its answers wait to be taken");
  c.forwarded += text.size();
  forwarded += text.size();
  return checked_answer(p, std::move(text));
}

void rpc_server::impl::take_upstream() {
  for (auto& e : service.options().upstream->take()) {
    if (e.type == upstream_event::kind::message || e.type == upstream_event::kind::closed) {
      const auto socket = sockets.find(e.id);
      if (socket == sockets.end()) continue;
      auto& c = connections.at(socket->second);
      c.ws->on_upstream(e);
      serve_socket(c, 0);
      continue;
    }
    const auto t = tickets.extract(e.id);
    if (t.empty()) continue;
    const auto at = connections.find(t.mapped().fd);
    if (at == connections.end() || at->second.serial != t.mapped().serial || !at->second.waiting) continue;
    auto& part = at->second.waiting->parts[t.mapped().part];
    part.answer = e.type == upstream_event::kind::answered ? hold(at->second, part, std::move(e.text))
                                                           : upstream_failure(part, e.text);
    if (at->second.waiting->missing() == 0) deliver(at->second);
  }
}

void rpc_server::impl::open_socket(connection& c, std::string_view key) {
  c.out += http::switch_protocols(key);
  c.ws = std::make_unique<ws_session>(service.parts(), c.serial, options.sockets);
  sockets.emplace(c.serial, c.fd.get());
  if (!feed) feed.emplace(service.parts());
  if (leaving) c.ws->go_away();
}

// Sends what the session has, frame by frame. False when the connection is over.
bool rpc_server::impl::pump(connection& c) {
  while (flush(c)) {
    if (!c.out.empty()) return true;
    c.out = c.ws->next_frame();
    if (c.out.empty()) return !c.ws->closing();
  }
  return false;
}

void rpc_server::impl::serve_socket(connection& c, std::uint32_t events) {
  const int fd = c.fd.get();
  bool alive = true;
  if ((events & EPOLLIN) && !c.ws->closing() && !c.ws->unread()) alive = read(c) && !c.ended;
  c.ws->feed(c.in);
  if (!c.in.empty()) c.pinged = false;
  c.in.clear();
  if (!pump(c) || !alive) return drop(fd);
  if (c.ws->unread()) again.push_back(c.serial);
  update(c);
}

// The others had their turn.
void rpc_server::impl::serve_again() {
  auto now = std::exchange(again, {});
  std::ranges::sort(now);
  now.erase(std::unique(now.begin(), now.end()), now.end());
  for (const auto serial : now)
    if (const auto at = sockets.find(serial); at != sockets.end())
      serve_socket(connections.at(at->second), 0);
}

// What the ledger has got since the last look.
void rpc_server::impl::tell_sockets() {
  const auto step = feed->advance();
  if (step.empty()) return;
  // Slot by slot, each sent before the next is rendered.
  for (const auto& piece : step.pieces()) {
    text_cache cache;
    const auto open = sockets;
    for (const auto& [serial, fd] : open) {
      auto& c = connections.at(fd);
      c.ws->advance(piece, cache);
      serve_socket(c, 0);
    }
  }
}

// True when there was a whole request.
bool rpc_server::impl::answer_requests(connection& c) {
  constexpr std::size_t enough = 1 << 20;  // then let the client take it first
  bool any = false;
  while (c.out.size() < enough && answer_one(c)) any = true;
  return any;
}

void rpc_server::impl::serve(int fd, std::uint32_t events) {
  const auto at = connections.find(fd);
  if (at == connections.end()) return;
  auto& c = at->second;
  if ((events & (EPOLLERR | EPOLLHUP)) && !(events & (EPOLLIN | EPOLLOUT))) return drop(fd);
  if (c.ws) return serve_socket(c, events);
  if ((events & EPOLLIN) && !read(c)) return drop(fd);
  if (!flush(c)) return drop(fd);
  for (bool more = true; more && c.out.empty();) {
    more = answer_requests(c);
    if (!flush(c)) return drop(fd);
  }
  if (c.ws) return serve_socket(c, 0);  // it has just become one
  if (c.ended && c.out.empty() && !c.waiting) return drop(fd);
  update(c);
}

void rpc_server::impl::sweep(clock::time_point now) {
  std::vector<int> silent;
  for (auto& [fd, c] : connections) {
    if (now - c.last > options.idle_timeout) silent.push_back(fd);
    if (!c.ws || c.pinged || now - c.last < options.idle_timeout / 2) continue;
    c.pinged = true;  // its pong counts as a sign of life, that we sent something does not
    const auto last = c.last;
    c.ws->ping();
    if (!pump(c)) silent.push_back(fd);
    c.last = last;
  }
  for (const int fd : silent) drop(fd);
}

void rpc_server::impl::say_goodbye() {
  for (const auto& [serial, fd] : sockets) {
    auto& c = connections.at(fd);
    c.ws->go_away();
    (void)pump(c);
  }
  connections.clear();
  sockets.clear();
}

void rpc_server::impl::leave() {
  (void)::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, options.leave_fd, nullptr);
  leaving = true;
  const auto open = sockets;
  for (const auto& [serial, fd] : open) {
    auto& c = connections.at(fd);
    c.ws->go_away();
    serve_socket(c, 0);
  }
}

void rpc_server::impl::housekeeping() {
  const auto now = clock::now();
  if (options.refresh_every.count() > 0 && now - refreshed >= options.refresh_every) {
    if (!service.refresh()) ++stats.refresh_failures;
    refreshed = clock::now();
  }
  // Somebody else may have refreshed the ledger.
  if (!sockets.empty()) tell_sockets();
  if (now - swept < std::chrono::seconds(1)) return;
  swept = now;
  sweep(now);
  listen_again();
}

int rpc_server::impl::wait_ms() const {
  if (!again.empty()) return 0;
  const auto refresh = std::chrono::duration_cast<std::chrono::milliseconds>(options.refresh_every).count();
  const int most = sockets.empty() ? 1000 : 100;
  return refresh > 0 ? static_cast<int>(std::min<std::int64_t>(refresh, most)) : most;
}

rpc_server::rpc_server(rpc_service& service, unique_fd listener, rpc_server_options options)
    : impl_(std::make_unique<impl>(service, std::move(listener), std::move(options))) {}
rpc_server::~rpc_server() = default;
const rpc_server_stats& rpc_server::stats() const noexcept {
  return impl_->stats;
}

result<> rpc_server::run(int stop_fd) {
  auto& s = *impl_;
  if (!is_release(s.options.release))
    return error(osvm::errc::invalid_argument,
                 "rpc_server_options::release: visible ASCII, at most 64 characters");
  s.epoll = unique_fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!s.epoll) return errno_error("epoll_create1");
  const int flags = ::fcntl(s.listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(s.listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return errno_error("the listening socket");
  OSVM_CHECK(s.watch(s.listener.get(), EPOLLIN, EPOLL_CTL_ADD));
  s.accepting = true;
  if (stop_fd >= 0) OSVM_CHECK(s.watch(stop_fd, EPOLLIN, EPOLL_CTL_ADD));
  if (s.options.leave_fd >= 0) OSVM_CHECK(s.watch(s.options.leave_fd, EPOLLIN, EPOLL_CTL_ADD));
  const int upstream = s.service.options().upstream ? s.service.options().upstream->ready_fd() : -1;
  if (upstream >= 0) OSVM_CHECK(s.watch(upstream, EPOLLIN, EPOLL_CTL_ADD));
  epoll_event events[64];
  while (true) {
    const int n = ::epoll_wait(s.epoll.get(), events, 64, s.wait_ms());
    if (n < 0 && errno != EINTR) return errno_error("epoll_wait");
    for (int i = 0; i < n; ++i) {
      if (events[i].data.fd == stop_fd) return s.say_goodbye(), result<>();
      if (events[i].data.fd == s.listener.get())
        s.accept_all();
      else if (events[i].data.fd == s.options.leave_fd)
        s.leave();
      else if (events[i].data.fd == upstream)
        s.take_upstream();
      else
        s.serve(events[i].data.fd, events[i].events);
    }
    s.serve_again();
    s.housekeeping();
  }
}

}  // namespace osvm::ledger
