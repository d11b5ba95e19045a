// Bytes and messages over sockets. Ancillary data never passes in either direction: a descriptor or a
// credential of the host must not reach the guest, nor one of the VMM's the host.
#include "unikernel/files/transfer.hpp"
#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t step_bytes = std::uint64_t{1} << 20;
constexpr int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | MSG_DONTROUTE | MSG_CONFIRM;
constexpr int receive_flags =
    MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_NOSIGNAL;

struct message_call {
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> state;
  int flags = 0;
  bool stream = true;

  bool blocking() const { return !d->what->nonblocking && (flags & MSG_DONTWAIT) == 0; }
};

std::int64_t prepare(call_context& ctx, std::uint64_t flags, int known, message_call& out) {
  out.d = descriptor_arg(ctx);
  if (!out.d) return -EBADF;
  out.state = socket_of(*out.d);
  if (!out.state) return -ENOTSOCK;
  out.flags = static_cast<int>(flags);
  if ((out.flags & MSG_OOB) != 0 || (out.flags & ~known) != 0) return -EOPNOTSUPP;
  std::lock_guard guard(out.d->what->lock);
  out.stream = out.state->type == SOCK_STREAM;
  return out.state->phase == socket_phase::connected ? 0 : -ENOTCONN;
}

deadline after(std::int64_t timeout_ns) {
  if (timeout_ns == 0) return std::nullopt;
  return wait_clock::now() + std::chrono::nanoseconds(timeout_ns);
}

std::uint64_t total(std::span<const guest_range> ranges) {
  std::uint64_t sum = 0;
  for (const auto& r : ranges) sum += r.size;
  return sum;
}

std::int64_t send_step(call_context& ctx, const message_call& m, std::span<const guest_range> from,
                       std::uint64_t skip) {
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  const std::int64_t covered = gather(memory, from, skip, step_bytes, PROT_READ, v);
  if (covered < 0) return covered;
  // A message goes as a whole or not at all.
  if (!m.stream && static_cast<std::uint64_t>(covered) < total(from))
    return total(from) > step_bytes ? -EMSGSIZE : -EFAULT;
  msghdr h{};
  h.msg_iov = v.data();
  h.msg_iovlen = v.size();
  return host_result(::sendmsg(m.d->host.get(), &h, MSG_DONTWAIT | MSG_NOSIGNAL | (m.flags & MSG_EOR)));
}

std::int64_t send_all(call_context& ctx, const message_call& m, std::span<const guest_range> from) {
  const std::uint64_t size = total(from);
  if (size == 0 && m.stream) return 0;
  const deadline until = after(m.d->what->send_timeout_ns);
  std::uint64_t done = 0;
  do {
    const std::int64_t r = until_done(ctx, m.d->host.get(), POLLOUT, m.blocking(), until,
                                      [&] { return send_step(ctx, m, from, done); });
    if (r == -EPIPE && m.stream && !(m.flags & MSG_NOSIGNAL)) (void)broken_pipe(ctx);
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
  } while (m.stream && done < size && m.blocking() && !ctx.thread.wait.ended());
  return static_cast<std::int64_t>(done);
}

std::int64_t receive_step(call_context& ctx, const message_call& m, std::span<const guest_range> to,
                          std::uint64_t skip, int& out_flags) {
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  const std::int64_t covered = gather(memory, to, skip, step_bytes, PROT_WRITE, v);
  if (covered < 0) return covered;
  msghdr h{};
  h.msg_iov = v.data();
  h.msg_iovlen = v.size();
  // No room for ancillary data: the kernel closes descriptors that arrive. MSG_TRUNC as a flag means a
  // message's real length; for streams it would discard, so it is not passed.
  const int passed = MSG_DONTWAIT | (m.flags & MSG_PEEK) | (m.stream ? 0 : m.flags & MSG_TRUNC);
  const std::int64_t r = host_result(::recvmsg(m.d->host.get(), &h, passed));
  out_flags = h.msg_flags & (MSG_TRUNC | MSG_EOR);
  return r;
}

