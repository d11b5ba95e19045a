// Scheduling: guest threads are scheduled by the host as the embedder's threads are. What a guest asks for is
// checked as Linux checks it for a process without privileges, and has no effect.
#include "unikernel/syscalls/arguments.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {
namespace {

// 0, or why `which` is no process or thread of this guest; 0 means the caller.
std::int64_t find_thread(const call_context& ctx, int which) {
  if (which < 0) return -EINVAL;
  return which == 0 || ctx.instance.processes.exists(which) || ctx.process.host.has_thread(which) ? 0
                                                                                                  : -ESRCH;
}

std::int64_t do_sched_yield(call_context&) {
  (void)::sched_yield();
  return 0;
}

// The CPUs that the embedder's process may use: what a thread pool of the guest should be sized by.
std::int64_t do_sched_getaffinity(call_context& ctx) {
  if (const std::int64_t r = find_thread(ctx, int_arg(ctx, 0)); r < 0) return -ESRCH;
  const int cpus = std::max(1, static_cast<int>(ctx.instance.cpus));
  std::uint64_t mask[16] = {};
  for (int i = 0; i < std::min(cpus, 1024); ++i) mask[i / 64] |= std::uint64_t{1} << (i % 64);
  const std::size_t size = std::min<std::uint64_t>(ctx.args[1], sizeof mask);
  if (size < 8 || ctx.args[1] % 8) return -EINVAL;
  if (!memory_access(ctx.memory).write(ctx.args[2], mask, size)) return -EFAULT;
  return static_cast<std::int64_t>(size);
}

std::int64_t do_getcpu(call_context& ctx) {
  const std::uint32_t zero = 0;
  if (ctx.args[0] && !store(ctx, ctx.args[0], zero)) return -EFAULT;
  if (ctx.args[1] && !store(ctx, ctx.args[1], zero)) return -EFAULT;
  return 0;
}

std::int64_t do_sched_setaffinity(call_context& ctx) {
  if (const std::int64_t r = find_thread(ctx, int_arg(ctx, 0)); r < 0) return -ESRCH;
  std::uint64_t mask = 0;
  const std::size_t size = std::min<std::uint64_t>(ctx.args[1], sizeof mask);
  if (!memory_access(ctx.memory).read(ctx.args[2], &mask, size)) return -EFAULT;
  const unsigned cpus = std::clamp(ctx.instance.cpus, 1U, 64U);
  const std::uint64_t own = cpus == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << cpus) - 1;
  return mask & own ? 0 : -EINVAL;
}

// What a process without privileges may choose; real-time policies are refused as they are to it.
std::int64_t judge(int policy, int priority) {
  switch (policy & ~SCHED_RESET_ON_FORK) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR: return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    default: return -EINVAL;
  }
}

std::int64_t do_sched_setscheduler(call_context& ctx) {
  int priority = 0;
  if (int_arg(ctx, 1) < 0 || ctx.args[2] == 0) return -EINVAL;
  if (const std::int64_t r = find_thread(ctx, int_arg(ctx, 0)); r < 0) return r;
  if (!load(ctx, ctx.args[2], priority)) return -EFAULT;
  return judge(int_arg(ctx, 1), priority);
}

std::int64_t do_sched_setparam(call_context& ctx) {
  int priority = 0;
  if (ctx.args[1] == 0) return -EINVAL;
  if (const std::int64_t r = find_thread(ctx, int_arg(ctx, 0)); r < 0) return r;
  if (!load(ctx, ctx.args[1], priority)) return -EFAULT;
  return judge(SCHED_OTHER, priority);
}

std::int64_t do_sched_getscheduler(call_context& ctx) {
  const std::int64_t r = find_thread(ctx, int_arg(ctx, 0));
  return r < 0 ? r : SCHED_OTHER;
}

std::int64_t do_sched_getparam(call_context& ctx) {
  if (ctx.args[1] == 0) return -EINVAL;
  if (const std::int64_t r = find_thread(ctx, int_arg(ctx, 0)); r < 0) return r;
  const int priority = 0;
  return store(ctx, ctx.args[1], priority) ? 0 : -EFAULT;
}

// As the kernel returns it: 20 is the usual one.
std::int64_t do_getpriority(call_context& ctx) {
  if (int_arg(ctx, 0) < 0 || int_arg(ctx, 0) > 2) return -EINVAL;
  if (int_arg(ctx, 0) == PRIO_PROCESS && find_thread(ctx, int_arg(ctx, 1)) < 0) return -ESRCH;
  return 20;
}

// Real for the calling thread, and only downwards: the embedder may be root.
std::int64_t sys_setpriority(call_context& ctx) {
  if (int_arg(ctx, 0) != PRIO_PROCESS || find_thread(ctx, int_arg(ctx, 1)) < 0) return -ESRCH;
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  const int wanted = std::min(int_arg(ctx, 2), 19);
  if (errno != 0 || wanted < now) return -EACCES;
  return host_result(::setpriority(PRIO_PROCESS, 0, wanted));
}

template <int RealTime>
std::int64_t priority_bound(call_context& ctx) {
  switch (int_arg(ctx, 0)) {
    case SCHED_FIFO:
    case SCHED_RR: return RealTime;
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return 0;
    default: return -EINVAL;
  }
}

constexpr syscall_entry scheduling_entries[] = {
    {24, "sched_yield", call<do_sched_yield>},
    {140, "getpriority", call<do_getpriority>, capability::always, "ii"},
    {141, "setpriority", call<sys_setpriority>, capability::always, "iii"},
    {142, "sched_setparam", call<do_sched_setparam>, capability::always, "ip"},
    {143, "sched_getparam", call<do_sched_getparam>, capability::always, "iP"},
    {144, "sched_setscheduler", call<do_sched_setscheduler>, capability::always, "iip"},
    {145, "sched_getscheduler", call<do_sched_getscheduler>, capability::always, "i"},
    {146, "sched_get_priority_max", call<priority_bound<99>>, capability::always, "i"},
    {147, "sched_get_priority_min", call<priority_bound<1>>, capability::always, "i"},
    {203, "sched_setaffinity", call<do_sched_setaffinity>, capability::always, "ilp"},
    {204, "sched_getaffinity", call<do_sched_getaffinity>, capability::always, "ilP"},
    {309, "getcpu", call<do_getcpu>, capability::always, "PP"},
};

}  // namespace

extern const syscall_family scheduling_family;
const syscall_family scheduling_family{"scheduling", scheduling_entries};

}  // namespace osvm::unikernel
