// Sockets: creation, names, listening. No socket of the host's network is made here: behind each stands a
// unix socket, and policy says which of them has a name on the host.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/sockets/network.hpp"
#include "unikernel/sockets/resolver.hpp"
#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

constexpr int type_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr int max_backlog = 4096;

std::int64_t refuse_family(call_context& ctx, int family, int type) {
  const std::string what = "socket family " + std::to_string(family) + " type " + std::to_string(type);
  return ctx.instance.deny(what, "unix, TCP, UDP, vsock and NETLINK_ROUTE only", EAFNOSUPPORT);
}

// The protocol that a socket of this kind has; -1: there is no such kind here, -2: not with this protocol.
int protocol_of(int family, int type, int protocol) {
  if (family == AF_UNIX) {
    const bool known = type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
    return !known ? -1 : protocol == 0 || protocol == AF_UNIX ? 0 : -2;
  }
  if (is_inet(family) && (type == SOCK_STREAM || type == SOCK_DGRAM)) {
    const int own = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    return protocol == 0 || protocol == own ? own : -2;
  }
  if (family == AF_VSOCK && type == SOCK_STREAM) return protocol == 0 ? 0 : -2;
  if (family == AF_NETLINK && (type == SOCK_RAW || type == SOCK_DGRAM))
    return protocol == NETLINK_ROUTE ? NETLINK_ROUTE : -2;
  return -1;
}

std::int64_t sys_socket(call_context& ctx) {
  const int family = int_arg(ctx, 0), type = int_arg(ctx, 1) & ~type_flags,
            flags = int_arg(ctx, 1) & type_flags;
  constexpr int unknown_type = 11;  // SOCK_MAX
  if (type < 0 || type >= unknown_type || (int_arg(ctx, 1) & ~(type_flags | 0xf)) != 0) return -EINVAL;
  const int protocol = protocol_of(family, type, int_arg(ctx, 2));
  if (protocol == -1) return refuse_family(ctx, family, type);
  if (protocol == -2) return family == AF_NETLINK ? refuse_family(ctx, family, type) : -EPROTONOSUPPORT;
  auto state = std::make_shared<socket_state>();
  state->family = family;
  state->type = type;
  state->protocol = protocol;
  state->local.family = state->peer.family = family;
  state->inside = family == AF_UNIX;  // until it meets somebody from outside
  unique_fd host;
  if (const std::int64_t r = make_host_socket(*state, host); r < 0) return r;
  auto what = describe_socket(std::move(state), (flags & SOCK_NONBLOCK) != 0);
  return install(ctx, std::move(what), std::move(host), (flags & SOCK_CLOEXEC) != 0);
}

std::int64_t sys_socketpair(call_context& ctx) {
  const int type = int_arg(ctx, 1) & ~type_flags, flags = int_arg(ctx, 1) & type_flags;
  if (int_arg(ctx, 0) != AF_UNIX) return refuse_family(ctx, int_arg(ctx, 0), type);
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) return -ESOCKTNOSUPPORT;
  if (int_arg(ctx, 2) != 0 && int_arg(ctx, 2) != AF_UNIX) return -EPROTONOSUPPORT;
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return no_descriptor();
  unique_fd hosts[2] = {unique_fd(ends[0]), unique_fd(ends[1])};
  std::int64_t numbers[2];
  const auto token = std::make_shared<char>();
  for (int i = 0; i < 2; ++i) {
    auto state = std::make_shared<socket_state>();
    state->type = type;
    state->phase = socket_phase::connected;
    state->inside = true;
    state->pair = token;
    state->local.family = state->peer.family = AF_UNIX;
    auto what = describe_socket(std::move(state), (flags & SOCK_NONBLOCK) != 0);
    numbers[i] = install(ctx, std::move(what), std::move(hosts[i]), (flags & SOCK_CLOEXEC) != 0);
    if (numbers[i] >= 0) continue;
    if (i == 1) (void)ctx.process.descriptors.remove(static_cast<int>(numbers[0]));
    return numbers[i];
  }
  const int pair[2] = {static_cast<int>(numbers[0]), static_cast<int>(numbers[1])};
  if (store(ctx, ctx.args[3], pair)) return 0;
  for (const int fd : pair) (void)ctx.process.descriptors.remove(fd);
  return -EFAULT;
}

// names

bool may_listen(const call_context& ctx, transport kind, std::uint32_t port) {
  const auto& granted = ctx.instance.policy.listen;
  return !ctx.instance.rules.policy_listen || ctx.instance.everything_allowed ||
         std::find(granted.begin(), granted.end(), listener{kind, port}) != granted.end();
}

