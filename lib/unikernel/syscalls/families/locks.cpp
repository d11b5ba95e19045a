// flock(2). Locks by fcntl(2) are in files/locks.cpp.
#include "unikernel/files/locks.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/file.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

// Belongs to the open file description, which the guest's duplicates share on the host too. Below read-only
// mounts, and on content that instances share, it has no effect on the host: see files/locks.hpp.
std::int64_t sys_flock(call_context& ctx) {
  using namespace std::chrono_literals;
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  const int operation = int_arg(ctx, 1);
  const int kind = operation & ~LOCK_NB;
  if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN) return -EINVAL;
  if (d->what->kind != file_kind::regular || !d->what->changeable || d->what->sealed || !d->host) return 0;
  for (auto pause = 1ms;; pause = std::min(pause * 2, 32ms)) {
    const std::int64_t r = host_result(::flock(d->host.get(), kind | LOCK_NB));
    if (r != -EWOULDBLOCK || (operation & LOCK_NB) != 0) return r;
    if (ctx.thread.wait.sleep(wait_clock::now() + pause) == wait_result::interrupted) return -EINTR;
  }
}

constexpr syscall_entry locks_entries[] = {
    {73, "flock", call<sys_flock>, capability::always, "fi"},
};

}  // namespace

extern const syscall_family locks_family;
const syscall_family locks_family{"locks", locks_entries};

}  // namespace osvm::unikernel
