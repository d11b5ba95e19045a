// Bytes and messages over sockets: arguments and results; the work is sockets/messages.cpp's.
#include "unikernel/sockets/messages.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr int send_flags =
    MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | MSG_DONTROUTE | MSG_CONFIRM | MSG_FASTOPEN;
constexpr int receive_flags =
    MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_NOSIGNAL | MSG_WAITFORONE;
constexpr std::size_t max_control = 4096;
constexpr std::size_t max_rights = 253;  // SCM_MAX_FD
constexpr unsigned max_messages = 1024;  // UIO_MAXIOV

// What Linux refuses before it looks at the socket.
std::int64_t check_flags(int flags, int known) {
  return (flags & MSG_OOB) != 0 || (flags & ~known) != 0 ? -EOPNOTSUPP : 0;
}

guest_range one_range(const call_context& ctx) {
  return {ctx.args[1], std::min<std::uint64_t>(ctx.args[2], max_transfer)};
}

std::int64_t load_destination(call_context& ctx, const descriptor& d, std::uint64_t va, std::uint64_t size,
                              socket_message& m) {
  const auto state = socket_of(d);
  if (!state) return -ENOTSOCK;
  if (va == 0 || size == 0 || state->type == SOCK_STREAM) return 0;  // TCP does not look at it
  m.to.emplace();
  const std::int64_t r = load_address(ctx, va, size, state->family, *m.to);
  if (r == 0 && state->family == AF_NETLINK) m.to.reset();
  return r;
}

std::int64_t sys_sendto(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  const guest_range range = one_range(ctx);
  socket_message m;
  m.ranges = {&range, 1};
  m.flags = int_arg(ctx, 3);
  if (!socket_of(*d)) return -ENOTSOCK;
  if (const auto r = check_flags(m.flags, send_flags); r < 0) return r;
  if (const auto r = load_destination(ctx, *d, ctx.args[4], ctx.args[5], m); r < 0) return r;
  return send_message(ctx, *d, m);
}

std::int64_t sys_recvfrom(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  const guest_range range = one_range(ctx);
  socket_message m;
  m.ranges = {&range, 1};
  m.flags = int_arg(ctx, 3);
  if (!socket_of(*d)) return -ENOTSOCK;
  if (const auto r = check_flags(m.flags, receive_flags); r < 0) return r;
  const std::int64_t r = receive_message(ctx, *d, m);
  if (r < 0 || ctx.args[4] == 0) return r;
  if (m.from) {
    if (const auto e = store_address(ctx, *m.from, ctx.args[4], ctx.args[5]); e < 0) return e;
  } else if (ctx.args[5] != 0 && !store(ctx, ctx.args[5], 0)) {
    return -EFAULT;  // connected sockets give no source address
  }
  return r;
}

// struct msghdr as the guest lays it out.
struct guest_message {
  std::uint64_t name;
  std::uint32_t name_size, padding;
  std::uint64_t ranges, range_count;
  std::uint64_t control, control_size;
  std::int32_t flags, padding2;
};
static_assert(sizeof(guest_message) == sizeof(msghdr));

// sending

std::int64_t take_rights(call_context& ctx, std::span<const std::byte> data, socket_message& m) {
  const std::size_t count = data.size() / sizeof(int);
  if (m.rights.size() + count > max_rights) return -EINVAL;
  for (std::size_t i = 0; i < count; ++i) {
    int fd = -1;
    std::memcpy(&fd, data.data() + i * sizeof fd, sizeof fd);
    auto d = ctx.process.descriptors.get(fd);
    if (!d) return -EBADF;
    m.rights.push_back(std::move(d));
  }
  return 0;
}

