// Descriptors that carry events or bytes inside the guest: eventfd, timerfd, pipes. Real ones of the host.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t pipe_bytes = 64 << 10;  // what a pipe may hold in the host's kernel

std::shared_ptr<description> describe(file_kind kind, bool nonblocking) {
  auto what = std::make_shared<description>();
  what->kind = kind;
  what->nonblocking = nonblocking;
  return what;
}

std::int64_t make_eventfd(call_context& ctx, int flags) {
  if ((flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK)) != 0) return -EINVAL;
  unique_fd host(::eventfd(unsigned_arg(ctx, 0), (flags & EFD_SEMAPHORE) | EFD_CLOEXEC | EFD_NONBLOCK));
  if (!host) return no_descriptor();
  auto what = describe(file_kind::eventfd, (flags & EFD_NONBLOCK) != 0);
  return install(ctx, std::move(what), std::move(host), (flags & EFD_CLOEXEC) != 0);
}
std::int64_t sys_eventfd(call_context& ctx) {
  return make_eventfd(ctx, 0);
}
std::int64_t sys_eventfd2(call_context& ctx) {
  return make_eventfd(ctx, int_arg(ctx, 1));
}

std::int64_t sys_timerfd_create(call_context& ctx) {
  const int clock = int_arg(ctx, 0), flags = int_arg(ctx, 1);
  if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) != 0) return -EINVAL;
  if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
    return ctx.instance.deny("timerfd_create with an alarm clock", "guests do not wake the host", EPERM);
  unique_fd host(::timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!host) return no_descriptor();
  auto what = describe(file_kind::timerfd, (flags & TFD_NONBLOCK) != 0);
  return install(ctx, std::move(what), std::move(host), (flags & TFD_CLOEXEC) != 0);
}

std::int64_t sys_timerfd_settime(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  itimerspec value, old{};
  if (!load(ctx, ctx.args[2], value)) return -EFAULT;
  if (d->what->kind != file_kind::timerfd) return -EINVAL;
  const std::int64_t r = host_result(::timerfd_settime(d->host.get(), int_arg(ctx, 1), &value, &old));
  if (r == 0 && ctx.args[3] != 0 && !store(ctx, ctx.args[3], old)) return -EFAULT;
  return r;
}

std::int64_t sys_timerfd_gettime(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (d->what->kind != file_kind::timerfd) return -EINVAL;
  itimerspec now{};
  if (::timerfd_gettime(d->host.get(), &now) != 0) return -errno;
  return store(ctx, ctx.args[1], now) ? 0 : -EFAULT;
}

std::int64_t make_pipe(call_context& ctx, int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0) return -EINVAL;
  auto charge = memory_charge::take(ctx, pipe_bytes);
  if (!charge) return -ENFILE;
  int ends[2];
  if (::pipe2(ends, (flags & O_DIRECT) | O_CLOEXEC | O_NONBLOCK) != 0) return no_descriptor();
  unique_fd hosts[2] = {unique_fd(ends[0]), unique_fd(ends[1])};
  int numbers[2];
  for (int i = 0; i < 2; ++i) {
    auto what = describe(file_kind::pipe, (flags & O_NONBLOCK) != 0);
    what->readable = i == 0;
    what->writable = i == 1;
    what->extra = charge;
    const std::int64_t fd = install(ctx, std::move(what), std::move(hosts[i]), (flags & O_CLOEXEC) != 0);
    if (fd < 0 && i == 1) (void)ctx.process.descriptors.remove(numbers[0]);
    if (fd < 0) return fd;
    numbers[i] = static_cast<int>(fd);
  }
  if (store(ctx, ctx.args[0], numbers)) return 0;
  for (const int fd : numbers) (void)ctx.process.descriptors.remove(fd);
  return -EFAULT;
}
std::int64_t sys_pipe(call_context& ctx) {
  return make_pipe(ctx, 0);
}
std::int64_t sys_pipe2(call_context& ctx) {
  return make_pipe(ctx, int_arg(ctx, 1));
}

constexpr syscall_entry events_entries[] = {
    {22, "pipe", call<sys_pipe>, capability::always, "P"},
    {283, "timerfd_create", call<sys_timerfd_create>, capability::always, "ix"},
    {284, "eventfd", call<sys_eventfd>, capability::always, "u"},
    {286, "timerfd_settime", call<sys_timerfd_settime>, capability::always, "fxpP"},
    {287, "timerfd_gettime", call<sys_timerfd_gettime>, capability::always, "fP"},
    {290, "eventfd2", call<sys_eventfd2>, capability::always, "ux"},
    {293, "pipe2", call<sys_pipe2>, capability::always, "Px"},
};

}  // namespace

extern const syscall_family events_family;
const syscall_family events_family{"events", events_entries};

}  // namespace osvm::unikernel
