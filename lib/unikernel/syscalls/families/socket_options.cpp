// getsockopt and setsockopt: an allow-list. What means something for a unix socket is done, what only a
// network could honour is remembered and answered back as TCP would.
#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_option = 256;

struct known_option {
  int level, name;
  int initial;  // what getsockopt gives before anything was set
};

// Options with an int that are remembered.
constexpr known_option table[] = {
    {SOL_SOCKET, SO_REUSEADDR, 0},
    {SOL_SOCKET, SO_REUSEPORT, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 0},
    {SOL_SOCKET, SO_BROADCAST, 0},
    {SOL_SOCKET, SO_OOBINLINE, 0},
    {SOL_SOCKET, SO_PRIORITY, 0},
    {SOL_SOCKET, SO_RCVLOWAT, 1},
    {SOL_SOCKET, SO_DONTROUTE, 0},
    {SOL_SOCKET, SO_BUSY_POLL, 0},
    {SOL_SOCKET, SO_INCOMING_CPU, 0},
    {SOL_SOCKET, SO_TIMESTAMP, 0},
    {SOL_SOCKET, SO_TIMESTAMPNS, 0},
    {SOL_SOCKET, SO_RXQ_OVFL, 0},
    {SOL_SOCKET, SO_NO_CHECK, 0},
    {IPPROTO_TCP, TCP_NODELAY, 0},
    {IPPROTO_TCP, TCP_MAXSEG, 65483},
    {IPPROTO_TCP, TCP_CORK, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 9},
    {IPPROTO_TCP, TCP_SYNCNT, 6},
    {IPPROTO_TCP, TCP_LINGER2, 60},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
    {IPPROTO_TCP, TCP_QUICKACK, 1},
    {IPPROTO_TCP, TCP_FASTOPEN, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0},
    {IPPROTO_IP, IP_TOS, 0},
    {IPPROTO_IP, IP_TTL, 64},
    {IPPROTO_IP, IP_FREEBIND, 0},
    {IPPROTO_IP, IP_RECVERR, 0},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1},
    {IPPROTO_IP, IP_PKTINFO, 0},
    {IPPROTO_IP, IP_RECVTTL, 0},
    {IPPROTO_IP, IP_RECVTOS, 0},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0},
    {IPPROTO_IPV6, IPV6_V6ONLY, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, 0},
    {IPPROTO_IPV6, IPV6_RECVERR, 0},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64},
};

const known_option* find_option(int level, int name) {
  const auto* it = std::find_if(std::begin(table), std::end(table),
                                [&](const auto& k) { return k.level == level && k.name == name; });
  return it == std::end(table) ? nullptr : it;
}

bool level_applies(const socket_state& s, int level) {
  if (level == SOL_SOCKET) return true;
  if (level == IPPROTO_TCP) return is_inet(s.family) && s.type == SOCK_STREAM;
  if (level == IPPROTO_IP) return is_inet(s.family);
  if (level == IPPROTO_IPV6) return s.family == AF_INET6;
  return level == AF_VSOCK && s.family == AF_VSOCK;
}

// What a connection of the host's network really gets.
bool carried(int level, int name) {
  if (level == IPPROTO_TCP)
    return name != TCP_FASTOPEN && name != TCP_DEFER_ACCEPT && name != TCP_FASTOPEN_CONNECT;
  return level == SOL_SOCKET && (name == SO_KEEPALIVE || name == SO_RCVLOWAT);
}

void remember(socket_state& s, int level, int name, std::span<const std::byte> value) {
  s.options[{level, name}].assign(value.begin(), value.end());
}

std::int64_t set_timeout(std::span<const std::byte> value, std::atomic<std::int64_t>& timeout_ns) {
  timeval t;
  if (value.size() < sizeof t) return -EINVAL;
  std::memcpy(&t, value.data(), sizeof t);
  if (t.tv_usec < 0 || t.tv_usec >= 1'000'000) return -EDOM;
  constexpr std::int64_t most = std::int64_t{100} * 365 * 86400;  // seconds that fit in nanoseconds
  timeout_ns = t.tv_sec < 0 ? 0 : std::min<std::int64_t>(t.tv_sec, most) * 1'000'000'000 + t.tv_usec * 1000;
  return 0;
}

// Buffers of the host's socket, which the host bounds.
std::int64_t set_buffer(const descriptor& d, int name, std::span<const std::byte> value) {
  int size = 0;
  std::memcpy(&size, value.data(), sizeof size);
  return host_result(::setsockopt(d.host.get(), SOL_SOCKET, name, &size, sizeof size));
}

std::int64_t set_option(call_context& ctx, const descriptor& d, socket_state& s, int level, int name,
                        std::span<const std::byte> value) {
  if (level == SOL_SOCKET && name == SO_RCVTIMEO) return set_timeout(value, d.what->receive_timeout_ns);
  if (level == SOL_SOCKET && name == SO_SNDTIMEO) return set_timeout(value, d.what->send_timeout_ns);
  const bool remembered = level == AF_VSOCK || (level == SOL_SOCKET && name == SO_LINGER) ||
                          (level == IPPROTO_TCP && name == TCP_CONGESTION);
  if (level_applies(s, level) && remembered) {
    const std::size_t least = level == SOL_SOCKET ? sizeof(linger) : level == AF_VSOCK ? 8 : 1;
    if (value.size() < least || name < 0 || name > 64 || s.options.size() >= 64) return -EINVAL;
    return remember(s, level, name, value), 0;
  }
  if (value.size() < sizeof(int)) return -EINVAL;
  if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) return set_buffer(d, name, value);
  if (level_applies(s, level) && find_option(level, name)) {
    remember(s, level, name, value.first(sizeof(int)));
    return s.host_tcp && carried(level, name)
               ? host_result(::setsockopt(d.host.get(), level, name, value.data(), sizeof(int)))
               : 0;
  }
  if (level == SOL_SOCKET && (name == SO_PASSCRED || name == SO_PASSSEC))
    return ctx.instance.deny("setsockopt SO_PASSCRED", "credentials never pass into a guest", EPERM);
  return -ENOPROTOOPT;
}

