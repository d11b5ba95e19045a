// clone for threads, futexes, scheduling.
#include "unikernel/syscalls/arguments.hpp"
#include "unikernel/syscalls/cloning.hpp"
#include "unikernel/thread/shared_futex.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr std::uint64_t known_flags = thread_flags | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                      CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED;

std::int64_t start(call_context& ctx, const clone_request& c) {
  if (!(c.flags & CLONE_THREAD)) return clone_process(ctx, c);
  if ((c.flags & thread_flags) != thread_flags || (c.flags & ~known_flags)) return -EINVAL;
  const thread_start t = context_of(ctx, c);
  if (ctx.instance.rules.sanitize_registers && !kvm::user_canonical(t.fs_base)) return -EPERM;
  return ctx.process.host.start_thread(t);
}

std::int64_t do_clone(call_context& ctx) {
  std::uint64_t flags = ctx.args[0];
  if (flags & CLONE_THREAD) flags &= ~std::uint64_t{CSIGNAL};  // of no use to a thread, and so not looked at
  return start(ctx, {.flags = flags,
                     .stack = ctx.args[1],
                     .parent_tid = ctx.args[2],
                     .child_tid = ctx.args[3],
                     .tls = ctx.args[4],
                     .pidfd = ctx.args[2]});
}

