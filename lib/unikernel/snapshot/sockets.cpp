// Sockets of a template. Listeners listen anew under the clone's own names of the host; pairs are made anew
// with what waits in them; connections to anybody else are reset.
#include "unikernel/instance_state.hpp"
#include "unikernel/snapshot/descriptors.hpp"
#include "unikernel/sockets/socket_state.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace osvm::unikernel {
namespace {

using form = saved_socket::form;
constexpr int restored_backlog = 1024;

result<std::string> waiting_in_pair(int host, int type) {
  int waiting = 0;
  if (::ioctl(host, FIONREAD, &waiting) != 0) return errno_error("a socket pair");
  if (waiting == 0) return std::string();
  if (type != SOCK_STREAM) return cannot_snapshot("a socket pair of messages that were not read yet");
  std::string content(static_cast<std::size_t>(waiting), '\0');
  const ssize_t n = ::recv(host, content.data(), content.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n != waiting) return cannot_snapshot("a socket pair whose content cannot be read");
  return content;
}

result<form> form_of(const socket_state& s) {
  if (s.family == AF_NETLINK) return s.phase == socket_phase::bound ? form::bound : form::fresh;
  switch (s.phase) {
    case socket_phase::fresh: return form::fresh;
    case socket_phase::bound:
    case socket_phase::listening: break;
    case socket_phase::connecting: return form::reset;
    case socket_phase::connected: return s.pair ? form::pair : form::reset;
  }
  if (s.family == AF_UNIX && s.bound && (s.bound->outside || s.bound->below_mount))
    return cannot_snapshot("a socket with a path of the host: " + to_text(s.local));
  return s.phase == socket_phase::listening ? form::listening : form::bound;
}

error refused(const saved_socket& s, std::int64_t r) {
  return errno_error("a clone's socket " + to_text(s.local), static_cast<int>(-r));
}

std::int64_t bind_name(call_context& ctx, const saved_socket& saved, descriptor& d, socket_state& s) {
  if (s.family == AF_VSOCK || s.family == AF_NETLINK) return 0;
  bound_socket as;
  as.address = saved.local;
  as.type = saved.type;
  as.v6_only = saved.v6_only;
  auto& names = ctx.instance.network.names;
  if (!saved.published) return names.bind(d.host.get(), std::move(as), s.bound);
  const std::string path = ctx.instance.host.tcp_socket_path(static_cast<std::uint16_t>(saved.local.port));
  if (path.empty()) return -EACCES;
  if (const auto r = bind_host_path(d, s, path, 0600); r < 0) return r;
  return names.enter(path, std::move(as), s.bound);
}

std::int64_t listen_vsock(call_context& ctx, descriptor& d, socket_state& s) {
  auto made = vsock::fd_queue::create(restored_backlog);
  if (!made) return -ENFILE;
  auto queue = std::make_shared<vsock::fd_queue>(std::move(made).value());
  d.host = queue->duplicate_receiver();
  if (!d.host) return -errno;
  if (const auto r = ctx.instance.host.listen_vsock(s.local.port, std::move(queue)); r < 0) return r;
  s.host = &ctx.instance.host;
  s.host_alive = ctx.instance.host_alive;
  return 0;
}

std::int64_t listen_again(call_context& ctx, const saved_socket& saved, descriptor& d, socket_state& s) {
  const bool vsock = s.family == AF_VSOCK;
  if (vsock) {
    if (const auto r = listen_vsock(ctx, d, s); r < 0) return r;
  } else if (::listen(d.host.get(), queue_of(s, restored_backlog)) != 0) {
    return -errno;
  }
  s.phase = socket_phase::listening;
  if (vsock || saved.published)
    ctx.instance.host.listening({vsock ? transport::vsock : transport::tcp, saved.local.port});
  return 0;
}

// A socket whose peer has gone without reading what it was sent: ECONNRESET.
std::int64_t make_reset(int type, unique_fd& host) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
  host.reset(ends[0]);
  const unique_fd peer(ends[1]);
  const char unread = 0;
  (void)::send(host.get(), &unread, 1, MSG_NOSIGNAL);
  return 0;
}