std::int64_t deny_listen(call_context& ctx, transport kind, std::uint32_t port) {
  const bool tcp = kind == transport::tcp;
  const std::string number = std::to_string(port);
  return ctx.instance.deny((tcp ? "bind tcp:" : "bind vsock:") + number,
                           (tcp ? "--publish HOST:PORT=guest:" : "--publish-vsock HOST:PORT=guest:") + number,
                           EACCES);
}

bool option_set(const socket_state& s, int level, int name) {
  const auto it = s.options.find({level, name});
  return it != s.options.end() &&
         std::any_of(it->second.begin(), it->second.end(), [](std::byte b) { return b != std::byte{0}; });
}

// A granted port is a path of the host; another socket on the same port (of the other family, say) is the
// guest's own only.
std::int64_t bind_published(call_context& ctx, socket_arg& s, const bound_socket& as) {
  const std::string path = ctx.instance.host.tcp_socket_path(static_cast<std::uint16_t>(as.address.port));
  if (path.empty()) return deny_listen(ctx, transport::tcp, as.address.port);
  if (const std::int64_t r = bind_host_path(*s.d, *s.state, path, 0600); r < 0) return r;
  bound_socket entry;
  entry.address = as.address;
  entry.type = as.type;
  entry.v6_only = as.v6_only;
  return ctx.instance.network.names.enter(path, std::move(entry), s.state->bound);
}

// Another listener of the guest with SO_REUSEPORT on the same address and port: connections go to whoever
// accepts first, since both descriptors are one socket of the host then. False: there is none.
bool share_listener(call_context& ctx, socket_arg& s, const guest_address& to, std::int64_t& result) {
  for (const int number : ctx.process.descriptors.numbers()) {
    const auto other = ctx.process.descriptors.get(number);
    if (!other || other->what == s.d->what) continue;
    const auto state = socket_of(*other);
    if (!state) continue;
    const std::unique_lock lock(other->what->lock, std::try_to_lock);  // it may be looking for this one
    const bool named =
        lock && (state->phase == socket_phase::bound || state->phase == socket_phase::listening);
    if (!named || state->type != SOCK_STREAM || state->family != to.family || !(state->local == to)) continue;
    if (!option_set(*state, SOL_SOCKET, SO_REUSEPORT)) continue;
    result = replace_host(ctx, s.d->what, other->host);
    if (result < 0) return true;
    s.state->bound = state->bound;
    s.state->local = state->local;
    s.state->phase = socket_phase::bound;
    return true;
  }
  return false;
}

std::int64_t bind_inet(call_context& ctx, socket_arg& s, const guest_address& to) {
  const bool tcp = s.state->type == SOCK_STREAM;
  if (s.state->phase != socket_phase::fresh) return -EINVAL;
  if (!is_loopback(to) && !is_any(to)) return -EADDRNOTAVAIL;
  bound_socket as;
  as.address = to;
  as.type = s.state->type;
  as.v6_only = option_set(*s.state, IPPROTO_IPV6, IPV6_V6ONLY);
  const bool granted = tcp && to.port != 0 && may_listen(ctx, transport::tcp, to.port);
  // What is bound to every address is meant for others; the loopback is the guest's own.
  if (!granted && is_any(to) && to.port != 0) {
    if (tcp) return deny_listen(ctx, transport::tcp, to.port);
    if (ctx.instance.rules.policy_listen)
      return ctx.instance.deny("bind udp:" + std::to_string(to.port), "UDP stays inside a guest", EACCES);
  }
  if (std::int64_t shared = 0; tcp && to.port != 0 && option_set(*s.state, SOL_SOCKET, SO_REUSEPORT) &&
                               share_listener(ctx, s, to, shared))
    return shared;
  auto& names = ctx.instance.network.names;
  const bool publish = granted && !names.published(to.port);
  const std::int64_t r =
      publish ? bind_published(ctx, s, as) : names.bind(s.d->host.get(), std::move(as), s.state->bound);
  if (r < 0) return r;
  s.state->local = s.state->bound->address;
  s.state->phase = socket_phase::bound;
  return 0;
}

std::int64_t bind_vsock(call_context& ctx, socket_arg& s, const guest_address& to) {
  if (s.state->phase != socket_phase::fresh) return -EINVAL;
  if (to.cid != any_cid && to.cid != guest_cid) return -EADDRNOTAVAIL;
  if (!may_listen(ctx, transport::vsock, to.port)) return deny_listen(ctx, transport::vsock, to.port);
  s.state->local = to;
  s.state->phase = socket_phase::bound;
  return 0;
}