struct clone3_args {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

std::int64_t do_clone3(call_context& ctx) {
  if (ctx.args[1] < sizeof(clone3_args)) return -EINVAL;
  if (ctx.args[1] > sizeof(clone3_args) + 24)
    return -E2BIG;  // set_tid, set_tid_size, cgroup are the known rest
  clone3_args a{};
  if (!load(ctx, ctx.args[0], a)) return -EFAULT;
  for (std::uint64_t at = sizeof a; at < ctx.args[1]; at += 8) {
    std::uint64_t rest = 0;
    if (!load(ctx, ctx.args[0] + at, rest)) return -EFAULT;
    if (rest) return -EINVAL;
  }
  const std::uint64_t stack = a.stack ? a.stack + a.stack_size : 0;
  if (stack < a.stack) return -EINVAL;
  if ((a.flags & CSIGNAL) || a.exit_signal > max_signal) return -EINVAL;
  return start(ctx, {.flags = a.flags | a.exit_signal,
                     .stack = stack,
                     .parent_tid = a.parent_tid,
                     .child_tid = a.child_tid,
                     .tls = a.tls,
                     .pidfd = a.pidfd});
}

std::int64_t do_exit(call_context& ctx) {
  ctx.thread.exiting = true;
  return int_arg(ctx, 0) & 0xff;
}

std::int64_t do_gettid(call_context& ctx) {
  return ctx.thread.tid;
}

std::int64_t do_set_tid_address(call_context& ctx) {
  ctx.thread.clear_child_tid = ctx.args[0];
  return ctx.thread.tid;
}

std::int64_t do_set_robust_list(call_context& ctx) {
  if (ctx.args[1] != 24) return -EINVAL;
  ctx.thread.robust_list = ctx.args[0];
  return 0;
}

// An absolute futex or sleep deadline on one of the two clocks, as a point of ours.
deadline absolute(const timespec& t, clockid_t clock) {
  timespec now{};
  (void)::clock_gettime(clock, &now);
  const auto left =
      std::chrono::seconds(t.tv_sec - now.tv_sec) + std::chrono::nanoseconds(t.tv_nsec - now.tv_nsec);
  constexpr auto far = std::chrono::hours(24 * 365 * 100);
  if (t.tv_sec > now.tv_sec + std::chrono::duration_cast<std::chrono::seconds>(far).count())
    return std::nullopt;
  return wait_clock::now() + left;
}

std::int64_t futex_deadline(call_context& ctx, int command, bool realtime, deadline& until) {
  if (!ctx.args[3]) return 0;
  timespec t{};
  if (!load(ctx, ctx.args[3], t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  until =
      command == FUTEX_WAIT ? deadline_after(t) : absolute(t, realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC);
  until = ctx.thread.keep(until);
  return 0;
}

std::int64_t stopped_futex(call_context& ctx) {
  return stopped_call(ctx, ctx.args[3] ? interrupted_call::with_deadline : interrupted_call::restart);
}

std::int64_t futex_wait(call_context& ctx, int command, std::uint32_t bitset, bool realtime) {
  deadline until;
  if (const std::int64_t r = futex_deadline(ctx, command, realtime, until); r < 0) return r;
  const std::int64_t r = ctx.instance.futexes.wait(
      ctx.memory, ctx.args[0], static_cast<std::uint32_t>(ctx.args[2]), bitset, ctx.thread.wait, until);
  return r == -EINTR ? stopped_futex(ctx) : r;
}

// The call on a word in a shared mapping of a file; nullopt: it lies elsewhere, or the table knows better.
std::optional<std::int64_t> shared_futex(call_context& ctx) {
  shared_futex_call c{.operation = int_arg(ctx, 1),
                      .value = static_cast<std::uint32_t>(ctx.args[2]),
                      .value2 = static_cast<std::uint32_t>(ctx.args[3]),
                      .value3 = static_cast<std::uint32_t>(ctx.args[5])};
  const int command = c.operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  {
    memory_access memory(ctx.memory);
    c.word = memory.shared_word(ctx.args[0], PROT_READ);
    if (!c.word) return std::nullopt;
    if (command == FUTEX_REQUEUE || command == FUTEX_CMP_REQUEUE || command == FUTEX_WAKE_OP)
      c.second = memory.shared_word(ctx.args[4], PROT_READ);
  }
  if (command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET) return wake_shared(c);
  deadline until;
  if (const std::int64_t r = futex_deadline(ctx, command, c.operation & FUTEX_CLOCK_REALTIME, until); r < 0)
    return r;
  const std::int64_t r = wait_shared(c, ctx.thread.wait, until);
  return r == -EINTR ? stopped_futex(ctx) : r;
}

std::uint32_t count_arg(std::uint64_t v) noexcept {
  return static_cast<std::uint32_t>(std::max<std::int32_t>(0, static_cast<std::int32_t>(v)));
}

// Private and shared futexes are the same but for words in shared mappings of files, which is what processes
// share.
std::int64_t do_futex(call_context& ctx) {
  const int op = int_arg(ctx, 1);
  if (ctx.memory.has_shared_files()) {
    if (const auto r = shared_futex(ctx)) return *r;
  }
  const int command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  const bool realtime = op & FUTEX_CLOCK_REALTIME;
  auto& table = ctx.instance.futexes;
  const std::uint64_t va = ctx.args[0];
  const auto value = static_cast<std::uint32_t>(ctx.args[2]);
  const auto third = static_cast<std::uint32_t>(ctx.args[5]);
  switch (command) {
    case FUTEX_WAIT: return realtime ? -ENOSYS : futex_wait(ctx, command, FUTEX_BITSET_MATCH_ANY, false);
    case FUTEX_WAIT_BITSET: return futex_wait(ctx, command, third, realtime);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
      if (va % 4) return -EINVAL;
      if (va >= user_end) return -EFAULT;
      return table.wake({&ctx.memory, va}, count_arg(ctx.args[2]),
                        command == FUTEX_WAKE ? FUTEX_BITSET_MATCH_ANY : third);
    case FUTEX_REQUEUE:
      return table.requeue(ctx.memory, va, ctx.args[4], value, count_arg(ctx.args[3]), nullptr);
    case FUTEX_CMP_REQUEUE:
      return table.requeue(ctx.memory, va, ctx.args[4], value, count_arg(ctx.args[3]), &third);
    case FUTEX_WAKE_OP:
      return table.wake_op(ctx.memory, va, ctx.args[4], value, count_arg(ctx.args[3]), third);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_CMP_REQUEUE_PI:
      return ctx.instance.deny("futex with priority inheritance", "unsupported: guests have no priorities",
                               ENOSYS);
    default: return -ENOSYS;
  }
}

// Guest threads are threads of the host process, whose barrier reaches each of them, inside a VM or not.
std::int64_t do_membarrier(call_context& ctx) {
  constexpr long served =
      MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
  const int command = int_arg(ctx, 0);
  if (ctx.args[1] != 0) return -EINVAL;
  if (command == MEMBARRIER_CMD_QUERY) {
    const long host = ::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return host < 0 ? -ENOSYS : host & served;
  }
  // One command at a time.
  if (command < 0 || (command & (command - 1)) != 0 || !(command & served)) return -EINVAL;
  return host_result(::syscall(SYS_membarrier, command, 0, 0));
}

}  // namespace

thread_start context_of(const call_context& ctx, const clone_request& c) {
  thread_start t;
  t.regs = *ctx.thread.regs;
  t.regs.rax = 0;
  t.regs.rip = t.regs.rcx;  // behind the SYSCALL instruction
  t.regs.rflags = t.regs.r11;
  if (c.stack) t.regs.rsp = c.stack;
  t.fs_base = c.flags & CLONE_SETTLS ? c.tls : ctx.thread.fs_base;
  t.gs_base = ctx.thread.gs_base;
  t.blocked_signals = ctx.thread.signals.blocked;
  t.parent = &ctx.thread;
  if (c.flags & CLONE_CHILD_CLEARTID) t.clear_child_tid = c.child_tid;
  if (c.flags & CLONE_CHILD_SETTID) t.set_child_tid = c.child_tid;
  if (c.flags & CLONE_PARENT_SETTID) t.set_parent_tid = c.parent_tid;
  return t;
}

namespace {

constexpr syscall_entry threads_entries[] = {
    {56, "clone", call<do_clone>, capability::always, "xpPPl"},
    {60, "exit", call<do_exit>, capability::always, "i"},
    {186, "gettid", call<do_gettid>},
    {202, "futex", call<do_futex>, capability::always, "piuppu"},
    {218, "set_tid_address", call<do_set_tid_address>, capability::always, "p"},
    {273, "set_robust_list", call<do_set_robust_list>, capability::always, "pl"},
    {324, "membarrier", call<do_membarrier>, capability::always, "ixi"},
    {435, "clone3", call<do_clone3>, capability::always, "pl"},
};

}  // namespace

extern const syscall_family threads_family;
const syscall_family threads_family{"threads", threads_entries};

}  // namespace osvm::unikernel
