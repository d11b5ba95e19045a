// A thread's and a process' signal state, waiting for signals, and the return from a handler.
#include "unikernel/syscalls/arguments.hpp"

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t mask_size = sizeof(signal_mask);

struct kernel_sigaction {
  std::uint64_t handler, flags, restorer, mask;
};

std::int64_t do_rt_sigaction(call_context& ctx) {
  const int signal = int_arg(ctx, 0);
  if (signal < 1 || signal > max_signal || ctx.args[3] != mask_size) return -EINVAL;
  kernel_sigaction wanted{};
  if (ctx.args[1]) {
    if (!load(ctx, ctx.args[1], wanted)) return -EFAULT;
    if (signal == SIGKILL || signal == SIGSTOP) return -EINVAL;
  }
  const signal_action old = ctx.process.signals.action(signal);
  if (ctx.args[1]) {
    ctx.process.signals.set_action(
        signal, {wanted.handler, wanted.flags, wanted.restorer, wanted.mask & ~unblockable_signals});
  }
  const kernel_sigaction shown{old.handler, old.flags, old.restorer, old.mask};
  return !ctx.args[2] || store(ctx, ctx.args[2], shown) ? 0 : -EFAULT;
}

std::int64_t do_rt_sigprocmask(call_context& ctx) {
  if (ctx.args[3] != mask_size) return -EINVAL;
  const signal_mask old = ctx.thread.signals.blocked;
  if (ctx.args[1]) {
    signal_mask set = 0;
    if (!load(ctx, ctx.args[1], set)) return -EFAULT;
    switch (int_arg(ctx, 0)) {
      case SIG_BLOCK: set |= old; break;
      case SIG_UNBLOCK: set = old & ~set; break;
      case SIG_SETMASK: break;
      default: return -EINVAL;
    }
    if ((set & ~unblockable_signals) != old) ctx.process.signals.set_blocked(ctx.thread, set);
  }
  return !ctx.args[2] || store(ctx, ctx.args[2], old) ? 0 : -EFAULT;
}

std::int64_t do_rt_sigpending(call_context& ctx) {
  if (ctx.args[1] > mask_size) return -EINVAL;
  const signal_mask set = ctx.process.signals.pending(ctx.thread);
  return memory_access(ctx.memory).write(ctx.args[0], &set, ctx.args[1]) ? 0 : -EFAULT;
}

struct kernel_stack {
  std::uint64_t pointer;
  std::uint32_t flags;
  std::uint32_t padding;
  std::uint64_t size;
};

constexpr std::uint64_t smallest_stack = 2048;  // MINSIGSTKSZ of the kernel's ABI

std::int64_t set_stack(call_context& ctx, const kernel_stack& wanted, bool on_it) {
  if (on_it) return -EPERM;
  const std::uint32_t mode = wanted.flags & ~stack_disarm;
  if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK) return -EINVAL;
  if (mode == SS_DISABLE) {
    ctx.process.signals.set_stack(ctx.thread, {.flags = wanted.flags});
    return 0;
  }
  if (wanted.size < smallest_stack) return -ENOMEM;
  ctx.process.signals.set_stack(ctx.thread, {wanted.pointer, wanted.size, wanted.flags});
  return 0;
}

std::int64_t do_sigaltstack(call_context& ctx) {
  const alternate_stack now = ctx.thread.signals.stack;
  const bool on_it = now.usable() && now.holds(ctx.thread.regs->rsp);
  const std::uint32_t state = !now.usable() ? std::uint32_t{SS_DISABLE}
                              : on_it       ? std::uint32_t{SS_ONSTACK}
                                            : 0;
  if (ctx.args[0]) {
    kernel_stack wanted{};
    if (!load(ctx, ctx.args[0], wanted)) return -EFAULT;
    if (const auto r = set_stack(ctx, wanted, on_it); r < 0) return r;
  }
  const kernel_stack old{now.pointer, state | (now.flags & stack_disarm), 0, now.size};
  return !ctx.args[1] || store(ctx, ctx.args[1], old) ? 0 : -EFAULT;
}

