// Sockets: creation, names, listening, connecting. No socket of the host's network is ever made: behind each
// stands a unix socket, and policy says which of them has a name on the host.
#include "unikernel/sockets/socket_state.hpp"

#include "unikernel/policy/recorder.hpp"
#include "unikernel/syscalls/arguments.hpp"
#include "vsock/unix_address.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

constexpr int type_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr int max_backlog = 4096;

bool is_inet(int family) {
  return family == AF_INET || family == AF_INET6;
}

std::int64_t refuse_family(call_context& ctx, int family, int type) {
  const std::string what = "socket family " + std::to_string(family) + " type " + std::to_string(type);
  return ctx.instance.deny(what, "TCP, vsock and socketpair(AF_UNIX) only", EAFNOSUPPORT);
}

std::int64_t sys_socket(call_context& ctx) {
  const int family = int_arg(ctx, 0), type = int_arg(ctx, 1) & ~type_flags,
            flags = int_arg(ctx, 1) & type_flags;
  const int protocol = int_arg(ctx, 2);
  if ((!is_inet(family) && family != AF_VSOCK) || type != SOCK_STREAM)
    return refuse_family(ctx, family, type);
  if (protocol != 0 && !(is_inet(family) && protocol == IPPROTO_TCP)) return -EPROTONOSUPPORT;
  unique_fd host(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!host) return no_descriptor();
  auto state = std::make_shared<socket_state>();
  state->family = family;
  state->protocol = is_inet(family) ? IPPROTO_TCP : 0;
  state->local.family = state->peer.family = family;
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
  for (int i = 0; i < 2; ++i) {
    auto state = std::make_shared<socket_state>();
    state->type = type;
    state->phase = socket_phase::connected;
    state->local.family = state->peer.family = AF_UNIX;
    auto what = describe_socket(std::move(state), (flags & SOCK_NONBLOCK) != 0);
    numbers[i] = install(ctx, std::move(what), std::move(hosts[i]), (flags & SOCK_CLOEXEC) != 0);
    if (numbers[i] >= 0) continue;
    if (i == 1) (void)ctx.instance.descriptors.remove(static_cast<int>(numbers[0]));
    return numbers[i];
  }
  const int pair[2] = {static_cast<int>(numbers[0]), static_cast<int>(numbers[1])};
  if (store(ctx, ctx.args[3], pair)) return 0;
  for (const int fd : pair) (void)ctx.instance.descriptors.remove(fd);
  return -EFAULT;
}

// A socket argument with its state locked.
struct socket_arg {
  explicit socket_arg(const call_context& ctx) : d(descriptor_arg(ctx)) {
    if (!d) return;
    state = socket_of(*d);
    if (state) {
      lock = std::unique_lock(d->what->lock);
    } else {
      error = -ENOTSOCK;
    }
  }
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> state;
  std::unique_lock<std::mutex> lock;
  std::int64_t error = -EBADF;
};

bool may_listen(const call_context& ctx, transport kind, std::uint32_t port) {
  const auto& granted = ctx.instance.policy.listen;
  return !ctx.instance.rules.policy_listen || ctx.instance.everything_allowed ||
         std::find(granted.begin(), granted.end(), listener{kind, port}) != granted.end();
}

std::int64_t deny_listen(call_context& ctx, transport kind, std::uint32_t port) {
  const bool tcp = kind == transport::tcp;
  const std::string where = (tcp ? "tcp:" : "vsock:") + std::to_string(port);
  return ctx.instance.deny("bind " + where,
                           tcp ? "--publish HOST:PORT=guest:" + std::to_string(port) : "--listen " + where,
                           EACCES);
}

// Gives the guest's socket its name on the host. Mode 0600 comes from fchmod() before bind(), since umask()
// belongs to the whole process; the folder is private in any case.
std::int64_t bind_tcp(call_context& ctx, socket_arg& s, const guest_address& to) {
  const std::string path = ctx.instance.host.tcp_socket_path(static_cast<std::uint16_t>(to.port));
  if (path.empty()) return deny_listen(ctx, transport::tcp, to.port);
  const auto address = vsock::make_unix_address(path);
  if (!address) return -EADDRNOTAVAIL;
  if (::fchmod(s.d->host.get(), 0600) != 0) return -errno;
  if (::bind(s.d->host.get(), address->get(), address->size) != 0)
    return errno == EADDRINUSE ? -EADDRINUSE : -EACCES;
  struct stat st;
  if (::lstat(path.c_str(), &st) == 0) {
    s.state->bound_path = path;
    s.state->bound_device = st.st_dev;
    s.state->bound_inode = st.st_ino;
  }
  return 0;
}

