// fork and its relatives for processes (clone for threads: threads.cpp), and waiting for children.
#include "unikernel/syscalls/arguments.hpp"
#include "unikernel/syscalls/cloning.hpp"

#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t known_child_flags =
    CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_SETTLS |
    CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_SYSVSEM | CLONE_IO | CSIGNAL;

std::int64_t sys_fork(call_context& ctx) {
  return clone_process(ctx, {.flags = SIGCHLD});
}
std::int64_t sys_vfork(call_context& ctx) {
  return clone_process(ctx, {.flags = CLONE_VM | CLONE_VFORK | SIGCHLD});
}

// Registers the caller for news of its children for as long as it waits.
class news_wait {
 public:
  explicit news_wait(call_context& ctx) : ctx_(ctx) {
    ctx_.instance.processes.add_waiter(ctx_.process.pid, ctx_.thread.wait);
  }
  ~news_wait() { ctx_.instance.processes.remove_waiter(ctx_.process.pid, ctx_.thread.wait); }
  news_wait(const news_wait&) = delete;
  news_wait& operator=(const news_wait&) = delete;

 private:
  call_context& ctx_;
};

// 1: `out` has news; 0: none now, and none was waited for; else -errno.
std::int64_t await_news(call_context& ctx, const process_table::wanted& which, bool blocking,
                        process_table::news& out) {
  const news_wait registered(ctx);
  for (;;) {
    if (const int r = ctx.instance.processes.take_news(ctx.process.pid, which, out); r < 0) return r;
    if (out.pid != 0) return 1;
    if (!blocking) return 0;
    if (ctx.thread.wait.park(std::nullopt) == wait_result::interrupted)
      return stopped_call(ctx, interrupted_call::restart);
  }
}

rusage usage_of_child(const process_table::news& n) {
  rusage u{};
  u.ru_utime = to_timeval(n.cpu);
  return u;
}

std::int64_t sys_wait4(call_context& ctx) {
  const int id = int_arg(ctx, 0), options = int_arg(ctx, 2);
  constexpr int known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
  if (options & ~known) return -EINVAL;
  if (id == INT32_MIN) return -ESRCH;
  process_table::wanted which;
  if (id > 0) which = {P_PID, id};
  if (id < -1) which = {P_PGID, -id};
  if (id == 0) which = {P_PGID, ctx.instance.processes.group_of(ctx.process.pid).value_or(0)};
  which.stopped = options & WUNTRACED;
  which.continued = options & WCONTINUED;
  process_table::news n;
  const std::int64_t r = await_news(ctx, which, !(options & WNOHANG), n);
  if (r <= 0) return r;
  if (ctx.args[1] && !store(ctx, ctx.args[1], n.status)) return -EFAULT;
  if (ctx.args[3] && !store(ctx, ctx.args[3], usage_of_child(n))) return -EFAULT;
  return n.pid;
}

siginfo_t info_of(const process_table::news& n) {
  siginfo_t info{};
  if (n.pid == 0) return info;
  info.si_signo = SIGCHLD;
  info.si_code = n.code;
  info.si_pid = n.pid;
  info.si_uid = guest_user_id;
  info.si_status = n.code == CLD_EXITED      ? WEXITSTATUS(n.status)
                   : n.code == CLD_CONTINUED ? SIGCONT
                   : n.code == CLD_STOPPED   ? WSTOPSIG(n.status)
                                             : WTERMSIG(n.status);
  return info;
}

// The pid that a pidfd names, or -errno.
int pid_of_descriptor(call_context& ctx, int fd) {
  const auto d = ctx.process.descriptors.get(fd);
  if (!d || d->what->kind != file_kind::process) return -EBADF;
  return *static_cast<const int*>(d->what->extra.get());
}