// Below a writable mount the socket is a real file there: programs of the host may connect to it.
std::int64_t bind_below_mount(call_context& ctx, socket_arg& s, const location& at) {
  parent_location parent;
  if (const std::int64_t r = ctx.instance.files->find_parent(ctx, "/", at.path, parent); r < 0) return r;
  const std::string path = self_path(parent.directory) + "/" + parent.name;
  const unsigned mode = 0777 & ~ctx.process.umask.load();
  const std::int64_t r = bind_host_path(*s.d, *s.state, path, mode);
  s.state->bound_path.clear();  // as on Linux the file stays when the socket goes
  if (r < 0) return r;
  bound_socket as;
  as.address = {.family = AF_UNIX, .name = at.path};
  as.type = s.state->type;
  as.below_mount = true;
  return ctx.instance.network.names.enter(path, std::move(as), s.state->bound);
}

std::int64_t bind_path(call_context& ctx, socket_arg& s, const guest_address& to) {
  std::string base;
  if (const std::int64_t r = base_of(ctx, AT_FDCWD, to.name, base); r < 0) return r;
  location at;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, to.name, false, at); r < 0) return r;
  if (at.where != place::nowhere && at.where != place::creatable) return -EADDRINUSE;
  const auto& granted = ctx.instance.policy.listen_unix;
  const auto grant =
      std::find_if(granted.begin(), granted.end(), [&](const auto& g) { return g.guest_path == at.path; });
  bound_socket as;
  as.address = {.family = AF_UNIX, .name = at.path};
  as.type = s.state->type;
  auto& names = ctx.instance.network.names;
  if (grant != granted.end()) {
    if (names.has_path(at.path)) return -EADDRINUSE;
    if (const std::int64_t r = bind_host_path(*s.d, *s.state, grant->host_path, 0600); r < 0) return r;
    return names.enter(grant->host_path, std::move(as), s.state->bound);
  }
  if (at.where == place::creatable && at.mount && at.mount->writable && !at.mount->memory)
    return bind_below_mount(ctx, s, at);
  return names.bind(s.d->host.get(), std::move(as), s.state->bound);
}

std::int64_t bind_unix(call_context& ctx, socket_arg& s, const guest_address& to) {
  if (s.state->bound) return -EINVAL;
  std::int64_t r = 0;
  if (to.name.empty() || to.name.starts_with('\0')) {
    bound_socket as;
    as.address = to;
    as.type = s.state->type;
    r = ctx.instance.network.names.bind(s.d->host.get(), std::move(as), s.state->bound);
  } else {
    r = bind_path(ctx, s, to);
  }
  if (r < 0) return r;
  s.state->local = s.state->bound->address;
  if (!to.name.empty() && !to.name.starts_with('\0')) s.state->local.name = to.name;  // as it was written
  s.state->inside = s.state->inside && !s.state->bound->outside;
  if (s.state->phase == socket_phase::fresh) s.state->phase = socket_phase::bound;
  return 0;
}

std::int64_t bind_netlink(const call_context& ctx, socket_state& s, const guest_address& to) {
  s.local.cid =
      to.cid != 0 ? to.cid : static_cast<unsigned>(ctx.process.pid);  // the process's id, as Linux picks it
  s.phase = socket_phase::bound;
  return 0;
}

std::int64_t sys_bind(call_context& ctx) {
  guest_address to;
  socket_arg s(ctx);
  if (!s.state) return s.error;
  if (const auto r = load_address(ctx, ctx.args[1], ctx.args[2], s.state->family, to); r < 0) return r;
  switch (s.state->family) {
    case AF_UNIX: return bind_unix(ctx, s, to);
    case AF_NETLINK: return bind_netlink(ctx, *s.state, to);
    case AF_VSOCK: return bind_vsock(ctx, s, to);
    default: return bind_inet(ctx, s, to);
  }
}

// listening

// The guest's descriptor becomes the receiving end of the queue.
std::int64_t listen_vsock(call_context& ctx, socket_arg& s, unsigned backlog) {
  ctx.instance.readiness.listens();
  auto made = vsock::fd_queue::create(backlog);
  if (!made) return -ENFILE;
  auto queue = std::make_shared<vsock::fd_queue>(std::move(made).value());
  const unique_fd receiver = queue->duplicate_receiver();
  if (!receiver) return no_descriptor();
  const std::int64_t r = ctx.instance.host.listen_vsock(s.state->local.port, std::move(queue));
  if (r < 0) return r;
  s.state->host = &ctx.instance.host;
  s.state->host_alive = ctx.instance.host_alive;
  return replace_host(ctx, s.d->what, receiver);
}

