// Timers that send signals.
#include "unikernel/syscalls/arguments.hpp"

#include <sys/time.h>

namespace osvm::unikernel {
namespace {

using std::chrono::nanoseconds;

timespec to_timespec(nanoseconds d) noexcept {
  return {static_cast<time_t>(d.count() / 1'000'000'000), static_cast<long>(d.count() % 1'000'000'000)};
}
timeval to_timeval(nanoseconds d) noexcept {
  const auto us = (d.count() + 999) / 1000;  // what is armed never shows as zero
  return {static_cast<time_t>(us / 1'000'000), static_cast<suseconds_t>(us % 1'000'000)};
}

constexpr std::int64_t far_seconds = std::int64_t{200} * 365 * 86400;  // fits nanoseconds with room for sums
nanoseconds from(const timespec& t) noexcept {
  return std::chrono::seconds(std::min<std::int64_t>(t.tv_sec, far_seconds)) + nanoseconds(t.tv_nsec);
}

// struct sigevent as the kernel reads it.
struct guest_sigevent {
  sigval value;
  std::int32_t signal, notify, tid;
  std::int32_t padding[11];
};
static_assert(sizeof(guest_sigevent) == 64);

std::int64_t load_notice(call_context& ctx, guest_timers::notice& how) {
  if (!ctx.args[1]) return 0;
  guest_sigevent e{};
  if (!load(ctx, ctx.args[1], e)) return -EFAULT;
  how.value = e.value;
  how.signal = e.signal;
  switch (e.notify) {
    case SIGEV_NONE: how.silent = true; return 0;
    case SIGEV_SIGNAL:
    case SIGEV_THREAD: break;
    case SIGEV_THREAD_ID:
      if (!ctx.process.host.has_thread(e.tid)) return -EINVAL;
      how.tid = e.tid;
      break;
    default: return -EINVAL;
  }
  return e.signal >= 1 && e.signal <= max_signal ? 0 : -EINVAL;
}

std::int64_t do_timer_create(call_context& ctx) {
  const int id = int_arg(ctx, 0);
  if (id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM)
    return ctx.instance.deny("timer_create with an alarm clock", "guests do not wake the host", EPERM);
  const auto clock = timer_clock_of(id, ctx.thread.tid, ctx.process.pid);
  if (!clock || (clock->tid && !ctx.process.host.thread_cpu_time(clock->tid))) return -EINVAL;
  guest_timers::notice how;
  if (const auto r = load_notice(ctx, how); r < 0) return r;
  const int made = ctx.process.timers.create(*clock, how);
  if (made < 0) return made;
  if (store(ctx, ctx.args[2], made)) return 0;
  (void)ctx.process.timers.erase(made);
  return -EFAULT;
}

itimerspec shown(const timer_times& t) noexcept {
  return {to_timespec(t.interval), to_timespec(t.value)};
}

std::int64_t do_timer_settime(call_context& ctx) {
  itimerspec wanted{};
  if (!ctx.args[2]) return -EINVAL;
  if (!load(ctx, ctx.args[2], wanted)) return -EFAULT;
  if (!valid(wanted.it_value) || !valid(wanted.it_interval)) return -EINVAL;
  timer_times old;
  const timer_times times{from(wanted.it_value), from(wanted.it_interval)};
  if (!ctx.process.timers.set(int_arg(ctx, 0), times, int_arg(ctx, 1) & TIMER_ABSTIME, old)) return -EINVAL;
  return !ctx.args[3] || store(ctx, ctx.args[3], shown(old)) ? 0 : -EFAULT;
}

std::int64_t do_timer_gettime(call_context& ctx) {
  timer_times now;
  if (!ctx.process.timers.get(int_arg(ctx, 0), now)) return -EINVAL;
  return store(ctx, ctx.args[1], shown(now)) ? 0 : -EFAULT;
}

std::int64_t do_timer_getoverrun(call_context& ctx) {
  return ctx.process.timers.overruns(int_arg(ctx, 0)).value_or(-EINVAL);
}

std::int64_t do_timer_delete(call_context& ctx) {
  return ctx.process.timers.erase(int_arg(ctx, 0)) ? 0 : -EINVAL;
}

itimerval shown_interval(const timer_times& t) noexcept {
  return {to_timeval(t.interval), to_timeval(t.value)};
}

bool valid_time(const timeval& t) noexcept {
  return t.tv_sec >= 0 && t.tv_usec >= 0 && t.tv_usec < 1'000'000;
}

bool known_interval_timer(int which) noexcept {
  return which >= ITIMER_REAL && which <= ITIMER_PROF;
}

std::int64_t do_setitimer(call_context& ctx) {
  const int which = int_arg(ctx, 0);
  if (!known_interval_timer(which)) return -EINVAL;
  itimerval wanted{};
  if (ctx.args[1] && !load(ctx, ctx.args[1], wanted)) return -EFAULT;
  if (!valid_time(wanted.it_value) || !valid_time(wanted.it_interval)) return -EINVAL;
  const auto span = [](const timeval& t) { return from({t.tv_sec, t.tv_usec * 1000}); };
  timer_times old;
  ctx.process.timers.set_interval(which, {span(wanted.it_value), span(wanted.it_interval)}, old);
  return !ctx.args[2] || store(ctx, ctx.args[2], shown_interval(old)) ? 0 : -EFAULT;
}

std::int64_t do_getitimer(call_context& ctx) {
  const int which = int_arg(ctx, 0);
  if (!known_interval_timer(which)) return -EINVAL;
  return store(ctx, ctx.args[1], shown_interval(ctx.process.timers.get_interval(which))) ? 0 : -EFAULT;
}

std::int64_t do_alarm(call_context& ctx) {
  timer_times old;
  ctx.process.timers.set_interval(ITIMER_REAL, {std::chrono::seconds(unsigned_arg(ctx, 0)), {}}, old);
  // Rounded, but never to nothing.
  const auto ms = old.value.count() / 1'000'000;
  return old.value.count() == 0 ? 0 : std::max<std::int64_t>(1, (ms + 500) / 1000);
}

constexpr syscall_entry signal_timers_entries[] = {
    {36, "getitimer", call<do_getitimer>, capability::always, "iP"},
    {37, "alarm", call<do_alarm>, capability::always, "u"},
    {38, "setitimer", call<do_setitimer>, capability::always, "ipP"},
    {222, "timer_create", call<do_timer_create>, capability::always, "ipP"},
    {223, "timer_settime", call<do_timer_settime>, capability::always, "ixpP"},
    {224, "timer_gettime", call<do_timer_gettime>, capability::always, "iP"},
    {225, "timer_getoverrun", call<do_timer_getoverrun>, capability::always, "i"},
    {226, "timer_delete", call<do_timer_delete>, capability::always, "i"},
};

}  // namespace

extern const syscall_family signal_timers_family;
const syscall_family signal_timers_family{"signal_timers", signal_timers_entries};

}  // namespace osvm::unikernel
