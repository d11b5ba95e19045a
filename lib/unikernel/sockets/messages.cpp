#include "unikernel/sockets/messages.hpp"

#include "unikernel/sockets/network.hpp"
#include "unikernel/sockets/resolver.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t step_bytes = std::uint64_t{1} << 20;
constexpr auto full_queue_look = std::chrono::milliseconds(1);
constexpr auto udp_patience =
    std::chrono::milliseconds(200);  // then a datagram is lost, as on a busy network

// What a call needs of the socket, read once under its lock.
struct endpoint_view {
  descriptor* d = nullptr;  // held by the caller
  std::shared_ptr<socket_state> state;
  bool stream = true, inside = false, udp = false, connected = false;
  guest_address peer;
  bool blocking = true;
};

std::uint64_t total(std::span<const guest_range> ranges) {
  std::uint64_t sum = 0;
  for (const auto& r : ranges) sum += r.size;
  return sum;
}

deadline after(std::int64_t timeout_ns) {
  if (timeout_ns == 0) return std::nullopt;
  return wait_clock::now() + std::chrono::nanoseconds(timeout_ns);
}

std::int64_t view(descriptor& d, int flags, endpoint_view& out) {
  out.d = &d;
  out.state = socket_of(d);
  if (!out.state) return -ENOTSOCK;
  const std::lock_guard guard(d.what->lock);
  socket_state& s = *out.state;
  if (const int e = std::exchange(s.pending_error, 0); e != 0) return -e;
  out.stream = s.type == SOCK_STREAM;
  out.inside = s.inside;
  out.udp = is_inet(s.family) && s.type == SOCK_DGRAM;
  out.connected = s.phase == socket_phase::connected || s.phase == socket_phase::connecting;
  out.peer = s.peer;
  out.blocking = !d.what->nonblocking && (flags & MSG_DONTWAIT) == 0;
  return 0;
}

void add_to(std::atomic<std::uint64_t>& sum, std::int64_t bytes) noexcept {
  sum.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
}

bool is_counted(const descriptor& d) {
  const auto state = socket_of(d);
  if (!state || state->type != SOCK_STREAM) return false;
  const std::lock_guard guard(d.what->lock);
  return !state->inside;
}

// sending

// Room for one descriptor beside a message.
struct control_room {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
};