// The frame replaces everything; a bad one is the fault of the program that made it.
std::int64_t do_rt_sigreturn(call_context& ctx) {
  auto context = std::make_unique<signal_context>();
  context->valid = read_signal_frame(ctx.memory, ctx.thread.regs->rsp, ctx.instance.xstate, *context);
  if (context->valid) {
    ctx.process.signals.set_blocked(ctx.thread, context->mask);
    const alternate_stack& s = context->stack;
    const alternate_stack& now = ctx.thread.signals.stack;
    const bool on_it = now.usable() && now.holds(ctx.thread.regs->rsp);
    (void)set_stack(ctx, {s.pointer, s.flags, 0, s.size}, on_it);  // what cannot be set stays, as in Linux
  }
  ctx.thread.context = std::move(context);
  return 0;
}

std::int64_t do_pause(call_context& ctx) {
  (void)ctx.thread.wait.sleep(std::nullopt);
  return stopped_call(ctx, interrupted_call::unless_handled);
}

std::int64_t do_rt_sigsuspend(call_context& ctx) {
  signal_mask mask = 0;
  if (ctx.args[1] != mask_size) return -EINVAL;
  if (!load(ctx, ctx.args[0], mask)) return -EFAULT;
  set_temporary_mask(ctx, mask);
  (void)ctx.thread.wait.sleep(std::nullopt);
  return stopped_call(ctx, interrupted_call::unless_handled);
}

std::int64_t wait_for_signal(call_context& ctx, signal_mask wanted, deadline until, siginfo_t& info) {
  auto& signals = ctx.process.signals;
  if (signals.take_one_of(ctx.thread, wanted, info)) return info.si_signo;
  if (until && *until <= wait_clock::now()) return -EAGAIN;
  signals.wait_for(ctx.thread, wanted);
  const wait_result r = ctx.thread.wait.sleep(until);
  const bool got = signals.take_one_of(ctx.thread, wanted, info);
  signals.wait_for(ctx.thread, 0);
  if (got) return info.si_signo;
  return r == wait_result::timed_out ? -EAGAIN : stopped_call(ctx, interrupted_call::unless_handled);
}

std::int64_t do_rt_sigtimedwait(call_context& ctx) {
  signal_mask wanted = 0;
  if (ctx.args[3] != mask_size) return -EINVAL;
  if (!load(ctx, ctx.args[0], wanted)) return -EFAULT;
  deadline until;
  if (ctx.args[2]) {
    timespec t{};
    if (!load(ctx, ctx.args[2], t)) return -EFAULT;
    if (!valid(t)) return -EINVAL;
    until = ctx.thread.keep(deadline_after(t));
  }
  siginfo_t info{};
  const std::int64_t r = wait_for_signal(ctx, wanted & ~unblockable_signals, until, info);
  if (r > 0 && ctx.args[1] && !store(ctx, ctx.args[1], info)) return -EFAULT;
  return r;
}

// A call that a signal stopped is repeated by the engine; what reaches this number has nothing to go on with.
std::int64_t do_restart_syscall(call_context&) {
  return -EINTR;
}

constexpr syscall_entry signals_entries[] = {
    {13, "rt_sigaction", call<do_rt_sigaction>, capability::always, "ipPl"},
    {14, "rt_sigprocmask", call<do_rt_sigprocmask>, capability::always, "ipPl"},
    {15, "rt_sigreturn", call<do_rt_sigreturn>},
    {34, "pause", call<do_pause>},
    {127, "rt_sigpending", call<do_rt_sigpending>, capability::always, "Pl"},
    {128, "rt_sigtimedwait", call<do_rt_sigtimedwait>, capability::always, "pPpl"},
    {130, "rt_sigsuspend", call<do_rt_sigsuspend>, capability::always, "pl"},
    {131, "sigaltstack", call<do_sigaltstack>, capability::always, "pP"},
    {219, "restart_syscall", call<do_restart_syscall>},
};

}  // namespace

extern const syscall_family signals_family;
const syscall_family signals_family{"signals", signals_entries};

}  // namespace osvm::unikernel
