// Signal state, and signals that a guest sends itself. Default actions are carried out; delivery to handlers is not
// part of this version: sending a signal that has a handler is refused by name instead of being lost.
#include "unikernel/syscalls/arguments.hpp"

#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t unblockable = (1ULL << (SIGKILL - 1)) | (1ULL << (SIGSTOP - 1));

struct kernel_sigaction {
  std::uint64_t handler, flags, restorer, mask;
};

std::int64_t do_rt_sigaction(call_context& ctx) {
  const int signal = int_arg(ctx, 0);
  if (signal < 1 || signal > 64 || ctx.args[3] != 8) return -EINVAL;
  kernel_sigaction wanted{};
  if (ctx.args[1]) {
    if (signal == SIGKILL || signal == SIGSTOP) return -EINVAL;
    if (!load(ctx, ctx.args[1], wanted)) return -EFAULT;
  }
  kernel_sigaction old{};
  {
    const std::scoped_lock lock(ctx.instance.signal_lock);
    auto& a = ctx.instance.signal_actions[static_cast<unsigned>(signal)];
    old = {a.handler, a.flags, a.restorer, a.mask};
    if (ctx.args[1]) a = {wanted.handler, wanted.flags, wanted.restorer, wanted.mask & ~unblockable};
  }
  return !ctx.args[2] || store(ctx, ctx.args[2], old) ? 0 : -EFAULT;
}

std::int64_t do_rt_sigprocmask(call_context& ctx) {
  if (ctx.args[3] != 8) return -EINVAL;
  const std::uint64_t old = ctx.thread.signal_mask;
  if (ctx.args[1]) {
    std::uint64_t set = 0;
    if (!load(ctx, ctx.args[1], set)) return -EFAULT;
    switch (int_arg(ctx, 0)) {
      case SIG_BLOCK: set |= old; break;
      case SIG_UNBLOCK: set = old & ~set; break;
      case SIG_SETMASK: break;
      default: return -EINVAL;
    }
    ctx.thread.signal_mask = set & ~unblockable;
  }
  return !ctx.args[2] || store(ctx, ctx.args[2], old) ? 0 : -EFAULT;
}

struct kernel_stack {
  std::uint64_t pointer;
  std::int32_t flags;
  std::uint32_t padding;
  std::uint64_t size;
};

std::int64_t do_sigaltstack(call_context& ctx) {
  const kernel_stack old{ctx.thread.alt_stack, static_cast<std::int32_t>(ctx.thread.alt_stack_flags), 0,
                         ctx.thread.alt_stack_size};
  if (ctx.args[0]) {
    kernel_stack wanted{};
    if (!load(ctx, ctx.args[0], wanted)) return -EFAULT;
    if (wanted.flags & ~(SS_DISABLE | static_cast<int>(0x80000000U))) return -EINVAL;
    if (!(wanted.flags & SS_DISABLE) && wanted.size < 2048 /* MINSIGSTKSZ of the kernel's ABI */) return -ENOMEM;
    ctx.thread.alt_stack = wanted.pointer;
    ctx.thread.alt_stack_size = wanted.size;
    ctx.thread.alt_stack_flags = static_cast<std::uint32_t>(wanted.flags);
  }
  return !ctx.args[1] || store(ctx, ctx.args[1], old) ? 0 : -EFAULT;
}

bool ignored_by_default(int signal) noexcept {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

std::int64_t raise(call_context& ctx, int signal) {
  if (signal == 0) return 0;
  if (signal < 0 || signal > 64) return -EINVAL;
  std::uint64_t handler = 0;
  {
    const std::scoped_lock lock(ctx.instance.signal_lock);
    handler = ctx.instance.signal_actions[static_cast<unsigned>(signal)].handler;
  }
  if (handler == 1 || (handler == 0 && ignored_by_default(signal))) return 0;
  if (handler != 0) {
    return ctx.instance.deny("a signal with a handler", "unsupported: signal handlers in this version", ENOSYS);
  }
  exit_report r;
  r.cause = exit_cause::signaled;
  r.signal = signal;
  ctx.thread.exiting = true;
  ctx.instance.host.end(std::move(r));
  return 0;
}

std::int64_t do_kill(call_context& ctx) {
  const int pid = int_arg(ctx, 0);
  return pid == 1000 || pid == 0 || pid == -1 ? raise(ctx, int_arg(ctx, 1)) : -ESRCH;
}

std::int64_t do_tkill(call_context& ctx) {
  return ctx.instance.host.has_thread(int_arg(ctx, 0)) ? raise(ctx, int_arg(ctx, 1)) : -ESRCH;
}

std::int64_t do_tgkill(call_context& ctx) {
  if (int_arg(ctx, 0) != 1000 || !ctx.instance.host.has_thread(int_arg(ctx, 1))) return -ESRCH;
  return raise(ctx, int_arg(ctx, 2));
}

std::int64_t do_rt_sigpending(call_context& ctx) {
  const std::uint64_t none = 0;
  return store(ctx, ctx.args[0], none) ? 0 : -EFAULT;
}

std::int64_t do_pause(call_context& ctx) {
  (void)ctx.thread.wait.sleep(std::nullopt);
  return -EINTR;
}

constexpr syscall_entry entries[] = {
    {13, "rt_sigaction", call<do_rt_sigaction>, capability::always, "ipPl"},
    {14, "rt_sigprocmask", call<do_rt_sigprocmask>, capability::always, "ipPl"},
    {34, "pause", call<do_pause>},
    {62, "kill", call<do_kill>, capability::always, "ii"},
    {127, "rt_sigpending", call<do_rt_sigpending>, capability::always, "Pl"},
    {131, "sigaltstack", call<do_sigaltstack>, capability::always, "pP"},
    {200, "tkill", call<do_tkill>, capability::always, "ii"},
    {234, "tgkill", call<do_tgkill>, capability::always, "iii"},
};

}  // namespace

extern const syscall_family signals_family;
const syscall_family signals_family{"signals", entries};

}  // namespace osvm::unikernel