void attach(msghdr& h, control_room& room, int fd) {
  h.msg_control = room.bytes;
  h.msg_controllen = sizeof room.bytes;
  cmsghdr* c = CMSG_FIRSTHDR(&h);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

struct send_plan {
  const place_address* to = nullptr;
  int token = -1;
};

std::int64_t send_step(call_context& ctx, const endpoint_view& v, const socket_message& m,
                       const send_plan& plan, std::uint64_t skip) {
  memory_access memory(ctx.memory);
  std::vector<iovec> pieces;
  const std::int64_t covered = gather(memory, m.ranges, skip, step_bytes, PROT_READ, pieces);
  if (covered < 0) return covered;
  // A message goes as a whole or not at all.
  if (!v.stream && static_cast<std::uint64_t>(covered) < total(m.ranges))
    return total(m.ranges) > step_bytes ? -EMSGSIZE : -EFAULT;
  msghdr h{};
  control_room room;
  h.msg_iov = pieces.data();
  h.msg_iovlen = pieces.size();
  if (plan.to) {
    h.msg_name = const_cast<sockaddr*>(plan.to->get());
    h.msg_namelen = plan.to->size;
  }
  if (plan.token >= 0 && skip == 0) attach(h, room, plan.token);
  return host_result(::sendmsg(v.d->host.get(), &h, MSG_DONTWAIT | MSG_NOSIGNAL | (m.flags & MSG_EOR)));
}

std::int64_t send_stream(call_context& ctx, const endpoint_view& v, socket_message& m,
                         const send_plan& plan) {
  const std::uint64_t size = total(m.ranges);
  if (size == 0 && v.stream) return 0;
  const deadline until = after(v.d->what->send_timeout_ns);
  std::uint64_t done = 0;
  do {
    const std::int64_t r = until_done(ctx, v.d->host.get(), POLLOUT, v.blocking, until,
                                      [&] { return send_step(ctx, v, m, plan, done); });
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
  } while (v.stream && done < size && v.blocking && !ctx.thread.wait.ended());
  return static_cast<std::int64_t>(done);
}

// To a named socket: poll() of the sender does not tell when the receiver's queue has room, so a blocking
// sender looks again and again.
std::int64_t send_to(call_context& ctx, const endpoint_view& v, socket_message& m, const bound_socket& target,
                     int token) {
  const place_address to(target);
  const send_plan plan{&to, token};
  deadline until = after(v.d->what->send_timeout_ns);
  if (v.udp && !until) until = wait_clock::now() + udp_patience;
  for (;;) {
    const std::int64_t r = send_step(ctx, v, m, plan, 0);
    if (r != -EAGAIN) return r;
    if (!v.blocking) return r;
    if (until && wait_clock::now() >= *until) return r;
    if (ctx.thread.wait.sleep(wait_clock::now() + full_queue_look) == wait_result::interrupted)
      return stopped_call(ctx, interrupted_call::restart);
  }
}

std::int64_t read_message(call_context& ctx, const socket_message& m, std::size_t most,
                          std::vector<std::byte>& out) {
  const std::uint64_t size = total(m.ranges);
  if (size > most) return -EMSGSIZE;
  memory_access memory(ctx.memory);
  for (const auto& r : m.ranges) {
    const std::size_t at = out.size();
    out.resize(at + r.size);
    if (r.size != 0 && !memory.read(r.address, out.data() + at, r.size)) return -EFAULT;
  }
  return static_cast<std::int64_t>(size);
}

std::int64_t send_udp(call_context& ctx, const endpoint_view& v, socket_message& m) {
  if (!m.to && !v.connected) return -EDESTADDRREQ;
  const guest_address to = plain(m.to ? *m.to : v.peer);
  if (to.port == 0) return -EINVAL;
  {
    const std::lock_guard guard(v.d->what->lock);
    if (const std::int64_t r = bind_datagram(ctx, v.d->host.get(), *v.state); r < 0) return r;
  }
  constexpr std::size_t largest = 65507;
  if (total(m.ranges) > largest) return -EMSGSIZE;
  if (to == nameserver()) {
    std::vector<std::byte> query;
    if (const std::int64_t r = read_message(ctx, m, largest, query); r < 0) return r;
    resolve_query(ctx, *v.state, query);
    return static_cast<std::int64_t>(query.size());
  }
  if (!is_loopback(to) && !is_any(to))
    return ctx.instance.deny("UDP to " + to_text(to), "UDP stays inside a guest", EACCES);
  const auto target = ctx.instance.network.names.find(SOCK_DGRAM, to);
  const auto size = static_cast<std::int64_t>(total(m.ranges));
  std::int64_t r = target ? send_to(ctx, v, m, *target, -1) : -ECONNREFUSED;
  if (r == -ECONNREFUSED) {
    // As ICMP would tell: a connected socket learns of it at its next call.
    if (v.connected) {
      const std::lock_guard guard(v.d->what->lock);
      v.state->pending_error = ECONNREFUSED;
    }
    return size;
  }
  return r == -EAGAIN ? size : r;  // lost
}

// SIGPIPE goes with the error of a stream, unless the caller asked for none.
std::int64_t pipe_error(call_context& ctx, const endpoint_view& v, const socket_message& m) {
  return v.stream && (m.flags & MSG_NOSIGNAL) == 0 ? broken_pipe(ctx) : -EPIPE;
}

// Where an AF_UNIX datagram goes.
std::int64_t find_unix_target(call_context& ctx, const guest_address& to,
                              std::shared_ptr<bound_socket>& out) {
  bool known = false;
  guest_address named = to;
  if (const std::int64_t r = resolve_unix_name(ctx, named, out, known); r < 0) return r;
  return out ? 0 : known ? -ECONNREFUSED : to.name.starts_with('\0') ? -ECONNREFUSED : -ENOENT;
}

std::int64_t pack_rights(call_context& ctx, const endpoint_view& v, socket_message& m, unique_fd& token) {
  if (m.rights.empty()) return 0;
  if (!v.inside && ctx.instance.rules.descriptor_passing)
    return ctx.instance.deny("sendmsg with descriptors", "descriptors never leave a guest", EPERM);
  if (!ctx.instance.rules
           .descriptor_passing) {  // the control of that rule: the host's own descriptor travels
    token = m.rights.front()->host.duplicate();
    return token ? 0 : -EBADF;
  }
  return ctx.instance.network.parcels.pack(std::move(m.rights), ctx.process.descriptors.limit(), token);
}

// receiving

// Descriptors that came with a message: tokens of our own become what they stand for, everything else is
// closed.
void take_control(call_context& ctx, const endpoint_view& v, msghdr& h, socket_message& m) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      unique_fd arrived(fd);
      descriptor_parcels::content content;
      const bool keep = (m.flags & MSG_PEEK) != 0;
      if (v.inside && ctx.instance.network.parcels.unpack(fd, keep, content)) {
        m.received.insert(m.received.end(), content.begin(), content.end());
      } else if (!ctx.instance.rules.descriptor_passing) {
        auto d = std::make_shared<descriptor>();
        d->what = std::make_shared<description>();
        d->what->kind = file_kind::stream;
        d->host = std::move(arrived);
        m.received.push_back(std::move(d));
      } else {
        (void)ctx.instance.deny("a descriptor that arrived on a socket", "descriptors never enter a guest",
                                EPERM);
      }
    }
  }
}