std::int64_t receive(call_context& ctx, const message_call& m, std::span<const guest_range> to,
                     int& out_flags) {
  const std::uint64_t size = total(to);
  if (size == 0 && m.stream) return 0;
  const bool whole = m.stream && (m.flags & MSG_WAITALL) != 0 && (m.flags & MSG_PEEK) == 0;
  const deadline until = after(m.d->what->receive_timeout_ns);
  std::uint64_t done = 0;
  do {
    const std::int64_t r = until_done(ctx, m.d->host.get(), POLLIN, m.blocking(), until,
                                      [&] { return receive_step(ctx, m, to, done, out_flags); });
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
    if (r == 0 || ctx.thread.wait.interrupted()) break;
  } while (whole && done < size);
  return static_cast<std::int64_t>(done);
}

guest_range one_range(const call_context& ctx) {
  return {ctx.args[1], std::min<std::uint64_t>(ctx.args[2], max_transfer)};
}

// The address of sendto() is not looked at, as for TCP and connected sockets of every kind here.
std::int64_t sys_sendto(call_context& ctx) {
  message_call m;
  if (const auto r = prepare(ctx, ctx.args[3], send_flags, m); r < 0) return r == -ENOTCONN ? -EPIPE : r;
  const guest_range range = one_range(ctx);
  return send_all(ctx, m, {&range, 1});
}

std::int64_t sys_recvfrom(call_context& ctx) {
  message_call m;
  if (const auto r = prepare(ctx, ctx.args[3], receive_flags, m); r < 0) return r;
  const guest_range range = one_range(ctx);
  int flags = 0;
  const std::int64_t r = receive(ctx, m, {&range, 1}, flags);
  // Connected sockets give no source address.
  if (r >= 0 && ctx.args[4] != 0 && ctx.args[5] != 0 && !store(ctx, ctx.args[5], 0)) return -EFAULT;
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

std::int64_t sys_sendmsg(call_context& ctx) {
  message_call m;
  if (const auto r = prepare(ctx, ctx.args[2], send_flags, m); r < 0) return r == -ENOTCONN ? -EPIPE : r;
  guest_message g;
  if (!load(ctx, ctx.args[1], g)) return -EFAULT;
  if (g.control != 0 && g.control_size != 0)
    return ctx.instance.deny("sendmsg with ancillary data", "descriptors and credentials never leave a guest",
                             EPERM);
  std::vector<guest_range> ranges;
  if (const auto r = copy_ranges(ctx, g.ranges, g.range_count, ranges); r < 0)
    return r == -EINVAL ? -EMSGSIZE : r;
  return send_all(ctx, m, ranges);
}

std::int64_t sys_recvmsg(call_context& ctx) {
  message_call m;
  if (const auto r = prepare(ctx, ctx.args[2], receive_flags, m); r < 0) return r;
  guest_message g;
  if (!load(ctx, ctx.args[1], g)) return -EFAULT;
  std::vector<guest_range> ranges;
  if (const auto r = copy_ranges(ctx, g.ranges, g.range_count, ranges); r < 0)
    return r == -EINVAL ? -EMSGSIZE : r;
  int flags = 0;
  const std::int64_t r = receive(ctx, m, ranges, flags);
  if (r < 0) return r;
  g.name_size = 0;
  g.control_size = 0;
  g.flags = flags;
  return store(ctx, ctx.args[1], g) ? r : -EFAULT;
}

constexpr syscall_entry entries[] = {
    {44, "sendto", call<sys_sendto>, capability::always, "fplxpl"},
    {45, "recvfrom", call<sys_recvfrom>, capability::always, "fPlxPP"},
    {46, "sendmsg", call<sys_sendmsg>, capability::always, "fpx"},
    {47, "recvmsg", call<sys_recvmsg>, capability::always, "fPx"},
};

}  // namespace

extern const syscall_family socket_io_family;
const syscall_family socket_io_family{"socket_io", entries};

}  // namespace osvm::unikernel
