// Sending signals: a guest reaches the processes of its own instance, nobody else.
#include "unikernel/syscalls/arguments.hpp"
#include "unikernel/syscalls/cloning.hpp"

#include <linux/pidfd.h>
#include <vector>

namespace osvm::unikernel {
namespace {

bool valid_signal(int signal) noexcept {
  return signal >= 0 && signal <= max_signal;
}

siginfo_t from_self(const call_context& ctx, int signal, int how) noexcept {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = how;
  info.si_pid = ctx.process.pid;
  info.si_uid = guest_user_id;
  return info;
}

std::int64_t to_process(process_state& target, const siginfo_t& info) {
  return info.si_signo == 0 ? 0 : target.signals.send(info);
}

std::int64_t to_pid(call_context& ctx, int pid, const siginfo_t& info) {
  if (pid == ctx.process.pid) return to_process(ctx.process, info);
  const auto target = ctx.instance.processes.find(pid);
  if (target) return to_process(*target, info);
  return ctx.instance.processes.exists(pid) ? 0 : -ESRCH;  // a zombie takes signals, which do nothing
}

std::int64_t to_thread_of(process_state& target, int tid, const siginfo_t& info) {
  if (!target.host.has_thread(tid)) return -ESRCH;
  return info.si_signo == 0 ? 0 : target.signals.send_to(tid, info);
}

// `pid` 0: of whichever process has the thread.
std::int64_t to_thread(call_context& ctx, int pid, int tid, const siginfo_t& info) {
  if (pid == ctx.process.pid || (pid == 0 && ctx.process.host.has_thread(tid)))
    return to_thread_of(ctx.process, tid, info);
  if (pid != 0) {
    const auto target = ctx.instance.processes.find(pid);
    return target ? to_thread_of(*target, tid, info) : -ESRCH;
  }
  for (const auto& other : ctx.instance.processes.all()) {
    if (const auto r = to_thread_of(*other, tid, info); r != -ESRCH) return r;
  }
  return -ESRCH;
}

std::int64_t to_all(const std::vector<std::shared_ptr<process_state>>& targets, const process_state* except,
                    const siginfo_t& info) {
  std::int64_t r = -ESRCH;
  for (const auto& target : targets) {
    if (target.get() == except) continue;
    if (const auto one = to_process(*target, info); one == 0 || r == -ESRCH) r = one;
  }
  return r;
}

// 1 is the parent of the first process, which is not the guest's to signal.
std::int64_t do_kill(call_context& ctx) {
  const int pid = int_arg(ctx, 0), signal = int_arg(ctx, 1);
  if (!valid_signal(signal)) return -EINVAL;
  if (pid == outside_pid) return -EPERM;
  const siginfo_t info = from_self(ctx, signal, SI_USER);
  if (pid > 0) return to_pid(ctx, pid, info);
  auto& table = ctx.instance.processes;
  if (pid == -1) return to_all(table.all(), &ctx.process, info);
  const int group = pid == 0 ? table.group_of(ctx.process.pid).value_or(0) : pid == INT32_MIN ? 0 : -pid;
  return to_all(table.in_group(group), nullptr, info);
}

std::int64_t do_tkill(call_context& ctx) {
  const int tid = int_arg(ctx, 0), signal = int_arg(ctx, 1);
  if (tid <= 0 || !valid_signal(signal)) return -EINVAL;
  return to_thread(ctx, 0, tid, from_self(ctx, signal, SI_TKILL));
}

std::int64_t do_tgkill(call_context& ctx) {
  const int pid = int_arg(ctx, 0), tid = int_arg(ctx, 1), signal = int_arg(ctx, 2);
  if (pid <= 0 || tid <= 0 || !valid_signal(signal)) return -EINVAL;
  return to_thread(ctx, pid, tid, from_self(ctx, signal, SI_TKILL));
}

// The sender's own words; to oneself even codes of the kernel may be used.
std::int64_t load_info(call_context& ctx, std::uint64_t va, int signal, siginfo_t& info) {
  if (!load(ctx, va, info)) return -EFAULT;
  if (!valid_signal(signal)) return -EINVAL;
  info.si_signo = signal;
  return 0;
}

// As Linux: nobody may pose as the kernel, or as kill(), before another process.
bool forged(const call_context& ctx, int pid, const siginfo_t& info) noexcept {
  return (info.si_code >= 0 || info.si_code == SI_TKILL) && pid != ctx.process.pid;
}

std::int64_t do_rt_sigqueueinfo(call_context& ctx) {
  siginfo_t info{};
  const int pid = int_arg(ctx, 0);
  if (const auto r = load_info(ctx, ctx.args[2], int_arg(ctx, 1), info); r < 0) return r;
  if (pid <= 0) return -ESRCH;
  return forged(ctx, pid, info) ? (ctx.instance.processes.exists(pid) ? -EPERM : -ESRCH)
                                : to_pid(ctx, pid, info);
}

std::int64_t do_rt_tgsigqueueinfo(call_context& ctx) {
  const int pid = int_arg(ctx, 0), tid = int_arg(ctx, 1);
  siginfo_t info{};
  if (const auto r = load_info(ctx, ctx.args[3], int_arg(ctx, 2), info); r < 0) return r;
  if (pid <= 0 || tid <= 0) return -EINVAL;
  if (forged(ctx, pid, info)) return ctx.instance.processes.exists(pid) ? -EPERM : -ESRCH;
  return to_thread(ctx, pid, tid, info);
}

// A descriptor of a process: readable when it has ended.
std::int64_t do_pidfd_open(call_context& ctx) {
  const int pid = int_arg(ctx, 0);
  if ((ctx.args[1] & ~std::uint64_t{PIDFD_NONBLOCK}) != 0 || pid <= 0) return -EINVAL;
  if (!ctx.instance.processes.exists(pid)) return ctx.process.host.has_thread(pid) ? -EINVAL : -ESRCH;
  return open_pidfd(ctx, pid, (ctx.args[1] & PIDFD_NONBLOCK) != 0);
}

std::int64_t do_pidfd_send_signal(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  const int signal = int_arg(ctx, 1);
  if (ctx.args[3] != 0) return -EINVAL;
  if (!d || d->what->kind != file_kind::process) return -EBADF;
  if (!valid_signal(signal)) return -EINVAL;
  const int pid = *static_cast<const int*>(d->what->extra.get());
  if (ctx.args[2] == 0) return to_pid(ctx, pid, from_self(ctx, signal, SI_USER));
  siginfo_t info{};
  if (!load(ctx, ctx.args[2], info)) return -EFAULT;
  if (info.si_signo != signal) return -EINVAL;
  return forged(ctx, pid, info) ? -EPERM : to_pid(ctx, pid, info);
}

constexpr syscall_entry signal_send_entries[] = {
    {62, "kill", call<do_kill>, capability::always, "ii"},
    {129, "rt_sigqueueinfo", call<do_rt_sigqueueinfo>, capability::always, "iip"},
    {200, "tkill", call<do_tkill>, capability::always, "ii"},
    {234, "tgkill", call<do_tgkill>, capability::always, "iii"},
    {297, "rt_tgsigqueueinfo", call<do_rt_tgsigqueueinfo>, capability::always, "iiip"},
    {424, "pidfd_send_signal", call<do_pidfd_send_signal>, capability::always, "fipx"},
    {434, "pidfd_open", call<do_pidfd_open>, capability::always, "ix"},
};

}  // namespace

extern const syscall_family signal_send_family;
const syscall_family signal_send_family{"signal_send", signal_send_entries};

}  // namespace osvm::unikernel