struct receive_result {
  sockaddr_un name{};
  socklen_t name_size = 0;
};

std::int64_t receive_step(call_context& ctx, const endpoint_view& v, socket_message& m, std::uint64_t skip,
                          receive_result& out) {
  memory_access memory(ctx.memory);
  std::vector<iovec> pieces;
  const std::int64_t covered = gather(memory, m.ranges, skip, step_bytes, PROT_WRITE, pieces);
  if (covered < 0) return covered;
  msghdr h{};
  control_room room;
  h.msg_iov = pieces.data();
  h.msg_iovlen = pieces.size();
  if (!v.stream) {
    h.msg_name = &out.name;
    h.msg_namelen = sizeof out.name;
  }
  // Without room the kernel closes descriptors that arrive and says so.
  if (v.inside || !ctx.instance.rules.descriptor_passing) {
    h.msg_control = room.bytes;
    h.msg_controllen = sizeof room.bytes;
  }
  // MSG_TRUNC as a flag means a message's real length; for streams it would discard, so it is not passed.
  const int passed =
      MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (m.flags & MSG_PEEK) | (v.stream ? 0 : m.flags & MSG_TRUNC);
  const std::int64_t r = host_result(::recvmsg(v.d->host.get(), &h, passed));
  if (r < 0) return r;
  m.result_flags |= h.msg_flags & (MSG_TRUNC | MSG_EOR);
  out.name_size = h.msg_namelen;
  if (h.msg_controllen != 0 && h.msg_control) take_control(ctx, v, h, m);
  if ((h.msg_flags & MSG_CTRUNC) != 0) {
    m.result_flags |= MSG_CTRUNC;
    (void)ctx.instance.deny("a descriptor that arrived on a socket", "descriptors never enter a guest",
                            EPERM);
  }
  return r;
}

std::int64_t receive_stream(call_context& ctx, const endpoint_view& v, socket_message& m) {
  const std::uint64_t size = total(m.ranges);
  if (size == 0) return 0;
  const bool whole = (m.flags & MSG_WAITALL) != 0 && (m.flags & MSG_PEEK) == 0;
  const deadline until = after(v.d->what->receive_timeout_ns);
  std::uint64_t done = 0;
  receive_result ignored;
  do {
    const std::int64_t r = until_done(ctx, v.d->host.get(), POLLIN, v.blocking, until,
                                      [&] { return receive_step(ctx, v, m, done, ignored); });
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
    if (r == 0 || !m.received.empty() || ctx.thread.wait.ended()) break;
  } while (whole && done < size);
  return static_cast<std::int64_t>(done);
}

// A connected UDP socket gets nothing but from its peer.
bool from_peer(const endpoint_view& v, const guest_address& from) {
  if (!v.udp || !v.connected) return true;
  const guest_address peer = as_seen_by(AF_INET6, v.peer), sender = as_seen_by(AF_INET6, from);
  return peer.ip == sender.ip && peer.port == sender.port;
}