std::shared_ptr<socket_state> state_of(const saved_socket& saved) {
  auto s = std::make_shared<socket_state>();
  s->family = saved.family;
  s->type = saved.type;
  s->protocol = saved.protocol;
  s->local = saved.local;
  s->peer = saved.peer;
  s->options = saved.options;
  s->inside = saved.family == AF_UNIX;
  return s;
}

std::shared_ptr<descriptor> describe_end(std::shared_ptr<socket_state> s, unique_fd host) {
  auto d = std::make_shared<descriptor>();
  d->what = describe_socket(std::move(s), false);
  d->host = std::move(host);
  return d;
}

result<made_pair> make_pair(const saved_socket& saved) {
  int hosts[2];
  if (::socketpair(AF_UNIX, saved.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, hosts) != 0)
    return errno_error("a socket pair");
  const auto token = std::make_shared<char>();
  made_pair both;
  for (std::size_t i = 0; i < 2; ++i) {
    auto s = state_of(saved);
    s->phase = socket_phase::connected;
    s->pair = token;
    both.ends[i] = describe_end(std::move(s), unique_fd(hosts[i]));
  }
  return both;
}

// Either end is as good as the other: the first that comes is the first.
result<std::shared_ptr<descriptor>> restore_end(const saved_socket& saved, saved_ends& ends) {
  made_pair& both = ends.sockets[saved.pair];
  if (!both.ends[0]) {
    OSVM_TRY(both, make_pair(saved));
  }
  if (both.taken == 2) return cannot_snapshot("a socket pair with more than two ends");
  const auto mine = both.ends[both.taken], other = both.ends[1 - both.taken];
  ++both.taken;
  if (!saved.content.empty()) {
    const ssize_t n = ::send(other->host.get(), saved.content.data(), saved.content.size(), MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(saved.content.size())) return errno_error("the content of a socket pair");
  }
  return mine;
}

}  // namespace

result<saved_socket> save_socket(const descriptor& d) {
  const std::lock_guard guard(d.what->lock);
  const auto s = std::static_pointer_cast<socket_state>(d.what->extra);
  if (!s) return cannot_snapshot("a socket that came from outside");
  saved_socket out;
  out.family = s->family;
  out.type = s->type;
  out.protocol = s->protocol;
  out.local = s->local;
  out.peer = s->peer;
  out.options = s->options;
  OSVM_TRY(out.as, form_of(*s));
  if (s->bound) out.v6_only = s->bound->v6_only;
  out.published = is_inet(s->family) && s->bound && s->bound->outside;
  if (out.as == form::pair) {
    out.pair = reinterpret_cast<std::uintptr_t>(s->pair.get());
    OSVM_TRY(out.content, waiting_in_pair(d.host.get(), s->type));
  }
  return out;
}

result<std::shared_ptr<descriptor>> restore_socket(call_context& ctx, const saved_socket& saved,
                                                   saved_ends& ends) {
  if (saved.as == form::pair) return restore_end(saved, ends);
  auto state = state_of(saved);
  unique_fd host;
  const std::int64_t made =
      saved.as == form::reset ? make_reset(saved.type, host) : make_host_socket(*state, host);
  if (made < 0) return refused(saved, made);
  if (saved.as == form::reset) state->phase = socket_phase::connected;
  auto d = describe_end(state, std::move(host));
  if (saved.as == form::fresh || saved.as == form::reset) return d;
  if (const auto r = bind_name(ctx, saved, *d, *state); r < 0) return refused(saved, r);
  state->phase = socket_phase::bound;
  if (saved.as == form::listening) {
    if (const auto r = listen_again(ctx, saved, *d, *state); r < 0) return refused(saved, r);
  }
  return d;
}

}  // namespace osvm::unikernel
