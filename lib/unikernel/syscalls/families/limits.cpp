// Resource limits.
#include "unikernel/limits.hpp"

#include "unikernel/syscalls/arguments.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

namespace osvm::unikernel {
namespace {

// The unit of RLIMIT_CPU; 0: none.
std::chrono::nanoseconds seconds_of(rlim_t limit) noexcept {
  constexpr rlim_t far = rlim_t{100} * 365 * 86400;
  if (limit >= far) return std::chrono::nanoseconds{0};
  return std::chrono::seconds(std::max<rlim_t>(limit, 1));  // Linux, too, makes 0 one second
}

std::int64_t set_limit(call_context& ctx, unsigned resource, const rlimit& wanted) {
  if (const int r = ctx.process.limits.set(resource, wanted); r < 0) return r;
  if (resource == RLIMIT_CPU)
    ctx.process.timers.set_cpu_limit(seconds_of(wanted.rlim_cur), seconds_of(wanted.rlim_max));
  if (resource == RLIMIT_NOFILE)
    ctx.process.descriptors.lower(static_cast<unsigned>(std::min<rlim_t>(wanted.rlim_cur, ~0U)));
  return 0;
}

std::int64_t do_prlimit64(call_context& ctx) {
  if (int_arg(ctx, 0) != 0 && int_arg(ctx, 0) != ctx.process.pid) return -ESRCH;
  if (ctx.args[1] >= RLIM_NLIMITS) return -EINVAL;
  const auto resource = static_cast<unsigned>(ctx.args[1]);
  const rlimit old = ctx.process.limits.get(resource);
  if (ctx.args[2]) {
    rlimit wanted{};
    if (!load(ctx, ctx.args[2], wanted)) return -EFAULT;
    if (const std::int64_t r = set_limit(ctx, resource, wanted); r < 0) return r;
  }
  return !ctx.args[3] || store(ctx, ctx.args[3], old) ? 0 : -EFAULT;
}

std::int64_t do_getrlimit(call_context& ctx) {
  if (ctx.args[0] >= RLIM_NLIMITS) return -EINVAL;
  return store(ctx, ctx.args[1], ctx.process.limits.get(static_cast<unsigned>(ctx.args[0]))) ? 0 : -EFAULT;
}

std::int64_t do_setrlimit(call_context& ctx) {
  rlimit wanted{};
  if (ctx.args[0] >= RLIM_NLIMITS) return -EINVAL;
  if (!load(ctx, ctx.args[1], wanted)) return -EFAULT;
  return set_limit(ctx, static_cast<unsigned>(ctx.args[0]), wanted);
}

constexpr syscall_entry limits_entries[] = {
    {97, "getrlimit", call<do_getrlimit>, capability::always, "uP"},
    {160, "setrlimit", call<do_setrlimit>, capability::always, "up"},
    {302, "prlimit64", call<do_prlimit64>, capability::always, "iupP"},
};

}  // namespace

extern const syscall_family limits_family;
const syscall_family limits_family{"limits", limits_entries};

}  // namespace osvm::unikernel
