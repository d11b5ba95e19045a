// Clocks and sleeping. The vDSO answers most clock reads inside the guest.
#include "unikernel/syscalls/arguments.hpp"

#include <sys/time.h>
#include <sys/times.h>

namespace osvm::unikernel {
namespace {

// Clocks of the host that say nothing about other processes.
bool known_clock(std::int64_t id) noexcept {
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI: return true;
    default: return false;
  }
}

timespec to_timespec(std::chrono::nanoseconds d) noexcept {
  return {static_cast<time_t>(d.count() / 1'000'000'000), static_cast<long>(d.count() % 1'000'000'000)};
}

std::int64_t do_clock_gettime(call_context& ctx) {
  timespec t{};
  const int id = int_arg(ctx, 0);
  if (id == CLOCK_PROCESS_CPUTIME_ID) {
    t = to_timespec(ctx.process.host.cpu_time());
  } else if (id == CLOCK_THREAD_CPUTIME_ID) {
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  } else if (known_clock(id)) {
    (void)::clock_gettime(id, &t);
  } else {
    // CPU time by number, as pthread_getcpuclockid() and clock_getcpuclockid() make it.
    const auto clock = timer_clock_of(id, ctx.thread.tid, ctx.process.pid);
    if (!clock) return -EINVAL;
    const auto used = clock->tid ? ctx.process.host.thread_cpu_time(clock->tid) : ctx.process.host.cpu_time();
    if (!used) return -EINVAL;
    t = to_timespec(*used);
  }
  return store(ctx, ctx.args[1], t) ? 0 : -EFAULT;
}

std::int64_t do_clock_getres(call_context& ctx) {
  const int id = int_arg(ctx, 0);
  if (!known_clock(id) && !timer_clock_of(id, ctx.thread.tid, ctx.process.pid)) return -EINVAL;
  timespec t{};
  (void)::clock_getres(known_clock(id) ? id : CLOCK_THREAD_CPUTIME_ID, &t);
  return !ctx.args[1] || store(ctx, ctx.args[1], t) ? 0 : -EFAULT;
}

std::int64_t do_gettimeofday(call_context& ctx) {
  timeval tv{};
  (void)::gettimeofday(&tv, nullptr);
  if (ctx.args[0] && !store(ctx, ctx.args[0], tv)) return -EFAULT;
  const std::int64_t no_zone = 0;
  if (ctx.args[1] && !store(ctx, ctx.args[1], no_zone)) return -EFAULT;
  return 0;
}

std::int64_t do_time(call_context& ctx) {
  const std::int64_t now = ::time(nullptr);
  if (ctx.args[0] && !store(ctx, ctx.args[0], now)) return -EFAULT;
  return now;
}

std::int64_t sleep_until(call_context& ctx, deadline until, std::uint64_t remaining_va,
                         interrupted_call how) {
  until = ctx.thread.keep(until);
  if (ctx.thread.wait.sleep(until) != wait_result::interrupted) return 0;
  if (remaining_va && until) {
    const auto left =
        std::max(std::chrono::nanoseconds{0},
                 std::chrono::duration_cast<std::chrono::nanoseconds>(*until - wait_clock::now()));
    if (!store(ctx, remaining_va, to_timespec(left))) return -EFAULT;
  }
  return stopped_call(ctx, how);
}

std::int64_t do_nanosleep(call_context& ctx) {
  timespec t{};
  if (!load(ctx, ctx.args[0], t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  return sleep_until(ctx, deadline_after(t), ctx.args[1], interrupted_call::with_deadline);
}

std::int64_t do_clock_nanosleep(call_context& ctx) {
  const int id = int_arg(ctx, 0);
  if (id == CLOCK_PROCESS_CPUTIME_ID)
    return ctx.instance.deny("clock_nanosleep of CPU time", "unsupported", ENOTSUP);
  if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME && id != CLOCK_TAI)
    return -EINVAL;
  timespec t{};
  if (!load(ctx, ctx.args[2], t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  if (!(int_arg(ctx, 1) & TIMER_ABSTIME)) {
    return sleep_until(ctx, deadline_after(t), ctx.args[3], interrupted_call::with_deadline);
  }
  timespec now{};
  (void)::clock_gettime(id, &now);
  timespec left{t.tv_sec - now.tv_sec, t.tv_nsec - now.tv_nsec};
  if (left.tv_nsec < 0) {
    left.tv_nsec += 1'000'000'000;
    left.tv_sec -= 1;
  }
  return left.tv_sec < 0 ? 0 : sleep_until(ctx, deadline_after(left), 0, interrupted_call::unless_handled);
}

std::int64_t do_times(call_context& ctx) {
  tms t{};
  const auto ticks =
      std::chrono::duration_cast<std::chrono::milliseconds>(ctx.process.host.cpu_time()).count() / 10;
  t.tms_utime = ticks;
  if (ctx.args[0] && !store(ctx, ctx.args[0], t)) return -EFAULT;
  return std::chrono::duration_cast<std::chrono::milliseconds>(wait_clock::now().time_since_epoch()).count() /
         10;
}

constexpr syscall_entry time_entries[] = {
    {35, "nanosleep", call<do_nanosleep>, capability::always, "pP"},
    {96, "gettimeofday", call<do_gettimeofday>, capability::always, "PP"},
    {100, "times", call<do_times>, capability::always, "P"},
    {201, "time", call<do_time>, capability::always, "P"},
    {228, "clock_gettime", call<do_clock_gettime>, capability::always, "iP"},
    {229, "clock_getres", call<do_clock_getres>, capability::always, "iP"},
    {230, "clock_nanosleep", call<do_clock_nanosleep>, capability::always, "ixpP"},
};

}  // namespace

extern const syscall_family time_family;
const syscall_family time_family{"time", time_entries};

}  // namespace osvm::unikernel