std::int64_t sys_bind(call_context& ctx) {
  guest_address to;
  socket_arg s(ctx);
  if (!s.state) return s.error;
  if (s.state->family == AF_UNIX) return -EINVAL;
  if (const auto r = load_address(ctx, ctx.args[1], ctx.args[2], s.state->family, to); r < 0) return r;
  if (s.state->phase != socket_phase::fresh) return -EINVAL;
  const bool tcp = is_inet(s.state->family);
  if (!tcp && to.cid != any_cid && to.cid != guest_cid) return -EADDRNOTAVAIL;
  const transport kind = tcp ? transport::tcp : transport::vsock;
  if (!may_listen(ctx, kind, to.port)) return deny_listen(ctx, kind, to.port);
  if (tcp) {
    if (const std::int64_t r = bind_tcp(ctx, s, to); r < 0) return r;
  }
  s.state->local = to;
  s.state->phase = socket_phase::bound;
  return 0;
}

// The guest's descriptor becomes the receiving end of the queue. dup3() replaces what the host number means
// at once, so that no other guest thread sees it closed or reused.
std::int64_t listen_vsock(call_context& ctx, socket_arg& s, unsigned backlog) {
  auto made = vsock::fd_queue::create(backlog);
  if (!made) return -ENFILE;
  auto queue = std::make_shared<vsock::fd_queue>(std::move(made).value());
  const unique_fd receiver = queue->duplicate_receiver();
  if (!receiver) return no_descriptor();
  const std::int64_t r = ctx.instance.host.listen_vsock(s.state->local.port, std::move(queue));
  if (r < 0) return r;
  s.state->host = &ctx.instance.host;
  s.state->host_alive = ctx.instance.host_alive;
  return ::dup3(receiver.get(), s.d->host.get(), O_CLOEXEC) < 0 ? -errno : 0;
}

std::int64_t sys_listen(call_context& ctx) {
  socket_arg s(ctx);
  if (!s.state) return s.error;
  const int backlog = std::clamp(int_arg(ctx, 1), 1, max_backlog);
  if (s.state->phase == socket_phase::listening) return 0;
  if (s.state->family == AF_UNIX || s.state->phase == socket_phase::connected) return -EINVAL;
  const bool tcp = is_inet(s.state->family);
  // Linux would pick a port; no picked port is granted.
  if (s.state->phase == socket_phase::fresh)
    return deny_listen(ctx, tcp ? transport::tcp : transport::vsock, 0);
  if (tcp) {
    if (::listen(s.d->host.get(), backlog) != 0) return -errno;
  } else if (const std::int64_t r = listen_vsock(ctx, s, static_cast<unsigned>(backlog)); r < 0) {
    return r;
  }
  s.state->phase = socket_phase::listening;
  const listener which{tcp ? transport::tcp : transport::vsock, s.state->local.port};
  s.lock.unlock();
  ctx.instance.host.listening(which);
  return 0;
}

guest_address loopback(int family, std::uint32_t port) {
  guest_address a{.family = family, .port = port};
  if (family == AF_INET) a.ip = {127, 0, 0, 1};
  if (family == AF_INET6) a.ip[15] = 1;
  return a;
}

struct accepted {
  unique_fd host;
  std::uint32_t peer_port = 0;
};

