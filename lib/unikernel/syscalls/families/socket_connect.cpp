// connect(): to the guest's own sockets by their handles, and outside only where policy says so.
#include "unikernel/files/attributes.hpp"
#include "unikernel/policy/recorder.hpp"
#include "unikernel/sockets/messages.hpp"
#include "unikernel/sockets/network.hpp"
#include "unikernel/sockets/resolver.hpp"
#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/syscalls/arguments.hpp"
#include "vsock/unix_address.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

// The guest's side of a connection to the host's network: addresses set apart for documentation.
guest_address outside_name(int family, std::uint32_t port) {
  guest_address a{.family = AF_INET, .ip = {192, 0, 2, 2}, .port = port};
  return as_seen_by(family, a);
}

// A unix connect() with O_NONBLOCK either succeeds or fails at once; a full queue is EAGAIN, and there is
// nothing to poll for, so a blocking guest tries again every few milliseconds until its deadline.
std::int64_t connect_unix_host(call_context& ctx, const descriptor& d, const sockaddr* to, socklen_t size) {
  const auto limit_ns = d.what->send_timeout_ns.load();
  const auto until =
      wait_clock::now() + (limit_ns != 0 ? std::chrono::nanoseconds(limit_ns) : std::chrono::seconds(10));
  for (;;) {
    if (::connect(d.host.get(), to, size) == 0) return 0;
    if (errno != EAGAIN) return -errno;
    if (d.what->nonblocking) return -EAGAIN;
    if (wait_clock::now() >= until) return -ETIMEDOUT;
    const auto r = ctx.thread.wait.sleep(wait_clock::now() + std::chrono::milliseconds(2));
    if (r == wait_result::interrupted) return stopped_call(ctx, interrupted_call::restart);
  }
}

std::int64_t connect_host_path(call_context& ctx, const descriptor& d, const std::string& path) {
  const auto address = vsock::make_unix_address(path);
  if (!address) return -ECONNREFUSED;
  return connect_unix_host(ctx, d, address->get(), address->size);
}

struct connect_call {
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> state;
  guest_address to;
  int family = AF_UNIX, type = SOCK_STREAM;
};

void connected(const connect_call& c, const guest_address& peer, bool inside) {
  const std::lock_guard guard(c.d->what->lock);
  c.state->phase = socket_phase::connected;
  c.state->peer = peer;
  c.state->inside = inside;
  c.d->what->connected = true;
}

// vsock

std::int64_t connect_vsock(call_context& ctx, const connect_call& c) {
  const auto& granted = ctx.instance.policy.vsock_connect;
  const bool known = ctx.instance.everything_allowed ||
                     std::find(granted.begin(), granted.end(), c.to.port) != granted.end();
  if (c.to.cid != host_cid || (!known && ctx.instance.rules.policy_connect))
    return ctx.instance.deny("connect vsock:" + to_text(c.to), "--allow vsock:" + std::to_string(c.to.port),
                             EACCES);
  const std::string path = ctx.instance.host.vsock_path();
  if (path.empty()) return -ECONNRESET;  // this instance has no folder for sockets
  if (ctx.instance.recorder) ctx.instance.recorder->connects_vsock(c.to.port);
  const std::int64_t r = connect_host_path(ctx, *c.d, path + "_" + std::to_string(c.to.port));
  if (r == -EINTR || is_interrupted_call(r) || r == -ETIMEDOUT || r == -EISCONN) return r;
  if (r < 0) return -ECONNRESET;
  connected(c, c.to, false);
  const std::lock_guard guard(c.d->what->lock);
  if (c.state->local.port == 0)
    c.state->local = {.family = AF_VSOCK, .cid = guest_cid, .port = 1U << 30, .name = {}};
  return 0;
}

// the guest's own

std::int64_t connect_inside(call_context& ctx, const connect_call& c, const bound_socket& target) {
  if (is_inet(c.family)) {
    const std::lock_guard guard(c.d->what->lock);
    socket_state& s = *c.state;
    if (!s.bound && s.local.port == 0) {
      guest_address local = loopback(plain(c.to).family, 0);
      if (const std::int64_t r = ctx.instance.network.names.name_client(c.d->host.get(), local); r < 0)
        return r;
      s.local = as_seen_by(c.family, local);
    } else if (is_any(s.local)) {
      s.local = as_seen_by(c.family, loopback(plain(c.to).family, s.local.port));
    }
  }
  const place_address to(target);
  const std::int64_t r = connect_unix_host(ctx, *c.d, to.get(), to.size);
  if (r < 0) return r;
  const bool inside = c.family == AF_UNIX && !target.outside;
  connected(c, is_inet(c.family) ? as_seen_by(c.family, c.to) : c.to, inside);
  return 0;
}

// outside

