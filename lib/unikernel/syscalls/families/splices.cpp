// splice and tee: bytes through pipes without a visit to the guest's memory; and what is refused beside them.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/files/transfer.hpp"
#include "unikernel/sockets/messages.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t step_bytes = 1 << 20;

bool is_file(const descriptor& d) {
  return d.host && (d.what->kind == file_kind::regular || d.what->kind == file_kind::memory);
}
bool is_stream(const descriptor& d) {
  const file_kind kind = d.what->kind;
  return kind == file_kind::pipe || (kind == file_kind::socket && d.what->connected);
}

std::int64_t checked(ssize_t r) noexcept {
  if (r >= 0) return r;
  const int e = errno;
  if (e == EPIPE) eat_signal(SIGPIPE);
  if (e == EFBIG) eat_signal(SIGXFSZ);
  return -e;
}

// An offset argument: null means the file's own position. The moved offset is stored back.
struct offset_arg {
  std::uint64_t va = 0;
  off_t value = 0;
  off_t* pointer() { return va != 0 ? &value : nullptr; }

  std::int64_t load_from(call_context& ctx, std::uint64_t address) {
    va = address;
    if (va == 0) return 0;
    if (!load(ctx, va, value)) return -EFAULT;
    return value < 0 ? -EINVAL : 0;
  }
  std::int64_t store_back(call_context& ctx, std::int64_t result) const {
    return va != 0 && !store(ctx, va, value) ? -EFAULT : result;
  }
};

// Runs `move`, which writes at most `bytes` to `out`, against the budgets that writing counts for.
template <class Move>
std::int64_t charged(call_context& ctx, descriptor& out, std::int64_t offset, std::uint64_t bytes,
                     Move move) {
  const bool memory_file = out.what->kind == file_kind::memory;
  if (memory_file && !reserve_memory_file(ctx, out, bytes)) return -ENOSPC;
  if (out.what->counted && !ctx.instance.charge_written(bytes)) return -ENOSPC;
  const std::int64_t r =
      within_quota(ctx, out, offset, static_cast<std::int64_t>(bytes), [&] { return checked(move()); });
  const std::uint64_t moved = r < 0 ? 0 : static_cast<std::uint64_t>(r);
  if (out.what->counted && moved < bytes) ctx.instance.refund_written(bytes - moved);
  if (memory_file) (void)charge_memory_file(ctx, out);
  return r;
}

// splice, tee

// Which side the move waits for: the reading one, unless it is ready.
std::pair<int, short> awaited(const descriptor& in, const descriptor& out) {
  pollfd p{in.host.get(), POLLIN, 0};
  if (::poll(&p, 1, 0) > 0) return {out.host.get(), POLLOUT};
  return {in.host.get(), POLLIN};
}

template <class Move>
std::int64_t move_blocking(call_context& ctx, const descriptor& in, const descriptor& out, bool blocking,
                           Move move) {
  for (;;) {
    const std::int64_t r = move();
    if (r == -EPIPE) (void)broken_pipe(ctx);
    if (r != -EAGAIN || !blocking) return r;
    const auto [fd, events] = awaited(in, out);
    if (ctx.thread.wait.wait_fd(fd, events, std::nullopt) == wait_result::interrupted)
      return stopped_call(ctx, interrupted_call::restart);
  }
}

std::int64_t sys_splice(call_context& ctx) {
  const auto in = ctx.process.descriptors.get(int_arg(ctx, 0)),
             out = ctx.process.descriptors.get(int_arg(ctx, 2));
  if (!in || !out || !in->what->readable || !out->what->writable) return -EBADF;
  const unsigned flags = unsigned_arg(ctx, 5);
  if ((flags & ~unsigned{SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT}) != 0)
    return -EINVAL;
  const bool from_pipe = in->what->kind == file_kind::pipe, to_pipe = out->what->kind == file_kind::pipe;
  const bool known = (is_stream(*in) || is_file(*in)) && (is_stream(*out) || is_file(*out));
  if (!known || (!from_pipe && !to_pipe) || out->what->append) return -EINVAL;
  if ((from_pipe && ctx.args[1] != 0) || (to_pipe && ctx.args[3] != 0)) return -ESPIPE;
  offset_arg from, to;
  if (const auto r = from.load_from(ctx, ctx.args[1]); r < 0) return r;
  if (const auto r = to.load_from(ctx, ctx.args[3]); r < 0) return r;
  const std::uint64_t count = std::min<std::uint64_t>(ctx.args[4], step_bytes);
  if (count == 0) return 0;
  const bool blocking = (flags & SPLICE_F_NONBLOCK) == 0 && !(from_pipe && in->what->nonblocking) &&
                        !(to_pipe && out->what->nonblocking);
  const std::int64_t r = move_blocking(ctx, *in, *out, blocking, [&] {
    return charged(ctx, *out, to.va != 0 ? to.value : current_offset, count, [&] {
      return ::splice(in->host.get(), from.pointer(), out->host.get(), to.pointer(), count,
                      SPLICE_F_NONBLOCK | (flags & SPLICE_F_MORE));
    });
  });
  if (r < 0) return r;
  count_received(ctx, *in, r);
  count_sent(ctx, *out, r);
  if (const auto e = from.store_back(ctx, r); e < 0) return e;
  return to.store_back(ctx, r);
}

std::int64_t sys_tee(call_context& ctx) {
  const auto in = ctx.process.descriptors.get(int_arg(ctx, 0)),
             out = ctx.process.descriptors.get(int_arg(ctx, 1));
  if (!in || !out || !in->what->readable || !out->what->writable) return -EBADF;
  if (in->what->kind != file_kind::pipe || out->what->kind != file_kind::pipe) return -EINVAL;
  const bool blocking =
      (unsigned_arg(ctx, 3) & SPLICE_F_NONBLOCK) == 0 && !in->what->nonblocking && !out->what->nonblocking;
  const std::uint64_t count = std::min<std::uint64_t>(ctx.args[2], step_bytes);
  return move_blocking(ctx, *in, *out, blocking, [&] {
    return checked(::tee(in->host.get(), out->host.get(), count, SPLICE_F_NONBLOCK));
  });
}

std::int64_t sys_vmsplice(call_context& ctx) {
  return ctx.instance.deny("vmsplice", "a guest's pages stay its own; splice and tee are served", ENOSYS);
}

std::int64_t refuse_io_uring(call_context& ctx) {
  return ctx.instance.deny("io_uring", "unsupported: its requests would not pass the policy", ENOSYS);
}

constexpr syscall_entry splices_entries[] = {
    {275, "splice", call<sys_splice>, capability::always, "fPfPlx"},
    {276, "tee", call<sys_tee>, capability::always, "fflx"},
    {278, "vmsplice", call<sys_vmsplice>, capability::always, "fplx"},
    {425, "io_uring_setup", call<refuse_io_uring>, capability::always, "uP"},
    {426, "io_uring_enter", call<refuse_io_uring>, capability::always, "fuuxpl"},
    {427, "io_uring_register", call<refuse_io_uring>, capability::always, "fupu"},
};

}  // namespace

extern const syscall_family splices_family;
const syscall_family splices_family{"splices", splices_entries};

}  // namespace osvm::unikernel