std::int64_t sys_waitid(call_context& ctx) {
  const int kind = int_arg(ctx, 0), id = int_arg(ctx, 1), options = int_arg(ctx, 3);
  constexpr int events = WEXITED | WSTOPPED | WCONTINUED;
  if ((options & ~(events | WNOHANG | WNOWAIT | __WNOTHREAD | __WCLONE | __WALL)) || !(options & events))
    return -EINVAL;
  process_table::wanted which{.kind = P_ALL, .id = id};
  if (kind == P_PID || kind == P_PIDFD) which.kind = P_PID;
  if (kind == P_PGID)
    which = {P_PGID, id ? id : ctx.instance.processes.group_of(ctx.process.pid).value_or(0)};
  if (kind == P_PIDFD) {
    which.id = pid_of_descriptor(ctx, id);
    if (which.id < 0) return which.id;
  } else if ((kind != P_ALL && kind != P_PID && kind != P_PGID) || (kind == P_PID && id <= 0) || id < 0) {
    return -EINVAL;
  }
  which.ended = options & WEXITED;
  which.stopped = options & WSTOPPED;
  which.continued = options & WCONTINUED;
  which.keep = options & WNOWAIT;
  process_table::news n;
  const std::int64_t r = await_news(ctx, which, !(options & WNOHANG), n);
  if (r < 0) return r;
  if (ctx.args[2] && !store(ctx, ctx.args[2], info_of(n))) return -EFAULT;
  if (ctx.args[4] && !store(ctx, ctx.args[4], usage_of_child(n))) return -EFAULT;
  return 0;
}

// A pidfd of a child that was just made: readable once it has ended.
std::int64_t give_pidfd(call_context& ctx, int pid, std::uint64_t at) {
  const std::int64_t fd = open_pidfd(ctx, pid, false);
  if (fd < 0) return fd;
  return store(ctx, at, static_cast<int>(fd)) ? 0 : -EFAULT;
}

}  // namespace

std::int64_t open_pidfd(call_context& ctx, int pid, bool nonblocking) {
  unique_fd event = ctx.instance.processes.watch(pid);
  if (!event) return ctx.instance.processes.exists(pid) ? -ENFILE : -ESRCH;
  auto what = std::make_shared<description>();
  what->kind = file_kind::process;
  what->readable = what->writable = false;
  what->nonblocking = nonblocking;
  what->extra = std::make_shared<int>(pid);
  return install(ctx, std::move(what), std::move(event), true);
}

std::int64_t clone_process(call_context& ctx, const clone_request& c) {
  if (c.flags & ~known_child_flags) {
    if (c.flags & (CLONE_FILES | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT))
      return ctx.instance.deny("clone of a process that shares descriptors or signals", "unsupported",
                               ENOSYS);
    return ctx.instance.deny("clone with namespaces or tracing", "never granted", EPERM);
  }
  if ((c.flags & CSIGNAL) > max_signal) return -EINVAL;
  child_start how;
  static_cast<thread_start&>(how) = context_of(ctx, c);
  if (ctx.instance.rules.sanitize_registers && !kvm::user_canonical(how.fs_base)) return -EPERM;
  how.shares_memory = c.flags & CLONE_VM;
  how.parent_waits = c.flags & CLONE_VFORK;
  how.exit_signal = static_cast<int>(c.flags & CSIGNAL);
  const std::int64_t pid = ctx.process.host.start_child(how, ctx.thread);
  if (pid > 0 && (c.flags & CLONE_PIDFD)) (void)give_pidfd(ctx, static_cast<int>(pid), c.pidfd);
  return pid;
}

namespace {

constexpr syscall_entry children_entries[] = {
    {57, "fork", call<sys_fork>},
    {58, "vfork", call<sys_vfork>},
    {61, "wait4", call<sys_wait4>, capability::always, "iPxP"},
    {247, "waitid", call<sys_waitid>, capability::always, "iiPxP"},
};

}  // namespace

extern const syscall_family children_family;
const syscall_family children_family{"children", children_entries};

}  // namespace osvm::unikernel
