// signalfd: pending signals as something to read and to poll.
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

namespace osvm::unikernel {
namespace {

std::int64_t change_signalfd(call_context& ctx, signal_mask mask) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (d->what->kind != file_kind::signals) return -EINVAL;
  const auto watch = std::static_pointer_cast<signal_watch>(d->what->extra);
  watch->mask.store(mask);
  ctx.process.signals.watch(watch);
  return int_arg(ctx, 0);
}

std::int64_t make_signalfd(call_context& ctx, int flags) {
  signal_mask mask = 0;
  if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) != 0 || ctx.args[2] != sizeof mask) return -EINVAL;
  if (!load(ctx, ctx.args[1], mask)) return -EFAULT;
  mask &= ~unblockable_signals;
  if (int_arg(ctx, 0) != -1) return change_signalfd(ctx, mask);
  unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return no_descriptor();
  // The watch keeps the event as long as any duplicate of the guest's descriptor lives.
  unique_fd host(::fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  if (!host) return no_descriptor();
  const auto watch = std::make_shared<signal_watch>(std::move(event));
  watch->mask.store(mask);
  auto what = std::make_shared<description>();
  what->kind = file_kind::signals;
  what->writable = false;
  what->nonblocking = (flags & SFD_NONBLOCK) != 0;
  what->extra = watch;
  ctx.process.signals.watch(watch);
  return install(ctx, std::move(what), std::move(host), (flags & SFD_CLOEXEC) != 0);
}

std::int64_t do_signalfd(call_context& ctx) {
  return make_signalfd(ctx, 0);
}
std::int64_t do_signalfd4(call_context& ctx) {
  return make_signalfd(ctx, int_arg(ctx, 3));
}

constexpr syscall_entry signal_fds_entries[] = {
    {282, "signalfd", call<do_signalfd>, capability::always, "fpl"},
    {289, "signalfd4", call<do_signalfd4>, capability::always, "fplx"},
};

}  // namespace

extern const syscall_family signal_fds_family;
const syscall_family signal_fds_family{"signal_fds", signal_fds_entries};

}  // namespace osvm::unikernel