// Ancillary data is copied in once, then judged. Only descriptors travel; credentials are the guest's own,
// which every socket shows anyway.
std::int64_t load_control(call_context& ctx, const guest_message& g, socket_message& m) {
  if (g.control == 0 || g.control_size == 0) return 0;
  if (g.control_size > max_control) return -ENOBUFS;
  std::vector<std::byte> bytes(g.control_size);
  if (!memory_access(ctx.memory).read(g.control, bytes.data(), bytes.size())) return -EFAULT;
  std::span<const std::byte> left = bytes;
  while (left.size() >= sizeof(cmsghdr)) {
    cmsghdr c{};
    std::memcpy(&c, left.data(), sizeof c);
    if (c.cmsg_len < CMSG_LEN(0) || c.cmsg_len > left.size()) return -EINVAL;
    const auto data = left.subspan(CMSG_LEN(0), c.cmsg_len - CMSG_LEN(0));
    if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS) {
      if (const auto r = take_rights(ctx, data, m); r < 0) return r;
    } else if (c.cmsg_level != SOL_SOCKET || c.cmsg_type != SCM_CREDENTIALS) {
      return ctx.instance.deny("sendmsg with ancillary data " + std::to_string(c.cmsg_type),
                               "descriptors between the guest's own sockets only", EINVAL);
    }
    left = left.subspan(std::min(left.size(), CMSG_ALIGN(c.cmsg_len)));
  }
  return 0;
}

std::int64_t send_one(call_context& ctx, const std::shared_ptr<descriptor>& d, std::uint64_t va, int flags) {
  guest_message g;
  if (!load(ctx, va, g)) return -EFAULT;
  socket_message m;
  m.flags = flags;
  std::vector<guest_range> ranges;
  if (const auto r = copy_ranges(ctx, g.ranges, g.range_count, ranges); r < 0)
    return r == -EINVAL ? -EMSGSIZE : r;
  m.ranges = ranges;
  if (const auto r = load_destination(ctx, *d, g.name, g.name_size, m); r < 0) return r;
  if (const auto r = load_control(ctx, g, m); r < 0) return r;
  return send_message(ctx, *d, m);
}

std::int64_t sys_sendmsg(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (!socket_of(*d)) return -ENOTSOCK;
  if (const auto r = check_flags(int_arg(ctx, 2), send_flags); r < 0) return r;
  return send_one(ctx, d, ctx.args[1], int_arg(ctx, 2));
}

// Where the n-th struct mmsghdr begins; its length field lies behind the message.
constexpr std::uint64_t message_step = sizeof(guest_message) + 8;

std::int64_t sys_sendmmsg(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (!socket_of(*d)) return -ENOTSOCK;
  const int flags = int_arg(ctx, 3);
  if (const auto r = check_flags(flags, send_flags); r < 0) return r;
  const unsigned count = std::min(unsigned_arg(ctx, 2), max_messages);
  std::int64_t done = 0;
  for (; done < count && !(done != 0 && ctx.thread.wait.ended()); ++done) {
    const std::uint64_t at = ctx.args[1] + static_cast<std::uint64_t>(done) * message_step;
    const std::int64_t r = send_one(ctx, d, at, flags);
    if (r < 0) return done != 0 ? done : r;
    if (!store(ctx, at + sizeof(guest_message), static_cast<std::uint32_t>(r)))
      return done != 0 ? done : -EFAULT;
  }
  return done;
}

// receiving

// Gives the guest the descriptors that came along, as many as it has room for.
std::int64_t store_rights(call_context& ctx, socket_message& m, guest_message& g, int flags) {
  const std::uint64_t room =
      g.control != 0 && g.control_size >= CMSG_LEN(0) ? g.control_size - CMSG_LEN(0) : 0;
  g.control_size = 0;
  if (m.received.empty()) return 0;
  std::vector<int> numbers;
  for (auto& d : m.received) {
    if (numbers.size() >= room / sizeof(int)) break;
    auto copy = std::make_shared<descriptor>();
    copy->what = d->what;
    copy->host = d->host.duplicate();
    if (d->host && !copy->host) break;
    const std::int64_t fd = add_descriptor(ctx, std::move(copy), (flags & MSG_CMSG_CLOEXEC) != 0);
    if (fd < 0) break;
    numbers.push_back(static_cast<int>(fd));
  }
  if (numbers.size() < m.received.size()) m.result_flags |= MSG_CTRUNC;
  if (numbers.empty()) return 0;
  cmsghdr c{};
  c.cmsg_level = SOL_SOCKET;
  c.cmsg_type = SCM_RIGHTS;
  c.cmsg_len = CMSG_LEN(numbers.size() * sizeof(int));
  memory_access memory(ctx.memory);
  if (!memory.write(g.control, c) ||
      !memory.write(g.control + CMSG_LEN(0), numbers.data(), numbers.size() * sizeof(int)))
    return -EFAULT;
  g.control_size = std::min<std::uint64_t>(CMSG_SPACE(numbers.size() * sizeof(int)), room + CMSG_LEN(0));
  return 0;
}