std::int64_t listen_stream(call_context& ctx, socket_arg& s, int backlog) {
  ctx.instance.readiness.listens();
  socket_state& state = *s.state;
  if (state.phase == socket_phase::fresh) {
    if (state.family == AF_UNIX) return -EINVAL;
    // Linux picks a port: one of the guest's own.
    bound_socket as;
    as.address = {.family = state.family};
    as.type = SOCK_STREAM;
    if (const auto r = ctx.instance.network.names.bind(s.d->host.get(), std::move(as), state.bound); r < 0)
      return r;
    state.local = state.bound->address;
  }
  return host_result(::listen(s.d->host.get(), queue_of(state, backlog)));
}

std::int64_t sys_listen(call_context& ctx) {
  socket_arg s(ctx);
  if (!s.state) return s.error;
  const int backlog = std::clamp(int_arg(ctx, 1), 1, max_backlog);
  if (s.state->type == SOCK_DGRAM || s.state->family == AF_NETLINK) return -EOPNOTSUPP;
  if (s.state->phase == socket_phase::connected || s.state->phase == socket_phase::connecting) return -EINVAL;
  const bool vsock = s.state->family == AF_VSOCK;
  if (s.state->phase == socket_phase::listening)
    return vsock ? 0 : host_result(::listen(s.d->host.get(), queue_of(*s.state, backlog)));
  if (vsock && s.state->phase == socket_phase::fresh) return deny_listen(ctx, transport::vsock, 0);
  const std::int64_t r =
      vsock ? listen_vsock(ctx, s, static_cast<unsigned>(backlog)) : listen_stream(ctx, s, backlog);
  if (r < 0) return r;
  s.state->phase = socket_phase::listening;
  const bool published = vsock || (is_inet(s.state->family) && s.state->bound && s.state->bound->outside);
  const listener which{vsock ? transport::vsock : transport::tcp, s.state->local.port};
  s.lock.unlock();
  if (published) ctx.instance.host.listening(which);
  return 0;
}

struct accepted {
  unique_fd host;
  std::uint32_t peer_port = 0;
  sockaddr_un name{};
  socklen_t name_size = 0;
};

// One non-blocking attempt: 0 or -errno.
std::int64_t take_connection(int host, bool vsock, accepted& out) {
  if (!vsock) {
    out.name_size = sizeof out.name;
    out.host.reset(::accept4(host, reinterpret_cast<sockaddr*>(&out.name), &out.name_size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC));
    return out.host ? 0 : errno == EMFILE ? -ENFILE : -errno;
  }
  auto taken = vsock::fd_queue::take(host);
  if (!taken) {
    const auto& code = taken.error().code;
    if (code.category() != boost::system::system_category()) return -EINVAL;
    return code.value() == EMFILE ? -ENFILE : -code.value();
  }
  out.host = std::move(taken->fd);
  out.peer_port = taken->host_port;
  return 0;
}

// Who connected, in the guest's terms. Clients from outside have no address that means anything here.
guest_address peer_of(call_context& ctx, socket_state& from, const accepted& got) {
  if (from.family == AF_VSOCK) return {.family = AF_VSOCK, .cid = host_cid, .port = got.peer_port};
  guest_address peer = ctx.instance.network.names.whose(got.name, got.name_size, from.family);
  if (!is_inet(from.family) || peer.port != 0) return peer;
  peer = as_seen_by(from.family, loopback(is_any(from.local) ? AF_INET : plain(from.local).family, 0));
  peer.port = from.next_peer_port;
  from.next_peer_port =
      from.next_peer_port == 60999 ? 32768 : static_cast<std::uint16_t>(from.next_peer_port + 1);
  return peer;
}

guest_address own_name(const socket_state& from, const guest_address& peer) {
  if (from.family == AF_VSOCK) return {.family = AF_VSOCK, .cid = guest_cid, .port = from.local.port};
  if (!is_inet(from.family)) return from.local;
  if (!is_any(from.local)) return from.local;
  return as_seen_by(from.family, loopback(plain(peer).family, from.local.port));
}

