// Sending signals: a guest reaches its own process and threads, nobody else.
#include "unikernel/syscalls/arguments.hpp"

#include <linux/pidfd.h>
#include <sys/eventfd.h>

namespace osvm::unikernel {
namespace {

bool valid_signal(int signal) noexcept {
  return signal >= 0 && signal <= max_signal;
}

siginfo_t from_self(int signal, int how) noexcept {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = how;
  info.si_pid = guest_process_id;
  info.si_uid = guest_user_id;
  return info;
}

std::int64_t to_process(call_context& ctx, const siginfo_t& info) {
  return info.si_signo == 0 ? 0 : ctx.instance.signals.send(info);
}

std::int64_t to_thread(call_context& ctx, int tid, const siginfo_t& info) {
  if (!ctx.instance.host.has_thread(tid)) return -ESRCH;
  return info.si_signo == 0 ? 0 : ctx.instance.signals.send_to(tid, info);
}

// -1 means everybody but oneself, and there is nobody else; 1 is the parent, which is not the guest's to
// signal.
std::int64_t do_kill(call_context& ctx) {
  const int pid = int_arg(ctx, 0), signal = int_arg(ctx, 1);
  if (!valid_signal(signal)) return -EINVAL;
  if (pid == 1) return -EPERM;
  if (pid != guest_process_id && pid != 0 && pid != -guest_process_id) return -ESRCH;
  return to_process(ctx, from_self(signal, SI_USER));
}

std::int64_t do_tkill(call_context& ctx) {
  const int tid = int_arg(ctx, 0), signal = int_arg(ctx, 1);
  if (tid <= 0 || !valid_signal(signal)) return -EINVAL;
  return to_thread(ctx, tid, from_self(signal, SI_TKILL));
}

std::int64_t do_tgkill(call_context& ctx) {
  const int pid = int_arg(ctx, 0), tid = int_arg(ctx, 1), signal = int_arg(ctx, 2);
  if (pid <= 0 || tid <= 0 || !valid_signal(signal)) return -EINVAL;
  return pid == guest_process_id ? to_thread(ctx, tid, from_self(signal, SI_TKILL)) : -ESRCH;
}

// The sender's own words; to oneself even codes of the kernel may be used.
std::int64_t load_info(call_context& ctx, std::uint64_t va, int signal, siginfo_t& info) {
  if (!load(ctx, va, info)) return -EFAULT;
  if (!valid_signal(signal)) return -EINVAL;
  info.si_signo = signal;
  return 0;
}

std::int64_t do_rt_sigqueueinfo(call_context& ctx) {
  siginfo_t info{};
  if (const auto r = load_info(ctx, ctx.args[2], int_arg(ctx, 1), info); r < 0) return r;
  return int_arg(ctx, 0) == guest_process_id ? to_process(ctx, info) : -ESRCH;
}

std::int64_t do_rt_tgsigqueueinfo(call_context& ctx) {
  const int pid = int_arg(ctx, 0), tid = int_arg(ctx, 1);
  siginfo_t info{};
  if (const auto r = load_info(ctx, ctx.args[3], int_arg(ctx, 2), info); r < 0) return r;
  if (pid <= 0 || tid <= 0) return -EINVAL;
  return pid == guest_process_id ? to_thread(ctx, tid, info) : -ESRCH;
}

// A descriptor of the process itself: readable when it has ended, so never as long as anyone can look.
std::int64_t do_pidfd_open(call_context& ctx) {
  const int pid = int_arg(ctx, 0);
  if ((ctx.args[1] & ~std::uint64_t{PIDFD_NONBLOCK}) != 0 || pid <= 0) return -EINVAL;
  if (pid != guest_process_id) return ctx.instance.host.has_thread(pid) ? -EINVAL : -ESRCH;
  unique_fd host(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!host) return no_descriptor();
  auto what = std::make_shared<description>();
  what->kind = file_kind::process;
  what->readable = what->writable = false;
  return install(ctx, std::move(what), std::move(host), true);
}

std::int64_t do_pidfd_send_signal(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  const int signal = int_arg(ctx, 1);
  if (ctx.args[3] != 0) return -EINVAL;
  if (!d || d->what->kind != file_kind::process) return -EBADF;
  if (ctx.args[2] == 0) return valid_signal(signal) ? to_process(ctx, from_self(signal, SI_USER)) : -EINVAL;
  siginfo_t info{};
  if (!load(ctx, ctx.args[2], info)) return -EFAULT;
  return info.si_signo == signal && valid_signal(signal) ? to_process(ctx, info) : -EINVAL;
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