std::int64_t store_source(call_context& ctx, const socket_message& m, guest_message& g) {
  const std::uint32_t room = g.name_size;
  g.name_size = 0;
  if (g.name == 0 || !m.from) return 0;
  const auto bytes = encode_address(*m.from);
  const std::size_t size = std::min<std::size_t>(bytes.size(), room);
  g.name_size = static_cast<std::uint32_t>(bytes.size());
  return memory_access(ctx.memory).write(g.name, bytes.data(), size) ? 0 : -EFAULT;
}

std::int64_t receive_one(call_context& ctx, const std::shared_ptr<descriptor>& d, std::uint64_t va,
                         int flags) {
  guest_message g;
  if (!load(ctx, va, g)) return -EFAULT;
  std::vector<guest_range> ranges;
  if (const auto r = copy_ranges(ctx, g.ranges, g.range_count, ranges); r < 0)
    return r == -EINVAL ? -EMSGSIZE : r;
  socket_message m;
  m.flags = flags;
  m.ranges = ranges;
  m.takes_rights = true;
  const std::int64_t r = receive_message(ctx, *d, m);
  if (r < 0) return r;
  if (const auto e = store_source(ctx, m, g); e < 0) return e;
  if (const auto e = store_rights(ctx, m, g, flags); e < 0) return e;
  g.flags = m.result_flags | (flags & MSG_CMSG_CLOEXEC);
  return store(ctx, va, g) ? r : -EFAULT;
}

std::int64_t sys_recvmsg(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (!socket_of(*d)) return -ENOTSOCK;
  if (const auto r = check_flags(int_arg(ctx, 2), receive_flags); r < 0) return r;
  return receive_one(ctx, d, ctx.args[1], int_arg(ctx, 2));
}

// The timeout is looked at between messages only, as Linux documents of itself.
std::int64_t sys_recvmmsg(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (!socket_of(*d)) return -ENOTSOCK;
  int flags = int_arg(ctx, 3);
  if (const auto r = check_flags(flags, receive_flags); r < 0) return r;
  deadline until;
  if (ctx.args[4] != 0) {
    timespec t;
    if (!load(ctx, ctx.args[4], t)) return -EFAULT;
    if (!valid(t)) return -EINVAL;
    until = deadline_after(t);
  }
  const unsigned count = std::min(unsigned_arg(ctx, 2), max_messages);
  std::int64_t done = 0;
  while (done < count && !(done != 0 && ctx.thread.wait.ended())) {
    const std::uint64_t at = ctx.args[1] + static_cast<std::uint64_t>(done) * message_step;
    const std::int64_t r = receive_one(ctx, d, at, flags & ~MSG_WAITFORONE);
    if (r < 0) return done != 0 ? done : r;
    ++done;
    if (!store(ctx, at + sizeof(guest_message), static_cast<std::uint32_t>(r))) return -EFAULT;
    if ((flags & MSG_WAITFORONE) != 0) flags |= MSG_DONTWAIT;
    if (until && wait_clock::now() >= *until) break;
  }
  return done;
}

constexpr syscall_entry socket_io_entries[] = {
    {44, "sendto", call<sys_sendto>, capability::always, "fplxpl"},
    {45, "recvfrom", call<sys_recvfrom>, capability::always, "fPlxPP"},
    {46, "sendmsg", call<sys_sendmsg>, capability::always, "fpx"},
    {47, "recvmsg", call<sys_recvmsg>, capability::always, "fPx"},
    {299, "recvmmsg", call<sys_recvmmsg>, capability::always, "fPuxp"},
    {307, "sendmmsg", call<sys_sendmmsg>, capability::always, "fPux"},
};

}  // namespace

extern const syscall_family socket_io_family;
const syscall_family socket_io_family{"socket_io", socket_io_entries};

}  // namespace osvm::unikernel
