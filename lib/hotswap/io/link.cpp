#include "hotswap/io/link.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

constexpr std::chrono::milliseconds backlog_retry{1};
// "OK 4294967295\n"
constexpr std::size_t max_answer = 16;

}  // namespace

void link::fail(shard& s, int e) noexcept {
  error_ = e;
  state_ = link_state::failed;
  s.close(ch);
}

void link::start(shard& s, const address& to) noexcept {
  to_ = &to;
  ch.readable = ch.peer_done = ch.broken = false;
  ch.writable = true;
  ch.fd = open_socket(to);
  if (!ch.fd) return fail(s, errno);
  attempt(s);
}

void link::attempt(shard& s) noexcept {
  if (::connect(ch.fd.get(), to_->get(), to_->length) == 0) {
    if (!s.watch(ch)) return fail(s, errno);
    return connected(s);
  }
  if (errno == EINPROGRESS) {
    state_ = link_state::connecting;
    ch.writable = false;
    if (!s.watch(ch, true)) fail(s, errno);
  } else if (errno == EAGAIN || errno == EINTR) {
    state_ = link_state::retrying;
    s.arm_in(retry_, backlog_retry);
  } else {
    fail(s, errno);
  }
}

void link::on_timer(shard& s) noexcept {
  if (state_ == link_state::retrying) attempt(s);
}

void link::on_io(shard& s) noexcept {
  if (state_ == link_state::handshaking) return handshake(s);
  if (state_ != link_state::connecting || (!ch.writable && !ch.broken)) return;
  int e = 0;
  socklen_t n = sizeof e;
  ::getsockopt(ch.fd.get(), SOL_SOCKET, SO_ERROR, &e, &n);
  if (e != 0) return fail(s, e);
  connected(s);
}

void link::connected(shard& s) noexcept {
  if (!to_->hybrid) {
    state_ = link_state::up;
    return;
  }
  char text[32];
  const int n = std::snprintf(text, sizeof text, "CONNECT %u\n", to_->hybrid_port);
  // A fresh socket's buffer takes these few bytes whole.
  if (::send(ch.fd.get(), text, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) return fail(s, EPROTO);
  state_ = link_state::handshaking;
}

// Looks before it takes, so that bytes which the service sends first stay in the socket.
void link::handshake(shard& s) noexcept {
  char text[max_answer + 1];
  const ssize_t n = ::recv(ch.fd.get(), text, sizeof text, MSG_PEEK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return fail(s, n == 0 ? EPROTO : errno);
  const auto* end = static_cast<const char*>(std::memchr(text, '\n', static_cast<std::size_t>(n)));
  if (!end) {
    if (static_cast<std::size_t>(n) > max_answer || ch.peer_done) fail(s, EPROTO);
    return;
  }
  std::uint32_t port = 0;
  const bool ok = end - text > 3 && std::memcmp(text, "OK ", 3) == 0;
  const auto parsed = std::from_chars(text + 3, end, port);
  if (!ok || parsed.ec != std::errc() || parsed.ptr != end) return fail(s, EPROTO);
  if (::recv(ch.fd.get(), text, static_cast<std::size_t>(end - text) + 1, 0) != end - text + 1)
    return fail(s, EPROTO);
  state_ = link_state::up;
}

}  // namespace osvm::hotswap::detail
