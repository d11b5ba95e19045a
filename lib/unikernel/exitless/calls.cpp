#include "unikernel/exitless/calls.hpp"

#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <climits>

namespace osvm::unikernel {
namespace {

// A write to what may fill up could stop half-way; only those that never wait qualify, and those that are
// done whole or not at all.
bool never_stops_halfway(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->nonblocking) return true;
  switch (d->what->kind) {
    case file_kind::regular:
    case file_kind::memory:
    case file_kind::eventfd: return true;
    default: return false;
  }
}
bool whole_write(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  return never_stops_halfway(ctx) || (d->what->kind == file_kind::pipe && ctx.args[2] <= PIPE_BUF);
}

bool wakes(std::uint64_t operation) noexcept {
  switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
    case FUTEX_WAKE_OP:
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: return true;
    default: return false;
  }
}

}  // namespace

bool may_be_polled(call_context& ctx, std::uint64_t number) noexcept {
  const auto& a = ctx.args;
  switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_pread64:
    case SYS_preadv:
    case SYS_lseek:
    case SYS_fstat:
    case SYS_stat:
    case SYS_lstat:
    case SYS_newfstatat:
    case SYS_access:
    case SYS_close:
    case SYS_accept:
    case SYS_accept4:
    case SYS_shutdown:
    case SYS_getsockname:
    case SYS_getpeername:
    case SYS_setsockopt:
    case SYS_getsockopt:
    case SYS_epoll_ctl:
    case SYS_epoll_wait:
    case SYS_poll:
    case SYS_getpid:
    case SYS_gettid:
    case SYS_getppid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_clock_gettime:
    case SYS_gettimeofday:
    case SYS_time: return true;
    case SYS_epoll_pwait: return a[4] == 0;  // no signal mask of its own
    case SYS_ppoll: return a[3] == 0;
    case SYS_recvfrom: return (a[3] & MSG_WAITALL) == 0;
    case SYS_recvmsg: return (a[2] & MSG_WAITALL) == 0;
    case SYS_sendto: return (a[3] & MSG_DONTWAIT) != 0 || never_stops_halfway(ctx);
    case SYS_sendmsg: return (a[2] & MSG_DONTWAIT) != 0 || never_stops_halfway(ctx);
    case SYS_write: return whole_write(ctx);
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev: return never_stops_halfway(ctx);
    case SYS_fcntl: return a[1] != F_SETLKW && a[1] != F_OFD_SETLKW;
    case SYS_futex: return wakes(a[1]);
    default: return false;
  }
}

}  // namespace osvm::unikernel