std::int64_t sys_setsockopt(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  const auto s = socket_of(*d);
  if (!s) return -ENOTSOCK;
  const int size = int_arg(ctx, 4);
  if (size < 0) return -EINVAL;
  std::array<std::byte, max_option> value{};
  const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(size), value.size());
  if (!memory_access(ctx.memory).read(ctx.args[3], value.data(), length)) return -EFAULT;
  std::lock_guard guard(d->what->lock);
  return set_option(ctx, *d, *s, int_arg(ctx, 1), int_arg(ctx, 2), std::span(value).first(length));
}

template <class T>
std::vector<std::byte> bytes_of(const T& value) {
  std::vector<std::byte> out(sizeof value);
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::vector<std::byte> timeout_of(std::int64_t ns) {
  return bytes_of(timeval{ns / 1'000'000'000, ns % 1'000'000'000 / 1000});
}

std::vector<std::byte> host_value(const descriptor& d, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(d.host.get(), SOL_SOCKET, name, &value, &size) != 0) value = 0;
  return bytes_of(value);
}

// The peer of a guest's unix socket is the guest, by its first process; of one without a peer nobody.
ucred peer_credentials(const socket_state& s) {
  if (s.phase != socket_phase::connected && s.phase != socket_phase::listening)
    return {.pid = 0, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};
  return {.pid = guest_process_id, .uid = guest_user_id, .gid = guest_user_id};
}

// Reading SO_ERROR takes the error away, and is how a program learns that a connection has come about.
std::vector<std::byte> error_of(const descriptor& d, socket_state& s) {
  if (s.pending_error != 0) return bytes_of(std::exchange(s.pending_error, 0));
  auto value = host_value(d, SO_ERROR);
  if (s.phase != socket_phase::connecting) return value;
  int e = 0;
  std::memcpy(&e, value.data(), sizeof e);
  pollfd p{d.host.get(), POLLOUT, 0};
  if (e != 0) s.phase = socket_phase::fresh;
  if (e == 0 && ::poll(&p, 1, 0) > 0) s.phase = socket_phase::connected;
  return value;
}

// The value of an option; empty: unknown.
std::vector<std::byte> get_option(const descriptor& d, socket_state& s, int level, int name) {
  if (!level_applies(s, level)) return {};
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_ERROR: return error_of(d, s);
      case SO_SNDBUF:
      case SO_RCVBUF: return host_value(d, name);
      case SO_TYPE: return bytes_of(s.type);
      case SO_DOMAIN: return bytes_of(s.family);
      case SO_PROTOCOL: return bytes_of(s.protocol);
      case SO_ACCEPTCONN: return bytes_of(static_cast<int>(s.phase == socket_phase::listening));
      case SO_RCVTIMEO: return timeout_of(d.what->receive_timeout_ns);
      case SO_SNDTIMEO: return timeout_of(d.what->send_timeout_ns);
      case SO_PEERCRED: return bytes_of(peer_credentials(s));
      case SO_PASSCRED: return bytes_of(0);
      default: break;
    }
  }
  if (const auto it = s.options.find({level, name}); it != s.options.end()) return it->second;
  if (const known_option* k = find_option(level, name)) return bytes_of(k->initial);
  if (level == SOL_SOCKET && name == SO_LINGER) return bytes_of(linger{});
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) return bytes_of(std::array<char, 16>{"cubic"});
  if (level == IPPROTO_TCP && name == TCP_INFO) {
    tcp_info info{};
    info.tcpi_state = s.phase == socket_phase::listening   ? TCP_LISTEN
                      : s.phase == socket_phase::connected ? TCP_ESTABLISHED
                                                           : TCP_CLOSE;
    return bytes_of(info);
  }
  if (level == AF_VSOCK && name <= SO_VM_SOCKETS_BUFFER_MAX_SIZE) return bytes_of(std::uint64_t{256 << 10});
  return {};
}

std::int64_t sys_getsockopt(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  const auto s = socket_of(*d);
  if (!s) return -ENOTSOCK;
  std::vector<std::byte> value;
  {
    std::lock_guard guard(d->what->lock);
    value = get_option(*d, *s, int_arg(ctx, 1), int_arg(ctx, 2));
  }
  memory_access memory(ctx.memory);
  int room = 0;
  if (!memory.read(ctx.args[4], room)) return -EFAULT;
  if (room < 0) return -EINVAL;
  if (value.empty()) return -ENOPROTOOPT;
  const int length = std::min(room, static_cast<int>(value.size()));
  if (!memory.write(ctx.args[3], value.data(), static_cast<std::size_t>(length))) return -EFAULT;
  return memory.write(ctx.args[4], length) ? 0 : -EFAULT;
}

constexpr syscall_entry socket_options_entries[] = {
    {54, "setsockopt", call<sys_setsockopt>, capability::always, "fiipl"},
    {55, "getsockopt", call<sys_getsockopt>, capability::always, "fiiPP"},
};

}  // namespace

extern const syscall_family socket_options_family;
const syscall_family socket_options_family{"socket_options", socket_options_entries};

}  // namespace osvm::unikernel