std::shared_ptr<socket_state> accepted_state(call_context& ctx, const descriptor& d, socket_state& from,
                                             const accepted& got) {
  auto state = std::make_shared<socket_state>();
  const std::lock_guard guard(d.what->lock);
  state->family = from.family;
  state->type = from.type;
  state->protocol = from.protocol;
  state->phase = socket_phase::connected;
  state->inside = from.inside;
  state->peer = peer_of(ctx, from, got);
  state->local = own_name(from, state->peer);
  state->options = from.options;
  return state;
}

std::int64_t accept_on(call_context& ctx, int flags) {
  ctx.instance.readiness.reached();
  if ((flags & ~type_flags) != 0) return -EINVAL;
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> from;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    if (s.state->type == SOCK_DGRAM || s.state->family == AF_NETLINK) return -EOPNOTSUPP;
    if (s.state->phase != socket_phase::listening) return -EINVAL;
    d = s.d;
    from = s.state;
  }
  const bool vsock = from->family == AF_VSOCK;
  accepted got;
  deadline until;
  if (const auto ns = d->what->receive_timeout_ns.load(); ns != 0)
    until = wait_clock::now() + std::chrono::nanoseconds(ns);
  const std::int64_t r = until_done(ctx, d->host.get(), POLLIN, !d->what->nonblocking, until,
                                    [&] { return take_connection(d->host.get(), vsock, got); });
  if (r < 0) return r;
  auto state = accepted_state(ctx, *d, *from, got);
  if (ctx.args[1] != 0) {
    if (const auto e = store_address(ctx, state->peer, ctx.args[1], ctx.args[2]); e < 0) return e;
  }
  auto what = describe_socket(std::move(state), (flags & SOCK_NONBLOCK) != 0);
  return install(ctx, std::move(what), std::move(got.host), (flags & SOCK_CLOEXEC) != 0);
}

std::int64_t sys_accept(call_context& ctx) {
  return accept_on(ctx, 0);
}
std::int64_t sys_accept4(call_context& ctx) {
  return accept_on(ctx, int_arg(ctx, 3));
}

// asking

std::int64_t sys_getsockname(call_context& ctx) {
  guest_address name;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    name = s.state->local;
    if (name.family == AF_VSOCK && name.cid == 0)
      name = {.family = AF_VSOCK, .cid = any_cid, .port = any_cid, .name = {}};
  }
  return store_address(ctx, name, ctx.args[1], ctx.args[2]);
}

std::int64_t sys_getpeername(call_context& ctx) {
  guest_address name;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    const bool asked =
        s.state->phase == socket_phase::connected || s.state->phase == socket_phase::connecting;
    if (!asked) return -ENOTCONN;
    sockaddr_storage real{};
    socklen_t size = sizeof real;
    // Of a connection on its way the host knows whether it has arrived.
    if (s.state->host_tcp && ::getpeername(s.d->host.get(), reinterpret_cast<sockaddr*>(&real), &size) != 0)
      return -errno;
    name = s.state->peer;
  }
  return store_address(ctx, name, ctx.args[1], ctx.args[2]);
}

std::int64_t sys_shutdown(call_context& ctx) {
  socket_arg s(ctx);
  if (!s.state) return s.error;
  const int how = int_arg(ctx, 1);
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  // Behind a vsock listener stands the queue, which ends with its last descriptor only.
  if (s.state->family == AF_VSOCK && s.state->phase == socket_phase::listening) return -ENOTCONN;
  if (s.state->type == SOCK_STREAM &&
      (s.state->phase == socket_phase::fresh || s.state->phase == socket_phase::bound))
    return -ENOTCONN;
  return host_result(::shutdown(s.d->host.get(), how));
}

constexpr syscall_entry sockets_entries[] = {
    {41, "socket", call<sys_socket>, capability::always, "ixi"},
    {43, "accept", call<sys_accept>, capability::always, "fPP"},
    {48, "shutdown", call<sys_shutdown>, capability::always, "fi"},
    {49, "bind", call<sys_bind>, capability::always, "fpl"},
    {50, "listen", call<sys_listen>, capability::always, "fi"},
    {51, "getsockname", call<sys_getsockname>, capability::always, "fPP"},
    {52, "getpeername", call<sys_getpeername>, capability::always, "fPP"},
    {53, "socketpair", call<sys_socketpair>, capability::always, "ixiP"},
    {288, "accept4", call<sys_accept4>, capability::always, "fPPx"},
};

}  // namespace

extern const syscall_family sockets_family;
const syscall_family sockets_family{"sockets", sockets_entries};

}  // namespace osvm::unikernel