std::int64_t receive_datagram(call_context& ctx, const endpoint_view& v, socket_message& m) {
  const deadline until = after(v.d->what->receive_timeout_ns);
  return until_done(ctx, v.d->host.get(), POLLIN, v.blocking, until, [&]() -> std::int64_t {
    for (;;) {
      receive_result got;
      m.result_flags = 0;
      const std::int64_t r = receive_step(ctx, v, m, 0, got);
      if (r < 0) return r;
      guest_address from = ctx.instance.network.names.whose(got.name, got.name_size, v.state->family);
      if (!from_peer(v, from)) {
        if ((m.flags & MSG_PEEK) != 0) (void)::recv(v.d->host.get(), nullptr, 0, MSG_DONTWAIT);
        continue;
      }
      if (v.state->family == AF_NETLINK || v.udp || !from.name.empty()) m.from = std::move(from);
      return r;
    }
  });
}

}  // namespace

std::int64_t bind_datagram(call_context& ctx, int host, socket_state& s) {
  if (s.bound) return 0;
  bound_socket as;
  as.address = {.family = s.family};
  as.type = SOCK_DGRAM;
  if (const std::int64_t r = ctx.instance.network.names.bind(host, std::move(as), s.bound); r < 0) return r;
  s.local = s.bound->address;
  if (s.phase == socket_phase::fresh) s.phase = socket_phase::bound;
  return 0;
}

void count_received(call_context& ctx, const descriptor& d, std::int64_t bytes) noexcept {
  if (bytes > 0 && is_counted(d)) add_to(ctx.instance.socket_received, bytes);
}

void count_sent(call_context& ctx, const descriptor& d, std::int64_t bytes) noexcept {
  if (bytes > 0 && is_counted(d)) add_to(ctx.instance.socket_sent, bytes);
}

std::int64_t send_message(call_context& ctx, descriptor& d, socket_message& m) {
  endpoint_view v;
  if (const std::int64_t r = view(d, m.flags, v); r < 0) return r;
  if (v.udp) return m.rights.empty() ? send_udp(ctx, v, m) : -EINVAL;
  if (v.state->family == AF_NETLINK) {
    std::vector<std::byte> request;
    if (const std::int64_t r = read_message(ctx, m, 4096, request); r < 0) return r;
    return answer_netlink(ctx, *v.state, request);
  }
  if (v.stream && !v.connected) return v.state->family == AF_UNIX ? -ENOTCONN : pipe_error(ctx, v, m);
  if (!v.stream && !v.connected && !m.to) return -ENOTCONN;
  unique_fd token;
  if (const std::int64_t r = pack_rights(ctx, v, m, token); r < 0) return r;
  if (!v.stream && m.to && v.state->type == SOCK_DGRAM) {
    std::shared_ptr<bound_socket> target;
    if (const std::int64_t r = find_unix_target(ctx, *m.to, target); r < 0) return r;
    return send_to(ctx, v, m, *target, token.get());
  }
  const std::int64_t r = send_stream(ctx, v, m, {nullptr, token.get()});
  if (!v.inside && r > 0) add_to(ctx.instance.socket_sent, r);
  return r == -EPIPE ? pipe_error(ctx, v, m) : r;
}

std::int64_t receive_message(call_context& ctx, descriptor& d, socket_message& m) {
  endpoint_view v;
  if (const std::int64_t r = view(d, m.flags, v); r < 0) return r;
  if (v.stream || v.state->type == SOCK_SEQPACKET) {
    if (!v.connected) return v.state->family == AF_UNIX && v.stream ? -EINVAL : -ENOTCONN;
  }
  const std::int64_t r = v.stream ? receive_stream(ctx, v, m) : receive_datagram(ctx, v, m);
  if (v.stream && !v.inside && r > 0 && (m.flags & MSG_PEEK) == 0) add_to(ctx.instance.socket_received, r);
  if (r >= 0 && !m.takes_rights && !m.received.empty()) {
    m.received.clear();
    m.result_flags |= MSG_CTRUNC;
  }
  return r;
}

}  // namespace osvm::unikernel