// One non-blocking attempt: 0 or -errno.
std::int64_t take_connection(int host, bool tcp, accepted& out) {
  if (tcp) {
    out.host.reset(::accept4(host, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return out.host ? 0 : errno == EMFILE ? -ENFILE : -errno;
  }
  auto taken = vsock::fd_queue::take(host);
  if (!taken) {
    const auto& code = taken.error().code;
    if (code.category() != boost::system::system_category()) return -EINVAL;
    return code.value() == EMFILE ? -ENFILE : -code.value();
  }
  out = {std::move(taken->fd), taken->host_port};
  return 0;
}

std::int64_t accept_on(call_context& ctx, int flags) {
  if ((flags & ~type_flags) != 0) return -EINVAL;
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> from;
  bool tcp = false;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    if (s.state->phase != socket_phase::listening) return -EINVAL;
    d = s.d;
    from = s.state;
    tcp = is_inet(from->family);
  }
  accepted got;
  deadline until;
  if (const auto ns = d->what->receive_timeout_ns.load(); ns != 0)
    until = wait_clock::now() + std::chrono::nanoseconds(ns);
  const std::int64_t r = until_done(ctx, d->host.get(), POLLIN, !d->what->nonblocking, until,
                                    [&] { return take_connection(d->host.get(), tcp, got); });
  if (r < 0) return r;
  auto state = std::make_shared<socket_state>();
  {
    std::lock_guard guard(d->what->lock);
    state->family = from->family;
    state->protocol = from->protocol;
    state->phase = socket_phase::connected;
    state->local = tcp ? loopback(from->family, from->local.port)
                       : guest_address{.family = AF_VSOCK, .cid = guest_cid, .port = from->local.port};
    state->peer = tcp ? loopback(from->family, from->next_peer_port)
                      : guest_address{.family = AF_VSOCK, .cid = host_cid, .port = got.peer_port};
    state->options = from->options;
    from->next_peer_port =
        from->next_peer_port == 60999 ? 32768 : static_cast<std::uint16_t>(from->next_peer_port + 1);
  }
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

// Where a guest's connect() leads on the host: a path, or why not.
std::int64_t target_path(call_context& ctx, const guest_address& to, std::string& path) {
  if (to.family == AF_VSOCK) {
    const auto& granted = ctx.instance.policy.vsock_connect;
    const bool known = std::find(granted.begin(), granted.end(), to.port) != granted.end() ||
                       ctx.instance.everything_allowed;
    if (to.cid != host_cid || (!known && ctx.instance.rules.policy_connect)) {
      const std::string where = std::to_string(to.cid) + ":" + std::to_string(to.port);
      return ctx.instance.deny("connect vsock:" + where, "--connect vsock:" + std::to_string(to.port),
                               EACCES);
    }
    path = ctx.instance.host.vsock_path();
    if (path.empty()) return -ECONNRESET;  // this instance has no folder for sockets
    if (ctx.instance.recorder) ctx.instance.recorder->connects_vsock(to.port);
    path += "_" + std::to_string(to.port);
    return 0;
  }
  // The guest's own listeners are its loopback; everything else is the network, which no policy grants yet.
  static constexpr std::array<std::uint8_t, 16> any{}, v4{127, 0, 0, 1},
      v6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const bool local = to.ip == any || to.ip == (to.family == AF_INET ? v4 : v6);
  if (local && may_listen(ctx, transport::tcp, to.port))
    path = ctx.instance.host.tcp_socket_path(static_cast<std::uint16_t>(to.port));
  if (!path.empty()) return 0;
  const std::string what = std::string("connect tcp port ") + std::to_string(to.port);
  return ctx.instance.deny(what, "outgoing TCP is not granted by any policy of this version", EACCES);
}

// A unix connect() with O_NONBLOCK either succeeds or fails at once; a full queue is EAGAIN, and there is
// nothing to poll for, so a blocking guest tries again every few milliseconds until its deadline.
std::int64_t connect_host(call_context& ctx, const descriptor& d, const std::string& path) {
  const auto address = vsock::make_unix_address(path);
  if (!address) return -ECONNRESET;
  const auto limit_ns = d.what->send_timeout_ns.load();
  const auto until =
      wait_clock::now() + (limit_ns != 0 ? std::chrono::nanoseconds(limit_ns) : std::chrono::seconds(2));
  for (;;) {
    if (::connect(d.host.get(), address->get(), address->size) == 0) return 0;
    if (errno != EAGAIN) return -errno;
    if (d.what->nonblocking) return -ECONNRESET;
    if (wait_clock::now() >= until) return -ETIMEDOUT;
    const auto r = ctx.thread.wait.sleep(wait_clock::now() + std::chrono::milliseconds(5));
    if (r == wait_result::interrupted) return stopped_call(ctx, interrupted_call::restart);
  }
}

std::int64_t sys_connect(call_context& ctx) {
  guest_address to;
  std::shared_ptr<descriptor> d;
  std::string path;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    if (s.state->family == AF_UNIX) return -EISCONN;
    if (const auto r = load_address(ctx, ctx.args[1], ctx.args[2], s.state->family, to); r < 0) return r;
    if (s.state->phase == socket_phase::connected) return -EISCONN;
    if (s.state->phase == socket_phase::listening) return -EINVAL;
    if (const auto r = target_path(ctx, to, path); r < 0) return r;
    d = s.d;
  }
  const bool tcp = is_inet(to.family);
  if (const std::int64_t r = connect_host(ctx, *d, path); r < 0) {
    if (r == -EINTR || is_interrupted_call(r) || r == -ETIMEDOUT || r == -EISCONN) return r;
    return tcp ? -ECONNREFUSED : -ECONNRESET;
  }
  const auto state = socket_of(*d);
  std::lock_guard guard(d->what->lock);
  state->phase = socket_phase::connected;
  d->what->connected = true;
  state->peer = tcp ? loopback(to.family, to.port) : to;
  if (state->local.port == 0) {
    state->local = tcp ? loopback(to.family, 32767)
                       : guest_address{.family = AF_VSOCK, .cid = guest_cid, .port = 1U << 30};
  }
  return 0;
}

std::int64_t sys_getsockname(call_context& ctx) {
  guest_address name;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    name = s.state->local;
    if (name.family == AF_VSOCK && name.cid == 0)
      name = {.family = AF_VSOCK, .cid = any_cid, .port = any_cid};
  }
  return store_address(ctx, name, ctx.args[1], ctx.args[2]);
}

std::int64_t sys_getpeername(call_context& ctx) {
  guest_address name;
  {
    socket_arg s(ctx);
    if (!s.state) return s.error;
    if (s.state->phase != socket_phase::connected) return -ENOTCONN;
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
  return host_result(::shutdown(s.d->host.get(), how));
}

constexpr syscall_entry entries[] = {
    {41, "socket", call<sys_socket>, capability::always, "ixi"},
    {42, "connect", call<sys_connect>, capability::always, "fpl"},
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
const syscall_family sockets_family{"sockets", entries};

}  // namespace osvm::unikernel