// What the guest has asked of its socket before there was a TCP socket to ask.
void carry_options(const socket_state& s, int host) {
  static constexpr std::pair<int, int> carried[] = {
      {IPPROTO_TCP, TCP_NODELAY},   {SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_KEEPIDLE},
      {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_USER_TIMEOUT},
      {SOL_SOCKET, SO_LINGER},      {IPPROTO_TCP, TCP_QUICKACK}};
  for (const auto& key : carried) {
    const auto it = s.options.find(key);
    if (it == s.options.end()) continue;
    (void)::setsockopt(host, key.first, key.second, it->second.data(),
                       static_cast<socklen_t>(it->second.size()));
  }
}

std::int64_t finish_connect(const connect_call& c) {
  int e = 0;
  socklen_t size = sizeof e;
  if (::getsockopt(c.d->host.get(), SOL_SOCKET, SO_ERROR, &e, &size) != 0) return -errno;
  const std::lock_guard guard(c.d->what->lock);
  c.state->phase = e == 0 ? socket_phase::connected : socket_phase::fresh;
  return -e;
}

std::int64_t wait_connected(call_context& ctx, const connect_call& c) {
  deadline until;
  if (const auto ns = c.d->what->send_timeout_ns.load(); ns != 0)
    until = wait_clock::now() + std::chrono::nanoseconds(ns);
  switch (ctx.thread.wait.wait_fd(c.d->host.get(), POLLOUT, until)) {
    case wait_result::ready: return finish_connect(c);
    case wait_result::timed_out: return -EINPROGRESS;
    case wait_result::interrupted: break;
  }
  return stopped_call(ctx, interrupted_call::restart);
}

std::int64_t connect_tcp(call_context& ctx, const connect_call& c, const guest_address& real) {
  unique_fd fresh(::socket(real.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fresh) return no_descriptor();
  const auto address = encode_address(real);
  {
    const std::lock_guard guard(c.d->what->lock);
    carry_options(*c.state, fresh.get());
  }
  const int r = ::connect(fresh.get(), reinterpret_cast<const sockaddr*>(address.data()),
                          static_cast<socklen_t>(address.size()));
  const int e = r == 0 ? 0 : errno;
  if (e != 0 && e != EINPROGRESS) return -e;
  if (const std::int64_t replaced = replace_host(ctx, c.d->what, fresh); replaced < 0) return replaced;
  {
    const std::lock_guard guard(c.d->what->lock);
    c.state->host_tcp = true;
    c.state->inside = false;
    c.state->peer = as_seen_by(c.family, c.to);
    c.state->local = outside_name(c.family, c.state->local.port != 0 ? c.state->local.port : 32767);
    c.state->phase = e == 0 ? socket_phase::connected : socket_phase::connecting;
    c.d->what->connected = true;
  }
  if (e == 0) return 0;
  return c.d->what->nonblocking ? -EINPROGRESS : wait_connected(ctx, c);
}

std::int64_t connect_granted(call_context& ctx, const connect_call& c, const outgoing_targets::route& route) {
  if (route.unix_path.empty()) return connect_tcp(ctx, c, route.real);
  if (c.type != SOCK_STREAM) return -EPROTOTYPE;
  const std::int64_t r = connect_host_path(ctx, *c.d, route.unix_path);
  if (r == -ENOENT) return c.family == AF_UNIX ? -ENOENT : -ECONNREFUSED;
  if (r < 0) return r;
  connected(c, c.to, false);
  const std::lock_guard guard(c.d->what->lock);
  if (is_inet(c.family) && c.state->local.port == 0) c.state->local = outside_name(c.family, 32767);
  return 0;
}

std::int64_t deny_connect(call_context& ctx, const guest_address& to) {
  const std::string text = to_text(plain(to));
  return ctx.instance.deny("connect " + text, "--connect " + text, EACCES);
}

std::int64_t connect_inet(call_context& ctx, connect_call& c) {
  const bool own = is_loopback(c.to) || is_any(c.to);
  if (is_any(c.to)) c.to = as_seen_by(c.family, c.to);
  if (own) {
    if (const auto target = ctx.instance.network.names.find(SOCK_STREAM, c.to))
      return connect_inside(ctx, c, *target);
  }
  outgoing_targets::route route;
  const bool granted = ctx.instance.network.outgoing.find(c.to, route);
  if (granted || ctx.instance.everything_allowed) {
    if (ctx.instance.recorder) ctx.instance.recorder->connects(to_text(plain(c.to)));
    return granted ? connect_granted(ctx, c, route) : connect_tcp(ctx, c, plain(c.to));
  }
  if (!ctx.instance.rules.policy_connect) return connect_tcp(ctx, c, plain(c.to));
  if (!own && ctx.instance.everything_allowed) {
    if (ctx.instance.recorder) ctx.instance.recorder->connects(to_text(plain(c.to)));
    return connect_tcp(ctx, c, plain(c.to));
  }
  if (!own) return deny_connect(ctx, c.to);
  // Nobody listens there: counted as well, for a guest that meant the host's loopback.
  (void)deny_connect(ctx, c.to);
  return -ECONNREFUSED;
}

std::int64_t connect_unix(call_context& ctx, connect_call& c) {
  if (c.to.name.empty()) return -EINVAL;
  const guest_address written = c.to;
  std::shared_ptr<bound_socket> target;
  bool known = false;
  if (const std::int64_t r = resolve_unix_name(ctx, c.to, target, known); r < 0) return r;
  const guest_address canonical = std::exchange(c.to, written);
  if (target) {
    const std::int64_t r = connect_inside(ctx, c, *target);
    if (r == 0) {
      const std::lock_guard guard(c.d->what->lock);
      c.state->peer = target->address;
    }
    return r;
  }
  outgoing_targets::route route;
  if (ctx.instance.network.outgoing.find(canonical, route)) return connect_granted(ctx, c, route);
  if (known && ctx.instance.rules.policy_connect)
    return ctx.instance.deny("connect " + to_text(canonical), "--connect unix:HOST-PATH=" + canonical.name,
                             ECONNREFUSED);
  if (!ctx.instance.rules.policy_connect && !canonical.name.starts_with('\0'))
    return connect_host_path(ctx, *c.d, canonical.name);
  if (!ctx.instance.rules.policy_connect) {  // the control of that rule: the host's own abstract names
    sockaddr_un host{};
    const auto raw = encode_address(canonical);
    std::memcpy(&host, raw.data(), std::min(raw.size(), sizeof host));
    return connect_unix_host(ctx, *c.d, reinterpret_cast<const sockaddr*>(&host),
                             static_cast<socklen_t>(raw.size()));
  }
  if (!is_common_probe(canonical.name))
    (void)ctx.instance.deny("connect " + to_text(canonical), "--connect unix:HOST-PATH=" + canonical.name,
                            EACCES);
  return canonical.name.starts_with('\0') ? -ECONNREFUSED : -ENOENT;
}

// A UDP socket only remembers its peer: where a datagram goes is looked up when it is sent.
std::int64_t connect_datagram(call_context& ctx, const connect_call& c) {
  const std::lock_guard guard(c.d->what->lock);
  socket_state& s = *c.state;
  if (!is_loopback(c.to) && !is_any(c.to))
    return ctx.instance.deny("UDP to " + to_text(plain(c.to)), "UDP stays inside a guest", EACCES);
  if (const std::int64_t r = bind_datagram(ctx, c.d->host.get(), s); r < 0) return r;
  s.peer = as_seen_by(s.family, c.to);
  if (is_any(s.local)) s.local = as_seen_by(s.family, loopback(plain(c.to).family, s.local.port));
  s.phase = socket_phase::connected;
  c.d->what->connected = true;
  return 0;
}

// connect() to AF_UNSPEC takes a datagram socket's peer away.
std::int64_t disconnect(const connect_call& c) {
  const std::lock_guard guard(c.d->what->lock);
  socket_state& s = *c.state;
  if (s.type != SOCK_DGRAM) return -EAFNOSUPPORT;
  const sockaddr none{};
  if (s.family == AF_UNIX) (void)::connect(c.d->host.get(), &none, sizeof none);
  s.peer = {.family = s.family, .name = {}};
  s.phase = s.bound ? socket_phase::bound : socket_phase::fresh;
  return 0;
}

bool unspecified(call_context& ctx) {
  sa_family_t family = AF_UNIX;
  return ctx.args[2] >= sizeof family && load(ctx, ctx.args[1], family) && family == AF_UNSPEC;
}

// What phases allow connecting: 0 or -errno.
std::int64_t check_phase(const connect_call& c) {
  const std::lock_guard guard(c.d->what->lock);
  const bool datagram = c.type == SOCK_DGRAM;
  switch (c.state->phase) {
    case socket_phase::connected: return datagram ? 0 : -EISCONN;
    case socket_phase::listening: return -EINVAL;
    case socket_phase::connecting: return -EALREADY;
    default: return 0;
  }
}

std::int64_t sys_connect(call_context& ctx) {
  connect_call c;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    c.d = s.d;
    c.state = s.state;
    c.family = s.state->family;
    c.type = s.state->type;
  }
  if (unspecified(ctx)) return disconnect(c);
  if (const auto r = load_address(ctx, ctx.args[1], ctx.args[2], c.family, c.to); r < 0) return r;
  if (const auto r = check_phase(c); r == -EALREADY) {
    // Linux finishes a connection that has arrived in the next connect().
    pollfd p{c.d->host.get(), POLLOUT, 0};
    if (::poll(&p, 1, 0) <= 0) return c.d->what->nonblocking ? r : wait_connected(ctx, c);
    const std::int64_t ended = finish_connect(c);
    return ended == 0 ? 0 : ended;
  } else if (r < 0) {
    return r;
  }
  if (c.family == AF_VSOCK) return connect_vsock(ctx, c);
  if (c.family == AF_UNIX) return connect_unix(ctx, c);
  if (c.family == AF_NETLINK) return 0;
  return c.type == SOCK_DGRAM ? connect_datagram(ctx, c) : connect_inet(ctx, c);
}

constexpr syscall_entry socket_connect_entries[] = {
    {42, "connect", call<sys_connect>, capability::always, "fpl"},
};

}  // namespace

extern const syscall_family socket_connect_family;
const syscall_family socket_connect_family{"socket_connect", socket_connect_entries};

}  // namespace osvm::unikernel
